//! One thread's share of a scan: pieces of the domain, strip by strip.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::{SmallVec, smallvec};

use super::Scan;
use super::down::{ROWS, Rows};
use super::loops::WIDE;
use super::partition::{Partition, Piece};
use crate::cpu::arch::Arch;
use crate::cpu::frame::{Constants, Direct, Frame, Memory, scratch_bytes};
use crate::cpu::lines::{LINE, settle};
use crate::cpu::strip::Strip;

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

/// One thread's share of a scan.
pub(super) struct Worker<'a, 'm> {
    pub(super) scan: &'a Scan,
    pub(super) partition: &'a Partition,
    pub(super) memory: &'a Memory<'m>,
    /// What the frame wants, then spare strips, then accumulators, then what results are joined to.
    pub(super) scratch: Strip<'a>,
    pub(super) arch: Arch,
    /// Whether no other thread takes parts of the same columns.
    pub(super) is_alone: bool,
    /// Whether results are written past the cache where that is quicker.
    pub(super) past_cache: bool,
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
    pub(super) fn scratch_bytes(scan: &Scan, partition: &Partition) -> usize {
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

    pub(super) fn run(&self, unit: usize, constants: &Constants, marks: &[AtomicBool]) {
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
        let gathered = self.partition.gathered();
        for outer in piece.outer.clone() {
            if n_parts == 1 {
                (self.scan.loops.clear)(acc);
            }
            // Where rows are short, or lie in memory as they are, several make a strip.
            let in_most = (most / inner).max(1);
            let at_once = match n_blocks {
                _ if lies => in_most.max(ROWS),
                1 => in_most,
                _ if gathered => ROWS,
                _ => 1,
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
                if lies || gathered {
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

    /// Takes `n` rows from `point` on into accumulators, one for each column.
    fn rows(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, acc: Strip<'a>, task: Task) {
        let Scan { ref loops, options, temp, .. } = *self.scan;
        let (width, step) = (acc.len(), self.partition.inner);
        let all = (n - 1) * step + width;
        let out = Rows { strip: self.memory.temps[temp].strip(point as isize, all, loops.size), step };
        let x = match task {
            _ if self.partition.lies => {
                frame.eval(point, all, &[]);
                Rows { strip: frame.output(0), step }
            }
            Task::ScanInPlace => out,
            // What is computed is left where it belongs, or put together in the cache.
            Task::Total => self.computed(frame, point, n, out, width),
            Task::Scan => {
                // The first spare rows are for results.
                let strip = self.spare(2 * ROWS * width).part(ROWS * width, n * width);
                self.computed(frame, point, n, Rows { strip, step: width }, width)
            }
        };
        if task == Task::Total {
            return (loops.total_down)(self.arch, x, acc, options);
        }
        let start = self.start(width);
        if !self.past_cache || task == Task::ScanInPlace {
            return (loops.down)(self.arch, x, out, acc, start, options);
        }
        if is_lines(out.strip, loops.size, &[width, step]) {
            return (loops.down_past_cache)(self.arch, x, out, acc, start, options);
        }
        let spare = self.spare(n * width);
        (loops.down)(self.arch, x, Rows { strip: spare, step: width }, acc, start, options);
        for row in 0..n {
            spare.part(row * width, width).copy_past_cache(out.strip.part(row * step, width));
        }
    }

    /// Computes `n` rows from `point` on.
    fn computed(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, to: Rows<'a>, width: usize) -> Rows<'a> {
        for row in 0..n {
            let (first, to) = (point + row * self.partition.inner, to.strip.part(row * to.step, width));
            self.strips(first..first + width, |point, n| {
                self.compute(frame, point, n, to.part(point - first, n));
            });
        }
        to
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
            let past_cache = self.past_cache && task == Task::Scan;
            let direct = loops.along_past_cache.filter(|_| past_cache);
            // Pieces of a row side by side would be written here and there to memory: they are put together in the cache.
            let in_pieces = task == Task::Scan && acc.len() == 1 && !loops.total_by_the_way[1];
            if task == Task::Total {
                (loops.total_along)(self.arch, x, acc, options);
            } else if let Some(along) = direct {
                along(self.arch, x, out, acc, start, options);
            } else if past_cache || in_pieces {
                let spare = self.spare(n);
                (loops.along)(self.arch, x, spare, acc, start, options);
                if past_cache { spare.copy_past_cache(out) } else { spare.copy_to(out) }
            } else {
                (loops.along)(self.arch, x, out, acc, start, options);
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
        if task == Task::Total && !self.scan.region.code.is_empty() {
            self.compute(frame, point, n, out);
            return out;
        }
        frame.eval(point, n, &[Direct { at: None, last_read: None, past_cache: false }]);
        let value = frame.output(0);
        if value.len() == n {
            return value;
        }
        let spare = self.spare(n);
        (self.scan.loops.spread)(spare, value);
        spare
    }

    /// Computes a strip where it is wanted.
    fn compute(&self, frame: &mut Frame<'a, 'm>, point: usize, n: usize, to: Strip<'a>) {
        frame.eval(point, n, &[Direct { at: Some(to), last_read: None, past_cache: false }]);
        let value = frame.output(0);
        if value.is(to) {
            return;
        }
        if value.len() == n {
            value.copy_to(to);
        } else {
            (self.scan.loops.spread)(to, value);
        }
    }
}

/// Whether rows of so many elements of `size` bytes, which make up `out`, begin a cache line and are whole ones.
fn is_lines(out: Strip<'_>, size: usize, rows: &[usize]) -> bool {
    out.begins_line() && rows.iter().all(|n| (n * size).is_multiple_of(LINE))
}

fn frame_bytes(scan: &Scan, partition: &Partition) -> usize {
    scratch_bytes(&scan.region, &partition.space, partition.most)
}

/// Elements of the spare strips.
fn spare(partition: &Partition) -> usize {
    let rows = if partition.gathered() {
        2 * ROWS
    } else if partition.lies {
        ROWS
    } else {
        0
    };
    partition.most.max(rows * partition.columns)
}
