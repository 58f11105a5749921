//! Basic indexing, as Python has it between brackets: which elements of each dim, and where new dims go.

use std::fmt;
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use smallvec::SmallVec;

use super::views::View;
use crate::{Error, Result, Shape};

const OP: &str = "index";

/// One item of an index: what stands between two commas in Python's `x[0, 1:, ..., None]`.
///
/// Integers and ranges become items by themselves (`x.at((0, 1.., ..))`); the others are named. Negative numbers count
/// from the end of a dim, in ranges too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// One element of a dim, which the result does not have.
    At(isize),
    /// Every `step`th element from `start` up to, not including, `stop`. Bounds beyond the dim are moved to its ends.
    Slice {
        /// The first element; none is the start of the dim.
        start: Option<isize>,
        /// The end, itself not included; none is the end of the dim.
        stop: Option<isize>,
        /// How far apart the elements are, at least 1.
        step: isize,
    },
    /// A new dim of size 1: Python's `None`.
    NewAxis,
    /// As many whole dims as no other item takes: Python's `...`. An index without it takes the rest at its end.
    Ellipsis,
}

impl Index {
    /// From `start` up to, not including, `stop`: `Index::slice(1, -1)` is Python's `1:-1`. The range `1..-1` means the
    /// same here, but Clippy takes one whose end looks smaller than its start for a mistake.
    #[must_use]
    pub const fn slice(start: isize, stop: isize) -> Self {
        Self::Slice { start: Some(start), stop: Some(stop), step: 1 }
    }

    /// Every `step`th element of a range: `Index::step(1.., 2)` is Python's `1::2`.
    #[must_use]
    pub fn step(range: impl Into<Self>, step: isize) -> Self {
        match range.into() {
            Self::Slice { start, stop, .. } => Self::Slice { start, stop, step },
            other => other,
        }
    }
}

/// How many dims of `rank` an ellipsis among these items stands for; `None` if the others take more than there are.
pub(crate) fn dims_of_ellipsis(items: &[Index], rank: usize) -> Option<usize> {
    let taken = items.iter().filter(|item| matches!(item, Index::At(_) | Index::Slice { .. })).count();
    rank.checked_sub(taken)
}

/// As Python writes it.
impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |f: &mut fmt::Formatter<'_>, bound: Option<isize>| bound.map_or(Ok(()), |n| write!(f, "{n}"));
        match *self {
            Self::At(i) => write!(f, "{i}"),
            Self::Slice { start, stop, step } => {
                bound(f, start)?;
                f.write_str(":")?;
                bound(f, stop)?;
                if step == 1 { Ok(()) } else { write!(f, ":{step}") }
            }
            Self::NewAxis => f.write_str("None"),
            Self::Ellipsis => f.write_str("..."),
        }
    }
}

/// What [`Expr::at`](crate::Expr::at) and [`Tensor::at`](crate::Tensor::at) take: an integer, a range, an [`Index`], or
/// several in a tuple or a slice.
pub trait IntoIndex {
    /// The items, outermost dim first.
    fn into_index(self) -> Vec<Index>;
}

/// The end of a range that includes its last element; the end of a dim follows the element -1.
fn after(last: isize) -> Option<isize> {
    if last == -1 { None } else { Some(last.saturating_add(1)) }
}

fn slice(start: Option<isize>, stop: Option<isize>) -> Index {
    Index::Slice { start, stop, step: 1 }
}

macro_rules! index_from {
    ($($int:ty: $convert:expr),*) => {$(
        index_from!(@item $int, i => Index::At($convert(i)));
        index_from!(@item Range<$int>, r => slice(Some($convert(r.start)), Some($convert(r.end))));
        index_from!(@item RangeFrom<$int>, r => slice(Some($convert(r.start)), None));
        index_from!(@item RangeTo<$int>, r => slice(None, Some($convert(r.end))));
        index_from!(@item RangeInclusive<$int>, r => slice(Some($convert(*r.start())), after($convert(*r.end()))));
        index_from!(@item RangeToInclusive<$int>, r => slice(None, after($convert(r.end))));
    )*};
    (@item $ty:ty, $value:ident => $index:expr) => {
        impl From<$ty> for Index {
            fn from($value: $ty) -> Self { $index }
        }
        index_from!(@alone $ty);
    };
    (@alone $($ty:ty),*) => {$(
        impl IntoIndex for $ty {
            fn into_index(self) -> Vec<Index> { vec![self.into()] }
        }
    )*};
    (@tuple $($name:ident)*) => {
        impl<$($name: Into<Index>),*> IntoIndex for ($($name,)*) {
            fn into_index(self) -> Vec<Index> {
                #[allow(non_snake_case, reason = "a type's name stands for its value")]
                let ($($name,)*) = self;
                vec![$($name.into()),*]
            }
        }
    };
}
// What no dim is long enough for stays so: the largest isize.
index_from! { i32: |i| i as isize, isize: |i| i, usize: |i| isize::try_from(i).unwrap_or(isize::MAX) }
index_from! { @item RangeFull, _r => slice(None, None) }
index_from! { @alone Index }
index_from! { @tuple }
index_from! { @tuple A }
index_from! { @tuple A B }
index_from! { @tuple A B C }
index_from! { @tuple A B C D }
index_from! { @tuple A B C D E }
index_from! { @tuple A B C D E F }
index_from! { @tuple A B C D E F G }
index_from! { @tuple A B C D E F G H }

