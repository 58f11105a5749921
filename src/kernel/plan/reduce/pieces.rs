//! Reductions that are too large for one launch: cut into pieces, or finished by a second pass.

use smallvec::SmallVec;

use super::shares::{MAX_SPLITS, Shares};
use super::strategy::{size, width_for};
use super::{Ending, ReduceJob, Walk};
use crate::base::layout::Layout;
use crate::expr::graph::Fold;
use crate::kernel::plan::emit::{Emitted, Scalars};
use crate::kernel::plan::view::View;
use crate::kernel::plan::windows::{best_cut, excess, halves};
use crate::kernel::plan::{Planner, Window};
use crate::kernel::spec::{Code, Inst, Line, Strategy};
use crate::{DType, Result, Shape};

impl ReduceJob<'_> {
    /// The same over a part of the domain.
    pub(in crate::kernel::plan) fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        let mut out = self.clone();
        out.domain = self.domain.resized(dim, len);
        out.body.reads.iter_mut().chain(&mut out.body.writes).for_each(|r| *r = r.narrow(dim, start, len));
        if let Some(kept) = self.walk.kept.iter().position(|&d| d == dim) {
            out.cuts.push((kept, start, len));
        }
        out
    }

    /// Both halves.
    fn halved(&self, dim: usize) -> [Self; 2] {
        halves(self.domain[dim]).map(|(start, len)| self.narrow(dim, start, len))
    }
}

