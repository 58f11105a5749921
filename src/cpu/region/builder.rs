//! A region made of a graph.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{Call, Constant, Instruction, Leaf, Place, Reading, Region, Source, Temp, Temps};
use crate::base::access::Access;
use crate::cpu::fuse::{Arg, fuse};
use crate::cpu::loops::Loop;
use crate::cpu::{narrow, strips};
use crate::expr::graph::{self, Graph, Id, Step, Take};
use crate::{BinaryOp, DType, Error, Result, Shape};

/// A region while it grows.
struct Builder<'a> {
    graph: &'a Graph,
    leaves: Vec<Leaf>,
    constants: Vec<(Constant, DType)>,
    /// Each instruction's loop, arguments and dtype of the result.
    code: Vec<(Call, Vec<Origin>, DType)>,
    /// Whether results are written where leaves may lie.
    stored: bool,
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
    pub(in crate::cpu) fn new(
        op: &'static str,
        graph: &Graph,
        shape: &Shape,
        outputs: &[(Id, DType)],
        temps: &Temps,
        stored: bool,
    ) -> Result<Self> {
        let mut builder = Builder { graph, leaves: Vec::new(), constants: Vec::new(), code: Vec::new(), stored };
        let mut origins: FxHashMap<Id, Origin> = FxHashMap::default();
        let ids = elementwise(graph, outputs.iter().map(|o| o.0), temps);
        let narrow = narrow_outputs(graph, &ids, outputs, temps);
        let others = outputs.iter().map(|o| o.0).filter(|id| !narrow.contains(id));
        let ids = if narrow.is_empty() { ids } else { elementwise(graph, others, temps) };
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
            let origin = match origins.get(&id) {
                Some(&origin) => builder.convert(origin, graph.values[id].dtype, dtype),
                None => builder.narrow(id, dtype, temps),
            };
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
pub(in crate::cpu) fn is_source(graph: &Graph, id: Id, temps: &Temps) -> bool {
    temps.contains_key(&id) || matches!(graph.values[id].step, Step::Read { .. } | Step::Take(_))
}

impl Builder<'_> {
    fn value(&mut self, id: Id, origins: &FxHashMap<Id, Origin>, temps: &Temps) -> Option<Origin> {
        let graph = self.graph;
        let value = &graph.values[id];
        let dtype_of = |id: Id| graph.values[id].dtype;
        if let Some(Temp { index, layout }) = temps.get(&id) {
            return Some(self.leaf(id, Source::Temp(*index), layout.clone().into(), value.dtype));
        }
        Some(match &value.step {
            Step::Load { .. } | Step::Take(_) => {
                let (leaf, stored) = self.read(id, temps)?;
                self.convert(leaf, stored, value.dtype)?
            }
            Step::Index { access } => self.leaf(id, Source::Index, access.clone(), value.dtype),
            &Step::Scalar { slot } => self.constant(Constant::Scalar(slot), value.dtype),
            // Every reduction and every scan has a temporary.
            Step::Reduce { .. } | Step::Scan { .. } | Step::Sort { .. } | Step::Segments { .. } => return None,
            Step::Read { of, access } => self.leaf(id, Source::Temp(temps.get(of)?.index), access.clone(), value.dtype),
            &Step::Bounded(bounds, a) => {
                self.code.push((Call::Bounded(bounds), vec![origins[&a]], value.dtype));
                Origin::Code(self.code.len() - 1)
            }
            &Step::Unary(op, a) => self.push(strips::unary(op, dtype_of(a)), vec![origins[&a]], value.dtype),
            &Step::Binary(op, a, b) => {
                let (one, args) = (strips::binary(op, dtype_of(a)), vec![origins[&a], origins[&b]]);
                let scaled = op == BinaryOp::Mul && self.is_scaled(args[0], args[1]);
                self.call(if scaled { Call::Scaled(one) } else { Call::One(one) }, args, value.dtype)
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

    /// What is read of a tensor, as it is stored, and the dtype of that.
    fn read(&mut self, id: Id, temps: &Temps) -> Option<(Origin, DType)> {
        let graph = self.graph;
        match &graph.values[id].step {
            Step::Load { buffer, access } => {
                let stored = graph.buffers[*buffer].1;
                Some((self.leaf(id, Source::Buffer(*buffer), access.clone(), stored), stored))
            }
            Step::Take(Take { from, access, at, .. }) => {
                let (source, dtype) = match *from {
                    graph::Source::Buffer(buffer) => (Source::Buffer(buffer), graph.buffers[buffer].1),
                    graph::Source::Reduced(of) => (Source::Temp(temps.get(&of)?.index), graph.values[of].dtype),
                };
                let Temp { index, layout } = temps.get(at)?;
                let (source_of_index, places) = (Source::Temp(*index), layout.clone().into());
                let dtype_of_index = graph.values[*at].dtype;
                let reading = Reading::Index;
                let index = Leaf { id: *at, source: source_of_index, access: places, dtype: dtype_of_index, reading };
                self.leaves.push(index);
                let reading = Reading::By(self.leaves.len() - 1);
                self.leaves.push(Leaf { id, source, access: access.clone(), dtype, reading });
                Some((Origin::Leaf(self.leaves.len() - 1), dtype))
            }
            _ => None,
        }
    }

    /// A value as `dtype` stores it, computed from what is stored so.
    fn narrow(&mut self, id: Id, dtype: DType, temps: &Temps) -> Option<Origin> {
        let graph = self.graph;
        let mut origins: FxHashMap<Id, Origin> = FxHashMap::default();
        for id in elementwise(graph, std::iter::once(id), temps) {
            let origin = match &graph.values[id].step {
                Step::Round(_, a) => origins[a],
                &Step::Scalar { slot } => self.constant(Constant::Scalar(slot), dtype),
                Step::Binary(op, a, b) => self.push(narrow::binary(*op, dtype)?, vec![origins[a], origins[b]], dtype),
                _ => self.read(id, temps)?.0,
            };
            origins.insert(id, origin);
        }
        origins.get(&id).copied()
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

    fn leaf(&mut self, id: Id, source: Source, access: Access, dtype: DType) -> Origin {
        self.leaves.push(Leaf { id, source, access, dtype, reading: Reading::Plain });
        Origin::Leaf(self.leaves.len() - 1)
    }

    fn convert(&mut self, origin: Origin, from: DType, to: DType) -> Option<Origin> {
        if from == to { Some(origin) } else { Some(self.push(strips::convert(from, to)?, vec![origin], to)) }
    }

    fn push(&mut self, one: Loop, args: Vec<Origin>, dtype: DType) -> Origin {
        self.call(Call::One(one), args, dtype)
    }

    fn call(&mut self, call: Call, args: Vec<Origin>, dtype: DType) -> Origin {
        self.code.push((call, args, dtype));
        Origin::Code(self.code.len() - 1)
    }

    /// Whether a product is of floats that stay where they are while it is wanted, and of what was computed from others.
    fn is_scaled(&self, x: Origin, by: Origin) -> bool {
        let Origin::Leaf(x) = x else { return false };
        let computed = match by {
            Origin::Leaf(by) => matches!(self.leaves[by].source, Source::Temp(_)),
            Origin::Constant(_) => false,
            Origin::Code(_) => true,
        };
        !self.stored && self.leaves[x].dtype.is_float() && computed
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
        let mut is_read = vec![false; code.len()];
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
                    Origin::Code(j) => {
                        last_use[j] = i;
                        is_read[j] = true;
                    }
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
            let (is_read, size) = (is_read[i], dtype.size());
            instructions.push(Instruction { call: *call, args: indices, to, output, is_read, size });
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
    let mut single = vec![false; code.len()];
    for (i, (call, args, _)) in code.iter().enumerate() {
        let fixed = |&arg: &Origin| match arg {
            Origin::Leaf(j) => leaves[j].is_one(shape),
            Origin::Constant(_) => true,
            Origin::Code(j) => single[j],
        };
        single[i] = matches!(call, Call::One(_)) && output_of[i].is_none() && args.iter().all(fixed);
    }
    single
}

/// The outputs that are elements of a tensor as they are stored, or computed from such as they are, and which nothing else
/// is computed from: to convert them there and back would be for nothing.
fn narrow_outputs(graph: &Graph, ids: &[Id], outputs: &[(Id, DType)], temps: &Temps) -> FxHashSet<Id> {
    let stored = |id: Id| match graph.values[id].step {
        Step::Load { buffer, .. } | Step::Take(Take { from: graph::Source::Buffer(buffer), .. }) => {
            Some(graph.buffers[buffer].1)
        }
        _ => None,
    };
    let mut computed: FxHashMap<DType, FxHashSet<Id>> = FxHashMap::default();
    let mut is_narrow = |&(id, dtype): &(Id, DType)| {
        let mut can_be =
            || computed.entry(dtype).or_insert_with(|| narrow::narrow(graph, ids, dtype, temps)).contains(&id);
        dtype != graph.values[id].dtype && !temps.contains_key(&id) && (stored(id) == Some(dtype) || can_be())
    };
    let (narrow, others): (Vec<&(Id, DType)>, Vec<_>) = outputs.iter().partition(|output| is_narrow(output));
    let args = ids.iter().filter(|&&id| !is_source(graph, id, temps)).flat_map(|&id| graph.values[id].step.args());
    let used: FxHashSet<Id> = others.into_iter().map(|output| output.0).chain(args).collect();
    narrow.into_iter().map(|output| output.0).filter(|id| !used.contains(id)).collect()
}
