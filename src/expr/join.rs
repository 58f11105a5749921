//! Joining and repeating: expressions side by side, and one read again and again, in one pass and without storing them
//! (a reduction over what was joined stores that first, as it does what is read through a chain of layouts).
//!
//! A joined dim is walked once. Each part is read through a view that repeats its elements with the period of its own
//! size, moved so that they stand where they belong:
//!
//! ```text
//! cat([a b c], [d e]):   where(i < 3,  a b c a b,  e d e d e)
//! ```
//!
//! So nothing outside a part is read, and what is read in the wrong place is not selected.

use super::node::Expr;
use super::views::carry;
use crate::{DType, Error, Result, Shape};

/// How often differences may be taken of differences: their number of terms doubles each time.
const MAX_ORDER: usize = 8;

/// The parts one after the other along `dim`, as PyTorch's `cat`: their shapes agree but for that dim, their dtypes are
/// promoted.
///
/// ```
/// use hadamard::{Device, Tensor, cat};
/// let a = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
/// assert_eq!(cat(&[&a * 10, a.square()], 0).eval()?.to_vec::<f32>()?, [10.0, 20.0, 1.0, 4.0]);
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// Each element of the result looks at every part, and takes one: many tensors are better assigned to the parts of one,
/// `y.at(0)?.assign(part)?`.
///
/// As in PyTorch, a part of shape `[0]` is left out, whatever the others' rank. Parts that do not fit, numbers, and a
/// list of none are a mistake that the result carries.
#[must_use]
pub fn cat<T: Clone + Into<Expr>>(parts: &[T], dim: isize) -> Expr {
    let parts: Vec<Expr> = parts.iter().map(|x| x.clone().into()).collect();
    carry(join("cat", &parts, dim))
}

/// The parts, which are of one shape, along a new dim before dim `dim` of the result, as PyTorch's `stack`.
///
/// ```
/// use hadamard::{Device, Tensor, stack};
/// let a = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
/// assert_eq!(stack(&[&a * 1, -&a], 1).eval()?.to_vec::<f32>()?, [1.0, -1.0, 2.0, -2.0]);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[must_use]
pub fn stack<T: Clone + Into<Expr>>(parts: &[T], dim: isize) -> Expr {
    let parts: Vec<Expr> = parts.iter().map(|x| x.clone().into()).collect();
    let build = || {
        check_parts("stack", &parts)?;
        if let Some(other) = parts.iter().find(|part| part.shape() != parts[0].shape()) {
            let found = format!("{} and {}", parts[0].shape(), other.shape());
            return Err(Error::argument("stack", "parts of one shape", found));
        }
        let rank = parts[0].shape().rank() as isize;
        if !(-rank - 1..=rank).contains(&dim) {
            let shape = parts[0].shape().clone();
            return Err(Error::argument(
                "stack",
                format!("a dim from -{} to {rank} for {shape}", rank + 1),
                dim.to_string(),
            ));
        }
        join("stack", &parts.iter().map(|part| part.unsqueeze(dim)).collect::<Vec<_>>(), dim)
    };
    carry(build())
}

/// Refuses a list of none, mistakes, and numbers, which have no shape.
fn check_parts(op: &'static str, parts: &[Expr]) -> Result<()> {
    if parts.is_empty() {
        return Err(Error::argument(op, "at least one part", "none"));
    }
    for part in parts {
        part.check()?;
        if part.as_number().is_some() {
            return Err(Error::argument(op, "tensors", "a number"));
        }
    }
    Ok(())
}

fn join(op: &'static str, parts: &[Expr], dim: isize) -> Result<Expr> {
    check_parts(op, parts)?;
    let dtype = parts.iter().try_fold(parts[0].dtype(), |dtype, part| dtype.promoted(part.dtype(), op))?;
    let is_left_out = |part: &Expr| part.shape()[..] == [0];
    let kept: Vec<&Expr> = parts.iter().filter(|part| !is_left_out(part)).collect();
    let Some(first) = kept.first() else {
        parts[0].shape().dim(dim, op)?;
        return Ok(parts[0].cast(dtype));
    };
    let at = first.shape().dim(dim, op)?;
    let mut size = 0_usize;
    for part in &kept {
        let fits = part.shape().rank() == first.shape().rank()
            && part.shape().iter().zip(first.shape().iter()).enumerate().all(|(d, (a, b))| d == at || a == b);
        if !fits {
            let expected = format!("parts whose shapes agree but for dim {dim}");
            return Err(Error::argument(op, expected, format!("{} and {}", first.shape(), part.shape())));
        }
        size = size.saturating_add(part.shape()[at]);
    }
    let shape: Shape = first.shape().iter().enumerate().map(|(d, &n)| if d == at { size } else { n }).collect();
    if shape.checked_numel(op)? == 0 {
        return Ok(first.cast(dtype).reshape(shape));
    }
    if kept.len() > 1 && size > 1 << 31 {
        return Err(Error::argument(op, "at most 2147483648 elements along the joined dim", size.to_string()));
    }
    let i = Expr::coordinate(size, at, shape.rank());
    let mut end = size;
    let mut joined: Option<Expr> = None;
    for part in kept.iter().rev().filter(|part| part.shape()[at] > 0) {
        let start = end - part.shape()[at];
        let part = part.cast(dtype).periodic(at, 1, start, size);
        joined = Some(match joined {
            None => part,
            Some(after) => Expr::select(i.lt(end as i64), part, after),
        });
        end = start;
    }
    Ok(joined.unwrap_or_else(|| first.cast(dtype)))
}

