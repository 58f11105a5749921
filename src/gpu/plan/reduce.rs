//! Reductions: which kernel, how its rows are shared out, what follows it.

use smallvec::SmallVec;

use super::contract::LEAST;
use super::map::{bind, bytes_touched};
use super::region::{Emitted, Numbers, Read, Region, emit};
use super::shares::{MAX_SPLITS, Shares};
use super::windows::{best_cut, excess, halves, resized};
use super::{Output, Planner, Slot};
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Id, Step};
use crate::gpu::params::Head;
use crate::gpu::spec::{Code, Inst, Kernel, Line, Mode, Operand, Order, Spec};
use crate::layout::{Layout, Strides, collapse};
use crate::{DType, Result, Shape};

/// How a reduction walks its domain: kept dims and reduced dims, each in the order that reads memory in runs, with
/// size-1 dims dropped.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) kept: SmallVec<[usize; 8]>,
    pub(super) reduced: SmallVec<[usize; 8]>,
}

impl Walk {
    /// A view that has the kept dims, and maybe dims of size 1 besides, over the kept dims as they are walked.
    pub(super) fn over_kept(&self, read: &Read) -> Read {
        let layout = read.access.footprint();
        let big: SmallVec<[(usize, isize); 8]> =
            layout.shape().iter().zip(layout.strides()).filter(|&(&n, _)| n != 1).map(|(&n, &s)| (n, s)).collect();
        let mut in_order = self.kept.clone();
        in_order.sort_unstable();
        let walked: SmallVec<[(usize, isize); 8]> =
            self.kept.iter().map(|d| big[in_order.iter().position(|e| e == d).unwrap_or(0)]).collect();
        let strides = walked.iter().map(|d| d.1).collect();
        let layout = Layout::new(walked.iter().map(|d| d.0).collect(), strides, layout.offset());
        Read { access: layout.into(), ..read.clone() }
    }
}

/// Reductions to be planned together, over one domain or a part of it.
#[derive(Clone)]
pub(super) struct Job<'a> {
    pub(super) group: &'a [Id],
    pub(super) folds: &'a [(Fold, DType)],
    pub(super) finals: &'a [Output],
    pub(super) domain: Shape,
    pub(super) walk: Walk,
    pub(super) body: Emitted,
    /// The numbers of the body.
    pub(super) numbers: Numbers,
    /// What was cut off kept dims, in order: position in the walk, start, length.
    pub(super) cuts: SmallVec<[(usize, usize, usize); 4]>,
}

impl Job<'_> {
    /// The same over a part of the domain.
    fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        let mut out = self.clone();
        out.domain = resized(&self.domain, dim, len);
        out.body.reads.iter_mut().for_each(|r| *r = r.narrow(dim, start, len));
        if let Some(kept) = self.walk.kept.iter().position(|&d| d == dim) {
            out.cuts.push((kept, start, len));
        }
        out
    }

    /// Both halves.
    fn halved(&self, dim: usize) -> [Self; 2] {
        halves(self.domain[dim]).map(|(start, len)| self.narrow(dim, start, len))
    }

    pub(super) fn outputs(&self) -> usize {
        self.walk.kept.iter().map(|&d| self.domain[d]).product()
    }

    pub(super) fn rows(&self) -> usize {
        self.walk.reduced.iter().map(|&d| self.domain[d]).product()
    }
}

/// One walk over a domain.
struct Pass {
    kernel: Kernel,
    width: u32,
    domain: Shape,
    walk: Walk,
    body: Emitted,
    folds: Vec<(Fold, DType)>,
    shares: Shares,
}

/// What becomes of its results.
struct Ending {
    code: Code,
    /// What the code reads, then the `n_stores` views it writes, over the kept dims as they are walked.
    views: Vec<Read>,
    n_stores: usize,
    /// The numbers of the body and of the ending.
    numbers: Numbers,
    /// Whether the results are partial, and lie split by split.
    split: bool,
}

