//! The gradient of each node's arguments.
//!
//! The rules of elementwise operations stand in their rows ([`Grad`](crate::expr::op::Grad)); those with cases are
//! functions here, beside the rules of everything else. `grad` is the gradient of the node, `y` its result, and a rule's
//! result broadcasts to the node's shape. `None` is a gradient of zeros.

use std::f64::consts::PI;
use std::sync::Arc;

use super::scans::scan;
use super::segments::segments;
use super::views::view;
use super::{at_rank, typed, unbroadcast};
use crate::expr::node::{Expr, Op};
use crate::expr::op::ReduceOp;
use crate::expr::update::gathered_gradient;
use crate::{DType, Dims, Shape};

/// The gradient of argument `i` of `expr`, whose own gradient is `grad`: an expression that broadcasts to the argument's
/// shape.
pub(super) fn argument(expr: &Expr, i: usize, grad: &Expr) -> Option<Expr> {
    let (args, shape) = (&expr.0.args, expr.shape());
    let part = match &expr.0.op {
        Op::Unary(op) => op.row().grad.part(i, grad, [&args[0]], expr),
        Op::Binary(op) => op.row().grad.part(i, grad, [&args[0], &args[1]], expr),
        Op::Select => {
            let grad = typed(grad, expr.dtype());
            Some(if i == 1 { Expr::select(&args[0], grad, 0) } else { Expr::select(&args[0], 0, grad) })
        }
        // The caller gives it the argument's dtype.
        Op::Cast | Op::Promote => Some(grad.clone()),
        Op::View(of) => return view(of, grad, expr, args[0].shape()),
        Op::Reduce(op, dims) => return reduce(*op, dims, grad, &args[0], expr),
        &Op::Segments(fold, row) => return segments(fold, row, i, grad, expr),
        &Op::Scan(op, dim, of) => return Some(scan(op, dim, of, grad, &args[0], expr)),
        &Op::Sort(sort) => {
            let (x, last) = (&args[0], shape.rank() - 1);
            let grad = typed(grad, expr.dtype()).broadcast_to(shape);
            return sort.values.then(|| gathered_gradient(&grad, &sort.places_of(x), last, x.shape()[last]));
        }
        Op::Take { .. } => unreachable!("its gradient may pass an argument by: `taking.rs`"),
        Op::Leaf(_) | Op::Number(_) | Op::Index | Op::Random(_) | Op::Detach | Op::Bounded(_) | Op::Invalid(_) => None,
    };
    Some(unbroadcast(&part?, shape, args[i].shape()))
}

/// The gradient of a product's left factor.
pub(in crate::expr) fn left_factor(grad: &Expr, [a, b]: [&Expr; 2]) -> Expr {
    // Both factors of a square are one node, which gets all of its gradient here.
    if is_same(a, b) { grad * 2 * a } else { grad * b }
}

/// The gradient of a product's right factor.
pub(in crate::expr) fn right_factor(grad: &Expr, [a, b]: [&Expr; 2]) -> Option<Expr> {
    if is_same(a, b) { None } else { Some(grad * a) }
}

fn is_same(a: &Expr, b: &Expr) -> bool {
    Arc::ptr_eq(&a.0, &b.0)
}

/// The gradient of one argument of a maximum or minimum, `this`, which `loses` where the other is the result. Where they
/// are equal each has half of it.
pub(in crate::expr) fn extremum(grad: &Expr, loses: &Expr, [this, other]: [&Expr; 2], y: &Expr) -> Expr {
    let grad = typed(grad, y.dtype());
    Expr::select(loses, 0, Expr::select(this.eq(other), &grad * 0.5, &grad))
}

/// The same of the left argument. A number on its right is the bound of a clamp, at which nothing is passed on, nor where
/// one of the two is NaN: `this` must `win`.
pub(in crate::expr) fn left_extremum(grad: &Expr, wins: &Expr, loses: &Expr, args: [&Expr; 2], y: &Expr) -> Expr {
    if args[1].as_number().is_some() {
        return Expr::select(wins, typed(grad, y.dtype()), 0);
    }
    extremum(grad, loses, args, y)
}

/// The gradient of a power's base: `b * a^(b - 1)`, and 0 for the power 0, whatever the base.
pub(in crate::expr) fn base(grad: &Expr, [a, b]: [&Expr; 2]) -> Option<Expr> {
    match b.as_scalar() {
        Some(b) if b.to_f64() == 0.0 => None,
        Some(b) => Some(grad * b.to_f64() * a.pow(b.to_f64() - 1.0)),
        None => Some(Expr::select(b.eq(0), 0, grad * (b * a.pow(b - 1)))),
    }
}

