//! Functions that read and write by tensors of indices.

use super::arguments::Arguments;
use super::special::{Special, special};
use super::value::{Kind, Mistake};
use crate::Result;
use crate::expr::{Expr, ReduceOp};

/// Alphabetical.
pub(super) static INDEXING: [Special; 16] = [
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
    special("index_reduce", &["input", "dim", "index", "source", "reduce", "include_self"], 5, |c| {
        Ok(c.expr(0)?.index_reduce(c.integer(1)?, c.expr(2)?, c.expr(3)?, reduction(c)?, c.flag(5, true)?))
    }),
    special("index_select", &["input", "dim", "index"], 3, |c| Ok(c.expr(0)?.index_select(c.integer(1)?, c.expr(2)?))),
    special("scatter", &["input", "dim", "index", "src"], 4, |c| {
        Ok(c.expr(0)?.scatter(c.integer(1)?, c.expr(2)?, c.expr(3)?))
    }),
    special("scatter_add", &["input", "dim", "index", "src"], 4, |c| {
        Ok(c.expr(0)?.scatter_add(c.integer(1)?, c.expr(2)?, c.expr(3)?))
    }),
    special("scatter_reduce", &["input", "dim", "index", "src", "reduce", "include_self"], 5, |c| {
        Ok(c.expr(0)?.scatter_reduce(c.integer(1)?, c.expr(2)?, c.expr(3)?, reduction(c)?, c.flag(5, true)?))
    }),
    special("segment_max", SEGMENTS, 3, |c| segments(c, ReduceOp::Amax)),
    special("segment_mean", SEGMENTS, 3, |c| segments(c, ReduceOp::Mean)),
    special("segment_min", SEGMENTS, 3, |c| segments(c, ReduceOp::Amin)),
    special("segment_sum", SEGMENTS, 3, |c| segments(c, ReduceOp::Sum)),
    special("take", &["input", "index"], 2, |c| Ok(c.expr(0)?.take(c.expr(1)?))),
    special("take_along_dim", &["input", "indices", "dim"], 2, take_along_dim),
];

const SEGMENTS: &[&str] = &["data", "segment_ids", "num_segments"];

fn segments(c: &Arguments, op: ReduceOp) -> Result<Expr, Mistake> {
    Ok(c.expr(0)?.segment_reduce(op, c.expr(1)?, c.size(2)?))
}

/// How equal places are reduced.
fn reduction(c: &Arguments) -> Result<ReduceOp, Mistake> {
    let of = [
        ("sum", ReduceOp::Sum),
        ("prod", ReduceOp::Prod),
        ("mean", ReduceOp::Mean),
        ("amax", ReduceOp::Amax),
        ("amin", ReduceOp::Amin),
    ];
    let found = of.into_iter().find(|(name, _)| matches!(&c.values[4].kind, Kind::Text(text) if text == name));
    found.map_or_else(|| c.refuse(&c.values[4], "\"sum\", \"prod\", \"mean\", \"amax\" or \"amin\""), |(_, op)| Ok(op))
}

/// Without a dim both are read as one row.
fn take_along_dim(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, index) = (c.expr(0)?, c.expr(1)?);
    if c.is_none(2) {
        return Ok(x.flatten(0, -1).gather(0, index.flatten(0, -1)));
    }
    Ok(x.take_along_dim(index, c.integer(2)?))
}
