//! Matrix products by PyTorch's names, and what belongs to matrices.

use super::node::Expr;
use super::op::DTypeRule;
use super::views::carry;
use crate::{DType, Error, Result, Shape};

impl Expr {
    /// The matrix product, PyTorch's `@`: of two vectors their inner product, of a matrix and a vector a vector, and of
    /// tensors of higher rank the products of their last two dims, where the dims before broadcast.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::cpu();
    /// let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device)?;
    /// let v = Tensor::from_slice(&[1.0_f32, -1.0], [2], &device)?;
    /// assert_eq!(a.matmul(&v).eval()?.to_vec::<f32>()?, [-1.0, -1.0]);
    /// assert_eq!(a.matmul(&a).eval()?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// It is the [`einsum`](crate::einsum) of the same factors, and as fast. Tensors of rank 0, bools and two different dtypes are errors.
    #[must_use]
    pub fn matmul(&self, other: impl Into<Self>) -> Self {
        carry(self.try_matmul(&other.into()))
    }

    fn try_matmul(&self, other: &Self) -> Result<Self> {
        self.check_product("matmul", other)?;
        let ranks = [self.shape().rank(), other.shape().rank()];
        if ranks.contains(&0) {
            let found = format!("{} and {}", self.shape(), other.shape());
            return Err(Error::argument("matmul", "two tensors of at least one dim", found));
        }
        // A vector is a row on the left, a column on the right, and that dim goes again.
        let left = if ranks[0] == 1 { self.unsqueeze(0) } else { self.clone() };
        let right = if ranks[1] == 1 { other.unsqueeze(1) } else { other.clone() };
        let (lead, n) = split(&left);
        let (batch, m) = split(&right);
        if n[1] != m[0] {
            let found = format!("{} and {}", self.shape(), other.shape());
            return Err(Error::argument("matmul", "as many columns on the left as rows on the right", found));
        }
        let batch = lead.broadcast(&batch, "matmul")?;
        let spread = |x: &Self, last: [usize; 2]| x.broadcast_to(batch.iter().copied().chain(last).collect::<Shape>());
        let [left, right] = if batch.rank() == 0 { [left, right] } else { [spread(&left, n), spread(&right, m)] };
        // As `einsum` has it: what is kept first, then what is summed.
        let product = (left.unsqueeze(-2) * right.transpose(-2, -1).unsqueeze(-3)).sum(-1);
        let mut sizes: Vec<usize> = batch.iter().copied().collect();
        sizes.extend((ranks[0] > 1).then_some(n[0]));
        sizes.extend((ranks[1] > 1).then_some(m[1]));
        Ok(product.reshape(sizes).cast(self.dtype()))
    }

    /// An error unless both are numbers of one dtype, as PyTorch wants them.
    fn check_product(&self, op: &'static str, other: &Self) -> Result<()> {
        self.check()?;
        other.check()?;
        for x in [self, other] {
            DTypeRule::Number.dtypes(op, x.dtype())?;
        }
        if self.dtype() != other.dtype() {
            let found = format!("{} and {}", self.dtype(), other.dtype());
            return Err(Error::argument(op, "two tensors of one dtype (cast one)", found));
        }
        Ok(())
    }

    /// A product of tensors of just these ranks, which nothing broadcasts.
    fn product_of_ranks(&self, op: &'static str, other: &Self, ranks: [usize; 2]) -> Self {
        carry((|| {
            self.check_product(op, other)?;
            let batches_fit = ranks != [3, 3] || self.shape().dims().first() == other.shape().dims().first();
            if [self.shape().rank(), other.shape().rank()] != ranks || !batches_fit {
                let found = format!("{} and {}", self.shape(), other.shape());
                let expected = match ranks {
                    [2, 1] => "a matrix and a vector",
                    [3, _] => "two tensors of three dims, the first of one size",
                    _ => "two matrices",
                };
                return Err(Error::argument(op, expected, found));
            }
            self.try_matmul(other)
        })())
    }

    /// The product of two matrices; [`matmul`](Self::matmul) takes other ranks, too.
    #[must_use]
    pub fn mm(&self, other: impl Into<Self>) -> Self {
        self.product_of_ranks("mm", &other.into(), [2, 2])
    }

    /// The product of a matrix and a vector.
    #[must_use]
    pub fn mv(&self, other: impl Into<Self>) -> Self {
        self.product_of_ranks("mv", &other.into(), [2, 1])
    }

    /// The products of as many matrices with as many others.
    #[must_use]
    pub fn bmm(&self, other: impl Into<Self>) -> Self {
        self.product_of_ranks("bmm", &other.into(), [3, 3])
    }

    /// The matrix of products of each element of one vector with each of another.
    #[must_use]
    pub fn outer(&self, other: impl Into<Self>) -> Self {
        let other = other.into();
        carry((|| {
            self.check()?;
            other.check()?;
            if self.shape().rank() != 1 || other.shape().rank() != 1 {
                let found = format!("{} and {}", self.shape(), other.shape());
                return Err(Error::argument("outer", "two vectors", found));
            }
            Ok(self.unsqueeze(1) * other)
        })())
    }

    /// The last two dims with 0 above the diagonal, or above another one: the first above it is 1, the first below it -1.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1, 2, 3, 4], [2, 2], &Device::cpu())?;
    /// assert_eq!(x.tril(0).eval()?.to_vec::<i32>()?, [1, 0, 3, 4]);
    /// assert_eq!(x.triu(1).eval()?.to_vec::<i32>()?, [0, 2, 0, 0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn tril(&self, diagonal: i64) -> Self {
        self.triangle("tril", |above| above.le(diagonal))
    }

    /// The last two dims with 0 below the diagonal, or below another one, as in [`tril`](Self::tril).
    #[must_use]
    pub fn triu(&self, diagonal: i64) -> Self {
        self.triangle("triu", |above| above.ge(diagonal))
    }

    /// The elements that `keep` keeps, by how far they stand above the diagonal, and 0 elsewhere.
    fn triangle(&self, op: &'static str, keep: impl FnOnce(Self) -> Self) -> Self {
        carry(self.check().and_then(|()| {
            let [.., rows, columns] = *self.shape().dims() else {
                return Err(Error::argument(op, "a tensor of at least two dims", self.shape().to_string()));
            };
            let above = Self::numbers(columns) - Self::numbers(rows).unsqueeze(1);
            let zero = if self.dtype() == DType::Bool { Self::from(false) } else { Self::from(0) };
            Ok(Self::select(keep(above), self, zero))
        }))
    }
}

/// The dims before the last two, and those. The rank is at least 2.
fn split(x: &Expr) -> (Shape, [usize; 2]) {
    let dims = x.shape().dims();
    let (before, last) = dims.split_at(dims.len() - 2);
    (before.iter().copied().collect(), [last[0], last[1]])
}