impl IntoIndex for &[Index] {
    fn into_index(self) -> Vec<Index> {
        self.to_vec()
    }
}

impl IntoIndex for Vec<Index> {
    fn into_index(self) -> Vec<Index> {
        self
    }
}

/// The views that an index is of something of `shape`, each with the shape it gives: slices, then a reshape that drops
/// the dims taken by integers and adds new ones.
pub(crate) fn views(shape: &Shape, items: &[Index]) -> Result<Vec<(View, Shape)>> {
    let rest = dims_of_ellipsis(items, shape.rank()).ok_or_else(|| {
        Error::argument(OP, format!("at most {} integers and slices for shape {shape}", shape.rank()), written(items))
    })?;
    if items.iter().filter(|&&item| item == Index::Ellipsis).count() > 1 {
        return Err(Error::argument(OP, "one '...' at most", written(items)));
    }
    let mut views = Vec::new();
    let (mut current, mut result): (Vec<usize>, SmallVec<[usize; 8]>) = (shape.to_vec(), SmallVec::new());
    let mut dim = 0;
    for &item in items {
        let (start, len, step) = match item {
            Index::NewAxis => {
                result.push(1);
                continue;
            }
            Index::Ellipsis => {
                result.extend_from_slice(&shape[dim..dim + rest]);
                dim += rest;
                continue;
            }
            Index::At(i) => (position(i, dim, shape)?, 1, 1),
            Index::Slice { start, stop, step } => range(start, stop, step, shape[dim])?,
        };
        if (start, len) != (0, shape[dim]) {
            current[dim] = len;
            views.push((View::Narrow { dim, start, len, step }, Shape::from(&current[..])));
        }
        if !matches!(item, Index::At(_)) {
            result.push(len);
        }
        dim += 1;
    }
    result.extend_from_slice(&shape[dim..]);
    let result = Shape::from(&result[..]);
    result.checked_numel(OP)?;
    if *result != *current {
        views.push((View::Reshape(result.clone()), result));
    }
    Ok(views)
}

/// Which element of a dim an integer is.
pub(crate) fn position(i: isize, dim: usize, shape: &Shape) -> Result<usize> {
    let size = shape[dim] as isize;
    let from_front = if i < 0 { i.saturating_add(size) } else { i };
    if (0..size).contains(&from_front) {
        return Ok(from_front as usize);
    }
    let expected = match size {
        0 => format!("no integer for dim {dim} of shape {shape}, whose size is 0"),
        _ => format!("-{size} to {} for dim {dim} of shape {shape}, whose size is {size}", size - 1),
    };
    Err(Error::argument(OP, expected, i.to_string()))
}

/// Start, length and step of a slice of a dim.
pub(crate) fn range(
    start: Option<isize>,
    stop: Option<isize>,
    step: isize,
    size: usize,
) -> Result<(usize, usize, usize)> {
    let step = usize::try_from(step)
        .ok()
        .filter(|&step| step > 0)
        .ok_or_else(|| Error::argument(OP, "a step of at least 1 (flip reads a dim backwards)", step.to_string()))?;
    let bound = |i: isize| (if i < 0 { i.saturating_add(size as isize) } else { i }).clamp(0, size as isize) as usize;
    let (start, stop) = (start.map_or(0, bound), stop.map_or(size, bound));
    Ok((start, stop.saturating_sub(start).div_ceil(step), step))
}

/// As Python writes it: `[0, 1:, None]`.
fn written(items: &[Index]) -> String {
    let items: Vec<String> = items.iter().map(Index::to_string).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_written_as_in_python() {
        let items = (
            0,
            -3_isize..-1,
            ..=-1,
            ..=4_usize,
            Index::slice(1, -1),
            Index::step(.., 2),
            Index::NewAxis,
            Index::Ellipsis,
        );
        assert_eq!(written(&items.into_index()), "[0, -3:-1, :, :5, 1:-1, ::2, None, ...]");
    }
}
