//! Matrix products: a tiled kernel over two factors that lie in memory.
//!
//! A factor that is an expression, packed, or read through a view that strides cannot express, is computed into memory
//! first, over the dims it varies along. What follows the product is an epilogue, in the pass that adds partial sums.

use smallvec::SmallVec;

use super::emit::{Emitted, Scalars, emit};
use super::launching::Launching;
use super::map::MapJob;
use super::reduce::{ReduceJob, Walk};
use super::region::Region;
use super::view::View;
use super::{Memory, Output, Planner};
use crate::base::layout::{Layout, Strides, collapse};
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Id};
use crate::kernel::spec::{Code, Contract, Kernel, Mode, Order, side};
use crate::kernel::uniforms::Head;
use crate::{DType, Result, Shape};

/// Rows, columns and terms from which a product has a kernel of its own: below, most of a tile would be idle.
pub(super) const LEAST: usize = 16;
/// Terms of a split at least, and splits at most.
const DEPTH: usize = 256;
const MAX_SPLITS: usize = 64;

impl Planner<'_> {
    /// Kernels for a matrix product and the outputs made of it, unless it is too large or its views do not allow for it.
    pub(super) fn contract(&mut self, id: Id, found: &Contraction, domain: &Shape, finals: &[Output]) -> Result<bool> {
        let dtype = self.graph.values[id].dtype;
        let kept = [&found.batch, &found.rows, &found.columns].into_iter().flatten().copied().collect();
        let walk = Walk { kept, reduced: found.summed.iter().copied().collect() };
        let job = ReduceJob {
            group: &[id],
            folds: &[(Fold::Sum, dtype)],
            finals,
            domain: domain.clone(),
            walk,
            body: Emitted::default(),
            scalars: Scalars::default(),
            cuts: SmallVec::new(),
        };
        if self.ending_beyond(&job) > 0.0 {
            return Ok(false);
        }
        let Some(factors) = self.factors(found, domain, dtype)? else { return Ok(false) };
        let direct = match finals {
            [output] if output.value == id && output.target.dtype == dtype => Some(&output.target),
            _ => None,
        };
        let chunk = self.chunk(found, &job, dtype);
        let splits = job.rows().div_ceil(chunk);
        if let Some(target) = direct.filter(|_| splits == 1) {
            let [a, b] = factors;
            self.contract_launch(found, &job, &[a, b, job.walk.over_kept(&target.view())], chunk)?;
            return Ok(true);
        }
        // Row-major in the order of the walk, split by split.
        let partials = self.partials(&job, splits);
        let shape: Shape = job.walk.kept.iter().map(|&d| domain[d]).collect();
        let first = View { access: Layout::contiguous(shape).into(), ..partials[0].clone() };
        let [a, b] = factors;
        self.contract_launch(found, &job, &[a, b, first], chunk)?;
        self.reduce_partials(&job, &partials)?;
        Ok(true)
    }

    /// Terms a workgroup takes: all, unless there are too few tiles to keep the device busy.
    fn chunk(&self, found: &Contraction, job: &ReduceJob, dtype: DType) -> usize {
        let side = side(self.square(dtype)) as usize;
        let all = |dims: &[usize]| dims.iter().map(|&d| job.domain[d]).product::<usize>();
        let tiles = all(&found.batch) * all(&found.rows).div_ceil(side) * all(&found.columns).div_ceil(side);
        let wanted = self.caps.tuning.invocations as usize / 4 / self.caps.tuning.workgroup as usize;
        let most = MAX_SPLITS.min(self.most_splits(job)).min(job.rows() / DEPTH).max(1);
        job.rows().div_ceil((wanted / tiles.max(1)).clamp(1, most))
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
        let views = [0, 1].map(|i| {
            let copy = || View::new(Memory::Temp(usize::MAX - i), dtype, copies[i].clone());
            lying[i].clone().unwrap_or_else(copy)
        });
        if self.beyond(&views) > 0.0 {
            return Ok(None);
        }
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
        let Emitted { code, reads: mut views } = emit(self.graph, &self.stored, &[], &[id], &mut scalars, 0);
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

    /// Invocations in a workgroup, a square number: two tiles of f64 must fit its memory.
    fn square(&self, dtype: DType) -> u32 {
        let most = if dtype == DType::F64 { 64 } else { 256 };
        self.caps.tuning.workgroup.min(most).isqrt().pow(2)
    }

    /// Launches the kernel. `views` are both factors over the domain, and the result over the kept dims as they are
    /// walked; a workgroup takes `chunk` terms.
    fn contract_launch(&mut self, found: &Contraction, job: &ReduceJob, views: &[View; 3], chunk: usize) -> Result<()> {
        let axes = Axes::of(found, job, views);
        let Axes { batch, rows, columns, terms } = &axes;
        let mut operands = self.operands(views, 2)?;
        for (i, view) in views.iter().enumerate() {
            let strides = axes.all().map(|axis| axis.steps[i]).collect();
            operands.add(view, Mode::Step, Order::Strided, &[(operands.offset(i, view), strides)]);
        }
        let n_batch: usize = batch.iter().map(|axis| axis.size).product();
        let workgroup = self.square(views[0].dtype);
        let side = side(workgroup) as usize;
        let blocks = n_batch * rows.size.div_ceil(side) * columns.size.div_ceil(side);
        let terms_first = |i: usize, across: &Axis| terms.steps[i].unsigned_abs() <= across.steps[i].unsigned_abs();
        self.launch(Launching {
            kernel: Kernel::Contract(Contract {
                batch_rank: batch.len(),
                dtype: views[0].dtype,
                terms_first: [terms_first(0, rows), terms_first(1, columns)],
            }),
            width: 1,
            workgroup,
            workgroups: blocks * terms.size.div_ceil(chunk),
            operands,
            dims: self.dims(axes.all().map(|axis| &axis.size))?,
            scalars: Scalars::default(),
            head: Head {
                n: self.count(n_batch * rows.size * columns.size)?,
                n_reduced: self.count(terms.size)?,
                chunk: self.count(chunk)?,
                blocks: self.count(blocks)?,
                ..Head::default()
            },
            bytes: views.iter().map(View::bytes).sum(),
        })
    }
}

