//! Memory of each thread's own, for strips that last no longer than a piece of work.

use std::cell::{Cell, RefCell};

use bytemuck::{Pod, Zeroable};

use super::strip::Strip;

/// A cache line: what scratch memory is aligned to.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([u8; 64]);

impl Line {
    pub(super) const BYTES: usize = size_of::<Self>();
}

/// Calls `f` with at least `bytes` of this thread's scratch memory, aligned to a cache line.
pub(super) fn with_scratch<R>(bytes: usize, f: impl FnOnce(Strip<'_>) -> R) -> R {
    thread_local!(static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) });
    // Taken out, so that a call from within would get memory of its own.
    let mut lines = SCRATCH.with(RefCell::take);
    let wanted = bytes.div_ceil(Line::BYTES);
    if lines.len() < wanted {
        lines.resize(wanted, Line::zeroed());
    }
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut lines);
    let result = f(Strip::of(Cell::from_mut(bytes).as_slice_of_cells()));
    SCRATCH.with(|scratch| scratch.replace(lines));
    result
}