/// The gradient of a power's exponent: `a^b * log(a)`, and 0 where the base is 0 and the exponent not negative.
pub(in crate::expr) fn exponent(grad: &Expr, [a, b]: [&Expr; 2], y: &Expr) -> Expr {
    match a.as_scalar() {
        Some(a) if a.to_f64() != 0.0 => grad * a.to_f64().ln() * y,
        _ => grad * Expr::select(a.eq(0).logical_and(b.ge(0)), 0, y * a.log()),
    }
}

/// The squared distance of a point from the origin, where it is 1: the gradient of an angle is 0 there, not 0 / 0.
pub(in crate::expr) fn squares([y, x]: [&Expr; 2]) -> Expr {
    let squares = y.square() + x.square();
    Expr::select(squares.eq(0), 1, squares)
}

/// The derivative of the logarithmic derivative of the gamma function, of any order differentiable itself: ten terms of
/// Σ 1 / (x + k)², then Stirling's series; up to 1/2 by reflection.
pub(in crate::expr) fn trigamma(x: &Expr) -> Expr {
    // Bernoulli's numbers.
    const SERIES: [f64; 7] = [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2730.0, 7.0 / 6.0];
    let is_low = x.lt(0.5);
    let up = Expr::select(&is_low, 1 - x, x);
    let sum = (0..10).map(|k| (&up + k).square().reciprocal()).reduce(|sum, term| sum + term);
    let inverse = (up + 10).reciprocal();
    let square = inverse.square();
    let series = SERIES.iter().rev().fold(Expr::from(0.0), |sum, &term| sum * &square + term);
    let beyond = &inverse + &square * 0.5 + inverse * square * series;
    let sum = sum.map_or_else(|| beyond.clone(), |sum| sum + &beyond);
    let sine = ((x - x.round()) * PI).sin();
    let reflected = (PI / Expr::select(&is_low, sine, 1)).square();
    Expr::select(is_low, reflected - &sum, &sum)
}

/// The derivative of `y`, the Bessel function of order 1 of `x`: 1/2 at 0.
pub(in crate::expr) fn i1_slope(x: &Expr, y: &Expr) -> Expr {
    let is_zero = x.eq(0);
    x.i0() - Expr::select(&is_zero, 0.5, y / Expr::select(&is_zero, 1, x))
}

/// The gradient of the argument of a reduction, `x`: it broadcasts to the shape of `x`.
fn reduce(op: ReduceOp, dims: &[usize], grad: &Expr, x: &Expr, y: &Expr) -> Option<Expr> {
    let signed: Vec<isize> = dims.iter().map(|&d| d as isize).collect();
    let over = || Dims::from(&signed[..]);
    let spread = |result: &Expr| spread(result, dims, x.shape().rank());
    Some(match op {
        ReduceOp::Sum => spread(grad),
        ReduceOp::Mean => {
            let count: usize = dims.iter().map(|&d| x.shape()[d]).product();
            spread(&(grad / count as f64))
        }
        ReduceOp::Prod => {
            // The product of the other elements: that of all divided by this one, where both are finite and not 0. A
            // zero makes it 0 for all but itself; what is infinite or NaN makes it so for all but itself.
            let (is_zero, is_finite) = (x.eq(0), x.abs().lt(f64::INFINITY));
            let divides = &is_finite & !&is_zero;
            let factors = Expr::select(divides, x, Expr::select(x.lt(0), -1, 1));
            let others = spread(&factors.prod(over())) / factors;
            let elsewhere = |is: &Expr| spread(&is.sum(over())).gt(is.cast(DType::I64));
            let others = Expr::select(elsewhere(&is_zero), 0, others);
            let size = spread(&Expr::select(&is_finite, 0, x.abs()).sum(over()));
            spread(grad) * others * Expr::select(elsewhere(&!is_finite), size, 1)
        }
        ReduceOp::Amax | ReduceOp::Amin => {
            // NaN wins. What did not win gets nothing, though the gradient be infinite or NaN.
            let hits = x.eq(spread(y)) | x.isnan();
            let share = typed(grad, y.dtype()) / hits.sum(over());
            Expr::select(hits, spread(&share), 0)
        }
        ReduceOp::Any | ReduceOp::All | ReduceOp::Argmax | ReduceOp::Argmin => return None,
    })
}

/// `result`, which broadcasts to the result of a reduction, with the reduced dims put back in their places with size 1.
fn spread(result: &Expr, dims: &[usize], rank: usize) -> Expr {
    if result.as_scalar().is_some() {
        return result.clone();
    }
    let result = at_rank(result, rank - dims.len());
    let mut kept = result.shape().iter().copied();
    let sizes = (0..rank).map(|d| if dims.contains(&d) { 1 } else { kept.next().unwrap_or(1) });
    result.reshape(sizes.collect::<Shape>())
}
