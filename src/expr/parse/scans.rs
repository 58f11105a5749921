//! Scans.

use super::arguments::Arguments;
use super::special::{Special, special};
use super::value::Mistake;
use crate::Result;
use crate::expr::op::ScanOp;
use crate::expr::{Expr, Scan};

/// Alphabetical.
pub(super) static SCANS: [Special; 7] = [
    special("cummax", &["input", "dim"], 2, |c| scan(c, ScanOp::Cummax)),
    special("cummax_indices", &["input", "dim"], 2, |c| Ok(c.expr(0)?.cummax_indices(c.integer(1)?))),
    special("cummin", &["input", "dim"], 2, |c| scan(c, ScanOp::Cummin)),
    special("cummin_indices", &["input", "dim"], 2, |c| Ok(c.expr(0)?.cummin_indices(c.integer(1)?))),
    special("cumprod", &["input", "dim", "dtype"], 2, |c| scan(c, ScanOp::Cumprod)),
    special("cumsum", &["input", "dim", "dtype"], 2, |c| scan(c, ScanOp::Cumsum)),
    special("logcumsumexp", &["input", "dim"], 2, |c| scan(c, ScanOp::Logcumsumexp)),
];

/// Of what was cast, if a dtype is given.
fn scan(c: &Arguments, op: ScanOp) -> Result<Expr, Mistake> {
    let (x, dim) = (c.expr(0)?, c.integer(1)?);
    if c.values.len() < 3 || c.is_none(2) {
        return Ok(x.scan(op, dim, Scan::default()));
    }
    let dtype = c.dtype(2)?;
    Ok(x.cast(dtype).scan(op, dim, Scan::default()).cast(dtype))
}
