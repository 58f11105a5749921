//! A pass that folds values over some dims of their domain.
//!
//! The dims are put in the order in which memory is walked, and told apart into three: `outer`, kept; `reduced`; and
//! `inner`, kept and walked fastest. What is folded is evaluated strip by strip and never stored. There are three ways:
//!
//! - *packed*: where `reduced × inner` fits a strip, whole blocks of it are folded strip by strip, or long rows one by one;
//! - *rows*: where `inner` is 1, and rows are longer than a strip or consist of products, each strip is folded to one
//!   value;
//! - *columns*: otherwise, strips are folded into accumulators, one for each column, walking down the rows, eight at a
//!   time.
//!
//! How the work is cut up depends on the sizes alone, and parts are put together in order, so the same input gives the
//! same bits on any number of threads.
//!
//! Each point of the domain is evaluated once, so what else is computed of the same elements is written by the way
//! (`beside.rs`).

mod columns;
mod partition;
mod rows;
mod terms;
mod worker;

use std::ops::RangeInclusive;
use std::sync::OnceLock;

use smallvec::SmallVec;

use super::bands::{Bands, reads_by_row};
use super::destination::{Destination, Outputs, are_contiguous, settle_all};
use super::fold::{FoldLoops, Kind, PairLoops, ProductLoops};
use super::frame::{Constants, Memory, constants};
use super::region::{Reading, Region, Source};
use super::scratch::with_scratch;
use super::space::{Space, Walked};
use super::strip::{Span, Strip};
use super::threads;
use crate::Shape;
use crate::base::layout::Layout;
use crate::cpu::arch::Arch;
use partition::{COLUMNS, Partition};
pub(super) use terms::{Of, Terms};
use worker::Worker;

pub(super) struct Reduce {
    /// What is folded, and then what is written beside.
    pub(super) region: Region,
    pub(super) folds: Vec<Folded>,
    pair: Option<Pair>,
    pub(super) dims: SmallVec<[usize; 4]>,
    partition: OnceLock<Partition>,
    /// Where what is written beside lies along the walk, if it is contiguous.
    row_major: OnceLock<Space>,
}

/// What folds both folds of a pass in one go, if they are of the same elements.
struct Pair {
    /// Which fold goes first, and which second.
    order: [usize; 2],
    loops: PairLoops,
}

/// One of the folds of a pass.
#[derive(Clone)]
pub(super) struct Folded {
    pub(super) loops: FoldLoops,
    /// The output of the region that is folded, or the first of two.
    pub(super) output: usize,
    /// The loops for what that output and the next one make, if it is that which is folded.
    pub(super) products: Option<ProductLoops>,
    /// The temporary for the results.
    pub(super) temp: usize,
}

impl Folded {
    /// The outputs that it folds.
    fn outputs(&self) -> RangeInclusive<usize> {
        self.output..=self.output + usize::from(self.products.is_some())
    }

    /// Whether an output is the numbers of the elements among which it looks for the smallest.
    fn is_numbered_by(&self, output: usize) -> bool {
        self.loops.kind == Kind::Place && output == self.output + 1
    }
}

impl Reduce {
    pub(super) fn new(mut region: Region, folds: Vec<Folded>, dims: SmallVec<[usize; 4]>) -> Self {
        let pair = pair(&region, &folds);
        read_by_steps(&mut region, &folds);
        Self { region, folds, pair, dims, partition: OnceLock::new(), row_major: OnceLock::new() }
    }

    /// The outputs of the region that are folded. Those after them are written beside.
    fn folded(&self) -> usize {
        folded(&self.folds)
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        let results =
            self.region.shape.numel() / self.dims.iter().map(|&d| self.region.shape[d]).product::<usize>().max(1);
        let folds: usize = self.folds.iter().map(|fold| results * fold.loops.size).sum();
        let beside = &self.region.dtypes[self.folded()..];
        let beside: usize = beside.iter().map(|dtype| self.region.shape.numel() * dtype.size()).sum();
        (self.region.shape.clone(), self.region.bytes_read() + folds + beside)
    }

    /// Has the work be shared out anew at the next run.
    pub(super) fn forget_partition(&mut self) {
        self.partition = OnceLock::new();
        self.row_major = OnceLock::new();
    }

    fn partition(&self) -> &Partition {
        self.partition.get_or_init(|| Partition::new(&self.region, &self.dims, &self.folds))
    }

