//! A pass that computes every element of some outputs of one shape.

use std::sync::OnceLock;

use smallvec::SmallVec;

use super::frame::{Constants, Direct, Frame, Memory, PANEL, constants, scratch_bytes, strip_len, walked};
use super::region::Region;
use super::scratch::with_scratch;
use super::space::{Space, Walked};
use super::strip::Span;
use super::threads;
use crate::Shape;
use crate::base::layout::Layout;

/// Elements a thread takes at a time.
const CHUNK: usize = 64 * 1024;

pub(super) struct Map {
    pub(super) region: Region,
    /// The domain and where everything lies along it, if all outputs are contiguous.
    space: OnceLock<Space>,
}

/// Where an output goes.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    /// The memory it is written to, positions counted from its first element.
    pub(super) memory: Span<'a>,
    /// Its shape and strides.
    pub(super) layout: &'a Layout,
    /// Index in `Graph::buffers` of the buffer written to, if the graph also reads it.
    pub(super) buffer: Option<usize>,
}

impl Map {
    pub(super) fn new(region: Region) -> Self {
        Self { region, space: OnceLock::new() }
    }

    /// The shape it walks, and the bytes it must read and write.
    pub(super) fn traffic(&self) -> (Shape, usize) {
        (self.region.shape.clone(), self.region.bytes_read() + self.region.bytes())
    }

    /// Writes its only output to a temporary, in row-major order.
    pub(super) fn fill(&self, temp: usize, memory: &Memory<'_>) {
        let layout = Layout::contiguous(self.region.shape.clone());
        self.run(&[Destination { memory: memory.temps[temp], layout: &layout, buffer: None }], memory);
    }

    /// Writes output `i` to `to[i]`.
    ///
    /// Threads take chunks of the domain, and no target has two indices at one element. A load that touches a target
    /// reads the very element that is written there (see `Backend::run`), on the same thread. So no thread writes what
    /// another reads or writes, as [`Span::new`] demands.
    pub(super) fn run(&self, to: &[Destination<'_>], memory: &Memory<'_>) {
        let custom;
        let layouts = to.iter().map(|to| to.layout);
        let space = if layouts.clone().all(Layout::is_contiguous) {
            self.space.get_or_init(|| {
                let layout = Layout::contiguous(self.region.shape.clone());
                self.space(&vec![layout; to.len()])
            })
        } else {
            // Positions are counted from where targets begin, so offsets are left out here.
            let strides = |l: &Layout| Layout::new(l.shape().clone(), l.strides().into(), 0);
            custom = self.space(&layouts.map(strides).collect::<Vec<_>>());
            &custom
        };
        if space.numel == 0 {
            return;
        }
        let constants = constants(&self.region, memory);
        let most = strip_len(&self.region, space);
        let mut leaves = 0..self.region.leaves.len();
        if let Some(plane) = space.plane()
            && leaves.any(|i| space.is_turned(i))
        {
            return self.panels(space, plane, to, memory, &constants, most);
        }
        let long = self.only_chooses(space);
        let units = space.numel.div_ceil(CHUNK);
        threads::each(units, space.numel, |unit| {
            with_scratch(scratch_bytes(&self.region, space, most), |scratch| {
                let mut frame = Frame::new(&self.region, space, memory, &constants, most, scratch);
                let (mut point, end) = (unit * CHUNK, space.numel.min((unit + 1) * CHUNK));
                while point < end {
                    let n = if long { end - point } else { space.strip(point, end, most) };
                    self.strip(&mut frame, space, to, point, n);
                    point += n;
                }
            });
        });
    }

    /// Whether it writes what an index chooses and nothing else, in a row. That goes from memory to memory, so a strip need
    /// not fit the cache, and the more rows it has, the further ahead they are asked for.
    fn only_chooses(&self, space: &Space) -> bool {
        let leaves = &self.region.leaves;
        self.region.code.is_empty() && leaves.iter().any(|leaf| leaf.by().is_some()) && space.is_linear(leaves.len())
    }

    /// Walks blocks of rows. Leaves that lie in memory column by column are gathered for a whole block at once.
    fn panels(
        &self,
        space: &Space,
        [rows, columns]: [usize; 2],
        to: &[Destination<'_>],
        memory: &Memory<'_>,
        constants: &Constants,
        most: usize,
    ) {
        let most = most.min(256);
        let blocks = rows.div_ceil(PANEL);
        let bytes =
            scratch_bytes(&self.region, space, most) + self.region.leaves.len() * PANEL * most * self.region.width;
        threads::each(space.numel / (rows * columns) * blocks, space.numel, |unit| {
            with_scratch(bytes, |scratch| {
                let mut frame = Frame::new(&self.region, space, memory, constants, most, scratch);
                let (first, block) = (unit / blocks * rows, unit % blocks * PANEL);
                let n_rows = PANEL.min(rows - block);
                for column in (0..columns).step_by(most) {
                    let n = most.min(columns - column);
                    let start = (first + block) * columns + column;
                    frame.gather_panel(start, n_rows, n, columns);
                    for row in 0..n_rows {
                        self.strip(&mut frame, space, to, start + row * columns, n);
                    }
                }
            });
        });
    }

    /// The domain, its dims in the order in which the first target lies in memory.
    fn space(&self, targets: &[Layout]) -> Space {
        let mut dims: SmallVec<[usize; 8]> = (0..self.region.shape.rank()).collect();
        dims.sort_by_key(|&d| std::cmp::Reverse(targets[0].strides()[d].unsigned_abs()));
        let outputs = targets.iter().zip(&self.region.dtypes).map(|(t, dtype)| Walked::layout(t, dtype.size()));
        let tensors: Vec<_> = walked(&self.region).chain(outputs).collect();
        Space::new(&self.region.shape, &dims, &tensors)
    }

    /// Evaluates and stores the strip of `n` points from `point` on.
    fn strip<'a>(&self, frame: &mut Frame<'a, '_>, space: &Space, to: &[Destination<'a>], point: usize, n: usize) {
        let first = self.region.leaves.len();
        let place = |(i, to): (usize, &Destination<'a>)| {
            let at = space.in_place(first + i, point, n, to.memory).filter(|at| at.len() == n);
            let last_read = to.buffer.and_then(|buffer| self.region.last_read(buffer));
            Direct { at, last_read }
        };
        let mut direct: SmallVec<[Direct<'_>; 4]> = SmallVec::new();
        for output in to.iter().enumerate() {
            direct.push(place(output));
        }
        frame.eval(point, n, &direct);
        for (i, to) in to.iter().enumerate() {
            let value = frame.output(i);
            if !direct[i].at.is_some_and(|at| at.is(value)) {
                space.scatter(first + i, point, n, to.memory, value);
            }
        }
    }
}
