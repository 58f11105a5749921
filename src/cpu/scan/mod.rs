//! A pass that scans values along a dim of their domain.
//!
//! The domain is walked in row-major order, in which the results lie. Its dims are told apart into three: `outer`; `scanned`;
//! and `inner`, walked fastest. Where `inner` is 1, scans go along rows (*along*); otherwise strips are scanned down into
//! accumulators, one for each column (*down*). What is scanned is evaluated strip by strip.
//!
//! Where there are too few outer indices and blocks of columns to share out, rows are cut into parts. Whoever takes a part
//! finds its total first, waits for what the part before carries on, hands on what itself does, and then scans the part
//! again, which is in its cache by then. Threads take parts in order, so the part that is waited for is always at work.
//!
//! How the work is cut up depends on the sizes alone, so the same input gives the same bits on any number of threads.

mod loops;

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::{SmallVec, smallvec};

use self::loops::{ScanLoops, WIDE};
use super::frame::{Constants, Direct, Frame, Memory, constants, scratch_bytes, strip_len, walked};
use super::region::Region;
use super::scratch::with_scratch;
use super::space::Space;
use super::strip::Strip;
use super::threads;
use crate::Shape;
use crate::cpu::arch::Arch;
use crate::expr::graph::Fold;
use crate::expr::scan::Scan as Options;

/// Elements of a part, at least: a quarter of a second-level cache of f32s.
const CHUNK: usize = 64 * 1024;
/// Pieces of work from which on rows stay whole: parts are read twice, if once from the cache. Not the number of threads:
/// results do not depend on it.
const PIECES: usize = 8;
/// Columns walked down together: their accumulators stay in the innermost cache.
const COLUMNS: usize = 512;

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

/// The order of the walk, and how the work is cut up.
struct Partition {
    space: Space,
    outer: usize,
    scanned: usize,
    inner: usize,
    /// Elements of a strip at most.
    most: usize,
    /// Outer indices of a piece of work.
    outers: usize,
    /// Pieces of work along `inner`, and the columns of each.
    n_blocks: usize,
    columns: usize,
    /// Parts along `scanned`, and the rows of each.
    n_parts: usize,
    rows: usize,
}

/// One piece of work: part `part` of some outer indices and columns.
struct Piece {
    outer: Range<usize>,
    columns: Range<usize>,
    part: usize,
    /// In memory; a reversed scan takes the last first.
    rows: Range<usize>,
}

impl Partition {
    fn new(region: &Region, dim: usize) -> Self {
        let shape = &region.shape;
        let leaves: Vec<_> = walked(region).collect();
        let dims: SmallVec<[usize; 8]> = (0..shape.rank()).collect();
        let space = Space::new(shape, &dims, &leaves);
        let product = |sizes: &[usize]| sizes.iter().product::<usize>();
        let (outer, scanned, inner) = (product(&shape[..dim]), shape[dim], product(&shape[dim + 1..]));
        let most = strip_len(region, &space);
        let columns = inner.min(COLUMNS);
        let n_blocks = inner.div_ceil(columns.max(1));
        let n = outer * n_blocks;
        let rows = if n < PIECES { (CHUNK / columns.max(1)).clamp(1, scanned.max(1)) } else { scanned.max(1) };
        let n_parts = scanned.div_ceil(rows);
        let outers = if n_blocks * n_parts > 1 { 1 } else { (CHUNK / (scanned * inner).max(1)).max(1) };
        Self { space, outer, scanned, inner, most, outers, n_blocks, columns, n_parts, rows }
    }

    fn units(&self) -> usize {
        self.outer.div_ceil(self.outers) * self.n_blocks * self.n_parts
    }

    /// Parts of the same columns follow each other, in the order of the scan.
    fn piece(&self, unit: usize, reverse: bool) -> Piece {
        let part = unit % self.n_parts;
        let column = unit / self.n_parts % self.n_blocks * self.columns;
        let outer = unit / (self.n_parts * self.n_blocks) * self.outers;
        let (start, end) = (part * self.rows, ((part + 1) * self.rows).min(self.scanned));
        Piece {
            outer: outer..(outer + self.outers).min(self.outer),
            columns: column..(column + self.columns).min(self.inner),
            part,
            rows: if reverse { self.scanned - end..self.scanned - start } else { start..end },
        }
    }

