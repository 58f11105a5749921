//! Outputs that a reduction writes as it walks its elements: a gradient beside the loss that reads the same.

use rustc_hash::FxHashSet;

use super::cut::MAX_COST;
use super::map::MAX_OUTPUTS;
use super::region::Region;
use super::{Memory, Output, Planner};
use crate::Shape;
use crate::expr::graph::{Graph, Id, Source, Step, Take};

impl Planner<'_> {
    /// Takes from `outputs` those that the pass of a group over `domain` can write besides `finals`: elementwise values over
    /// the same domain, of which most is read anyway.
    pub(super) fn beside(
        &self,
        group: &[Id],
        domain: &Shape,
        finals: &[Output],
        outputs: &mut Vec<Output>,
    ) -> Vec<Output> {
        let args = self.args_of(group);
        let read = self.memory_of(&Region::of(self.graph, &self.stored, &[], &args));
        let mut chosen: Vec<Output> = Vec::new();
        let mut i = 0;
        while i < outputs.len() {
            let output = &outputs[i];
            let pass = || {
                let values = chosen.iter().chain([output]).map(|o| o.value);
                let roots: Vec<Id> = args.iter().copied().chain(values).collect();
                Region::of(self.graph, &self.stored, &[], &roots)
            };
            let is_walked = |pass: Region| {
                self.reads_where_it_is_written(output, &pass)
                    && self.walks_with(&pass, group, finals, chosen.iter().chain([output]))
            };
            // Packed words belong to several elements.
            let is_alike = output.shape == *domain && !output.is_packed() && chosen.len() < MAX_OUTPUTS;
            if is_alike && self.reads_mostly(output.value, &read) && is_walked(pass()) {
                chosen.push(outputs.remove(i));
            } else {
                i += 1;
            }
        }
        chosen
    }

    /// Whether a value is computed by strides from memory alone, and at least half of the elements that takes are in `memory`.
    fn reads_mostly(&self, id: Id, memory: &FxHashSet<Memory>) -> bool {
        let own = Region::of(self.graph, &self.stored, &[], &[id]);
        let (mut shared, mut all) = (0, 0);
        for &id in &own.values {
            let value = &self.graph.values[id];
            let read = match &value.step {
                _ if self.stored.contains_key(&id) => self.stored[&id].0,
                Step::Load { buffer, access } if access.layout().is_some() => Memory::Buffer(*buffer),
                Step::Read { of, access } if access.layout().is_some() && self.stored.contains_key(of) => {
                    self.stored[of].0
                }
                Step::Scalar { .. }
                | Step::Unary(..)
                | Step::Binary(..)
                | Step::Select(..)
                | Step::Random(..)
                | Step::Convert(_)
                | Step::Order(_)
                | Step::Words(_)
                | Step::Round(..) => continue,
                Step::Index { access } if access.layout().is_some() => continue,
                _ => return false,
            };
            all += value.shape.numel();
            shared += if memory.contains(&read) { value.shape.numel() } else { 0 };
        }
        shared > 0 && 2 * shared >= all
    }

    /// Whether memory that the graph also reads is read by this pass alone, and nowhere but where it is then written.
    fn reads_where_it_is_written(&self, output: &Output, pass: &Region) -> bool {
        let Memory::Buffer(target) = output.target.memory else { return true };
        let Graph { values, roots, .. } = self.graph;
        let needed = self.needed(&roots.iter().map(|root| root.value).collect::<Vec<_>>());
        needed.iter().all(|&id| match &values[id].step {
            Step::Load { buffer, access } if *buffer == target => {
                access.layout() == Some(&output.target.layout) && pass.values.binary_search(&id).is_ok()
            }
            Step::Take(Take { from: Source::Buffer(buffer), .. }) => *buffer != target,
            _ => true,
        })
    }

    /// Whether one kernel can bind all that the pass then reads and writes, and is soon compiled.
    fn walks_with<'o>(
        &self,
        pass: &Region,
        group: &[Id],
        finals: &[Output],
        beside: impl Iterator<Item = &'o Output>,
    ) -> bool {
        let ending: Vec<Id> = finals.iter().map(|o| o.value).collect();
        let ending = Region::of(self.graph, &self.stored, group, &ending);
        let mut memory = self.memory_of(pass);
        memory.extend(beside.map(|o| o.target.memory));
        // Where rows are split, partial results take the place of what the ending binds.
        let split = memory.len() + group.len() + self.more_windows(pass);
        memory.extend(self.memory_of(&ending));
        memory.extend(finals.iter().map(|o| o.target.memory));
        let whole = memory.len() + self.more_windows(pass) + self.more_windows(&ending);
        split.max(whole) <= self.caps.max_bindings && self.cost(pass) + self.cost(&ending) <= MAX_COST
    }
}
