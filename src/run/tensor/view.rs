//! Views: other layouts of the same memory.

use smallvec::SmallVec;

use crate::base::access::Access;
use crate::base::index::{IntoIndex, views};
use crate::base::views::{
    View, check_reshape, check_slice, diagonals, flattened, moved, resolve_permutation, squeezed, unsqueezed,
};
use crate::{Expr, Result, Shape, Tensor};

impl Tensor {
    fn try_view(&self, view: &View) -> Result<Self> {
        let access = view.of(&Access::from(self.layout().clone()))?;
        match access.layout() {
            Some(layout) => Ok(self.with_layout(layout.clone())),
            None => Expr::from(self).reshape(access.shape()).eval(),
        }
    }

    /// The same elements in row-major order under another shape: a view where strides can say it, else a copy, as
    /// PyTorch's `reshape`. A contiguous tensor always gives a view.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) if the number of elements differs.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        check_reshape(self.shape(), &shape)?;
        self.try_view(&View::Reshape(shape))
    }

    /// A view with the dims in the order `dims` names them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) unless each dim is named once.
    pub fn permute(&self, dims: &[isize]) -> Result<Self> {
        self.try_view(&View::Permute(resolve_permutation(self.shape(), dims)?))
    }

    /// A view with dims `a` and `b` exchanged.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim.
    pub fn transpose(&self, a: isize, b: isize) -> Result<Self> {
        let (a, b) = (self.shape().dim(a, "transpose")?, self.shape().dim(b, "transpose")?);
        let mut dims: SmallVec<[usize; 4]> = (0..self.rank()).collect();
        dims.swap(a, b);
        self.try_view(&View::Permute(dims))
    }

    /// A view of elements `start..start + len` of `dim`.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim, [`Error::Argument`](crate::Error::Argument) if the range
    /// is not within it.
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Result<Self> {
        self.slice(dim, start, start.saturating_add(len), 1)
    }

    /// A view of every `step`th element of `dim` from `start` up to, not including, `end`.
    ///
    /// # Errors
    ///
    /// As [`narrow`](Self::narrow); also if `step` is 0.
    pub fn slice(&self, dim: isize, start: usize, end: usize, step: usize) -> Result<Self> {
        let (dim, len) = check_slice(self.shape(), dim, start, end, step)?;
        self.try_view(&View::Narrow { dim, start, len, step })
    }

    /// A view with `dim` read backwards.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim.
    pub fn flip(&self, dim: isize) -> Result<Self> {
        let dim = self.shape().dim(dim, "flip")?;
        self.try_view(&View::Flip(dim))
    }

    /// A view repeated along dims of size 1 and new outer dims.
    ///
    /// # Errors
    ///
    /// [`Error::Broadcast`](crate::Error::Broadcast) if this shape does not broadcast to `shape`.
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        shape.checked_numel("broadcast_to")?;
        self.try_view(&View::Broadcast(shape))
    }

    /// A view with a new dim of size 1 before dim `dim` of the result.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if `dim` is not in `-rank - 1..=rank`.
    pub fn unsqueeze(&self, dim: isize) -> Result<Self> {
        self.try_view(&View::Reshape(unsqueezed(self.shape(), dim)?))
    }

    /// A view without `dim` if its size is 1, else as it is.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim.
    pub fn squeeze(&self, dim: isize) -> Result<Self> {
        self.try_view(&View::Reshape(squeezed(self.shape(), dim)?))
    }

    /// A view of the elements an index names, as PyTorch's `x[0, 1:, None]`: `x.at((0, 1.., Index::NewAxis))?`.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1, 2, 3, 4, 5, 6], [2, 3], &Device::cpu())?;
    /// x.at((.., 1..))?.assign(0)?; // x[:, 1:] = 0
    /// x.at((-1, 0))?.assign(9)?; // x[-1, 0] = 9
    /// assert_eq!(x.to_vec::<i32>()?, [1, 0, 0, 9, 0, 0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`](crate::Error::Argument) if an integer lies outside its dim, there are more items than dims,
    /// or a step is below 1.
    pub fn at(&self, index: impl IntoIndex) -> Result<Self> {
        views(self.shape(), &index.into_index())?.iter().try_fold(self.clone(), |x, (view, _)| x.try_view(view))
    }

    /// A view with dim `source` moved to where it is dim `destination`; the others keep their order.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim.
    pub fn movedim(&self, source: isize, destination: isize) -> Result<Self> {
        self.permute(&moved(self.shape(), source, destination)?)
    }

    /// A view of the elements of dims `dim1` and `dim2` whose index in `dim2` is `offset` more than in `dim1`, as its
    /// last dim; those two it does not have.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim, [`Error::Argument`](crate::Error::Argument) if both are
    /// one.
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Self> {
        diagonals(self.shape(), offset, dim1, dim2)?.iter().try_fold(self.clone(), |x, (view, _)| x.try_view(view))
    }

    /// The dims from `first` to `last`, both included, as one: a view where strides can say it, else a copy.
    ///
    /// # Errors
    ///
    /// [`Error::Dim`](crate::Error::Dim) if there is no such dim, [`Error::Argument`](crate::Error::Argument) if `first`
    /// comes after `last`.
    pub fn flatten(&self, first: isize, last: isize) -> Result<Self> {
        self.reshape(flattened(self.shape(), first, last)?)
    }
}
