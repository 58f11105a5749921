//! Work over all cores, on threads of our own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The caller does work on fewer elements than this alone: waking threads takes longer.
pub(super) const SMALL: usize = 32 * 1024;

fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || ThreadPoolBuilder::new().thread_name(|i| format!("hadamard-{i}")).build();
    // Where the system gives no threads, as on the web, the caller does everything.
    POOL.get_or_init(|| build().inspect_err(|e| log::info!("the CPU path runs on one thread: {e}")).ok()).as_ref()
}

/// How many threads compute.
pub(super) fn count() -> usize {
    pool().map_or(1, ThreadPool::current_num_threads)
}

/// Calls `work` once with each number below `units`, on all cores if there are many `elements`, in any order. Returns
/// when all calls have.
pub(super) fn each(units: usize, elements: usize, work: impl Fn(usize) + Sync) {
    let pool = if units > 1 && elements >= SMALL { pool() } else { None };
    #[cfg(test)]
    let pool = pool.filter(|_| !ALONE.get());
    let Some(pool) = pool.filter(|p| p.current_num_threads() > 1) else {
        (0..units).for_each(work);
        return;
    };
    let next = AtomicUsize::new(0);
    let drain = || {
        loop {
            let unit = next.fetch_add(1, Ordering::Relaxed);
            if unit >= units {
                break;
            }
            work(unit);
        }
    };
    let run = || {
        pool.broadcast(|_| drain());
    };
    if rayon::current_thread_index().is_some() {
        // This is a worker of the caller's own pool. While waiting it would take other work from that pool, which could
        // want the very locks held here. A plain thread just waits.
        std::thread::scope(|scope| {
            let started = std::thread::Builder::new().name("hadamard-wait".to_owned()).spawn_scoped(scope, run);
            if started.is_err() {
                drain();
            }
        });
    } else {
        run();
    }
}

/// Calls `f` where rayon's functions use our threads.
pub(super) fn within<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    let Some(pool) = pool() else { return f() };
    if rayon::current_thread_index().is_none() {
        return pool.install(f);
    }
    // As in `each`: a worker of the caller's own pool must not take other work while it waits.
    std::thread::scope(|scope| match scope.spawn(|| pool.install(f)).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

#[cfg(test)]
thread_local!(static ALONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });

/// Calls `f`, all of whose work is done by this thread.
#[cfg(test)]
pub(super) fn alone<R>(f: impl FnOnce() -> R) -> R {
    ALONE.set(true);
    let result = f();
    ALONE.set(false);
    result
}
