//! A pool of buffers by size class, with statistics: what CPU and GPU memory have in common.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

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

    fn with<R>(&self, f: impl FnOnce(&mut State<B>) -> R) -> R {
        // Nothing here panics half-way, so a poisoned lock still guards a whole state.
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
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
    pub(crate) fn released(&self) -> u64 {
        self.with(|state| state.released)
    }

    pub(crate) fn stats(&self) -> MemoryStats {
        self.with(|state| state.stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(pool: &Pool<i32>, class: u64, fits: impl Fn(&i32) -> bool, new: i32) -> Result<i32, &'static str> {
        pool.take(class, fits, || Ok(new), || "no room")
    }

    #[test]
    fn classes_are_close_above() {
        for bytes in [0, 1, 255, 256, 257, 384, 385, 1000, 4096, 5000, 1 << 20, (1 << 20) + 1] {
            let class = size_class(bytes);
            assert!(class >= bytes && class.is_multiple_of(4), "{bytes} in {class}");
            assert!(bytes <= 256 || class * 2 <= bytes * 3 + 2, "{bytes} in {class}");
        }
    }

    #[test]
    fn a_freed_buffer_serves_the_next_request_of_its_class() {
        let pool = Pool::new();
        let first = take(&pool, 512, |_| true, 1).unwrap();
        pool.give(512, first);
        assert_eq!(take(&pool, 512, |_| true, 2), Ok(1));
        let stats = pool.stats();
        assert_eq!((stats.used, stats.pooled, stats.allocations, stats.reuses), (512, 0, 1, 1));
        pool.give(512, 1);
        assert_eq!(take(&pool, 512, |&b| b != 1, 3), Ok(3));
        assert_eq!(pool.drain(), [1]);
    }

    #[test]
    fn no_more_is_held_than_twice_what_was_in_use_at_once() {
        let pool = Pool::new();
        for (i, class) in [1024, 512, 256, 768].into_iter().enumerate() {
            let buffer = take(&pool, class, |_| true, i as i32).unwrap();
            pool.give(class, buffer);
        }
        // 1024 bytes at most: of 1024, 512, 256 and 768 the last three fit, and the oldest went first.
        assert_eq!(pool.stats().pooled, 1536);
        let fifth = take(&pool, 1024, |_| true, 4).unwrap();
        pool.give(1024, fifth);
        assert_eq!((pool.stats().pooled, pool.released()), (2048, 2));
        assert_eq!(pool.drain(), [2, 3, 4]);
    }

    #[test]
    fn a_limit_holds_and_what_is_kept_makes_way() {
        let pool = Pool::new();
        pool.set_limit(Some(1024));
        let kept = take(&pool, 512, |_| true, 1).unwrap();
        pool.give(512, kept);
        assert_eq!(take(&pool, 768, |_| true, 2), Ok(2));
        assert_eq!((pool.stats().used, pool.stats().pooled), (768, 0));
        assert_eq!(take(&pool, 512, |_| true, 3), Err("no room"));
        assert_eq!(take(&pool, 256, |_| true, 4), Ok(4));
        let failed: Result<i32, _> = pool.take(0, |_| true, || Err("broken"), || "no room");
        assert_eq!((failed, pool.stats().used), (Err("broken"), 1024));
        pool.give(768, 2);
        pool.set_limit(Some(256));
        assert_eq!((pool.stats().used, pool.stats().pooled), (256, 0));
    }
}
