//! Maps: elementwise work over one domain, any number of outputs.

use smallvec::SmallVec;

use super::region::{Numbers, Read, emit};
use super::{Launch, Output, Planner, Slot};
use crate::expr::graph::Id;
use crate::gpu::params::{Dim, Head, stage_words};
use crate::gpu::spec::{Binding, Kernel, Mode, Operand, Spec};
use crate::layout::{Access, Layout, Strides, collapse};
use crate::{DType, Result, Shape};

impl Planner<'_> {
    /// Kernels that compute outputs of one shape: one, if its bindings suffice.
    pub(super) fn map_outputs(&mut self, outputs: Vec<Output>) -> Result<()> {
        let roots: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        let slots: Vec<Slot> = outputs.iter().map(|o| o.target.slot).collect();
        let region = super::Region::of(self.graph, &self.stored, &[], &roots);
        if outputs.len() > 1 && !self.fits(&region, slots.iter().copied()) {
            // Fewer outputs at a time. Outputs that are read in place come here only if they fit together.
            let half = outputs.len() / 2;
            let mut first = outputs;
            let second = first.split_off(half);
            self.map_outputs(first)?;
            return self.map_outputs(second);
        }
        self.cut_until_it_fits(&roots, &[], &slots)?;
        let mut numbers = Numbers::default();
        let emitted = emit(self.graph, &self.stored, &[], &roots, &mut numbers, 0);
        let shape = outputs[0].shape.clone();
        let mut reads = emitted.reads;
        let mut code = emitted.code;
        for (output, &line) in outputs.iter().zip(&code.results) {
            code.stores.push((reads.len(), line));
            let access = Access::from(output.target.layout.clone());
            reads.push(Read { slot: output.target.slot, dtype: output.target.dtype, access });
        }
        code.results.clear();
        let n_loads = reads.len() - outputs.len();
        self.map_launch(&shape, &reads, n_loads, code, numbers)
    }

    /// A copy from a temporary into a target that could not be written directly.
    pub(super) fn copy(&mut self, temp: Slot, output: Output) -> Result<()> {
        let dtype = output.target.dtype;
        let from = Read { slot: temp, dtype, access: Layout::contiguous(output.shape.clone()).into() };
        let to = Read { slot: output.target.slot, dtype, access: output.target.layout.into() };
        let code = crate::gpu::spec::Code {
            lines: vec![crate::gpu::spec::Line { inst: crate::gpu::spec::Inst::Load(0), dtype: dtype.compute() }],
            stores: vec![(1, 0)],
            results: vec![],
        };
        self.map_launch(&output.shape, &[from, to], 1, code, Numbers::default())
    }

    /// One map kernel over `shape`; the first `n_loads` of `views` are read, the others written.
    fn map_launch(
        &mut self,
        shape: &Shape,
        views: &[Read],
        n_loads: usize,
        code: crate::gpu::spec::Code,
        numbers: Numbers,
    ) -> Result<()> {
        let n = self.count(shape.numel())?;
        // Views in several stages are found by their own coordinates; the others collapse together.
        let plain: Vec<&[isize]> = views.iter().filter_map(|v| v.access.layout()).map(Layout::strides).collect();
        let chained = views.iter().any(|v| v.access.layout().is_none());
        let (mut sizes, mut strides) = if chained {
            (shape.iter().copied().collect(), plain.iter().map(|s| Strides::from_slice(s)).collect())
        } else {
            collapse(shape, &plain)
        };
        if sizes.is_empty() {
            sizes.push(1);
            strides.iter_mut().for_each(|s| s.push(0));
        }
        let rank = sizes.len();
        let packed = views[n_loads..].iter().any(|v| v.dtype.size() < 4);
        let ragged = rank > 1 && sizes[rank - 1] % 4 != 0;
        let linear = |v: &Read| v.access.layout().is_some_and(Layout::is_contiguous);
        let aligned = |v: &Read, s: &Strides| {
            let offset = v.access.footprint().offset();
            let whole = |s: &isize| s % 4 == 0;
            let rows = linear(v) || s[rank - 1] == 1 && !ragged && s[..rank - 1].iter().all(whole);
            v.dtype != DType::F64 && offset % 4 == 0 && rows
        };
        let mut of_plain = strides.iter();
        let strides: Vec<Option<&Strides>> =
            views.iter().map(|v| v.access.layout().and_then(|_| of_plain.next())).collect();
        let pays = views.iter().zip(&strides).any(|(v, s)| s.is_some_and(|s| aligned(v, s)));
        let width = if packed || !ragged && pays { 4 } else { 1 };

        let operands: Vec<(Operand, &Read)> = views
            .iter()
            .zip(&strides)
            .map(|(v, s)| {
                let linear = linear(v);
                let mode = match s {
                    _ if width == 1 => Mode::Step,
                    None => Mode::Each,
                    Some(s) if aligned(v, s) => Mode::Vec,
                    Some(s) if s.iter().all(|&s| s == 0) => Mode::Splat,
                    Some(_) if linear => Mode::Step,
                    Some(_) if ragged => Mode::Each,
                    Some(s) if s[rank - 1] == 0 => Mode::Splat,
                    Some(_) => Mode::Step,
                };
                let stages = v.access.stages()[1..].iter().map(|l| l.shape().rank()).collect();
                (Operand { binding: 0, dtype: v.dtype, mode, linear: linear && s.is_some(), stages }, v)
            })
            .collect();
        let (bindings, slots, operands) = bind(operands, n_loads);
        let spec = Spec {
            kernel: Kernel::Map,
            width,
            workgroup: self.caps.tuning.workgroup,
            lanes: 1,
            kept_rank: rank,
            reduced_rank: 0,
            bindings,
            operands,
            n_scalars: numbers.words,
            body: code,
            folds: vec![],
            epilogue: crate::gpu::spec::Code::default(),
            split: false,
        };
        let workgroups = (n as usize).div_ceil((width * spec.workgroup) as usize);
        let grid = self.grid(workgroups)?;
        let head = Head { n, n_reduced: 1, chunk: 1, grid_x: grid.x, blocks: grid.x, ..Head::default() };
        let mut table: Vec<(usize, Strides)> = Vec::new();
        let mut dims: Vec<usize> = sizes.to_vec();
        for (v, s) in views.iter().zip(&strides) {
            let stages = v.access.stages();
            let first = s.map_or_else(|| Strides::from_slice(stages[0].strides()), |s| (*s).clone());
            // A domain of rank 0 has one dim of size 1 here.
            let first = if first.is_empty() { Strides::from_slice(&[0]) } else { first };
            table.push((stages[0].offset(), first));
            for stage in &stages[1..] {
                table.push((stage.offset(), Strides::from_slice(stage.strides())));
                dims.extend(stage.shape().iter());
            }
        }
        let bytes = views.iter().map(bytes_touched).sum();
        self.push(spec, slots, head, &dims, &table, numbers, grid, bytes)
    }

    /// Appends a launch, its params put together.
    #[allow(clippy::too_many_arguments, reason = "the parts of a launch, each made where it is known")]
    pub(super) fn push(
        &mut self,
        spec: Spec,
        slots: Vec<Slot>,
        head: Head,
        dims: &[usize],
        table: &[(usize, Strides)],
        numbers: Numbers,
        grid: crate::gpu::grid::Grid,
        bytes: u64,
    ) -> Result<()> {
        let head = Head { minus_infinity: f32::NEG_INFINITY.to_bits(), ..head };
        let mut params: Vec<u32> = bytemuck::cast_slice(&[head]).to_vec();
        for &size in dims {
            params.extend_from_slice(bytemuck::cast_slice(&[Dim::new(self.count(size)?)]));
        }
        params.resize(spec.operands_at(), 0);
        let words = spec.operand_words();
        for (offset, strides) in table {
            params.extend(stage_words(*offset, strides, words));
        }
        params.resize(spec.params_words(), 0);
        let at = spec.scalars_at();
        let scalars = numbers.list.into_iter().map(|(slot, dtype, word)| (slot, dtype, at + word)).collect();
        self.launches.push(Launch { spec, slots, params, scalars, grid, bytes });
        Ok(())
    }
}

