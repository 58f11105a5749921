//! The part of a graph that one kernel computes.

use rustc_hash::FxHashSet;

use super::{Memory, Stored};
use crate::expr::graph::{Graph, Id, Source, Step, Take};

/// What computing some values takes, without their code.
pub(super) struct Region {
    /// The values a kernel computes, in order: down to loads, scalars, terms and stored values.
    pub(super) values: Vec<Id>,
    /// The buffers it loads from.
    pub(super) memory: FxHashSet<Memory>,
    /// Reductions, and values that were cut off, that it reads from memory.
    pub(super) reads: FxHashSet<Id>,
}

impl Region {
    /// The region of `roots`, where `terms` are at hand and `stored` values are read from memory.
    pub(super) fn of(graph: &Graph, stored: &Stored, terms: &[Id], roots: &[Id]) -> Self {
        Self::until(graph, stored, terms, roots, |_| false)
    }

    /// The same, given up at the first value that is one too many.
    pub(super) fn until(
        graph: &Graph,
        stored: &Stored,
        terms: &[Id],
        roots: &[Id],
        mut is_too_many: impl FnMut(Id) -> bool,
    ) -> Self {
        let mut found: FxHashSet<Id> = FxHashSet::default();
        let (mut memory, mut reads) = (FxHashSet::default(), FxHashSet::default());
        let mut stack: Vec<Id> = roots.to_vec();
        while let Some(id) = stack.pop() {
            if !found.insert(id) {
                continue;
            }
            if is_too_many(id) {
                break;
            }
            if terms.contains(&id) {
                continue;
            }
            if stored.contains_key(&id) {
                reads.insert(id);
                continue;
            }
            match &graph.values[id].step {
                Step::Load { buffer, .. } => drop(memory.insert(Memory::Buffer(*buffer))),
                step if step.is_pass() => drop(reads.insert(id)),
                Step::Read { of, .. } => drop(reads.insert(*of)),
                Step::Take(Take { from, at, .. }) => {
                    match from {
                        Source::Buffer(buffer) => drop(memory.insert(Memory::Buffer(*buffer))),
                        Source::Reduced(of) => drop(reads.insert(*of)),
                    }
                    stack.push(*at);
                }
                Step::Bounded(_, index) => {
                    memory.insert(Memory::Marks);
                    stack.push(*index);
                }
                step => stack.extend(step.args()),
            }
        }
        let mut values: Vec<Id> = found.into_iter().collect();
        values.sort_unstable();
        Self { values, memory, reads }
    }
}
