//! One launch of a reduction: where its operands lie.

use smallvec::SmallVec;

use super::shares::Shares;
use super::{Ending, ReduceJob};
use crate::base::layout::{Strides, collapse};
use crate::expr::graph::Fold;
use crate::kernel::plan::Planner;
use crate::kernel::plan::launching::Launching;
use crate::kernel::plan::view::View;
use crate::kernel::spec::{Kernel, Mode, Order, Reduce, Strategy};
use crate::kernel::uniforms::Head;
use crate::{DType, Result, Shape};

impl Planner<'_> {
    /// Launches a kernel over a whole job.
    pub(super) fn reduce_launch(&mut self, job: &ReduceJob, shares: &Shares, ending: Ending) -> Result<()> {
        let (dims, body) = (Collapsed::of(job, &ending), &job.body);
        let views: Vec<View> = body.reads.iter().chain(&ending.views).chain(&body.writes).cloned().collect();
        let n_stores = ending.n_stores + body.writes.len();
        let mut operands = self.operands(&views, views.len() - n_stores)?;
        for (i, view) in views.iter().enumerate() {
            let (kept, offset) = (&dims.kept[i], operands.offset(i, view));
            if let Some(reduced) = &dims.reduced[i] {
                let (along, across) =
                    if shares.strategy == Strategy::Outer { (kept, reduced) } else { (reduced, kept) };
                let strides = kept.iter().chain(reduced).copied().collect();
                operands.add(view, read_mode(view, shares, along, across), Order::Strided, &[(offset, strides)]);
            } else {
                let order = if ending.split { Order::Linear } else { Order::Strided };
                let mode = ending_mode(view, shares, kept, dims.kept_sizes.iter().product(), ending.split);
                operands.add(view, mode, order, &[(offset, kept.clone())]);
            }
        }

        let n = self.count(dims.kept_sizes.iter().product())?;
        let uniform_dims = self.dims(dims.kept_sizes.iter().chain(&dims.reduced_sizes))?;
        let inner = shares.strategy == Strategy::Inner;
        let n_reduced = self.count(dims.reduced_sizes.iter().product())?;
        let (mut code, writes) = (body.code.clone(), !body.writes.is_empty());
        code.stores.iter_mut().for_each(|store| store.0 += views.len() - body.writes.len());
        self.launch(Launching {
            kernel: Kernel::Reduce(Reduce {
                strategy: shares.strategy,
                lanes: shares.lanes,
                groups: shares.groups,
                at_once: self.caps.tuning.at_once,
                kept_rank: dims.kept_sizes.len(),
                reduced_rank: dims.reduced_sizes.len(),
                body: code,
                folds: job.folds.to_vec(),
                epilogue: ending.code,
                tail: if inner { writes && n_reduced % shares.width != 0 } else { n % shares.width != 0 },
                split: ending.split,
                subgroups: inner && shares.lanes > 1 && self.shuffles(shares.lanes, job.folds),
            }),
            width: shares.width,
            workgroup: shares.workgroup,
            workgroups: shares.blocks * shares.splits,
            operands,
            dims: uniform_dims,
            scalars: ending.scalars,
            head: Head {
                n,
                n_reduced,
                chunk: self.count(shares.chunk)?,
                blocks: self.count(shares.blocks)?,
                turns: self.count(shares.turns)?,
                ..Head::default()
            },
            bytes: views.iter().map(View::bytes).sum(),
        })
    }

    /// Whether so many lanes can exchange results within a subgroup.
    fn shuffles(&self, lanes: u32, folds: &[(Fold, DType)]) -> bool {
        self.caps.tuning.subgroups
            && lanes <= self.caps.subgroup
            && folds.iter().all(|fold| matches!(fold.1, DType::F32 | DType::I32))
    }
}

/// Whether a job is one launch in which each invocation writes whole words of every packed output.
pub(super) fn packs(job: &ReduceJob, shares: &Shares, ending: &Ending) -> bool {
    if shares.strategy == Strategy::Inner || shares.width != 4 || shares.splits > 1 {
        return false;
    }
    let dims = Collapsed::of(job, ending);
    let n = dims.kept_sizes.iter().product();
    let first_store = ending.views.len() - ending.n_stores;
    let mut stores = ending.views.iter().zip(&dims.kept[job.body.reads.len()..]).skip(first_store);
    stores.all(|(view, kept)| !view.is_packed() || ending_mode(view, shares, kept, n, false) == Mode::Vec)
}

