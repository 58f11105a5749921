//! A graph cut into passes over memory, ready to run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::Buffer;
use super::contract::{self, Contract, Factor};
use super::fold::FoldKernels;
use super::frame::Memory;
use super::locks::Locks;
use super::map::{Destination, Map};
use super::profile;
use super::reduce::{Folded, Reduce};
use super::region::Region;
use crate::base::storage::Storage;
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Graph, Id, Step};
use crate::{BinaryOp, DType, Error, Result, Shape, Tensor};

/// How many programs were made, and how many passes run.
pub(super) static PROGRAMS: AtomicU64 = AtomicU64::new(0);
pub(super) static PASSES: AtomicU64 = AtomicU64::new(0);

/// What evaluating a graph takes. It knows nothing of the numbers in the graph, nor of where buffers and targets lie.
pub(crate) struct Program {
    /// Each only needs the results of those before it.
    passes: Vec<Pass>,
    maps: Vec<Last>,
    temps: Vec<Temp>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} reductions, {} maps", self.passes.len(), self.maps.len())
    }
}

/// What fills temporaries.
enum Pass {
    Reduce(Box<Reduce>),
    Contract(Box<Contract>),
}

impl Pass {
    fn parts_bytes(&self) -> usize {
        match self {
            Self::Reduce(reduce) => reduce.parts_bytes(),
            Self::Contract(contract) => contract.parts_bytes(),
        }
    }
}

/// A map that writes targets.
struct Last {
    map: Map,
    /// Which of the graph's roots the outputs are.
    roots: Vec<usize>,
    /// The temporary it does nothing but copy, if it does nothing else.
    copies: Option<usize>,
}

/// The results of a reduction, or a factor of a matrix product.
struct Temp {
    bytes: usize,
    /// The root that is this and nothing else, to be written without a detour if it is contiguous.
    root: Option<usize>,
}

/// Which temporary holds the results of each reduction.
type Place = FxHashMap<Id, usize>;

impl Program {
    pub(super) fn new(op: &'static str, graph: &Graph) -> Result<Self> {
        PROGRAMS.fetch_add(1, Ordering::Relaxed);
        let groups = groups(graph);
        let place: Place = groups.iter().flat_map(Group::ids).enumerate().map(|(temp, &id)| (id, temp)).collect();
        let bytes = |id: Id| graph.values[id].shape.numel() * graph.values[id].dtype.size();
        let mut temps: Vec<Temp> =
            groups.iter().flat_map(Group::ids).map(|&id| Temp { bytes: bytes(id), root: None }).collect();
        let mut passes = Vec::new();
        for group in &groups {
            passes.push(match group {
                Group::Fold(ids) => Pass::Reduce(Box::new(reduce(op, graph, ids, &place)?)),
                Group::Product(id, found) => {
                    Pass::Contract(Box::new(contract(op, graph, *id, found, &place, &mut temps)?))
                }
            });
        }

        let mut by_shape: BTreeMap<(&[usize], Option<usize>), Vec<usize>> = BTreeMap::new();
        for (i, root) in graph.roots.iter().enumerate() {
            let temp = place.get(&root.value).copied().filter(|_| graph.values[root.value].dtype == root.dtype);
            if let Some(temp) = temp {
                temps[temp].root.get_or_insert(i);
            }
            let alone = temp.filter(|&t| temps[t].root == Some(i));
            by_shape.entry((&root.shape[..], alone)).or_default().push(i);
        }
        let mut maps = Vec::new();
        for ((shape, copies), roots) in by_shape {
            let outputs: Vec<_> = roots.iter().map(|&i| (graph.roots[i].value, graph.roots[i].dtype)).collect();
            let map = Map::new(Region::new(op, graph, &Shape::from(shape), &outputs, &place, true)?);
            maps.push(Last { map, roots, copies });
        }
        Ok(Self { passes, maps, temps })
    }

