//! Which reductions share a pass, and which outputs that pass can compute from their results.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::cut::MAX_COST;
use super::region::Region;
use super::{Memory, Output, Planner};
use crate::expr::graph::{Id, Source, Step, Take};
use crate::{Result, Shape};

impl Planner<'_> {
    /// The reductions and scans that `roots` need, in groups that share a pass: each scan by itself, elements
    /// and places of one sort together. A group comes after those whose results it reads.
    pub(super) fn groups(&self, roots: &[Id]) -> Vec<Vec<Id>> {
        let mut groups: Vec<Vec<Id>> = Vec::new();
        // For each reduction, the first group that may hold it: one past the last it depends on.
        let mut level: FxHashMap<Id, usize> = FxHashMap::default();
        for id in self.needed(roots) {
            let args = self.pass_args(id);
            if args.is_empty() {
                continue;
            }
            let below = args.iter().flat_map(|&arg| self.reductions_under(arg));
            let earliest = below.map(|r| level[&r] + 1).max().unwrap_or(0);
            let joins = |group: &Vec<Id>| match (&self.graph.values[id].step, &self.graph.values[group[0]].step) {
                _ if [id, group[0]].iter().any(|r| self.products.contains_key(r)) => false,
                (Step::Reduce { dims, .. }, Step::Reduce { dims: d, arg: a, .. }) => {
                    d == dims && self.graph.values[*a].shape == self.graph.values[args[0]].shape
                }
                (Step::Sort { sort: a, arg: of_a }, Step::Sort { sort: b, arg: of_b }) => {
                    of_a == of_b && a.is_of_same_ranks(*b)
                }
                _ => false,
            };
            let place = (earliest..groups.len()).find(|&g| joins(&groups[g]) && self.group_fits(&groups[g], id));
            let place = place.unwrap_or_else(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(id);
            level.insert(id, place);
        }
        groups
    }

    /// Whether a reduction can share a group's pass within the limits of bindings and workgroup memory.
    fn group_fits(&self, group: &[Id], id: Id) -> bool {
        let args = [self.args_of(group), self.args_of(&[id])].concat();
        let region = Region::of(self.graph, &self.stored, &[], &args);
        let bytes = (group.len() + 1) as u32 * 16 * self.caps.tuning.workgroup;
        bytes <= self.caps.max_workgroup_memory
            // A second pass reads partial results of each and may have to store each.
            && 2 * (group.len() + 1) <= self.caps.max_bindings
            && region.memory.len() + region.reads.len() + group.len() + self.more_windows(&region)
                < self.caps.max_bindings
            && self.cost(&region) <= MAX_COST
    }

    /// What a pass of its own is over; nothing for other values.
    fn pass_args(&self, id: Id) -> SmallVec<[Id; 3]> {
        let step = &self.graph.values[id].step;
        if step.is_pass() { step.args() } else { SmallVec::new() }
    }

    /// What the pass of a group is over.
    pub(super) fn args_of(&self, group: &[Id]) -> Vec<Id> {
        group.iter().flat_map(|&id| self.pass_args(id)).collect()
    }

    /// Everything `roots` are computed from, in order.
    pub(super) fn needed(&self, roots: &[Id]) -> Vec<Id> {
        let mut marked = vec![false; self.graph.values.len()];
        roots.iter().for_each(|&r| marked[r] = true);
        for id in (0..marked.len()).rev() {
            if marked[id] {
                self.graph.values[id].step.args().iter().for_each(|&a| marked[a] = true);
            }
        }
        (0..marked.len()).filter(|&id| marked[id]).collect()
    }

    /// The reductions and scans a value reads directly, through elementwise work alone.
    fn reductions_under(&self, id: Id) -> FxHashSet<Id> {
        let mut found = FxHashSet::default();
        let mut marked: FxHashSet<Id> = FxHashSet::default();
        let mut stack = vec![id];
        while let Some(id) = stack.pop() {
            if !marked.insert(id) {
                continue;
            }
            match &self.graph.values[id].step {
                step if step.is_pass() => drop(found.insert(id)),
                step => stack.extend(step.args()),
            }
        }
        found
    }

    /// Plans the pass of a group, and with it those of `outputs` that it can compute from its results; they are removed
    /// from `outputs`. Results that others need are stored.
    pub(super) fn reduce_group(&mut self, group: &[Id], outputs: &mut Vec<Output>) -> Result<()> {
        let kept_shape = self.graph.values[group[0]].shape.clone();
        if kept_shape.numel() == 0 {
            // Nothing to compute, but what reduces it further has to bind something.
            for &id in group {
                let dtype = self.graph.values[id].dtype;
                let temp = self.temp(1, dtype);
                self.stored.insert(id, (temp, dtype));
            }
            return Ok(());
        }

        if let Step::Sort { sort, arg } = self.graph.values[group[0]].step {
            return self.sort(group, arg, sort);
        }
        if let Step::Segments { .. } = self.graph.values[group[0]].step {
            return self.segments(group[0], outputs);
        }
        let (dims, arg, is_scan) = match &self.graph.values[group[0]].step {
            Step::Reduce { dims, arg, .. } => (dims.clone(), *arg, false),
            &Step::Scan { dim, arg, .. } => (SmallVec::from_slice(&[dim]), arg, true),
            _ => return Ok(()),
        };
        let domain = self.graph.values[arg].shape.clone();
        let args = self.args_of(group);
        let packs = !is_scan && !self.products.contains_key(&group[0]);
        let joins = |o: &Output| {
            self.is_epilogue(o, group, &kept_shape) && (!is_scan || o.shape == kept_shape) && (packs || !o.is_packed())
        };
        let (epilogue, rest): (Vec<Output>, Vec<Output>) = std::mem::take(outputs).into_iter().partition(joins);
        // Beside its result, a scan may bind what parts of rows begin with.
        let more = group.len() + usize::from(is_scan);
        let mut epilogue = self.fitting(epilogue, group, more, outputs);
        outputs.extend(rest);
        let mut kept = self.wanted_of(group, outputs);
        if epilogue.iter().any(Output::is_packed) {
            self.make_room(&args, more, &[])?;
            // Where what is kept will lie there is no memory yet.
            let later = |(i, &id): (usize, &Id)| self.whole(id, kept_shape.clone(), Memory::Temp(usize::MAX - i));
            let finals: Vec<Output> = epilogue.iter().cloned().chain(kept.iter().enumerate().map(later)).collect();
            if !self.writes_whole_words(group, &domain, &dims, &finals) {
                // Words belong to several outputs: they are written by a map afterwards.
                let (packed, whole) = epilogue.into_iter().partition(Output::is_packed);
                epilogue = whole;
                outputs.extend::<Vec<Output>>(packed);
                kept = self.wanted_of(group, outputs);
            }
        }

        let mut finals = epilogue;
        let first_kept = finals.len();
        finals.extend(kept.iter().map(|&id| self.temporary(id, kept_shape.clone())));
        if is_scan {
            self.make_room(&args, more, &[])?;
            self.scan(group[0], &finals)?;
        } else {
            // Which invocation owns which words was found without outputs beside.
            let walked = if !packs || finals.iter().any(Output::is_packed) {
                Vec::new()
            } else {
                self.beside(group, &domain, &finals, outputs)
            };
            self.reduce_into(group, &domain, &dims, &finals, &walked)?;
        }
        for output in &finals[first_kept..] {
            self.stored.insert(output.value, (output.target.memory, output.target.dtype));
        }
        Ok(())
    }

    /// Those of a group that are still wanted, by outputs or by later reductions.
    fn wanted_of(&self, group: &[Id], outputs: &[Output]) -> Vec<Id> {
        let mut wanted = Self::roots_of(outputs);
        wanted.extend(self.needed(&Self::roots_of(outputs)).into_iter().flat_map(|id| self.pass_args(id)));
        let is_wanted = |id: Id| wanted.iter().any(|&w| self.reductions_under(w).contains(&id) || w == id);
        group.iter().copied().filter(|&id| is_wanted(id)).collect()
    }

    /// Plans the kernels that reduce a group and write `finals`, and `beside` on the way.
    fn reduce_into(
        &mut self,
        group: &[Id],
        domain: &Shape,
        dims: &[usize],
        finals: &[Output],
        beside: &[Output],
    ) -> Result<()> {
        if let [id] = group
            && let Some(found) = self.products.get(id)
            && self.contract(*id, found, domain, finals)?
        {
            return Ok(());
        }
        let roots = [self.args_of(group), Self::roots_of(beside)].concat();
        self.make_room(&roots, group.len(), beside)?;
        self.reduce(group, domain, dims, finals, beside)
    }

    /// Stores parts of what is reduced until a kernel can read it by strides and bind so much more memory, and that of the
    /// outputs beside.
    fn make_room(&mut self, args: &[Id], more: usize, beside: &[Output]) -> Result<()> {
        self.materialise_chained(args)?;
        let more = (0..more).map(|i| Memory::Temp(usize::MAX - i));
        let bound: Vec<Memory> = more.chain(beside.iter().map(|output| output.target.memory)).collect();
        self.cut_until_it_fits(args, &bound)
    }

    pub(super) fn roots_of(outputs: &[Output]) -> Vec<Id> {
        outputs.iter().map(|o| o.value).collect()
    }

    /// Whether an output can be computed in this group's pass: from its results, at their own shape, and from nothing
    /// that is computed later.
    fn is_epilogue(&self, output: &Output, group: &[Id], kept: &Shape) -> bool {
        let without_ones = |s: &Shape| s.iter().copied().filter(|&n| n != 1).collect::<SmallVec<[usize; 8]>>();
        let region = Region::of(self.graph, &self.stored, &[], &[output.value]);
        let here: Vec<Id> = region.reads.iter().copied().filter(|r| group.contains(r)).collect();
        let placed_alike = |id: Id| match &self.graph.values[id].step {
            Step::Read { of, access } => access.layout().is_some() && (!group.contains(of) || access.is_identity()),
            Step::Load { access, .. } | Step::Index { access } => access.layout().is_some(),
            Step::Take(take) => {
                let here = matches!(take.from, Source::Reduced(of) if group.contains(&of));
                take.access.layout().is_some() && !here && !self.is_far(take)
            }
            _ => true,
        };
        !here.is_empty()
            && without_ones(&output.shape) == without_ones(kept)
            && region.reads.iter().all(|r| group.contains(r) || self.stored.contains_key(r))
            && region.values.iter().all(|&id| placed_alike(id))
    }

    /// As many of the outputs as one kernel can write beside what else it binds, `besides` of it results and the like; the
    /// others are returned to `back`.
    fn fitting(&self, epilogue: Vec<Output>, group: &[Id], besides: usize, back: &mut Vec<Output>) -> Vec<Output> {
        let args = self.args_of(group);
        let body = Region::of(self.graph, &self.stored, &[], &args);
        let mut memory = self.memory_of(&body);
        let mut taken: Vec<Output> = Vec::new();
        // What costs more is cut before it is reduced.
        let (mut more, mut cost) = (self.more_windows(&body), self.cost(&body).min(MAX_COST / 4 * 3));
        // What a second pass binds beside the partial results, if rows are split.
        let mut ending = FxHashSet::default();
        for output in epilogue {
            let region = Region::of(self.graph, &self.stored, group, &[output.value]);
            let (more_with, cost_with) = (more + self.more_windows(&region), cost + self.cost(&region));
            let mut own = self.memory_of(&region);
            own.insert(output.target.memory);
            let (with, ending_with) = (&memory | &own, &ending | &own);
            // Each result may have to be stored besides.
            let most = self.caps.max_bindings.saturating_sub(besides + more_with);
            if with.len() <= most && ending_with.len() + group.len() <= most && cost_with <= MAX_COST {
                (memory, ending, more, cost) = (with, ending_with, more_with, cost_with);
                taken.push(output);
            } else {
                back.push(output);
            }
        }
        taken
    }

    /// Stores values that are read through a view that strides cannot express, as a reduction walks by strides.
    fn materialise_chained(&mut self, args: &[Id]) -> Result<()> {
        let region = Region::of(self.graph, &self.stored, &[], args);
        for id in region.values {
            let value = &self.graph.values[id];
            let (Step::Load { access, .. }
            | Step::Index { access }
            | Step::Read { access, .. }
            | Step::Take(Take { access, .. })) = &value.step
            else {
                continue;
            };
            if access.layout().is_some() || self.stored.contains_key(&id) {
                continue;
            }
            self.store(id)?;
        }
        Ok(())
    }
}
