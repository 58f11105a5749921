//! Scans: how the domain is walked, how rows are shared out, and in what pieces.
//!
//! A scan is one launch where there are enough rows to keep the device busy. Else rows are split: a reduction finds what each
//! part comes to, a scan of these what each part begins with, and then every part is scanned for itself. That reads twice and
//! waits for nothing, where parts that look at what others have found could wait for ever: WebGPU does not promise that an
//! invocation which is waited for goes on. The same way leads beyond what a binding shows.

mod launch;

use smallvec::SmallVec;

use super::emit::{Emitted, Scalars, emit};
use super::reduce::strategy::{outer_or_inner, size, width_for};
use super::reduce::{ReduceJob, Shares, Walk};
use super::view::View;
use super::windows::{best_cut, excess, halves};
use super::{Output, Planner};
use crate::base::layout::Layout;
use crate::expr::graph::{Fold, Id, Step};
use crate::expr::scan::Scan;
use crate::kernel::spec::{Code, Inst, Line, Strategy};
use crate::{DType, Result, Shape};

/// Elements of a scan that is not split.
const SMALL: usize = 8 * 1024;

/// A scan to be planned, over all of its domain or a part of it.
#[derive(Clone)]
struct ScanJob<'a> {
    /// The reduction of the same elements, over the dim that is scanned.
    reduce: ReduceJob<'a>,
    dim: usize,
    exclusive: bool,
    ending: Ending,
}

/// What is computed from the results at each element, and where it is written.
#[derive(Clone)]
struct Ending {
    code: Code,
    /// What the code reads, then the `n_stores` views it writes, over the domain.
    views: Vec<View>,
    n_stores: usize,
    /// The scalars of the body and of the ending.
    scalars: Scalars,
}

impl ScanJob<'_> {
    /// All it reads and writes.
    fn views(&self) -> Vec<View> {
        self.reduce.body.reads.iter().chain(&self.ending.views).cloned().collect()
    }

    fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        let mut out = self.clone();
        out.reduce = self.reduce.narrow(dim, start, len);
        out.ending.views.iter_mut().for_each(|view| *view = view.narrow(dim, start, len));
        out
    }

    fn halved(&self, dim: usize) -> [Self; 2] {
        halves(self.reduce.domain[dim]).map(|(start, len)| self.narrow(dim, start, len))
    }
}

