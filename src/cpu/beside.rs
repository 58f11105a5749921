//! Roots that a pass writes beside its folds, as the gradient of every weight beside a loss: what is computed of the same
//! elements is read once for both.

use rustc_hash::FxHashSet;

use super::once::Dims;
use crate::Shape;
use crate::expr::graph::{Graph, Id, Step};

/// Reductions that share a pass.
pub(super) struct Pass<'a> {
    /// The passes on the longest way to their results.
    pub(super) depth: usize,
    /// The shape of what they fold.
    pub(super) domain: &'a [usize],
    pub(super) folds: &'a [Id],
}

/// For each of the passes, the roots that it writes beside. `depth` says of each value how many passes are on the longest way to
/// it.
pub(super) fn beside(graph: &Graph, passes: &[Pass<'_>], depth: &[usize], varying: &[Dims]) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); passes.len()];
    // Nothing may be written before all indices were looked at.
    let looks = |step: &Step| matches!(step, Step::Bounded(..) | Step::Segments { .. });
    if passes.is_empty() || graph.values.iter().any(|value| looks(&value.step)) {
        return found;
    }
    let args = |pass: &Pass<'_>| pass.folds.iter().flat_map(|&fold| graph.values[fold].step.args()).collect::<Vec<_>>();
    let read: Vec<FxHashSet<Id>> = passes.iter().map(|pass| reads(graph, args(pass), varying)).collect();
    for (i, root) in graph.roots.iter().enumerate() {
        let value = &graph.values[root.value];
        if !value.step.is_elementwise() || root.shape != value.shape {
            continue;
        }
        let own = reads(graph, vec![root.value], varying);
        let shared = |pass: usize| read[pass].intersection(&own).count();
        let fits = |&pass: &usize| {
            let Pass { depth: of_pass, domain, .. } = passes[pass];
            // Most of what it reads, or to read the rest in longer strips by itself would take less.
            domain == &root.shape[..] && depth[root.value] < of_pass && shared(pass) * 2 >= own.len().max(1)
        };
        // The first of those that share most.
        let best = (0..passes.len()).rev().filter(fits).max_by_key(|&pass| shared(pass));
        if let Some(pass) = best {
            found[pass].push(i);
        }
    }
    found
}

/// What values are computed of, element by element, that has as many elements as their shape.
fn reads(graph: &Graph, mut stack: Vec<Id>, varying: &[Dims]) -> FxHashSet<Id> {
    let is_whole = |id: Id, shape: &Shape| varying[id].len() == shape.iter().filter(|&&n| n > 1).count();
    let mut seen: FxHashSet<Id> = FxHashSet::default();
    let mut found: FxHashSet<Id> = FxHashSet::default();
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        let value = &graph.values[id];
        if value.step.is_elementwise() {
            stack.extend(value.step.args());
        } else if is_whole(id, &value.shape) {
            found.insert(id);
        }
    }
    found
}
