//! One thread's evaluation of a region, strip by strip.

use std::cell::RefCell;

use pulp::Arch;
use smallvec::{SmallVec, smallvec};

use super::kernel::Src;
use super::region::{Instruction, Number, Region, Source, Work};
use super::space::{Operand, Space};
use crate::{DType, Scalar};

/// Bytes that the strips of one evaluation may take together: they should stay in the first-level cache.
const CACHE: usize = 32 * 1024;

/// What a run works on: where each buffer, temporary and target begins, and the graph's numbers.
///
/// Whoever makes one holds the locks of everything in it for as long as it lives.
pub(super) struct Memory {
    pub(super) buffers: SmallVec<[*mut u8; 8]>,
    pub(super) temps: SmallVec<[*mut u8; 4]>,
    /// For parts of results, one pass after the other: as many bytes as a pass asks for.
    pub(super) parts: *mut u8,
    pub(super) scalars: SmallVec<[Scalar; 8]>,
}

// SAFETY: the pointers are to memory that the run holds the locks of; its threads write to elements of their own.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn source(&self, source: Source) -> *const u8 {
        match source {
            Source::Buffer(i) => self.buffers[i],
            Source::Temp(i) => self.temps[i],
            Source::Index => std::ptr::null(),
        }
    }
}

/// The numbers of a region, as elements of the dtypes they are used in.
pub(super) type Numbers = SmallVec<[u64; 8]>;

pub(super) fn numbers(region: &Region, memory: &Memory) -> Numbers {
    let value = |&(number, dtype): &(Number, DType)| match number {
        Number::Slot(slot) => element(memory.scalars[slot], dtype),
        Number::One => element(Scalar::Float(1.0), dtype),
    };
    region.numbers.iter().map(value).collect()
}

/// The bytes of a number as an element of a compute dtype, in the low addresses.
fn element(value: Scalar, dtype: DType) -> u64 {
    let mut bytes = [0; 8];
    match dtype {
        DType::Bool => bytes[0] = u8::from(value.to_bool()),
        DType::I32 => bytes[..4].copy_from_slice(&(value.to_i64() as i32).to_ne_bytes()),
        DType::F64 => bytes = value.to_f64().to_ne_bytes(),
        _ => bytes[..4].copy_from_slice(&(value.to_f64() as f32).to_ne_bytes()),
    }
    u64::from_ne_bytes(bytes)
}

/// The views of a region's leaves.
pub(super) fn operands(region: &Region) -> impl Iterator<Item = Operand<'_>> {
    region.leaves.iter().map(|leaf| match leaf.source {
        Source::Index => Operand::index(&leaf.access),
        _ => Operand::of(&leaf.access, leaf.dtype.size()),
    })
}

/// How many elements a strip may have.
pub(super) fn strip_len(region: &Region, space: &Space) -> usize {
    (CACHE / (strips(region, space).max(1) * region.width)).clamp(64, 4096) / 64 * 64
}

/// Strips of memory an evaluation needs.
fn strips(region: &Region, space: &Space) -> usize {
    region.registers + (0..region.leaves.len()).filter(|&i| !space.is_linear(i)).count()
}

/// Bytes of scratch memory [`Frame::new`] wants.
pub(super) fn scratch_bytes(region: &Region, space: &Space, most: usize) -> usize {
    strips(region, space) * most * region.width
}

pub(super) struct Frame<'a> {
    arch: Arch,
    region: &'a Region,
    space: &'a Space,
    memory: &'a Memory,
    most: usize,
    /// Where each value's strip is at the moment.
    slots: SmallVec<[Src; 16]>,
    /// What is gathered in each leaf's own strip: from which point of its period on, and how many.
    gathered: SmallVec<[(usize, usize); 8]>,
    scratch: *mut u8,
    panel: Option<Panel>,
}

/// Rows of leaves that lie in memory column by column, gathered together: a cache line of such a leaf has elements of
/// many rows, and would be fetched again for each.
#[derive(Clone, Copy)]
struct Panel {
    point: usize,
    columns: usize,
    /// Points from one row to the next.
    step: usize,
}

/// Rows of a panel.
pub(super) const PANEL: usize = 32;

impl<'a> Frame<'a> {
    /// An evaluation in strips of at most `most` elements. `scratch` is aligned to 64 bytes, has as many as
    /// [`scratch_bytes`] says, and is nobody else's while the frame lives; so do `numbers`.
    pub(super) fn new(
        region: &'a Region,
        space: &'a Space,
        memory: &'a Memory,
        numbers: &'a Numbers,
        most: usize,
        scratch: *mut u8,
    ) -> Self {
        let leaves = region.leaves.len();
        let mut slots: SmallVec<[Src; 16]> = smallvec![Src::NONE; leaves + numbers.len() + region.code.len()];
        for (slot, number) in slots[leaves..].iter_mut().zip(numbers) {
            *slot = Src { at: std::ptr::from_ref(number).cast(), splat: true };
        }
        let gathered = smallvec![(0, 0); leaves];
        Self { arch: Arch::new(), region, space, memory, most, slots, gathered, scratch, panel: None }
    }

    /// Where output `output` was put by the last [`eval`](Self::eval).
    pub(super) fn output(&self, output: usize) -> Src {
        self.slots[self.region.outputs[output]]
    }

    fn strip(&self, index: usize) -> *mut u8 {
        self.scratch.wrapping_add(index * self.most * self.region.width)
    }

