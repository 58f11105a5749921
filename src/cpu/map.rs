//! A pass that computes every element of some outputs of one shape.

use std::ops::Range;
use std::sync::OnceLock;

use smallvec::SmallVec;

use super::bands::reads_by_row;
use super::destination::{Destination, Outputs, are_contiguous, is_past_cache, settle_all};
use super::frame::{Constants, Frame, Memory, constants, scratch_bytes, strip_len, walked};
use super::region::{Call, Instruction, Leaf, Reading, Region, Source};
use super::scratch::with_scratch;
use super::space::{Space, Walked};
use super::threads;
use super::window::{Size, Window};
use crate::Shape;
use crate::base::layout::Layout;

/// Elements a thread takes at a time.
const CHUNK: usize = 64 * 1024;

pub(super) struct Map {
    pub(super) region: Region,
    /// Of an output in row-major order.
    pub(super) layout: Layout,
    /// The domain and where everything lies along it, if all outputs are contiguous.
    pub(super) space: OnceLock<Space>,
}

/// Columns that are seen at a time through a window.
const WINDOW: usize = 512;

/// Bytes of all strips where values are copied past the cache.
const STRIPS: usize = 16 * 1024;

impl Map {
    pub(super) fn new(region: Region) -> Self {
        let layout = Layout::contiguous(region.shape.clone());
        Self { region, layout, space: OnceLock::new() }
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        (self.region.shape.clone(), self.region.bytes_read() + self.region.bytes())
    }

    /// Writes its only output to a temporary.
    pub(super) fn fill(&self, temp: usize, memory: &Memory<'_>) {
        self.run(&[self.temporary(temp, memory)], memory);
    }

    /// Its only output as a temporary, in row-major order.
    pub(super) fn temporary<'a, 'm: 'a>(&'a self, temp: usize, memory: &Memory<'m>) -> Destination<'a> {
        Destination { memory: memory.temps[temp], layout: &self.layout, buffer: None, past_cache: false }
    }

