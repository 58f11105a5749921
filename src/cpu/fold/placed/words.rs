//! Elements of 32 and of 64 bits: their words, vectors of them, and what is kept of an element that was found.

use std::ops::BitOr;

use bytemuck::Pod;
use pulp::Simd;

use super::super::Join;
use crate::cpu::math::words;

/// The bits of an element. A number, which has no more than 32, becomes one.
pub(super) trait Word: Pod + Eq + BitOr<Output = Self> + From<u32> {
    /// An element's key: as many bits, with a sign.
    type Key: Copy + Ord;
    /// A key that none comes after.
    const MOST: Self::Key;

    /// A key and the number of the element that it is of. The smallest is wanted.
    type Found: Pod;
    /// How two become one.
    type First: Join<Self::Found, Acc = Self::Found>;
    /// What is written of the one that was found.
    type Out: Pod;
    fn found(key: Self::Key, number: u32) -> Self::Found;
    fn out(found: Self::Found) -> Self::Out;
    /// Whether the first of two is smaller.
    fn precedes(a: Self::Found, b: Self::Found) -> bool;

    /// The number that became a word.
    fn number(self) -> u32;

    type Vector<S: Simd>: Pod;
    type Mask<S: Simd>: Copy;
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    fn and<S: Simd>(simd: S, a: Self::Mask<S>, b: Self::Mask<S>) -> Self::Mask<S>;
    fn less<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    fn select<S: Simd>(simd: S, mask: Self::Mask<S>, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
}

/// A key and a number of 64 bits each.
pub(super) type Pair = [i64; 2];

/// The smaller of two that were found.
pub(super) struct First;

macro_rules! firsts {
    ($($word:ident $found:ty: $none:expr;)*) => {$(
        impl Join<$found> for First {
            type Acc = $found;
            const NONE: $found = $none;
            const ROUNDS: bool = false;

            #[inline(always)]
            fn pair(a: $found, b: $found) -> $found {
                if $word::precedes(b, a) { b } else { a }
            }

            #[inline(always)]
            fn widen(x: $found) -> $found {
                x
            }

            #[inline(always)]
            fn join(a: $found, b: $found) -> $found {
                Self::pair(a, b)
            }

            #[inline(always)]
            fn narrow(acc: $found) -> $found {
                acc
            }
        }
    )*};
}
firsts! {
    u32 i64: i64::MAX;
    u64 Pair: [i64::MAX, i32::MAX as i64];
}

macro_rules! vectors {
    ($vector:ident $mask:ident $splat:ident $and:ident $less:ident $select:ident) => {
        type Vector<S: Simd> = S::$vector;
        type Mask<S: Simd> = S::$mask;

        #[inline(always)]
        fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
            simd.$splat(x)
        }

        #[inline(always)]
        fn and<S: Simd>(simd: S, a: S::$mask, b: S::$mask) -> S::$mask {
            simd.$and(a, b)
        }

        #[inline(always)]
        fn less<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
            simd.$less(a, b)
        }

        #[inline(always)]
        fn select<S: Simd>(simd: S, mask: S::$mask, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$select(mask, a, b)
        }
    };
}

impl Word for u32 {
    type Key = i32;
    const MOST: i32 = i32::MAX;

    type Found = i64;
    type First = First;
    type Out = i64;

    #[inline(always)]
    fn found(key: i32, number: u32) -> i64 {
        words(key, number as i32)
    }

    #[inline(always)]
    fn out(found: i64) -> i64 {
        found
    }

    #[inline(always)]
    fn precedes(a: i64, b: i64) -> bool {
        a < b
    }

    #[inline(always)]
    fn number(self) -> u32 {
        self
    }

    vectors!(u32s m32s splat_u32s and_m32s less_than_u32s select_u32s);
}

impl Word for u64 {
    type Key = i64;
    const MOST: i64 = i64::MAX;

    type Found = Pair;
    type First = First;
    type Out = i32;

    #[inline(always)]
    fn found(key: i64, number: u32) -> Pair {
        [key, i64::from(number)]
    }

    #[inline(always)]
    fn out(found: Pair) -> i32 {
        found[1] as i32
    }

    #[inline(always)]
    fn precedes(a: Pair, b: Pair) -> bool {
        a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
    }

    #[inline(always)]
    fn number(self) -> u32 {
        self as u32
    }

    vectors!(u64s m64s splat_u64s and_m64s less_than_u64s select_u64s);
}

/// A number in all lanes.
#[inline(always)]
pub(super) fn splat<W: Word, S: Simd>(simd: S, number: u32) -> W::Vector<S> {
    W::splat(simd, number.into())
}

/// Elements of a vector.
#[inline(always)]
pub(super) const fn lanes_of<W: Word, S: Simd>() -> usize {
    size_of::<W::Vector<S>>() / size_of::<W>()
}

#[inline(always)]
pub(super) fn lanes<W: Word, S: Simd>(x: &W::Vector<S>) -> &[W] {
    bytemuck::cast_slice(std::slice::from_ref(x))
}

/// Whether it is so in all lanes.
#[inline(always)]
pub(super) fn all<W: Word, S: Simd>(simd: S, mask: W::Mask<S>) -> bool {
    let falls = W::select(simd, mask, splat::<W, S>(simd, 0), splat::<W, S>(simd, 1));
    lanes::<W, S>(&falls).iter().fold(W::zeroed(), |any, &x| any | x) == W::zeroed()
}
