//! An elementwise part of a graph, as a short list of kernels over strips.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::fuse::{Arg, fuse};
use super::kernel::Kernel;
use super::moments::Moments;
use super::strips;
use crate::base::access::Access;
use crate::base::layout::Layout;
use crate::expr::graph::{Graph, Id, Step};
use crate::{DType, Error, Result, Shape};

/// Position of a value in [`Region`]: the leaves first, then the numbers, then what the code computes, in its order.
pub(super) type Slot = usize;

/// Everything elementwise between what is read and some outputs, over one domain.
pub(super) struct Region {
    pub(super) shape: Shape,
    pub(super) leaves: Vec<Leaf>,
    /// Each with the dtype it is used in.
    pub(super) numbers: Vec<(Number, DType)>,
    pub(super) code: Vec<Instruction>,
    pub(super) outputs: Vec<Slot>,
    /// The dtype of each output.
    pub(super) dtypes: Vec<DType>,
    /// Strips in memory that the code needs, and the bytes an element takes in the widest.
    pub(super) registers: usize,
    pub(super) width: usize,
    /// By buffer of the graph: the last instruction that reads of it.
    last_reads: Vec<Option<usize>>,
}

/// Something read from memory, in its storage dtype, or numbered.
pub(super) struct Leaf {
    pub(super) source: Source,
    pub(super) access: Access,
    pub(super) dtype: DType,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// Of [`Graph::buffers`].
    Buffer(usize),
    /// The result of an earlier reduction.
    Temp(usize),
    /// No memory: an element is where it would lie, as an i32.
    Index,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Number {
    /// Of [`Graph::scalars`].
    Slot(usize),
    One,
}

/// What an instruction does.
#[derive(Clone, Copy)]
pub(super) enum Work {
    One(Kernel),
    /// The results of this instruction and of the next two, which are the last.
    Moments(Moments),
    /// Nothing: its result is of the one before.
    Done,
}

pub(super) struct Instruction {
    pub(super) work: Work,
    pub(super) args: SmallVec<[Slot; 3]>,
    /// Where the result goes, unless it is written straight to where output `output` belongs.
    pub(super) register: usize,
    pub(super) output: Option<usize>,
}

/// What a region is made of while it grows.
struct Builder<'a> {
    graph: &'a Graph,
    leaves: Vec<Leaf>,
    numbers: Vec<(Number, DType)>,
    /// What is done, arguments and dtype of the result.
    code: Vec<(Work, Vec<Place>, DType)>,
}

/// A slot before it is known how many leaves and numbers there are.
#[derive(Clone, Copy)]
enum Place {
    Leaf(usize),
    Number(usize),
    Code(usize),
}

impl Region {
    /// What computes `outputs` over `shape`, each value to be given in a dtype. `temps` are the results of reductions.
    /// Outputs that are `stored` may lie where another's leaf is still to be read, so of several none is a leaf.
    pub(super) fn new(
        op: &'static str,
        graph: &Graph,
        shape: &Shape,
        outputs: &[(Id, DType)],
        temps: &FxHashMap<Id, usize>,
        stored: bool,
    ) -> Result<Self> {
        let mut builder = Builder { graph, leaves: Vec::new(), numbers: Vec::new(), code: Vec::new() };
        let mut places: FxHashMap<Id, Place> = FxHashMap::default();
        let ids = elementwise(graph, outputs.iter().map(|o| o.0));
        let fused = fuse(graph, &ids, outputs);
        let together = fused.moments.as_ref().map_or(&[][..], |m| &m.values);
        for id in ids {
            if fused.absorbed.contains(&id) || together.contains(&id) {
                continue;
            }
            let place = match fused.made.get(&id) {
                Some(made) => {
                    let args = builder.args(&made.args, &places);
                    builder.push(made.kernel, args, graph.values[id].dtype)
                }
                None => builder.value(id, &places, temps).ok_or_else(|| unsupported(op, graph, id))?,
            };
            places.insert(id, place);
        }
        if let Some(moments) = &fused.moments {
            let args = builder.args(&moments.args, &places);
            let work = [Work::Moments(moments.kernel), Work::Done, Work::Done];
            for (id, work) in moments.values.into_iter().zip(work) {
                // The same for all, so that they are kept until all is done.
                builder.code.push((work, args.clone(), DType::F32));
                places.insert(id, Place::Code(builder.code.len() - 1));
            }
        }
        let mut ends = Vec::new();
        for &(id, dtype) in outputs {
            let place = builder.convert(places[&id], graph.values[id].dtype, dtype);
            let place = place.ok_or_else(|| unsupported(op, graph, id))?;
            ends.push(match place {
                Place::Leaf(_) if stored && outputs.len() > 1 => builder.push(strips::copy(dtype), vec![place], dtype),
                _ => place,
            });
        }
        let dtypes = outputs.iter().map(|o| o.1).collect();
        Ok(builder.finish(shape.clone(), &ends, dtypes))
    }
}

