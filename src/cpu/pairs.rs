//! Two arithmetic operations in one loop: `(a ∘ b) ∘ c` and `c ∘ (a ∘ b)`.
//!
//! A strip between two kernels costs a store and a load to the nearest cache, about as much as the arithmetic. Each
//! operation rounds by itself, as it does alone, so that an expression gives the same bits however it is cut up.

use super::kernel::{Kernel, map3};
use crate::{BinaryOp, DType};

/// Where the result of the first operation goes in the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Left,
    Right,
}

/// The kernel of `(a first b) second c`, or of `c second (a first b)`, if there is one.
pub(super) fn pair(first: BinaryOp, second: BinaryOp, side: Side, dtype: DType) -> Option<Kernel> {
    if dtype != DType::F32 {
        return None;
    }
    match first {
        BinaryOp::Add => then(|a: f32, b: f32| a + b, second, side),
        BinaryOp::Sub => then(|a: f32, b: f32| a - b, second, side),
        BinaryOp::Mul => then(|a: f32, b: f32| a * b, second, side),
        BinaryOp::Div => then(|a: f32, b: f32| a / b, second, side),
        _ => None,
    }
}

fn then(first: impl Fn(f32, f32) -> f32 + Copy, second: BinaryOp, side: Side) -> Option<Kernel> {
    Some(match (second, side) {
        (BinaryOp::Add, _) => map3(move |a: f32, b: f32, c: f32| first(a, b) + c),
        (BinaryOp::Mul, _) => map3(move |a: f32, b: f32, c: f32| first(a, b) * c),
        (BinaryOp::Sub, Side::Left) => map3(move |a: f32, b: f32, c: f32| first(a, b) - c),
        (BinaryOp::Sub, Side::Right) => map3(move |a: f32, b: f32, c: f32| c - first(a, b)),
        (BinaryOp::Div, Side::Left) => map3(move |a: f32, b: f32, c: f32| first(a, b) / c),
        (BinaryOp::Div, Side::Right) => map3(move |a: f32, b: f32, c: f32| c / first(a, b)),
        _ => return None,
    })
}
