//! Where in their buffers the tensors of a run begin, taken out of its plan.
//!
//! Two runs that differ in that alone share a plan, made for tensors near the start of their buffers; a launch adds the
//! rest to the offsets in its uniforms. Buffers that a binding cannot show whole are left alone, for where they are
//! bound depends on where their tensors begin.

use smallvec::SmallVec;

use crate::expr::graph::{Graph, Source, Step, Take, Value};
use crate::kernel::{Memory, Target};

/// Shifts are multiples of this, in bytes, so that what is aligned stays aligned.
const UNIT: usize = 256;

/// For each buffer of a graph and each target elsewhere, by how many elements what it shows is moved to its start.
pub(super) struct Shifts {
    buffers: SmallVec<[usize; 4]>,
    targets: SmallVec<[usize; 2]>,
}

impl Shifts {
    /// `bytes` tells how large some memory is, and `most` what a binding may show.
    pub(super) fn new(graph: &Graph, targets: &[Target], most: u64, bytes: impl Fn(&Memory) -> u64) -> Self {
        // The lowest element of each that is read or written.
        let mut buffers = SmallVec::from_elem(usize::MAX, graph.buffers.len());
        let mut others = SmallVec::from_elem(usize::MAX, targets.len());
        let lower = |lowest: &mut usize, bounds: Option<(usize, usize)>| {
            *lowest = bounds.map_or(*lowest, |bounds| bounds.0.min(*lowest));
        };
        for value in &graph.values {
            match &value.step {
                Step::Load { buffer, access } => lower(&mut buffers[*buffer], access.footprint().bounds()),
                Step::Take(take @ Take { from: Source::Buffer(buffer), .. }) => {
                    lower(&mut buffers[*buffer], take.bounds());
                }
                _ => {}
            }
        }
        for target in targets {
            match target.memory {
                Memory::Buffer(i) => lower(&mut buffers[i], target.layout.bounds()),
                Memory::Target(i) => lower(&mut others[i], target.layout.bounds()),
                Memory::Temp(_) | Memory::Marks => {}
            }
        }
        let shift = |lowest: usize, memory: Memory, size: usize| {
            if lowest == usize::MAX || bytes(&memory) > most {
                return 0;
            }
            // Never to the very start: a plan may be simpler there.
            (lowest * size / UNIT).saturating_sub(1) * UNIT / size
        };
        for (i, (lowest, (_, dtype))) in buffers.iter_mut().zip(&graph.buffers).enumerate() {
            *lowest = shift(*lowest, Memory::Buffer(i), dtype.size());
        }
        for (i, (lowest, target)) in others.iter_mut().zip(targets).enumerate() {
            *lowest = shift(*lowest, Memory::Target(i), target.dtype.size());
        }
        Self { buffers, targets: others }
    }

    pub(super) fn of_buffer(&self, buffer: usize) -> usize {
        self.buffers[buffer]
    }

    /// By how many elements what some memory shows is moved.
    pub(super) fn of(&self, memory: Memory) -> usize {
        match memory {
            Memory::Buffer(i) => self.buffers[i],
            Memory::Target(i) => self.targets[i],
            Memory::Temp(_) | Memory::Marks => 0,
        }
    }

    /// Whether `ours` is what `value` becomes.
    pub(super) fn makes(&self, ours: &Value, value: &Value) -> bool {
        match (&ours.step, &value.step) {
            (Step::Load { buffer, access }, Step::Load { buffer: other, access: from }) => {
                buffer == other
                    && access.is_moved(from, self.of_buffer(*buffer))
                    && (&ours.shape, ours.dtype) == (&value.shape, value.dtype)
            }
            (
                Step::Take(Take { from: Source::Buffer(buffer), access, at, reach }),
                Step::Take(Take { from: Source::Buffer(other), access: from, at: from_at, reach: from_reach }),
            ) => {
                (buffer, at, reach) == (other, from_at, from_reach)
                    && access.is_moved(from, self.of_buffer(*buffer))
                    && (&ours.shape, ours.dtype) == (&value.shape, value.dtype)
            }
            _ => ours == value,
        }
    }

    /// Whether `ours` is what `target` becomes.
    pub(super) fn makes_target(&self, ours: &Target, target: &Target) -> bool {
        (ours.memory, ours.dtype) == (target.memory, target.dtype)
            && ours.layout.is_moved(&target.layout, self.of(target.memory))
    }

    /// The graph and the targets, moved.
    pub(super) fn applied(&self, graph: &Graph, targets: &[Target]) -> (Graph, Vec<Target>) {
        let value = |value: &Value| {
            let mut value = value.clone();
            if let Step::Load { buffer, access } | Step::Take(Take { from: Source::Buffer(buffer), access, .. }) =
                &mut value.step
            {
                *access = access.moved(self.of_buffer(*buffer));
            }
            value
        };
        let target = |target: &Target| Target { layout: target.layout.moved(self.of(target.memory)), ..target.clone() };
        let values = graph.values.iter().map(value).collect();
        let moved = Graph::of(values, graph.buffers.clone(), graph.scalars.clone(), graph.roots.clone());
        (moved, targets.iter().map(target).collect())
    }
}
