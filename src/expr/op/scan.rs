//! Scans: at each element, what the elements up to it come to.

use crate::DType;
use crate::expr::graph::Fold;

/// Scans, by PyTorch's names. See [`Expr::scan`](crate::Expr::scan).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScanOp {
    /// `cumsum`: sums. Within `2 n ε Σ|terms|` for the n terms up to an element.
    Cumsum,
    /// `cumprod`: products. Within 2 n units in the last place for n factors, while no partial product leaves the range.
    Cumprod,
    /// `cummax`: the largest so far; NaN wins, and stays. Exact.
    Cummax,
    /// `cummin`: the smallest so far; NaN wins, and stays. Exact.
    Cummin,
    /// `logcumsumexp`: the logarithm of the sum of exponentials, of floats; nothing overflows on the way.
    Logcumsumexp,
}

impl ScanOp {
    /// Every one of them, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Cumsum, Self::Cumprod, Self::Cummax, Self::Cummin, Self::Logcumsumexp];

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cumsum => "cumsum",
            Self::Cumprod => "cumprod",
            Self::Cummax => "cummax",
            Self::Cummin => "cummin",
            Self::Logcumsumexp => "logcumsumexp",
        }
    }

    /// What takes a result one element on.
    pub(crate) const fn fold(self) -> Fold {
        match self {
            Self::Cumsum => Fold::Sum,
            Self::Cumprod => Fold::Prod,
            Self::Cummax => Fold::Amax,
            Self::Cummin => Fold::Amin,
            Self::Logcumsumexp => Fold::Logaddexp,
        }
    }

    /// The dtype of the result, or `None` where the operation is not defined for `dtype`.
    ///
    /// Sums and products of integers and of bools are i64, as in PyTorch.
    pub(crate) fn dtype(self, dtype: DType) -> Option<DType> {
        match self {
            Self::Cumsum | Self::Cumprod => Some(dtype.to_sum()),
            Self::Cummax | Self::Cummin => Some(dtype),
            Self::Logcumsumexp => dtype.is_float().then_some(dtype),
        }
    }

    /// Whether no elements come to something, with which an exclusive scan begins.
    pub(crate) const fn has_identity(self) -> bool {
        match self {
            Self::Cumsum | Self::Cumprod | Self::Logcumsumexp => true,
            Self::Cummax | Self::Cummin => false,
        }
    }
}
