//! Functions that read and write by tensors of indices.

use super::arguments::Arguments;
use super::special::{Special, special};
use super::value::Mistake;
use crate::Result;
use crate::expr::Expr;

/// Alphabetical.
pub(super) static INDEXING: [Special; 10] = [
    special("embedding", &["input", "weight"], 2, |c| Ok(c.expr(1)?.embedding(c.expr(0)?))),
    special("gather", &["input", "dim", "index"], 3, |c| Ok(c.expr(0)?.gather(c.integer(1)?, c.expr(2)?))),
    special("index_add", &["input", "dim", "index", "source", "alpha"], 4, |c| {
        let source = if c.is_none(4) { c.expr(3)? } else { c.expr(3)? * c.expr(4)? };
        Ok(c.expr(0)?.index_add(c.integer(1)?, c.expr(2)?, source))
    }),
    special("index_copy", &["input", "dim", "index", "source"], 4, |c| {
        Ok(c.expr(0)?.index_copy(c.integer(1)?, c.expr(2)?, c.expr(3)?))
    }),
    special("index_fill", &["input", "dim", "index", "value"], 4, |c| {
        Ok(c.expr(0)?.index_fill(c.integer(1)?, c.expr(2)?, c.expr(3)?))
    }),
    special("index_select", &["input", "dim", "index"], 3, |c| Ok(c.expr(0)?.index_select(c.integer(1)?, c.expr(2)?))),
    special("scatter", &["input", "dim", "index", "src"], 4, |c| {
        Ok(c.expr(0)?.scatter(c.integer(1)?, c.expr(2)?, c.expr(3)?))
    }),
    special("scatter_add", &["input", "dim", "index", "src"], 4, |c| {
        Ok(c.expr(0)?.scatter_add(c.integer(1)?, c.expr(2)?, c.expr(3)?))
    }),
    special("take", &["input", "index"], 2, |c| Ok(c.expr(0)?.take(c.expr(1)?))),
    special("take_along_dim", &["input", "indices", "dim"], 2, take_along_dim),
];

/// Without a dim both are read as one row.
fn take_along_dim(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, index) = (c.expr(0)?, c.expr(1)?);
    if c.is_none(2) {
        return Ok(x.flatten(0, -1).gather(0, index.flatten(0, -1)));
    }
    Ok(x.take_along_dim(index, c.integer(2)?))
}
