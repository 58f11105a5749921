//! Reductions over one domain: how it is walked, where it is cut, how its rows are shared out and put together.

use smallvec::SmallVec;

use super::launch::{Ending, Pass, dominant, kernel_for, rows_end_alike, step_along, width_for};
use super::region::{Emitted, Numbers, Read, emit};
use super::shares::{MAX_SPLITS, Shares};
use super::windows::{best_cut, excess, halves, resized};
use super::{Output, Planner};
use crate::expr::graph::{Fold, Id, Step};
use crate::kernel::spec::{Code, Inst, Kernel, Line};
use crate::layout::Layout;
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

impl Planner<'_> {
    /// One pass over the domain, and a second over the partial results if its rows were split.
    pub(super) fn reduce(
        &mut self,
        group: &[Id],
        args: &[Id],
        domain: &Shape,
        dims: &[usize],
        finals: &[Output],
    ) -> Result<()> {
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
        if self.reduction_cut(job)?.is_none() { self.reduce_whole(job) } else { self.reduce_far(job) }
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

    /// A reduction whose memory lies too far apart to be bound together. Where no kept dim is cut, parts of its rows
    /// leave partial results, of which the last pass makes an end.
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
        if self.beyond(&partials) > 0.0 {
            return Err(self.no_cut(&partials));
        }
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
            None => {
                self.check_launches(parts.len())?;
                parts.push(job.clone());
            }
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
        let short = rows > 0 && rows.is_multiple_of(4) && rows <= 4 * self.caps.tuning.short as usize && n >= 4;
        let vectors = kernel == Kernel::ReduceInner && width == 4;
        let kernel =
            if short && vectors && rows_end_alike(&walk, &domain, views) { Kernel::ReduceRows } else { kernel };
        let apart = walk.reduced.last().zip(dominant(&body.reads)).map_or(0, |(&d, read)| step_along(read, d));
        let size = size(&body.reads);
        let rows = (rows, apart.saturating_mul(size));
        let shares = Shares::new(kernel, (width, size), n, rows, &self.caps.tuning, max_splits);
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
        let shares = Shares::unsplit(kernel, (width, size(&body.reads)), n, splits, &self.caps.tuning);
        let pass = Pass { kernel, width, domain, walk, body, folds: job.folds.to_vec(), shares };
        self.reduce_launch(&pass, ending)
    }
}

/// Bytes of an element of the view that touches most memory.
fn size(reads: &[Read]) -> usize {
    dominant(reads).map_or(4, |read| read.dtype.size())
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
