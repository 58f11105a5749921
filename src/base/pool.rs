//! A pool of buffers by size class, with statistics: what CPU and GPU memory have in common.

use std::collections::BTreeMap;

use super::sync::{Mutex, MutexGuard, PoisonError};
use crate::MemoryStats;

/// The size a request is rounded up to: a power of two or three quarters of one, at least 256 bytes, so that at most
/// a third is slack and buffers of similar sizes serve each other.
pub(crate) fn size_class(bytes: u64) -> u64 {
    let whole = bytes.max(256).checked_next_power_of_two().unwrap_or(bytes);
    let three_quarters = whole / 4 * 3;
    if bytes <= three_quarters && three_quarters >= 256 { three_quarters } else { whole }
}

/// Buffers that no tensor uses, kept to be used again: in all never more than twice what was in use at once, the oldest
/// going first.
pub(crate) struct Pool<B> {
    state: Mutex<State<B>>,
}

/// See [`Pool::hold`].
pub(crate) struct Held<'a, B> {
    _guard: MutexGuard<'a, State<B>>,
}

struct State<B> {
    /// By size class; in each, those given back last at the end, with the number of the giving.
    free: BTreeMap<u64, Vec<(u64, B)>>,
    given: u64,
    /// How many have been dropped from it.
    released: u64,
    stats: MemoryStats,
}

impl<B> State<B> {
    /// Takes a kept buffer of a class out of the pool.
    fn reuse(&mut self, class: u64, fits: impl Fn(&B) -> bool) -> Option<B> {
        let list = self.free.get_mut(&class)?;
        let (_, buffer) = list.iter().rposition(|(_, b)| fits(b)).map(|i| list.remove(i))?;
        self.stats.pooled -= class;
        self.stats.reuses += 1;
        Some(buffer)
    }

    /// Takes the oldest kept buffers out of the pool until it holds at most `most` bytes.
    fn shrink(&mut self, most: u64) -> Vec<B> {
        let mut out = Vec::new();
        while self.stats.pooled > most {
            let oldest = self.free.iter().filter_map(|(&class, list)| Some((list.first()?.0, class))).min();
            let Some((_, class)) = oldest else { break };
            if let Some(list) = self.free.get_mut(&class) {
                out.push(list.remove(0).1);
            }
            self.stats.pooled -= class;
            self.released += 1;
        }
        out
    }

    fn use_more(&mut self, class: u64) {
        self.stats.used += class;
        self.stats.peak = self.stats.peak.max(self.stats.used);
    }
}

impl<B> Pool<B> {
    pub(crate) const fn new() -> Self {
        let stats = MemoryStats { used: 0, pooled: 0, peak: 0, allocations: 0, reuses: 0, limit: None };
        Self { state: Mutex::new(State { free: BTreeMap::new(), given: 0, released: 0, stats }) }
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        // Nothing here panics half-way, so a poisoned lock still guards a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(&self, f: impl FnOnce(&mut State<B>) -> R) -> R {
        f(&mut self.lock())
    }

    /// Keeps every other thread out of the pool for as long as what it returns lives.
    #[cfg_attr(not(unix), allow(dead_code, reason = "nothing forks"))]
    pub(crate) fn hold(&self) -> Held<'_, B> {
        Held { _guard: self.lock() }
    }

    /// A buffer of `class` bytes: the most recently freed one that `fits`, else what `allocate` makes; `refuse` says
    /// that the limit leaves no room for it.
    pub(crate) fn take<E>(
        &self,
        class: u64,
        fits: impl Fn(&B) -> bool,
        allocate: impl FnOnce() -> Result<B, E>,
        refuse: impl FnOnce() -> E,
    ) -> Result<B, E> {
        enum Found<B> {
            Kept(B),
            Room,
            Full,
        }
        let (found, evicted) = self.with(|state| {
            if let Some(buffer) = state.reuse(class, fits) {
                state.use_more(class);
                return (Found::Kept(buffer), Vec::new());
            }
            let most = match state.stats.limit.map(|limit| limit.checked_sub(state.stats.used + class)) {
                Some(None) => return (Found::Full, Vec::new()),
                Some(Some(most)) => most,
                None => u64::MAX,
            };
            let evicted = state.shrink(most);
            state.use_more(class);
            (Found::Room, evicted)
        });
        drop(evicted);
        match found {
            Found::Kept(buffer) => Ok(buffer),
            Found::Full => Err(refuse()),
            Found::Room => match allocate() {
                Ok(buffer) => {
                    self.with(|state| state.stats.allocations += 1);
                    Ok(buffer)
                }
                Err(error) => {
                    self.forget(class);
                    Err(error)
                }
            },
        }
    }

    /// Takes back a buffer of `class` bytes, to be used again.
    pub(crate) fn give(&self, class: u64, buffer: B) {
        let evicted = self.with(|state| {
            state.stats.used -= class;
            state.stats.pooled += class;
            state.given += 1;
            state.free.entry(class).or_default().push((state.given, buffer));
            state.shrink(2 * state.stats.peak - state.stats.used)
        });
        drop(evicted);
    }

    /// Notes that a buffer of `class` bytes will not come back.
    pub(crate) fn forget(&self, class: u64) {
        self.with(|state| state.stats.used -= class);
    }

    /// The buffers kept for reuse, for the caller to drop.
    pub(crate) fn drain(&self) -> Vec<B> {
        self.with(|state| state.shrink(0))
    }

    /// From now on no more than this is in use and kept together.
    pub(crate) fn set_limit(&self, bytes: Option<u64>) {
        let evicted = self.with(|state| {
            state.stats.limit = bytes;
            let most = bytes.map_or(u64::MAX, |limit| limit.saturating_sub(state.stats.used));
            state.shrink(most)
        });
        drop(evicted);
    }

    /// How many buffers have been dropped from the pool so far.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "a GPU's bind groups go with the buffers in them"))]
    pub(crate) fn released(&self) -> u64 {
        self.with(|state| state.released)
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        self.with(|state| state.stats)
    }
}
