//! An elementwise part of a graph, as a short list of loops over strips.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::fuse::{Arg, fuse};
use super::loops::Loop;
use super::moments::Moments;
use super::strips;
use crate::base::access::Access;
use crate::base::bounds::Bounds;
use crate::base::layout::Layout;
use crate::expr::graph::{self, Graph, Id, Step, Take};
use crate::{DType, Error, Result, Shape};

/// Index of a value of a [`Region`]: the leaves first, then the constants, then the results of the code, in its order.
pub(super) type Index = usize;

/// What computes some outputs of one shape, elementwise, from what lies in memory.
pub(super) struct Region {
    pub(super) shape: Shape,
    pub(super) leaves: Vec<Leaf>,
    /// Each with the dtype in which it is used.
    pub(super) constants: Vec<(Constant, DType)>,
    pub(super) code: Vec<Instruction>,
    pub(super) outputs: Vec<Index>,
    /// The dtype of each output.
    pub(super) dtypes: Vec<DType>,
    /// Strips of scratch memory that the code needs, and the bytes of the widest element in any of them.
    pub(super) registers: usize,
    pub(super) width: usize,
    /// Results that are one element for all strips.
    pub(super) singles: usize,
    /// For each index in [`Graph::buffers`], the last instruction that reads the buffer.
    last_reads: Vec<Option<usize>>,
}

/// A tensor that is read from memory, in its storage dtype, or whose elements are their own positions.
pub(super) struct Leaf {
    pub(super) source: Source,
    pub(super) access: Access,
    pub(super) dtype: DType,
    pub(super) reading: Reading,
}

/// How a leaf is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    Plain,
    /// Each element so many places on from where the access puts it as this leaf says.
    By(usize),
    /// Not at all by itself: it says where another is read.
    Index,
}

impl Leaf {
    /// The leaf that says where this one is read.
    pub(super) fn by(&self) -> Option<usize> {
        if let Reading::By(by) = self.reading { Some(by) } else { None }
    }

    /// Whether it reads other elements at other indices of a dim.
    fn varies(&self, dim: usize) -> bool {
        self.access.layout().is_none_or(|layout| layout.strides()[dim] != 0)
    }
}

/// Where the values of a graph are that were computed by an earlier pass.
pub(super) type Temps = FxHashMap<Id, Temp>;

/// A temporary, and how a value lies in it.
pub(super) struct Temp {
    pub(super) index: usize,
    pub(super) layout: Layout,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// Index in [`Graph::buffers`].
    Buffer(usize),
    /// The temporary of this index: the result of an earlier reduction.
    Temp(usize),
    /// No memory: each element is its own position, as an i32.
    Index,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Constant {
    /// Index in [`Graph::scalars`].
    Scalar(usize),
    One,
}

/// The loop that an instruction runs.
#[derive(Clone, Copy)]
pub(super) enum Call {
    One(Loop),
    /// Writes the results of this instruction and of the next two, which are the last.
    Moments(Moments),
    /// None: the `Moments` before it has already written this result.
    Placeholder,
    /// An index looked at, and counted from the start of its dim.
    Bounded(Bounds),
}

/// Where the result of an instruction goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The strip of scratch memory of this number.
    Register(usize),
    /// Beside the constants, by number: it is one element, and the same for all strips.
    Single(usize),
}

pub(super) struct Instruction {
    pub(super) call: Call,
    pub(super) args: SmallVec<[Index; 3]>,
    /// Where the result goes, unless it is written straight to where output `output` belongs.
    pub(super) to: Place,
    pub(super) output: Option<usize>,
    /// Bytes of an element of the result.
    pub(super) size: usize,
}

/// A region while it grows.
struct Builder<'a> {
    graph: &'a Graph,
    leaves: Vec<Leaf>,
    constants: Vec<(Constant, DType)>,
    /// Each instruction's loop, arguments and dtype of the result.
    code: Vec<(Call, Vec<Origin>, DType)>,
}

/// Where a value comes from: its [`Index`] before it is known how many leaves and constants there are.
#[derive(Clone, Copy)]
enum Origin {
    Leaf(usize),
    Constant(usize),
    Code(usize),
}

