//! Matrix products: a tiled kernel over two factors that lie in memory.
//!
//! A factor that is an expression, packed, or read through a view that strides cannot express, is computed into memory
//! first, over the dims it varies along. What follows the product is an epilogue, in the pass that adds partial sums.

use smallvec::SmallVec;

use super::map::{bind, bytes_touched};
use super::reduce::{Job, Walk};
use super::region::{Emitted, Numbers, Read, Region, emit};
use super::{Output, Planner, Slot};
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Id};
use crate::kernel::spec::{Code, Kernel, Mode, Operand, Order, Spec, side};
use crate::kernel::uniform::Head;
use crate::layout::{Layout, Strides, collapse};
use crate::{DType, Result, Shape};

/// Rows, columns and terms from which a product has a kernel of its own: below, most of a tile would be idle.
pub(super) const LEAST: usize = 16;
/// Terms of a split at least, and splits at most.
const DEPTH: usize = 256;
const MAX_SPLITS: usize = 64;

/// A size, and the steps along it of both factors and the result.
type Axis = (usize, [isize; 3]);

impl Planner<'_> {
    /// Kernels for a matrix product and the outputs made of it, unless it is too large or its views do not allow for it.
    pub(super) fn contract(&mut self, id: Id, found: &Contraction, domain: &Shape, finals: &[Output]) -> Result<bool> {
        let dtype = self.graph.values[id].dtype;
        let kept = [&found.batch, &found.rows, &found.columns].into_iter().flatten().copied().collect();
        let walk = Walk { kept, reduced: found.summed.iter().copied().collect() };
        let job = Job {
            group: &[id],
            folds: &[(Fold::Sum, dtype)],
            finals,
            domain: domain.clone(),
            walk,
            body: Emitted::default(),
            numbers: Numbers::default(),
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
            let out = Read { slot: Some(target.slot), dtype, access: target.layout.clone().into() };
            self.contract_launch(found, &job, &factors, &job.walk.over_kept(&out), chunk)?;
            return Ok(true);
        }
        // Row-major in the order of the walk, split by split.
        let partials = self.partials(&job, splits);
        let shape: Shape = job.walk.kept.iter().map(|&d| domain[d]).collect();
        let first = Read { access: Layout::contiguous(shape).into(), ..partials[0].clone() };
        self.contract_launch(found, &job, &factors, &first, chunk)?;
        self.reduce_partials(&job, &partials)?;
        Ok(true)
    }

    /// Terms a workgroup takes: all, unless there are too few tiles to keep the device busy.
    fn chunk(&self, found: &Contraction, job: &Job, dtype: DType) -> usize {
        let side = side(self.square(dtype)) as usize;
        let all = |dims: &[usize]| dims.iter().map(|&d| job.domain[d]).product::<usize>();
        let tiles = all(&found.batch) * all(&found.rows).div_ceil(side) * all(&found.columns).div_ceil(side);
        let wanted = self.caps.tuning.invocations as usize / 4 / self.caps.tuning.workgroup as usize;
        let most = MAX_SPLITS.min(self.most_splits(job)).min(job.rows() / DEPTH).max(1);
        job.rows().div_ceil((wanted / tiles.max(1)).clamp(1, most))
    }

    /// Both factors as memory to be read over the domain, or `None` if what is summed does not step as one in both.
    fn factors(&mut self, found: &Contraction, domain: &Shape, dtype: DType) -> Result<Option<[Read; 2]>> {
        let sides = [(found.a, &found.columns), (found.b, &found.rows)];
        let fits = |&(id, _): &(Id, _)| {
            self.fits(&Region::of(self.graph, &self.stored, &[], &[id]), std::iter::once(Slot::Temp(usize::MAX)))
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
            let copy = || Read { slot: Some(Slot::Temp(usize::MAX - i)), dtype, access: copies[i].clone().into() };
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
    fn lies(&self, id: Id, dtype: DType) -> Option<Read> {
        let emitted = emit(self.graph, &self.stored, &[], &[id], &mut Numbers::default(), 0);
        match (&emitted.reads[..], &emitted.code.lines[..]) {
            ([read], [_]) if read.slot.is_some() && read.dtype == dtype && read.access.layout().is_some() => {
                Some(read.clone())
            }
            _ => None,
        }
    }

    /// Computes a factor into memory, over the dims it varies along.
    fn compute(&mut self, id: Id, absent: &[usize], domain: &Shape, dtype: DType) -> Result<Read> {
        let mut numbers = Numbers::default();
        let Emitted { mut code, reads: mut views } = emit(self.graph, &self.stored, &[], &[id], &mut numbers, 0);
        for view in &mut views {
            *view = absent.iter().fold(view.clone(), |view, &d| view.narrow(d, 0, 1));
        }
        let shape = domain.with_ones(absent);
        let (slot, layout) = (Some(self.temp(shape.numel(), dtype)), Layout::contiguous(shape.clone()));
        let n_loads = views.len();
        code.stores = vec![(n_loads, code.results[0])];
        code.results.clear();
        views.push(Read { slot, dtype, access: layout.clone().into() });
        self.map_pieces(&shape, &views, n_loads, code, &numbers)?;
        Ok(Read { slot, dtype, access: layout.broadcast_to(domain, "einsum")?.into() })
    }

    /// Invocations in a workgroup, a square number: two tiles of f64 must fit its memory.
    fn square(&self, dtype: DType) -> u32 {
        let most = if dtype == DType::F64 { 64 } else { 256 };
        self.caps.tuning.workgroup.min(most).isqrt().pow(2)
    }

    /// The kernel; `out` is over the kept dims as they are walked.
    fn contract_launch(
        &mut self,
        found: &Contraction,
        job: &Job,
        [a, b]: &[Read; 2],
        out: &Read,
        chunk: usize,
    ) -> Result<()> {
        let of_out = |d: usize| {
            let at = job.walk.kept.iter().position(|&k| k == d);
            at.map_or(0, |at| out.access.footprint().strides()[at])
        };
        let axes = |dims: &[usize]| -> Vec<Axis> {
            let shape: Shape = dims.iter().map(|&d| job.domain[d]).collect();
            let of = |read: &Read| dims.iter().map(|&d| read.access.footprint().strides()[d]).collect::<Strides>();
            let strides = [of(a), of(b), dims.iter().map(|&d| of_out(d)).collect()];
            let (sizes, strides) = collapse(&shape, &[&strides[0], &strides[1], &strides[2]]);
            sizes.iter().enumerate().map(|(i, &size)| (size, [strides[0][i], strides[1][i], strides[2][i]])).collect()
        };
        // The longest axis of a group is tiled; the others join the batch.
        let longest = |mut axes: Vec<Axis>| {
            let at = (0..axes.len()).max_by_key(|&i| axes[i].0).unwrap_or(0);
            (axes.remove(at), axes)
        };
        let (rows, mut batch) = longest(axes(&found.rows));
        let (columns, more) = longest(axes(&found.columns));
        let (terms, _) = longest(axes(&found.summed));
        batch.extend(more);
        batch.extend(axes(&found.batch));

        let terms_first = |i: usize, across: Axis| terms.1[i].unsigned_abs() <= across.1[i].unsigned_abs();
        let operand = |read: &Read, terms_first: bool| Operand {
            binding: 0,
            dtype: read.dtype,
            mode: Mode::Step,
            order: if terms_first { Order::Linear } else { Order::Strided },
            stages: vec![],
        };
        let operands = vec![
            (operand(a, terms_first(0, rows)), a),
            (operand(b, terms_first(1, columns)), b),
            (operand(out, false), out),
        ];
        let bytes = [a, b, out].into_iter().map(bytes_touched).sum();
        let windows = self.windows(&[a.clone(), b.clone(), out.clone()])?;
        let (bindings, operands) = bind(operands, 2, &windows);
        let workgroup = self.square(a.dtype);
        let spec = Spec {
            kernel: Kernel::Contract,
            workgroup,
            kept_rank: batch.len() + 2,
            reduced_rank: 1,
            folds: vec![(Fold::Sum, a.dtype)],
            ..self.map_spec(bindings, operands, Code::default())
        };
        let n_batch: usize = batch.iter().map(|axis| axis.0).product();
        let side = side(workgroup) as usize;
        let blocks = n_batch * rows.0.div_ceil(side) * columns.0.div_ceil(side);
        let grid = self.grid(blocks * terms.0.div_ceil(chunk))?;
        let head = Head {
            n: self.count(n_batch * rows.0 * columns.0)?,
            n_reduced: self.count(terms.0)?,
            chunk: self.count(chunk)?,
            grid_x: grid.x,
            blocks: self.count(blocks)?,
            ..Head::default()
        };
        let all: Vec<Axis> = batch.into_iter().chain([rows, columns, terms]).collect();
        let dims = self.dims(&all.iter().map(|axis| axis.0).collect::<Vec<_>>())?;
        let table: Vec<(usize, Strides)> = [a, b, out]
            .into_iter()
            .enumerate()
            .map(|(i, read)| (windows.offset(i, read), all.iter().map(|axis| axis.1[i]).collect()))
            .collect();
        self.push(spec, windows.list, head, &dims, &table, Numbers::default(), grid, bytes)
    }
}

/// Whether both layouts step through these dims as if they were one.
fn step_as_one(dims: &[usize], layouts: [&Layout; 2]) -> bool {
    let shape: Shape = dims.iter().map(|&d| layouts[0].shape()[d]).collect();
    let strides = layouts.map(|layout| dims.iter().map(|&d| layout.strides()[d]).collect::<Strides>());
    collapse(&shape, &[&strides[0], &strides[1]]).0.len() == 1
}
