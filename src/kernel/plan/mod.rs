//! From a flat graph to launches of kernels. A plan is a value that can be printed and compared.
//!
//! Elementwise values fuse into whatever consumes them. Reductions over the same domain and dims share a pass; what
//! follows them at their own shape is their epilogue. A reduced value used again at full size is stored and read.

mod beside;
mod contract;
mod cut;
mod domain;
mod emit;
mod group;
mod in_place;
mod launching;
mod map;
mod patch;
mod pieces;
mod reduce;
mod region;
mod scan;
mod segments;
mod sort;
mod take;
#[cfg(test)]
pub(super) mod tests;
mod view;
mod windows;

use rustc_hash::FxHashMap;

use self::region::Region;
use self::view::View;
pub(crate) use self::windows::Window;
use crate::base::bounds::Bounds;
use crate::base::layout::Layout;
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Graph, Id, Place, Source, Step};
use crate::kernel::codegen::costs;
use crate::kernel::double::refuse_arithmetic;
use crate::kernel::grid::Grid;
use crate::kernel::spec::Spec;
use crate::kernel::tuning::Tuning;
use crate::{DType, DeviceInfo, Error, Result, Shape};

/// Launches of a plan: with 2^31 elements in each, more than any device would see the end of.
const MAX_LAUNCHES: usize = 1 << 16;

/// Kernels in the order they run, and the memory they need between them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) launches: Vec<Launch>,
    pub(crate) temps: Vec<Temp>,
}

/// Memory that lives while a plan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Temp {
    pub(crate) numel: usize,
    pub(crate) dtype: DType,
}

/// One dispatch.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) spec: Spec,
    /// Operands before this one are read, the others written.
    n_loads: usize,
    /// What is bound, in the order of the spec's bindings.
    pub(crate) windows: Vec<Window>,
    /// The uniforms, with zeros in place of the numbers.
    pub(crate) uniforms: Vec<u32>,
    /// The graph's scalar, its dtype, and the word of the uniforms it goes to.
    pub(crate) scalars: Vec<(usize, DType, usize)>,
    /// The bounds of indices, and the word of the uniforms for the mark that says one is out of them.
    pub(crate) bounds: Vec<(Bounds, usize)>,
    /// Words of the uniforms that say where in some memory a view begins.
    pub(crate) offsets: Vec<(usize, Memory)>,
    pub(crate) grid: Grid,
    /// Bytes this pass must move: each element read or written, once.
    pub(crate) bytes: u64,
}

/// Memory that a launch may bind. Equal values are the same memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Memory {
    /// A buffer the graph reads.
    Buffer(usize),
    /// A target's memory that the graph does not read.
    Target(usize),
    Temp(usize),
    /// What kernels tell the host of indices out of bounds.
    Marks,
}

/// Where a root is written.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Target {
    pub(crate) memory: Memory,
    pub(crate) layout: Layout,
    pub(crate) dtype: DType,
}

impl Target {
    /// The targets of a graph, from the id of each one's memory, its layout and its dtype. Memory that the graph reads,
    /// too, is that buffer.
    pub(crate) fn of(graph: &Graph, places: &[(usize, &Layout, DType)]) -> Vec<Self> {
        let target = |&(id, layout, dtype): &(usize, &Layout, DType)| {
            let memory = match graph.buffers.iter().position(|b| b.0.id() == id) {
                Some(buffer) => Memory::Buffer(buffer),
                None => Memory::Target(places.iter().position(|place| place.0 == id).unwrap_or(0)),
            };
            Self { memory, layout: layout.clone(), dtype }
        };
        places.iter().map(target).collect()
    }

    /// All of some memory, in row-major order.
    pub(crate) fn contiguous(memory: Memory, shape: Shape, dtype: DType) -> Self {
        Self { memory, layout: Layout::contiguous(shape), dtype }
    }

    fn view(&self) -> View {
        View::new(self.memory, self.dtype, self.layout.clone())
    }

    fn place(&self) -> Place<'_> {
        let buffer = if let Memory::Buffer(buffer) = self.memory { Some(buffer) } else { None };
        Place { buffer, layout: &self.layout, dtype: self.dtype }
    }
}

