//! Reductions: over which dims, and to which shape and dtype.

use smallvec::smallvec;

use super::node::{Expr, Op};
use super::op::ReduceOp;
use super::unsigned;
use super::views::carry;
use crate::{DType, Dims, Error};

impl Expr {
    /// Reduces over `dims`; the result does not have them.
    ///
    /// The named methods ([`sum`](Self::sum), [`amax`](Self::amax), …) are this with the operation filled in.
    #[must_use]
    pub fn reduce(&self, op: ReduceOp, dims: impl Into<Dims>) -> Self {
        let dims = dims.into();
        carry(self.check().and_then(|()| {
            self.check_alone(op.name())?;
            let this = if self.as_number().is_some() { self.cast(self.dtype()) } else { self.clone() };
            if this.dtype() == DType::U64
                && let Some(result) = unsigned::reduce(op, &this, &dims)
            {
                return Ok(result);
            }
            let dims = dims.resolve(this.shape(), op.name())?;
            let dtype = op.dtype(this.dtype()).ok_or(Error::DType {
                op: op.name(),
                expected: "a float (cast it first)",
                found: this.dtype(),
            })?;
            if !op.has_identity() && dims.iter().any(|&d| this.shape()[d] == 0) {
                return Err(Error::argument(op.name(), "at least one element to reduce", this.shape().to_string()));
            }
            if matches!(op, ReduceOp::Argmax | ReduceOp::Argmin) {
                check_count(op, &this, &dims)?;
            }
            let shape = this.shape().iter().enumerate().filter(|(d, _)| !dims.contains(d)).map(|(_, &n)| n).collect();
            Ok(Self::new(Op::Reduce(op, dims), smallvec![this], shape, dtype))
        }))
    }
}

/// Fails if there are more elements to choose from than a reduction can number.
fn check_count(op: ReduceOp, of: &Expr, dims: &[usize]) -> crate::Result<()> {
    let count: usize = dims.iter().map(|&d| of.shape()[d]).product();
    let most = if of.dtype().compute().size() == 8 { i32::MAX as usize } else { u32::MAX as usize };
    if count > most {
        let found = format!("{count} in {}", of.shape());
        return Err(Error::argument(op.name(), format!("at most {most} elements of {} to reduce", of.dtype()), found));
    }
    Ok(())
}
