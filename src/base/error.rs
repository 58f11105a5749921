//! The one error type of the crate.

use std::sync::Arc;

use crate::{DType, Shape};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: the operation, what it expected and what it found.
///
/// Errors in building an expression travel inside it and come out of whatever evaluates it, so an error is
/// cheap to clone and may be reported more than once.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two shapes do not broadcast.
    #[error("{op}: shapes {lhs} and {rhs} do not broadcast")]
    Broadcast {
        /// The operation.
        op: &'static str,
        /// Shape of the left operand, or of the source.
        lhs: Shape,
        /// Shape of the right operand, or of the destination.
        rhs: Shape,
    },
    /// A shape, size or argument is not one the operation takes.
    #[error("{op}: expected {expected}, found {found}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// What it takes.
        expected: String,
        /// What it was given.
        found: String,
    },
    /// A dim outside `-rank..rank`.
    #[error("{op}: dim {dim} is out of range for shape {shape} (expected {})", dim_range(.shape))]
    Dim {
        /// The operation.
        op: &'static str,
        /// The dim as given.
        dim: isize,
        /// The shape it was meant for.
        shape: Shape,
    },
    /// An operation that is not defined for a dtype.
    #[error("{op}: expected {expected}, found {found}")]
    DType {
        /// The operation.
        op: &'static str,
        /// The dtypes it takes, in words.
        expected: &'static str,
        /// The dtype it was given.
        found: DType,
    },
    /// An element of an index tensor that is out of range. A GPU finds it while it works, and it is reported by the next
    /// call that reads or waits; until then the nearest element was read in its place.
    #[error("{op}: index {index} is out of range for dim {dim} of size {size} (expected {})", index_range(*.size, *.from_end))]
    Index {
        /// The operation that reads by the index.
        op: &'static str,
        /// The index; one beyond 32 bits may be reported as the nearest that fits.
        index: i64,
        /// The dim it is meant for.
        dim: usize,
        /// The dim's size.
        size: usize,
        /// Whether negative numbers count from the end.
        from_end: bool,
    },
    /// Tensors that live on different devices met in one evaluation. Nothing is transferred in secret.
    #[error("{op}: expected every tensor on {expected}, found one on {found} (move it with to_device)")]
    DeviceMismatch {
        /// The operation.
        op: &'static str,
        /// The device of the first tensor or of the target.
        expected: String,
        /// The device of the odd one out.
        found: String,
    },
    /// No device of that name, or none of that kind.
    #[error("no device matches '{wanted}'; there is: {}", list(.available))]
    NoDevice {
        /// What was asked for.
        wanted: String,
        /// The names of what there is.
        available: Vec<String>,
    },
    /// A device that cannot do what was asked, such as arithmetic in f64 on an adapter without it.
    #[error("{op}: {device} does not support {what}")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// What is missing.
        what: String,
        /// The device that lacks it.
        device: String,
    },
    /// A size beyond one of the device's limits.
    #[error("{op}: {found} is beyond {limit} = {max} of {device}")]
    Limit {
        /// The operation.
        op: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// The limit.
        max: u64,
        /// What was needed.
        found: u64,
        /// The device that has this limit.
        device: String,
    },
    /// Two targets of one `assign` that share memory: which value should win is not defined.
    #[error("{op}: targets {first} and {second} share memory")]
    Overlap {
        /// The operation.
        op: &'static str,
        /// Position of the first target.
        first: usize,
        /// Position of the second target.
        second: usize,
    },
    /// The device has no memory left for a buffer of this size.
    #[error("{op}: out of memory on {device} for {bytes} bytes")]
    OutOfMemory {
        /// The operation.
        op: &'static str,
        /// Size of the buffer that could not be had, or 0 where the driver does not say.
        bytes: u64,
        /// The device.
        device: String,
    },
    /// An evaluation that was told to end early: see [`interruptible`](crate::interruptible).
    #[error("{op}: interrupted")]
    Interrupted {
        /// The operation.
        op: &'static str,
    },
    /// The device is gone: unplugged, reset, destroyed. Every later call on it gives this error.
    #[error("{op}: the device {device} is lost: {reason}")]
    DeviceLost {
        /// The operation.
        op: &'static str,
        /// The device.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// wgpu refused something that this library should not have asked for.
    #[error("{op}: the GPU refused the work")]
    Gpu {
        /// The operation.
        op: &'static str,
        /// wgpu's own account of it.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Text that is no expression.
    #[error("column {column}: {message}\n  {text}\n  {:>column$}", "^")]
    Parse {
        /// The text.
        text: String,
        /// Where in it, counted in characters from 1.
        column: usize,
        /// What was expected there.
        message: String,
    },
    /// A file that could not be read or written.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// An [`Error::Argument`] from anything that prints.
    pub(crate) fn argument(op: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Argument { op, expected: expected.into(), found: found.into() }
    }
}

fn dim_range(shape: &Shape) -> String {
    match shape.rank() {
        0 => "none: a scalar has no dims".to_owned(),
        rank => format!("-{rank} to {}", rank - 1),
    }
}

fn index_range(size: usize, from_end: bool) -> String {
    if from_end { format!("-{size} to {}", size - 1) } else { format!("0 to {}", size - 1) }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
