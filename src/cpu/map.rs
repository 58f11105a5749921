//! A pass that computes every element of some outputs of one shape.

use std::sync::OnceLock;

use smallvec::SmallVec;

use super::frame::{Direct, Frame, Memory, Numbers, PANEL, numbers, operands, scratch_bytes, strip_len, with_scratch};
use super::region::Region;
use super::space::{Operand, Space};
use super::threads;
use crate::base::layout::Layout;

/// Elements a thread takes at a time.
const CHUNK: usize = 64 * 1024;

pub(super) struct Map {
    pub(super) region: Region,
    /// Where everything lies if all outputs are contiguous.
    space: OnceLock<Space>,
}

/// Where an output goes.
#[derive(Clone, Copy)]
pub(super) struct Destination<'a> {
    /// Its first element.
    pub(super) at: *mut u8,
    /// Its shape and strides.
    pub(super) layout: &'a Layout,
    /// The buffer of the graph that it is memory of, if it is of one.
    pub(super) buffer: Option<usize>,
}

// SAFETY: threads write to elements of their own.
unsafe impl Sync for Destination<'_> {}

impl Map {
    pub(super) fn new(region: Region) -> Self {
        Self { region, space: OnceLock::new() }
    }

    /// Writes each output where `to` says.
    ///
    /// # Safety
    ///
    /// `memory` must hold the graph's buffers and the temporaries; destinations must be writable, by nobody else, and
    /// what is promised at `eval::run` must be kept.
    pub(super) unsafe fn run(&self, to: &[Destination<'_>], memory: &Memory) {
        let custom;
        let layouts = to.iter().map(|to| to.layout);
        let space = if layouts.clone().all(Layout::is_contiguous) {
            self.space.get_or_init(|| {
                let layout = Layout::contiguous(self.region.shape.clone());
                self.walk(&vec![layout; to.len()])
            })
        } else {
            // Bases are where targets begin, so offsets are left out here.
            let strides = |l: &Layout| Layout::new(l.shape().clone(), l.strides().into(), 0);
            custom = self.walk(&layouts.map(strides).collect::<Vec<_>>());
            &custom
        };
        if space.numel == 0 {
            return;
        }
        let numbers = numbers(&self.region, memory);
        let most = strip_len(&self.region, space);
        let leaves = 0..self.region.leaves.len();
        if let Some(plane) = space.plane()
            && leaves.clone().any(|i| space.is_turned(i))
        {
            // SAFETY: the caller's.
            return unsafe { self.panels(space, plane, to, memory, &numbers, most) };
        }
        let units = space.numel.div_ceil(CHUNK);
        threads::each(units, space.numel, |unit| {
            with_scratch(scratch_bytes(&self.region, space, most), |scratch| {
                let mut frame = Frame::new(&self.region, space, memory, &numbers, most, scratch);
                let (mut point, end) = (unit * CHUNK, space.numel.min((unit + 1) * CHUNK));
                while point < end {
                    let n = space.strip(point, end, most);
                    // SAFETY: the caller's promises; strips lie apart, so no two threads write the same element.
                    unsafe { self.strip(&mut frame, space, to, point, n) };
                    point += n;
                }
            });
        });
    }

    /// Walks blocks of rows, of which leaves that lie in memory column by column are gathered together.
    ///
    /// # Safety
    ///
    /// As [`run`](Self::run).
    unsafe fn panels(
        &self,
        space: &Space,
        [rows, columns]: [usize; 2],
        to: &[Destination<'_>],
        memory: &Memory,
        numbers: &Numbers,
        most: usize,
    ) {
        let most = most.min(256);
        let blocks = rows.div_ceil(PANEL);
        let bytes =
            scratch_bytes(&self.region, space, most) + self.region.leaves.len() * PANEL * most * self.region.width;
        threads::each(space.numel / (rows * columns) * blocks, space.numel, |unit| {
            with_scratch(bytes, |scratch| {
                let mut frame = Frame::new(&self.region, space, memory, numbers, most, scratch);
                let (first, block) = (unit / blocks * rows, unit % blocks * PANEL);
                let n_rows = PANEL.min(rows - block);
                for column in (0..columns).step_by(most) {
                    let n = most.min(columns - column);
                    let start = (first + block) * columns + column;
                    // SAFETY: the caller's; strips lie apart, so no two threads write the same element.
                    unsafe {
                        frame.gather_panel(start, n_rows, n, columns);
                        for row in 0..n_rows {
                            self.strip(&mut frame, space, to, start + row * columns, n);
                        }
                    }
                }
            });
        });
    }

    /// Walks the first target in the order it lies in memory.
    fn walk(&self, targets: &[Layout]) -> Space {
        let mut dims: SmallVec<[usize; 8]> = (0..self.region.shape.rank()).collect();
        dims.sort_by_key(|&d| std::cmp::Reverse(targets[0].strides()[d].unsigned_abs()));
        let outputs = targets.iter().zip(&self.region.dtypes).map(|(t, dtype)| Operand::layout(t, dtype.size()));
        let operands: Vec<_> = operands(&self.region).chain(outputs).collect();
        Space::new(&self.region.shape, &dims, &operands)
    }

    /// # Safety
    ///
    /// As [`run`](Self::run).
    unsafe fn strip(&self, frame: &mut Frame<'_>, space: &Space, to: &[Destination<'_>], point: usize, n: usize) {
        let first = self.region.leaves.len();
        let place = |(i, to): (usize, &Destination<'_>)| {
            let place = space.in_place(first + i, point, n, to.at).filter(|place| !place.splat);
            let last_read = to.buffer.and_then(|buffer| self.region.last_read(buffer));
            Direct { at: place.map_or(std::ptr::null_mut(), |place| place.at.cast_mut()), last_read }
        };
        let direct: SmallVec<[Direct; 4]> = to.iter().enumerate().map(place).collect();
        // SAFETY: the caller's promises.
        unsafe { frame.eval(point, n, &direct) };
        for (i, to) in to.iter().enumerate() {
            let value = frame.output(i);
            if value.at != direct[i].at.cast_const() {
                // SAFETY: targets are writable and lie apart from registers, numbers and what is read in place, with
                // the exception of a value that is a leaf: and a target that it may overlap it equals.
                unsafe { space.scatter(first + i, point, n, to.at, value) };
            }
        }
    }
}
