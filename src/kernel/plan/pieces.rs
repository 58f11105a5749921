//! Maps that are no single launch: those cut into pieces, and copies.

use super::domain::Domain;
use super::emit::Scalars;
use super::map::MapJob;
use super::view::View;
use super::windows::{best_cut, excess, halves};
use super::{Memory, Output, Planner};
use crate::base::layout::Layout;
use crate::kernel::spec::{Code, Inst, Line};
use crate::{Result, Shape};

impl MapJob {
    /// The same over a part of the domain.
    fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        let views = self.views.iter().map(|view| view.narrow(dim, start, len)).collect();
        Self { shape: self.shape.resized(dim, len), views, ..self.clone() }
    }

    /// The same with as few dims as its views allow.
    fn joined(self) -> Self {
        let Domain { sizes, strides } = Domain::of(&self.shape, &self.views);
        let shape: Shape = sizes.into_iter().collect();
        let views = self.views.into_iter().zip(strides).map(|(view, strides)| match strides {
            Some(strides) => {
                let layout = Layout::new(shape.clone(), strides, view.access.footprint().offset());
                View { access: layout.into(), ..view }
            }
            None => view,
        });
        Self { views: views.collect(), shape, ..self }
    }
}

impl Planner<'_> {
    /// Cuts a map that is `now` doublings beyond the limits of a launch in two.
    pub(super) fn map_in_pieces(&mut self, job: MapJob, now: f64) -> Result<()> {
        // Joined dims are cut at better places.
        let job = job.joined();
        let dims = 0..job.shape.rank();
        let cut = best_cut(&job.shape, dims, now, |dim, len| self.map_beyond(&job.narrow(dim, 0, len)));
        let Some(dim) = cut else { return Err(self.no_cut(&job.views)) };
        halves(job.shape[dim]).into_iter().try_for_each(|(start, len)| self.map(job.narrow(dim, start, len)))
    }

    /// By how many doublings a map touches too much memory to be bound, or has too many elements for a launch.
    pub(super) fn map_beyond(&self, job: &MapJob) -> f64 {
        self.beyond(&job.views) + excess(job.shape.numel() as u64, self.most_elements())
    }

    /// Has a view that strides cannot express read its elements in the order of their numbers, where they are too far
    /// apart to be bound together: cut by numbers, each piece would still touch all of them.
    pub(super) fn lay_out(&mut self, view: &mut View) -> Result<()> {
        while let Some(memory) = view.memory
            && view.taken.is_none()
            && view.access.layout().is_none()
            && self.beyond(std::slice::from_ref(view)) > 0.0
        {
            let layout = view.access.footprint().clone();
            let (shape, dtype) = (layout.shape().clone(), view.dtype);
            let temp = self.temp(shape.numel(), dtype);
            self.copy_view(View::new(memory, dtype, layout), View::new(temp, dtype, Layout::contiguous(shape)))?;
            *view = View::new(temp, dtype, view.access.without_last_stage());
        }
        Ok(())
    }

    /// A copy from a temporary into a target that could not be written directly.
    pub(super) fn copy(&mut self, temp: Memory, output: &Output) -> Result<()> {
        let from = View::new(temp, output.target.dtype, Layout::contiguous(output.shape.clone()));
        self.copy_view(from, output.target.view())
    }

    fn copy_view(&mut self, from: View, to: View) -> Result<()> {
        let code = Code {
            lines: vec![Line { inst: Inst::Load(0), dtype: from.dtype.compute() }],
            stores: vec![(1, 0)],
            results: vec![],
        };
        let shape = from.access.shape().clone();
        self.map(MapJob { shape, views: vec![from, to], n_loads: 1, code, scalars: Scalars::default() })
    }
}
