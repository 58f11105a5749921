//! Reductions over one domain: how it is walked, how its rows are shared out, what becomes of the results.

pub(super) mod launch;
mod pieces;
mod shares;
pub(super) mod strategy;

use smallvec::SmallVec;

use self::launch::packs;
pub(super) use self::shares::Shares;
use self::strategy::{dominant, outer_or_inner, rows_end_alike, size, step_along, width_for};
use super::emit::{Emitted, Scalars, emit};
use super::view::View;
use super::{Output, Planner};
use crate::base::layout::Layout;
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Id, Step};
use crate::kernel::spec::{Code, Strategy};
use crate::{DType, Result, Shape};

/// How a reduction walks its domain: kept dims and reduced dims, each in the order that reads memory in runs, with
/// size-1 dims dropped.
#[derive(Clone)]
pub(super) struct Walk {
    pub(super) kept: SmallVec<[usize; 8]>,
    pub(super) reduced: SmallVec<[usize; 8]>,
}

impl Walk {
    /// The order in which dims are walked: by the strides of the view that touches most memory, so that what lies
    /// together is read together.
    pub(super) fn new(domain: &Shape, dims: &[usize], reads: &[View]) -> Self {
        let big = (0..domain.rank()).filter(|&d| domain[d] != 1);
        let (mut reduced, mut kept): (SmallVec<[usize; 8]>, SmallVec<[usize; 8]>) = big.partition(|d| dims.contains(d));
        if let Some(read) = dominant(reads) {
            let stride = |d: &usize| step_along(read, *d);
            // A stable sort: equal strides keep their order, and the common case is in order already.
            kept.sort_by_key(|d| std::cmp::Reverse(stride(d)));
            reduced.sort_by_key(|d| std::cmp::Reverse(stride(d)));
        }
        Self { kept, reduced }
    }

    /// A view that has the kept dims, and maybe dims of size 1 besides, over the kept dims as they are walked.
    pub(super) fn over_kept(&self, view: &View) -> View {
        let layout = view.access.footprint();
        let big: SmallVec<[(usize, isize); 8]> =
            layout.shape().iter().zip(layout.strides()).filter(|&(&n, _)| n != 1).map(|(&n, &s)| (n, s)).collect();
        let mut in_order = self.kept.clone();
        in_order.sort_unstable();
        let walked: SmallVec<[(usize, isize); 8]> =
            self.kept.iter().map(|d| big[in_order.iter().position(|e| e == d).unwrap_or(0)]).collect();
        let strides = walked.iter().map(|d| d.1).collect();
        let layout = Layout::new(walked.iter().map(|d| d.0).collect(), strides, layout.offset());
        View { access: layout.into(), ..view.clone() }
    }
}

/// Reductions to be planned together, over one domain or a part of it.
#[derive(Clone)]
pub(super) struct ReduceJob<'a> {
    pub(super) group: &'a [Id],
    pub(super) folds: &'a [(Fold, DType)],
    pub(super) finals: &'a [Output],
    pub(super) domain: Shape,
    pub(super) walk: Walk,
    /// The matrix product it is, if it goes to a kernel of its own: then the body reads both factors, and has no code.
    pub(super) product: Option<&'a Contraction>,
    pub(super) body: Emitted,
    /// The scalars of the body.
    pub(super) scalars: Scalars,
    /// What was cut off kept dims, in order: position in the walk, start, length.
    pub(super) cuts: SmallVec<[(usize, usize, usize); 4]>,
}

impl ReduceJob<'_> {
    pub(super) fn outputs(&self) -> usize {
        self.walk.kept.iter().map(|&d| self.domain[d]).product()
    }

    pub(super) fn rows(&self) -> usize {
        self.walk.reduced.iter().map(|&d| self.domain[d]).product()
    }

    /// What this job shows of a view of all outputs, over the kept dims as they are walked.
    pub(super) fn over_kept(&self, view: &View) -> View {
        self.cuts.iter().fold(self.walk.over_kept(view), |v, &(dim, start, len)| v.narrow(dim, start, len))
    }

    /// The kept dims as they are walked, row-major.
    pub(super) fn contiguous(&self) -> Layout {
        Layout::contiguous(self.walk.kept.iter().map(|&d| self.domain[d]).collect())
    }
}

/// What a launch does with the results of a reduction.
struct Ending {
    code: Code,
    /// What the code reads, then the `n_stores` views it writes, over the kept dims as they are walked.
    views: Vec<View>,
    n_stores: usize,
    /// The scalars of the body and of the ending.
    scalars: Scalars,
    /// Whether the results are partial, and lie split by split.
    split: bool,
}