    /// Writes output `i` to `to[i]`.
    ///
    /// Threads take chunks of the domain, and no target has two indices at one element. A load that touches a target
    /// reads the very element that is written there (see `Backend::run`), on the same thread. So no thread writes what
    /// another reads or writes, as [`Span::new`] demands.
    pub(super) fn run(&self, to: &[Destination<'_>], memory: &Memory<'_>) {
        let custom;
        let space = if are_contiguous(to) {
            self.row_major()
        } else {
            custom = self.space(&to.iter().map(Destination::strides).collect::<Vec<_>>());
            &custom
        };
        if space.numel == 0 {
            return;
        }
        let constants = constants(&self.region, memory);
        let columns = strip_len(&self.region, space).min(WINDOW);
        if let (Some(plane), Some(size)) = (space.plane(), Size::new(&self.region, space, columns, usize::MAX)) {
            return self.blocks(space, plane, size, to, memory, &constants);
        }
        threads::each(space.numel.div_ceil(CHUNK), space.numel, |unit| {
            self.points(space, unit * CHUNK..space.numel.min((unit + 1) * CHUNK), &constants, to, memory);
        });
    }

    /// Writes the points `points` of each output.
    fn points(
        &self,
        space: &Space,
        points: Range<usize>,
        constants: &Constants,
        to: &[Destination<'_>],
        memory: &Memory<'_>,
    ) {
        let long = self.only_chooses(space) || self.is_one_loop(space, to);
        let most = if is_past_cache(to) { self.short_strip_len(space) } else { strip_len(&self.region, space) };
        with_scratch(scratch_bytes(&self.region, space, most), |scratch| {
            let mut frame = Frame::new(&self.region, space, memory, constants, most, scratch);
            let mut point = points.start;
            while point < points.end {
                let n = if long { points.end - point } else { space.strip(point, points.end, most) };
                self.strip(&mut frame, space, to, point, n);
                point += n;
            }
        });
        settle_all(to);
    }

    /// How many elements a strip may have whose values are copied past the cache. Memory that is written must not wait long for
    /// what is read, nor the other way round: so all of a strip is half as much as the innermost cache holds. Of
    /// 8 to 32 KiB this was the quickest for each of eight maps, by up to a third.
    fn short_strip_len(&self, space: &Space) -> usize {
        let read = self.region.leaves.iter().map(|leaf| leaf.dtype.size()).sum::<usize>();
        let made = self.region.registers.max(1) * self.region.width;
        strip_len(&self.region, space).min((STRIPS / (read + made) / 64 * 64).max(64))
    }

    /// Whether it can be done by rows, of which its domain has `n`, for contiguous outputs.
    pub(super) fn has_rows(&self, n: usize) -> bool {
        let (space, region) = (self.row_major(), &self.region);
        let is_turned = (0..region.leaves.len()).any(|i| space.is_turned(i));
        // Whether an index is in bounds is looked at before anything goes by it.
        let looks = region.code.iter().any(|instruction| matches!(instruction.call, Call::Bounded(_)));
        !is_turned && !looks && space.numel.is_multiple_of(n) && reads_by_row(&self.region, space, space.numel / n)
    }

    /// Writes rows `rows`, of which the domain has `n`, of each output, all of which are contiguous.
    pub(super) fn rows(
        &self,
        rows: Range<usize>,
        n: usize,
        constants: &Constants,
        to: &[Destination<'_>],
        memory: &Memory<'_>,
    ) {
        let space = self.row_major();
        let width = space.numel / n;
        self.points(space, rows.start * width..rows.end * width, constants, to, memory);
    }

    /// The domain, if all outputs are contiguous.
    fn row_major(&self) -> &Space {
        self.space.get_or_init(|| {
            let layouts: SmallVec<[Layout; 2]> = self.region.outputs.iter().map(|_| self.layout.clone()).collect();
            self.space(&layouts)
        })
    }

    /// Whether it writes what an index chooses and nothing else, in a row. That goes from memory to memory, so a strip need
    /// not fit the cache, and the more rows it has, the further ahead they are asked for.
    fn only_chooses(&self, space: &Space) -> bool {
        let leaves = &self.region.leaves;
        self.region.code.is_empty() && leaves.iter().any(|leaf| leaf.by().is_some()) && space.is_linear(leaves.len())
    }

    /// Whether it is a copy, or one loop, from rows to rows. That goes from memory to memory, too.
    fn is_one_loop(&self, space: &Space, to: &[Destination<'_>]) -> bool {
        let Region { leaves, code, .. } = &self.region;
        let in_rows = (0..leaves.len() + to.len()).all(|track| space.is_linear(track));
        let goes_straight = |to: &Destination<'_>| match code[..] {
            [] => to.past_cache,
            [Instruction { call: Call::One(one), .. }] if to.past_cache => one.past_cache.is_some(),
            [Instruction { call: Call::One(one), .. }] => to.buffer.is_none() || one.in_place.is_some(),
            _ => false,
        };
        let in_memory = |leaf: &Leaf| leaf.reading == Reading::Plain && leaf.source != Source::Index;
        in_rows && !leaves.is_empty() && leaves.iter().all(in_memory) && to.len() == 1 && goes_straight(&to[0])
    }

    /// Walks blocks of rows, a part of their columns at a time, as a window shows leaves that lie column by column.
    fn blocks(
        &self,
        space: &Space,
        [rows, columns]: [usize; 2],
        size: Size,
        to: &[Destination<'_>],
        memory: &Memory<'_>,
        constants: &Constants,
    ) {
        let (most, height) = (size.columns, size.rows);
        let blocks = rows.div_ceil(height);
        let bytes = scratch_bytes(&self.region, space, most);
        threads::each(space.numel / (rows * columns) * blocks, space.numel, |unit| {
            with_scratch(bytes + size.bytes, |scratch| {
                let window = Window::new(&self.region, space, size, scratch.carve(bytes, size.bytes, 1));
                let mut frame = Frame::new(&self.region, space, memory, constants, most, scratch).through(window);
                let first = unit / blocks * rows + unit % blocks * height;
                for column in (0..columns).step_by(most) {
                    let n = most.min(columns - column);
                    frame.move_window(column..column + n);
                    for row in first..first + height.min(rows - unit % blocks * height) {
                        self.strip(&mut frame, space, to, row * columns + column, n);
                    }
                }
            });
            settle_all(to);
        });
    }

    /// The domain, its dims in the order in which the first target lies in memory.
    fn space(&self, targets: &[Layout]) -> Space {
        let mut dims: SmallVec<[usize; 8]> = (0..self.region.shape.rank()).collect();
        dims.sort_by_key(|&d| std::cmp::Reverse(targets[0].strides()[d].unsigned_abs()));
        let outputs = targets.iter().zip(&self.region.dtypes).map(|(t, dtype)| Walked::layout(t, dtype.size()));
        let tensors: SmallVec<[Walked<'_>; 8]> = walked(&self.region).chain(outputs).collect();
        Space::new(&self.region.shape, &dims, &tensors)
    }

    /// Evaluates and stores the strip of `n` points from `point` on.
    fn strip<'a>(
        &self,
        frame: &mut Frame<'a, '_>,
        space: &'a Space,
        to: &'a [Destination<'a>],
        point: usize,
        n: usize,
    ) {
        let outputs = Outputs { first: 0, to, space, track: self.region.leaves.len() };
        outputs.eval(&self.region, frame, point, n, []);
    }
}
