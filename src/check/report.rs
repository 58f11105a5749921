//! How a device did.

use std::fmt;

use super::Accuracy;
use crate::reference::Mismatch;

/// How a device did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The device.
    pub device: String,
    /// How each operation did, in the order of the table.
    pub operations: Vec<Operation>,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// Cases that need a dtype, or functions of f64, that the device lacks.
    pub skipped: usize,
    /// How far each function is from the exact result.
    pub accuracy: Vec<Accuracy>,
}

/// How an operation did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Operation {
    /// The operation.
    pub name: String,
    /// Cases run.
    pub cases: usize,
    /// Cases that failed.
    pub failures: usize,
    /// Elements compared.
    pub elements: usize,
    /// The largest error as a fraction of its bound.
    pub worst: f64,
}

/// A case that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The operation.
    pub operation: String,
    /// The case.
    pub case: String,
    /// Where its inputs came from.
    pub seed: u64,
    /// What went wrong, in words.
    pub message: String,
    /// The first wrong element, if values were compared at all.
    pub mismatch: Option<Mismatch>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (seed {:#x}): {}", self.case, self.seed, self.message)
    }
}

impl Report {
    /// Whether nothing went wrong.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Cases run.
    pub fn cases(&self) -> usize {
        self.operations.iter().map(|o| o.cases).sum()
    }
}