/// Gives each buffer one binding, written if any view of it is, wide if all of them allow it. The first `n_loads`
/// operands are read.
pub(super) fn bind(operands: Vec<(Operand, &Read)>, n_loads: usize) -> (Vec<Binding>, Vec<Slot>, Vec<Operand>) {
    let mut slots: Vec<Slot> = Vec::new();
    let mut bindings: Vec<Binding> = Vec::new();
    let mut out = Vec::with_capacity(operands.len());
    for (i, (mut operand, view)) in operands.into_iter().enumerate() {
        let wide = operand.mode == Mode::Vec;
        let write = i >= n_loads;
        if let Some(found) = slots.iter().position(|s| *s == view.slot) {
            operand.binding = found;
            bindings[found].wide &= wide;
            bindings[found].write |= write;
        } else {
            operand.binding = slots.len();
            slots.push(view.slot);
            bindings.push(Binding { dtype: operand.dtype, wide, write });
        }
        out.push(operand);
    }
    for operand in &mut out {
        // A packed store at an aligned place stays whole words whatever the binding; a load or a plain store from a
        // narrow binding takes one element after the other.
        if operand.mode == Mode::Vec && !bindings[operand.binding].wide && operand.dtype.size() >= 4 {
            operand.mode = Mode::Step;
        }
    }
    (bindings, slots, out)
}

/// Bytes of the different elements a view touches.
pub(super) fn bytes_touched(view: &Read) -> u64 {
    let layout = view.access.footprint();
    let touched: SmallVec<[usize; 8]> =
        layout.shape().iter().zip(layout.strides()).filter(|&(_, &s)| s != 0).map(|(&n, _)| n).collect();
    touched.iter().product::<usize>() as u64 * view.dtype.size() as u64
}
