//! Functions of the order of elements.

use super::arguments::Arguments;
use super::special::{Special, special};
use super::value::Mistake;
use crate::Result;
use crate::expr::Expr;

/// Alphabetical. Where PyTorch returns elements and places, `_indices` gives the places.
pub(super) static ORDER: [Special; 15] = [
    special("argsort", &["input", "dim", "descending", "stable"], 1, |c| {
        Ok(c.expr(0)?.argsort(c.integer_or(1, -1)?, c.flag(2, false)?))
    }),
    special("bucketize", &["input", "boundaries", "right"], 2, |c| {
        Ok(c.expr(0)?.bucketize(c.expr(1)?, c.flag(2, false)?))
    }),
    special("histc", &["input", "bins", "min", "max"], 4, |c| {
        Ok(c.expr(0)?.histc(c.size(1)?, c.number(2, 0.0)?, c.number(3, 0.0)?))
    }),
    special("kthvalue", &["input", "k", "dim"], 2, |c| Ok(kthvalue(c)?.0)),
    special("kthvalue_indices", &["input", "k", "dim"], 2, |c| Ok(kthvalue(c)?.1)),
    special("median", &["input", "dim", "keepdim"], 1, |c| along(c, 1, |x, dim| x.median(dim).0)),
    special("median_indices", &["input", "dim", "keepdim"], 2, |c| along(c, 1, |x, dim| x.median(dim).1)),
    special("msort", &["input"], 1, |c| Ok(c.expr(0)?.sort(0, false).0)),
    special("nanmedian", &["input", "dim", "keepdim"], 1, |c| along(c, 1, |x, dim| x.nanmedian(dim).0)),
    special("nanmedian_indices", &["input", "dim", "keepdim"], 2, |c| along(c, 1, |x, dim| x.nanmedian(dim).1)),
    special("quantile", &["input", "q", "dim", "keepdim"], 2, |c| {
        let q = c.number(1, 0.0)?;
        along(c, 2, |x, dim| x.quantile(q, dim))
    }),
    special("searchsorted", &["sorted_sequence", "input", "right"], 2, |c| {
        Ok(c.expr(0)?.searchsorted(c.expr(1)?, c.flag(2, false)?))
    }),
    special("sort", &["input", "dim", "descending", "stable"], 1, |c| {
        Ok(c.expr(0)?.sort(c.integer_or(1, -1)?, c.flag(2, false)?).0)
    }),
    special("topk", &["input", "k", "dim", "largest", "sorted"], 2, |c| Ok(topk(c)?.0)),
    special("topk_indices", &["input", "k", "dim", "largest", "sorted"], 2, |c| Ok(topk(c)?.1)),
];

fn kthvalue(c: &Arguments) -> Result<(Expr, Expr), Mistake> {
    Ok(c.expr(0)?.kthvalue(c.size(1)?, c.integer_or(2, -1)?))
}

fn topk(c: &Arguments) -> Result<(Expr, Expr), Mistake> {
    Ok(c.expr(0)?.topk(c.size(1)?, c.integer_or(2, -1)?, c.flag(3, true)?))
}

/// What is found along the dim that the `i`th argument gives, or among all elements; with that dim kept, of size 1, if the
/// next one says so.
fn along(c: &Arguments, i: usize, find: impl Fn(&Expr, isize) -> Expr) -> Result<Expr, Mistake> {
    let (x, keepdim) = (c.expr(0)?, c.flag(i + 1, false)?);
    if c.is_none(i) {
        let found = find(&x.reshape([x.shape().numel()]), 0);
        return Ok(if keepdim { found.reshape(vec![1; x.shape().rank()]) } else { found });
    }
    let dim = c.integer(i)?;
    let found = find(&x, dim);
    Ok(if keepdim { found.unsqueeze(dim) } else { found })
}
