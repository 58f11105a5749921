//! Values that are the same all along some dims of their domain, such as a mean of rows among the elements of rows.
//!
//! Computed where they are used, they would be computed for each strip, one element at a time.

use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use crate::expr::graph::{Graph, Id, Step, Value};

/// How many elements a domain has, how many of them share one, and how many there are of those, at least: below, another
/// pass costs more than it saves.
const DOMAIN: usize = 4096;
const SHARERS: usize = 16;
const LEAST: usize = 8;

/// The values to be computed before what they are used in, arguments first.
pub(super) fn once(graph: &Graph, live: &FxHashSet<Id>, varying: &[Dims]) -> Vec<Id> {
    let mut found: FxHashSet<Id> = FxHashSet::default();
    for (id, value) in graph.values.iter().enumerate() {
        if live.contains(&id) && value.step.is_elementwise() {
            let narrower = |&arg: &Id| varying[arg] != varying[id] && pays(&graph.values[arg], &varying[arg]);
            found.extend(value.step.args().into_iter().filter(narrower));
        }
    }
    let mut found: Vec<Id> = found.into_iter().collect();
    found.sort_unstable();
    found
}

fn pays(value: &Value, varying: &Dims) -> bool {
    let elements = varying.iter().map(|&d| value.shape[d]).product::<usize>();
    let domain = value.shape.numel();
    value.step.is_elementwise() && elements >= LEAST && domain >= DOMAIN && domain / elements >= SHARERS
}

/// Dims of a value.
pub(super) type Dims = SmallVec<[usize; 4]>;

/// The dims along which each value has different elements.
pub(super) fn varying(graph: &Graph) -> Vec<Dims> {
    let mut varying: Vec<Dims> = Vec::with_capacity(graph.values.len());
    for Value { step, shape, .. } in &graph.values {
        let dims = (0..shape.rank()).filter(|&d| shape[d] > 1);
        let dims = match step {
            Step::Load { access, .. } | Step::Index { access } | Step::Read { access, .. } => {
                dims.filter(|&d| access.layout().is_none_or(|layout| layout.strides()[d] != 0)).collect()
            }
            Step::Scalar { .. } => Dims::new(),
            step if step.is_pass() || matches!(step, Step::Take(_)) => dims.collect(),
            _ => dims.filter(|d| step.args().iter().any(|&arg| varying[arg].contains(d))).collect(),
        };
        varying.push(dims);
    }
    varying
}