impl Planner<'_> {
    /// Kernels for reductions that share a pass, with the outputs that can be made of their results at once. Those
    /// outputs are taken from `outputs`; results that others need are stored.
    pub(super) fn reduce_group(&mut self, group: &[Id], outputs: &mut Vec<Output>) -> Result<()> {
        let Step::Reduce { dims, arg, .. } = &self.graph.values[group[0]].step else { return Ok(()) };
        let (domain, dims) = (self.graph.values[*arg].shape.clone(), dims.clone());
        let args: Vec<Id> = group.iter().filter_map(|&r| self.reduce_arg(r)).collect();
        let kept_shape = self.graph.values[group[0]].shape.clone();
        if kept_shape.numel() == 0 {
            // Nothing to compute, but what reduces it further has to bind something.
            for &id in group {
                let dtype = self.graph.values[id].dtype;
                let temp = self.temp(1, dtype);
                self.stored.insert(id, (temp, dtype));
            }
            return Ok(());
        }

        let (epilogue, rest): (Vec<Output>, Vec<Output>) =
            std::mem::take(outputs).into_iter().partition(|o| self.is_epilogue(o, group, &kept_shape));
        let epilogue = self.fitting(epilogue, group, outputs);
        outputs.extend(rest);
        // What is still wanted of this group, by outputs not taken or by later reductions.
        let mut wanted: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        wanted.extend(self.needed(&Self::roots_of(outputs)).into_iter().filter_map(|id| self.reduce_arg(id)));
        let used_later = |id: Id| wanted.iter().any(|&w| self.reductions_under(w).contains(&id) || w == id);
        let kept: Vec<Id> = group.iter().copied().filter(|&id| used_later(id)).collect();

        let mut finals = epilogue;
        for &id in &kept {
            let dtype = self.graph.values[id].dtype;
            let temp = self.temp(kept_shape.numel(), dtype);
            let layout = Layout::contiguous(kept_shape.clone());
            let target = super::Target { slot: temp, layout, dtype };
            finals.push(Output { value: id, shape: kept_shape.clone(), target });
        }
        self.reduce_into(group, &args, &domain, &dims, &finals)?;
        for output in finals.iter().filter(|o| kept.contains(&o.value)) {
            self.stored.insert(output.value, (output.target.slot, output.target.dtype));
        }
        Ok(())
    }

    /// Kernels that compute a group and write what is made of it.
    fn reduce_into(
        &mut self,
        group: &[Id],
        args: &[Id],
        domain: &Shape,
        dims: &[usize],
        finals: &[Output],
    ) -> Result<()> {
        if let [id] = group
            && let Some(found) = Contraction::of(self.graph, *id, LEAST)
            && self.contract(*id, &found, domain, finals)?
        {
            return Ok(());
        }
        self.materialise_chained(args)?;
        let members: Vec<Slot> = group.iter().map(|_| Slot::Temp(usize::MAX)).collect();
        self.cut_until_it_fits(args, &[], &members)?;
        self.reduce(group, args, domain, dims, finals)
    }

    fn roots_of(outputs: &[Output]) -> Vec<Id> {
        outputs.iter().map(|o| o.value).collect()
    }

    /// Whether an output is made of this group's results, at their own shape, and of nothing that comes later.
    fn is_epilogue(&self, output: &Output, group: &[Id], kept: &Shape) -> bool {
        let without_ones = |s: &Shape| s.iter().copied().filter(|&n| n != 1).collect::<SmallVec<[usize; 8]>>();
        let region = Region::of(self.graph, &self.stored, &[], &[output.value]);
        let here: Vec<Id> = region.reads.iter().copied().filter(|r| group.contains(r)).collect();
        let placed_alike = |id: Id| match &self.graph.values[id].step {
            Step::Read { of, access } => access.layout().is_some() && (!group.contains(of) || access.is_identity()),
            Step::Load { access, .. } | Step::Index { access } => access.layout().is_some(),
            _ => true,
        };
        !here.is_empty()
            && without_ones(&output.shape) == without_ones(kept)
            // Packed words belong to several outputs: they are written by a map afterwards.
            && output.target.dtype.size() >= 4
            && region.reads.iter().all(|r| group.contains(r) || self.stored.contains_key(r))
            && region.values.iter().all(|&id| placed_alike(id))
    }

    /// As many of the outputs as one kernel can write beside what it must bind; the others go back.
    fn fitting(&self, epilogue: Vec<Output>, group: &[Id], back: &mut Vec<Output>) -> Vec<Output> {
        let args: Vec<Id> = group.iter().filter_map(|&r| self.reduce_arg(r)).collect();
        let body = Region::of(self.graph, &self.stored, &[], &args);
        let mut slots = body.slots.clone();
        slots.extend(body.reads.iter().filter_map(|r| self.stored.get(r)).map(|s| s.0));
        let mut taken: Vec<Output> = Vec::new();
        let mut more = self.more_windows(&body);
        for output in epilogue {
            let region = Region::of(self.graph, &self.stored, group, &[output.value]);
            let more_with = more + self.more_windows(&region);
            let mut with = slots.clone();
            with.extend(region.slots);
            with.extend(region.reads.iter().filter_map(|r| self.stored.get(r)).map(|s| s.0));
            with.insert(output.target.slot);
            // Each result may have to be stored besides.
            if with.len() + group.len() + more_with <= self.caps.max_bindings {
                (slots, more) = (with, more_with);
                taken.push(output);
            } else {
                back.push(output);
            }
        }
        taken
    }

    /// Stores what reads memory through a view that strides cannot express: a reduction walks by strides.
    fn materialise_chained(&mut self, args: &[Id]) -> Result<()> {
        let region = Region::of(self.graph, &self.stored, &[], args);
        for id in region.values {
            let value = &self.graph.values[id];
            let (Step::Load { access, .. } | Step::Index { access } | Step::Read { access, .. }) = &value.step else {
                continue;
            };
            if access.layout().is_some() || self.stored.contains_key(&id) {
                continue;
            }
            let (shape, dtype) = (value.shape.clone(), value.dtype);
            let temp = self.temp(shape.numel(), dtype);
            let target = super::Target { slot: temp, layout: Layout::contiguous(shape.clone()), dtype };
            self.map_outputs(vec![Output { value: id, shape, target }])?;
            self.stored.insert(id, (temp, dtype));
        }
        Ok(())
    }

    /// One pass over the domain, and a second over the partial results if its rows were split.
    fn reduce(&mut self, group: &[Id], args: &[Id], domain: &Shape, dims: &[usize], finals: &[Output]) -> Result<()> {
        let folds: Vec<(Fold, DType)> = group
            .iter()
            .filter_map(|&id| match &self.graph.values[id].step {
                Step::Reduce { op, .. } => Some((*op, self.graph.values[id].dtype)),
                _ => None,
            })
            .collect();
        let mut numbers = Numbers::default();
        let body = emit(self.graph, &self.stored, &[], args, &mut numbers, 0);
        let walk = walk(domain, dims, &body.reads);
        let (folds, domain, cuts) = (&folds[..], domain.clone(), SmallVec::new());
        self.reduce_pieces(&Job { group, folds, finals, domain, walk, body, numbers, cuts })
    }

    /// The same for a part of the domain. What touches more memory than can be bound is cut along a kept dim where
    /// that helps most, into pieces that have nothing to do with each other, else along a reduced dim.
    fn reduce_pieces(&mut self, job: &Job) -> Result<()> {
        let kept = job.walk.kept.iter().copied();
        // What follows the reduction can be cut along kept dims alone, so that comes first.
        let after = self.ending_beyond(job);
        if after > 0.0 {
            let cut = best_cut(&job.domain, kept, after, |d, len| self.ending_beyond(&job.narrow(d, 0, len)));
            let Some(dim) = cut else { return Err(self.no_cut(&self.ending(job, &job.body).views)) };
            return job.halved(dim).iter().try_for_each(|half| self.reduce_pieces(half));
        }
        match self.reduction_cut(job)? {
            None => self.reduce_whole(job),
            Some(dim) if job.walk.kept.contains(&dim) => {
                job.halved(dim).iter().try_for_each(|half| self.reduce_pieces(half))
            }
            Some(_) => self.reduce_far(job),
        }
    }

    /// How far what follows a reduction is beyond the limits.
    pub(super) fn ending_beyond(&self, job: &Job) -> f64 {
        let outputs = self.most_elements().min(u64::from(self.caps.max_workgroups).pow(2));
        self.beyond(&self.ending(job, &job.body).views) + excess(job.outputs() as u64, outputs)
    }

    /// The dim to cut what is reduced along, or none if it can stay whole.
    fn reduction_cut(&self, job: &Job) -> Result<Option<usize>> {
        let beyond = |j: &Job| self.beyond(&j.body.reads) + excess(j.rows() as u64, (1 << 31) - 1);
        let now = beyond(job);
        if now == 0.0 {
            return Ok(None);
        }
        let dims = job.walk.kept.iter().chain(&job.walk.reduced).copied();
        let cut = best_cut(&job.domain, dims, now, |d, len| beyond(&job.narrow(d, 0, len)));
        cut.map(Some).ok_or_else(|| self.no_cut(&job.body.reads))
    }

    /// A reduction whose memory can be bound.
    fn reduce_whole(&mut self, job: &Job) -> Result<()> {
        let ending = self.ending(job, &job.body);
        let most = self.most_splits(job);
        let pass = self.pass(job, &ending.views, most);
        if pass.shares.splits == 1 {
            return self.reduce_launch(&pass, ending);
        }
        // Partial results lie as they are walked: what the outputs' own places would forbid does not matter yet.
        let pass = self.pass(job, &[], most);
        let partials = self.partials(job, pass.shares.splits);
        self.reduce_in_parts(&pass, &partials, 0, job.numbers.clone())?;
        self.reduce_partials(job, &partials)
    }

    /// A reduction whose rows lie too far apart to be bound together: parts of them leave partial results, of which
    /// the last pass makes an end.
    fn reduce_far(&mut self, job: &Job) -> Result<()> {
        let mut parts = Vec::new();
        let mut cut = self.reduced_parts(job, &mut parts)?;
        if cut.is_none() && parts.len() > self.most_splits(job) {
            // More partial results than can be bound in turn.
            cut = job.walk.kept.iter().copied().filter(|&d| job.domain[d] > 1).max_by_key(|&d| job.domain[d]);
        }
        if let Some(dim) = cut {
            return job.halved(dim).iter().try_for_each(|half| self.reduce_pieces(half));
        }
        let most = (self.most_splits(job) / parts.len()).max(1);
        let passes: Vec<Pass> = parts.iter().map(|part| self.pass(part, &[], most)).collect();
        let partials = self.partials(job, passes.iter().map(|p| p.shares.splits).sum());
        let mut first = 0;
        for pass in &passes {
            self.reduce_in_parts(pass, &partials, first, job.numbers.clone())?;
            first += pass.shares.splits;
        }
        self.reduce_partials(job, &partials)
    }

    /// Parts of a job's rows that can each be bound, in order; or the kept dim that has to be cut for there to be any.
    fn reduced_parts<'a>(&self, job: &Job<'a>, parts: &mut Vec<Job<'a>>) -> Result<Option<usize>> {
        match self.reduction_cut(job)? {
            None => parts.push(job.clone()),
            Some(dim) if job.walk.kept.contains(&dim) => return Ok(Some(dim)),
            Some(dim) => {
                for half in job.halved(dim) {
                    if let Some(kept) = self.reduced_parts(&half, parts)? {
                        return Ok(Some(kept));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Parts into which rows may be split, so that partial results can be bound and the grid holds the workgroups.
    pub(super) fn most_splits(&self, job: &Job) -> usize {
        let reach = super::Window::most_bytes(self.caps.max_binding);
        let widest = job.folds.iter().map(|f| f.1.size()).max().unwrap_or(8);
        let bound = reach / (job.outputs() * widest) as u64;
        let grid = u64::from(self.caps.max_workgroups).pow(2) / job.outputs() as u64;
        bound.min(grid).clamp(1, MAX_SPLITS as u64) as usize
    }

    /// How a job walks its domain, where its outputs lie in `views`.
    fn pass(&self, job: &Job, views: &[Read], max_splits: usize) -> Pass {
        let Job { domain, walk, body, folds, .. } = job.clone();
        let (n, rows) = (job.outputs(), job.rows());
        let kernel = kernel_for(&walk, &body.reads, n);
        let width = width_for(kernel, &walk, &domain, &body.reads, views);
        let shares = Shares::new(kernel, width, n, rows, &self.caps.tuning, max_splits);
        Pass { kernel, width, domain, walk, body, folds: folds.to_vec(), shares }
    }

    /// What becomes of the results of a job that reads `body`: the code, what it reads and writes, and where that lies.
    fn ending(&self, job: &Job, body: &Emitted) -> Ending {
        let roots: Vec<Id> = job.finals.iter().map(|o| o.value).collect();
        let mut numbers = job.numbers.clone();
        let mut epilogue = emit(self.graph, &self.stored, job.group, &roots, &mut numbers, body.reads.len());
        let stores = finish_stores(&mut epilogue, job.finals, body.reads.len());
        let n_stores = stores.len();
        let cut = |view: Read| job.cuts.iter().fold(view, |v, &(dim, start, len)| v.narrow(dim, start, len));
        let views = epilogue.reads.into_iter().chain(stores).map(|r| cut(job.walk.over_kept(&r))).collect();
        Ending { code: epilogue.code, views, n_stores, numbers, split: false }
    }

    /// Memory for so many partial results of each fold.
    pub(super) fn partials(&mut self, job: &Job, splits: usize) -> Vec<Read> {
        let shape = Shape::from([splits, job.outputs()]);
        let partial = |&(_, dtype): &(Fold, DType)| {
            let slot = Some(self.temp(shape.numel(), dtype));
            Read { slot, dtype, access: Layout::contiguous(shape.clone()).into() }
        };
        job.folds.iter().map(partial).collect()
    }

    /// The pass that stores partial results, from row `first` of them on: split by split, outputs in the order they
    /// are walked.
    fn reduce_in_parts(&mut self, pass: &Pass, partials: &[Read], first: usize, numbers: Numbers) -> Result<()> {
        let mut code = Code::default();
        for (j, &(_, dtype)) in pass.folds.iter().enumerate() {
            code.lines.push(Line { inst: Inst::Term(j), dtype });
            code.stores.push((pass.body.reads.len() + j, j));
        }
        let views = partials.iter().map(|r| r.narrow(0, first, pass.shares.splits)).collect();
        self.reduce_launch(pass, Ending { code, views, n_stores: partials.len(), numbers, split: true })
    }

    /// The pass that reduces partial results, in the order of the splits.
    pub(super) fn reduce_partials(&mut self, job: &Job, partials: &[Read]) -> Result<()> {
        // Over [splits, kept dims as they were walked], where the partial results are contiguous.
        let (splits, n) = (partials[0].access.shape()[0], job.outputs());
        let domain: Shape = std::iter::once(splits).chain(job.walk.kept.iter().map(|&d| job.domain[d])).collect();
        let mut body = Emitted::default();
        for (j, partial) in partials.iter().enumerate() {
            let access = Layout::contiguous(domain.clone()).into();
            body.reads.push(Read { access, ..partial.clone() });
            body.code.lines.push(Line { inst: Inst::Load(j), dtype: partial.dtype });
            body.code.results.push(j);
        }
        let ending = self.ending(&Job { numbers: Numbers::default(), ..job.clone() }, &body);
        let walk = Walk { kept: (1..domain.rank()).collect(), reduced: SmallVec::from_slice(&[0]) };
        let kernel = if n == 1 { Kernel::ReduceInner } else { Kernel::ReduceOuter };
        let width = width_for(kernel, &walk, &domain, &body.reads, &ending.views);
        let shares = Shares::unsplit(kernel, width, n, splits, &self.caps.tuning);
        let pass = Pass { kernel, width, domain, walk, body, folds: job.folds.to_vec(), shares };
        self.reduce_launch(&pass, ending)
    }

    fn reduce_launch(&mut self, pass: &Pass, ending: Ending) -> Result<()> {
        let Pass { kernel, width, ref domain, ref walk, ref body, ref folds, ref shares } = *pass;
        let Ending { code: epilogue, views, n_stores, numbers, split } = ending;
        let over = |dims: &[usize], read: &Read| -> Strides {
            dims.iter().map(|&d| read.access.footprint().strides()[d]).collect()
        };
        // Kept dims collapse over everything that is placed by them; partial results follow the walk itself.
        let kept_shape: Shape = walk.kept.iter().map(|&d| domain[d]).collect();
        let mut kept: Vec<Strides> = body.reads.iter().map(|r| over(&walk.kept, r)).collect();
        if !split {
            kept.extend(views.iter().map(|v| Strides::from_slice(v.access.footprint().strides())));
        }
        let (kept_sizes, mut kept) = collapse_to_some(&kept_shape, &kept);
        if split {
            kept.extend(views.iter().map(|_| Strides::from_elem(0, kept_sizes.len())));
        }
        let reduced_shape: Shape = walk.reduced.iter().map(|&d| domain[d]).collect();
        let reduced: Vec<Strides> = body.reads.iter().map(|r| over(&walk.reduced, r)).collect();
        let (reduced_sizes, reduced) = collapse_to_some(&reduced_shape, &reduced);
        let (kept_rank, reduced_rank) = (kept_sizes.len(), reduced_sizes.len());
        let windows = self.windows(&body.reads.iter().chain(&views).cloned().collect::<Vec<_>>())?;

        let mut table: Vec<(usize, Strides)> = Vec::new();
        let mut operands: Vec<(Operand, &Read)> = Vec::new();
        let whole = |s: &isize| s % 4 == 0;
        for (read, (k, r)) in body.reads.iter().zip(kept.iter().zip(&reduced)) {
            let offset = read.access.footprint().offset();
            let (along, across): (&Strides, &Strides) = if kernel == Kernel::ReduceInner { (r, k) } else { (k, r) };
            let inner = along[along.len() - 1];
            let aligned = read.dtype != DType::F64
                && offset % 4 == 0
                && inner == 1
                && along[..along.len() - 1].iter().all(whole)
                && across.iter().all(whole);
            let mode = match width {
                1 => Mode::Step,
                _ if aligned => Mode::Vec,
                _ if inner == 0 => Mode::Splat,
                _ => Mode::Step,
            };
            operands
                .push((Operand { binding: 0, dtype: read.dtype, mode, order: Order::Strided, stages: vec![] }, read));
            table.push((windows.offset(table.len(), read), k.iter().chain(r).copied().collect()));
        }
        for (read, k) in views.iter().zip(&kept[body.reads.len()..]) {
            let offset = read.access.footprint().offset();
            let inner = k[k.len() - 1];
            let n: usize = kept_sizes.iter().product();
            let aligned = read.dtype != DType::F64
                && offset % 4 == 0
                && n.is_multiple_of(4)
                && (split || inner == 1 && k[..k.len() - 1].iter().all(whole));
            let mode = match (kernel, width) {
                // One output a row: every component is that row's.
                (Kernel::ReduceInner, _) => Mode::Splat,
                (_, 1) => Mode::Step,
                _ if aligned => Mode::Vec,
                _ if inner == 0 && !split => Mode::Splat,
                _ => Mode::Step,
            };
            let order = if split { Order::Linear } else { Order::Strided };
            operands.push((Operand { binding: 0, dtype: read.dtype, mode, order, stages: vec![] }, read));
            table.push((windows.offset(table.len(), read), k.clone()));
        }
        let n = self.count(kept_sizes.iter().product())?;
        let n_loads = operands.len() - n_stores;
        let bytes = operands.iter().map(|(_, r)| bytes_touched(r)).sum::<u64>();
        let (bindings, operands) = bind(operands, n_loads, &windows);
        let spec = Spec {
            kernel,
            width,
            workgroup: shares.workgroup,
            lanes: shares.lanes,
            kept_rank,
            reduced_rank,
            bindings,
            operands,
            n_scalars: numbers.words,
            body: body.code.clone(),
            folds: folds.clone(),
            epilogue,
            tail: kernel == Kernel::ReduceOuter && n % width != 0,
            split,
            subgroups: kernel == Kernel::ReduceInner && shares.lanes > 1 && self.shuffles(shares.lanes, folds),
        };
        let n_reduced = self.count(reduced_sizes.iter().product())?;
        let grid = self.grid(shares.blocks * shares.splits)?;
        let head = Head {
            n,
            n_reduced,
            chunk: self.count(shares.chunk)?,
            grid_x: grid.x,
            blocks: self.count(shares.blocks)?,
            ..Head::default()
        };
        let dims = self.dims(&kept_sizes.iter().chain(&reduced_sizes).copied().collect::<Vec<_>>())?;
        self.push(spec, windows.list, head, &dims, &table, numbers, grid, bytes);
        Ok(())
    }
}

impl Planner<'_> {
    /// Whether so many lanes can exchange results within a subgroup.
    fn shuffles(&self, lanes: u32, folds: &[(Fold, DType)]) -> bool {
        self.caps.tuning.subgroups
            && lanes <= self.caps.subgroup
            && folds.iter().all(|fold| matches!(fold.1, DType::F32 | DType::I32))
    }
}

/// Adds the stores of an epilogue; what they write follows the epilogue's reads.
fn finish_stores(epilogue: &mut Emitted, finals: &[Output], first: usize) -> Vec<Read> {
    let results = std::mem::take(&mut epilogue.code.results);
    let at = first + epilogue.reads.len();
    epilogue.code.stores = results.into_iter().enumerate().map(|(i, line)| (at + i, line)).collect();
    finals
        .iter()
        .map(|o| Read { slot: Some(o.target.slot), dtype: o.target.dtype, access: o.target.layout.clone().into() })
        .collect()
}

/// The order in which dims are walked: by the strides of the view that touches most memory, so that what lies
/// together is read together.
fn walk(domain: &Shape, dims: &[usize], reads: &[Read]) -> Walk {
    let mut kept: SmallVec<[usize; 8]> = SmallVec::new();
    let mut reduced: SmallVec<[usize; 8]> = SmallVec::new();
    for d in (0..domain.rank()).filter(|&d| domain[d] != 1) {
        if dims.contains(&d) { reduced.push(d) } else { kept.push(d) }
    }
    if let Some(read) = dominant(reads) {
        let stride = |d: &usize| step_along(read, *d);
        // A stable sort: equal strides keep their order, and the common case is in order already.
        kept.sort_by_key(|d| std::cmp::Reverse(stride(d)));
        reduced.sort_by_key(|d| std::cmp::Reverse(stride(d)));
    }
    Walk { kept, reduced }
}

/// The view that touches most memory.
fn dominant(reads: &[Read]) -> Option<&Read> {
    reads.iter().max_by_key(|r| bytes_touched(r))
}

/// How far apart a view's neighbours along a dim lie; a broadcast dim counts as the farthest.
fn step_along(read: &Read, dim: usize) -> usize {
    match read.access.footprint().strides()[dim].unsigned_abs() {
        0 => usize::MAX,
        step => step,
    }
}

/// Outer if what is kept lies closest together in memory, inner if what is reduced does.
fn kernel_for(walk: &Walk, reads: &[Read], n: usize) -> Kernel {
    if n == 1 {
        return Kernel::ReduceInner;
    }
    let Some(read) = dominant(reads) else { return Kernel::ReduceOuter };
    let step = |dims: &[usize]| dims.last().map_or(usize::MAX, |&d| step_along(read, d));
    if step(&walk.reduced) < step(&walk.kept) { Kernel::ReduceInner } else { Kernel::ReduceOuter }
}

/// Elements an invocation takes at a step. `views` are what an epilogue reads and writes, over the kept dims in the
/// order they are walked.
fn width_for(kernel: Kernel, walk: &Walk, domain: &Shape, reads: &[Read], views: &[Read]) -> u32 {
    let along = match kernel {
        Kernel::ReduceInner => &walk.reduced,
        _ => &walk.kept,
    };
    let Some(&inner) = along.last() else { return 1 };
    // Groups of four must not run over the end of a row, unless the row is all there is and its end is masked.
    let steps_as_one =
        |strides: &[isize]| strides.windows(2).zip(&along[1..]).all(|(s, &next)| s[0] == s[1] * domain[next] as isize);
    let of_read = |r: &Read| along.iter().map(|&d| r.access.footprint().strides()[d]).collect::<Strides>();
    let joined = reads.iter().all(|r| steps_as_one(&of_read(r)))
        && (kernel == Kernel::ReduceInner || views.iter().all(|v| steps_as_one(v.access.footprint().strides())));
    let whole: usize = along.iter().map(|&d| domain[d]).product();
    let run = if joined { whole } else { domain[inner] };
    let fits = run % 4 == 0 || kernel == Kernel::ReduceInner && joined && run >= 16;
    let pays =
        reads.iter().any(|r| r.slot.is_some() && r.dtype != DType::F64 && r.access.footprint().strides()[inner] == 1);
    if fits && pays { 4 } else { 1 }
}

/// Collapsed dims, at least one: no dims at all are one of size 1.
fn collapse_to_some(shape: &Shape, strides: &[Strides]) -> (SmallVec<[usize; 8]>, Vec<Strides>) {
    let (mut sizes, mut strides) = collapse(shape, &strides.iter().map(|s| &s[..]).collect::<Vec<_>>());
    if sizes.is_empty() {
        sizes.push(1);
        strides.iter_mut().for_each(|s| s.push(0));
    }
    (sizes, strides)
}
