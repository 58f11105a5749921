//! Views: which element of a tensor or expression each element of the result is, and the checks of their arguments.

use smallvec::SmallVec;

use super::access::Access;
use super::layout::Layout;
use crate::{Error, Result, Shape};

/// A view of a tensor or an expression: which element of the argument each element of the result is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum View {
    Reshape(Shape),
    Permute(SmallVec<[usize; 4]>),
    Broadcast(Shape),
    Narrow {
        dim: usize,
        start: usize,
        len: usize,
        step: usize,
    },
    Flip(usize),
    Diagonal(usize, usize),
    /// The elements by their row-major numbers, as a layout places them: PyTorch's `as_strided`.
    Strided(Layout),
}

impl View {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Reshape(_) => "reshape",
            Self::Permute(_) => "permute",
            Self::Broadcast(_) => "broadcast_to",
            Self::Narrow { .. } => "narrow",
            Self::Flip(_) => "flip",
            Self::Diagonal(..) => "diagonal",
            Self::Strided(_) => "as_strided",
        }
    }

    /// The view applied to how a buffer is read.
    pub(crate) fn of(&self, access: &Access) -> Result<Access> {
        match self {
            Self::Reshape(shape) => Ok(access.reshape(shape)),
            Self::Permute(dims) => access.map(|l| Ok(l.permute(dims))),
            Self::Broadcast(shape) => access.map(|l| l.broadcast_to(shape, "broadcast_to")),
            &Self::Narrow { dim, start, len, step } => access.map(|l| Ok(l.narrow(dim, start, len, step))),
            &Self::Flip(dim) => access.map(|l| Ok(l.flip(dim))),
            &Self::Diagonal(a, b) => access.map(|l| Ok(l.diagonal(a, b))),
            Self::Strided(layout) => Ok(access.strided(layout)),
        }
    }
}

pub(crate) fn check_reshape(from: &Shape, to: &Shape) -> Result<()> {
    let numel = to.checked_numel("reshape")?;
    if numel == from.numel() {
        return Ok(());
    }
    Err(Error::argument(
        "reshape",
        format!("a shape with the {} elements of {from}", from.numel()),
        format!("{to} with {numel}"),
    ))
}

pub(crate) fn resolve_permutation(shape: &Shape, dims: &[isize]) -> Result<SmallVec<[usize; 4]>> {
    let refuse = || {
        Error::argument("permute", format!("each of the {} dims of {shape} once", shape.rank()), format!("{dims:?}"))
    };
    let found: SmallVec<[usize; 4]> = dims.iter().map(|&d| shape.dim(d, "permute")).collect::<Result<_>>()?;
    let once = (0..shape.rank()).all(|d| found.contains(&d));
    if once && found.len() == shape.rank() { Ok(found) } else { Err(refuse()) }
}

/// The dim and how many elements a slice takes.
pub(crate) fn check_slice(shape: &Shape, dim: isize, start: usize, end: usize, step: usize) -> Result<(usize, usize)> {
    let dim = shape.dim(dim, "narrow")?;
    if start > end || end > shape[dim] || step == 0 {
        let expected = format!("a range within 0..{} and a step of at least 1", shape[dim]);
        return Err(Error::argument("narrow", expected, format!("{start}..{end} step {step} of dim {dim} in {shape}")));
    }
    Ok((dim, (end - start).div_ceil(step)))
}

pub(crate) fn unsqueezed(shape: &Shape, dim: isize) -> Result<Shape> {
    let rank = shape.rank() as isize;
    let at = if dim < 0 { dim + rank + 1 } else { dim };
    if !(0..=rank).contains(&at) {
        return Err(Error::Dim { op: "unsqueeze", dim, shape: shape.clone() });
    }
    let mut sizes = shape.to_vec();
    sizes.insert(at as usize, 1);
    let unsqueezed = Shape::from(sizes);
    unsqueezed.checked_numel("unsqueeze")?;
    Ok(unsqueezed)
}

pub(crate) fn squeezed(shape: &Shape, dim: isize) -> Result<Shape> {
    let dim = shape.dim(dim, "squeeze")?;
    Ok(shape.iter().enumerate().filter(|&(d, &n)| d != dim || n != 1).map(|(_, &n)| n).collect())
}
