//! Views of expressions, coordinates, and mistakes carried along.

use smallvec::{SmallVec, smallvec};

use super::node::{Expr, Op};
use crate::base::index::{IntoIndex, views};
use crate::base::layout::Layout;
use crate::base::views::{
    View, check_reshape, check_slice, diagonals, flattened, moved, resolve_permutation, squeezed, unsqueezed,
};
use crate::{DType, Error, Result, Shape};

/// An expression, or one that carries the mistake made in building it.
pub(super) fn carry(result: Result<Expr>) -> Expr {
    result.unwrap_or_else(Expr::invalid)
}

impl Expr {
    /// The whole numbers from 0 to `n - 1`, as i64: PyTorch's `arange(n)`.
    ///
    /// They are computed where they are used and take no memory. Reshaped and broadcast they are coordinates.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32; 6], [2, 3], &Device::cpu())?;
    /// let column = Expr::arange(3);
    /// let row = Expr::arange(2).reshape([2, 1]);
    /// let upper = Expr::select(column.ge(row), x, 0);
    /// assert_eq!(upper.eval()?.to_vec::<f32>()?, [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// More elements than i32 has numbers for are a mistake that the result carries.
    #[must_use]
    pub fn arange(n: usize) -> Self {
        Self::numbers(n).convert(DType::I64)
    }

    /// The same as i32, as coordinates are computed.
    pub(crate) fn numbers(n: usize) -> Self {
        if n > 1 << 31 {
            let error = Error::argument("arange", "at most 2147483648 elements, which i32 can number", n.to_string());
            return Self::invalid(error);
        }
        Self::new(Op::Index, smallvec![], Shape::from([n]), DType::I32)
    }