impl Region {
    /// The region that computes `outputs` over `shape`, each converted to a dtype. `temps` says which temporary holds each
    /// reduction's result. An output that is `stored` may be written where another output's leaf is still to be read, so
    /// if there are several, one that is just a leaf is copied first.
    pub(super) fn new(
        op: &'static str,
        graph: &Graph,
        shape: &Shape,
        outputs: &[(Id, DType)],
        temps: &Temps,
        stored: bool,
    ) -> Result<Self> {
        let mut builder = Builder { graph, leaves: Vec::new(), constants: Vec::new(), code: Vec::new() };
        let mut origins: FxHashMap<Id, Origin> = FxHashMap::default();
        let ids = elementwise(graph, outputs.iter().map(|o| o.0), temps);
        let fused = fuse(graph, &ids, outputs, temps);
        let together = fused.moments.as_ref().map_or(&[][..], |m| &m.values);
        for id in ids {
            if fused.absorbed.contains(&id) || together.contains(&id) {
                continue;
            }
            let origin = match fused.made.get(&id) {
                Some(made) => {
                    let args = builder.args(&made.args, &origins);
                    builder.push(made.one, args, graph.values[id].dtype)
                }
                None => builder.value(id, &origins, temps).ok_or_else(|| unsupported(op, graph, id))?,
            };
            origins.insert(id, origin);
        }
        if let Some(moments) = &fused.moments {
            let args = builder.args(&moments.args, &origins);
            let calls = [Call::Moments(moments.run), Call::Placeholder, Call::Placeholder];
            for (id, call) in moments.values.into_iter().zip(calls) {
                // All three name the arguments, so that no register of theirs is used again before the last.
                builder.code.push((call, args.clone(), DType::F32));
                origins.insert(id, Origin::Code(builder.code.len() - 1));
            }
        }
        let mut ends = Vec::new();
        for &(id, dtype) in outputs {
            let origin = builder.convert(origins[&id], graph.values[id].dtype, dtype);
            let origin = origin.ok_or_else(|| unsupported(op, graph, id))?;
            ends.push(match origin {
                Origin::Leaf(_) if stored && outputs.len() > 1 => {
                    builder.push(strips::copy(dtype), vec![origin], dtype)
                }
                _ => origin,
            });
        }
        let dtypes = outputs.iter().map(|o| o.1).collect();
        Ok(builder.finish(shape.clone(), &ends, dtypes))
    }
}

impl Region {
    /// The leaf that is the only output as it stands.
    pub(super) fn plain(&self) -> Option<&Leaf> {
        self.leaves
            .get(self.outputs[0])
            .filter(|leaf| self.outputs.len() == 1 && leaf.dtype == self.dtypes[0] && leaf.by().is_none())
    }

    /// The last instruction that reads buffer `buffer` of the graph, if one does.
    pub(super) fn last_read(&self, buffer: usize) -> Option<usize> {
        self.last_reads.get(buffer).copied().flatten()
    }

    /// Bytes of memory that it reads, counting each element once.
    pub(super) fn bytes_read(&self) -> usize {
        let mut views: SmallVec<[(Source, &Layout, DType); 8]> = SmallVec::new();
        for leaf in self.leaves.iter().filter(|leaf| leaf.source != Source::Index && leaf.by().is_none()) {
            let view = (leaf.source, leaf.access.footprint(), leaf.dtype);
            if !views.contains(&view) {
                views.push(view);
            }
        }
        let plain: usize = views.iter().map(|(_, layout, dtype)| layout.touched() * dtype.size()).sum();
        plain + self.leaves.iter().filter(|leaf| leaf.by().is_some()).map(|leaf| self.chosen(leaf)).sum::<usize>()
    }

    /// Bytes of the elements that an index chooses, each as often as it is chosen.
    fn chosen(&self, leaf: &Leaf) -> usize {
        let by = leaf.by().map(|by| &self.leaves[by]);
        let varies = |d: usize| leaf.varies(d) || by.is_some_and(|by| by.varies(d));
        let dims = self.shape.iter().enumerate().filter(|&(d, _)| varies(d));
        dims.map(|(_, &n)| n).product::<usize>() * leaf.dtype.size()
    }

    /// The dims along which it is the same everywhere.
    pub(super) fn constant_dims(&self) -> SmallVec<[usize; 4]> {
        // In a dim without elements there is no index 0.
        let is_constant = |&d: &usize| self.shape[d] > 0 && !self.leaves.iter().any(|leaf| leaf.varies(d));
        (0..self.shape.rank()).filter(is_constant).collect()
    }

    /// Bytes of all outputs.
    pub(super) fn bytes(&self) -> usize {
        self.dtypes.iter().map(|dtype| self.shape.numel() * dtype.size()).sum()
    }

