//! Maps: elementwise work over one domain, any number of outputs.

use smallvec::SmallVec;

use super::region::{Numbers, Read, emit};
use super::{Launch, Output, Planner, Slot};
use crate::expr::graph::Id;
use crate::gpu::grid::Grid;
use crate::gpu::params::{Dim, Head, stage_words};
use crate::gpu::spec::{Binding, Code, Inst, Kernel, Line, Mode, Operand, Order, Spec};
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
            reads.push(Read { slot: Some(output.target.slot), dtype: output.target.dtype, access });
        }
        code.results.clear();
        let n_loads = reads.len() - outputs.len();
        self.map_launch(&shape, &reads, n_loads, code, numbers)
    }

    /// A copy from a temporary into a target that could not be written directly.
    pub(super) fn copy(&mut self, temp: Slot, output: Output) -> Result<()> {
        let dtype = output.target.dtype;
        if dtype.size() < 4 && !owns_words(&output.target.layout) {
            return self.patch(temp, &output);
        }
        let from = Read { slot: Some(temp), dtype, access: Layout::contiguous(output.shape.clone()).into() };
        let to = Read { slot: Some(output.target.slot), dtype, access: output.target.layout.into() };
        let code = Code {
            lines: vec![Line { inst: Inst::Load(0), dtype: dtype.compute() }],
            stores: vec![(1, 0)],
            results: vec![],
        };
        self.map_launch(&output.shape, &[from, to], 1, code, Numbers::default())
    }

    /// A copy into packed elements that share words with others: the domain is the target's memory, so that an
    /// invocation owns whole words, and each element is looked for in the target.
    fn patch(&mut self, temp: Slot, output: &Output) -> Result<()> {
        let super::Target { slot, layout, dtype } = &output.target;
        let Some((low, high)) = layout.bounds() else { return Ok(()) };
        let base = low / 4 * 4;
        let n = (high + 1).next_multiple_of(4) - base;
        let memory = Layout::new(Shape::from([n]), Strides::from_slice(&[1]), base);
        let memory = Read { slot: Some(*slot), dtype: *dtype, access: memory.into() };
        let from = Read { slot: Some(temp), dtype: *dtype, access: Layout::contiguous(output.shape.clone()).into() };

        // The target's dims by stride, largest first, and how its elements' numbers step along each.
        let (mut start, mut number_step) = (0_isize, 1_isize);
        let mut dims: Vec<(usize, usize, isize)> = Vec::new();
        for (&size, &stride) in layout.shape().iter().zip(layout.strides()).rev() {
            if size > 1 {
                // A dim read backwards begins at its far end.
                if stride < 0 {
                    start += (size as isize - 1) * number_step;
                }
                dims.push((stride.unsigned_abs(), size, number_step * stride.signum()));
            }
            number_step *= size as isize;
        }
        dims.sort_unstable_by_key(|d| std::cmp::Reverse(d.0));

        let whole = |mode, stages| {
            let order = if mode == Mode::Vec { Order::Linear } else { Order::Strided };
            Operand { binding: 0, dtype: *dtype, mode, order, stages }
        };
        let operands = vec![
            (whole(Mode::Vec, vec![]), &memory),
            (whole(Mode::Found, vec![dims.len() + 1]), &from),
            (whole(Mode::Vec, vec![]), &memory),
        ];
        let (bindings, slots, operands) = bind(operands, 2);
        let line = |inst, dtype| Line { inst, dtype };
        let value = dtype.compute();
        let body = Code {
            lines: vec![
                line(Inst::Load(0), value),
                line(Inst::Load(1), value),
                line(Inst::Has(1), DType::Bool),
                line(Inst::Select(2, 1, 0), value),
            ],
            stores: vec![(2, 3)],
            results: vec![],
        };
        let spec = Spec { width: 4, ..self.map_spec(bindings, operands, body) };
        let (count, grid) = (self.count(n)?, self.grid(n.div_ceil((4 * spec.workgroup) as usize))?);
        let head = Head { n: count, n_reduced: 1, chunk: 1, grid_x: grid.x, blocks: grid.x, ..Head::default() };
        // The dims of the domain, then what positions divide by, then one that is not used.
        let mut table_dims = vec![Dim::new(count)];
        for &(stride, size, _) in &dims {
            table_dims.push(Dim { count: self.count(size)?, ..Dim::new(self.count(stride)?) });
        }
        table_dims.push(Dim::new(1));
        let mut steps: Strides = dims.iter().map(|d| d.2).collect();
        steps.push(start);
        let in_memory = (base, Strides::from_slice(&[1]));
        let last = output.shape.numel() as isize - 1;
        let table = [in_memory.clone(), (0, Strides::from_slice(&[last])), (low - base, steps), in_memory];
        let bytes = 2 * bytes_touched(&from) + bytes_touched(&from);
        self.push(spec, slots, head, &table_dims, &table, Numbers::default(), grid, bytes);
        Ok(())
    }

    /// A map that takes one element at a step, of a domain of rank 1 and without numbers.
    fn map_spec(&self, bindings: Vec<Binding>, operands: Vec<Operand>, body: Code) -> Spec {
        Spec {
            kernel: Kernel::Map,
            width: 1,
            workgroup: self.caps.tuning.workgroup,
            lanes: 1,
            kept_rank: 1,
            reduced_rank: 0,
            bindings,
            operands,
            n_scalars: 0,
            body,
            folds: vec![],
            epilogue: Code::default(),
            tail: false,
            split: false,
        }
    }

    /// One map kernel over `shape`; the first `n_loads` of `views` are read, the others written.
    fn map_launch(
        &mut self,
        shape: &Shape,
        views: &[Read],
        n_loads: usize,
        code: Code,
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
            v.dtype != DType::F64 && offset.is_multiple_of(4) && rows
        };
        let mut of_plain = strides.iter();
        let strides: Vec<Option<&Strides>> =
            views.iter().map(|v| v.access.layout().and_then(|_| of_plain.next())).collect();
        let pays = views.iter().zip(&strides).any(|(v, s)| v.slot.is_some() && s.is_some_and(|s| aligned(v, s)));
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
                let order = match s {
                    Some(_) if linear && v.access.footprint().offset() == 0 => Order::Identity,
                    Some(_) if linear => Order::Linear,
                    _ => Order::Strided,
                };
                (Operand { binding: 0, dtype: v.dtype, mode, order, stages }, v)
            })
            .collect();
        let (bindings, slots, operands) = bind(operands, n_loads);
        let tail = n % width != 0;
        let spec =
            Spec { width, kept_rank: rank, n_scalars: numbers.words, tail, ..self.map_spec(bindings, operands, code) };
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
        let dims = self.dims(&dims)?;
        self.push(spec, slots, head, &dims, &table, numbers, grid, bytes);
        Ok(())
    }

    /// Dims as the params hold them.
    pub(super) fn dims(&self, sizes: &[usize]) -> Result<Vec<Dim>> {
        sizes.iter().map(|&size| Ok(Dim::new(self.count(size)?))).collect()
    }

    /// Appends a launch, its params put together.
    #[allow(clippy::too_many_arguments, reason = "the parts of a launch, each made where it is known")]
    pub(super) fn push(
        &mut self,
        spec: Spec,
        slots: Vec<Slot>,
        head: Head,
        dims: &[Dim],
        table: &[(usize, Strides)],
        numbers: Numbers,
        grid: Grid,
        bytes: u64,
    ) {
        let head = Head { minus_infinity: f32::NEG_INFINITY.to_bits(), ..head };
        let mut params: Vec<u32> = bytemuck::cast_slice(&[head]).to_vec();
        params.extend_from_slice(bytemuck::cast_slice(dims));
        params.resize(spec.operands_at(), 0);
        let words = spec.operand_words();
        for (offset, strides) in table {
            params.extend(stage_words(*offset, strides, words));
        }
        params.resize(spec.params_words(), 0);
        let at = spec.scalars_at();
        let scalars = numbers.list.into_iter().map(|(slot, dtype, word)| (slot, dtype, at + word)).collect();
        self.launches.push(Launch { spec, slots, params, scalars, grid, bytes });
    }
}

/// Whether a packed target can be written word by word: no word of it but the last, whose rest is kept, holds
/// anything else.
pub(super) fn owns_words(layout: &Layout) -> bool {
    layout.is_contiguous() && layout.offset().is_multiple_of(4)
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
        let Some(slot) = view.slot else {
            // A position is no load, wide or narrow.
            operand.mode = if wide { Mode::Step } else { operand.mode };
            out.push(operand);
            continue;
        };
        if let Some(found) = slots.iter().position(|s| *s == slot) {
            operand.binding = found;
            bindings[found].wide &= wide;
            bindings[found].write |= write;
        } else {
            operand.binding = slots.len();
            slots.push(slot);
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
    if view.slot.is_none() {
        return 0;
    }
    let layout = view.access.footprint();
    let touched: SmallVec<[usize; 8]> =
        layout.shape().iter().zip(layout.strides()).filter(|&(_, &s)| s != 0).map(|(&n, _)| n).collect();
    touched.iter().product::<usize>() as u64 * view.dtype.size() as u64
}
