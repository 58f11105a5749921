//! The gradients of scans.
//!
//! An element is part of its own result and of those after it, so what it gets back is a scan the other way: exclusive if
//! the scan was.

use super::typed;
use crate::expr::node::Expr;
use crate::expr::op::ScanOp;
use crate::expr::scan::Scan;
use crate::expr::update::gathered_gradient;

/// The gradient of the argument `x` of a scan with result `y`.
pub(super) fn scan(op: ScanOp, dim: usize, scan: Scan, grad: &Expr, x: &Expr, y: &Expr) -> Expr {
    let grad = typed(grad, y.dtype()).broadcast_to(y.shape());
    let along = dim as isize;
    let back = |op: ScanOp, x: &Expr| x.scan(op, along, Scan { reverse: !scan.reverse, ..scan });
    match op {
        ScanOp::Cumsum => back(ScanOp::Cumsum, &grad),
        ScanOp::Cumprod => {
            // Of factors that are not 0, y / x. The first 0 gets the products of the others, as far as the second.
            let is_zero = x.eq(0);
            let factors = Expr::select(&is_zero, 1, x);
            let product = factors.scan(op, along, scan) * &grad;
            let zeros = is_zero.scan(ScanOp::Cumsum, along, scan);
            let of = |n: i32| back(ScanOp::Cumsum, &Expr::select(zeros.eq(n), &product, 0));
            Expr::select(is_zero, of(1), of(0) / factors)
        }
        ScanOp::Cummax | ScanOp::Cummin => {
            let chosen = if scan.reverse {
                let of_flipped = x.flip(along).extreme_indices(op, along);
                (x.shape()[dim] as i64 - 1 - of_flipped).flip(along)
            } else {
                x.extreme_indices(op, along)
            };
            gathered_gradient(&grad, &chosen, dim, x.shape()[dim])
        }
        ScanOp::Logcumsumexp => {
            // Of each sign by itself, exp(x) times the sum of grad / exp(y), which is never written out.
            // Both from the row's largest on, as a result near a large number has lost its digits.
            let largest = x.amax(along).keepdim().detach();
            let x = x - Expr::select(largest.isfinite(), &largest, 0);
            let y = x.scan(op, along, scan);
            let y = Expr::select(y.eq(f64::NEG_INFINITY), 0, y);
            let part = |grad: &Expr| {
                let log = Expr::select(grad.gt(0), Expr::select(grad.gt(0), grad, 1).log(), f64::NEG_INFINITY);
                (back(ScanOp::Logcumsumexp, &(log - &y)) + &x).exp()
            };
            let [plus, minus] = [part(&grad), part(&-&grad)];
            plus - minus
        }
    }
}
