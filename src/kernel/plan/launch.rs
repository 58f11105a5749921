//! One launch of a reduction: which kernel, how wide, where everything lies.

use smallvec::SmallVec;

use super::Planner;
use super::map::{bind, bytes_touched};
use super::reduce::Walk;
use super::region::{Emitted, Numbers, Read};
use super::shares::Shares;
use crate::expr::graph::Fold;
use crate::kernel::spec::{Code, Kernel, Mode, Operand, Order, Spec};
use crate::kernel::uniform::Head;
use crate::layout::{Strides, collapse};
use crate::{DType, Result, Shape};

/// One walk over a domain.
pub(super) struct Pass {
    pub(super) kernel: Kernel,
    pub(super) width: u32,
    pub(super) domain: Shape,
    pub(super) walk: Walk,
    pub(super) body: Emitted,
    pub(super) folds: Vec<(Fold, DType)>,
    pub(super) shares: Shares,
}

/// What becomes of its results.
pub(super) struct Ending {
    pub(super) code: Code,
    /// What the code reads, then the `n_stores` views it writes, over the kept dims as they are walked.
    pub(super) views: Vec<Read>,
    pub(super) n_stores: usize,
    /// The numbers of the body and of the ending.
    pub(super) numbers: Numbers,
    /// Whether the results are partial, and lie split by split.
    pub(super) split: bool,
}

impl Planner<'_> {
    pub(super) fn reduce_launch(&mut self, pass: &Pass, ending: Ending) -> Result<()> {
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
            let (along, across): (&Strides, &Strides) = if kernel == Kernel::ReduceOuter { (k, r) } else { (r, k) };
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
            groups: shares.groups,
            at_once: self.caps.tuning.at_once,
            kept_rank,
            reduced_rank,
            bindings,
            operands,
            n_scalars: numbers.words,
            body: body.code.clone(),
            folds: folds.clone(),
            epilogue,
            tail: kernel != Kernel::ReduceInner && n % width != 0,
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
            turns: self.count(shares.turns)?,
            ..Head::default()
        };
        let dims = self.dims(&kept_sizes.iter().chain(&reduced_sizes).copied().collect::<Vec<_>>())?;
        self.push(spec, windows.list, head, &dims, &table, numbers, grid, bytes)
    }

    /// Whether so many lanes can exchange results within a subgroup.
    fn shuffles(&self, lanes: u32, folds: &[(Fold, DType)]) -> bool {
        self.caps.tuning.subgroups
            && lanes <= self.caps.subgroup
            && folds.iter().all(|fold| matches!(fold.1, DType::F32 | DType::I32))
    }
}

/// The view that touches most memory.
pub(super) fn dominant(reads: &[Read]) -> Option<&Read> {
    reads.iter().max_by_key(|r| bytes_touched(r))
}

/// How far apart a view's neighbours along a dim lie; a broadcast dim counts as the farthest.
pub(super) fn step_along(read: &Read, dim: usize) -> usize {
    match read.access.footprint().strides()[dim].unsigned_abs() {
        0 => usize::MAX,
        step => step,
    }
}

/// Outer if what is kept lies closest together in memory, inner if what is reduced does.
pub(super) fn kernel_for(walk: &Walk, reads: &[Read], n: usize) -> Kernel {
    if n == 1 {
        return Kernel::ReduceInner;
    }
    let Some(read) = dominant(reads) else { return Kernel::ReduceOuter };
    let step = |dims: &[usize]| dims.last().map_or(usize::MAX, |&d| step_along(read, d));
    if step(&walk.reduced) < step(&walk.kept) { Kernel::ReduceInner } else { Kernel::ReduceOuter }
}

/// Elements an invocation takes at a step. `views` are what an epilogue reads and writes, over the kept dims in the
/// order they are walked.
pub(super) fn width_for(kernel: Kernel, walk: &Walk, domain: &Shape, reads: &[Read], views: &[Read]) -> u32 {
    let along = match kernel {
        Kernel::ReduceInner => &walk.reduced,
        _ => &walk.kept,
    };
    let Some(&inner) = along.last() else { return 1 };
    // Groups of four must not run over the end of a row, unless the row is all there is and its end is masked.
    let of_read = |r: &Read| along.iter().map(|&d| r.access.footprint().strides()[d]).collect::<Strides>();
    let joined = reads.iter().all(|r| step_as_one(along, domain, &of_read(r)))
        && (kernel == Kernel::ReduceInner || views.iter().all(|v| ending_steps_as_one(walk, domain, v)));
    let whole: usize = along.iter().map(|&d| domain[d]).product();
    let run = if joined { whole } else { domain[inner] };
    let fits = run % 4 == 0 || kernel == Kernel::ReduceInner && joined && run >= 16;
    let pays =
        reads.iter().any(|r| r.slot.is_some() && r.dtype != DType::F64 && r.access.footprint().strides()[inner] == 1);
    if fits && pays { 4 } else { 1 }
}

/// Whether dims are stepped through as if they were one.
fn step_as_one(dims: &[usize], domain: &Shape, strides: &[isize]) -> bool {
    strides.windows(2).zip(&dims[1..]).all(|(s, &next)| s[0] == s[1] * domain[next] as isize)
}

/// The same of what an epilogue reads or writes.
fn ending_steps_as_one(walk: &Walk, domain: &Shape, view: &Read) -> bool {
    step_as_one(&walk.kept, domain, view.access.footprint().strides())
}

/// Whether what becomes of four neighbouring rows can be read and written as one vector.
pub(super) fn rows_end_alike(walk: &Walk, domain: &Shape, views: &[Read]) -> bool {
    walk.kept.last().is_some_and(|&d| domain[d].is_multiple_of(4))
        || views.iter().all(|v| ending_steps_as_one(walk, domain, v))
}

/// Collapsed dims, at least one: no dims at all are one of size 1.
pub(super) fn collapse_to_some(shape: &Shape, strides: &[Strides]) -> (SmallVec<[usize; 8]>, Vec<Strides>) {
    let (mut sizes, mut strides) = collapse(shape, &strides.iter().map(|s| &s[..]).collect::<Vec<_>>());
    if sizes.is_empty() {
        sizes.push(1);
        strides.iter_mut().for_each(|s| s.push(0));
    }
    (sizes, strides)
}
