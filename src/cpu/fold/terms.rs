//! What is folded: elements, or what two rows of factors make.

use std::marker::PhantomData;

use bytemuck::Pod;

/// What one element makes. A closure need not be inlined, and then no vectors are made of it.
pub(super) trait Term<T>: Copy {
    type From: Pod;
    fn of(self, x: Self::From) -> T;
}

/// What two factors make.
pub(super) trait Product<T>: 'static {
    type Factor: Pod;
    fn of(a: Self::Factor, b: Self::Factor) -> T;
}

#[derive(Clone, Copy)]
pub(super) struct Itself;

impl<T: Pod> Term<T> for Itself {
    type From = T;
    #[inline(always)]
    fn of(self, x: T) -> T {
        x
    }
}

/// The product of an element and itself.
pub(super) struct Square<P>(pub(super) PhantomData<P>);

impl<P> Clone for Square<P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Square<P> {}

impl<T, P: Product<T>> Term<T> for Square<P> {
    type From = P::Factor;
    #[inline(always)]
    fn of(self, x: P::Factor) -> T {
        P::of(x, x)
    }
}

/// The product of an element and one that is the same for all.
pub(super) struct By<T, P: Product<T>>(pub(super) P::Factor);

impl<T, P: Product<T>> Clone for By<T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, P: Product<T>> Copy for By<T, P> {}

impl<T, P: Product<T>> Term<T> for By<T, P> {
    type From = P::Factor;
    #[inline(always)]
    fn of(self, x: P::Factor) -> T {
        P::of(x, self.0)
    }
}

pub(super) struct Multiply;

macro_rules! multiply {
    ($($t:ty: $times:expr),*) => {$(
        impl Product<$t> for Multiply {
            type Factor = $t;
            #[inline(always)]
            fn of(a: $t, b: $t) -> $t { $times(a, b) }
        }
    )*};
}
multiply!(f32: std::ops::Mul::mul, f64: std::ops::Mul::mul, i32: i32::wrapping_mul, i64: i64::wrapping_mul);

/// The difference of two floats, and its square: deviations from a mean, and losses.
pub(super) struct Minus;
pub(super) struct SquareOfMinus;

macro_rules! minus {
    ($($t:ty)*) => {$(
        impl Product<$t> for Minus {
            type Factor = $t;
            #[inline(always)]
            fn of(a: $t, b: $t) -> $t { a - b }
        }
        impl Product<$t> for SquareOfMinus {
            type Factor = $t;
            #[inline(always)]
            fn of(a: $t, b: $t) -> $t { (a - b) * (a - b) }
        }
    )*};
}
minus!(f32 f64);
