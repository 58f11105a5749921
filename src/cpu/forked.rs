//! The memory pool in a forked child: usable, whatever other threads of the parent did at the fork.

#![allow(unsafe_code, reason = "a lock is held from one call of the system's to the next")]

use std::cell::UnsafeCell;
use std::sync::Once;

use super::buffer::{Block, hold_pool};
use crate::base::fork;
use crate::base::pool::Held;

/// The hold on the pool, from before a fork until after it.
struct OverFork(UnsafeCell<Option<Held<'static, Block>>>);

// SAFETY: only handlers touch the cell, on the thread that forks, and only while that thread holds the pool: so no two
// threads do at a time.
unsafe impl Sync for OverFork {}

static HELD: OverFork = OverFork(UnsafeCell::new(None));

extern "C" fn hold() {
    let held = hold_pool();
    // SAFETY: this thread holds the pool; see above.
    unsafe { *HELD.0.get() = Some(held) }
}

extern "C" fn release() {
    // SAFETY: the thread that called `hold`, or its copy in the child; see above.
    drop(unsafe { (*HELD.0.get()).take() });
}

/// From the first call on, whoever forks holds the pool meanwhile.
pub(super) fn watch() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| fork::around(Some(hold), Some(release), Some(release)));
}
