//! Forks of this process: a child has the memory of its parent, but of its threads only the one that forked.
//!
//! What was made with other threads (a pool of workers, a GPU driver's queues) remembers the [`generation`] it was made in,
//! and is of no use in another. A lock that some other thread held at the fork stays locked in the child for ever, so
//! whoever forks takes those locks first that all work needs: see [`around`].

#![cfg_attr(unix, allow(unsafe_code, reason = "has the system tell of forks"))]
#![cfg_attr(
    all(target_arch = "wasm32", not(feature = "gpu")),
    allow(dead_code, reason = "there are no forks, and no threads that would be missed")
)]

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between the process that asked first and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// A number that differs between this process and its children, from the first call on.
pub(crate) fn generation() -> u32 {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| around(None, None, Some(next_generation)));
    GENERATION.load(Ordering::Acquire)
}

extern "C" fn next_generation() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
}

/// What the system calls about a fork, on the thread that forks.
pub(crate) type Handler = Option<extern "C" fn()>;

/// From now on the system calls `before` before a fork, and after it one of the others: in the parent, in the child.
/// Where the system has no room to remember that, it does not.
#[cfg(unix)]
pub(crate) fn around(before: Handler, in_parent: Handler, in_child: Handler) {
    let as_unsafe = |handler: Handler| handler.map(|f| f as unsafe extern "C" fn());
    // SAFETY: handlers are functions of this library, which is never unloaded; they take locks or change atomics.
    let refused = unsafe { libc::pthread_atfork(as_unsafe(before), as_unsafe(in_parent), as_unsafe(in_child)) };
    if refused != 0 {
        log::warn!("the system does not tell of forks: work may hang in forked children");
    }
}

#[cfg(not(unix))]
pub(crate) fn around(_before: Handler, _in_parent: Handler, _in_child: Handler) {}