    /// Where targets of the domain's shape lie along the walk.
    fn space(&self, targets: &[Layout]) -> Space {
        let outputs = targets.iter().zip(&self.region.dtypes[self.folded()..]);
        let outputs: SmallVec<[Walked<'_>; 2]> = outputs.map(|(t, dtype)| Walked::layout(t, dtype.size())).collect();
        Space::new(&self.region.shape, &self.partition().walked, &outputs)
    }

    /// The same of contiguous ones.
    pub(super) fn row_major(&self) -> &Space {
        self.row_major.get_or_init(|| {
            let layout = || Layout::contiguous(self.region.shape.clone());
            self.space(
                &self.region.outputs[self.folded()..].iter().map(|_| layout()).collect::<SmallVec<[Layout; 2]>>(),
            )
        })
    }

    /// Bytes of scratch for partial results: folds × parts × results, each with room for the widest.
    pub(super) fn parts_bytes(&self) -> usize {
        match self.partition().n_parts {
            0 | 1 => 0,
            n_parts => self.folds.len() * n_parts * self.partition().kept.numel * self.partition().wide,
        }
    }

    /// Writes the results to their temporaries, and what is written beside to `to`.
    ///
    /// Threads take pieces of work, each of which has points, results or partial results of its own; then ranges of
    /// results, whose parts they put together. So no thread writes what another reads or writes, as [`Span::new`] demands.
    pub(super) fn run(&self, to: &[Destination<'_>], memory: &Memory<'_>) {
        let partition = self.partition();
        let n_kept = partition.kept.numel;
        if n_kept == 0 {
            return;
        }
        let numel = partition.space.numel;
        if numel == 0 {
            for fold in &self.folds {
                let out = memory.temps[fold.temp].strip(0, n_kept, fold.loops.size);
                (fold.loops.middle)(Arch::new(), out, out.part(0, 0), [1, 0, n_kept]);
            }
            return;
        }
        let constants = constants(&self.region, memory);
        let custom;
        let space = if are_contiguous(to) {
            self.row_major()
        } else {
            custom = self.space(&to.iter().map(Destination::strides).collect::<SmallVec<[Layout; 2]>>());
            &custom
        };
        threads::each(partition.units(), numel, |unit| self.unit(unit, &constants, to, space, memory));
        if partition.n_parts > 1 {
            threads::each(n_kept.div_ceil(COLUMNS), n_kept * partition.n_parts, |unit| {
                let (start, end) = (unit * COLUMNS, n_kept.min((unit + 1) * COLUMNS));
                self.put_together(partition, memory, start, end - start);
            });
        }
    }

    /// Does one piece of the work. Along `space` lies what is written beside.
    pub(super) fn unit(
        &self,
        unit: usize,
        constants: &Constants,
        to: &[Destination<'_>],
        space: &Space,
        memory: &Memory<'_>,
    ) {
        let partition = self.partition();
        with_scratch(Worker::scratch_bytes(self, partition), |scratch| {
            let beside = Outputs { first: self.folded(), to, space, track: 0 };
            Worker::new(self, partition, beside, memory, scratch).run(&partition.piece(unit), constants);
        });
        settle_all(to);
    }

    /// How it shares out rows, if each piece of the work is some rows and writes their results side by side.
    pub(super) fn bands(&self) -> Option<Bands> {
        let partition = self.partition();
        let &Partition { ref space, ref kept, outer, reduced, inner, outers, n_parts, .. } = partition;
        let whole = inner == 1 && n_parts == 1 && space.numel > 0;
        let side_by_side = (0..self.folds.len()).all(|fold| kept.is_linear(fold));
        let bands = Bands { rows: outer, height: outers, width: reduced };
        (whole && side_by_side && reads_by_row(&self.region, space, reduced)).then_some(bands)
    }

    /// Folds the parts of `n` results from `start` on, in order, and stores them.
    fn put_together(&self, partition: &Partition, memory: &Memory<'_>, start: usize, n: usize) {
        let arch = Arch::new();
        with_scratch(n * partition.wide, |scratch| {
            for (i, Folded { loops, temp, .. }) in self.folds.iter().enumerate() {
                let sum = partial(memory.parts, partition, loops, [i, 0, start], n);
                for part in 1..partition.n_parts {
                    (loops.merge)(arch, sum, partial(memory.parts, partition, loops, [i, part, start], n));
                }
                let narrow = scratch.carve(0, n, loops.size);
                (loops.narrow)(arch, narrow, sum);
                partition.kept.scatter(i, start, n, memory.temps[*temp], narrow);
            }
        });
    }
}

/// The outputs that are folded.
fn folded(folds: &[Folded]) -> usize {
    folds.last().map_or(0, |fold| fold.outputs().end() + 1)
}

fn pair(region: &Region, folds: &[Folded]) -> Option<Pair> {
    let [a, b] = folds else { return None };
    let terms = |fold: &Folded| &region.outputs[fold.outputs()];
    if terms(a) != terms(b) {
        return None;
    }
    let loops = |order: [usize; 2]| {
        let loops = PairLoops::new(order.map(|fold| folds[fold].loops.kind), region.dtypes[a.output])?;
        // Of a product that is not a difference there are none.
        (loops.subtracts == a.products.is_some()).then_some(Pair { order, loops })
    };
    loops([0, 1]).or_else(|| loops([1, 0]))
}

/// Has positions that nothing but the search for the smallest reads be read by their steps.
fn read_by_steps(region: &mut Region, folds: &[Folded]) {
    for leaf in 0..region.leaves.len() {
        let computed_with = region.code.iter().any(|instruction| instruction.args.contains(&leaf));
        let mut outputs = (0..region.outputs.len()).filter(|&output| region.outputs[output] == leaf);
        let leaf = &mut region.leaves[leaf];
        if leaf.source == Source::Index
            && leaf.reading == Reading::Plain
            && !computed_with
            && outputs.all(|output| folds.iter().any(|fold| fold.is_numbered_by(output)))
        {
            leaf.reading = Reading::Steps;
        }
    }
}

/// Where the partial results of a fold and part lie, `n` of them from `result` on.
fn partial<'a>(
    parts: Span<'a>,
    partition: &Partition,
    loops: &FoldLoops,
    [fold, part, result]: [usize; 3],
    n: usize,
) -> Strip<'a> {
    let results = partition.kept.numel;
    let before = fold * partition.n_parts * results * (partition.wide / loops.acc_size);
    parts.strip((before + part * results + result) as isize, n, loops.acc_size)
}
