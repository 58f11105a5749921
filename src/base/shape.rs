//! Shapes, dims and the broadcasting rule.

use std::fmt;
use std::ops::{Deref, RangeFull};

use smallvec::SmallVec;

use crate::{Error, Result};

/// The most dims a tensor may have.
pub const MAX_RANK: usize = 8;

/// The size of each dim of a tensor, outermost first. Rank 0 is a scalar, with one element.
///
/// ```
/// use hadamard::Shape;
/// let shape = Shape::from([3, 32, 32]);
/// assert_eq!((shape.rank(), shape.numel(), shape.to_string().as_str()), (3, 3072, "[3, 32, 32]"));
/// ```
#[derive(PartialEq, Eq, Hash, Default)]
pub struct Shape(SmallVec<[usize; 4]>);

impl Clone for Shape {
    /// As one copy of memory; `SmallVec`'s own goes size by size.
    fn clone(&self) -> Self {
        Self(SmallVec::from_slice(&self.0))
    }
}

impl Shape {
    /// Number of dims.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of elements: the product of the sizes, 1 for rank 0. Saturates where it would overflow; such a
    /// shape is refused before anything is allocated.
    pub fn numel(&self) -> usize {
        self.0.iter().fold(1, |n, &size| n.saturating_mul(size))
    }

    /// Number of elements, or an error naming `op` if it does not fit in `isize` or the rank is above [`MAX_RANK`].
    pub(crate) fn checked_numel(&self, op: &'static str) -> Result<usize> {
        if self.rank() > MAX_RANK {
            return Err(Error::argument(op, format!("at most {MAX_RANK} dims"), format!("{} in {self}", self.rank())));
        }
        // A zero anywhere makes the tensor empty, whatever the other sizes multiply to.
        if self.0.contains(&0) {
            return Ok(0);
        }
        let numel = self.0.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        numel
            .filter(|&n| n <= isize::MAX as usize / 8)
            .ok_or_else(|| Error::argument(op, "a number of elements that fits in memory", self.to_string()))
    }

