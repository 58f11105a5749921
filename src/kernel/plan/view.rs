//! How a kernel sees memory.

use super::Memory;
use crate::DType;
use crate::base::access::Access;
use crate::expr::graph::Take;

/// Memory that a kernel reads or writes, element by element of its domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct View {
    /// None where nothing is read: the kernel wants the positions themselves.
    pub(super) memory: Option<Memory>,
    pub(super) dtype: DType,
    pub(super) access: Access,
    /// Where an index says which elements are read: the lowest and the highest that may be.
    pub(super) taken: Option<(usize, usize)>,
}

impl View {
    pub(super) fn new(memory: Memory, dtype: DType, access: impl Into<Access>) -> Self {
        Self { memory: Some(memory), dtype, access: access.into(), taken: None }
    }

    /// What an index chooses of some memory.
    pub(super) fn of_take(memory: Memory, dtype: DType, take: &Take) -> Self {
        Self { taken: take.bounds(), ..Self::new(memory, dtype, take.access.clone()) }
    }

    /// The lowest and the highest element it may touch, if any.
    pub(super) fn bounds(&self) -> Option<(usize, usize)> {
        self.taken.or_else(|| self.access.footprint().bounds())
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
        let elements = match self.taken {
            None => self.access.footprint().touched(),
            // As many as there are places to read: how often the index is the same, nobody knows.
            Some(_) => self.access.shape().numel(),
        };
        (elements * self.dtype.size()) as u64
    }
}
