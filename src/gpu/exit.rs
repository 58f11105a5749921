//! Threads that nobody joins, but for the process as it ends: a thread that is still within a driver then crashes when the
//! driver's library is taken down. For the same reason such a thread takes no driver down itself.

#![cfg_attr(unix, allow(unsafe_code, reason = "has the system call a function as the process ends"))]

use std::sync::Mutex;
use std::thread::JoinHandle;

use super::Context;
use super::context::lock;
use crate::base::fork;

/// What such threads were the last to have, until another device is opened.
static LEFT: Mutex<Vec<Context>> = Mutex::new(Vec::new());

pub(super) fn leave(context: Context) {
    lock(&LEFT).push(context);
}

/// Lets go of it. Not for a thread that nobody joins.
pub(super) fn let_go() {
    let left = std::mem::take(&mut *lock(&LEFT));
    drop(left);
}

/// With the generation of processes they are of: in a forked child there are none of the parent's.
static THREADS: Mutex<Vec<(u32, JoinHandle<()>)>> = Mutex::new(Vec::new());

/// Has the process wait for `thread` before it ends, where it is Unix that ends it.
pub(super) fn join_at_exit(thread: JoinHandle<()>) {
    watch();
    let mut threads = lock(&THREADS);
    threads.retain(|(_, thread)| !thread.is_finished());
    threads.push((fork::generation(), thread));
}

/// What is registered later is called earlier, and drivers' libraries were loaded before there was work for them.
#[cfg(unix)]
fn watch() {
    static WATCHED: std::sync::Once = std::sync::Once::new();
    WATCHED.call_once(|| {
        // SAFETY: a function of this library, which is never unloaded.
        if unsafe { libc::atexit(join_all) } != 0 {
            log::warn!("the system does not tell when the process ends: threads within a driver may crash then");
        }
    });
}

#[cfg(not(unix))]
fn watch() {}

#[cfg(unix)]
extern "C" fn join_all() {
    // In a forked child it may be locked for ever.
    let Ok(mut threads) = THREADS.try_lock() else { return };
    for (generation, thread) in std::mem::take(&mut *threads) {
        if generation == fork::generation() {
            drop(thread.join());
        } else {
            std::mem::forget(thread);
        }
    }
}