impl Planner<'_> {
    /// The launches that scan value `id` and write `finals`, which are computed from it element by element.
    pub(super) fn scan(&mut self, id: Id, finals: &[Output]) -> Result<()> {
        let Step::Scan { op, dim, scan: Scan { exclusive, reverse }, arg } = self.graph.values[id].step else {
            return Ok(());
        };
        let domain = self.graph.values[id].shape.clone();
        let folds = [(op, self.graph.values[id].dtype)];
        let mut scalars = Scalars::default();
        let mut body = emit(self.graph, &self.stored, &[], &[arg], &mut scalars, 0);
        let of_body = scalars.clone();
        let ends: Vec<Id> = finals.iter().map(|output| output.value).collect();
        let emitted = emit(self.graph, &self.stored, &[id], &ends, &mut scalars, body.reads.len());
        let first_store = body.reads.len() + emitted.reads.len();
        let stores = (first_store..).zip(emitted.code.results).collect();
        let code = Code { stores, results: vec![], ..emitted.code };
        let mut views: Vec<View> = emitted.reads.into_iter().chain(finals.iter().map(|o| o.target.view())).collect();
        if reverse {
            // What begins at the end of a dim begins at its start once everything is turned round.
            body.reads.iter_mut().chain(&mut views).try_for_each(|view| {
                view.access = view.access.map(|layout| Ok(layout.flip(dim)))?;
                Ok::<_, crate::Error>(())
            })?;
        }
        let walk = walk(&domain, dim, &body.reads);
        let ending = Ending { code, views, n_stores: finals.len(), scalars };
        let (product, cuts) = (None, SmallVec::new());
        let group = [id];
        let reduce = ReduceJob {
            group: &group,
            folds: &folds,
            finals: &[],
            domain,
            walk,
            product,
            body,
            scalars: of_body,
            cuts,
        };
        self.scan_job(&ScanJob { reduce, dim, exclusive, ending })
    }

    /// The launches of a job. What touches more memory than can be bound is cut along another dim where that helps most,
    /// into pieces that have nothing to do with each other, or else along the dim that is scanned.
    fn scan_job(&mut self, job: &ScanJob) -> Result<()> {
        let mut parts = Vec::new();
        let mut cut = self.scan_parts(job, &mut parts)?;
        if cut.is_none() && parts.len() > self.most_splits(&job.reduce) {
            // More to carry on than can be bound.
            let kept = job.reduce.walk.kept.iter().copied();
            cut = kept.filter(|&d| job.reduce.domain[d] > 1).max_by_key(|&d| job.reduce.domain[d]);
        }
        if let Some(dim) = cut {
            return job.halved(dim).iter().try_for_each(|half| self.scan_job(half));
        }
        let most = (self.most_splits(&job.reduce) / parts.len()).max(1);
        let shares: Vec<Shares> = parts.iter().map(|part| self.scan_shares(part, most)).collect();
        let splits: usize = shares.iter().map(|shares| shares.splits).sum();
        if splits == 1 {
            return self.scan_launch(job, &shares[0], None);
        }
        let totals = self.partials(&job.reduce, splits);
        if self.beyond(&totals) > 0.0 {
            return Err(self.no_cut(&totals));
        }
        let mut first = 0;
        for (part, shares) in parts.iter().zip(&shares) {
            self.reduce_in_parts(&part.reduce, &self.totalling(part, shares), &totals, first)?;
            first += shares.splits;
        }
        let carries = self.partials(&job.reduce, splits);
        self.scan_totals(&job.reduce, &totals[0], &carries[0])?;
        first = 0;
        for (part, shares) in parts.iter().zip(&shares) {
            self.scan_launch(part, shares, Some(&carries[0].narrow(0, first, shares.splits)))?;
            first += shares.splits;
        }
        Ok(())
    }

    /// Parts of a job's rows that can each be bound, in order; or another dim that has to be cut for there to be any.
    fn scan_parts<'a>(&self, job: &ScanJob<'a>, parts: &mut Vec<ScanJob<'a>>) -> Result<Option<usize>> {
        let outputs = self.most_elements().min(u64::from(self.caps.max_workgroups).pow(2));
        let beyond = |job: &ScanJob| {
            self.beyond(&job.views())
                + excess(job.reduce.rows() as u64, (1 << 31) - 1)
                + excess(job.reduce.outputs() as u64, outputs)
        };
        let now = beyond(job);
        if now == 0.0 {
            self.check_launches(parts.len())?;
            parts.push(job.clone());
            return Ok(None);
        }
        let dims = job.reduce.walk.kept.iter().copied().chain([job.dim]);
        let cut = best_cut(&job.reduce.domain, dims, now, |d, len| beyond(&job.narrow(d, 0, len)));
        match cut {
            None => Err(self.no_cut(&job.views())),
            Some(dim) if dim != job.dim => Ok(Some(dim)),
            Some(dim) => {
                for half in job.halved(dim) {
                    if let Some(kept) = self.scan_parts(&half, parts)? {
                        return Ok(Some(kept));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The launches that write what is before each element of some rows of i32s, summed, to another memory.
    pub(super) fn sums_before(&mut self, rows: &View, sums: &View) -> Result<()> {
        self.scan_job(&memory_scan(&[(Fold::Sum, DType::I32)], 1, rows, sums))
    }

    /// What the parts before each come to: an exclusive scan down what each comes to, from one memory to another.
    fn scan_totals(&mut self, job: &ReduceJob, totals: &View, carries: &View) -> Result<()> {
        let job = memory_scan(job.folds, 0, totals, carries);
        let shares = self.scan_shares(&job, 1);
        self.scan_launch(&job, &shares, None)
    }

    /// How the work of a job is shared out.
    fn scan_shares(&self, job: &ScanJob, max_splits: usize) -> Shares {
        let ReduceJob { domain, walk, body, .. } = &job.reduce;
        let tuning = &self.caps.tuning;
        let (n, rows) = (job.reduce.outputs(), job.reduce.rows());
        let strategy = outer_or_inner(walk, &body.reads, n);
        let ends: Vec<View> = job.ending.views.iter().map(|view| over(view, &walk.kept)).collect();
        let width = width_for(strategy, walk, domain, &body.reads, &ends);
        let inner = strategy == Strategy::Inner;
        let columns = if inner { n } else { n.div_ceil(width as usize) };
        let steps = if inner { rows.div_ceil(width as usize) } else { rows };
        let lanes = if inner { floor_power_of_two(steps.clamp(1, tuning.scan_lanes as usize)) } else { 1 };
        let wanted = tuning.scanning as usize / (columns * lanes).max(1);
        let least = tuning.min_scan as usize * lanes;
        let mut splits = wanted.min(steps / least).min(max_splits).max(1);
        if n.saturating_mul(rows) < SMALL {
            splits = 1;
        }
        let chunk = match splits {
            1 => rows,
            _ => rows.div_ceil(splits).next_multiple_of(if inner { (width as usize * lanes).max(4) } else { 1 }),
        };
        splits = rows.div_ceil(chunk.max(1)).max(1);
        let workgroup = tuning.workgroup;
        let blocks = (columns * splits * lanes).div_ceil(workgroup as usize);
        Shares { strategy, width, workgroup, lanes: lanes as u32, groups: 1, blocks, splits, chunk, turns: 1 }
    }

    /// How the reduction that finds what each part comes to is shared out: in the same parts.
    fn totalling(&self, job: &ScanJob, parts: &Shares) -> Shares {
        let ReduceJob { domain, walk, body, .. } = &job.reduce;
        let n = job.reduce.outputs();
        let width = width_for(parts.strategy, walk, domain, &body.reads, &[]);
        let whole = Shares::unsplit(parts.strategy, (width, size(&body.reads)), n, parts.chunk, &self.caps.tuning);
        Shares { splits: parts.splits, chunk: parts.chunk, ..whole }
    }
}

/// An exclusive scan from one memory to another.
fn memory_scan<'a>(folds: &'a [(Fold, DType)], dim: usize, from: &View, to: &View) -> ScanJob<'a> {
    let domain = from.access.shape().clone();
    let dtype = from.dtype;
    let code = |inst: Inst| Code { lines: vec![Line { inst, dtype }], ..Code::default() };
    let body = Code { results: vec![0], ..code(Inst::Load(0)) };
    let ending = Ending {
        code: Code { stores: vec![(1, 0)], ..code(Inst::Term(0)) },
        views: vec![to.clone()],
        n_stores: 1,
        scalars: Scalars::default(),
    };
    let body = Emitted { code: body, reads: vec![from.clone()], ..Emitted::default() };
    let walk = walk(&domain, dim, &body.reads);
    let (product, scalars, cuts) = (None, Scalars::default(), SmallVec::new());
    let reduce = ReduceJob { group: &[], folds, finals: &[], domain, walk, product, body, scalars, cuts };
    ScanJob { reduce, dim, exclusive: true, ending }
}

/// How a scan along a dim walks: the other dims in the order that reads memory in runs.
fn walk(domain: &Shape, dim: usize, reads: &[View]) -> Walk {
    Walk { reduced: SmallVec::from_slice(&[dim]), ..Walk::new(domain, &[dim], reads) }
}

/// A view over these dims of its domain alone.
fn over(view: &View, dims: &[usize]) -> View {
    let layout = view.access.footprint();
    let strides = dims.iter().map(|&d| layout.strides()[d]).collect();
    let layout = Layout::new(dims.iter().map(|&d| layout.shape()[d]).collect(), strides, layout.offset());
    View { access: layout.into(), ..view.clone() }
}

fn floor_power_of_two(n: usize) -> usize {
    1 << n.ilog2()
}
