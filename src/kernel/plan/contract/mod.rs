//! Matrix products: a tiled kernel over two factors that lie in memory.
//!
//! A factor that is an expression, packed, or read through a view that strides cannot express, is computed into memory
//! first, over the dims it varies along. What follows the product is an epilogue, in the pass that adds partial sums.

mod launch;
mod tiling;

use smallvec::SmallVec;

use self::launch::Axes;
use super::emit::{Emitted, Scalars, emit};
use super::map::MapJob;
use super::reduce::{ReduceJob, Walk};
use super::region::Region;
use super::view::View;
use super::{Memory, Output, Planner};
use crate::base::layout::{Layout, Strides, collapse};
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Id};
use crate::kernel::spec::Code;
use crate::{DType, Result, Shape};

/// Rows, columns and terms from which a product has a kernel of its own: below, most of a tile would be idle.
pub(super) const LEAST: usize = 16;

impl Planner<'_> {
    /// Kernels for a matrix product and the outputs made of it, unless its views do not allow for it.
    pub(super) fn contract(&mut self, id: Id, found: &Contraction, domain: &Shape, finals: &[Output]) -> Result<bool> {
        let dtype = self.graph.values[id].dtype;
        let Some(factors) = self.factors(found, domain, dtype)? else { return Ok(false) };
        let kept = [&found.batch, &found.rows, &found.columns].into_iter().flatten().copied().collect();
        // The outermost of the summed dims comes first, so that it is cut, and the others still step as one.
        let walk = Walk { kept, reduced: found.summed.iter().copied().collect() };
        self.reduce_job(&ReduceJob {
            group: &[id],
            folds: &[(Fold::Sum, dtype)],
            finals,
            domain: domain.clone(),
            walk,
            product: Some(found),
            body: Emitted { reads: factors.into(), ..Emitted::default() },
            scalars: Scalars::default(),
            cuts: SmallVec::new(),
        })?;
        Ok(true)
    }

    /// A product whose memory can be bound: one launch, and a second where it leaves partial results or where more
    /// follows than the product.
    pub(super) fn contract_within_reach(&mut self, job: &ReduceJob, found: &Contraction) -> Result<()> {
        let chunk = self.chunk(job, found, self.most_splits(job));
        let splits = job.rows().div_ceil(chunk);
        if let [output] = job.finals
            && job.group == [output.value]
            && output.target.dtype == job.folds[0].1
            && splits == 1
        {
            return self.contract_launch(job, found, &job.over_kept(&output.target.view()), chunk);
        }
        let partials = self.partials(job, splits);
        self.contract_in_parts(job, found, chunk, &partials[0], 0)?;
        self.reduce_partials(job, &partials)
    }

    /// The launch that stores partial results, `chunk` terms each, from row `first` of them on: split by split, outputs in
    /// the order they are walked.
    pub(super) fn contract_in_parts(
        &mut self,
        job: &ReduceJob,
        found: &Contraction,
        chunk: usize,
        partials: &View,
        first: usize,
    ) -> Result<()> {
        let offset = partials.narrow(0, first, 1).access.footprint().offset();
        let contiguous = job.contiguous();
        let layout = Layout::new(contiguous.shape().clone(), contiguous.strides().into(), offset);
        self.contract_launch(job, found, &View { access: layout.into(), ..partials.clone() }, chunk)
    }

    /// Both factors as memory to be read over the domain, or `None` if what is summed does not step as one in both.
    fn factors(&mut self, found: &Contraction, domain: &Shape, dtype: DType) -> Result<Option<[View; 2]>> {
        self.store_far_takes(&[found.a, found.b])?;
        let sides = [(found.a, &found.columns), (found.b, &found.rows)];
        let fits = |&(id, _): &(Id, _)| {
            self.fits(&Region::of(self.graph, &self.stored, &[], &[id]), std::iter::once(Memory::Temp(usize::MAX)))
        };
        if !sides.iter().all(fits) {
            return Ok(None);
        }
        let made = |absent: &[usize]| Layout::contiguous(domain.with_ones(absent)).broadcast_to(domain, "einsum");
        let lying = sides.map(|(id, _)| self.lies(id, dtype));
        let copies = [made(sides[0].1)?, made(sides[1].1)?];
        // Where they lie if that can be, else both in one order.
        let as_they_lie = [0, 1].map(|i| lying[i].as_ref().map_or(&copies[i], |read| read.access.footprint()));
        let lying = if step_as_one(&found.summed, as_they_lie) {
            lying
        } else if step_as_one(&found.summed, [&copies[0], &copies[1]]) {
            [None, None]
        } else {
            return Ok(None);
        };
        let [a, b] = lying;
        let a = a.map_or_else(|| self.compute(found.a, &found.columns, domain, dtype), Ok)?;
        let b = b.map_or_else(|| self.compute(found.b, &found.rows, domain, dtype), Ok)?;
        Ok(Some([a, b]))
    }

    /// How a value is read that is nothing but memory of this dtype, placed by strides.
    fn lies(&self, id: Id, dtype: DType) -> Option<View> {
        let emitted = emit(self.graph, &self.stored, &[], &[id], &mut Scalars::default(), 0);
        match (&emitted.reads[..], &emitted.code.lines[..]) {
            ([read], [_]) if read.memory.is_some() && read.dtype == dtype && read.access.layout().is_some() => {
                Some(read.clone())
            }
            _ => None,
        }
    }

    /// Computes a factor into memory, over the dims it varies along.
    fn compute(&mut self, id: Id, absent: &[usize], domain: &Shape, dtype: DType) -> Result<View> {
        let mut scalars = Scalars::default();
        let Emitted { code, reads: mut views, .. } = emit(self.graph, &self.stored, &[], &[id], &mut scalars, 0);
        for view in &mut views {
            *view = absent.iter().fold(view.clone(), |view, &d| view.narrow(d, 0, 1));
        }
        let shape = domain.with_ones(absent);
        let (memory, layout) = (self.temp(shape.numel(), dtype), Layout::contiguous(shape.clone()));
        let n_loads = views.len();
        let code = Code { stores: vec![(n_loads, code.results[0])], results: vec![], ..code };
        views.push(View::new(memory, dtype, layout.clone()));
        self.map(MapJob { shape, views, n_loads, code, scalars })?;
        Ok(View::new(memory, dtype, layout.broadcast_to(domain, "einsum")?))
    }
}

/// Whether both layouts step through these dims as if they were one.
fn step_as_one(dims: &[usize], layouts: [&Layout; 2]) -> bool {
    let shape: Shape = dims.iter().map(|&d| layouts[0].shape()[d]).collect();
    let strides = layouts.map(|layout| dims.iter().map(|&d| layout.strides()[d]).collect::<Strides>());
    collapse(&shape, &[&strides[0], &strides[1]]).0.len() == 1
}
