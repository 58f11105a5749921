//! A pool of buffers by size class, with statistics: what CPU and GPU memory have in common.

use std::collections::BTreeMap;

use super::sync::{Mutex, PoisonError};
use crate::MemoryStats;

/// The size a request is rounded up to: a power of two or three quarters of one, at least 256 bytes, so that at most
/// a third is slack and buffers of similar sizes serve each other.
pub(crate) fn size_class(bytes: u64) -> u64 {
    let whole = bytes.max(256).checked_next_power_of_two().unwrap_or(bytes);
    let three_quarters = whole / 4 * 3;
    if bytes <= three_quarters && three_quarters >= 256 { three_quarters } else { whole }
}

/// Buffers that no tensor uses, kept to be used again.
pub(crate) struct Pool<B> {
    state: Mutex<State<B>>,
}

struct State<B> {
    free: BTreeMap<u64, Vec<B>>,
    stats: MemoryStats,
}

impl<B> Pool<B> {
    pub(crate) const fn new() -> Self {
        let stats = MemoryStats { used: 0, pooled: 0, peak: 0, allocations: 0, reuses: 0 };
        Self { state: Mutex::new(State { free: BTreeMap::new(), stats }) }
    }

    fn with<R>(&self, f: impl FnOnce(&mut State<B>) -> R) -> R {
        // Nothing here panics half-way, so a poisoned lock still guards a whole state.
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A buffer of `class` bytes: the most recently freed one that `fits`, else what `allocate` makes.
    pub(crate) fn take<E>(
        &self,
        class: u64,
        fits: impl Fn(&B) -> bool,
        allocate: impl FnOnce() -> Result<B, E>,
    ) -> Result<B, E> {
        let reused = self.with(|state| {
            let list = state.free.get_mut(&class)?;
            let buffer = list.iter().rposition(fits).map(|i| list.remove(i))?;
            state.stats.pooled -= class;
            state.stats.reuses += 1;
            Some(buffer)
        });
        let buffer = if let Some(buffer) = reused {
            buffer
        } else {
            let buffer = allocate()?;
            self.with(|state| state.stats.allocations += 1);
            buffer
        };
        self.with(|state| {
            state.stats.used += class;
            state.stats.peak = state.stats.peak.max(state.stats.used);
        });
        Ok(buffer)
    }

    /// Takes back a buffer of `class` bytes, to be used again.
    pub(crate) fn give(&self, class: u64, buffer: B) {
        self.with(|state| {
            state.stats.used -= class;
            state.stats.pooled += class;
            state.free.entry(class).or_default().push(buffer);
        });
    }

    /// The buffers kept for reuse, for the caller to drop.
    pub(crate) fn drain(&self) -> Vec<B> {
        self.with(|state| {
            state.stats.pooled = 0;
            std::mem::take(&mut state.free).into_values().flatten().collect()
        })
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        self.with(|state| state.stats)
    }
}