    /// Gathers `rows` by `columns` points from `point` on of every leaf that lies turned; the strips evaluated next are
    /// rows of it. `scratch` must have room for [`PANEL`] strips for each leaf after what [`scratch_bytes`] says.
    ///
    /// # Safety
    ///
    /// As [`eval`](Self::eval).
    pub(super) unsafe fn gather_panel(&mut self, point: usize, rows: usize, columns: usize, step: usize) {
        for (i, leaf) in self.region.leaves.iter().enumerate() {
            if self.space.is_turned(i) {
                let (base, out) = (self.memory.source(leaf.source), self.panel(i));
                // SAFETY: the caller's.
                unsafe { self.space.gather_turned(i, point, [rows, columns], base, out) };
            }
        }
        self.panel = Some(Panel { point, columns, step });
    }

    fn panel(&self, leaf: usize) -> *mut u8 {
        self.strip(strips(self.region, self.space) + leaf * PANEL)
    }

    /// Evaluates the strip of `n` points from `point` on. An output may be written straight to where `direct` says,
    /// unless that is null; see [`output`](Self::output) for where it is.
    ///
    /// # Safety
    ///
    /// The leaves' elements must be readable where [`Memory`] says; `direct` must be writable for `n` elements of the
    /// output, and a leaf that overlaps it must be of the very elements; `n` is at most what the frame was made for.
    pub(super) unsafe fn eval(&mut self, point: usize, n: usize, direct: &[Direct]) {
        let mut spare = self.region.registers;
        for (i, leaf) in self.region.leaves.iter().enumerate() {
            let base = self.memory.source(leaf.source);
            if let Some(panel) = self.panel
                && self.space.is_turned(i)
            {
                let row = (point - panel.point) / panel.step;
                let at = self.panel(i).wrapping_add(row * panel.columns * leaf.dtype.size());
                self.slots[i] = Src { at, splat: false };
                spare += 1;
                continue;
            }
            self.slots[i] = self.space.in_place(i, point, n, base).unwrap_or_else(|| {
                let at = self.strip(spare);
                let phase = point % self.space.views[i].period.max(1);
                let (start, len) = self.gathered[i];
                if start != phase || len < n {
                    // SAFETY: the caller vouches for the leaves; the strip has room for `n` and is this leaf's.
                    unsafe { self.space.gather(i, point, n, base, at) };
                    self.gathered[i] = (phase, n);
                }
                Src { at, splat: false }
            });
            spare += usize::from(!self.space.is_linear(i));
        }
        let first = self.slots.len() - self.region.code.len();
        for (i, instruction) in self.region.code.iter().enumerate() {
            let mut args: SmallVec<[Src; 8]> = instruction.args.iter().map(|&slot| self.slots[slot]).collect();
            // Where every argument is one element for all, so is the result.
            let splat = args.iter().all(|arg| arg.splat);
            let n = if splat { 1 } else { n };
            if splat {
                args.iter_mut().for_each(|arg| arg.splat = false);
            }
            let place_of = |instruction: &Instruction| {
                let place = instruction.output.and_then(|output| direct.get(output)).filter(|_| !splat);
                place.copied().filter(|place| !place.at.is_null())
            };
            let kernel = match instruction.work {
                Work::One(kernel) => kernel,
                Work::Moments(kernel) => {
                    let to = |i: &Instruction| place_of(i).map_or_else(|| self.strip(i.register), |place| place.at);
                    let out = [0, 1, 2].map(|j| to(&self.region.code[i + j]));
                    // SAFETY: as below; no instruction follows that reads where outputs lie.
                    unsafe { kernel(self.arch, &args, out, n) };
                    for (j, at) in out.into_iter().enumerate() {
                        self.slots[first + i + j] = Src { at, splat };
                    }
                    continue;
                }
                Work::Done => continue,
            };
            // Straight to its place, if what is read there was read before, or is now and the kernel allows for it.
            let straight = place_of(instruction).and_then(|place| match place.last_read {
                Some(last) if last > i => None,
                Some(last) if last == i => Some((place.at, kernel.in_place?)),
                _ => Some((place.at, kernel.run)),
            });
            let (out, run) = straight.unwrap_or((self.strip(instruction.register), kernel.run));
            // SAFETY: arguments are leaves, numbers and earlier results, of `n` elements; registers are of results
            // still needed, so `out` overlaps no argument, but for a leaf of its very elements, as promised at
            // `eval::run`, where `run` allows for it; elements are aligned as buffers and strips begin at 64 bytes and
            // what is counted in is elements.
            unsafe { run.run(self.arch, &args, out, n) };
            self.slots[first + i] = Src { at: out, splat };
        }
    }
}

/// Where an output belongs.
#[derive(Clone, Copy)]
pub(super) struct Direct {
    /// Null if it is not in a row.
    pub(super) at: *mut u8,
    /// The last instruction that reads leaves of the same buffer, if one does.
    pub(super) last_read: Option<usize>,
}

/// A cache line: what scratch memory is aligned to.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code, reason = "read and written through pointers")] [u8; 64]);

/// Calls `f` with at least `bytes` of this thread's scratch memory, aligned to 64 bytes.
pub(super) fn with_scratch<R>(bytes: usize, f: impl FnOnce(*mut u8) -> R) -> R {
    thread_local!(static SCRATCH: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) });
    // Taken out, so that a call from within would get memory of its own.
    let mut lines = SCRATCH.with(RefCell::take);
    let wanted = bytes.div_ceil(size_of::<Line>());
    if lines.len() < wanted {
        lines.resize(wanted, Line([0; 64]));
    }
    let result = f(lines.as_mut_ptr().cast());
    SCRATCH.with(|scratch| scratch.replace(lines));
    result
}