/// What the planner must know of a device.
#[derive(Clone, Debug)]
pub(crate) struct Caps {
    pub(crate) tuning: Tuning,
    pub(crate) max_bindings: usize,
    /// Bytes of a buffer that a binding may show.
    pub(crate) max_binding: u64,
    pub(crate) max_workgroups: u32,
    pub(crate) max_workgroup_memory: u32,
    /// Invocations that every subgroup has at least; 0 where there are none.
    pub(crate) subgroup: u32,
    /// Whether it computes in f64.
    pub(crate) f64: bool,
    /// Whether it computes in i64.
    pub(crate) i64: bool,
    /// As in [`Spec`].
    pub(crate) fast_math: bool,
    pub(crate) device: String,
}

impl Caps {
    /// A discrete GPU with no more than WebGPU promises, but for f64, in which any expression may be.
    pub(crate) fn webgpu() -> Self {
        Self {
            tuning: Tuning::discrete(),
            max_bindings: 8,
            max_binding: 128 << 20,
            max_workgroups: 65_535,
            max_workgroup_memory: 16_384,
            subgroup: 0,
            f64: true,
            i64: false,
            fast_math: false,
            device: "webgpu".to_owned(),
        }
    }

    pub(crate) fn of(info: &DeviceInfo, device: &str, fast_math: bool) -> Self {
        Self {
            tuning: Tuning::of(info),
            max_bindings: info.max_bindings as usize,
            max_binding: info.max_binding,
            max_workgroups: info.max_workgroups,
            max_workgroup_memory: info.max_workgroup_memory,
            subgroup: info.subgroup.map_or(0, |sizes| sizes.0),
            f64: info.f64,
            i64: info.i64,
            fast_math,
            device: device.to_owned(),
        }
    }
}

/// A value stored by this plan, in row-major order over its own shape.
pub(super) type Stored = FxHashMap<Id, (Memory, DType)>;

/// Plans a graph whose root `i` is written to `targets[i]`.
///
/// Targets may be read, too. They are written by the passes that compute them, unless an element would be overwritten
/// before it is read: then by copies, after all else.
pub(crate) fn plan(op: &'static str, graph: &Graph, targets: &[Target], caps: &Caps) -> Result<Plan> {
    if !caps.f64 {
        refuse_arithmetic(graph, caps)?;
    }
    let product = |id: Id| Contraction::of(graph, id, contract::LEAST).map(|found| (id, found));
    let products = (0..graph.values.len()).filter_map(product).collect();
    let costs = costs(graph, caps);
    let planner = |copies| Planner {
        op,
        graph,
        caps,
        products: &products,
        costs: &costs,
        stored: Stored::default(),
        launches: Vec::new(),
        temps: Vec::new(),
        copies,
    };
    let places: Vec<Place<'_>> = targets.iter().map(Target::place).collect();
    let plan = planner(false).plan(targets);
    if !graph.writes_before_it_reads(&places) || plan.as_ref().is_ok_and(|plan| plan.reads_before_it_writes(targets)) {
        return plan;
    }
    planner(true).plan(targets)
}

struct Planner<'a> {
    op: &'static str,
    graph: &'a Graph,
    caps: &'a Caps,
    /// The reductions that are matrix products.
    products: &'a FxHashMap<Id, Contraction>,
    /// What a driver takes to compile each value.
    costs: &'a [usize],
    stored: Stored,
    launches: Vec<Launch>,
    temps: Vec<Temp>,
    /// Whether memory that is read is written by copies alone.
    copies: bool,
}

/// Something to be stored: the value, and where.
#[derive(Clone, Debug)]
struct Output {
    value: Id,
    shape: Shape,
    target: Target,
}

impl Output {
    /// Whether several elements share a word where it is written.
    fn is_packed(&self) -> bool {
        self.target.dtype.size() < 4
    }
}

