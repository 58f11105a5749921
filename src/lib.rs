// Of two definitions of a link the first holds, so in rustdoc the pages link to each other as modules.
#![doc = include_str!("../docs/links.md")]
#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod check;
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/accuracy.md")]
pub mod accuracy {}
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/pytorch.md")]
pub mod pytorch {}
#[doc = include_str!("../docs/links.md")]
#[doc = include_str!("../docs/reliability.md")]
pub mod reliability {}
pub mod reference;

mod cpu;
mod device;
mod display;
mod dtype;
mod error;
mod eval;
mod explain;
mod expr;
mod gpu;
pub mod init;
#[cfg(feature = "io")]
mod io;
mod layout;
pub mod optim;
mod params;
mod pool;
mod profile;
pub mod random;
mod shape;
mod sync;
mod tensor;
#[cfg(test)]
mod tests;

pub use device::{Counters, DEVICE_VARIABLE, Device, DeviceInfo, DeviceKind, MemoryStats};
pub use dtype::{DType, Element, Scalar};
pub use error::{Error, Result};
pub use eval::{assign, eval_all};
pub use explain::{Explanation, Pass, explain_all};
pub use expr::{BinaryOp, Expr, ReduceOp, ScalarCell, UnaryOp, einsum};
#[cfg(feature = "io")]
pub use io::{read_safetensors, safetensors_names, write_safetensors};
pub use params::Params;
pub use profile::{Clock, KernelTime, Limits, Profile};
pub use shape::{Dims, MAX_RANK, Shape};
pub use tensor::Tensor;
