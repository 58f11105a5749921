//! A number that may change between evaluations.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::smallvec;

use super::node::{Expr, Op};
use crate::{DType, Scalar, Shape};

/// A number in an expression that is read when the expression is evaluated, as a tensor is, and not when it is built.
///
/// A learning rate in a cell can change from step to step while the expression, its plan and its kernels stay. Clones
/// are the same cell. In promotion it is a weak float, like the literal `0.5`; arithmetic on cells alone is f32.
///
/// ```
/// use hadamard::{Device, Expr, ScalarCell, Tensor};
/// let w = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
/// let lr = ScalarCell::new(0.5);
/// let scaled = &w * &lr;
/// assert_eq!(scaled.eval()?.to_vec::<f32>()?, [0.5, 1.0]);
/// lr.set(10.0);
/// assert_eq!(scaled.eval()?.to_vec::<f32>()?, [10.0, 20.0]);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone)]
pub struct ScalarCell(Arc<AtomicU64>);

impl ScalarCell {
    /// A cell that holds `value`.
    pub fn new(value: f64) -> Self {
        Self(Arc::new(AtomicU64::new(value.to_bits())))
    }

    /// The number it holds.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Changes the number, for evaluations from now on. Work that a GPU has been given keeps the number it was given, and
    /// an evaluation during which another thread changes it sees one of the two throughout.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Equal for clones of one cell.
    pub(crate) fn id(&self) -> u64 {
        Arc::as_ptr(&self.0) as u64
    }
}

impl fmt::Debug for ScalarCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScalarCell({:?})", self.get())
    }
}

impl From<&ScalarCell> for Expr {
    fn from(cell: &ScalarCell) -> Self {
        Self::new(Op::Number(Number::Cell(cell.clone())), smallvec![], Shape::default(), DType::F32)
    }
}

impl From<ScalarCell> for Expr {
    fn from(cell: ScalarCell) -> Self {
        Self::from(&cell)
    }
}

/// A number of an expression: known as it is built, or held by a cell.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Scalar(Scalar),
    Cell(ScalarCell),
}

impl Number {
    /// The number, now.
    pub(crate) fn get(&self) -> Scalar {
        match self {
            &Self::Scalar(value) => value,
            Self::Cell(cell) => Scalar::Float(cell.get()),
        }
    }

    /// Whether it is the same cell, or the same number to the bit.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cell(a), Self::Cell(b)) => a.id() == b.id(),
            (Self::Scalar(a), Self::Scalar(b)) => {
                a.dtype() == b.dtype() && a.to_f64().to_bits() == b.to_f64().to_bits() && a.to_i64() == b.to_i64()
            }
            _ => false,
        }
    }
}