    /// Accumulators of a piece, at most: one for each column, or for each row of a strip.
    fn accumulators(&self) -> usize {
        if self.inner == 1 { self.most } else { self.columns }
    }
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
        self.partition.get_or_init(|| Partition::new(&self.region, self.dim))
    }

    /// Bytes of scratch for what parts carry on.
    pub(super) fn parts_bytes(&self) -> usize {
        let partition = self.partition();
        if partition.n_parts == 1 { 0 } else { partition.units() * partition.columns * WIDE }
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
        let units = partition.units();
        let marks = if partition.n_parts == 1 { 0 } else { units };
        let marks: Vec<AtomicBool> = (0..marks).map(|_| AtomicBool::new(false)).collect();
        threads::each(units, partition.space.numel, |unit| {
            with_scratch(Worker::scratch_bytes(self, partition), |scratch| {
                let worker = Worker { scan: self, partition, memory, scratch, arch: Arch::new() };
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
    /// What the frame wants, then a spare strip, then accumulators.
    scratch: Strip<'a>,
    arch: Arch,
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
        frame_bytes(scan, partition) + partition.most * scan.loops.size + partition.accumulators() * WIDE
    }

    fn spare(&self, n: usize) -> Strip<'a> {
        self.scratch.carve(frame_bytes(self.scan, self.partition), n, self.scan.loops.size)
    }

    fn accumulators(&self, n: usize) -> Strip<'a> {
        let at = frame_bytes(self.scan, self.partition) + self.partition.most * self.scan.loops.size;
        self.scratch.carve(at, n, self.scan.loops.acc_size)
    }

    /// What unit `unit` carries on to the next one.
    fn carried(&self, unit: usize, n: usize) -> Strip<'a> {
        let ScanLoops { acc_size, .. } = self.scan.loops;
        self.memory.parts.strip((unit * self.partition.columns * (WIDE / acc_size)) as isize, n, acc_size)
    }

    fn run(&self, unit: usize, constants: &Constants, marks: &[AtomicBool]) {
        let Partition { ref space, most, n_parts, .. } = *self.partition;
        let mut frame = Frame::new(&self.scan.region, space, self.memory, constants, most, self.scratch);
        let piece = self.partition.piece(unit, self.scan.options.reverse);
        let loops = &self.scan.loops;
        if n_parts == 1 {
            return self.walk(&mut frame, &piece, Task::Scan);
        }
        let n = piece.columns.len();
        let acc = self.accumulators(n);
        let is_last = piece.part + 1 == n_parts;
        if is_last {
            wait_for(&marks[unit - 1]);
        } else {
            let done = Done(&marks[unit]);
            (loops.clear)(acc);
            self.walk(&mut frame, &piece, Task::Total);
            let carry = self.carried(unit, n);
            (loops.clear)(carry);
            if piece.part > 0 {
                wait_for(&marks[unit - 1]);
                (loops.merge)(self.arch, carry, self.carried(unit - 1, n));
            }
            (loops.merge)(self.arch, carry, acc);
            drop(done);
        }
        (loops.clear)(acc);
        if piece.part > 0 {
            (loops.merge)(self.arch, acc, self.carried(unit - 1, n));
        }
        // What was computed for the total is there; what only had to be read is read again.
        let computed = !is_last && !self.scan.region.code.is_empty();
        self.walk(&mut frame, &piece, if computed { Task::ScanInPlace } else { Task::Scan });
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
                self.strip(frame, outer * scanned, n * scanned, acc, task);
            }
            return;
        }
        for outer in piece.outer.clone() {
            let acc = self.accumulators(1);
            if n_parts == 1 {
                (self.scan.loops.clear)(acc);
            }
            let points = outer * scanned + piece.rows.start..outer * scanned + piece.rows.end;
            self.strips(points, |point, n| self.strip(frame, point, n, acc, task));
        }
    }

    fn down(&self, frame: &mut Frame<'a, 'm>, piece: &Piece, task: Task) {
        let Partition { scanned, inner, most, n_blocks, n_parts, .. } = *self.partition;
        let width = piece.columns.len();
        let acc = self.accumulators(width);
        for outer in piece.outer.clone() {
            if n_parts == 1 {
                (self.scan.loops.clear)(acc);
            }
            // Where rows are short, several make a strip.
            let at_once = if n_blocks == 1 { (most / inner).max(1) } else { 1 };
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
                if rows.len() * width <= most && n_blocks == 1 {
                    self.strip(frame, start, rows.len() * width, acc, task);
                } else {
                    self.strips(start..start + width, |point, n| {
                        self.strip(frame, point, n, acc.part(point - start, n), task);
                    });
                }
            }
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

    /// Takes `n` points from `point` on into accumulators: one for each row along, or for each column.
    fn strip(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, acc: Strip<'a>, task: Task) {
        let Scan { ref loops, options, temp, .. } = *self.scan;
        let out = self.memory.temps[temp].strip(point as isize, n, loops.size);
        let x = if task == Task::ScanInPlace { out } else { self.elements(frame, point, n, out, task) };
        let is_along = self.partition.inner == 1;
        match (task, is_along) {
            (Task::Total, true) => (loops.total_along)(self.arch, x, acc, options),
            (Task::Total, false) => (loops.total_down)(self.arch, x, acc, options),
            // Pieces of a row side by side would be written here and there to memory: they are put together in the cache.
            (Task::Scan, true) if acc.len() == 1 => {
                let spare = self.spare(n);
                (loops.along)(self.arch, x, spare, acc, options);
                spare.copy_to(out);
            }
            (_, true) => (loops.along)(self.arch, x, out, acc, options),
            (_, false) => (loops.down)(self.arch, x, out, acc, options),
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
