//! Ending an evaluation early: whoever waits for one is asked from time to time whether to go on.

use std::cell::RefCell;
use std::time::Duration;

use crate::base::times::Instant;
use crate::{Error, Result};

/// How often it is asked at most.
const EVERY: Duration = Duration::from_millis(50);

thread_local!(static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) });

/// What a thread's evaluations ask.
struct Hook {
    stop: Box<dyn FnMut() -> bool>,
    /// When it was asked last, or when the first evaluation could have asked.
    asked: Option<Instant>,
    stopped: bool,
}

impl Hook {
    fn asks(&mut self) -> bool {
        if !self.stopped && self.asked.get_or_insert_with(Instant::now).elapsed() >= EVERY {
            self.stopped = (self.stop)();
            self.asked = Some(Instant::now());
        }
        self.stopped
    }
}

/// What `work` returns. While it runs, evaluations on the CPU that this thread waits for call `stop` now and then, every 50 ms
/// at most, and end early once it returns true.
///
/// The evaluation that is ended returns [`Error::Interrupted`], and so do all that this thread begins before `work` returns.
/// Pieces of work that were begun are finished, which takes some milliseconds, or longer for a large matrix product or the
/// sort of one long row. What was to be written in place may be written in part. Whoever evaluates without this, or on a GPU, is
/// never asked; nor is anybody in a browser.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use hadamard::{Device, Tensor, interruptible};
///
/// let cancelled = Arc::new(AtomicBool::new(false)); // set by another thread, or where a signal is handled
/// let asked = cancelled.clone();
/// let a = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
/// let sum = interruptible(move || asked.load(Ordering::Relaxed), || (&a * &a).sum(..).eval())?;
/// assert_eq!(sum.item::<f32>()?, 5.0);
/// # Ok::<(), hadamard::Error>(())
/// ```
pub fn interruptible<R>(stop: impl FnMut() -> bool + 'static, work: impl FnOnce() -> R) -> R {
    let _before = with(Some(Hook { stop: Box::new(stop), asked: None, stopped: false }));
    work()
}

/// Puts back what a thread's evaluations asked before, a panic notwithstanding.
struct Before(Option<Hook>);

impl Drop for Before {
    fn drop(&mut self) {
        drop(HOOK.replace(self.0.take()));
    }
}

fn with(hook: Option<Hook>) -> Before {
    Before(HOOK.replace(hook))
}

/// What `work` returns, which nothing ends early: work that nobody evaluates by, such as a measurement.
pub(crate) fn never<R>(work: impl FnOnce() -> R) -> R {
    let _before = with(None);
    work()
}

/// Whether this thread's evaluations are to end, or nothing if nobody is asked.
pub(crate) fn state() -> Option<bool> {
    HOOK.with_borrow(|hook| hook.as_ref().map(|hook| hook.stopped))
}

/// Whether to end. To be called between pieces of work.
#[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "there is no clock to look at"))]
pub(crate) fn asks() -> bool {
    // Taken out, so that what is called may evaluate: then nobody is asked.
    let Some(mut hook) = HOOK.take() else { return false };
    let stops = hook.asks();
    HOOK.replace(Some(hook));
    stops
}

/// An error if this thread's evaluations are to end.
pub(crate) fn check(op: &'static str) -> Result<()> {
    if state() == Some(true) { Err(Error::Interrupted { op }) } else { Ok(()) }
}
