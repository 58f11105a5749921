//! What an index sends to the elements of a dim, folded into them: a pass of its own.
//!
//! The pass knows rows alone: those of values, each with the number of the row of a base that it is folded into. Indices of
//! elements, and dims before the one that is indexed, become part of these numbers.

use smallvec::smallvec;

use super::graph::Fold;
use super::node::{Expr, Op};
use super::unsigned;
use crate::{DType, Error, Result, Shape};

/// Rows that an index sends to elements of a dim.
pub(super) struct Segments {
    /// For each row of the values, the number of the one of the result that it goes to.
    keys: Expr,
    /// Elements of a row.
    row: usize,
    /// The shapes of the values and of the result.
    from: Shape,
    to: Shape,
}

impl Segments {
    /// Of values of shape `from` that `index`, which has as many dims and broadcasts to them, sends to `size` elements of dim
    /// `dim`. The index is from 0 on and below `size`.
    pub(super) fn new(op: &'static str, index: &Expr, from: &Shape, dim: usize, size: usize) -> Result<Self> {
        let rank = from.rank();
        // Dims after the last that the index varies along are a row.
        let last = (dim..rank).rev().find(|&d| d == dim || index.shape()[d] > 1).unwrap_or(dim);
        let row = from[last + 1..].iter().product();
        let to = from.resized(dim, size);
        let (mut keys, mut step): (Option<Expr>, usize) = (None, 1);
        for d in (0..=last).rev() {
            let at = if d == dim { index.clone() } else { Expr::coordinate(from[d], d, rank).cast(DType::I32) };
            if d == dim || from[d] > 1 {
                let at = if step == 1 { at } else { at * step as i64 };
                keys = Some(keys.map_or_else(|| at.clone(), |keys| keys + &at));
            }
            step = step.saturating_mul(to[d]);
        }
        if i32::try_from(step).is_err() {
            return Err(Error::argument(op, "less than 2³¹ elements to update", step.to_string()));
        }
        let places: Shape = from.iter().enumerate().map(|(d, &n)| if d <= last { n } else { 1 }).collect();
        let keys = keys.unwrap_or_else(|| index.clone()).broadcast_to(places);
        Ok(Self { keys, row, from: from.clone(), to })
    }

    /// `base`, which has the shape of the result, with values of its dtype folded in.
    pub(super) fn folded(&self, fold: Fold, values: &Expr, base: &Expr) -> Expr {
        let dtype = base.dtype();
        match dtype {
            // Sums of truths are whether there is any, products whether all are.
            DType::Bool => {
                return self.folded(fold, &values.cast(DType::I32), &base.cast(DType::I32)).cast(DType::Bool);
            }
            DType::U64 if matches!(fold, Fold::Amax | Fold::Amin) => {
                let [values, base] = [values, base].map(unsigned::ordered);
                return unsigned::from_ordered(&self.folded(fold, &values, &base));
            }
            _ => {}
        }
        let [values, base] = [(values, &self.from), (base, &self.to)].map(|(x, shape)| {
            let x = if x.as_number().is_some() { x.cast(dtype) } else { x.clone() };
            x.broadcast_to(shape.clone())
        });
        if self.from.numel() == 0 || self.to.numel() == 0 {
            return base;
        }
        Expr::new(Op::Segments(fold, self.row), smallvec![self.keys.clone(), values, base], self.to.clone(), dtype)
    }
}

/// Of each row of an index of rows, as [`Op::Segments`] has it, the row of `x` that it names; of the shape of its values.
pub(super) fn named_rows(x: &Expr, keys: &Expr, row: usize, values: &Shape) -> Result<Expr> {
    let places = keys.shape().numel();
    let size = x.shape().numel() / row.max(1);
    let table = x.reshape([size, row]);
    let chosen = table.chosen("take_along_dim", &[(0, keys.reshape([places]))], false)?;
    Ok(chosen.reshape(values.clone()))
}