impl Planner<'_> {
    fn plan(mut self, targets: &[Target]) -> Result<Plan> {
        self.run(targets)?;
        Ok(Plan { launches: self.launches, temps: self.temps })
    }

    fn run(&mut self, targets: &[Target]) -> Result<()> {
        let mut outputs: Vec<Output> = self
            .graph
            .roots
            .iter()
            .zip(targets)
            .filter(|(root, _)| root.shape.numel() > 0)
            .map(|(root, target)| Output { value: root.value, shape: root.shape.clone(), target: target.clone() })
            .collect();
        let copies = self.stage_outputs(&mut outputs);

        let roots: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        for group in self.groups(&roots) {
            self.reduce_group(&group, &mut outputs)?;
        }
        while let Some(first) = outputs.first() {
            let shape = first.shape.clone();
            let (together, rest) = std::mem::take(&mut outputs).into_iter().partition(|o| o.shape == shape);
            outputs = rest;
            self.map_outputs(together)?;
        }
        for (temp, output) in copies {
            self.copy(temp, &output)?;
        }
        Ok(())
    }

    /// Redirects outputs to temporaries where they must not be written as they are computed, and returns the copies that
    /// finish the work.
    ///
    /// That is where a target is also read and would be overwritten before that, or not all outputs are sure to be written
    /// by one pass; and where a buffer is written and used in places too far apart for one binding, as what is written is
    /// bound once.
    fn stage_outputs(&mut self, outputs: &mut [Output]) -> Vec<(Memory, Output)> {
        let is_read = |o: &Output| matches!(o.target.memory, Memory::Buffer(_));
        let in_place = outputs.iter().any(is_read);
        let roots: Vec<Id> = outputs.iter().map(|o| o.value).collect();
        let region = Region::of(self.graph, &self.stored, &[], &roots);
        let one_pass = self.fits(&region, map::memory_written(outputs));
        let far_apart = |o: &Output| self.used_far_apart(&o.target, outputs);
        let staged: Vec<bool> =
            outputs.iter().map(|o| in_place && !one_pass || self.copies && is_read(o) || far_apart(o)).collect();
        let mut copies = Vec::new();
        for (output, staged) in outputs.iter_mut().zip(staged) {
            if staged {
                let temp = self.temp(output.shape.numel(), output.target.dtype);
                copies.push((temp, output.clone()));
                output.target = Target::contiguous(temp, output.shape.clone(), output.target.dtype);
            }
        }
        copies
    }

    /// Whether a target's buffer is also read or written elsewhere, out of reach of the target's own binding.
    fn used_far_apart(&self, target: &Target, outputs: &[Output]) -> bool {
        let loads = self.graph.values.iter().filter_map(|v| match &v.step {
            Step::Load { buffer, access } if Memory::Buffer(*buffer) == target.memory => {
                Some(View::new(target.memory, target.dtype, access.clone()))
            }
            Step::Take(take) if matches!(take.from, Source::Buffer(b) if Memory::Buffer(b) == target.memory) => {
                Some(View::of_take(target.memory, target.dtype, take))
            }
            _ => None,
        });
        let written = outputs.iter().filter(|o| o.target.memory == target.memory);
        let views: Vec<View> =
            loads.chain(written.map(|o| View::new(target.memory, target.dtype, o.target.layout.clone()))).collect();
        let elsewhere = views.iter().any(|v| v.access.layout() != Some(&target.layout) || v.taken.is_some());
        elsewhere && !self.within_reach(views.iter())
    }

    fn temp(&mut self, numel: usize, dtype: DType) -> Memory {
        self.temps.push(Temp { numel, dtype });
        Memory::Temp(self.temps.len() - 1)
    }

    /// A `usize` count that a kernel can hold: below 2³¹, so that indices divide by multiplication.
    fn count(&self, numel: usize) -> Result<u32> {
        u32::try_from(numel)
            .ok()
            .filter(|&n| n < 1 << 31)
            .ok_or_else(|| self.limit("elements in one pass", 1 << 31, numel))
    }

    fn grid(&self, workgroups: usize) -> Result<Grid> {
        let limit = self.caps.max_workgroups;
        u32::try_from(workgroups).ok().and_then(|w| Grid::split(w, limit)).ok_or_else(|| {
            self.limit("max_compute_workgroups_per_dimension squared", u64::from(limit).pow(2), workgroups)
        })
    }

    fn limit(&self, limit: &'static str, max: u64, found: usize) -> Error {
        Error::Limit { op: self.op, limit, max, found: found as u64, device: self.caps.device.clone() }
    }
}
