// Of two definitions of a link the first holds, so in rustdoc the pages link to each other as modules.
#![doc = include_str!("../docs/links.md")]
#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

// A room uses only those before it, which `tests/order.rs` sees to.
mod base;
#[cfg_attr(
    not(feature = "check"),
    allow(dead_code, unused_imports, reason = "rows also say what the reference and `check` need")
)]
mod expr;

mod cpu;
#[cfg_attr(
    not(feature = "gpu"),
    allow(dead_code, unused_imports, reason = "only a GPU runs plans; `explain` prints them")
)]
mod kernel;

#[cfg(feature = "gpu")]
mod gpu;

mod run;

pub mod random;

pub mod init;
pub mod optim;

#[cfg(feature = "io")]
mod io;

#[cfg(feature = "check")]
pub mod reference;

#[cfg(feature = "check")]
#[doc(hidden)]
pub mod check;

// The pages of docs/, which are tested as the README is.
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/pytorch.md")]
pub mod pytorch {}

#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/training.md")]
pub mod training {}

#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/compiling.md")]
pub mod compiling {}

#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/accuracy.md")]
pub mod accuracy {}

#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/reliability.md")]
pub mod reliability {}

#[cfg(feature = "gpu")]
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/embedding.md")]
pub mod embedding {}

#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/web.md")]
pub mod web {}

pub use base::dtype::{DType, Scalar};
pub use base::element::Element;
pub use base::error::{Error, Result};
pub use base::index::{Index, IntoIndex};
pub use base::info::{Counters, DeviceInfo, DeviceKind, MemoryStats};
pub use base::interrupt::interruptible;
pub use base::shape::{Dims, MAX_RANK, Shape};
pub use base::tensor::Tensor;
pub use base::times::{Bandwidth, Clock, KernelTime};
pub use expr::{
    BinaryOp, CrossEntropy, Expr, ReduceOp, Reduction, Rounding, ScalarCell, Scan, ScanOp, UnaryOp, cat, einsum, stack,
};
#[cfg(feature = "gpu")]
pub use gpu::{WgpuOptions, wgpu};
#[cfg(feature = "io")]
#[doc(hidden)]
pub use io::file_kind;
#[cfg(feature = "io")]
pub use io::{
    npz_names, read_npz, read_safetensors, safetensors_metadata, safetensors_names, write_npz, write_safetensors,
    write_safetensors_with,
};
pub use optim::Params;
pub use run::assign::assign;
pub use run::device::{DEVICE_VARIABLE, Device};
pub use run::distinct::Unique;
#[cfg(feature = "gpu")]
pub use run::embed::Recording;
pub use run::eval::{Prepared, eval_all, prepare};
pub use run::explain::{Explanation, Pass, explain_all};
pub use run::function::{Function, Operand};
pub use run::profile::Profile;
pub use run::tensor::RawParts;
#[cfg(feature = "gpu")]
pub use run::tensor::WgpuParts;
pub use run::threads::{num_threads, set_num_threads};
