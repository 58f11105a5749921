//! Graphs of several expressions that are evaluated together, kept where they will be looked for.

use std::sync::{Arc, PoisonError, Weak};

use super::graph::Graph;
use super::node::{Expr, Node};
use crate::{DType, Result, Shape};

/// The graph of some expressions together, kept by the first of them: the last that was asked for, so that what is kept is
/// bounded, and goes when the expressions go.
pub(crate) struct Joint {
    /// Each expression, and the dtype and shape it was wanted in.
    of: Vec<(Weak<Node>, DType, Shape)>,
    graph: Arc<Graph>,
}

impl Joint {
    fn is_of(&self, wanted: &[(&Expr, DType, &Shape)]) -> bool {
        // A node that a weak handle knows keeps its place in memory, so that no other can be taken for it.
        self.of.len() == wanted.len()
            && self.of.iter().zip(wanted).all(|((node, dtype, shape), (expr, as_dtype, as_shape))| {
                std::ptr::eq(node.as_ptr(), Arc::as_ptr(&expr.0)) && dtype == as_dtype && shape == *as_shape
            })
    }
}

/// The graph of some expressions, wanted in these dtypes and shapes: the one that was kept, or what `build` makes.
pub(crate) fn joint(
    wanted: &[(&Expr, DType, &Shape)],
    build: impl FnOnce() -> Result<Arc<Graph>>,
) -> Result<Arc<Graph>> {
    let Some((first, ..)) = wanted.first() else { return build() };
    {
        let kept = first.0.joint.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(joint) = kept.as_ref().filter(|joint| joint.is_of(wanted)) {
            return Ok(joint.graph.clone());
        }
    }
    let graph = build()?;
    let of = wanted.iter().map(|(expr, dtype, shape)| (Arc::downgrade(&expr.0), *dtype, (*shape).clone())).collect();
    let new = Box::new(Joint { of, graph: graph.clone() });
    let old = first.0.joint.lock().unwrap_or_else(PoisonError::into_inner).replace(new);
    // Dropped after the lock is: its handles may be the last of nodes that keep others.
    drop(old);
    Ok(graph)
}
