//! A pass that scans values along a dim of their domain.
//!
//! The domain is walked in row-major order, in which the results lie. Its dims are told apart into three: `outer`; `scanned`;
//! and `inner`, walked fastest. Where `inner` is 1, scans go along rows (*along*); otherwise strips are scanned down into
//! accumulators, one for each column (*down*). What is scanned is evaluated strip by strip.
//!
//! Where there are too few outer indices and blocks of columns to share out, rows are cut into parts. Whoever takes a part
//! finds its total first, waits for what the part before carries on, hands on what itself does, and then scans the part
//! again, which is in its cache by then. Threads take parts in order, so the part that is waited for is always at work.
//! A thread that is alone, or takes all parts of some columns, has what the part before carries on already, and finds the total
//! by the way.
//!
//! How the work is cut up depends on the sizes alone, so the same input gives the same bits on any number of threads.

mod along;
mod blocks;
mod down;
mod join;
mod loops;
mod partition;
#[cfg(target_arch = "x86_64")]
mod sums;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod wide;
mod worker;

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use self::loops::ScanLoops;
use self::partition::Partition;
use self::worker::Worker;
use super::destination::PAST_CACHE;
use super::frame::{Memory, constants};
use super::region::Region;
use super::scratch::with_scratch;
use super::threads;
use crate::Shape;
use crate::cpu::arch::Arch;
use crate::expr::graph::Fold;
use crate::expr::scan::Scan as Options;

/// A scan of a region with one output.
pub(super) struct Scan {
    pub(super) region: Region,
    loops: ScanLoops,
    dim: usize,
    options: Options,
    /// The temporary for the results, in row-major order.
    temp: usize,
    partition: OnceLock<Partition>,
}

impl Scan {
    /// The scan of the one output of `region`, or `None` where there is none of this fold and dtype.
    pub(super) fn new(region: Region, fold: Fold, dim: usize, options: Options, temp: usize) -> Option<Self> {
        let loops = ScanLoops::new(fold, region.dtypes[0])?;
        Some(Self { region, loops, dim, options, temp, partition: OnceLock::new() })
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        (self.region.shape.clone(), self.region.bytes_read() + self.region.bytes())
    }

    fn partition(&self) -> &Partition {
        self.partition.get_or_init(|| Partition::new(&self.region, self.dim, &self.loops))
    }

    /// Bytes of scratch for what parts carry on.
    pub(super) fn parts_bytes(&self) -> usize {
        let partition = self.partition();
        if partition.n_parts == 1 { 0 } else { partition.units() * partition.columns * self.loops.acc_size }
    }

    /// Writes the results to their temporary.
    ///
    /// Threads take pieces of work, each of which has results of its own. What a part carries on is written before its mark
    /// is set, and read after it was seen. So no thread writes what another reads or writes, as [`Span::new`] demands.
    ///
    /// [`Span::new`]: super::strip::Span::new
    pub(super) fn run(&self, memory: &Memory<'_>) {
        let partition = self.partition();
        if partition.space.numel == 0 {
            return;
        }
        let constants = constants(&self.region, memory);
        let past_cache = partition.space.numel * self.loops.size >= PAST_CACHE;
        let units = partition.units();
        let marks = if partition.n_parts == 1 { 0 } else { units };
        let marks: Vec<AtomicBool> = (0..marks).map(|_| AtomicBool::new(false)).collect();
        // Where threads can share out all parts of some columns evenly, none waits, and each reads once.
        let is_alone = threads::is_alone(partition.space.numel);
        let whole = !is_alone && (units / partition.n_parts).is_multiple_of(threads::count());
        let is_alone = is_alone || whole;
        let at_once = if whole { partition.n_parts } else { 1 };
        threads::each(units / at_once, partition.space.numel, |turn| {
            with_scratch(Worker::scratch_bytes(self, partition), |scratch| {
                let worker = Worker { scan: self, partition, memory, scratch, arch: Arch::new(), is_alone, past_cache };
                for unit in turn * at_once..(turn + 1) * at_once {
                    worker.run(unit, &constants, &marks);
                }
            });
        });
    }
}
