//! A program of elementwise work, for operands of other sizes.
//!
//! Which loops run, from where to where, does not depend on sizes, as long as the same dims have size 1 and leaves vary along the
//! same dims. How the domain is walked does, and is worked out again at the next run.

use std::sync::{Arc, OnceLock};

use super::map::Map;
use super::program::Program;
use super::region::{Region, Source};
use crate::base::layout::Layout;
use crate::expr::graph::{Graph, Sizes};

/// Makes what was prepared for a graph of elementwise work fit these sizes, to which the graph was resized. `layouts` tell
/// how each of its buffers lies.
pub(crate) fn resize(graph: &mut Graph, sizes: &Sizes, layouts: &[&Layout]) {
    let Some(mut prepared) = graph.prepared.take() else { return };
    if let Some(program) = Arc::get_mut(&mut prepared).and_then(|prepared| prepared.downcast_mut::<Program>()) {
        if program.resize(sizes, layouts) {
            graph.prepared = prepared.into();
        }
    } else if let Some(mut program) = prepared.downcast_ref::<Program>().and_then(Program::copy)
        && program.resize(sizes, layouts)
    {
        let prepared: Arc<dyn std::any::Any + Send + Sync> = Arc::new(program);
        graph.prepared = prepared.into();
    }
}

impl Map {
    /// Whether it could be made the map of these sizes, which reads nothing but buffers.
    pub(super) fn resize(&mut self, sizes: &Sizes, layouts: &[&Layout]) -> bool {
        let Region { shape, leaves, .. } = &mut self.region;
        sizes.put(shape);
        for leaf in leaves {
            let Source::Buffer(buffer) = leaf.source else { return false };
            leaf.access.broadcast_from(layouts[buffer], shape);
        }
        self.layout = Layout::contiguous(shape.clone());
        self.space = OnceLock::new();
        true
    }

    /// The same, of which nothing was worked out yet.
    pub(super) fn copy(&self) -> Self {
        Self::new(self.region.clone())
    }
}
