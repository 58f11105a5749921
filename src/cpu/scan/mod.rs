//! A pass that scans values along a dim of their domain.
//!
//! The domain is walked in row-major order, in which the results lie. Its dims are told apart into three: `outer`; `scanned`;
//! and `inner`, walked fastest. Where `inner` is 1, scans go along rows (*along*); otherwise strips are scanned down into
//! accumulators, one for each column (*down*). What is scanned is evaluated strip by strip.
//!
//! Where there are too few outer indices and blocks of columns to share out, rows are cut into parts. Whoever takes a part
//! finds its total first, waits for what the part before carries on, hands on what itself does, and then scans the part
//! again, which is in its cache by then. Threads take parts in order, so the part that is waited for is always at work.
//! A thread that is alone has what the part before carries on already, and finds the total by the way.
//!
//! How the work is cut up depends on the sizes alone, so the same input gives the same bits on any number of threads.

mod blocks;
mod down;
mod loops;
mod partition;
#[cfg(target_arch = "x86_64")]
mod sums;

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::{SmallVec, smallvec};

use self::down::{ROWS, Rows};
use self::loops::{ScanLoops, WIDE};
use self::partition::{Partition, Piece};
use super::frame::{Constants, Direct, Frame, Memory, constants, scratch_bytes};
use super::lines::settle;
use super::map::PAST_CACHE;
use super::region::Region;
use super::scratch::with_scratch;
use super::strip::Strip;
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

/// What says that a part's carry is there. Also where its thread gives up, so that nobody waits for ever.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn wait_for(done: &AtomicBool) {
    let mut turns = 0_u32;
    while !done.load(Ordering::Acquire) {
        turns += 1;
        if turns < 64 { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
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
        let is_alone = threads::is_alone(partition.space.numel);
        let past_cache = partition.space.numel * self.loops.size >= PAST_CACHE;
        let units = partition.units();
        let marks = if partition.n_parts == 1 { 0 } else { units };
        let marks: Vec<AtomicBool> = (0..marks).map(|_| AtomicBool::new(false)).collect();
        threads::each(units, partition.space.numel, |unit| {
            with_scratch(Worker::scratch_bytes(self, partition), |scratch| {
                let worker = Worker { scan: self, partition, memory, scratch, arch: Arch::new(), is_alone, past_cache };
                worker.run(unit, &constants, &marks);
            });
        });
    }
}

/// One thread's share of a scan.
struct Worker<'a, 'm> {
    scan: &'a Scan,
    partition: &'a Partition,
    memory: &'a Memory<'m>,
    /// What the frame wants, then spare strips, then accumulators, then what results are joined to.
    scratch: Strip<'a>,
    arch: Arch,
    /// Whether no other thread takes part.
    is_alone: bool,
    /// Whether results are written past the cache where that is quicker.
    past_cache: bool,
}

/// What is done with a strip of elements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Only their total is wanted. What was computed is left where the results belong.
    Total,
    Scan,
    /// The elements lie where the results belong.
    ScanInPlace,
}

