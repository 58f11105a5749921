//! u64, which no backend knows: it is computed with as the i64 of the same bits, and here is what differs.
//!
//! Sums, differences, products, bits and equality are those of i64. Order is that of i64 once the highest bit of both is
//! flipped. Quotients, powers and shifts to the right are refused; PyTorch has none of them, nor order or sums of two.

use super::node::Expr;
use super::op::{BinaryOp, ReduceOp, ScanOp, UnaryOp};
use super::scan::Scan;
use crate::{DType, Dims, Error, Result, Scalar};

/// The highest bit, and what it is worth.
const HIGHEST: i64 = i64::MIN;
const WORTH: f64 = -(i64::MIN as f64);

/// A function of a u64, where it is not that of an i64.
pub(super) fn unary(op: UnaryOp, x: &Expr) -> Option<Expr> {
    match op {
        UnaryOp::Abs | UnaryOp::Relu => Some(x.clone()),
        UnaryOp::Sign => Some(x.ne(0).cast(DType::U64)),
        _ => None,
    }
}

/// Whether the answer comes from the order of u64s.
pub(crate) fn is_order(op: BinaryOp) -> bool {
    use BinaryOp::{Ge, Gt, Le, Lt, Maximum, Minimum};
    matches!(op, Lt | Le | Gt | Ge | Maximum | Minimum)
}

/// Whether there is no such operation on u64s.
pub(crate) fn is_refused(op: BinaryOp) -> bool {
    use BinaryOp::{BitwiseRightShift, FloorDivide, Fmod, Pow, Remainder};
    matches!(op, Fmod | Remainder | FloorDivide | Pow | BitwiseRightShift)
}

/// An operation on two u64s, where it is not that of two i64s.
pub(super) fn binary(op: BinaryOp, a: &Expr, b: &Expr) -> Result<Option<Expr>> {
    const EXPECTED: &str = "integers with a sign or fewer bits, or floats (cast u64 to i64 or f64)";
    match op {
        _ if is_refused(op) => Err(Error::DType { op: op.name(), expected: EXPECTED, found: DType::U64 }),
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => Ok(Some(ordered(a).binary(op, ordered(b)))),
        BinaryOp::Maximum | BinaryOp::Minimum => Ok(Some(from_ordered(&ordered(a).binary(op, ordered(b))))),
        _ => Ok(None),
    }
}

/// A reduction of u64s, where it is not that of i64s.
pub(super) fn reduce(op: ReduceOp, x: &Expr, dims: &Dims) -> Option<Expr> {
    match op {
        ReduceOp::Amax | ReduceOp::Amin => Some(from_ordered(&ordered(x).reduce(op, dims.clone()))),
        ReduceOp::Argmax | ReduceOp::Argmin => Some(ordered(x).reduce(op, dims.clone())),
        ReduceOp::Sum | ReduceOp::Mean | ReduceOp::Prod | ReduceOp::Any | ReduceOp::All => None,
    }
}

/// A scan of u64s, where it is not that of i64s.
pub(super) fn scan(op: ScanOp, x: &Expr, dim: isize, scan: Scan) -> Option<Expr> {
    match op {
        ScanOp::Cummax | ScanOp::Cummin => Some(from_ordered(&ordered(x).scan(op, dim, scan))),
        ScanOp::Cumsum | ScanOp::Cumprod | ScanOp::Logcumsumexp => None,
    }
}

/// A cast from u64 to a float or back, rounded once; `None` where it is that of an i64.
pub(super) fn cast(x: &Expr, to: DType) -> Option<Expr> {
    match (x.dtype(), to) {
        (DType::U64, to) if to.is_float() => {
            let bits = x.cast(DType::I64);
            // Half of it has no sign, and its last bit is set where one was lost, so that a tie stays one side's.
            let half = bits.bitwise_right_shift(1).bitwise_and(i64::MAX).bitwise_or(bits.bitwise_and(1));
            Some(Expr::select(bits.lt(0), half.cast(to) * 2, bits.cast(to)))
        }
        (from, DType::U64) if from.is_float() => {
            let upper = (x - WORTH).cast(DType::I64).bitwise_xor(HIGHEST);
            Some(Expr::select(x.ge(WORTH), upper, x.cast(DType::I64)).cast(DType::U64))
        }
        _ => None,
    }
}

/// The i64 that is to others as the u64 is to theirs.
pub(super) fn ordered(x: &Expr) -> Expr {
    match x.as_scalar() {
        Some(number) => Expr::scalar(Scalar::Int(number.to_i64() ^ HIGHEST)),
        None => x.cast(DType::U64).cast(DType::I64).bitwise_xor(HIGHEST),
    }
}

pub(super) fn from_ordered(x: &Expr) -> Expr {
    x.bitwise_xor(HIGHEST).cast(DType::U64)
}
