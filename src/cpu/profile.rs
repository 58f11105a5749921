//! Times of passes while someone looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::times::{Instant, KernelTime, Tally};
use crate::{Error, Result, Shape};

/// Whether [`TALLY`] holds something. While nobody profiles, a pass looks at nothing else.
static ON: AtomicBool = AtomicBool::new(false);
static TALLY: Mutex<Option<Tally>> = Mutex::new(None);

fn tally() -> MutexGuard<'static, Option<Tally>> {
    // A thread that panics leaves no sum half-written.
    TALLY.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn start() -> Result<()> {
    let mut tally = tally();
    if tally.is_some() {
        return Err(Error::argument("profile", "no other profile of this device meanwhile", "one".to_owned()));
    }
    *tally = Some(Tally::default());
    ON.store(true, Ordering::Relaxed);
    Ok(())
}

pub(crate) fn finish() -> Vec<KernelTime> {
    ON.store(false, Ordering::Relaxed);
    tally().take().map(Tally::into_kernels).unwrap_or_default()
}

/// The time, if somebody profiles.
pub(super) fn now() -> Option<Instant> {
    ON.load(Ordering::Relaxed).then(Instant::now)
}

/// Notes a pass that began at `start` and ends now. `traffic` gives the shape it walked and the bytes it had to move.
pub(super) fn note(start: Option<Instant>, name: &str, traffic: impl FnOnce() -> (Shape, usize)) {
    let Some(start) = start else { return };
    let time = start.elapsed();
    let (shape, bytes) = traffic();
    if let Some(tally) = &mut *tally() {
        tally.add(&format!("{name} {shape}"), name != "map", bytes as u64, time);
    }
}