impl Planner<'_> {
    /// One pass over the domain, which writes the outputs `beside` as it goes, and a second over the partial results if its
    /// rows were split.
    pub(super) fn reduce(
        &mut self,
        group: &[Id],
        domain: &Shape,
        dims: &[usize],
        finals: &[Output],
        beside: &[Output],
    ) -> Result<()> {
        let folds = self.folds(group);
        let job = self.job(group, &folds, domain, dims, finals, beside);
        self.reduce_job(&job)
    }

    /// Whether a group's pass is one launch, in which each invocation writes whole words of those of `finals` that are packed.
    pub(super) fn writes_whole_words(&self, group: &[Id], domain: &Shape, dims: &[usize], finals: &[Output]) -> bool {
        if domain.numel() == 0 {
            return false;
        }
        let folds = self.folds(group);
        let job = self.job(group, &folds, domain, dims, finals, &[]);
        if self.ending_beyond(&job) > 0.0 || !matches!(self.reduction_cut(&job), Ok(None)) {
            return false;
        }
        let ending = self.ending(&job, &job.body);
        packs(&job, &self.shares(&job, &ending.views, self.most_splits(&job)), &ending)
    }

    fn folds(&self, group: &[Id]) -> Vec<(Fold, DType)> {
        let fold = |&id: &Id| match &self.graph.values[id].step {
            Step::Reduce { op, .. } => Some((*op, self.graph.values[id].dtype)),
            _ => None,
        };
        group.iter().filter_map(fold).collect()
    }

    fn job<'a>(
        &self,
        group: &'a [Id],
        folds: &'a [(Fold, DType)],
        domain: &Shape,
        dims: &[usize],
        finals: &'a [Output],
        beside: &[Output],
    ) -> ReduceJob<'a> {
        let mut scalars = Scalars::default();
        let roots = [self.args_of(group), Self::roots_of(beside)].concat();
        let mut body = emit(self.graph, &self.stored, &[], &roots, &mut scalars, 0);
        let written = body.code.results.split_off(group.len());
        body.code.stores = written.into_iter().enumerate().collect();
        body.writes = beside.iter().map(|o| o.target.view()).collect();
        let walk = Walk::new(domain, dims, &body.reads);
        let (domain, product, cuts) = (domain.clone(), None, SmallVec::new());
        ReduceJob { group, folds, finals, domain, walk, product, body, scalars, cuts }
    }

    /// A reduction whose memory can be bound.
    fn reduce_within_reach(&mut self, job: &ReduceJob) -> Result<()> {
        if let Some(found) = job.product {
            return self.contract_within_reach(job, found);
        }
        let ending = self.ending(job, &job.body);
        let most = self.most_splits(job);
        let shares = self.shares(job, &ending.views, most);
        if shares.splits == 1 {
            return self.reduce_launch(job, &shares, ending);
        }
        // Partial results lie as they are walked: what the outputs' own places would forbid does not matter yet.
        let shares = self.shares(job, &[], most);
        let partials = self.partials(job, shares.splits);
        self.reduce_in_parts(job, &shares, &partials, 0)?;
        self.reduce_partials(job, &partials)
    }

    /// How the work of a job is shared out, where its ending reads and writes `views`.
    fn shares(&self, job: &ReduceJob, views: &[View], max_splits: usize) -> Shares {
        let ReduceJob { domain, walk, body, .. } = job;
        let (n, rows) = (job.outputs(), job.rows());
        let strategy = outer_or_inner(walk, &body.reads, n);
        let width = width_for(strategy, walk, domain, &body.reads, views);
        let short = rows > 0 && rows.is_multiple_of(4) && rows <= 4 * self.caps.tuning.short as usize && n >= 4;
        let vectors = strategy == Strategy::Inner && width == 4;
        let by_rows = short && vectors && body.writes.is_empty() && rows_end_alike(walk, domain, views);
        let strategy = if by_rows { Strategy::Rows } else { strategy };
        let apart = walk.reduced.last().zip(dominant(&body.reads)).map_or(0, |(&d, read)| step_along(read, d));
        let size = size(&body.reads);
        let rows = (rows, apart.saturating_mul(size));
        Shares::new(strategy, (width, size), n, rows, &self.caps.tuning, max_splits)
    }

    /// What is computed from the results of a job that reads `body`, and where it is written.
    fn ending(&self, job: &ReduceJob, body: &Emitted) -> Ending {
        let roots: Vec<Id> = job.finals.iter().map(|o| o.value).collect();
        let mut scalars = job.scalars.clone();
        let emitted = emit(self.graph, &self.stored, job.group, &roots, &mut scalars, body.reads.len());
        let first_store = body.reads.len() + emitted.reads.len();
        let code =
            Code { stores: (first_store..).zip(emitted.code.results).collect(), results: vec![], ..emitted.code };
        let targets = job.finals.iter().map(|o| o.target.view());
        let views = emitted.reads.into_iter().chain(targets).map(|view| job.over_kept(&view)).collect();
        Ending { code, views, n_stores: job.finals.len(), scalars, split: false }
    }
}
