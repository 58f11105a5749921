//! `+ - * / % & | ^ << >> !` and unary minus on tensors, expressions, numbers and cells, in every combination, by value and by
//! reference. A number on the left is an `f64`, an `i64` or a `bool`; on the right it may be an `f32` or an `i32`, too.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Shl, Shr, Sub};

use super::ScalarCell;
use super::{BinaryOp, Expr, UnaryOp};
use crate::Tensor;

// The shape of these impls decides what type inference can see. With an expression on the left, one impl for every
// right side: the result is an `Expr` before the compiler knows which float a literal is. With a number on the left,
// one impl for each kind of literal (f64, i64): were there one for f32 too, `(1.0 - &w).square()` would be ambiguous.
macro_rules! operator {
    ($($trait:ident $method:ident $op:ident),*) => {$(
        operator!(@left $trait $method $op: Expr, &Expr, Tensor, &Tensor, ScalarCell, &ScalarCell);
        operator!(@number $trait $method $op: bool, i64, f64);
    )*};
    (@left $trait:ident $method:ident $op:ident: $($lhs:ty),*) => {$(
        impl<R: Into<Expr>> $trait<R> for $lhs {
            type Output = Expr;
            fn $method(self, rhs: R) -> Expr {
                Expr::from(self).binary(BinaryOp::$op, rhs)
            }
        }
    )*};
    (@number $trait:ident $method:ident $op:ident: $($num:ty),*) => {$(
        operator!(@pair $trait $method $op: $num, Expr);
        operator!(@pair $trait $method $op: $num, &Expr);
        operator!(@pair $trait $method $op: $num, Tensor);
        operator!(@pair $trait $method $op: $num, &Tensor);
        operator!(@pair $trait $method $op: $num, ScalarCell);
        operator!(@pair $trait $method $op: $num, &ScalarCell);
    )*};
    (@pair $trait:ident $method:ident $op:ident: $lhs:ty, $rhs:ty) => {
        impl $trait<$rhs> for $lhs {
            type Output = Expr;
            fn $method(self, rhs: $rhs) -> Expr {
                Expr::from(self).binary(BinaryOp::$op, rhs)
            }
        }
    };
}
operator!(
    Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Remainder,
    BitAnd bitand BitwiseAnd, BitOr bitor BitwiseOr, BitXor bitxor BitwiseXor,
    Shl shl BitwiseLeftShift, Shr shr BitwiseRightShift
);

macro_rules! impl_unary_operators {
    ($($ty:ty),*) => {$(
        impl Neg for $ty {
            type Output = Expr;
            fn neg(self) -> Expr { Expr::from(self).unary(UnaryOp::Neg) }
        }
        /// The other bits of integers; of bools, logical not.
        impl Not for $ty {
            type Output = Expr;
            fn not(self) -> Expr { Expr::from(self).bitwise_not() }
        }
    )*};
}
impl_unary_operators!(Expr, &Expr, Tensor, &Tensor, ScalarCell, &ScalarCell);