impl Planner<'_> {
    /// The launches of a job. What touches more memory than can be bound is cut along the kept dim where that helps
    /// most, into pieces that have nothing to do with each other, or else along a reduced dim.
    pub(in crate::kernel::plan) fn reduce_job(&mut self, job: &ReduceJob) -> Result<()> {
        // What follows the reduction can be cut along kept dims alone, so that comes first.
        let after = self.ending_beyond(job);
        if after > 0.0 {
            let kept = job.walk.kept.iter().copied();
            let cut = best_cut(&job.domain, kept, after, |d, len| self.ending_beyond(&job.narrow(d, 0, len)));
            let Some(dim) = cut else { return Err(self.no_cut(&self.ending(job, &job.body).views)) };
            return job.halved(dim).iter().try_for_each(|half| self.reduce_job(half));
        }
        if self.reduction_cut(job)?.is_none() { self.reduce_within_reach(job) } else { self.reduce_far(job) }
    }

    /// By how many doublings what follows a reduction is beyond the limits.
    pub(in crate::kernel::plan) fn ending_beyond(&self, job: &ReduceJob) -> f64 {
        let outputs = self.most_elements().min(u64::from(self.caps.max_workgroups).pow(2));
        self.beyond(&self.ending(job, &job.body).views) + excess(job.outputs() as u64, outputs)
    }

    /// The dim to cut what is reduced along, or none if it can stay whole.
    pub(super) fn reduction_cut(&self, job: &ReduceJob) -> Result<Option<usize>> {
        let beyond = |j: &ReduceJob| {
            self.beyond(&j.body.reads) + self.beyond(&j.body.writes) + excess(j.rows() as u64, (1 << 31) - 1)
        };
        let now = beyond(job);
        if now == 0.0 {
            return Ok(None);
        }
        let dims = job.walk.kept.iter().chain(&job.walk.reduced).copied();
        let cut = best_cut(&job.domain, dims, now, |d, len| beyond(&job.narrow(d, 0, len)));
        cut.map(Some).ok_or_else(|| self.no_cut(&job.body.reads))
    }

    /// A reduction whose memory lies too far apart to be bound together. Where no kept dim is cut, parts of its rows
    /// leave partial results, which the last pass reduces.
    fn reduce_far(&mut self, job: &ReduceJob) -> Result<()> {
        let mut parts = Vec::new();
        let mut cut = self.reduced_parts(job, &mut parts)?;
        if cut.is_none() && parts.len() > self.most_splits(job) {
            // More partial results than can be bound in turn.
            cut = job.walk.kept.iter().copied().filter(|&d| job.domain[d] > 1).max_by_key(|&d| job.domain[d]);
        }
        if let Some(dim) = cut {
            return job.halved(dim).iter().try_for_each(|half| self.reduce_job(half));
        }
        let most = (self.most_splits(job) / parts.len()).max(1);
        let partials = self.partials(job, parts.iter().map(|part| self.splits(part, most)).sum());
        if self.beyond(&partials) > 0.0 {
            return Err(self.no_cut(&partials));
        }
        let mut first = 0;
        for part in &parts {
            match part.product {
                Some(found) => {
                    let chunk = self.chunk(part, found, most);
                    self.contract_in_parts(part, found, chunk, &partials[0], first)?;
                }
                None => self.reduce_in_parts(part, &self.shares(part, &[], most), &partials, first)?,
            }
            first += self.splits(part, most);
        }
        self.reduce_partials(job, &partials)
    }

    /// Partial results that a part of a job's rows leaves of each output, at most so many.
    fn splits(&self, part: &ReduceJob, most: usize) -> usize {
        match part.product {
            Some(found) => part.rows().div_ceil(self.chunk(part, found, most)),
            None => self.shares(part, &[], most).splits,
        }
    }

    /// Parts of a job's rows that can each be bound, in order; or the kept dim that has to be cut for there to be any.
    fn reduced_parts<'a>(&self, job: &ReduceJob<'a>, parts: &mut Vec<ReduceJob<'a>>) -> Result<Option<usize>> {
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
    pub(in crate::kernel::plan) fn most_splits(&self, job: &ReduceJob) -> usize {
        let reach = Window::most_bytes(self.caps.max_binding);
        let widest = job.folds.iter().map(|f| f.1.size()).max().unwrap_or(8);
        let bound = reach / (job.outputs() * widest) as u64;
        let grid = u64::from(self.caps.max_workgroups).pow(2) / job.outputs() as u64;
        bound.min(grid).clamp(1, MAX_SPLITS as u64) as usize
    }

    /// Memory for so many partial results of each fold.
    pub(in crate::kernel::plan) fn partials(&mut self, job: &ReduceJob, splits: usize) -> Vec<View> {
        let shape = Shape::from([splits, job.outputs()]);
        let partial = |&(_, dtype): &(Fold, DType)| {
            View::new(self.temp(shape.numel(), dtype), dtype, Layout::contiguous(shape.clone()))
        };
        job.folds.iter().map(partial).collect()
    }

    /// The pass that stores partial results, from row `first` of them on: split by split, outputs in the order they
    /// are walked.
    pub(in crate::kernel::plan) fn reduce_in_parts(
        &mut self,
        job: &ReduceJob,
        shares: &Shares,
        partials: &[View],
        first: usize,
    ) -> Result<()> {
        let mut code = Code::default();
        for (j, &(_, dtype)) in job.folds.iter().enumerate() {
            code.lines.push(Line { inst: Inst::Term(j), dtype });
            code.stores.push((job.body.reads.len() + j, j));
        }
        let views = partials.iter().map(|r| r.narrow(0, first, shares.splits)).collect();
        let ending = Ending { code, views, n_stores: partials.len(), scalars: job.scalars.clone(), split: true };
        self.reduce_launch(job, shares, ending)
    }

    /// The pass that reduces partial results, in the order of the splits.
    pub(in crate::kernel::plan) fn reduce_partials(&mut self, job: &ReduceJob, partials: &[View]) -> Result<()> {
        // Over [splits, kept dims as they were walked], where the partial results are contiguous.
        let (splits, n) = (partials[0].access.shape()[0], job.outputs());
        let domain: Shape = std::iter::once(splits).chain(job.walk.kept.iter().map(|&d| job.domain[d])).collect();
        let mut body = Emitted::default();
        for (j, partial) in partials.iter().enumerate() {
            let access = Layout::contiguous(domain.clone()).into();
            body.reads.push(View { access, ..partial.clone() });
            body.code.lines.push(Line { inst: Inst::Load(j), dtype: partial.dtype });
            body.code.results.push(j);
        }
        let job = ReduceJob { scalars: Scalars::default(), ..job.clone() };
        let ending = self.ending(&job, &body);
        let walk = Walk { kept: (1..domain.rank()).collect(), reduced: SmallVec::from_slice(&[0]) };
        let strategy = if n == 1 { Strategy::Inner } else { Strategy::Outer };
        let width = width_for(strategy, &walk, &domain, &body.reads, &ending.views);
        let shares = Shares::unsplit(strategy, (width, size(&body.reads)), n, splits, &self.caps.tuning);
        self.reduce_launch(&ReduceJob { domain, walk, body, ..job }, &shares, ending)
    }
}
