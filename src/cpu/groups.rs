//! Which values of a graph share a pass.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::beside::{Pass, beside};
use super::contract;
use super::once::{Dims, once};
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Extreme, Graph, Id, Step, Take};

/// A shape or some dims, as a key that has an order.
type Sizes<'a> = &'a [usize];

/// Reductions that share a pass.
pub(super) enum Group {
    Fold {
        folds: Vec<Id>,
        /// The roots that their pass writes beside.
        beside: Vec<usize>,
    },
    Scan(Id),
    /// Elements and places of one order.
    Sort(Vec<Id>),
    Segments(Id),
    Product(Id, Contraction),
    /// Where an index has elements read, which is looked at before they are.
    Choose(Id),
    /// What is the same all along some dims of the domain it is used in: computed once, not again for each of them.
    Once(Id),
}

impl Group {
    /// The reductions and scans whose results it writes.
    pub(super) fn results(&self) -> &[Id] {
        match self {
            Self::Fold { folds: ids, .. } | Self::Sort(ids) => ids,
            Self::Scan(id) | Self::Segments(id) | Self::Product(id, _) => std::slice::from_ref(id),
            Self::Choose(_) | Self::Once(_) => &[],
        }
    }

    /// The roots that it writes beside.
    pub(super) fn beside(&self) -> &[usize] {
        if let Self::Fold { beside, .. } = self { beside } else { &[] }
    }
}

/// The reductions, scans and indices that roots need, grouped by pass, in an order in which none needs a later one.
pub(super) fn groups(graph: &Graph, varying: &[Dims]) -> Vec<Group> {
    let mut stack: Vec<Id> = graph.roots.iter().map(|root| root.value).collect();
    let mut live: FxHashSet<Id> = FxHashSet::default();
    while let Some(id) = stack.pop() {
        if live.insert(id) {
            match graph.extreme_of(id) {
                Some(extreme) => stack.extend(extreme.of),
                None => stack.extend(graph.values[id].step.args()),
            }
        }
    }
    // For each value, the number of passes on the longest way to it.
    let mut depth = vec![0; graph.values.len()];
    let mut alone: BTreeMap<usize, Vec<Group>> = BTreeMap::new();
    let mut chosen: FxHashSet<Id> = FxHashSet::default();
    // Folds by depth, domain and dims: those of one key share a pass.
    let mut folds: BTreeMap<(usize, Sizes<'_>, Sizes<'_>), Vec<Id>> = BTreeMap::new();
    for (id, value) in graph.values.iter().enumerate() {
        let args = value.step.args().iter().map(|&arg| depth[arg]).max().unwrap_or(0);
        depth[id] = args;
        if let Step::Take(Take { at, .. }) = value.step
            && live.contains(&id)
        {
            depth[id] = args.max(depth[at] + 1);
            if chosen.insert(at) {
                alone.entry(depth[at] + 1).or_default().push(Group::Choose(at));
            }
        }
        let by_itself = match value.step {
            Step::Scan { .. } => Some(Group::Scan(id)),
            Step::Segments { .. } => Some(Group::Segments(id)),
            _ => None,
        };
        if let Some(group) = by_itself.filter(|_| live.contains(&id)) {
            depth[id] += 1;
            alone.entry(depth[id]).or_default().push(group);
        }
        if let Step::Sort { sort, arg } = value.step
            && live.contains(&id)
        {
            depth[id] += 1;
            let joins = |other: Id| match graph.values[other].step {
                Step::Sort { sort: other, arg: of } => of == arg && sort.is_of_same_ranks(other),
                _ => false,
            };
            let groups = alone.entry(depth[id]).or_default();
            let together = groups.iter_mut().find_map(|group| match group {
                Group::Sort(ids) if joins(ids[0]) => Some(ids),
                _ => None,
            });
            match together {
                Some(ids) => ids.push(id),
                None => groups.push(Group::Sort(vec![id])),
            }
        }
        if let Step::Reduce { dims, arg, .. } = &value.step
            && live.contains(&id)
        {
            depth[id] =
                1 + graph.extreme_of(id).map_or(args, |Extreme { of: [x, number], .. }| depth[x].max(depth[number]));
            match Contraction::of(graph, id, contract::LEAST) {
                Some(found) => alone.entry(depth[id]).or_default().push(Group::Product(id, found)),
                None => folds.entry((depth[id], &graph.values[*arg].shape, dims)).or_default().push(id),
            }
        }
    }
    let keys: Vec<_> = folds.iter().map(|(&(depth, domain, _), ids)| Pass { depth, domain, folds: ids }).collect();
    let mut besides = beside(graph, &keys, &depth, varying).into_iter();
    let mut by_depth = alone;
    for ((depth, ..), folds) in folds {
        let beside = besides.next().unwrap_or_default();
        by_depth.entry(depth).or_default().push(Group::Fold { folds, beside });
    }
    // Each after the reductions it is made of, and before those it is used in.
    for id in once(graph, &live, varying) {
        if depth[id] > 0 {
            by_depth.entry(depth[id]).or_default().push(Group::Once(id));
        }
    }
    by_depth.into_values().flatten().collect()
}
