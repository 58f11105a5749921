//! What fits in one kernel, and where an expression that does not is cut.

use rustc_hash::{FxHashMap, FxHashSet};

use super::region::Region;
use super::take::memory_from;
use super::view::View;
use super::{Memory, Output, Planner, Target};
use crate::expr::graph::{Graph, Id, Source, Step, Take};
use crate::kernel::codegen::LOAD;
use crate::{Error, Result, Shape};

/// What the values of one kernel may cost, as `codegen/cost.rs` counts, before an expression is cut: a driver's compile time
/// grows faster than the code. Up to here a first result takes less than twice the time that it takes with the best cuts,
/// on software adapters: benches/results/compile-time.md.
pub(super) const MAX_COST: usize = 4096;

impl Planner<'_> {
    /// The memory a region reads: buffers, and values that are stored already.
    pub(super) fn memory_of(&self, region: &Region) -> FxHashSet<Memory> {
        let stored = region.reads.iter().filter_map(|id| self.stored.get(id)).map(|s| s.0);
        region.memory.iter().copied().chain(stored).collect()
    }

    /// Whether a kernel with this region and these targets is within the device's limits, and soon compiled.
    pub(super) fn fits(&self, region: &Region, targets: impl Iterator<Item = Memory>) -> bool {
        self.cost(region) <= MAX_COST && self.binds(region, targets)
    }

    /// Whether a kernel with this region and these targets is within the device's limits.
    fn binds(&self, region: &Region, targets: impl Iterator<Item = Memory>) -> bool {
        let mut memory = self.memory_of(region);
        // A reduction not stored yet will take a binding of its own.
        let pending = region.reads.iter().filter(|id| !self.stored.contains_key(id)).count();
        memory.extend(targets);
        memory.len() + pending + self.more_windows(region) <= self.caps.max_bindings
    }

    /// What a driver takes to compile a region.
    pub(super) fn cost(&self, region: &Region) -> usize {
        region.values.iter().map(|&id| self.cost_of(id)).sum()
    }

    fn cost_of(&self, id: Id) -> usize {
        if self.stored.contains_key(&id) { LOAD } else { self.costs[id] }
    }

    /// Bindings that a region needs beyond one for each buffer, as it reads some in places too far apart for one.
    pub(super) fn more_windows(&self, region: &Region) -> usize {
        let mut reads: FxHashMap<Memory, Vec<View>> = FxHashMap::default();
        for value in region.values.iter().filter(|id| !self.stored.contains_key(id)).map(|&id| &self.graph.values[id]) {
            let from = match value.step {
                Step::Load { buffer, .. } => Source::Buffer(buffer),
                Step::Read { of, .. } => Source::Reduced(of),
                Step::Take(Take { from, .. }) => from,
                _ => continue,
            };
            let Some((memory, dtype)) = memory_from(self.graph, &self.stored, from) else { continue };
            let view = match &value.step {
                Step::Take(take) => View::of_take(memory, dtype, take),
                Step::Load { access, .. } | Step::Read { access, .. } => View::new(memory, dtype, access.clone()),
                _ => continue,
            };
            reads.entry(memory).or_default().push(view);
        }
        reads.values().map(|views| self.spans(views).0.len() - 1).sum()
    }

    /// Stores values on the way to `roots` until a kernel that computes the rest fits.
    pub(super) fn cut_until_it_fits(&mut self, roots: &[Id], targets: &[Memory]) -> Result<()> {
        self.store_far_takes(roots)?;
        loop {
            let region = Region::of(self.graph, &self.stored, &[], roots);
            if self.fits(&region, targets.iter().copied()) {
                return Ok(());
            }
            let Some(value) = self.where_to_cut(&region) else {
                // One value may cost more than a kernel should.
                if self.binds(&region, targets.iter().copied()) {
                    return Ok(());
                }
                let found = &self.memory_of(&region) | &targets.iter().copied().collect();
                return Err(Error::Limit {
                    op: self.op,
                    limit: "max_storage_buffers_per_shader_stage",
                    max: self.caps.max_bindings as u64,
                    found: found.len() as u64,
                    device: self.caps.device.clone(),
                });
            };
            self.store(value)?;
        }
    }

    /// Computes a value into a temporary, from which it is read from now on.
    pub(super) fn store(&mut self, value: Id) -> Result<()> {
        let Graph { values, .. } = self.graph;
        let output = self.temporary(value, values[value].shape.clone());
        let Target { memory, dtype, .. } = output.target;
        self.map_outputs(vec![output])?;
        self.stored.insert(value, (memory, dtype));
        Ok(())
    }

    /// A value that is to be stored in a temporary, in row-major order.
    pub(super) fn temporary(&mut self, value: Id, shape: Shape) -> Output {
        let memory = self.temp(shape.numel(), self.graph.values[value].dtype);
        self.whole(value, shape, memory)
    }

    /// The output of a value as it is, to all of some memory.
    pub(super) fn whole(&self, value: Id, shape: Shape, memory: Memory) -> Output {
        let dtype = self.graph.values[value].dtype;
        Output { value, target: Target::contiguous(memory, shape.clone(), dtype), shape }
    }

    /// The value that is best stored: the first whose own kernel is full; or else, of those that fit in a kernel, the one
    /// computed from most buffers, then at most cost.
    fn where_to_cut(&self, region: &Region) -> Option<Id> {
        let mut best: Option<(usize, usize, Id)> = None;
        for &id in &region.values {
            let mut cost = 0;
            let part = Region::until(self.graph, &self.stored, &[], &[id], |id| {
                cost += self.cost_of(id);
                cost > MAX_COST
            });
            let bindings = part.memory.len() + part.reads.len() + self.more_windows(&part);
            let fits = bindings < self.caps.max_bindings && cost <= MAX_COST;
            // What is read already, or given as a number, is a value by itself.
            if fits && part.values.len() > 1 && best.is_none_or(|(b, c, _)| (bindings, cost) > (b, c)) {
                best = Some((bindings, cost, id));
                if bindings + 1 == self.caps.max_bindings || cost > MAX_COST / 4 * 3 {
                    break;
                }
            }
        }
        best.map(|b| b.2)
    }
}
