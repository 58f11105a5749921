//! What an index chooses of memory that no binding shows whole.
//!
//! It is gathered beforehand, window by window: each pass reads the elements that its window shows, and leaves the others
//! to the rest.

use super::emit::Scalars;
use super::map::MapJob;
use super::region::Region;
use super::view::View;
use super::windows::Window;
use super::{Memory, Planner, Stored};
use crate::base::layout::Layout;
use crate::expr::graph::{Graph, Id, Source, Step, Take};
use crate::kernel::spec::{Code, Inst, Line};
use crate::{DType, Result};

/// The memory that is read, and its dtype; none for a reduction that is not stored yet.
pub(super) fn memory_from(graph: &Graph, stored: &Stored, from: Source) -> Option<(Memory, DType)> {
    match from {
        Source::Buffer(buffer) => Some((Memory::Buffer(buffer), graph.buffers[buffer].1)),
        Source::Reduced(of) => stored.get(&of).copied(),
    }
}

impl Planner<'_> {
    /// Whether an index may choose elements too far apart for one binding.
    pub(super) fn is_far(&self, take: &Take) -> bool {
        let view =
            memory_from(self.graph, &self.stored, take.from).map(|(memory, dtype)| View::of_take(memory, dtype, take));
        view.is_some_and(|view| self.beyond(&[view]) > 0.0)
    }

    /// Stores what `roots` read by an index from memory that no binding shows.
    pub(super) fn store_far_takes(&mut self, roots: &[Id]) -> Result<()> {
        for id in Region::of(self.graph, &self.stored, &[], roots).values {
            if let Step::Take(take) = &self.graph.values[id].step
                && !self.stored.contains_key(&id)
                && self.is_far(take)
            {
                self.take_in_windows(id, take)?;
            }
        }
        Ok(())
    }

    fn take_in_windows(&mut self, id: Id, take: &Take) -> Result<()> {
        let Some((memory, dtype)) = memory_from(self.graph, &self.stored, take.from) else { return Ok(()) };
        let Some((low, high)) = take.bounds() else { return Ok(()) };
        // Positions have 32 bits.
        if u32::try_from(high).is_err() {
            return Err(self.limit("elements of a tensor that an index reads", 1 << 32, high + 1));
        }
        if !self.stored.contains_key(&take.at) {
            self.store(take.at)?;
        }
        let (places, places_dtype) = self.stored[&take.at];
        let value = &self.graph.values[id];
        let shape = value.shape.clone();
        let gathered = self.temp(shape.numel(), value.dtype);
        let whole = |memory, dtype| View::new(memory, dtype, Layout::contiguous(shape.clone()));
        let room = Window::most_bytes(self.caps.max_binding) as usize / dtype.size();
        for first in (low / room * room..=high).step_by(room) {
            let from = View { taken: Some((first, high.min(first + room - 1))), ..View::of_take(memory, dtype, take) };
            let line = |inst, dtype| Line { inst, dtype };
            let code = Code {
                lines: vec![
                    line(Inst::Load(0), self.graph.values[take.at].dtype),
                    line(Inst::Take(1, 0), value.dtype),
                    line(Inst::Within(1, 0), DType::Bool),
                    line(Inst::Load(2), value.dtype),
                    line(Inst::Select(2, 1, 3), value.dtype),
                ],
                stores: vec![(3, 4)],
                results: vec![],
            };
            let before = whole(gathered, value.dtype);
            let views = vec![whole(places, places_dtype), from, before.clone(), before];
            self.map(MapJob { shape: shape.clone(), views, n_loads: 3, code, scalars: Scalars::default() })?;
        }
        self.stored.insert(id, (gathered, value.dtype));
        Ok(())
    }
}
