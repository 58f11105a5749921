//! Tensors in files: NumPy's `.npy` and `.npz`, and `.safetensors`.
//!
//! Files come from anywhere. Every size in a header is compared with the size of the file before anything is
//! allocated, so a false header costs an error, not memory. Elements are read where they are to lie and written from
//! where they lie, so a large tensor is never in memory twice.

mod checkpoint;
mod elements;
mod file;
mod kind;
mod names;
mod npy;
mod npz;
mod safetensors;

#[doc(hidden)]
pub use self::file::file_kind;
pub use self::npz::{npz_names, read_npz, write_npz};
pub use self::safetensors::{
    read_safetensors, safetensors_metadata, safetensors_names, write_safetensors, write_safetensors_with,
};
