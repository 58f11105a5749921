//! What every launch needs: the memory it binds, a table of where its operands lie, and the uniforms put together.

use super::emit::Scalars;
use super::view::View;
use super::windows::Windows;
use super::{Launch, MAX_LAUNCHES, Memory, Planner};
use crate::base::layout::Strides;
use crate::kernel::spec::{Binding, Kernel, Mode, Operand, Order, Spec};
use crate::kernel::uniforms::{Dim, Head, stage_words};
use crate::{DType, Result};

/// A launch in the making.
pub(super) struct Launching {
    pub(super) kernel: Kernel,
    pub(super) width: u32,
    /// Invocations in a workgroup.
    pub(super) workgroup: u32,
    pub(super) workgroups: usize,
    pub(super) operands: Operands,
    /// The kernel's dims, then those of the operands' later stages.
    pub(super) dims: Vec<Dim>,
    pub(super) scalars: Scalars,
    /// The counts this kernel reads. What all kernels read is filled in.
    pub(super) head: Head,
    /// Bytes the launch must move.
    pub(super) bytes: u64,
}

/// The operands of a launch, and what they are found by.
pub(super) struct Operands {
    /// Views before this one are read, the others written.
    n_loads: usize,
    windows: Windows,
    bindings: Vec<Binding>,
    list: Vec<Operand>,
    /// The operand table: offset and strides of each stage of each operand.
    table: Vec<(usize, Strides)>,
}

impl Operands {
    /// Where a view's offset lies in its window, in elements. See [`Windows::offset`].
    pub(super) fn offset(&self, i: usize, view: &View) -> usize {
        self.windows.offset(i, view)
    }

    /// Adds the operand of the next view. Views of one window share a binding, which is written if any of them is, and
    /// wide if all of them allow it. `stages` are the offset and strides of each stage of the view.
    pub(super) fn add(&mut self, view: &View, mode: Mode, order: Order, stages: &[(usize, Strides)]) {
        // A position is no load, wide or narrow, and what an index chooses is loaded one by one.
        let alone = view.memory.is_none() || view.taken.is_some();
        let mode = if mode == Mode::Vec && alone { Mode::Step } else { mode };
        let (write, wide, mut number) = (self.list.len() >= self.n_loads, mode == Mode::Vec, 0);
        if view.memory.is_some() {
            number = self.windows.of[self.list.len()];
            // Windows are in the order in which views first need them.
            if let Some(binding) = self.bindings.get_mut(number) {
                binding.wide &= wide;
                binding.write |= write;
            } else {
                self.bindings.push(Binding { dtype: view.dtype, wide, pairs: false, write });
            }
        }
        let later = stages[1..].iter().map(|stage| stage.1.len()).collect();
        self.list.push(Operand { binding: number, dtype: view.dtype, mode, order, stages: later });
        self.table.extend_from_slice(stages);
    }

    /// Whether an operand's binding is wide, as far as the operands that were added allow.
    pub(super) fn is_wide(&self, operand: usize) -> bool {
        self.bindings.get(self.list[operand].binding).is_some_and(|binding| binding.wide)
    }

    /// Has loads and plain stores take one element after the other where a binding turned out to be narrow. Packed
    /// stores at an aligned place stay whole words.
    fn narrow_modes(&mut self) {
        for operand in &mut self.list {
            if operand.mode == Mode::Vec && !self.bindings[operand.binding].wide && operand.dtype.size() >= 4 {
                operand.mode = Mode::Step;
            }
        }
    }
}

impl Planner<'_> {
    /// Begins the operands of a launch that sees these views, each within reach, and reads the first `n_loads`. They are
    /// to be added one by one.
    pub(super) fn operands(&self, views: &[View], n_loads: usize) -> Result<Operands> {
        let windows = self.windows(views)?;
        Ok(Operands { n_loads, windows, bindings: Vec::new(), list: Vec::new(), table: Vec::new() })
    }

    /// Dims as the uniforms hold them.
    pub(super) fn dims<'a>(&self, sizes: impl IntoIterator<Item = &'a usize>) -> Result<Vec<Dim>> {
        sizes.into_iter().map(|&size| Ok(Dim::new(self.count(size)?))).collect()
    }

    /// Appends a launch to the plan.
    pub(super) fn launch(&mut self, launching: Launching) -> Result<()> {
        let Launching { kernel, width, workgroup, workgroups, mut operands, dims, scalars, head, bytes } = launching;
        self.check_launches(self.launches.len())?;
        let grid = self.grid(workgroups)?;
        operands.narrow_modes();
        let Operands { n_loads, windows, bindings, list, table } = operands;
        let (n_scalars, fast_math) = (scalars.words, self.caps.fast_math);
        let mut spec =
            Spec { kernel, width, workgroup, bindings, operands: list, n_scalars, fast_math, native_i64: false };
        if !self.caps.f64 {
            spec.hold_f64_as_bits();
        }
        spec.native_i64 = self.caps.i64 && spec.has(DType::I64);
        if self.caps.tuning.pairs && self.caps.i64 {
            spec.fetch_pairs();
        }

        let head = Head { grid_x: grid.x, minus_infinity: f32::NEG_INFINITY.to_bits(), ..head };
        let mut uniforms: Vec<u32> = bytemuck::cast_slice(&[head]).to_vec();
        uniforms.extend_from_slice(bytemuck::cast_slice(&dims));
        uniforms.resize(spec.operands_at(), 0);
        let words = spec.operand_words();
        for (offset, strides) in &table {
            uniforms.extend(stage_words(*offset, strides, words));
        }
        uniforms.resize(spec.uniform_words(), 0);
        let offsets = offsets(&spec, &windows);
        let at = spec.scalars_at();
        // What is known of bounds by now; their marks are not.
        for &(bounds, word) in &scalars.bounds {
            uniforms[at + word] = bounds.size;
        }
        let bounds = scalars.bounds.iter().map(|&(bounds, word)| (bounds, at + word + 1)).collect();
        let scalars: Vec<(usize, DType, usize)> =
            scalars.list.into_iter().map(|(slot, dtype, word)| (slot, dtype, at + word)).collect();
        let windows = windows.list;
        self.launches.push(Launch { spec, n_loads, windows, uniforms, scalars, bounds, offsets, grid, bytes });
        Ok(())
    }

    /// Whether there is room for one more launch beside so many.
    pub(super) fn check_launches(&self, n: usize) -> Result<()> {
        if n < MAX_LAUNCHES {
            return Ok(());
        }
        Err(self.limit("launches of one evaluation", MAX_LAUNCHES as u64, n + 1))
    }
}

/// For each operand that lies in memory, the word of the uniforms that says where there it begins: its last stage's first.
fn offsets(spec: &Spec, windows: &Windows) -> Vec<(usize, Memory)> {
    let at = |(i, operand): (usize, &Operand)| {
        let last = spec.first_stage(i) + operand.stages.len();
        let window = windows.list.get(windows.of[i])?;
        Some((spec.operands_at() + last * spec.operand_words(), window.memory))
    };
    spec.operands.iter().enumerate().filter_map(at).collect()
}
