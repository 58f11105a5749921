//! Which part of each buffer a launch binds, and where work that touches more than that is cut.
//!
//! A binding reaches no further than the device allows, 128 MiB by default, while a buffer may be larger. Where all
//! that a launch touches lies within reach of a buffer's start, that is where it is bound; else from the first element
//! it touches. Where one view alone reaches too far, its work is cut in two along the dim that helps most, and so on.
//! Shapes and the device's limits decide all of it, so the same work is always cut alike.

use super::view::View;
use super::{Memory, Planner};
use crate::{Error, Result, Shape};

/// Bindings begin at multiples of this, in bytes: WebGPU allows no device to ask for a larger one. As every element
/// has at most 8 bytes, an element's place in its group of four stays what it was.
const ALIGNMENT: u64 = 256;

/// What a launch binds: some memory from byte `start` on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Window {
    pub(crate) memory: Memory,
    pub(crate) start: u64,
}

impl Window {
    /// Bytes that a window may have, where a binding may have `max_binding`. Positions in it fit 32 bits.
    pub(crate) fn most_bytes(max_binding: u64) -> u64 {
        max_binding.min(u64::from(u32::MAX)) / ALIGNMENT * ALIGNMENT
    }
}

/// The windows of a launch.
pub(super) struct Windows {
    pub(super) list: Vec<Window>,
    /// For each view, its window; out of range where it has none.
    pub(super) of: Vec<usize>,
}

impl Windows {
    /// Where a view's offset lies in its window, in elements. It may lie before it where a view is read by its
    /// elements' numbers, so the difference wraps, as do the kernel's sums.
    pub(super) fn offset(&self, view: usize, read: &View) -> usize {
        let start = self.list.get(self.of[view]).map_or(0, |w| w.start) / read.dtype.size() as u64;
        read.access.footprint().offset().wrapping_sub(start as usize)
    }
}

/// The bytes of some memory from where a binding that shows them may begin, up to where groups of four end.
pub(super) type Span = (u64, u64);

fn span(read: &View) -> Span {
    // What is not read needs no binding.
    if read.memory.is_none() {
        return (0, 0);
    }
    let size = read.dtype.size();
    let Some((low, high)) = read.bounds() else { return (0, 0) };
    ((low * size) as u64 / ALIGNMENT * ALIGNMENT, ((high + 1) * size).next_multiple_of(16) as u64)
}

fn union(a: Span, b: Span) -> Span {
    (a.0.min(b.0), a.1.max(b.1))
}

impl Planner<'_> {
    fn reach(&self) -> u64 {
        Window::most_bytes(self.caps.max_binding)
    }

    /// The bytes a binding must have to show these.
    fn needed_for(&self, span: Span) -> u64 {
        if span.1 <= self.reach() { span.1 } else { span.1 - span.0 }
    }

    /// Elements of `size` bytes that a binding shows, wherever in a buffer they begin.
    pub(super) fn most_shown(&self, size: usize) -> usize {
        (self.reach().saturating_sub(2 * ALIGNMENT) / size as u64) as usize
    }

    /// By how many doublings the views together reach too far; 0 if a binding each is enough.
    pub(super) fn beyond(&self, views: &[View]) -> f64 {
        views.iter().map(|v| excess(self.needed_for(span(v)), self.reach())).sum()
    }

    /// Whether views of the same memory can share a binding.
    pub(super) fn within_reach<'a>(&self, views: impl Iterator<Item = &'a View>) -> bool {
        views.map(span).reduce(union).is_none_or(|all| self.needed_for(all) <= self.reach())
    }

    /// The windows through which a launch sees its views, each of which is within reach.
    pub(super) fn windows(&self, views: &[View]) -> Result<Windows> {
        let (spans, of) = self.spans(views);
        if spans.len() > self.caps.max_bindings {
            return Err(self.limit("max_storage_buffers_per_shader_stage", self.caps.max_bindings as u64, spans.len()));
        }
        let start = |span: Span| if span.1 <= self.reach() { 0 } else { span.0 };
        let list = spans.into_iter().map(|(memory, span)| Window { memory, start: start(span) }).collect();
        Ok(Windows { list, of })
    }

    /// What each binding shows, and for each view its binding. Views of the same memory share a binding unless they lie too
    /// far apart; then none of them is written (see `stage_outputs`).
    pub(super) fn spans(&self, views: &[View]) -> (Vec<(Memory, Span)>, Vec<usize>) {
        let mut spans: Vec<(Memory, Span)> = Vec::new();
        let mut of = Vec::with_capacity(views.len());
        for view in views {
            let Some(memory) = view.memory else {
                of.push(usize::MAX);
                continue;
            };
            let whole = self.within_reach(views.iter().filter(|v| v.memory == view.memory));
            let joins = |&(found, other): &(Memory, Span)| {
                found == memory && (whole || self.needed_for(union(other, span(view))) <= self.reach())
            };
            if let Some(found) = spans.iter().position(joins) {
                spans[found].1 = union(spans[found].1, span(view));
                of.push(found);
            } else {
                of.push(spans.len());
                spans.push((memory, span(view)));
            }
        }
        (spans, of)
    }

    /// The error for work that no cut makes small enough.
    pub(super) fn no_cut(&self, views: &[View]) -> Error {
        let found = views.iter().map(|v| self.needed_for(span(v))).max().unwrap_or(0);
        self.limit("max_storage_buffer_binding_size", self.caps.max_binding, found as usize)
    }

    /// Elements of a pass: indices divide by multiplication, and the grid has two axes.
    pub(super) fn most_elements(&self) -> u64 {
        let invocations = u64::from(self.caps.max_workgroups).pow(2) * u64::from(self.caps.tuning.workgroup);
        invocations.min((1 << 31) - 1)
    }
}

/// By how many doublings `found` is beyond `most`; 0 if it is not.
pub(super) fn excess(found: u64, most: u64) -> f64 {
    if found <= most { 0.0 } else { (found as f64 / most as f64).log2() }
}

/// The dim among `dims` that is best cut: the one whose first half is least beyond the limits, as `beyond` tells from
/// the dim and the half's length. `now` is how far the whole is; a dim must do better than that.
pub(super) fn best_cut(
    shape: &Shape,
    dims: impl Iterator<Item = usize>,
    now: f64,
    beyond: impl Fn(usize, usize) -> f64,
) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for dim in dims.filter(|&d| shape[d] > 1) {
        let left = beyond(dim, halves(shape[dim])[0].1);
        if left < best.map_or(now, |b| b.0) {
            best = Some((left, dim));
        }
    }
    best.map(|b| b.1)
}

/// Start and length of two halves of a dim, cut where groups of four, and mostly bindings, may begin.
pub(super) fn halves(size: usize) -> [(usize, usize); 2] {
    let unit = match size {
        0..8 => 1,
        8..2048 => 4,
        _ => 512,
    };
    let at = (size / 2).next_multiple_of(unit);
    [(0, at), (at, size - at)]
}
