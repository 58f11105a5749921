//! Elements as unsigned integers of the same order, by themselves or with their places.

use std::cell::Cell;

use bytemuck::{Pod, Zeroable};

/// An element that is sorted: i32, i64, f32 or f64.
pub(super) trait Element: Pod + Send + Sync {
    /// The largest key.
    const LAST: u64;
    /// An integer of the same order: the same for both zeros, and the largest for every NaN.
    fn key(self) -> u64;
    /// An element of that key.
    fn of_key(key: u64) -> Self;
    /// Whether its bits are not those that come back of its key: NaN and the negative zero.
    fn loses_bits(self) -> bool;
    /// The smallest and the largest key.
    fn bounds(x: &[Cell<Self>]) -> [u64; 2];
}

/// Keys as wide as elements, so that they are compared in vectors.
macro_rules! bounds {
    ($unsigned:ty) => {
        #[inline(always)]
        fn bounds(x: &[Cell<Self>]) -> [u64; 2] {
            let (mut low, mut high) = (<$unsigned>::MAX, 0);
            for x in x {
                let key = x.get().key() as $unsigned;
                (low, high) = (low.min(key), high.max(key));
            }
            [low as u64, high as u64]
        }
    };
}

macro_rules! integer {
    ($t:ty, $unsigned:ty) => {
        impl Element for $t {
            const LAST: u64 = <$unsigned>::MAX as u64;
            #[inline(always)]
            fn key(self) -> u64 {
                (self as $unsigned ^ 1 << (<$unsigned>::BITS - 1)) as u64
            }
            #[inline(always)]
            fn of_key(key: u64) -> Self {
                (key as $unsigned ^ 1 << (<$unsigned>::BITS - 1)) as $t
            }
            #[inline(always)]
            fn loses_bits(self) -> bool {
                false
            }
            bounds!($unsigned);
        }
    };
}

macro_rules! float {
    ($t:ty, $unsigned:ty) => {
        impl Element for $t {
            const LAST: u64 = <$unsigned>::MAX as u64;
            #[inline(always)]
            fn key(self) -> u64 {
                const SIGN: $unsigned = 1 << (<$unsigned>::BITS - 1);
                // Of -0 this makes 0.
                let bits = (self + 0.0).to_bits();
                let key = if bits & SIGN == 0 { bits | SIGN } else { !bits };
                (if self.is_nan() { <$unsigned>::MAX } else { key }) as u64
            }
            #[inline(always)]
            fn of_key(key: u64) -> Self {
                const SIGN: $unsigned = 1 << (<$unsigned>::BITS - 1);
                let key = key as $unsigned;
                <$t>::from_bits(if key & SIGN == 0 { !key } else { key ^ SIGN })
            }
            #[inline(always)]
            fn loses_bits(self) -> bool {
                self.is_nan() | (self.to_bits() == 1 << (<$unsigned>::BITS - 1))
            }
            bounds!($unsigned);
        }
    };
}

integer!(i32, u32);
integer!(i64, u64);
float!(f32, u32);
float!(f64, u64);

/// What is moved. Its order is that of the keys, then of the places.
pub(super) trait Item: Pod + Ord + Send + Sync {
    /// Whether it has a place. Then no two are equal.
    const PLACED: bool;
    fn new(key: u64, place: usize) -> Self;
    fn key(self) -> u64;
    /// The place, if it has one.
    fn place(self) -> i32;
}

/// A key by itself.
macro_rules! key {
    ($item:ident, $unsigned:ty) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
        #[repr(transparent)]
        pub(super) struct $item($unsigned);

        impl Item for $item {
            const PLACED: bool = false;
            #[inline(always)]
            fn new(key: u64, _: usize) -> Self {
                Self(key as $unsigned)
            }
            #[inline(always)]
            fn key(self) -> u64 {
                self.0 as u64
            }
            fn place(self) -> i32 {
                unreachable!("who wants places moves them")
            }
        }
    };
}

key!(Key32, u32);
key!(Key64, u64);

/// A key of 32 bits, and below it the place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Placed32(u64);

impl Item for Placed32 {
    const PLACED: bool = true;
    #[inline(always)]
    fn new(key: u64, place: usize) -> Self {
        Self(key << 32 | place as u64)
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self.0 >> 32
    }
    #[inline(always)]
    fn place(self) -> i32 {
        self.0 as i32
    }
}

/// A key of 64 bits, and the place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Placed64 {
    key: u64,
    place: u64,
}

impl Item for Placed64 {
    const PLACED: bool = true;
    #[inline(always)]
    fn new(key: u64, place: usize) -> Self {
        Self { key, place: place as u64 }
    }
    #[inline(always)]
    fn key(self) -> u64 {
        self.key
    }
    #[inline(always)]
    fn place(self) -> i32 {
        self.place as i32
    }
}
