//! Keys of elements of 64 bits.

use pulp::Simd;

/// How an element's bits become its key, and the same of vectors of elements, without the keys: as [`Key`](super::super::keys::Key) of 32
/// bits.
pub(super) trait Key: 'static {
    /// The bits of an element that no other comes after.
    const LAST: u64;

    fn of(bits: u64) -> i64;

    /// The bits of an element of that key, which is of no NaN.
    fn element(key: i64) -> u64;

    /// In each lane the element whose key is smaller, neither being [`odd`](Self::odd).
    fn first<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::u64s;

    /// Where the key of `a` is smaller, and where both keys are equal.
    fn precedes<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::m64s;
    fn same<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::m64s;

    /// Lanes that are not 0 wherever the key of an element is not of its order as a number, and maybe elsewhere: NaN.
    fn odd<S: Simd>(simd: S, x: [S::u64s; 8]) -> S::u64s;
}

/// The smallest of whole numbers, and the largest.
pub(super) struct SmallestWhole;
pub(super) struct LargestWhole;

macro_rules! whole {
    ($($name:ident $precedes:ident $last:expr, $turn:expr;)*) => {$(
        impl Key for $name {
            const LAST: u64 = $last as u64;

            #[inline(always)]
            fn of(bits: u64) -> i64 {
                $turn(bits as i64)
            }

            #[inline(always)]
            fn element(key: i64) -> u64 {
                $turn(key) as u64
            }

            #[inline(always)]
            fn first<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::u64s {
                simd.select_u64s(Self::precedes(simd, a, b), a, b)
            }

            #[inline(always)]
            fn precedes<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::m64s {
                simd.$precedes(simd.transmute_i64s_u64s(a), simd.transmute_i64s_u64s(b))
            }

            #[inline(always)]
            fn same<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::m64s {
                simd.equal_u64s(a, b)
            }

            #[inline(always)]
            fn odd<S: Simd>(simd: S, _: [S::u64s; 8]) -> S::u64s {
                simd.splat_u64s(0)
            }
        }
    )*};
}
whole! {
    SmallestWhole less_than_i64s i64::MAX, std::convert::identity;
    LargestWhole greater_than_i64s i64::MIN, std::ops::Not::not;
}

/// The smallest of floats, and the largest. NaN comes before all others.
pub(super) struct Smallest;
pub(super) struct Largest;

macro_rules! floats {
    ($($name:ident $first:ident $precedes:ident $last:expr, $turn:expr;)*) => {$(
        impl Key for $name {
            const LAST: u64 = f64::to_bits($last);

            #[inline(always)]
            fn of(bits: u64) -> i64 {
                order($turn(f64::from_bits(bits)))
            }

            #[inline(always)]
            fn element(key: i64) -> u64 {
                f64::to_bits($turn(of_order(key)))
            }

            #[inline(always)]
            fn first<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::u64s {
                simd.transmute_u64s_f64s(simd.$first(simd.transmute_f64s_u64s(a), simd.transmute_f64s_u64s(b)))
            }

            #[inline(always)]
            fn precedes<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::m64s {
                simd.$precedes(simd.transmute_f64s_u64s(a), simd.transmute_f64s_u64s(b))
            }

            #[inline(always)]
            fn same<S: Simd>(simd: S, a: S::u64s, b: S::u64s) -> S::m64s {
                simd.equal_f64s(simd.transmute_f64s_u64s(a), simd.transmute_f64s_u64s(b))
            }

            #[inline(always)]
            fn odd<S: Simd>(simd: S, x: [S::u64s; 8]) -> S::u64s {
                // A sum is NaN if a term is: one operation for each. It also is of infinities of both signs.
                let mut sums = [simd.splat_f64s(0.0); 4];
                for i in 0..4 {
                    sums[i] = simd.add_f64s(simd.transmute_f64s_u64s(x[2 * i]), simd.transmute_f64s_u64s(x[2 * i + 1]));
                }
                let sum = simd.add_f64s(simd.add_f64s(sums[0], sums[1]), simd.add_f64s(sums[2], sums[3]));
                simd.select_u64s(simd.equal_f64s(sum, sum), simd.splat_u64s(0), simd.splat_u64s(1))
            }
        }
    )*};
}
floats! {
    Smallest min_f64s less_than_f64s f64::INFINITY, std::convert::identity;
    Largest max_f64s greater_than_f64s f64::NEG_INFINITY, std::ops::Neg::neg;
}

/// An i64 for an f64, in the same order: of both zeros 0, of NaN less than of any number.
#[inline(always)]
fn order(x: f64) -> i64 {
    // Of -0 this makes 0.
    let bits = (x + 0.0).to_bits() as i64;
    let order = bits ^ ((bits >> 63) as u64 >> 1) as i64;
    if x.is_nan() { i64::MIN } else { order }
}

/// The float that has this [`order`].
#[inline(always)]
fn of_order(order: i64) -> f64 {
    f64::from_bits((order ^ ((order >> 63) as u64 >> 1) as i64) as u64)
}
