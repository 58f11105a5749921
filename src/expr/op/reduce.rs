//! Reductions.

use super::listed;
use crate::{DType, Dims, Expr, Tensor};

listed! {
    /// Reductions, by PyTorch's names.
    pub enum ReduceOp by reduce {
        /// The sum over `dims`; 0 where there is nothing to add. What is summed is never stored.
        Sum = method sum(dim, keepdim), sum;
        /// The mean over `dims`, of floats; NaN where there is nothing to average.
        Mean = method mean(dim, keepdim), sum;
        /// The product over `dims`; 1 where there is nothing to multiply.
        Prod = method prod(dim, keepdim), product;
        /// The largest element over `dims`; NaN wins. Reducing no elements is an error.
        Amax = method amax(dim, keepdim), exact;
        /// The smallest element over `dims`; NaN wins. Reducing no elements is an error.
        Amin = method amin(dim, keepdim), exact;
        /// Whether any element over `dims` is true or not 0; of u8, as a u8.
        Any = method any(dim, keepdim), exact;
        /// Whether all elements over `dims` are true or not 0; of u8, as a u8.
        All = method all(dim, keepdim), exact;
        /// The index of the largest element over `dims`, the first of equals; of NaN, if there is one. Over several dims it is
        /// the element's row-major number among those that are reduced. Reducing no elements is an error.
        Argmax = method argmax(dim, keepdim), exact;
        /// The index of the smallest element, as [`argmax`](Expr::argmax) has that of the largest.
        Argmin = method argmin(dim, keepdim), exact;
    }
}

impl ReduceOp {
    /// The dtype of the result, or `None` where the operation is not defined for `dtype`.
    ///
    /// Sums and products of integers and of bools are i64, as in PyTorch.
    pub(crate) fn dtype(self, dtype: DType) -> Option<DType> {
        match self {
            Self::Sum | Self::Prod => Some(dtype.to_sum()),
            Self::Mean => dtype.is_float().then_some(dtype),
            Self::Amax | Self::Amin => Some(dtype),
            // So PyTorch has it.
            Self::Any | Self::All if dtype == DType::U8 => Some(DType::U8),
            Self::Any | Self::All => Some(DType::Bool),
            Self::Argmax | Self::Argmin => Some(DType::I64),
        }
    }

    /// Whether a reduction of no elements has a value.
    pub(crate) const fn has_identity(self) -> bool {
        match self {
            Self::Sum | Self::Mean | Self::Prod | Self::Any | Self::All => true,
            Self::Amax | Self::Amin | Self::Argmax | Self::Argmin => false,
        }
    }
}