    /// The same region at index 0 of `dims`.
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

/// The values from which `outputs` are computed elementwise, and the outputs, arguments first.
fn elementwise(graph: &Graph, outputs: impl Iterator<Item = Id>, temps: &Temps) -> Vec<Id> {
    let mut stack: Vec<Id> = outputs.collect();
    let mut seen: FxHashSet<Id> = FxHashSet::default();
    while let Some(id) = stack.pop() {
        if seen.insert(id) && !is_source(graph, id, temps) {
            stack.extend(graph.values[id].step.args());
        }
    }
    let mut ids: Vec<Id> = seen.into_iter().collect();
    ids.sort_unstable();
    ids
}

/// Whether a region reads this value from memory.
pub(super) fn is_source(graph: &Graph, id: Id, temps: &Temps) -> bool {
    temps.contains_key(&id) || matches!(graph.values[id].step, Step::Read { .. } | Step::Take(_))
}

impl Builder<'_> {
    fn value(&mut self, id: Id, origins: &FxHashMap<Id, Origin>, temps: &Temps) -> Option<Origin> {
        let graph = self.graph;
        let value = &graph.values[id];
        let dtype_of = |id: Id| graph.values[id].dtype;
        if let Some(Temp { index, layout }) = temps.get(&id) {
            return Some(self.leaf(Source::Temp(*index), layout.clone().into(), value.dtype));
        }
        Some(match &value.step {
            Step::Load { buffer, access } => {
                let stored = graph.buffers[*buffer].1;
                let leaf = self.leaf(Source::Buffer(*buffer), access.clone(), stored);
                self.convert(leaf, stored, value.dtype)?
            }
            Step::Index { access } => self.leaf(Source::Index, access.clone(), value.dtype),
            &Step::Scalar { slot } => self.constant(Constant::Scalar(slot), value.dtype),
            // Every reduction and every scan has a temporary.
            Step::Reduce { .. } | Step::Scan { .. } | Step::Sort { .. } | Step::Segments { .. } => return None,
            Step::Read { of, access } => self.leaf(Source::Temp(temps.get(of)?.index), access.clone(), value.dtype),
            Step::Take(Take { from, access, at, .. }) => {
                let (source, dtype) = match *from {
                    graph::Source::Buffer(buffer) => (Source::Buffer(buffer), graph.buffers[buffer].1),
                    graph::Source::Reduced(of) => (Source::Temp(temps.get(&of)?.index), value.dtype),
                };
                let Temp { index, layout } = temps.get(at)?;
                let (index, places) = (Source::Temp(*index), layout.clone().into());
                self.leaves.push(Leaf { source: index, access: places, dtype: dtype_of(*at), reading: Reading::Index });
                let reading = Reading::By(self.leaves.len() - 1);
                self.leaves.push(Leaf { source, access: access.clone(), dtype, reading });
                self.convert(Origin::Leaf(self.leaves.len() - 1), dtype, value.dtype)?
            }
            &Step::Bounded(bounds, a) => {
                self.code.push((Call::Bounded(bounds), vec![origins[&a]], value.dtype));
                Origin::Code(self.code.len() - 1)
            }
            &Step::Unary(op, a) => self.push(strips::unary(op, dtype_of(a)), vec![origins[&a]], value.dtype),
            &Step::Binary(op, a, b) => {
                self.push(strips::binary(op, dtype_of(a)), vec![origins[&a], origins[&b]], value.dtype)
            }
            Step::Random(word, args) => {
                self.push(strips::random(*word), args.iter().map(|arg| origins[arg]).collect(), value.dtype)
            }
            Step::Select(c, a, b) => {
                self.push(strips::select(value.dtype), vec![origins[c], origins[a], origins[b]], value.dtype)
            }
            &Step::Order(a) => self.push(strips::order(), vec![origins[&a]], value.dtype),
            Step::Words(words) => self.push(strips::words(), words.map(|word| origins[&word]).to_vec(), value.dtype),
            &Step::Convert(a) => self.convert(origins[&a], dtype_of(a), value.dtype)?,
            &Step::Round(to, a) => self.push(strips::round(dtype_of(a), to)?, vec![origins[&a]], value.dtype),
        })
    }

    fn args(&mut self, args: &[Arg], origins: &FxHashMap<Id, Origin>) -> Vec<Origin> {
        let origin = |arg: &Arg| match arg {
            Arg::Value(id) => origins[id],
            Arg::One => self.constant(Constant::One, DType::F32),
        };
        args.iter().map(origin).collect()
    }

    fn constant(&mut self, constant: Constant, dtype: DType) -> Origin {
        self.constants.push((constant, dtype));
        Origin::Constant(self.constants.len() - 1)
    }

