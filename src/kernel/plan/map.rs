//! Maps: elementwise work over one domain, any number of outputs.

use smallvec::SmallVec;

use super::region::{Numbers, Read, emit};
use super::windows::{Windows, best_cut, excess, halves, resized};
use super::{Launch, MAX_LAUNCHES, Output, Planner, Slot, Target, Window};
use crate::expr::graph::Id;
use crate::kernel::grid::Grid;
use crate::kernel::spec::{Binding, Code, Inst, Kernel, Line, Mode, Operand, Order, Spec};
use crate::kernel::uniform::{Dim, Head, stage_words};
use crate::layout::{Access, Layout, Strides, collapse};
use crate::{DType, Result, Shape};

/// Outputs of a kernel, unless they are read in place: a driver takes seconds over hundreds of stores, and kernels of
/// as many outputs each are one pipeline.
const MAX_OUTPUTS: usize = 16;

impl Planner<'_> {
    /// Kernels that compute outputs of one shape: one, if its bindings suffice.
    pub(super) fn map_outputs(&mut self, mut outputs: Vec<Output>) -> Result<()> {
        let roots: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        let region = super::Region::of(self.graph, &self.stored, &[], &roots);
        if outputs.len() > MAX_OUTPUTS && !outputs.iter().any(|o| region.slots.contains(&o.target.slot)) {
            while outputs.len() > MAX_OUTPUTS {
                let rest = outputs.split_off(MAX_OUTPUTS);
                self.map_outputs(outputs)?;
                outputs = rest;
            }
            return self.map_outputs(outputs);
        }
        let slots: Vec<Slot> = slots_written(&outputs).collect();
        if outputs.len() > 1 && !self.fits(&region, slots.iter().copied()) {
            // Fewer outputs at a time. Outputs that are read in place come here only if they fit together.
            let half = outputs.len() / 2;
            let mut first = outputs;
            let second = first.split_off(half);
            self.map_outputs(first)?;
            return self.map_outputs(second);
        }
        self.cut_until_it_fits(&roots, &slots)?;
        let mut numbers = Numbers::default();
        let emitted = emit(self.graph, &self.stored, &[], &roots, &mut numbers, 0);
        let shape = outputs[0].shape.clone();
        let mut reads = emitted.reads;
        for read in &mut reads {
            self.lay_out(read)?;
        }
        let mut code = emitted.code;
        for (output, &line) in outputs.iter().zip(&code.results) {
            code.stores.push((reads.len(), line));
            let access = Access::from(output.target.layout.clone());
            reads.push(Read { slot: Some(output.target.slot), dtype: output.target.dtype, access });
        }
        code.results.clear();
        let n_loads = reads.len() - outputs.len();
        self.map_pieces(&shape, &reads, n_loads, code, &numbers)
    }

    /// Has a view that strides cannot express read its elements in the order of their numbers, where they are too far
    /// apart to be bound together: cut by numbers, each piece would still touch all of them.
    fn lay_out(&mut self, read: &mut Read) -> Result<()> {
        while read.access.layout().is_none() && self.beyond(std::slice::from_ref(read)) > 0.0 {
            let layout = read.access.footprint().clone();
            let (shape, dtype) = (layout.shape().clone(), read.dtype);
            let from = Read { slot: read.slot, dtype, access: layout.into() };
            let temp = self.temp(shape.numel(), dtype);
            self.copy_view(from, Read { slot: Some(temp), dtype, access: Layout::contiguous(shape).into() })?;
            *read = Read { slot: Some(temp), dtype, access: read.access.without_last_stage() };
        }
        Ok(())
    }

    /// A copy from a temporary into a target that could not be written directly.
    pub(super) fn copy(&mut self, temp: Slot, output: Output) -> Result<()> {
        let Target { slot, layout, dtype } = output.target;
        let from = Read { slot: Some(temp), dtype, access: Layout::contiguous(output.shape).into() };
        let to = Read { slot: Some(slot), dtype, access: layout.into() };
        self.copy_view(from, to)
    }

    fn copy_view(&mut self, from: Read, to: Read) -> Result<()> {
        let code = Code {
            lines: vec![Line { inst: Inst::Load(0), dtype: from.dtype.compute() }],
            stores: vec![(1, 0)],
            results: vec![],
        };
        let shape = from.access.shape().clone();
        self.map_pieces(&shape, &[from, to], 1, code, &Numbers::default())
    }

    /// Map kernels over `shape`, one unless it must be cut; the first `n_loads` of `views` are read, the others
    /// written.
    pub(super) fn map_pieces(
        &mut self,
        shape: &Shape,
        views: &[Read],
        n_loads: usize,
        code: Code,
        numbers: &Numbers,
    ) -> Result<()> {
        let most = self.most_elements();
        let now = self.beyond(views) + excess(shape.numel() as u64, most);
        if now == 0.0 {
            return self.map_launch(shape, views, n_loads, code, numbers.clone());
        }
        // Joined dims are cut at better places.
        let (shape, views) = joined(shape, views);
        let narrowed = |dim, start, len| views.iter().map(|v| v.narrow(dim, start, len)).collect::<Vec<_>>();
        let cut = best_cut(&shape, 0..shape.rank(), now, |dim, len| {
            self.beyond(&narrowed(dim, 0, len)) + excess(resized(&shape, dim, len).numel() as u64, most)
        });
        let Some(dim) = cut else { return Err(self.no_cut(&views)) };
        for (start, len) in halves(shape[dim]) {
            let piece = resized(&shape, dim, len);
            self.map_pieces(&piece, &narrowed(dim, start, len), n_loads, code.clone(), numbers)?;
        }
        Ok(())
    }

    /// A map that takes one element at a step, of a domain of rank 1 and without numbers.
    pub(super) fn map_spec(&self, bindings: Vec<Binding>, operands: Vec<Operand>, body: Code) -> Spec {
        Spec {
            kernel: Kernel::Map,
            width: 1,
            workgroup: self.caps.tuning.workgroup,
            lanes: 1,
            groups: 1,
            at_once: 4,
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
            subgroups: false,
        }
    }

    /// One map kernel over `shape`, whose views are within reach.
    fn map_launch(
        &mut self,
        shape: &Shape,
        views: &[Read],
        n_loads: usize,
        code: Code,
        numbers: Numbers,
    ) -> Result<()> {
        let n = self.count(shape.numel())?;
        let domain = Domain::of(shape, views);
        let is_packed = |v: &Read| v.dtype.size() < 4;
        let packed = views[n_loads..].iter().any(is_packed);
        if (n_loads..views.len()).any(|i| is_packed(&views[i]) && !domain.aligned(i, &views[i])) {
            return self.map_beside(shape, views, n_loads, code, numbers);
        }
        let pays = views.iter().enumerate().any(|(i, v)| v.slot.is_some() && domain.aligned(i, v));
        let width = if packed || !domain.ragged() && pays { 4 } else { 1 };

        let windows = self.windows(views)?;
        let operands: Vec<(Operand, &Read)> = views
            .iter()
            .enumerate()
            .map(|(i, v)| (domain.operand(i, v, width, windows.offset(i, v) == 0), v))
            .collect();
        let (bindings, operands) = bind(operands, n_loads, &windows);
        let tail = n % width != 0;
        let kept_rank = domain.sizes.len();
        let spec = Spec { width, kept_rank, n_scalars: numbers.words, tail, ..self.map_spec(bindings, operands, code) };
        let workgroups = (n as usize).div_ceil((width * spec.workgroup) as usize);
        let grid = self.grid(workgroups)?;
        let head = Head { n, grid_x: grid.x, ..Head::default() };
        let mut table: Vec<(usize, Strides)> = Vec::new();
        let mut dims: Vec<usize> = domain.sizes.to_vec();
        for (i, (view, joined)) in views.iter().zip(&domain.strides).enumerate() {
            let stages = view.access.stages();
            for (s, stage) in stages.iter().enumerate() {
                let offset = if s + 1 == stages.len() { windows.offset(i, view) } else { stage.offset() };
                let strides = joined.clone().unwrap_or_else(|| Strides::from_slice(stage.strides()));
                table.push((offset, strides));
            }
            dims.extend(stages[1..].iter().flat_map(|l| l.shape().iter()));
        }
        let bytes = views.iter().map(bytes_touched).sum();
        let dims = self.dims(&dims)?;
        self.push(spec, windows.list, head, &dims, &table, numbers, grid, bytes)
    }

    /// The same where a packed target, being a piece of a larger one, shares words with its neighbours: written
    /// beside it, then patched in.
    fn map_beside(
        &mut self,
        shape: &Shape,
        views: &[Read],
        n_loads: usize,
        code: Code,
        numbers: Numbers,
    ) -> Result<()> {
        let mut beside = views.to_vec();
        for view in beside[n_loads..].iter_mut().filter(|v| v.dtype.size() < 4) {
            view.slot = Some(self.temp(shape.numel(), view.dtype));
            view.access = Layout::contiguous(shape.clone()).into();
        }
        self.map_launch(shape, &beside, n_loads, code, numbers)?;
        for (from, to) in beside.iter().zip(views).filter(|(from, to)| from.slot != to.slot) {
            self.patch(from, to)?;
        }
        Ok(())
    }

    /// Dims as the uniform holds them.
    pub(super) fn dims(&self, sizes: &[usize]) -> Result<Vec<Dim>> {
        sizes.iter().map(|&size| Ok(Dim::new(self.count(size)?))).collect()
    }

    /// Appends a launch, its uniform put together.
    #[allow(clippy::too_many_arguments, reason = "the parts of a launch, each made where it is known")]
    pub(super) fn push(
        &mut self,
        mut spec: Spec,
        windows: Vec<Window>,
        head: Head,
        dims: &[Dim],
        table: &[(usize, Strides)],
        numbers: Numbers,
        grid: Grid,
        bytes: u64,
    ) -> Result<()> {
        self.check_launches(self.launches.len())?;
        if self.caps.pairs {
            spec.fetch_pairs();
        }
        let head = Head { minus_infinity: f32::NEG_INFINITY.to_bits(), ..head };
        let mut uniform: Vec<u32> = bytemuck::cast_slice(&[head]).to_vec();
        uniform.extend_from_slice(bytemuck::cast_slice(dims));
        uniform.resize(spec.operands_at(), 0);
        let words = spec.operand_words();
        for (offset, strides) in table {
            uniform.extend(stage_words(*offset, strides, words));
        }
        uniform.resize(spec.uniform_words(), 0);
        let at = spec.scalars_at();
        let scalars = numbers.list.into_iter().map(|(slot, dtype, word)| (slot, dtype, at + word)).collect();
        self.launches.push(Launch { spec, windows, uniform, scalars, grid, bytes });
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

/// What a kernel binds to write outputs, at most: packed elements may have to be written beside their words, each to
/// memory of its own.
pub(super) fn slots_written(outputs: &[Output]) -> impl Iterator<Item = Slot> {
    outputs.iter().enumerate().map(|(i, output)| match output.target.dtype.size() {
        4.. => output.target.slot,
        _ => Slot::Temp(usize::MAX - i),
    })
}

/// A map's domain, with those dims joined that all its views step through as one. Views in several stages are found
/// by their own coordinates, so beside one of them nothing is joined.
struct Domain {
    sizes: SmallVec<[usize; 8]>,
    /// None for a view in several stages.
    strides: Vec<Option<Strides>>,
}

impl Domain {
    fn of(shape: &Shape, views: &[Read]) -> Self {
        let plain: Vec<&[isize]> = views.iter().filter_map(|v| v.access.layout()).map(Layout::strides).collect();
        let (mut sizes, mut strides) = if plain.len() < views.len() {
            (shape.iter().copied().collect(), plain.iter().map(|s| Strides::from_slice(s)).collect())
        } else {
            collapse(shape, &plain)
        };
        if sizes.is_empty() {
            sizes.push(1);
            strides.iter_mut().for_each(|s| s.push(0));
        }
        let mut of_plain = strides.into_iter();
        let strides = views.iter().map(|v| v.access.layout().and_then(|_| of_plain.next())).collect();
        Self { sizes, strides }
    }

    /// Whether groups of four run over the end of a row.
    fn ragged(&self) -> bool {
        let (inner, outer) = (self.sizes[self.sizes.len() - 1], &self.sizes[..self.sizes.len() - 1]);
        !outer.is_empty() && !inner.is_multiple_of(4)
    }

    /// Whether each group of four of a view lies in a row at an aligned place.
    fn aligned(&self, i: usize, view: &Read) -> bool {
        let Some((inner, outer)) = self.strides[i].as_ref().and_then(|s| s.split_last()) else { return false };
        let rows = is_linear(view) || *inner == 1 && !self.ragged() && outer.iter().all(|s| s % 4 == 0);
        view.dtype != DType::F64 && view.access.footprint().offset().is_multiple_of(4) && rows
    }

    /// How a kernel finds a view's elements; `at_start` says whether it begins where its window does.
    fn operand(&self, i: usize, view: &Read, width: u32, at_start: bool) -> Operand {
        let mode = match &self.strides[i] {
            _ if width == 1 => Mode::Step,
            None => Mode::Each,
            Some(_) if self.aligned(i, view) => Mode::Vec,
            Some(s) if s.iter().all(|&s| s == 0) => Mode::Splat,
            Some(_) if is_linear(view) => Mode::Step,
            Some(_) if self.ragged() => Mode::Each,
            Some(s) if s[s.len() - 1] == 0 => Mode::Splat,
            Some(_) => Mode::Step,
        };
        let order = match &self.strides[i] {
            Some(_) if is_linear(view) && at_start => Order::Identity,
            Some(_) if is_linear(view) => Order::Linear,
            _ => Order::Strided,
        };
        let stages = view.access.stages()[1..].iter().map(|l| l.shape().rank()).collect();
        Operand { binding: 0, dtype: view.dtype, mode, order, stages }
    }
}

fn is_linear(view: &Read) -> bool {
    view.access.layout().is_some_and(Layout::is_contiguous)
}

/// A map's shape and views with as few dims as they allow.
fn joined(shape: &Shape, views: &[Read]) -> (Shape, Vec<Read>) {
    let Domain { sizes, strides } = Domain::of(shape, views);
    let joined: Shape = sizes.iter().copied().collect();
    let views = views.iter().zip(strides).map(|(view, strides)| match strides {
        Some(strides) => {
            let layout = Layout::new(joined.clone(), strides, view.access.footprint().offset());
            Read { access: layout.into(), ..view.clone() }
        }
        None => view.clone(),
    });
    let views = views.collect();
    (joined, views)
}

/// Gives each window one binding, written if any view in it is, wide if all of them allow it. The first `n_loads`
/// operands are read.
pub(super) fn bind(operands: Vec<(Operand, &Read)>, n_loads: usize, windows: &Windows) -> (Vec<Binding>, Vec<Operand>) {
    let mut bindings: Vec<Binding> = Vec::new();
    let mut out = Vec::with_capacity(operands.len());
    for (i, (mut operand, view)) in operands.into_iter().enumerate() {
        let wide = operand.mode == Mode::Vec;
        let write = i >= n_loads;
        if view.slot.is_none() {
            // A position is no load, wide or narrow.
            operand.mode = if wide { Mode::Step } else { operand.mode };
            out.push(operand);
            continue;
        }
        operand.binding = windows.of[i];
        // Windows are in the order in which views first need them.
        if let Some(binding) = bindings.get_mut(operand.binding) {
            binding.wide &= wide;
            binding.write |= write;
        } else {
            bindings.push(Binding { dtype: view.dtype, wide, pairs: false, write });
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
    (bindings, out)
}

/// Bytes of the different elements a view touches: none, where positions are all that is wanted.
pub(super) fn bytes_touched(view: &Read) -> u64 {
    if view.slot.is_none() {
        return 0;
    }
    (view.access.footprint().touched() * view.dtype.size()) as u64
}