impl<'a, 'm: 'a> Worker<'a, 'm> {
    fn scratch_bytes(scan: &Scan, partition: &Partition) -> usize {
        frame_bytes(scan, partition) + spare(partition) * scan.loops.size + 2 * partition.accumulators() * WIDE
    }

    fn spare(&self, n: usize) -> Strip<'a> {
        self.scratch.carve(frame_bytes(self.scan, self.partition), n, self.scan.loops.size)
    }

    fn accumulators(&self, n: usize) -> Strip<'a> {
        let at = frame_bytes(self.scan, self.partition) + spare(self.partition) * self.scan.loops.size;
        self.scratch.carve(at, n, self.scan.loops.acc_size)
    }

    /// What results are joined to.
    fn start(&self, n: usize) -> Strip<'a> {
        let at = frame_bytes(self.scan, self.partition) + spare(self.partition) * self.scan.loops.size;
        self.scratch.carve(at + self.partition.accumulators() * WIDE, n, self.scan.loops.acc_size)
    }

    /// What unit `unit` carries on to the next one.
    fn carried(&self, unit: usize, n: usize) -> Strip<'a> {
        self.memory.parts.strip((unit * self.partition.columns) as isize, n, self.scan.loops.acc_size)
    }

    fn run(&self, unit: usize, constants: &Constants, marks: &[AtomicBool]) {
        let Partition { ref space, most, n_parts, .. } = *self.partition;
        let mut frame = Frame::new(&self.scan.region, space, self.memory, constants, most, self.scratch);
        let piece = self.partition.piece(unit, self.scan.options.reverse);
        let loops = &self.scan.loops;
        let n = piece.columns.len();
        let (acc, start) = (self.accumulators(n), self.start(n));
        (loops.clear)(start);
        if n_parts == 1 {
            self.walk(&mut frame, &piece, Task::Scan);
            return self.settle();
        }
        let is_last = piece.part + 1 == n_parts;
        let joined = loops.total_by_the_way[usize::from(self.partition.inner == 1)];
        let by_the_way = self.is_alone && joined;
        let mut done = Some(Done(&marks[unit]));
        // Joins what the parts before come to to `to`.
        let before = |to| {
            if piece.part > 0 {
                wait_for(&marks[unit - 1]);
                (loops.merge)(self.arch, to, self.carried(unit - 1, n));
            }
        };
        let carry_on = || {
            let carry = self.carried(unit, n);
            (loops.clear)(carry);
            before(carry);
            (loops.merge)(self.arch, carry, acc);
        };
        if !is_last && !by_the_way {
            (loops.clear)(acc);
            self.walk(&mut frame, &piece, Task::Total);
            carry_on();
            done = None;
        }
        (loops.clear)(acc);
        before(if joined { start } else { acc });
        // What was computed for the total is there; what only had to be read is read again.
        let computed = !is_last && !by_the_way && !self.scan.region.code.is_empty();
        self.walk(&mut frame, &piece, if computed { Task::ScanInPlace } else { Task::Scan });
        if !is_last && by_the_way {
            carry_on();
        }
        drop(done);
        self.settle();
    }

    /// Has results written that went past the cache.
    fn settle(&self) {
        if self.past_cache {
            settle();
        }
    }

    /// Takes a piece from its first row to its last.
    fn walk(&self, frame: &mut Frame<'a, 'm>, piece: &Piece, task: Task) {
        if self.partition.inner == 1 { self.along(frame, piece, task) } else { self.down(frame, piece, task) }
    }

    fn along(&self, frame: &mut Frame<'a, 'm>, piece: &Piece, task: Task) {
        let Partition { scanned, most, n_parts, .. } = *self.partition;
        if n_parts == 1 && scanned <= most / 2 {
            // Short rows, several in a strip.
            let at_once = most / scanned.max(1);
            for outer in piece.outer.clone().step_by(at_once) {
                let n = at_once.min(piece.outer.end - outer);
                let acc = self.accumulators(n);
                (self.scan.loops.clear)(acc);
                self.strip(frame, outer * scanned, n * scanned, 0, acc, task);
            }
            return;
        }
        for outer in piece.outer.clone() {
            let acc = self.accumulators(1);
            if n_parts == 1 {
                (self.scan.loops.clear)(acc);
            }
            let points = outer * scanned + piece.rows.start..outer * scanned + piece.rows.end;
            self.strips(points, |point, n| self.strip(frame, point, n, 0, acc, task));
        }
    }

    fn down(&self, frame: &mut Frame<'a, 'm>, piece: &Piece, task: Task) {
        let Partition { scanned, inner, most, lies, n_blocks, n_parts, .. } = *self.partition;
        let width = piece.columns.len();
        let acc = self.accumulators(width);
        for outer in piece.outer.clone() {
            if n_parts == 1 {
                (self.scan.loops.clear)(acc);
            }
            // Where rows are short, or lie in memory as they are, several make a strip.
            let in_most = (most / inner).max(1);
            let at_once = if lies {
                in_most.max(ROWS)
            } else if n_blocks == 1 {
                in_most
            } else {
                1
            };
            let n_strips = piece.rows.len().div_ceil(at_once);
            for strip in 0..n_strips {
                let rows = if self.scan.options.reverse {
                    let end = piece.rows.end - strip * at_once;
                    end.saturating_sub(at_once).max(piece.rows.start)..end
                } else {
                    let start = piece.rows.start + strip * at_once;
                    start..(start + at_once).min(piece.rows.end)
                };
                let start = (outer * scanned + rows.start) * inner + piece.columns.start;
                if lies {
                    self.rows(frame, start, rows.len(), acc, task);
                } else if rows.len() * width <= most && n_blocks == 1 {
                    self.strip(frame, start, rows.len() * width, 0, acc, task);
                } else {
                    self.strips(start..start + width, |point, n| {
                        self.strip(frame, point, n, point - start, acc.part(point - start, n), task);
                    });
                }
            }
        }
    }

    /// Takes `n` rows from `point` on, which lie in memory as they are, into accumulators.
    fn rows(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, acc: Strip<'a>, task: Task) {
        let Scan { ref loops, options, temp, .. } = *self.scan;
        let (width, step) = (acc.len(), self.partition.inner);
        let all = (n - 1) * step + width;
        frame.eval(point, all, &[]);
        let x = Rows { strip: frame.output(0), step };
        if task == Task::Total {
            return (loops.total_down)(self.arch, x, acc, options);
        }
        let out = self.memory.temps[temp].strip(point as isize, all, loops.size);
        let start = self.start(width);
        if !self.past_cache {
            return (loops.down)(self.arch, x, Rows { strip: out, step }, acc, start, options);
        }
        let spare = self.spare(n * width);
        (loops.down)(self.arch, x, Rows { strip: spare, step: width }, acc, start, options);
        for row in 0..n {
            spare.part(row * width, width).copy_past_cache(out.part(row * step, width));
        }
    }

    /// Calls `f` with the strips of some points, in the order of the scan.
    fn strips(&self, points: Range<usize>, mut f: impl FnMut(usize, usize)) {
        let Partition { ref space, most, .. } = *self.partition;
        let mut strips: SmallVec<[(usize, usize); 16]> = smallvec![];
        let mut point = points.start;
        while point < points.end {
            let n = space.strip(point, points.end, most);
            strips.push((point, n));
            point += n;
        }
        if self.scan.options.reverse {
            strips.reverse();
        }
        strips.into_iter().for_each(|(point, n)| f(point, n));
    }

    /// Takes `n` points from `point` on into accumulators: one for each row along, or for each column from `column` on.
    fn strip(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, column: usize, acc: Strip<'a>, task: Task) {
        let Scan { ref loops, options, temp, .. } = *self.scan;
        let out = self.memory.temps[temp].strip(point as isize, n, loops.size);
        let x = if task == Task::ScanInPlace { out } else { self.elements(frame, point, n, out, task) };
        if self.partition.inner == 1 {
            let start = self.start(1);
            match task {
                Task::Total => (loops.total_along)(self.arch, x, acc, options),
                // Pieces of a row side by side would be written here and there to memory: they are put together in the cache.
                Task::Scan if acc.len() == 1 && !loops.total_by_the_way[1] => {
                    let spare = self.spare(n);
                    (loops.along)(self.arch, x, spare, acc, start, options);
                    spare.copy_to(out);
                }
                Task::Scan | Task::ScanInPlace => (loops.along)(self.arch, x, out, acc, start, options),
            }
            return;
        }
        let [x, out] = [x, out].map(|strip| Rows { strip, step: acc.len() });
        if task == Task::Total {
            (loops.total_down)(self.arch, x, acc, options);
        } else {
            let start = self.start(column + acc.len()).part(column, acc.len());
            (loops.down)(self.arch, x, out, acc, start, options);
        }
    }

    /// The elements of a strip, in a row.
    fn elements(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, out: Strip<'a>, task: Task) -> Strip<'a> {
        let at = (task == Task::Total).then_some(out);
        frame.eval(point, n, &[Direct { at, last_read: None, past_cache: false }]);
        let value = frame.output(0);
        if value.len() == n && (at.is_none() || self.scan.region.code.is_empty() || value.is(out)) {
            return value;
        }
        let to = at.unwrap_or_else(|| self.spare(n));
        if value.len() == n {
            value.copy_to(to);
        } else {
            (self.scan.loops.spread)(to, value);
        }
        to
    }
}

fn frame_bytes(scan: &Scan, partition: &Partition) -> usize {
    scratch_bytes(&scan.region, &partition.space, partition.most)
}

/// Elements of the spare strips.
fn spare(partition: &Partition) -> usize {
    partition.most.max(if partition.lies { ROWS * partition.columns } else { 0 })
}
