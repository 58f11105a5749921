//! Maps: elementwise work over one domain, any number of outputs.
//!
//! Most maps are one launch, planned here from top to bottom. Those too large for that are cut in `pieces.rs`; packed
//! elements that share words with others are written in `patch.rs`.

use super::domain::Domain;
use super::emit::{Scalars, emit};
use super::launching::Launching;
use super::region::Region;
use super::view::View;
use super::{Memory, Output, Planner};
use crate::expr::graph::Id;
use crate::kernel::spec::{Code, Kernel, Map};
use crate::kernel::uniforms::Head;
use crate::{Result, Shape};

/// Outputs of a kernel, unless they are read in place: a driver takes seconds over hundreds of stores, and kernels of
/// as many outputs each are one pipeline.
pub(super) const MAX_OUTPUTS: usize = 16;

/// A map to be planned.
#[derive(Clone)]
pub(super) struct MapJob {
    pub(super) shape: Shape,
    /// What the code reads, then what it writes, over `shape`.
    pub(super) views: Vec<View>,
    /// How many of the views are read.
    pub(super) n_loads: usize,
    pub(super) code: Code,
    pub(super) scalars: Scalars,
}

impl Planner<'_> {
    /// Computes outputs of one shape, in one kernel if it can be one.
    pub(super) fn map_outputs(&mut self, mut outputs: Vec<Output>) -> Result<()> {
        let taken = self.outputs_of_one_kernel(&outputs);
        if taken < outputs.len() {
            let rest = outputs.split_off(taken);
            self.map_outputs(outputs)?;
            return self.map_outputs(rest);
        }
        let roots: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        self.cut_until_it_fits(&roots, &memory_written(&outputs).collect::<Vec<_>>())?;

        let mut scalars = Scalars::default();
        let emitted = emit(self.graph, &self.stored, &[], &roots, &mut scalars, 0);
        let mut views = emitted.reads;
        let n_loads = views.len();
        views.iter_mut().try_for_each(|view| self.lay_out(view))?;
        views.extend(outputs.iter().map(|output| output.target.view()));
        let stores = (n_loads..).zip(emitted.code.results).collect();
        let code = Code { stores, results: vec![], ..emitted.code };
        self.map(MapJob { shape: outputs[0].shape.clone(), views, n_loads, code, scalars })
    }

    /// Plans a map: one launch, unless it is too large for that or writes parts of words.
    pub(super) fn map(&mut self, job: MapJob) -> Result<()> {
        let beyond = self.map_beyond(&job);
        if beyond > 0.0 {
            self.map_in_pieces(job, beyond)
        } else if job.shares_words() {
            self.map_beside(job)
        } else {
            self.map_launch(job)
        }
    }

    /// One launch for a map whose views are within reach.
    pub(super) fn map_launch(&mut self, job: MapJob) -> Result<()> {
        let MapJob { shape, views, n_loads, code, scalars } = job;
        let n = self.count(shape.numel())?;
        let domain = Domain::of(&shape, &views);
        let packed = views[n_loads..].iter().any(View::is_packed);
        let pays = views.iter().enumerate().any(|(i, v)| v.memory.is_some() && domain.aligned(i, v));
        let width = if packed || !domain.ragged() && pays { 4 } else { 1 };

        let mut operands = self.operands(&views, n_loads)?;
        for (i, view) in views.iter().enumerate() {
            let offset = operands.offset(i, view);
            let (mode, order) = (domain.mode(i, view, width), domain.order(i, view, offset));
            operands.add(view, mode, order, &domain.stages(i, view, offset));
        }
        let later = views.iter().flat_map(|v| &v.access.stages()[1..]).flat_map(|stage| stage.shape().iter());
        let dims = self.dims(domain.sizes.iter().chain(later))?;
        let workgroup = self.caps.tuning.workgroup;
        self.launch(Launching {
            kernel: Kernel::Map(Map { rank: domain.sizes.len(), body: code, tail: n % width != 0 }),
            width,
            workgroup,
            workgroups: (n as usize).div_ceil((width * workgroup) as usize),
            operands,
            dims,
            scalars,
            head: Head { n, ..Head::default() },
            bytes: views.iter().map(View::bytes).sum(),
        })
    }

    /// How many of the outputs, the first, go into one kernel.
    fn outputs_of_one_kernel(&self, outputs: &[Output]) -> usize {
        let roots: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        let region = Region::of(self.graph, &self.stored, &[], &roots);
        let in_place = || outputs.iter().any(|o| region.memory.contains(&o.target.memory));
        if outputs.len() > MAX_OUTPUTS && !in_place() {
            MAX_OUTPUTS
        } else if outputs.len() > 1 && !self.fits(&region, memory_written(outputs)) {
            // Outputs that are read in place come here only if they fit together.
            outputs.len() / 2
        } else {
            outputs.len()
        }
    }
}

/// The memory a kernel binds to write outputs, at most: packed elements may have to be written beside their words, each
/// output to memory of its own.
pub(super) fn memory_written(outputs: &[Output]) -> impl Iterator<Item = Memory> {
    outputs.iter().enumerate().map(|(i, output)| match output.target.dtype.size() {
        4.. => output.target.memory,
        _ => Memory::Temp(usize::MAX - i),
    })
}