    fn leaf(&mut self, source: Source, access: Access, dtype: DType) -> Origin {
        self.leaves.push(Leaf { source, access, dtype, reading: Reading::Plain });
        Origin::Leaf(self.leaves.len() - 1)
    }

    fn convert(&mut self, origin: Origin, from: DType, to: DType) -> Option<Origin> {
        if from == to { Some(origin) } else { Some(self.push(strips::convert(from, to)?, vec![origin], to)) }
    }

    fn push(&mut self, one: Loop, args: Vec<Origin>, dtype: DType) -> Origin {
        self.code.push((Call::One(one), args, dtype));
        Origin::Code(self.code.len() - 1)
    }

    /// Gives each value an index and each result a register, which is free for others after the result's last use.
    fn finish(self, shape: Shape, ends: &[Origin], dtypes: Vec<DType>) -> Region {
        let Self { leaves, constants, code, .. } = self;
        let index = |origin: Origin| match origin {
            Origin::Leaf(i) => i,
            Origin::Constant(i) => leaves.len() + i,
            Origin::Code(i) => leaves.len() + constants.len() + i,
        };
        let mut last_reads: Vec<Option<usize>> = Vec::new();
        let mut last_use = vec![0; code.len()];
        for (i, (_, args, _)) in code.iter().enumerate() {
            for &arg in args {
                match arg {
                    Origin::Leaf(j) => {
                        if let Source::Buffer(buffer) = leaves[j].source {
                            last_reads.resize(last_reads.len().max(buffer + 1), None);
                            last_reads[buffer] = Some(i);
                        }
                    }
                    Origin::Constant(_) => {}
                    Origin::Code(j) => last_use[j] = i,
                }
            }
        }
        let mut output_of: Vec<Option<usize>> = vec![None; code.len()];
        for (output, &end) in ends.iter().enumerate() {
            if let Origin::Code(j) = end {
                // Kept to the end of the strip: outputs are stored then.
                last_use[j] = usize::MAX;
                output_of[j].get_or_insert(output);
            }
        }
        let is_single = singles(&shape, &leaves, &code, &output_of);
        let (mut registers, mut singles, mut free) = (0, 0, Vec::new());
        let mut places = Vec::with_capacity(code.len());
        let mut instructions = Vec::with_capacity(code.len());
        for (i, (call, args, dtype)) in code.iter().enumerate() {
            // Taken before the registers of the arguments are free: a result never overlaps an argument.
            let to = if is_single[i] {
                singles += 1;
                Place::Single(singles - 1)
            } else {
                Place::Register(free.pop().unwrap_or_else(|| {
                    registers += 1;
                    registers - 1
                }))
            };
            places.push(to);
            let mut indices = SmallVec::new();
            for &arg in args {
                indices.push(index(arg));
                if let Origin::Code(j) = arg
                    && last_use[j] == i
                {
                    last_use[j] = usize::MAX;
                    if let Place::Register(register) = places[j] {
                        free.push(register);
                    }
                }
            }
            let output = output_of[i];
            instructions.push(Instruction { call: *call, args: indices, to, output, size: dtype.size() });
        }
        let stored = leaves.iter().map(|l| l.dtype.size());
        let width = stored.chain(code.iter().map(|c| c.2.size())).max().unwrap_or(8);
        let outputs = ends.iter().map(|&end| index(end)).collect();
        Region { shape, code: instructions, outputs, dtypes, registers, width, singles, leaves, constants, last_reads }
    }
}

/// Which results are one element, and the same for all strips, and no outputs: they are computed once.
fn singles(
    shape: &Shape,
    leaves: &[Leaf],
    code: &[(Call, Vec<Origin>, DType)],
    output_of: &[Option<usize>],
) -> Vec<bool> {
    let is_fixed = |leaf: &Leaf| {
        let plain = leaf.reading == Reading::Plain && leaf.source != Source::Index;
        plain && (0..shape.rank()).all(|d| shape[d] == 1 || !leaf.varies(d))
    };
    let mut single = vec![false; code.len()];
    for (i, (call, args, _)) in code.iter().enumerate() {
        let fixed = |&arg: &Origin| match arg {
            Origin::Leaf(j) => is_fixed(&leaves[j]),
            Origin::Constant(_) => true,
            Origin::Code(j) => single[j],
        };
        single[i] = matches!(call, Call::One(_)) && output_of[i].is_none() && args.iter().all(fixed);
    }
    single
}
