//! One thread's evaluation of a region, strip by strip.

use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::astray::Astray;
use super::region::{Call, Constant, Instruction, Place, Reading, Region, Source};
use super::scratch::Line;
use super::space::{Space, Walked};
use super::strip::{Span, Strip};
use super::window::Window;
use crate::cpu::arch::Arch;
use crate::{DType, Scalar};

/// Bytes that the strips of one evaluation may take together: they should stay in the first-level cache.
const CACHE: usize = 32 * 1024;

/// What a run works on: each buffer and temporary, and the graph's numbers.
pub(super) struct Memory<'a> {
    pub(super) buffers: SmallVec<[Span<'a>; 8]>,
    pub(super) temps: SmallVec<[Span<'a>; 4]>,
    /// Scratch for partial results, which one pass after the other uses: as many bytes as the greediest asks for.
    pub(super) parts: Span<'a>,
    pub(super) scalars: SmallVec<[Scalar; 8]>,
    pub(super) astray: Astray,
}

impl<'a> Memory<'a> {
    pub(super) fn source(&self, source: Source) -> Span<'a> {
        match source {
            Source::Buffer(i) => self.buffers[i],
            Source::Temp(i) => self.temps[i],
            Source::Index => Span::EMPTY,
        }
    }
}

/// The constants of a region, each as an element of the dtype it is used in, in the low addresses.
pub(super) type Constants = SmallVec<[u64; 8]>;

pub(super) fn constants(region: &Region, memory: &Memory<'_>) -> Constants {
    let value = |&(constant, dtype): &(Constant, DType)| match constant {
        Constant::Scalar(slot) => element(memory.scalars[slot], dtype),
        Constant::One => element(Scalar::Float(1.0), dtype),
    };
    region.constants.iter().map(value).collect()
}

/// The bytes of a number as an element of a dtype that something is computed in, in the low addresses.
fn element(value: Scalar, dtype: DType) -> u64 {
    let mut bytes = [0; 8];
    match dtype {
        DType::Bool => bytes[0] = u8::from(value.to_bool()),
        DType::I32 => bytes[..4].copy_from_slice(&(value.to_i64() as i32).to_ne_bytes()),
        DType::I64 => bytes = value.to_i64().to_ne_bytes(),
        DType::F32 => bytes[..4].copy_from_slice(&(value.to_f64() as f32).to_ne_bytes()),
        DType::F64 => bytes = value.to_f64().to_ne_bytes(),
        // The low bits, which is all that is computed of them.
        DType::U8 | DType::I8 => bytes[0] = value.to_i64() as u8,
        DType::U16 | DType::I16 => bytes[..2].copy_from_slice(&(value.to_i64() as u16).to_ne_bytes()),
        DType::U32 | DType::U64 | DType::F16 | DType::BF16 => unreachable!("nothing is computed in {dtype}"),
    }
    u64::from_ne_bytes(bytes)
}

/// The leaves of a region, as tensors to be walked.
pub(super) fn walked(region: &Region) -> impl Iterator<Item = Walked<'_>> {
    region.leaves.iter().map(|leaf| match leaf.source {
        Source::Index => Walked::index(&leaf.access),
        Source::Buffer(_) | Source::Temp(_) => Walked::access(&leaf.access, leaf.dtype.size()).by(leaf.by()),
    })
}

/// How many elements a strip may have.
pub(super) fn strip_len(region: &Region, space: &Space) -> usize {
    (CACHE / (strips(region, space).max(1) * region.width)).clamp(64, 4096) / 64 * 64
}

/// How many strips of scratch memory an evaluation needs: its registers, and one for each leaf to be gathered.
fn strips(region: &Region, space: &Space) -> usize {
    region.registers + (0..region.leaves.len()).filter(|&i| takes_strip(region, space, i)).count()
}

/// Whether a leaf may have to be gathered.
fn takes_strip(region: &Region, space: &Space, leaf: usize) -> bool {
    region.leaves[leaf].reading != Reading::Index && !space.is_linear(leaf)
}

/// Bytes of scratch memory that a [`Frame`] wants: the constants, what is one element for all strips, then the strips. A whole number of cache lines.
pub(super) fn scratch_bytes(region: &Region, space: &Space, most: usize) -> usize {
    (constant_bytes(region) + strips(region, space) * most * region.width).next_multiple_of(Line::BYTES)
}

fn constant_bytes(region: &Region) -> usize {
    ((region.constants.len() + region.singles) * size_of::<u64>()).next_multiple_of(Line::BYTES)
}

