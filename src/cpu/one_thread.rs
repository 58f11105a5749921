//! Work on the one thread there is, in a browser: in place of `threads.rs`.

/// As in `threads.rs`, for those who share work out by it.
pub(super) const SMALL: usize = 32 * 1024;

/// One thread computes, however many are asked for.
pub(crate) fn set_count(_count: usize) {}

pub(crate) fn count() -> usize {
    1
}

/// Whether the calling thread does work on so many elements alone: always.
pub(super) fn is_alone(_elements: usize) -> bool {
    true
}

/// See `threads.rs`; here nobody is asked.
pub(super) fn is_stopped() -> bool {
    false
}

/// Calls `work` once with each number below `units`.
pub(super) fn each(units: usize, _elements: usize, work: impl Fn(usize) + Sync) {
    (0..units).for_each(work);
}