    /// The shape with size 1 in place of some dims.
    pub(crate) fn with_ones(&self, dims: &[usize]) -> Self {
        self.0.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { 1 } else { n }).collect()
    }

    /// The shape with another size of one dim.
    pub(crate) fn resized(&self, dim: usize, size: usize) -> Self {
        let mut out = self.clone();
        out.0[dim] = size;
        out
    }

    /// The sizes, to be changed.
    pub(crate) fn sizes_mut(&mut self) -> &mut [usize] {
        &mut self.0
    }

    /// The sizes as a slice.
    pub fn dims(&self) -> &[usize] {
        &self.0
    }

    /// The shape both broadcast to: aligned at the last dim, sizes equal or 1.
    ///
    /// # Errors
    ///
    /// [`Error::Broadcast`], naming `op`, if there is none; [`Error::Argument`] if it has more elements than can be
    /// counted.
    pub(crate) fn broadcast(&self, rhs: &Self, op: &'static str) -> Result<Self> {
        if self == rhs {
            return Ok(self.clone());
        }
        let rank = self.rank().max(rhs.rank());
        let size = |s: &Self, i: usize| (i + s.rank()).checked_sub(rank).map_or(1, |i| s.0[i]);
        let shape: Self = (0..rank)
            .map(|i| match (size(self, i), size(rhs, i)) {
                (a, b) if a == b => Ok(a),
                (1, n) | (n, 1) => Ok(n),
                _ => Err(Error::Broadcast { op, lhs: self.clone(), rhs: rhs.clone() }),
            })
            .collect::<Result<_>>()?;
        // What a reduction never stores is counted all the same.
        shape.checked_numel(op)?;
        Ok(shape)
    }

    /// `dim` counted from the front, or an error naming `op`.
    pub(crate) fn dim(&self, dim: isize, op: &'static str) -> Result<usize> {
        let rank = self.rank() as isize;
        let index = if dim < 0 { dim + rank } else { dim };
        if (0..rank).contains(&index) { Ok(index as usize) } else { Err(Error::Dim { op, dim, shape: self.clone() }) }
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(sizes: I) -> Self {
        Self(sizes.into_iter().collect())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Self {
        Self(SmallVec::from_slice(&sizes))
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Self {
        Self(SmallVec::from_slice(sizes))
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Self {
        Self(SmallVec::from_vec(sizes))
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}

impl From<usize> for Shape {
    fn from(size: usize) -> Self {
        Self::from([size])
    }
}

impl From<()> for Shape {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0[..], f)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The dims a reduction runs over: one (`0`, `-1`), several (`[0, 2]`), or all of them (`..`).
///
/// As in PyTorch, an empty list means all dims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dims(Option<SmallVec<[isize; 4]>>);

impl Dims {
    /// The dims counted from the front, in rising order.
    pub(crate) fn resolve(&self, shape: &Shape, op: &'static str) -> Result<SmallVec<[usize; 4]>> {
        let Some(dims) = self.0.as_ref().filter(|dims| !dims.is_empty()) else {
            return Ok((0..shape.rank()).collect());
        };
        let mut found = SmallVec::new();
        for &dim in dims {
            // PyTorch lets a scalar be reduced over dim 0 or -1, as if it had one dim.
            if shape.rank() == 0 && (dim == 0 || dim == -1) && dims.len() == 1 {
                return Ok(found);
            }
            let index = shape.dim(dim, op)?;
            if found.contains(&index) {
                return Err(Error::argument(op, "each dim once", format!("dim {dim} twice in {dims:?}")));
            }
            found.push(index);
        }
        found.sort_unstable();
        Ok(found)
    }
}

macro_rules! dims_from {
    ($($int:ty),*) => {$(
        impl From<$int> for Dims {
            fn from(dim: $int) -> Self { Self(Some(SmallVec::from_slice(&[dim as isize]))) }
        }
        impl<const N: usize> From<[$int; N]> for Dims {
            fn from(dims: [$int; N]) -> Self { Self(Some(dims.iter().map(|&dim| dim as isize).collect())) }
        }
        impl From<&[$int]> for Dims {
            fn from(dims: &[$int]) -> Self { Self(Some(dims.iter().map(|&dim| dim as isize).collect())) }
        }
    )*};
}
dims_from!(i32, isize);

impl From<RangeFull> for Dims {
    fn from(_: RangeFull) -> Self {
        Self(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_at_the_last_dim() {
        let cases: [(&[usize], &[usize], Option<&[usize]>); 8] = [
            (&[], &[], Some(&[])),
            (&[5], &[], Some(&[5])),
            (&[3, 9, 8], &[3, 1, 1], Some(&[3, 9, 8])),
            (&[6, 1, 5], &[1, 7, 1], Some(&[6, 7, 5])),
            (&[0, 4], &[4], Some(&[0, 4])),
            (&[3, 0], &[1], Some(&[3, 0])),
            (&[3, 32, 32], &[3], None),
            (&[2, 3], &[2, 4], None),
        ];
        for (a, b, want) in cases {
            let (a, b) = (Shape::from(a), Shape::from(b));
            assert_eq!(a.broadcast(&b, "mul").ok(), want.map(Shape::from), "{a} and {b}");
            assert_eq!(b.broadcast(&a, "mul").ok(), want.map(Shape::from), "{b} and {a}");
        }
    }

    #[test]
    fn dims_count_from_either_end_and_once() {
        let shape = Shape::from([2, 3, 4]);
        let resolve = |dims: Dims| dims.resolve(&shape, "sum").map(|d| d.to_vec()).ok();
        assert_eq!(resolve(Dims::from(..)), Some(vec![0, 1, 2]));
        assert_eq!(resolve(Dims::from(-1)), Some(vec![2]));
        assert_eq!(resolve(Dims::from([2, 0])), Some(vec![0, 2]));
        assert_eq!(resolve(Dims::from([0, -3])), None);
        assert_eq!(resolve(Dims::from(3)), None);
        assert_eq!(resolve(Dims::from(-4)), None);
        // A scalar may be reduced as if it had one dim.
        for (dims, allowed) in [(&[0][..], true), (&[-1], true), (&[1], false), (&[-2], false), (&[0, 0], false)] {
            assert_eq!(Dims::from(dims).resolve(&Shape::from(()), "sum").is_ok(), allowed, "{dims:?}");
        }
    }

    #[test]
    fn shapes_are_made_of_sizes_and_shown_as_lists() {
        assert_eq!(Shape::from(5), Shape::from([5]));
        assert_eq!(format!("{:?} {}", Shape::from([2, 3]), Shape::from(())), "[2, 3] []");
    }

    #[test]
    fn a_shape_too_large_to_count_is_refused() {
        assert!(Shape::from([usize::MAX, 2]).checked_numel("zeros").is_err());
        assert!(Shape::from([1; 9]).checked_numel("zeros").is_err());
        assert_eq!(Shape::from([usize::MAX, 0, usize::MAX]).checked_numel("zeros").ok(), Some(0));
        let (column, row) = (Shape::from([1 << 40, 1]), Shape::from([1 << 40]));
        assert!(matches!(column.broadcast(&row, "mul"), Err(Error::Argument { op: "mul", .. })));
    }
}