/// A dim of a matrix product, or several that are stepped through as one.
struct Axis {
    size: usize,
    /// Strides along it in both factors and the result.
    steps: [isize; 3],
}

/// The dims of a matrix product as its kernel takes them: one each of rows, columns and terms.
struct Axes {
    batch: Vec<Axis>,
    rows: Axis,
    columns: Axis,
    terms: Axis,
}

impl Axes {
    fn of(found: &Contraction, job: &ReduceJob, [a, b, out]: &[View; 3]) -> Self {
        let of_out = |d: usize| {
            let at = job.walk.kept.iter().position(|&k| k == d);
            at.map_or(0, |at| out.access.footprint().strides()[at])
        };
        let axes = |dims: &[usize]| -> Vec<Axis> {
            let shape: Shape = dims.iter().map(|&d| job.domain[d]).collect();
            let of = |read: &View| dims.iter().map(|&d| read.access.footprint().strides()[d]).collect::<Strides>();
            let strides = [of(a), of(b), dims.iter().map(|&d| of_out(d)).collect()];
            let (sizes, strides) = collapse(&shape, &[&strides[0], &strides[1], &strides[2]]);
            let axis = |(i, &size)| Axis { size, steps: [strides[0][i], strides[1][i], strides[2][i]] };
            sizes.iter().enumerate().map(axis).collect()
        };
        // The longest axis of a group is tiled; the others join the batch.
        let longest = |mut axes: Vec<Axis>| {
            let at = (0..axes.len()).max_by_key(|&i| axes[i].size).unwrap_or(0);
            (axes.remove(at), axes)
        };
        let (rows, mut batch) = longest(axes(&found.rows));
        let (columns, more) = longest(axes(&found.columns));
        let (terms, _) = longest(axes(&found.summed));
        batch.extend(more);
        batch.extend(axes(&found.batch));
        Self { batch, rows, columns, terms }
    }

    /// All of them in the order of the kernel's dims.
    fn all(&self) -> impl Iterator<Item = &Axis> {
        self.batch.iter().chain([&self.rows, &self.columns, &self.terms])
    }
}

/// Whether both layouts step through these dims as if they were one.
fn step_as_one(dims: &[usize], layouts: [&Layout; 2]) -> bool {
    let shape: Shape = dims.iter().map(|&d| layouts[0].shape()[d]).collect();
    let strides = layouts.map(|layout| dims.iter().map(|&d| layout.strides()[d]).collect::<Strides>());
    collapse(&shape, &[&strides[0], &strides[1]]).0.len() == 1
}
