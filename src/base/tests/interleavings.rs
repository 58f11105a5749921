//! What the library locks itself, in every order threads may take turns: the very files `cpu/locks.rs` and `pool.rs`,
//! on the locks of shuttle, which decides who goes next and sees when nobody can.

#![allow(unsafe_code, reason = "as the CPU path does, reads and writes memory that is locked")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::thread;

use buffer::Buffer;
use locks::Locks;
use pool::Pool;

#[allow(clippy::duplicate_mod, reason = "on other locks")]
#[path = "../../cpu/locks.rs"]
mod locks;
#[allow(clippy::duplicate_mod, reason = "on other locks")]
#[allow(dead_code, reason = "not all of a pool is of interest here")]
#[path = "../pool.rs"]
mod pool;

mod sync {
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
    pub(super) use std::sync::PoisonError;
}

/// A number in place of memory.
mod buffer {
    use shuttle::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

    pub(super) struct Buffer(RwLock<u64>);
    pub(super) struct Reading<'a>(RwLockReadGuard<'a, u64>);
    pub(super) struct Writing<'a> {
        _guard: RwLockWriteGuard<'a, u64>,
        at: *mut u64,
    }

    impl Buffer {
        pub(super) fn new(value: u64) -> Self {
            Self(RwLock::new(value))
        }

        pub(super) fn lock(&self) -> Reading<'_> {
            Reading(self.0.read().unwrap())
        }

        pub(super) fn lock_mut(&self) -> Writing<'_> {
            let mut guard = self.0.write().unwrap();
            let at = std::ptr::from_mut(&mut *guard);
            Writing { _guard: guard, at }
        }

        pub(super) fn value(&self) -> u64 {
            *self.0.read().unwrap()
        }
    }

    impl Reading<'_> {
        pub(super) fn memory(&self) -> *mut [u8] {
            std::ptr::from_ref(bytemuck::bytes_of(&*self.0)).cast_mut()
        }
    }

    impl Writing<'_> {
        pub(super) fn memory(&self) -> *mut [u8] {
            std::ptr::slice_from_raw_parts_mut(self.at.cast(), size_of::<u64>())
        }
    }
}

/// As a run of the CPU path: `to = sum of from + more`, others taking their turns between reading and writing.
#[allow(clippy::cast_ptr_alignment, reason = "a buffer of the model is a u64")]
fn assign(to: &Buffer, from: &[&Buffer], more: u64) {
    let locks = Locks::new(from.iter().copied(), std::iter::once(to));
    let id = |buffer: &Buffer| std::ptr::from_ref(buffer) as usize;
    assert_eq!(locks.read(id(to)), from.iter().position(|buffer| id(buffer) == id(to)));
    let at = |buffer: &Buffer| locks.memory(id(buffer)).unwrap().cast::<u64>();
    // SAFETY: locked for reading, and numbers of the model.
    let sum: u64 = from.iter().map(|&buffer| unsafe { *at(buffer) }).sum();
    thread::yield_now();
    // SAFETY: locked for writing.
    unsafe { *at(to) = sum + more };
}

/// What buffers of 1, 2 and 3 hold after `steps`, each on a thread of its own.
///
/// They lie in one array: a search needs the same order of addresses each time.
fn after<const N: usize>(steps: [fn(&[Buffer; 3]); N]) -> [u64; 3] {
    let buffers = Arc::new([1, 2, 3].map(Buffer::new));
    let threads = steps.map(|step| {
        let buffers = buffers.clone();
        thread::spawn(move || step(&buffers))
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    buffers.each_ref().map(Buffer::value)
}

#[test]
fn assignments_that_cross_happen_in_some_order() {
    shuttle::check_dfs(
        || {
            let found = after([|[a, b, _]| assign(a, &[b], 10), |[a, b, _]| assign(b, &[a], 100)]);
            assert!(matches!(found, [12, 112, 3] | [111, 101, 3]), "{found:?}");
        },
        None,
    );
}

#[test]
fn assignments_in_a_ring_happen_in_some_order() {
    shuttle::check_random(
        || {
            let found = after([
                |[a, b, _]| assign(a, &[b], 10),
                |[_, b, c]| assign(b, &[c], 100),
                |[a, _, c]| assign(c, &[a], 1000),
            ]);
            let a_first = [[12, 103, 1012], [12, 1112, 1012]];
            let b_first = [[113, 103, 1113], [113, 103, 1001]];
            let c_first = [[12, 1101, 1001], [1111, 1101, 1001]];
            assert!([a_first, b_first, c_first].concat().contains(&found), "{found:?}");
        },
        5000,
    );
}

#[test]
fn no_update_in_place_is_lost() {
    shuttle::check_random(
        || {
            let found = after([
                |[a, b, _]| (0..2).for_each(|_| assign(a, &[a, b, a], 0)),
                |[a, ..]| assign(a, &[a], 5),
                |[a, b, c]| assign(c, &[b, a, b], 0),
            ]);
            // a: 1 → 2a + 2 twice, with 5 added before, between or after.
            assert!([15, 20, 30].contains(&found[0]), "{found:?}");
            assert!([1, 4, 6, 9, 10, 14, 15, 20, 30].contains(&(found[2] - 4)), "{found:?}");
        },
        5000,
    );
}

#[test]
fn no_buffer_of_a_pool_serves_two() {
    const CLASS: u64 = 256;
    shuttle::check_random(
        || {
            let pool = Arc::new(Pool::new());
            let made = Arc::new(AtomicU64::new(0));
            let work = |drain: bool| {
                let (pool, made) = (pool.clone(), made.clone());
                move || {
                    for _ in 0..2 {
                        let allocate = || Ok::<_, ()>(Arc::new(made.fetch_add(1, Ordering::Relaxed)));
                        let buffer = pool.take(CLASS, |_| true, allocate, || ()).unwrap();
                        thread::yield_now();
                        // The pool keeps nothing of a buffer that is out.
                        assert_eq!(Arc::strong_count(&buffer), 1);
                        pool.give(CLASS, buffer);
                        if drain {
                            pool.drain();
                        }
                        let stats = pool.stats();
                        assert!(stats.used <= 3 * CLASS && stats.peak <= 3 * CLASS, "{stats:?}");
                    }
                }
            };
            let threads = [false, true, false].map(|drain| thread::spawn(work(drain)));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            let (stats, kept) = (pool.stats(), pool.drain());
            assert_eq!((stats.used, stats.pooled), (0, CLASS * kept.len() as u64));
            assert_eq!((stats.allocations, stats.allocations + stats.reuses), (made.load(Ordering::Relaxed), 6));
        },
        5000,
    );
}

#[test]
fn a_limit_of_a_pool_holds() {
    const CLASS: u64 = 256;
    shuttle::check_random(
        || {
            let pool = Arc::new(Pool::new());
            pool.set_limit(Some(2 * CLASS));
            let work = |class: u64| {
                let pool = pool.clone();
                move || {
                    for _ in 0..2 {
                        let taken = pool.take(class, |_| true, || Ok(Arc::new(())), || "full");
                        let stats = pool.stats();
                        assert!(stats.used + stats.pooled <= 2 * CLASS, "{stats:?}");
                        thread::yield_now();
                        taken.into_iter().for_each(|buffer| pool.give(class, buffer));
                    }
                }
            };
            let threads = [CLASS, CLASS, 2 * CLASS].map(|class| thread::spawn(work(class)));
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(pool.stats().used, 0);
        },
        5000,
    );
}
