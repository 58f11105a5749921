//! Functions that join, repeat and rearrange, and conversions by NumPy's names.

use super::aliases::numpy_dtype;
use super::arguments::Arguments;
use super::special::{Special, matrix_transpose, special};
use super::value::{Kind, Mistake, mistake};
use crate::expr::{Expr, cat, stack};
use crate::{Index, Result, Shape};

/// Alphabetical.
pub(super) static SHAPES: [Special; 20] = [
    special("astype", &["input", "dtype"], 2, astype),
    special("cat", &["tensors", "dim"], 1, |c| Ok(cat(&c.exprs(0)?, c.integer_or(1, 0)?))),
    special("contiguous", &["input"], 1, |c| c.expr(0)),
    special("diagonal", &["input", "offset", "dim1", "dim2"], 1, |c| {
        Ok(c.expr(0)?.diagonal(c.integer_or(1, 0)?, c.integer_or(2, 0)?, c.integer_or(3, 1)?))
    }),
    special("diff", &["input", "n", "dim", "prepend", "append"], 1, diff),
    special("expand", &["input", "size"], 2, expand),
    special("flatten", &["input", "start_dim", "end_dim"], 1, |c| {
        Ok(c.expr(0)?.flatten(c.integer_or(1, 0)?, c.integer_or(2, -1)?))
    }),
    special("hstack", &["tensors"], 1, |c| {
        let parts: Vec<Expr> = c.exprs(0)?.iter().map(|x| at_least(x, 1)).collect();
        let dim = isize::from(parts.first().is_some_and(|x| x.shape().rank() > 1));
        Ok(cat(&parts, dim))
    }),
    special("movedim", &["input", "source", "destination"], 3, movedim),
    special("numel", &["input"], 1, |c| Ok((c.expr(0)?.shape().numel() as i64).into())),
    special("repeat", &["input", "repeats"], 2, repeat),
    special("repeat_interleave", &["input", "repeats", "dim"], 2, |c| {
        let x = c.expr(0)?;
        let (x, dim) = if c.is_none(2) { (x.flatten(0, -1), 0) } else { (x, c.integer(2)?) };
        Ok(x.repeat_interleave(c.size(1)?, dim))
    }),
    special("roll", &["input", "shifts", "dims"], 2, roll),
    special("select", &["input", "dim", "index"], 3, |c| {
        let x = c.expr(0)?;
        let dim = x.shape().dim(c.integer(1)?, "select").or_else(|error| mistake(c.column, error.to_string()))?;
        let mut index = vec![Index::from(..); dim];
        index.push(Index::At(c.integer(2)?));
        Ok(x.at(index))
    }),
    special("size", &["input", "dim"], 2, |c| {
        let x = c.expr(0)?;
        let dim = x.shape().dim(c.integer(1)?, "size").or_else(|error| mistake(c.column, error.to_string()))?;
        Ok((x.shape()[dim] as i64).into())
    }),
    special("stack", &["tensors", "dim"], 1, |c| Ok(stack(&c.exprs(0)?, c.integer_or(1, 0)?))),
    special("t", &["input"], 1, |c| matrix_transpose(c.column, &c.values[0])),
    special("tile", &["input", "dims"], 2, |c| Ok(c.expr(0)?.tile(&c.sizes(1)?))),
    special("type_as", &["input", "other"], 2, |c| Ok(c.expr(0)?.cast(c.expr(1)?.dtype()))),
    special("vstack", &["tensors"], 1, |c| {
        let parts: Vec<Expr> = c.exprs(0)?.iter().map(|x| at_least(x, 2)).collect();
        Ok(cat(&parts, 0))
    }),
];

/// New dims of size 1 before all others, up to a rank: PyTorch's `atleast_2d`.
fn at_least(x: &Expr, rank: usize) -> Expr {
    (x.shape().rank()..rank).fold(x.clone(), |x, _| x.unsqueeze(0))
}

