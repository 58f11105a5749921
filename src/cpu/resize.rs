//! A program for operands of other sizes.
//!
//! Which passes and loops run, from where to where, depends on which dims have size 1 and along which leaves vary, and mostly on
//! nothing else. How a domain is walked and shared out depends on sizes, and is worked out again at the next run. Where
//! passes themselves depend on sizes, a program is made anew.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use super::map::Map;
use super::once::{Dims, varying};
use super::program::Program;
use super::reduce::Reduce;
use super::region::Region;
use crate::base::layout::Layout;
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Graph, Sizes, Step};

/// Makes what was prepared for a graph fit the sizes to which the graph was resized.
pub(crate) fn resize(graph: &mut Graph, sizes: &Sizes) {
    let Some(mut prepared) = graph.prepared.take() else { return };
    if let Some(program) = Arc::get_mut(&mut prepared).and_then(|prepared| prepared.downcast_mut::<Program>()) {
        if program.resize(graph, sizes) {
            graph.prepared = prepared.into();
        }
    } else if let Some(mut program) = prepared.downcast_ref::<Program>().and_then(Program::copy)
        && program.resize(graph, sizes)
    {
        let prepared: Arc<dyn Any + Send + Sync> = Arc::new(program);
        graph.prepared = prepared.into();
    }
}

/// Whether a graph of these passes may be cut otherwise at other sizes: whether a sum may be a matrix product, or there may be
/// values that are computed once for many elements.
pub(super) fn is_cut_by_size(graph: &Graph) -> bool {
    if !graph.values.iter().any(|value| value.step.is_pass()) {
        return false;
    }
    let varying: Vec<Dims> = varying(graph);
    let mut follows = vec![false; graph.values.len()];
    graph.values.iter().enumerate().any(|(id, value)| {
        let args = value.step.args();
        follows[id] = value.step.is_pass() || args.iter().any(|&arg| follows[arg]);
        let once = |arg: usize| follows[arg] && graph.values[arg].step.is_elementwise() && varying[arg] != varying[id];
        value.step.is_elementwise() && args.iter().any(|&arg| once(arg)) || Contraction::of(graph, id, 0).is_some()
    })
}

impl Region {
    /// Whether it could be made that of other sizes, to which the graph was resized: whether it reads nothing but what the
    /// graph reads, and results of reductions as they lie.
    fn resize(&mut self, graph: &Graph, sizes: &Sizes) -> bool {
        sizes.put(&mut self.shape);
        self.leaves.iter_mut().all(|leaf| {
            let value = &graph.values[leaf.id];
            match &value.step {
                Step::Load { access, .. } | Step::Read { access, .. } => leaf.access.clone_from(access),
                Step::Reduce { .. } => leaf.access = Layout::contiguous(value.shape.clone()).into(),
                _ => return false,
            }
            true
        })
    }
}

impl Map {
    /// As that of its region.
    pub(super) fn resize(&mut self, graph: &Graph, sizes: &Sizes) -> bool {
        let could = self.region.resize(graph, sizes);
        self.layout = Layout::contiguous(self.region.shape.clone());
        self.space = OnceLock::new();
        could
    }

    /// The same, of which nothing was worked out yet.
    pub(super) fn copy(&self) -> Self {
        Self::new(self.region.clone())
    }
}

impl Reduce {
    /// As that of its region.
    pub(super) fn resize(&mut self, graph: &Graph, sizes: &Sizes) -> bool {
        self.forget_partition();
        self.region.resize(graph, sizes)
    }

    /// The same, of which nothing was worked out yet.
    pub(super) fn copy(&self) -> Self {
        Self::new(self.region.clone(), self.folds.clone(), self.dims.clone())
    }
}
