//! What one does with a tensor: make it, look at it in another way, write it, read it, compute with it.

mod borrow;
mod create;
#[cfg(feature = "gpu")]
mod embed;
mod methods;
mod read;
#[cfg(feature = "gpu")]
mod texture;
mod view;
#[cfg(target_arch = "wasm32")]
mod webgpu;
mod write;

use std::fmt;

pub use self::borrow::RawParts;
#[cfg(feature = "gpu")]
pub use self::embed::WgpuParts;

use crate::Tensor;

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}{} on {})", self.dtype(), self.shape(), self.device())
    }
}
