//! Where the outputs of a pass go, and how they get there.

use smallvec::SmallVec;

use super::frame::{Direct, Frame};
use super::lines::settle;
use super::region::Region;
use super::space::Space;
use super::strip::Span;
use crate::Tensor;
use crate::base::layout::Layout;

/// Where an output goes.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    /// The memory it is written to, positions counted from its first element.
    pub(super) memory: Span<'a>,
    /// Its shape and strides.
    pub(super) layout: &'a Layout,
    /// Index in `Graph::buffers` of the buffer written to, if the graph also reads it.
    pub(super) buffer: Option<usize>,
    /// Whether it is written past the cache.
    pub(super) past_cache: bool,
}

/// Bytes of a target that are more than stay in the cache until somebody reads them, and then better never take room there:
/// a line that is written whole is otherwise read first.
pub(super) const PAST_CACHE: usize = 16 << 20;

impl<'a> Destination<'a> {
    /// A target, where the graph reads its buffer with the index of that.
    pub(super) fn target(memory: Span<'a>, target: &'a Tensor, buffer: Option<usize>) -> Self {
        let bytes = target.numel() * target.dtype().size();
        Self { memory, layout: target.layout(), buffer, past_cache: buffer.is_none() && bytes >= PAST_CACHE }
    }

    /// Its layout, but that positions are counted from its first element.
    pub(super) fn strides(&self) -> Layout {
        Layout::new(self.layout.shape().clone(), self.layout.strides().into(), 0)
    }
}

/// Whether all of them are in row-major order.
pub(super) fn are_contiguous(to: &[Destination<'_>]) -> bool {
    to.iter().all(|to| to.layout.is_contiguous())
}

pub(super) fn is_past_cache(to: &[Destination<'_>]) -> bool {
    to.iter().any(|to| to.past_cache)
}

/// To be called by a thread that has written some of them, before it says so.
pub(super) fn settle_all(to: &[Destination<'_>]) {
    if is_past_cache(to) {
        settle();
    }
}

/// Some outputs of a region, and where each goes.
#[derive(Clone, Copy)]
pub(super) struct Outputs<'a> {
    /// The first of them.
    pub(super) first: usize,
    pub(super) to: &'a [Destination<'a>],
    /// Where they lie along the domain, the first by this track.
    pub(super) space: &'a Space,
    pub(super) track: usize,
}

impl<'a> Outputs<'a> {
    /// Evaluates the strip of `n` points from `point` on and stores it. Outputs before the first of these belong nowhere.
    pub(super) fn eval_alone(&self, region: &Region, frame: &mut Frame<'a, '_>, point: usize, n: usize) {
        if self.to.is_empty() {
            return frame.eval(point, n, &[]);
        }
        self.eval(region, frame, point, n, std::iter::repeat_n(Direct::NOWHERE, self.first));
    }

    /// Evaluates the strip of `n` points from `point` on and stores it. Outputs before the first of these may be written
    /// straight to `others`.
    pub(super) fn eval(
        &self,
        region: &Region,
        frame: &mut Frame<'a, '_>,
        point: usize,
        n: usize,
        others: impl IntoIterator<Item = Direct<'a>>,
    ) {
        let mut direct: SmallVec<[Direct<'_>; 4]> = others.into_iter().collect();
        debug_assert_eq!(direct.len(), self.first, "a place for each output before");
        for (i, to) in self.to.iter().enumerate() {
            let at = self.space.in_place(self.track + i, point, n, to.memory).filter(|at| at.len() == n);
            let last_read = to.buffer.and_then(|buffer| region.last_read(buffer));
            direct.push(Direct { at, last_read, past_cache: to.past_cache });
        }
        frame.eval(point, n, &direct);
        for (i, to) in self.to.iter().enumerate() {
            let value = frame.output(self.first + i);
            match direct[self.first + i].at {
                Some(at) if at.is(value) => {}
                Some(at) if to.past_cache && value.len() == n => value.copy_past_cache(at),
                _ => self.space.scatter(self.track + i, point, n, to.memory, value),
            }
        }
    }
}
