//! What a user does: open a device, fill a tensor, evaluate an expression, look at what came out.
//!
//! The rooms below describe work; here it is done. [`backend`] is the only file that tells a CPU from a GPU.

pub(crate) mod assign;
pub(crate) mod backend;
mod compiled;
pub(crate) mod device;
mod display;
pub(crate) mod distinct;
#[cfg(feature = "gpu")]
pub(crate) mod embed;
pub(crate) mod eval;
pub(crate) mod explain;
mod forms;
pub(crate) mod function;
pub(crate) mod profile;
mod rebuilt;
mod request;
mod select;
pub(crate) mod tensor;
pub(crate) mod threads;
