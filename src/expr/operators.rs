//! `+ - * / & | !` and unary minus on tensors, expressions and numbers, in every combination, by value and by reference.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{BinaryOp, Expr, UnaryOp};
use crate::Tensor;

macro_rules! impl_operator {
    ($trait:ident $method:ident $op:ident: $lhs:ty, $rhs:ty) => {
        impl $trait<$rhs> for $lhs {
            type Output = Expr;
            fn $method(self, rhs: $rhs) -> Expr {
                Expr::from(self).binary(BinaryOp::$op, rhs)
            }
        }
    };
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:ident),*) => {$(
        operator!(@lhs $trait $method $op: Expr, &Expr, Tensor, &Tensor);
        operator!(@number $trait $method $op: bool, i32, i64, f32, f64);
    )*};
    (@lhs $trait:ident $method:ident $op:ident: $($lhs:ty),*) => {$(
        impl_operator!($trait $method $op: $lhs, Expr);
        impl_operator!($trait $method $op: $lhs, &Expr);
        impl_operator!($trait $method $op: $lhs, Tensor);
        impl_operator!($trait $method $op: $lhs, &Tensor);
    )*};
    (@number $trait:ident $method:ident $op:ident: $($num:ty),*) => {$(
        impl_operator!($trait $method $op: Expr, $num);
        impl_operator!($trait $method $op: &Expr, $num);
        impl_operator!($trait $method $op: Tensor, $num);
        impl_operator!($trait $method $op: &Tensor, $num);
        impl_operator!($trait $method $op: $num, Expr);
        impl_operator!($trait $method $op: $num, &Expr);
        impl_operator!($trait $method $op: $num, Tensor);
        impl_operator!($trait $method $op: $num, &Tensor);
    )*};
}
operator!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, BitAnd bitand And, BitOr bitor Or);

macro_rules! impl_unary_operators {
    ($($ty:ty),*) => {$(
        impl Neg for $ty {
            type Output = Expr;
            fn neg(self) -> Expr { Expr::from(self).unary(UnaryOp::Neg) }
        }
        /// Logical not: true where the element is 0 or false.
        impl Not for $ty {
            type Output = Expr;
            fn not(self) -> Expr { Expr::from(self).unary(UnaryOp::Not) }
        }
    )*};
}
impl_unary_operators!(Expr, &Expr, Tensor, &Tensor);