impl Expr {
    /// The coordinate along a dim of an expression of some rank, of size 1 in the other dims.
    pub(super) fn coordinate(size: usize, dim: usize, rank: usize) -> Self {
        let trailing = std::iter::repeat_n(1, rank - dim - 1);
        Self::numbers(size).reshape(std::iter::once(size).chain(trailing).collect::<Shape>())
    }

    /// The elements along `dim` again and again, each `each` times, over `size` places, with the first at `start`: at
    /// place `start + each * n + k`, element `n`, counted round. Where there is one element along `dim`, it goes to all.
    pub(super) fn periodic(&self, dim: usize, each: usize, start: usize, size: usize) -> Self {
        let sizes = self.shape();
        let len = sizes[dim];
        let to = sizes.resized(dim, size);
        if len == 1 {
            return self.broadcast_to(to);
        }
        let (outer, inner): (usize, usize) = (sizes[..dim].iter().product(), sizes[dim + 1..].iter().product());
        let period = len * each;
        let shift = (period - start % period) % period;
        let repeats = (shift + size).div_ceil(period);
        self.reshape([outer, 1, len, 1, inner])
            .broadcast_to([outer, repeats, len, each, inner])
            .reshape([outer, repeats * period, inner])
            .narrow(1, shift, size)
            .reshape(to)
    }

    /// The whole repeated `times[d]` times along dim `d`, as PyTorch's `tile`: the last dims where there are fewer
    /// numbers than dims, new outer dims where there are more.
    #[must_use]
    pub fn tile(&self, times: &[usize]) -> Self {
        carry(self.check().and_then(|()| {
            let rank = times.len().max(self.shape().rank());
            let padded =
                |sizes: &[usize]| std::iter::repeat_n(1, rank - sizes.len()).chain(sizes.iter().copied()).collect();
            let (mut sizes, times): (Vec<usize>, Vec<usize>) = (padded(self.shape()), padded(times));
            Shape::from(&sizes[..]).checked_numel("tile")?;
            let mut tiled = self.reshape(&sizes[..]);
            for (dim, &n) in times.iter().enumerate() {
                let (outer, rest): (usize, usize) = (sizes[..dim].iter().product(), sizes[dim..].iter().product());
                sizes[dim] = sizes[dim].saturating_mul(n);
                Shape::from(&sizes[..]).checked_numel("tile")?;
                if n != 1 {
                    tiled = tiled.reshape([outer, 1, rest]).broadcast_to([outer, n, rest]).reshape(&sizes[..]);
                }
            }
            Ok(tiled)
        }))
    }

    /// Each element along `dim` `times` times in a row, as PyTorch's `repeat_interleave`.
    #[must_use]
    pub fn repeat_interleave(&self, times: usize, dim: isize) -> Self {
        carry(self.check().and_then(|()| {
            let dim = self.shape().dim(dim, "repeat_interleave")?;
            let mut sizes = self.shape().to_vec();
            let (outer, inner): (usize, usize) = (sizes[..=dim].iter().product(), sizes[dim + 1..].iter().product());
            sizes[dim] = sizes[dim].saturating_mul(times);
            Shape::from(&sizes[..]).checked_numel("repeat_interleave")?;
            Ok(self.reshape([outer, 1, inner]).broadcast_to([outer, times, inner]).reshape(sizes))
        }))
    }

    /// The elements moved `shift` places on along `dim`, those beyond the end to the start, as PyTorch's `roll`.
    #[must_use]
    pub fn roll(&self, shift: isize, dim: isize) -> Self {
        carry(self.check().and_then(|()| {
            let dim = self.shape().dim(dim, "roll")?;
            let size = self.shape()[dim];
            if size < 2 || self.shape().numel() == 0 {
                return Ok(self.clone());
            }
            let start = shift.rem_euclid(size as isize) as usize;
            Ok(if start == 0 { self.clone() } else { self.periodic(dim, 1, start, size) })
        }))
    }

    /// The differences of neighbours along `dim`, `x[1:] - x[:-1]`, taken `n` times, at most 8. Of bools, whether
    /// neighbours differ.
    #[must_use]
    pub fn diff(&self, n: usize, dim: isize) -> Self {
        carry(self.check().and_then(|()| {
            let dim = self.shape().dim(dim, "diff")? as isize;
            if n > MAX_ORDER {
                return Err(Error::argument("diff", format!("an order of at most {MAX_ORDER}"), n.to_string()));
            }
            Ok((0..n).fold(self.clone(), |x, _| {
                let size = x.shape()[dim as usize];
                let len = size.saturating_sub(1);
                let (after, before) = (x.narrow(dim, size - len, len), x.narrow(dim, 0, len));
                if x.dtype() == DType::Bool { after.ne(before) } else { after - before }
            }))
        }))
    }
}
