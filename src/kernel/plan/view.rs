//! How a kernel sees memory.

use super::Memory;
use crate::DType;
use crate::base::access::Access;

/// Memory that a kernel reads or writes, element by element of its domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct View {
    /// None where nothing is read: the kernel wants the positions themselves.
    pub(super) memory: Option<Memory>,
    pub(super) dtype: DType,
    pub(super) access: Access,
}

impl View {
    pub(super) fn new(memory: Memory, dtype: DType, access: impl Into<Access>) -> Self {
        Self { memory: Some(memory), dtype, access: access.into() }
    }

    /// The same over a part of the domain.
    pub(super) fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        Self { access: self.access.narrow(dim, start, len), ..self.clone() }
    }

    /// Whether several of its elements share a word.
    pub(super) fn is_packed(&self) -> bool {
        self.dtype.size() < 4
    }

    /// Bytes of the different elements it touches: none, where positions are all that is wanted.
    pub(super) fn bytes(&self) -> u64 {
        if self.memory.is_none() {
            return 0;
        }
        (self.access.footprint().touched() * self.dtype.size()) as u64
    }
}