pub(super) struct Frame<'a, 'm> {
    arch: Arch,
    region: &'a Region,
    space: &'a Space,
    memory: &'a Memory<'m>,
    /// Elements of a strip at most.
    most: usize,
    /// Where each value's strip is at the moment.
    slots: SmallVec<[Strip<'a>; 16]>,
    /// Whether what is one element for all strips has been computed.
    has_singles: bool,
    /// What each leaf's own strip holds: the point of its period it begins at, and how many points.
    gathered: SmallVec<[(usize, usize); 8]>,
    scratch: Strip<'a>,
    window: Option<Window<'a>>,
    /// A scale that was looked at, and whether it is 1.
    scale: Option<(Strip<'a>, bool)>,
}

impl<'a, 'm: 'a> Frame<'a, 'm> {
    /// An evaluation in strips of at most `most` elements. `scratch` has as many bytes as [`scratch_bytes`] says.
    pub(super) fn new(
        region: &'a Region,
        space: &'a Space,
        memory: &'a Memory<'m>,
        constants: &Constants,
        most: usize,
        scratch: Strip<'a>,
    ) -> Self {
        let leaves = region.leaves.len();
        let mut slots: SmallVec<[Strip<'_>; 16]> =
            smallvec![Strip::EMPTY; leaves + constants.len() + region.code.len()];
        for (i, (&constant, (_, dtype))) in constants.iter().zip(&region.constants).enumerate() {
            let at = i * size_of::<u64>();
            scratch.carve(at, 1, size_of::<u64>()).cells::<u64>()[0].set(constant);
            slots[leaves + i] = scratch.carve(at, 1, dtype.size());
        }
        let gathered = smallvec![(0, 0); leaves];
        let has_singles = region.singles == 0;
        Self {
            arch: Arch::new(),
            region,
            space,
            memory,
            most,
            slots,
            has_singles,
            gathered,
            scratch,
            window: None,
            scale: None,
        }
    }

    /// Where output `output` was put by the last [`eval`](Self::eval).
    pub(super) fn output(&self, output: usize) -> Strip<'a> {
        self.slots[self.region.outputs[output]]
    }

    /// The first `n` elements of `size` bytes of a strip of scratch memory.
    fn strip(&self, index: usize, n: usize, size: usize) -> Strip<'a> {
        let first = constant_bytes(self.region) + index * self.most * self.region.width;
        self.scratch.carve(first, n, size)
    }

