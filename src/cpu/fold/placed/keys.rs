//! An element's key: a number whose order says which of two elements is looked for.

use std::marker::PhantomData;

use pulp::Simd;

use super::words::Word;
use crate::cpu::math::{f64_of_order, of_order, order, order_of_f64};

/// How an element's bits become its key, and the same of vectors of elements, without the keys.
pub(super) trait Key: 'static {
    type Word: Word;

    /// The bits of an element that no other comes after.
    const LAST: Self::Word;

    fn of(bits: Self::Word) -> KeyOf<Self>;

    /// The bits of an element of that key, which is of no NaN.
    fn element(key: KeyOf<Self>) -> Self::Word;

    /// Whether the key of an element is not of its order as a number: NaN.
    fn is_odd(bits: Self::Word) -> bool;

    /// In each lane the element whose key is smaller, neither being odd.
    fn first<S: Simd>(simd: S, a: Vector<Self, S>, b: Vector<Self, S>) -> Vector<Self, S>;

    /// Where the key of `a` is smaller, and where both keys are equal.
    fn precedes<S: Simd>(simd: S, a: Vector<Self, S>, b: Vector<Self, S>) -> Mask<Self, S>;
    fn same<S: Simd>(simd: S, a: Vector<Self, S>, b: Vector<Self, S>) -> Mask<Self, S>;

    /// Elements that are odd if one of both is, or one of those before of which such sums were made; and maybe elsewhere. One
    /// operation for each element, where to ask of each takes two.
    fn sum<S: Simd>(simd: S, a: Vector<Self, S>, b: Vector<Self, S>) -> Vector<Self, S>;

    /// Where an element is not odd.
    fn is_even<S: Simd>(simd: S, x: Vector<Self, S>) -> Mask<Self, S>;
}

pub(super) type KeyOf<K> = <<K as Key>::Word as Word>::Key;
pub(super) type Found<K> = <<K as Key>::Word as Word>::Found;
pub(super) type Vector<K, S> = <<K as Key>::Word as Word>::Vector<S>;
pub(super) type Mask<K, S> = <<K as Key>::Word as Word>::Mask<S>;

/// The smallest of whole numbers, which are their own keys, and the largest.
pub(super) struct SmallestWhole<W>(PhantomData<W>);
pub(super) struct LargestWhole<W>(PhantomData<W>);

macro_rules! whole {
    ($word:ident $key:ident $vector:ident $mask:ident $as_keys:ident $same:ident:
        $($name:ident $precedes:ident $last:expr, $turn:expr;)*) => {$(
        impl Key for $name<$word> {
            type Word = $word;
            const LAST: $word = $last as $word;

            #[inline(always)]
            fn of(bits: $word) -> $key {
                $turn(bits as $key)
            }

            #[inline(always)]
            fn element(key: $key) -> $word {
                $turn(key) as $word
            }

            #[inline(always)]
            fn is_odd(_: $word) -> bool {
                false
            }

            #[inline(always)]
            fn first<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                $word::select(simd, Self::precedes(simd, a, b), a, b)
            }

            #[inline(always)]
            fn precedes<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
                simd.$precedes(simd.$as_keys(a), simd.$as_keys(b))
            }

            #[inline(always)]
            fn same<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
                simd.$same(a, b)
            }

            #[inline(always)]
            fn sum<S: Simd>(_: S, a: S::$vector, _: S::$vector) -> S::$vector {
                a
            }

            #[inline(always)]
            fn is_even<S: Simd>(simd: S, x: S::$vector) -> S::$mask {
                simd.$same(x, x)
            }
        }
    )*};
}
whole! {
    u32 i32 u32s m32s transmute_i32s_u32s equal_u32s:
    SmallestWhole less_than_i32s i32::MAX, std::convert::identity;
}
whole! {
    u64 i64 u64s m64s transmute_i64s_u64s equal_u64s:
    SmallestWhole less_than_i64s i64::MAX, std::convert::identity;
    LargestWhole greater_than_i64s i64::MIN, std::ops::Not::not;
}

/// The smallest of floats, and the largest. NaN comes before all others.
pub(super) struct Smallest<W>(PhantomData<W>);
pub(super) struct Largest<W>(PhantomData<W>);

macro_rules! floats {
    ($float:ident $word:ident $key:ident $vector:ident $mask:ident $order:ident $of_order:ident $as_floats:ident $as_words:ident
        $add:ident $same:ident:
        $($name:ident $first:ident $precedes:ident $last:ident $turn:expr;)*) => {$(
        impl Key for $name<$word> {
            type Word = $word;
            const LAST: $word = $float::to_bits($float::$last);

            #[inline(always)]
            fn of(bits: $word) -> $key {
                $order($turn($float::from_bits(bits)))
            }

            #[inline(always)]
            fn element(key: $key) -> $word {
                $float::to_bits($turn($of_order(key)))
            }

            #[inline(always)]
            fn is_odd(bits: $word) -> bool {
                $float::from_bits(bits).is_nan()
            }

            #[inline(always)]
            fn first<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$as_words(simd.$first(simd.$as_floats(a), simd.$as_floats(b)))
            }

            #[inline(always)]
            fn precedes<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
                simd.$precedes(simd.$as_floats(a), simd.$as_floats(b))
            }

            #[inline(always)]
            fn same<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
                simd.$same(simd.$as_floats(a), simd.$as_floats(b))
            }

            #[inline(always)]
            fn sum<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                // NaN if a term is. Of infinities of both signs it is, too.
                simd.$as_words(simd.$add(simd.$as_floats(a), simd.$as_floats(b)))
            }

            #[inline(always)]
            fn is_even<S: Simd>(simd: S, x: S::$vector) -> S::$mask {
                simd.$same(simd.$as_floats(x), simd.$as_floats(x))
            }
        }
    )*};
}
floats! {
    f32 u32 i32 u32s m32s order of_order transmute_f32s_u32s transmute_u32s_f32s add_f32s equal_f32s:
    Smallest min_f32s less_than_f32s INFINITY std::convert::identity;
    Largest max_f32s greater_than_f32s NEG_INFINITY std::ops::Neg::neg;
}
floats! {
    f64 u64 i64 u64s m64s order_of_f64 f64_of_order transmute_f64s_u64s transmute_u64s_f64s add_f64s equal_f64s:
    Smallest min_f64s less_than_f64s INFINITY std::convert::identity;
    Largest max_f64s greater_than_f64s NEG_INFINITY std::ops::Neg::neg;
}