    /// `steps` numbers evenly from `start` to `end`, both included, as f32: PyTorch's `linspace`.
    ///
    /// ```
    /// use hadamard::Expr;
    /// assert_eq!(Expr::linspace(-1.0, 1.0, 5).eval()?.to_vec::<f32>()?, [-1.0, -0.5, 0.0, 0.5, 1.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn linspace(start: f64, end: f64, steps: usize) -> Self {
        Self::linspace_in(DType::F32, start, end, steps)
    }

    /// The same in another float dtype.
    pub(super) fn linspace_in(dtype: DType, start: f64, end: f64, steps: usize) -> Self {
        if steps < 2 {
            return Self::from(start).cast(dtype).broadcast_to([steps]);
        }
        let (step, i) = ((end - start) / (steps - 1) as f64, Self::numbers(steps).cast(dtype.compute()));
        // From the nearer end, as PyTorch, so that both are exact.
        let back = (steps as i64 - 1) - &i;
        let near_start = i.lt((steps / 2) as i64);
        Self::select(near_start, i * step + start, end - back * step).cast(dtype)
    }

    fn view(&self, view: View, shape: Shape) -> Self {
        if shape == *self.shape() && matches!(view, View::Reshape(_) | View::Broadcast(_)) {
            return self.clone();
        }
        carry(
            self.check_alone(view.name())
                .map(|()| Self::new(Op::View(view), smallvec![self.clone()], shape, self.dtype())),
        )
    }

    /// A matrix with its dims exchanged; a vector as it is: PyTorch's `t`. For more dims, [`permute`](Self::permute).
    #[must_use]
    pub fn t(&self) -> Self {
        match self.shape().rank() {
            0 | 1 => self.clone(),
            2 => self.transpose(0, 1),
            _ => Self::invalid(Error::argument("t", "at most 2 dims", self.shape().to_string())),
        }
    }

    /// The same elements in row-major order under another shape. Nothing is copied.
    #[must_use]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        carry(self.check().and_then(|()| {
            check_reshape(self.shape(), &shape)?;
            Ok(self.view(View::Reshape(shape.clone()), shape))
        }))
    }

    /// The dims in the order `dims` names them; each is named once.
    #[must_use]
    pub fn permute(&self, dims: &[isize]) -> Self {
        carry(self.check().and_then(|()| {
            let dims = resolve_permutation(self.shape(), dims)?;
            if dims.is_sorted() {
                return Ok(self.clone());
            }
            let shape = dims.iter().map(|&d| self.shape()[d]).collect();
            Ok(self.view(View::Permute(dims), shape))
        }))
    }

    /// Dims `a` and `b` exchanged.
    #[must_use]
    pub fn transpose(&self, a: isize, b: isize) -> Self {
        carry(self.check().and_then(|()| {
            let (a, b) = (self.shape().dim(a, "transpose")?, self.shape().dim(b, "transpose")?);
            let mut dims: SmallVec<[isize; 8]> = (0..self.shape().rank() as isize).collect();
            dims.swap(a, b);
            Ok(self.permute(&dims))
        }))
    }

    /// Elements `start..start + len` of `dim`.
    #[must_use]
    pub fn narrow(&self, dim: isize, start: usize, len: usize) -> Self {
        self.slice(dim, start, start.saturating_add(len), 1)
    }

    /// Every `step`th element of `dim` from `start` up to, not including, `end`: Python's `start:end:step`.
    #[must_use]
    pub fn slice(&self, dim: isize, start: usize, end: usize, step: usize) -> Self {
        carry(self.check().and_then(|()| {
            let (dim, len) = check_slice(self.shape(), dim, start, end, step)?;
            Ok(self.view(View::Narrow { dim, start, len, step }, self.shape().resized(dim, len)))
        }))
    }

    /// `dim` read backwards.
    #[must_use]
    pub fn flip(&self, dim: isize) -> Self {
        carry(self.check().and_then(|()| {
            let dim = self.shape().dim(dim, "flip")?;
            Ok(self.view(View::Flip(dim), self.shape().clone()))
        }))
    }

    /// Repeated along dims of size 1 and new outer dims, to `shape`. Nothing is copied.
    #[must_use]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        carry(self.check().and_then(|()| {
            shape.checked_numel("broadcast_to")?;
            if self.shape().broadcast(&shape, "broadcast_to")? != shape {
                return Err(Error::Broadcast { op: "broadcast_to", lhs: self.shape().clone(), rhs: shape });
            }
            Ok(self.view(View::Broadcast(shape.clone()), shape))
        }))
    }

    /// A new dim of size 1 before dim `dim` of the result.
    #[must_use]
    pub fn unsqueeze(&self, dim: isize) -> Self {
        carry(self.check().and_then(|()| Ok(self.reshape(unsqueezed(self.shape(), dim)?))))
    }

    /// `dim` dropped if its size is 1, else as it is.
    #[must_use]
    pub fn squeeze(&self, dim: isize) -> Self {
        carry(self.check().and_then(|()| Ok(self.reshape(squeezed(self.shape(), dim)?))))
    }

    /// The elements an index names, as PyTorch's `x[0, 1:, None]`: `x.at((0, 1.., Index::NewAxis))`. Nothing is copied.
    ///
    /// ```
    /// use hadamard::{Device, Index, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], &Device::cpu())?;
    /// let steps = (&x * 10).at((.., 1..)) - (&x * 10).at((.., ..-1));
    /// assert_eq!(steps.eval()?.to_vec::<f32>()?, [10.0; 4]);
    /// assert_eq!((&x * 10).at((-1, Index::NewAxis, Index::step(.., 2))).eval()?.to_vec::<f32>()?, [40.0, 60.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// An integer outside its dim, more items than dims, or a step below 1 is a mistake that the result carries.
    #[must_use]
    pub fn at(&self, index: impl IntoIndex) -> Self {
        carry(self.check().and_then(|()| {
            let views = views(self.shape(), &index.into_index())?;
            Ok(views.into_iter().fold(self.clone(), |expr, (view, shape)| expr.view(view, shape)))
        }))
    }

    /// Dim `source` moved to where it is dim `destination` of the result; the others keep their order.
    #[must_use]
    pub fn movedim(&self, source: isize, destination: isize) -> Self {
        carry(self.check().and_then(|()| Ok(self.permute(&moved(self.shape(), source, destination)?))))
    }

    /// The elements of dims `dim1` and `dim2` whose index in `dim2` is `offset` more than in `dim1`, as the last dim of
    /// the result, which does not have those two.
    #[must_use]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Self {
        carry(self.check().and_then(|()| {
            let views = diagonals(self.shape(), offset, dim1, dim2)?;
            Ok(views.into_iter().fold(self.clone(), |expr, (view, shape)| expr.view(view, shape)))
        }))
    }

    /// The dims from `first` to `last`, both included, as one.
    #[must_use]
    pub fn flatten(&self, first: isize, last: isize) -> Self {
        carry(self.check().and_then(|()| Ok(self.reshape(flattened(self.shape(), first, last)?))))
    }

    /// The diagonal of dims `a` and `b`, which are of one size, in the place of `a`.
    pub(crate) fn square_diagonal(&self, a: usize, b: usize) -> Self {
        let shape = (0..self.shape().rank()).filter(|&d| d != b).map(|d| self.shape()[d]).collect();
        self.view(View::Diagonal(a, b), shape)
    }

    /// The elements by their row-major numbers, as `layout`, which must not leave them, places them.
    pub(crate) fn strided(&self, layout: Layout) -> Self {
        let shape = layout.shape().clone();
        self.view(View::Strided(layout), shape)
    }

    /// The mistake inside, if there is one.
    pub(crate) fn check(&self) -> Result<()> {
        self.error().map_or(Ok(()), |e| Err(e.clone()))
    }
}