    /// The same, with leaves that lie column by column seen through a window.
    pub(super) fn through(self, window: Window<'a>) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Moves the window, if there is one, to other columns.
    pub(super) fn move_window(&mut self, columns: Range<usize>) {
        if let Some(window) = &mut self.window {
            window.move_to(columns);
        }
    }

    /// Evaluates the strip of `n` points from `point` on. Output `i` may be written straight to `direct[i]`; see
    /// [`output`](Self::output) for where it is.
    pub(super) fn eval(&mut self, point: usize, n: usize, direct: &[Direct<'a>]) {
        // What an index chooses, if that is all there is to write, goes where it belongs.
        let straight = direct.first().filter(|_| self.region.code.is_empty());
        self.load(point, n, straight);
        let first = self.slots.len() - self.region.code.len();
        if !self.has_singles {
            self.singles();
        }
        for (i, instruction) in self.region.code.iter().enumerate() {
            if matches!(instruction.to, Place::Single(_)) {
                continue;
            }
            let mut args: SmallVec<[Strip<'_>; 8]> = SmallVec::new();
            for &slot in &instruction.args {
                args.push(self.slots[slot]);
            }
            // Where every argument is one element for all, so is the result.
            let len = args.iter().map(|arg| arg.len()).max().unwrap_or(n);
            let belongs = |instruction: &Instruction| {
                let direct = direct.get(instruction.output?).filter(|_| len == n)?;
                Some((direct.at?, direct))
            };
            let place = |instruction: &Instruction| {
                belongs(instruction).filter(|(_, direct)| !direct.past_cache).map(|(at, direct)| (at, direct.last_read))
            };
            match instruction.call {
                Call::One(one) => {
                    // Straight to its place, if what is read there was read before, or is now and the loop allows it.
                    let straight = belongs(instruction).and_then(|(at, direct)| match direct.last_read {
                        _ if direct.past_cache => Some((at, one.past_cache.filter(|_| !instruction.is_read)?)),
                        Some(last) if last > i => None,
                        Some(last) if last == i => Some((at, one.in_place?)),
                        _ => Some((at, one.body)),
                    });
                    let (out, body) = straight.unwrap_or_else(|| (self.own(instruction, len), one.body));
                    body.run(self.arch, &args, out);
                    self.slots[first + i] = out;
                }
                Call::Moments(run) => {
                    // Straight to their places in any case: no later instruction reads what lies there.
                    let out = [0, 1, 2].map(|j| {
                        let instruction = &self.region.code[i + j];
                        place(instruction).map_or_else(|| self.own(instruction, len), |p| p.0)
                    });
                    run(self.arch, &args, out);
                    for (j, out) in out.into_iter().enumerate() {
                        self.slots[first + i + j] = out;
                    }
                }
                Call::Placeholder => {}
                Call::Scaled(one) => {
                    let stays = args[0].len() == n && !args[0].is_within(self.scratch);
                    self.slots[first + i] = if stays && self.is_one(args[1]) {
                        args[0]
                    } else {
                        let out = self.own(instruction, len);
                        one.body.run(self.arch, &args, out);
                        out
                    };
                }
                Call::Bounded(bounds) => {
                    let free = place(instruction).filter(|(_, last_read)| last_read.is_none_or(|last| last < i));
                    let out = free.map_or_else(|| self.own(instruction, len), |p| p.0);
                    self.memory.astray.look(self.arch, bounds, args[0], out);
                    self.slots[first + i] = out;
                }
            }
        }
    }

    /// Whether all floats of a strip are 1.
    fn is_one(&mut self, x: Strip<'a>) -> bool {
        // What lies in memory is the same for row after row.
        let lasts = !x.is_within(self.scratch);
        if let Some((last, is_one)) = self.scale
            && lasts
            && last.is(x)
        {
            return is_one;
        }
        // Some at a time, in vectors.
        let is_one = match x.size() {
            4 => x.cells::<f32>().chunks(64).all(|x| x.iter().fold(true, |all, x| all & (x.get() == 1.0))),
            _ => x.cells::<f64>().chunks(64).all(|x| x.iter().fold(true, |all, x| all & (x.get() == 1.0))),
        };
        self.scale = lasts.then_some((x, is_one));
        is_one
    }

    /// Computes what is one element for all strips, of the first element of each argument.
    fn singles(&mut self) {
        let first = self.slots.len() - self.region.code.len();
        for (i, instruction) in self.region.code.iter().enumerate() {
            if let (Call::One(one), Place::Single(_)) = (instruction.call, instruction.to) {
                let args = instruction.args.iter().map(|&arg| self.slots[arg].part(0, 1));
                let args: SmallVec<[Strip<'_>; 8]> = args.collect();
                self.slots[first + i] = self.own(instruction, 1);
                one.body.run(self.arch, &args, self.slots[first + i]);
            }
        }
        self.has_singles = true;
    }

    /// The scratch memory for a result of `len` elements.
    fn own(&self, instruction: &Instruction, len: usize) -> Strip<'a> {
        match instruction.to {
            Place::Register(register) => self.strip(register, len, instruction.size),
            Place::Single(single) => {
                let at = (self.region.constants.len() + single) * size_of::<u64>();
                self.scratch.carve(at, 1, instruction.size)
            }
        }
    }

    /// Finds the strip of every leaf: where it lies, in the window, or gathered.
    fn load(&mut self, point: usize, n: usize, straight: Option<&Direct<'a>>) {
        let past_cache = straight.is_some_and(|direct| direct.past_cache);
        let straight = straight.and_then(|direct| direct.at);
        let mut spare = self.region.registers;
        for (i, leaf) in self.region.leaves.iter().enumerate() {
            if leaf.reading == Reading::Index {
                continue;
            }
            let (memory, size) = (self.memory.source(leaf.source), leaf.dtype.size());
            let by = leaf.by().map(|by| self.memory.source(self.region.leaves[by].source));
            if let Some(strip) = self.window.as_mut().and_then(|window| window.strip(i, point, n, memory)) {
                self.slots[i] = strip;
                spare += 1;
                continue;
            }
            let place = match by {
                None => self.space.in_place(i, point, n, memory),
                Some(by) => self.space.chosen_in_place(i, point, n, memory, by),
            };
            self.slots[i] = place.unwrap_or_else(|| {
                let straight = straight.filter(|_| by.is_some());
                let n = self.space.gathered(i, point, n, leaf.reading == Reading::Steps);
                let strip = straight.unwrap_or_else(|| self.strip(spare, n, size));
                let phase = point % self.space.period(i);
                let (start, len) = self.gathered[i];
                if start != phase || len < n || straight.is_some() {
                    match by {
                        None => self.space.gather(i, point, memory, strip),
                        Some(by) => {
                            let past_cache = past_cache && straight.is_some();
                            self.space.gather_chosen(i, point, [memory, by], strip, past_cache);
                        }
                    }
                    self.gathered[i] = (phase, n);
                }
                strip
            });
            spare += usize::from(takes_strip(self.region, self.space, i));
        }
    }
}

/// Where an output belongs.
#[derive(Clone, Copy)]
pub(super) struct Direct<'a> {
    /// Nowhere if its elements do not lie in a row.
    pub(super) at: Option<Strip<'a>>,
    /// The last instruction that reads leaves of the same buffer, if one does.
    pub(super) last_read: Option<usize>,
    /// Whether it is written past the cache: then values that no loop writes there are computed beside it, and copied.
    pub(super) past_cache: bool,
}

impl Direct<'_> {
    /// Where no one has a place for it.
    pub(super) const NOWHERE: Self = Self { at: None, last_read: None, past_cache: false };
}
