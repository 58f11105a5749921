//! The nouns: what every other room speaks of, and what knows nothing of them.
//!
//! A [`Tensor`] is a record here; what one can do with it (upload, evaluate, read) stands in `run`.

pub(crate) mod access;
pub(crate) mod bounds;
pub(crate) mod dtype;
pub(crate) mod element;
pub(crate) mod error;
pub(crate) mod fork;
pub(crate) mod index;
pub(crate) mod info;
pub(crate) mod interrupt;
pub(crate) mod layout;
pub(crate) mod nearest;
pub(crate) mod numpy;
pub(crate) mod pages;
pub(crate) mod pool;
pub(crate) mod shader;
pub(crate) mod shape;
pub(crate) mod storage;
mod sync;
pub(crate) mod tensor;
pub(crate) mod times;
pub(crate) mod views;

#[cfg(test)]
mod tests;
