//! An elementwise part of a graph, as a short list of kernels over strips.

use rustc_hash::{FxHashMap, FxHashSet};

use super::kernel::Kernel;
use super::pairs::{Side, pair};
use super::strips;
use crate::expr::graph::{Graph, Id, Step};
use crate::layout::{Access, Layout};
use crate::{DType, Error, Result, Shape};

/// Position of a value in [`Region`]: the leaves first, then the numbers, then what the code computes, in its order.
pub(super) type Slot = usize;

/// Everything elementwise between what is read and some outputs, over one domain.
pub(super) struct Region {
    pub(super) shape: Shape,
    pub(super) leaves: Vec<Leaf>,
    /// Slots of [`Graph::scalars`], each with the dtype it is used in.
    pub(super) numbers: Vec<(usize, DType)>,
    pub(super) code: Vec<Instruction>,
    pub(super) outputs: Vec<Slot>,
    /// The dtype of each output.
    pub(super) dtypes: Vec<DType>,
    /// Strips in memory that the code needs, and the bytes an element takes in the widest.
    pub(super) registers: usize,
    pub(super) width: usize,
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

pub(super) struct Instruction {
    pub(super) kernel: Kernel,
    pub(super) args: [Slot; 3],
    pub(super) arity: usize,
    /// Where the result goes, unless it is written straight to where output `output` belongs.
    pub(super) register: usize,
    pub(super) output: Option<usize>,
}

/// What a region is made of while it grows.
struct Builder<'a> {
    graph: &'a Graph,
    leaves: Vec<Leaf>,
    numbers: Vec<(usize, DType)>,
    /// Kernel, arguments and dtype of the result.
    code: Vec<(Kernel, Vec<Place>, DType)>,
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
    pub(super) fn new(
        op: &'static str,
        graph: &Graph,
        shape: &Shape,
        outputs: &[(Id, DType)],
        temps: &FxHashMap<Id, usize>,
    ) -> Result<Self> {
        let mut builder = Builder { graph, leaves: Vec::new(), numbers: Vec::new(), code: Vec::new() };
        let mut places: FxHashMap<Id, Place> = FxHashMap::default();
        let ids = elementwise(graph, outputs.iter().map(|o| o.0));
        let pairs = pairs(graph, &ids, outputs);
        for id in ids {
            if pairs.absorbed.contains(&id) {
                continue;
            }
            if let Some(&(kernel, [a, b, c])) = pairs.made.get(&id) {
                let args = vec![places[&a], places[&b], places[&c]];
                places.insert(id, builder.push(kernel, args, graph.values[id].dtype));
                continue;
            }
            let place = builder.value(id, &places, temps).ok_or_else(|| unsupported(op, graph, id))?;
            places.insert(id, place);
        }
        let mut ends = Vec::new();
        for &(id, dtype) in outputs {
            let place = builder.convert(places[&id], graph.values[id].dtype, dtype);
            let place = place.ok_or_else(|| unsupported(op, graph, id))?;
            ends.push(match place {
                // Where several outputs are stored, one could lie where another's leaf is still to be read.
                Place::Leaf(_) if outputs.len() > 1 => builder.push(strips::copy(dtype), vec![place], dtype),
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

    /// The same at the first index of some dims.
    pub(super) fn narrowed(mut self, dims: &[usize]) -> Result<Self> {
        for &d in dims {
            for leaf in &mut self.leaves {
                leaf.access = leaf.access.map(|l| Ok(l.narrow(d, 0, 1, 1)))?;
            }
        }
        self.shape = self.shape.iter().enumerate().map(|(d, &n)| if dims.contains(&d) { 1 } else { n }).collect();
        Ok(self)
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

/// Operations that are done in one loop with the one operation that uses them.
#[derive(Default)]
struct Pairs {
    absorbed: FxHashSet<Id>,
    /// By the second operation: the kernel of both, and its arguments.
    made: FxHashMap<Id, (Kernel, [Id; 3])>,
}

fn pairs(graph: &Graph, ids: &[Id], outputs: &[(Id, DType)]) -> Pairs {
    let mut uses: FxHashMap<Id, usize> = FxHashMap::default();
    let args = ids.iter().filter(|&&id| !is_source(graph, id)).flat_map(|&id| graph.values[id].step.args());
    for id in args.chain(outputs.iter().map(|o| o.0)) {
        *uses.entry(id).or_default() += 1;
    }
    let mut pairs = Pairs::default();
    for &id in ids.iter().rev() {
        let Step::Binary(second, left, right) = graph.values[id].step else { continue };
        if pairs.absorbed.contains(&id) {
            continue;
        }
        for (first, other, side) in [(left, right, Side::Left), (right, left, Side::Right)] {
            let Step::Binary(op, a, b) = graph.values[first].step else { continue };
            if uses.get(&first) == Some(&1)
                && let Some(kernel) = pair(op, second, side, graph.values[first].dtype)
            {
                pairs.absorbed.insert(first);
                pairs.made.insert(id, (kernel, [a, b, other]));
                break;
            }
        }
    }
    pairs
}

/// Whether a region reads this value from memory.
fn is_source(graph: &Graph, id: Id) -> bool {
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
            &Step::Scalar { slot } => {
                self.numbers.push((slot, value.dtype));
                Place::Number(self.numbers.len() - 1)
            }
            Step::Reduce { .. } => {
                let access = Layout::contiguous(value.shape.clone()).into();
                self.leaf(Source::Temp(*temps.get(&id)?), access, value.dtype)
            }
            Step::Read { of, access } => self.leaf(Source::Temp(*temps.get(of)?), access.clone(), value.dtype),
            &Step::Unary(op, a) => self.push(strips::unary(op, dtype_of(a))?, vec![places[&a]], value.dtype),
            &Step::Binary(op, a, b) => {
                self.push(strips::binary(op, dtype_of(a))?, vec![places[&a], places[&b]], value.dtype)
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

    fn leaf(&mut self, source: Source, access: Access, dtype: DType) -> Place {
        self.leaves.push(Leaf { source, access, dtype });
        Place::Leaf(self.leaves.len() - 1)
    }

    fn convert(&mut self, place: Place, from: DType, to: DType) -> Option<Place> {
        if from == to { Some(place) } else { Some(self.push(strips::convert(from, to)?, vec![place], to)) }
    }

    fn push(&mut self, kernel: Kernel, args: Vec<Place>, dtype: DType) -> Place {
        self.code.push((kernel, args, dtype));
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
        let mut last_use = vec![0; code.len()];
        for (i, (_, args, _)) in code.iter().enumerate() {
            for &arg in args {
                if let Place::Code(j) = arg {
                    last_use[j] = i;
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
        for (i, (kernel, args, _)) in code.iter().enumerate() {
            // Taken before those of the arguments are let go: a kernel's result overlaps none of them.
            let register = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            register_of.push(register);
            let mut slots = [0; 3];
            for (k, &arg) in args.iter().enumerate() {
                slots[k] = slot(arg);
                if let Place::Code(j) = arg
                    && last_use[j] == i
                {
                    last_use[j] = usize::MAX;
                    free.push(register_of[j]);
                }
            }
            let output = output_of[i];
            instructions.push(Instruction { kernel: *kernel, args: slots, arity: args.len(), register, output });
        }
        let stored = leaves.iter().map(|l| l.dtype.size());
        let width = stored.chain(code.iter().map(|c| c.2.size())).max().unwrap_or(8);
        let outputs = ends.iter().map(|&end| slot(end)).collect();
        Region { shape, code: instructions, outputs, dtypes, registers, width, leaves, numbers }
    }
}
