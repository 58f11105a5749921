//! Work over all cores, on threads of our own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::base::{fork, interrupt};

/// The caller does work on fewer elements than this alone: waking threads takes longer.
pub(super) const SMALL: usize = 32 * 1024;

/// The variables that say how many threads compute, the first that is set to a number: our own, and the one that
/// schedulers of clusters set for whatever they start.
const VARIABLES: [&str; 2] = ["HADAMARD_NUM_THREADS", "OMP_NUM_THREADS"];

/// So many threads of one process. None is ever dropped: they sleep, and are there when as many are asked for again.
struct Workers {
    /// See [`fork::generation`]: a child has no threads of its parent's.
    generation: u32,
    count: usize,
    /// Nothing where the system gives no threads, as on the web.
    pool: OnceLock<Option<ThreadPool>>,
    /// Those made after these.
    next: OnceLock<Box<Workers>>,
}

impl Workers {
    /// Those that are to compute now.
    fn now() -> &'static Self {
        static FIRST: OnceLock<Box<Workers>> = OnceLock::new();
        let (generation, count) = (fork::generation(), wanted());
        let mut place = &FIRST;
        loop {
            match place.get() {
                Some(workers) if (workers.generation, workers.count) == (generation, count) => return workers,
                Some(workers) => place = &workers.next,
                // Another thread may be first; then its own stand here.
                None => {
                    let new = Self { generation, count, pool: OnceLock::new(), next: OnceLock::new() };
                    let _ = place.set(Box::new(new));
                }
            }
        }
    }

    /// Made at the first call. A cell that is being filled at a fork stays so in the child for ever, hence not by
    /// `get_or_init`, during which threads would start.
    fn pool(&self) -> Option<&ThreadPool> {
        if self.pool.get().is_none() {
            let built =
                ThreadPoolBuilder::new().num_threads(self.count).thread_name(|i| format!("hadamard-{i}")).build();
            let built = built.inspect_err(|e| log::info!("the CPU path runs on one thread: {e}"));
            let _ = self.pool.set(built.ok());
        }
        self.pool.get()?.as_ref()
    }
}

/// How many threads were asked for by [`set_count`]; 0 if none were.
static WANTED: AtomicUsize = AtomicUsize::new(0);

fn wanted() -> usize {
    match WANTED.load(Ordering::Relaxed) {
        0 => at_first(),
        count => count,
    }
}

/// How many threads compute if nobody says: what the environment says, else one for each core that this process may use.
fn at_first() -> usize {
    static AT_FIRST: OnceLock<usize> = OnceLock::new();
    if AT_FIRST.get().is_none() {
        let of_variable = |&name: &&str| {
            let text = std::env::var(name).ok()?;
            let count = number_of_threads(&text);
            if count.is_none() {
                log::warn!("{name}={text}: expected a number of threads, at least 1");
            }
            count
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let _ = AT_FIRST.set(VARIABLES.iter().find_map(of_variable).unwrap_or_else(cores));
    }
    AT_FIRST.get().copied().unwrap_or(1)
}

/// The number in a variable's text. OpenMP allows for a list, a number for each level of nesting; this is one level.
fn number_of_threads(text: &str) -> Option<usize> {
    text.split(',').next()?.trim().parse().ok().filter(|&count| count > 0)
}

/// From now on so many threads compute, at least one. Work that runs goes on as it began.
pub(crate) fn set_count(count: usize) {
    WANTED.store(count, Ordering::Relaxed);
}

/// How many threads compute.
pub(crate) fn count() -> usize {
    let workers = Workers::now();
    if workers.count == 1 { 1 } else { workers.pool().map_or(1, ThreadPool::current_num_threads) }
}

/// Whether the calling thread does work on so many elements alone.
pub(super) fn is_alone(elements: usize) -> bool {
    #[cfg(test)]
    if ALONE.get() {
        return true;
    }
    elements < SMALL || count() == 1
}

/// Calls `work` once with each number below `units`, on all cores if there are many `elements`, in any order. Returns
/// when all calls have.
///
/// Where somebody asks whether to end ([`interrupt`]), this may return before: calls that were not begun are left out, then
/// and until the evaluation is over. So what follows must not lean on their results, or see first whether [`is_stopped`].
pub(super) fn each(units: usize, elements: usize, work: impl Fn(usize) + Sync) {
    share_out(units, elements, &work);
}

/// [`each`], compiled once for all kinds of work.
fn share_out(units: usize, elements: usize, work: &(dyn Fn(usize) + Sync)) {
    let hook = interrupt::state();
    if hook == Some(true) {
        return;
    }
    let asked = hook.is_some() && units > 1;
    let workers = if units > 1 && elements >= SMALL { Some(Workers::now()) } else { None };
    #[cfg(test)]
    let workers = workers.filter(|_| !ALONE.get());
    let Some(pool) = workers.filter(|workers| workers.count > 1).and_then(Workers::pool) else {
        (0..units).take_while(|_| !(asked && interrupt::asks())).for_each(work);
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
    // Who is asked is the thread that waits, so it computes, too, and is asked between its pieces.
    let drain_asked = || {
        while !interrupt::asks() {
            let unit = next.fetch_add(1, Ordering::Relaxed);
            if unit >= units {
                return;
            }
            work(unit);
        }
        next.store(units, Ordering::Relaxed);
    };
    if rayon::current_thread_index().is_some() {
        // This is a worker of the caller's own pool. While waiting it would take other work from that pool, which could
        // want the very locks held here. A plain thread just waits.
        std::thread::scope(|scope| {
            let started = std::thread::Builder::new().name("hadamard-wait".to_owned()).spawn_scoped(scope, run);
            if asked {
                drain_asked();
            } else if started.is_err() {
                drain();
            }
        });
    } else if asked {
        pool.in_place_scope(|scope| {
            (1..pool.current_num_threads()).for_each(|_| scope.spawn(|_| drain()));
            drain_asked();
        });
    } else {
        run();
    }
}

/// Whether work was left out because the evaluation is to end.
pub(super) fn is_stopped() -> bool {
    interrupt::state() == Some(true)
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

#[cfg(test)]
mod tests {
    use super::number_of_threads;

    #[test]
    fn a_number_of_threads_is_the_first_of_a_list() {
        assert_eq!(["4", " 2 ", "3,2"].map(number_of_threads), [Some(4), Some(2), Some(3)]);
        assert_eq!(["0", "", "many", "-1", ",2"].map(number_of_threads), [None; 5]);
    }
}
