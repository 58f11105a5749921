//! Graphs of several expressions that are evaluated together, kept where they will be looked for.

use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use super::graph::Graph;
use super::node::{Expr, Node};
use crate::base::layout::Layout;
use crate::base::storage::WeakStorage;
use crate::{DType, Result, Shape, Tensor};

/// The graph of some expressions together, kept by the first of them: the last that was asked for, so that what is kept is
/// bounded, and goes when the expressions go.
pub(crate) struct Joint {
    /// Each expression, and the dtype and shape it was wanted in.
    of: Vec<(Weak<Node>, DType, Shape)>,
    graph: Arc<Graph>,
    /// Whether they were assigned; most are once.
    assigned: bool,
    /// Where they were last assigned to, if that was again.
    into: Option<Targets>,
}

/// Targets that may be written. Their memory is not kept by this.
struct Targets {
    places: Vec<(WeakStorage, Layout)>,
    beside: bool,
}

impl Joint {
    fn is_of(&self, wanted: &[(&Expr, DType, &Shape)]) -> bool {
        // A node that a weak handle knows keeps its place in memory, so that no other can be taken for it.
        self.of.len() == wanted.len()
            && self.of.iter().zip(wanted).all(|((node, dtype, shape), (expr, as_dtype, as_shape))| {
                std::ptr::eq(node.as_ptr(), Arc::as_ptr(&expr.0)) && dtype == as_dtype && shape == *as_shape
            })
    }

    /// Whether this is of values assigned to these targets, as they were before.
    fn is_assignment(&self, targets: &[(&Tensor, Expr)]) -> Option<bool> {
        let Targets { places, beside } = self.into.as_ref()?;
        // The same holds for storages.
        let same = [self.of.len(), places.len()] == [targets.len(); 2]
            && self.of.iter().zip(places).zip(targets).all(
                |(((node, dtype, _), (storage, layout)), (tensor, expr))| {
                    std::ptr::eq(node.as_ptr(), Arc::as_ptr(&expr.0))
                        && storage.id() == tensor.storage().id()
                        && *dtype == tensor.dtype()
                        && layout == tensor.layout()
                },
            );
        same.then_some(*beside)
    }
}

fn kept(expr: &Expr) -> MutexGuard<'_, Option<Box<Joint>>> {
    expr.0.joint.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The graph of some expressions, wanted in these dtypes and shapes: the one that was kept, or what `build` makes.
pub(crate) fn joint(
    wanted: &[(&Expr, DType, &Shape)],
    build: impl FnOnce() -> Result<Arc<Graph>>,
) -> Result<Arc<Graph>> {
    let Some((first, ..)) = wanted.first() else { return build() };
    if let Some(joint) = kept(first).as_ref().filter(|joint| joint.is_of(wanted)) {
        return Ok(joint.graph.clone());
    }
    let graph = build()?;
    let of = wanted.iter().map(|(expr, dtype, shape)| (Arc::downgrade(&expr.0), *dtype, (*shape).clone())).collect();
    let new = Box::new(Joint { of, graph: graph.clone(), assigned: false, into: None });
    let old = kept(first).replace(new);
    // Dropped after the lock is: its handles may be the last of nodes that keep others.
    drop(old);
    Ok(graph)
}

/// The graph of values that were assigned to these targets before, and what was then said of them to [`assigned`].
pub(crate) fn assigned_before(targets: &[(&Tensor, Expr)]) -> Option<(Arc<Graph>, bool)> {
    let joint = kept(&targets.first()?.1);
    let joint = joint.as_ref()?;
    joint.is_assignment(targets).map(|beside| (joint.graph.clone(), beside))
}

/// Notes that values, whose graph [`joint`] keeps, may be assigned to these targets, and whether beside them first.
pub(crate) fn assigned(targets: &[(&Tensor, Expr)], graph: &Arc<Graph>, beside: bool) {
    let Some((_, first)) = targets.first() else { return };
    if let Some(joint) = kept(first).as_mut().filter(|joint| Arc::ptr_eq(&joint.graph, graph))
        && std::mem::replace(&mut joint.assigned, true)
    {
        let places = targets.iter().map(|(t, _)| (t.storage().downgrade(), t.layout().clone())).collect();
        joint.into = Some(Targets { places, beside });
    }
}
