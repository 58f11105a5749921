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

/// The permutation that moves a dim to another place.
pub(crate) fn moved(shape: &Shape, source: isize, destination: isize) -> Result<SmallVec<[isize; 8]>> {
    let (source, destination) = (shape.dim(source, "movedim")?, shape.dim(destination, "movedim")?);
    let mut order: SmallVec<[isize; 8]> = (0..shape.rank() as isize).filter(|&d| d != source as isize).collect();
    order.insert(destination, source as isize);
    Ok(order)
}

/// The views that a diagonal is, each with the shape it gives: both dims cut to the length of the diagonal, that in the
/// place of one of them, and last of all dims.
pub(crate) fn diagonals(shape: &Shape, offset: isize, dim1: isize, dim2: isize) -> Result<Vec<(View, Shape)>> {
    let (a, b) = (shape.dim(dim1, "diagonal")?, shape.dim(dim2, "diagonal")?);
    if a == b {
        return Err(Error::argument("diagonal", "two different dims", format!("dim {dim1} and dim {dim2} of {shape}")));
    }
    let start = |dim: usize, offset: isize| usize::try_from(offset).unwrap_or(0).min(shape[dim]);
    let starts = [(a, start(a, offset.saturating_neg())), (b, start(b, offset))];
    let len = starts.iter().map(|&(dim, start)| shape[dim] - start).min().unwrap_or(0);
    let (mut current, mut views) = (shape.to_vec(), Vec::new());
    for (dim, start) in starts {
        current[dim] = len;
        views.push((View::Narrow { dim, start, len, step: 1 }, Shape::from(&current[..])));
    }
    current.remove(b);
    views.push((View::Diagonal(a, b), Shape::from(&current[..])));
    let at = if b < a { a - 1 } else { a };
    let order: SmallVec<[usize; 4]> = (0..current.len()).filter(|&d| d != at).chain([at]).collect();
    let result = order.iter().map(|&d| current[d]).collect();
    views.push((View::Permute(order), result));
    Ok(views)
}

/// The shape with the dims from `first` to `last` as one.
pub(crate) fn flattened(shape: &Shape, first: isize, last: isize) -> Result<Shape> {
    // PyTorch makes one dim of none.
    if shape.rank() == 0 && (-1..=0).contains(&first) && (-1..=0).contains(&last) {
        return Ok(Shape::from([1]));
    }
    let (a, b) = (shape.dim(first, "flatten")?, shape.dim(last, "flatten")?);
    if a > b {
        let found = format!("dim {first} and dim {last} of {shape}");
        return Err(Error::argument("flatten", "a first dim that is not after the last", found));
    }
    let joined = shape[a..=b].iter().product();
    Ok(shape[..a].iter().copied().chain([joined]).chain(shape[b + 1..].iter().copied()).collect())
}