/// The dims of a reduction, with those joined that all views step through as one.
struct Collapsed {
    kept_sizes: SmallVec<[usize; 8]>,
    reduced_sizes: SmallVec<[usize; 8]>,
    /// Strides over the kept dims, of what the body reads, what the ending reads and writes, and what the body writes.
    kept: Vec<Strides>,
    /// Strides over the reduced dims, where there are any.
    reduced: Vec<Option<Strides>>,
}

impl Collapsed {
    fn of(job: &ReduceJob, ending: &Ending) -> Self {
        let (n_reads, n_ending) = (job.body.reads.len(), ending.views.len());
        let over = |dims: &[usize]| -> Vec<Strides> {
            let strides = |view: &View| dims.iter().map(|&d| view.access.footprint().strides()[d]).collect();
            job.body.reads.iter().chain(&job.body.writes).map(strides).collect()
        };
        let shape = |dims: &[usize]| -> Shape { dims.iter().map(|&d| job.domain[d]).collect() };
        // Kept dims collapse over everything that is placed by them; partial results follow the walk itself.
        let mut kept = over(&job.walk.kept);
        if !ending.split {
            let strides = ending.views.iter().map(|v| Strides::from_slice(v.access.footprint().strides()));
            kept.splice(n_reads..n_reads, strides);
        }
        let (kept_sizes, mut kept) = collapse_to_some(&shape(&job.walk.kept), &kept);
        if ending.split {
            let none = Strides::from_elem(0, kept_sizes.len());
            kept.splice(n_reads..n_reads, std::iter::repeat_n(none, n_ending));
        }
        let (reduced_sizes, reduced) = collapse_to_some(&shape(&job.walk.reduced), &over(&job.walk.reduced));
        let mut reduced: Vec<Option<Strides>> = reduced.into_iter().map(Some).collect();
        reduced.splice(n_reads..n_reads, std::iter::repeat_n(None, n_ending));
        Self { kept_sizes, reduced_sizes, kept, reduced }
    }
}

/// Collapsed dims, at least one: no dims at all are one of size 1.
pub(in crate::kernel::plan) fn collapse_to_some(
    shape: &Shape,
    strides: &[Strides],
) -> (SmallVec<[usize; 8]>, Vec<Strides>) {
    let (mut sizes, mut strides) = collapse(shape, &strides.iter().map(|s| &s[..]).collect::<Vec<_>>());
    if sizes.is_empty() {
        sizes.push(1);
        strides.iter_mut().for_each(|s| s.push(0));
    }
    (sizes, strides)
}

/// Whether groups of four may begin only where a vector of four may: the last stride is 1, the others whole vectors.
fn in_vectors(strides: &[isize]) -> bool {
    strides.split_last().is_some_and(|(&inner, outer)| inner == 1 && outer.iter().all(|s| s % 4 == 0))
}

pub(in crate::kernel::plan) fn may_be_vector(view: &View) -> bool {
    view.dtype.size() < 8 && view.access.footprint().offset().is_multiple_of(4)
}

/// The mode of a view that is reduced: `along` are its strides over the dims that groups lie along, `across` over the
/// others.
pub(in crate::kernel::plan) fn read_mode(view: &View, shares: &Shares, along: &[isize], across: &[isize]) -> Mode {
    let aligned = may_be_vector(view) && in_vectors(along) && across.iter().all(|s| s % 4 == 0);
    match shares.width {
        1 => Mode::Step,
        _ if aligned => Mode::Vec,
        _ if along[along.len() - 1] == 0 => Mode::Splat,
        _ => Mode::Step,
    }
}

/// The mode of a view that an ending over `n` outputs reads or writes.
fn ending_mode(view: &View, shares: &Shares, kept: &[isize], n: usize, split: bool) -> Mode {
    let aligned = may_be_vector(view) && n.is_multiple_of(4) && (split || in_vectors(kept));
    match (shares.strategy, shares.width) {
        // One output a row: every component is that row's.
        (Strategy::Inner, _) => Mode::Splat,
        (Strategy::Outer | Strategy::Rows, 1) => Mode::Step,
        _ if aligned => Mode::Vec,
        _ if kept[kept.len() - 1] == 0 && !split => Mode::Splat,
        _ => Mode::Step,
    }
}