/// A text is NumPy's name of a dtype, in which digits count bytes: "f4" is f32.
fn astype(c: &Arguments) -> Result<Expr, Mistake> {
    let dtype = match &c.values[1].kind {
        Kind::Text(name) => numpy_dtype(name).or_else(|message| mistake(c.values[1].column, message))?,
        _ => c.dtype(1)?,
    };
    Ok(c.expr(0)?.cast(dtype))
}

fn diff(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, n, dim) = (c.expr(0)?, if c.is_none(1) { 1 } else { c.size(1)? }, c.integer_or(2, -1)?);
    let given = |i: usize| if c.is_none(i) { Ok(None) } else { c.expr(i).map(Some) };
    let mut parts: Vec<Expr> = [given(3)?, Some(x), given(4)?].into_iter().flatten().collect();
    let joined = if parts.len() == 1 { parts.remove(0) } else { cat(&parts, dim) };
    Ok(joined.diff(n, dim))
}

/// A size of -1 is the one there is.
fn expand(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, sizes) = (c.expr(0)?, c.integers(1)?);
    let new = sizes.len().saturating_sub(x.shape().rank());
    let size = |(d, &n): (usize, &isize)| match usize::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) if n == -1 && d >= new => Ok(x.shape().get(d - new).copied().unwrap_or(1)),
        Err(_) => mistake(c.values[1].column, format!("{n} is no size")),
    };
    let shape: Shape = sizes.iter().enumerate().map(size).collect::<Result<_, _>>()?;
    Ok(x.broadcast_to(shape))
}

/// Several dims go to several places, the others between them in their order.
fn movedim(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, sources, destinations) = (c.expr(0)?, c.integers(1)?, c.integers(2)?);
    if sources.len() != destinations.len() {
        let message =
            format!("movedim expects a destination for each of {} dims, found {}", sources.len(), destinations.len());
        return mistake(c.values[2].column, message);
    }
    let resolve = |dims: &[isize]| dims.iter().map(|&d| x.shape().dim(d, "movedim")).collect::<Result<Vec<_>>>();
    let (sources, destinations) = match (resolve(&sources), resolve(&destinations)) {
        (Ok(sources), Ok(destinations)) => (sources, destinations),
        (Err(error), _) | (_, Err(error)) => return mistake(c.column, error.to_string()),
    };
    let mut others = (0..x.shape().rank()).filter(|d| !sources.contains(d));
    // A dim named twice leaves fewer places or more than there are dims, which permute refuses.
    let order = (0..x.shape().rank()).map(|place| match destinations.iter().position(|&d| d == place) {
        Some(i) => sources[i] as isize,
        None => others.next().map_or(0, |d| d as isize),
    });
    Ok(x.permute(&order.collect::<Vec<_>>()))
}

/// PyTorch's method. NumPy's function of that name repeats each element, and comes here as `repeat_interleave`.
fn repeat(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, times) = (c.expr(0)?, c.sizes(1)?);
    if times.rank() < x.shape().rank() {
        let message = format!("repeat expects a number for each of the {} dims of {}", x.shape().rank(), x.shape());
        return mistake(c.values[1].column, message);
    }
    Ok(x.tile(&times))
}

/// Without dims the elements are moved as if they were one row.
fn roll(c: &Arguments) -> Result<Expr, Mistake> {
    let (x, shifts) = (c.expr(0)?, c.integers(1)?);
    if c.is_none(2) {
        let shape = x.shape().clone();
        return Ok(shifts.iter().fold(x.reshape([shape.numel()]), |x, &shift| x.roll(shift, 0)).reshape(shape));
    }
    let dims = c.integers(2)?;
    if dims.len() != shifts.len() {
        let message = format!("roll expects a shift for each of {} dims, found {}", dims.len(), shifts.len());
        return mistake(c.values[1].column, message);
    }
    Ok(shifts.iter().zip(dims).fold(x, |x, (&shift, dim)| x.roll(shift, dim)))
}
