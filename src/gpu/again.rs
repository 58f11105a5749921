//! A run of a graph that ran before, of the same memory: what was found then is found again without planning, hashing or
//! comparing graphs.
//!
//! Drawing a frame or training on a batch runs the same few graphs over and over. A graph keeps the number of its plan, and
//! for which buffers it is; the plan itself stays the cache's, which may drop it.

use std::sync::{Arc, Weak};

use smallvec::SmallVec;

use super::Context;
use super::cache::Ready;
use super::shifts::Shifts;
use crate::base::layout::Layout;
use crate::expr::graph::Graph;
use crate::{DType, Tensor};

/// What a run found. Buffers are known by their numbers, which no other buffer ever has: no memory is kept by them.
pub(super) struct Found {
    read: SmallVec<[u64; 4]>,
    targets: SmallVec<[(u64, Layout, DType); 2]>,
    fast_math: bool,
    /// The plan's key in the cache.
    key: u64,
    ready: Weak<Ready>,
    shifts: Arc<Shifts>,
}

impl Found {
    pub(super) fn new(
        context: &Context,
        graph: &Graph,
        tensors: &[Tensor],
        shifts: &Arc<Shifts>,
        (key, ready): (u64, &Arc<Ready>),
    ) -> Self {
        let target = |tensor: &Tensor| (super::own(tensor.storage()).id(), tensor.layout().clone(), tensor.dtype());
        Self {
            read: graph.buffers.iter().map(|(storage, _)| super::own(storage).id()).collect(),
            targets: tensors.iter().map(target).collect(),
            fast_math: context.fast_math(),
            key,
            ready: Arc::downgrade(ready),
            shifts: shifts.clone(),
        }
    }

    fn is_for(&self, context: &Context, graph: &Graph, tensors: &[Tensor]) -> bool {
        self.fast_math == context.fast_math()
            && self.read.len() == graph.buffers.len()
            && self.read.iter().zip(&graph.buffers).all(|(id, (storage, _))| *id == super::own(storage).id())
            && self.targets.len() == tensors.len()
            && self.targets.iter().zip(tensors).all(|((id, layout, dtype), tensor)| {
                *id == super::own(tensor.storage()).id() && *dtype == tensor.dtype() && layout == tensor.layout()
            })
    }
}

impl Context {
    /// What the last run of a graph found, if that was of this memory and its plan is still there.
    pub(super) fn again(&self, graph: &Graph, tensors: &[Tensor]) -> Option<(Arc<Shifts>, Arc<Ready>)> {
        let found = graph.latest.get::<Found>()?;
        if !found.is_for(self, graph, tensors) {
            return None;
        }
        let ready = self.kept(found.key).filter(|ready| std::ptr::eq(Arc::as_ptr(ready), found.ready.as_ptr()))?;
        Some((found.shifts.clone(), ready))
    }
}