    pub(super) fn run(&self, op: &'static str, graph: &Graph, targets: &[Tensor]) -> Result<()> {
        let read = graph.buffers.iter().filter_map(|(storage, _)| on_cpu(storage));
        let locks = Locks::new(read, targets.iter().filter_map(|t| on_cpu(t.storage())));
        let to: SmallVec<[Destination<'_>; 4]> = targets
            .iter()
            .map(|t| Destination {
                at: locks.start(t.storage().id()).wrapping_add(t.offset() * t.dtype().size()),
                layout: t.layout(),
                buffer: locks.read(t.storage().id()),
            })
            .collect();
        let mut memory = Memory {
            buffers: graph.buffers.iter().map(|(storage, _)| locks.start(storage.id())).collect(),
            temps: SmallVec::new(),
            parts: std::ptr::null_mut(),
            scalars: graph.numbers(),
        };
        // All memory that will be needed, before any target is written.
        let mut held: SmallVec<[Arc<Buffer>; 4]> = SmallVec::new();
        let is_direct = |temp: &Temp| temp.root.is_some_and(|root| targets[root].is_contiguous());
        let mut own = |bytes: usize| {
            let buffer = Buffer::new(op, bytes)?;
            // Nobody else knows of it, so it needs no lock beyond this line.
            let start = buffer.lock_mut().bytes_mut().as_mut_ptr();
            held.push(buffer);
            Ok(start)
        };
        for temp in &self.temps {
            memory.temps.push(match temp.root.filter(|_| is_direct(temp)) {
                Some(root) => to[root].at,
                None => own(temp.bytes)?,
            });
        }
        let parts = self.passes.iter().map(Pass::parts_bytes).max().unwrap_or(0);
        if parts > 0 {
            memory.parts = own(parts)?;
        }
        let mut passes = self.passes.len() as u64;
        for pass in &self.passes {
            let start = profile::now();
            // SAFETY: every buffer is locked, temporaries are this run's own, and one that is a target is read by no
            // leaf (promised: a graph with reductions does not read its targets).
            unsafe {
                match pass {
                    Pass::Reduce(reduce) => {
                        reduce.run(&memory);
                        profile::note(start, "reduce", || reduce.traffic());
                    }
                    Pass::Contract(contract) => {
                        contract.run(&memory);
                        profile::note(start, "contract", || contract.traffic());
                    }
                }
            }
        }
        for Last { map, roots, copies } in &self.maps {
            if copies.is_none_or(|temp| !is_direct(&self.temps[temp])) {
                passes += 1;
                let all = roots.iter().enumerate().all(|(i, &root)| i == root) && roots.len() == to.len();
                let some: SmallVec<[Destination<'_>; 4]>;
                let to = if all {
                    &to
                } else {
                    some = roots.iter().map(|&root| to[root]).collect();
                    &some
                };
                let start = profile::now();
                // SAFETY: as above, and targets are locked for writing.
                unsafe { map.run(to, &memory) };
                profile::note(start, "map", || {
                    (map.region.shape.clone(), map.region.bytes_read() + map.region.bytes())
                });
            }
        }
        PASSES.fetch_add(passes, Ordering::Relaxed);
        Ok(())
    }
}

fn on_cpu(storage: &Storage) -> Option<&Buffer> {
    storage.downcast()
}

/// The pass of reductions over one domain and dims.
fn reduce(op: &'static str, graph: &Graph, ids: &[Id], place: &Place) -> Result<Reduce> {
    let (mut outputs, mut folds, mut over, mut domain) = (Vec::new(), Vec::new(), SmallVec::new(), &Shape::default());
    for &id in ids {
        let value = &graph.values[id];
        let Step::Reduce { op: fold, dims, arg } = &value.step else { continue };
        let kernels = FoldKernels::new(*fold, value.dtype).ok_or_else(|| Error::Unsupported {
            op,
            what: format!("{} of {}", fold.name(), value.dtype),
            device: "cpu".to_owned(),
        })?;
        let output = outputs.len();
        let factors = match graph.values[*arg].step {
            Step::Binary(BinaryOp::Mul, a, b) if *fold == Fold::Sum && value.dtype != DType::I32 => Some([a, b]),
            _ => None,
        };
        outputs.extend(factors.map_or(vec![*arg], Vec::from).into_iter().map(|x| (x, value.dtype)));
        folds.push(Folded { kernels, output, product: factors.is_some(), temp: place[&id] });
        (over, domain) = (dims.clone(), &graph.values[*arg].shape);
    }
    // A number has no shape of its own to fold over; the graph never folds one.
    Ok(Reduce::new(Region::new(op, graph, domain, &outputs, place, false)?, folds, over))
}

/// The pass of a matrix product, and temporaries for factors that have to be computed first.
fn contract(
    op: &'static str,
    graph: &Graph,
    id: Id,
    found: &Contraction,
    place: &Place,
    temps: &mut Vec<Temp>,
) -> Result<Contract> {
    let value = &graph.values[id];
    let domain = value.step.args().first().map_or(&value.shape, |&arg| &graph.values[arg].shape);
    let mut factor = |id: Id, absent: &[usize]| {
        let region = Region::new(op, graph, domain, &[(id, value.dtype)], place, true)?;
        Factor::new(region, absent, |numel| {
            temps.push(Temp { bytes: numel * value.dtype.size(), root: None });
            temps.len() - 1
        })
    };
    let factors = [factor(found.a, &found.columns)?, factor(found.b, &found.rows)?];
    Contract::new(domain, &value.shape, found, factors, value.dtype, place[&id])
}

/// A shape, as something that has an order.
type Sizes<'a> = &'a [usize];

/// Reductions that are done in one pass.
enum Group {
    Fold(Vec<Id>),
    Product(Id, Contraction),
}

impl Group {
    fn ids(&self) -> &[Id] {
        match self {
            Self::Fold(ids) => ids,
            Self::Product(id, _) => std::slice::from_ref(id),
        }
    }
}

/// The reductions that roots need, those that can share a pass together, in an order in which none needs a later one.
fn groups(graph: &Graph) -> Vec<Group> {
    let mut stack: Vec<Id> = graph.roots.iter().map(|root| root.value).collect();
    let mut live: FxHashSet<Id> = FxHashSet::default();
    while let Some(id) = stack.pop() {
        if live.insert(id) {
            stack.extend(graph.values[id].step.args());
        }
    }
    // How many reductions lie on the longest way to each value.
    let mut depth = vec![0; graph.values.len()];
    let mut products: BTreeMap<usize, Vec<Group>> = BTreeMap::new();
    // By depth, domain and dims.
    let mut folds: BTreeMap<(usize, Sizes<'_>, Sizes<'_>), Vec<Id>> = BTreeMap::new();
    for (id, value) in graph.values.iter().enumerate() {
        let args = value.step.args().iter().map(|&arg| depth[arg]).max().unwrap_or(0);
        depth[id] = args;
        if let Step::Reduce { dims, arg, .. } = &value.step
            && live.contains(&id)
        {
            depth[id] += 1;
            match Contraction::of(graph, id, contract::LEAST) {
                Some(found) => products.entry(depth[id]).or_default().push(Group::Product(id, found)),
                None => folds.entry((depth[id], &graph.values[*arg].shape, dims)).or_default().push(id),
            }
        }
    }
    let mut by_depth = products;
    for ((depth, ..), ids) in folds {
        by_depth.entry(depth).or_default().push(Group::Fold(ids));
    }
    by_depth.into_values().flatten().collect()
}