impl Region {
    /// The leaf that the one output is and nothing else.
    pub(super) fn plain(&self) -> Option<&Leaf> {
        self.leaves.get(self.outputs[0]).filter(|leaf| self.outputs.len() == 1 && leaf.dtype == self.dtypes[0])
    }

    /// The last instruction that reads of a buffer of the graph, if one does.
    pub(super) fn last_read(&self, buffer: usize) -> Option<usize> {
        self.last_reads.get(buffer).copied().flatten()
    }

    /// Bytes of memory that it reads, each element once.
    pub(super) fn bytes_read(&self) -> usize {
        let mut views: SmallVec<[(Source, &Layout, DType); 8]> = SmallVec::new();
        for leaf in self.leaves.iter().filter(|leaf| leaf.source != Source::Index) {
            let view = (leaf.source, leaf.access.footprint(), leaf.dtype);
            if !views.contains(&view) {
                views.push(view);
            }
        }
        views.iter().map(|(_, layout, dtype)| layout.touched() * dtype.size()).sum()
    }

    /// Bytes of its outputs.
    pub(super) fn bytes(&self) -> usize {
        self.dtypes.iter().map(|dtype| self.shape.numel() * dtype.size()).sum()
    }

    /// The same at the first index of some dims.
    pub(super) fn narrowed(mut self, dims: &[usize]) -> Self {
        for leaf in &mut self.leaves {
            leaf.access = dims.iter().fold(leaf.access.clone(), |access, &d| access.narrow(d, 0, 1));
        }
        self.shape = self.shape.with_ones(dims);
        self
    }
}

fn unsupported(op: &'static str, graph: &Graph, id: Id) -> Error {
    let value = &graph.values[id];
    Error::Unsupported { op, what: format!("{:?} of {}", value.step, value.dtype), device: "cpu".to_owned() }
}

/// The values that `outputs` are computed from elementwise, themselves included, arguments first.
fn elementwise(graph: &Graph, outputs: impl Iterator<Item = Id>) -> Vec<Id> {
    let mut stack: Vec<Id> = outputs.collect();
    let mut seen: FxHashSet<Id> = FxHashSet::default();
    while let Some(id) = stack.pop() {
        if seen.insert(id) && !is_source(graph, id) {
            stack.extend(graph.values[id].step.args());
        }
    }
    let mut ids: Vec<Id> = seen.into_iter().collect();
    ids.sort_unstable();
    ids
}

/// Whether a region reads this value from memory.
pub(super) fn is_source(graph: &Graph, id: Id) -> bool {
    matches!(graph.values[id].step, Step::Reduce { .. } | Step::Read { .. })
}

