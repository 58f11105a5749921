//! An element's key: a number whose order says which of two elements is looked for.

use pulp::Simd;

use crate::cpu::math::{of_order, order};

/// How an element's bits become its key, and the same of vectors of elements, without the keys.
pub(super) trait Key: 'static {
    /// The bits of an element that no other comes after.
    const LAST: u32;

    fn of(bits: u32) -> i32;

    /// The bits of an element of that key, which is of no NaN.
    fn element(key: i32) -> u32;

    /// In each lane the element whose key is smaller, neither being [`odd`](Self::odd).
    fn first<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::u32s;

    /// Where the key of `a` is smaller, and where both keys are equal.
    fn precedes<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::m32s;
    fn same<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::m32s;

    /// Lanes that are not 0 wherever the key of an element is not of its order as a number, and maybe elsewhere: NaN.
    fn odd<S: Simd>(simd: S, x: [S::u32s; 8]) -> S::u32s;
}

/// The smallest of whole numbers, which are their own keys.
pub(super) struct Whole;

impl Key for Whole {
    const LAST: u32 = i32::MAX as u32;

    #[inline(always)]
    fn of(bits: u32) -> i32 {
        bits as i32
    }

    #[inline(always)]
    fn element(key: i32) -> u32 {
        key as u32
    }

    #[inline(always)]
    fn first<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::u32s {
        simd.transmute_u32s_i32s(simd.min_i32s(simd.transmute_i32s_u32s(a), simd.transmute_i32s_u32s(b)))
    }

    #[inline(always)]
    fn precedes<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::m32s {
        simd.less_than_i32s(simd.transmute_i32s_u32s(a), simd.transmute_i32s_u32s(b))
    }

    #[inline(always)]
    fn same<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::m32s {
        simd.equal_u32s(a, b)
    }

    #[inline(always)]
    fn odd<S: Simd>(simd: S, _: [S::u32s; 8]) -> S::u32s {
        simd.splat_u32s(0)
    }
}

/// The smallest of floats, and the largest. NaN comes before all others.
pub(super) struct Smallest;
pub(super) struct Largest;

macro_rules! floats {
    ($($name:ident $first:ident $precedes:ident $last:expr, $turn:expr;)*) => {$(
        impl Key for $name {
            const LAST: u32 = f32::to_bits($last);

            #[inline(always)]
            fn of(bits: u32) -> i32 {
                order($turn(f32::from_bits(bits)))
            }

            #[inline(always)]
            fn element(key: i32) -> u32 {
                f32::to_bits($turn(of_order(key)))
            }

            #[inline(always)]
            fn first<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::u32s {
                simd.transmute_u32s_f32s(simd.$first(simd.transmute_f32s_u32s(a), simd.transmute_f32s_u32s(b)))
            }

            #[inline(always)]
            fn precedes<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::m32s {
                simd.$precedes(simd.transmute_f32s_u32s(a), simd.transmute_f32s_u32s(b))
            }

            #[inline(always)]
            fn same<S: Simd>(simd: S, a: S::u32s, b: S::u32s) -> S::m32s {
                simd.equal_f32s(simd.transmute_f32s_u32s(a), simd.transmute_f32s_u32s(b))
            }

            #[inline(always)]
            fn odd<S: Simd>(simd: S, x: [S::u32s; 8]) -> S::u32s {
                // A sum is NaN if a term is: one operation for each. It also is of infinities of both signs.
                let mut sums = [simd.splat_f32s(0.0); 4];
                for i in 0..4 {
                    sums[i] = simd.add_f32s(simd.transmute_f32s_u32s(x[2 * i]), simd.transmute_f32s_u32s(x[2 * i + 1]));
                }
                let sum = simd.add_f32s(simd.add_f32s(sums[0], sums[1]), simd.add_f32s(sums[2], sums[3]));
                simd.select_u32s(simd.equal_f32s(sum, sum), simd.splat_u32s(0), simd.splat_u32s(1))
            }
        }
    )*};
}
floats! {
    Smallest min_f32s less_than_f32s f32::INFINITY, std::convert::identity;
    Largest max_f32s greater_than_f32s f32::NEG_INFINITY, std::ops::Neg::neg;
}