impl Builder<'_> {
    fn value(&mut self, id: Id, places: &FxHashMap<Id, Place>, temps: &FxHashMap<Id, usize>) -> Option<Place> {
        let graph = self.graph;
        let value = &graph.values[id];
        let dtype_of = |id: Id| graph.values[id].dtype;
        Some(match &value.step {
            Step::Load { buffer, access } => {
                let stored = graph.buffers[*buffer].1;
                let leaf = self.leaf(Source::Buffer(*buffer), access.clone(), stored);
                self.convert(leaf, stored, value.dtype)?
            }
            Step::Index { access } => self.leaf(Source::Index, access.clone(), value.dtype),
            &Step::Scalar { slot } => self.number(Number::Slot(slot), value.dtype),
            Step::Reduce { .. } => {
                let access = Layout::contiguous(value.shape.clone()).into();
                self.leaf(Source::Temp(*temps.get(&id)?), access, value.dtype)
            }
            Step::Read { of, access } => self.leaf(Source::Temp(*temps.get(of)?), access.clone(), value.dtype),
            &Step::Unary(op, a) => self.push(strips::unary(op, dtype_of(a)), vec![places[&a]], value.dtype),
            &Step::Binary(op, a, b) => {
                self.push(strips::binary(op, dtype_of(a)), vec![places[&a], places[&b]], value.dtype)
            }
            Step::Random(word, args) => {
                self.push(strips::random(*word), args.iter().map(|arg| places[arg]).collect(), value.dtype)
            }
            Step::Select(c, a, b) => {
                self.push(strips::select(value.dtype), vec![places[c], places[a], places[b]], value.dtype)
            }
            &Step::Convert(a) => self.convert(places[&a], dtype_of(a), value.dtype)?,
            &Step::Round(to, a) => self.push(strips::round(dtype_of(a), to)?, vec![places[&a]], value.dtype),
        })
    }

    fn args(&mut self, args: &[Arg], places: &FxHashMap<Id, Place>) -> Vec<Place> {
        let place = |arg: &Arg| match arg {
            Arg::Value(id) => places[id],
            Arg::One => self.number(Number::One, DType::F32),
        };
        args.iter().map(place).collect()
    }

    fn number(&mut self, number: Number, dtype: DType) -> Place {
        self.numbers.push((number, dtype));
        Place::Number(self.numbers.len() - 1)
    }

    fn leaf(&mut self, source: Source, access: Access, dtype: DType) -> Place {
        self.leaves.push(Leaf { source, access, dtype });
        Place::Leaf(self.leaves.len() - 1)
    }

    fn convert(&mut self, place: Place, from: DType, to: DType) -> Option<Place> {
        if from == to { Some(place) } else { Some(self.push(strips::convert(from, to)?, vec![place], to)) }
    }

    fn push(&mut self, kernel: Kernel, args: Vec<Place>, dtype: DType) -> Place {
        self.code.push((Work::One(kernel), args, dtype));
        Place::Code(self.code.len() - 1)
    }

    /// Gives each value a slot and each result a register, which it leaves to others after its last use.
    fn finish(self, shape: Shape, ends: &[Place], dtypes: Vec<DType>) -> Region {
        let Self { leaves, numbers, code, .. } = self;
        let slot = |place: Place| match place {
            Place::Leaf(i) => i,
            Place::Number(i) => leaves.len() + i,
            Place::Code(i) => leaves.len() + numbers.len() + i,
        };
        let mut last_reads: Vec<Option<usize>> = Vec::new();
        let mut last_use = vec![0; code.len()];
        for (i, (_, args, _)) in code.iter().enumerate() {
            for &arg in args {
                match arg {
                    Place::Leaf(j) => {
                        if let Source::Buffer(buffer) = leaves[j].source {
                            last_reads.resize(last_reads.len().max(buffer + 1), None);
                            last_reads[buffer] = Some(i);
                        }
                    }
                    Place::Number(_) => {}
                    Place::Code(j) => last_use[j] = i,
                }
            }
        }
        let mut output_of: Vec<Option<usize>> = vec![None; code.len()];
        for (output, &end) in ends.iter().enumerate() {
            if let Place::Code(j) = end {
                // Kept to the end of the strip, when outputs are stored.
                last_use[j] = usize::MAX;
                output_of[j].get_or_insert(output);
            }
        }
        let (mut registers, mut free) = (0, Vec::new());
        let mut register_of = Vec::with_capacity(code.len());
        let mut instructions = Vec::with_capacity(code.len());
        for (i, (work, args, _)) in code.iter().enumerate() {
            // Taken before those of the arguments are let go: a kernel's result overlaps none of them.
            let register = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            register_of.push(register);
            let mut slots = SmallVec::new();
            for &arg in args {
                slots.push(slot(arg));
                if let Place::Code(j) = arg
                    && last_use[j] == i
                {
                    last_use[j] = usize::MAX;
                    free.push(register_of[j]);
                }
            }
            let output = output_of[i];
            instructions.push(Instruction { work: *work, args: slots, register, output });
        }
        let stored = leaves.iter().map(|l| l.dtype.size());
        let width = stored.chain(code.iter().map(|c| c.2.size())).max().unwrap_or(8);
        let outputs = ends.iter().map(|&end| slot(end)).collect();
        Region { shape, code: instructions, outputs, dtypes, registers, width, leaves, numbers, last_reads }
    }
}
