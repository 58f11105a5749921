//! A graph cut into passes over memory, ready to run.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};

use super::Buffer;
use super::astray::Astray;
use super::bands;
use super::contract::{Contract, Factor};
use super::destination::Destination;
use super::frame::Memory;
use super::groups::{Group, groups};
use super::locks::Locks;
use super::map::Map;
use super::once::{Dims, varying};
use super::pass::Pass;
use super::reduce::{Folded, Of, Reduce, Terms};
use super::region::{self, Region, Temps};
use super::resize::is_cut_by_size;
use super::scan::Scan;
use super::segments::Segments;
use super::sort::Sort;
use super::strip::Span;
use crate::base::interrupt;
use crate::base::layout::Layout;
use crate::base::storage::Storage;
use crate::expr::contraction::Contraction;
use crate::expr::graph::{Fold, Graph, Id, Sizes, Step, Value};
use crate::{Error, Result, Shape, Tensor};

/// How many programs this process has made, and how many passes it has run.
pub(super) static PROGRAMS: AtomicU64 = AtomicU64::new(0);
pub(super) static PASSES: AtomicU64 = AtomicU64::new(0);

/// The passes that evaluate a graph. They do not depend on the graph's numbers, nor on where buffers and targets lie.
pub(crate) struct Program {
    /// What fills temporaries, each from the results of those before it.
    jobs: Vec<Job>,
    /// What writes targets.
    stores: Vec<Store>,
    temps: Vec<Temp>,
    /// Once somebody has asked.
    is_cut_by_size: OnceLock<bool>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} reductions, {} maps", self.jobs.len(), self.stores.len())
    }
}

/// A pass that fills temporaries.
enum Job {
    /// A reduction, and the roots it writes beside.
    Reduce(Box<Reduce>, Vec<usize>),
    Scan(Box<Scan>),
    Sort(Box<Sort>),
    Segments(Box<Segments>),
    Contract(Box<Contract>),
    /// A map into a temporary, and what it is called in profiles.
    Fill(Box<Map>, usize, &'static str),
}

impl Job {
    fn parts_bytes(&self) -> usize {
        match self {
            Self::Reduce(reduce, _) => reduce.parts_bytes(),
            Self::Scan(scan) => scan.parts_bytes(),
            Self::Contract(contract) => contract.parts_bytes(),
            Self::Sort(_) | Self::Segments(_) | Self::Fill(..) => 0,
        }
    }
}

/// A map that writes targets.
struct Store {
    map: Map,
    /// The graph's root that each output is.
    roots: Vec<usize>,
    /// The temporary that it copies, if it does nothing else.
    copies: Option<usize>,
}

/// Memory for the results of a reduction, for a factor of a matrix product, or for what indices choose.
#[derive(Clone)]
struct Temp {
    bytes: usize,
    /// The value that it holds as a whole.
    result: Option<Id>,
    /// The root that is this and nothing else.
    root: Option<usize>,
}

impl Temp {
    /// The memory of the target that this is and nothing else, if the target is contiguous: results are written there
    /// without a detour.
    fn target<'a>(&self, to: &[Destination<'a>]) -> Option<Span<'a>> {
        self.root.map(|root| to[root]).filter(|to| to.layout.is_contiguous()).map(|to| to.memory)
    }
}

impl Program {
    pub(super) fn new(op: &'static str, graph: &Graph) -> Result<Self> {
        PROGRAMS.fetch_add(1, Ordering::Relaxed);
        let varying = varying(graph);
        let groups = groups(graph, &varying);
        let mut temp_of = Temps::default();
        let mut temps: Vec<Temp> = Vec::new();
        let mut jobs = Vec::new();
        for group in &groups {
            for &id in group.results() {
                let Value { shape, dtype, .. } = &graph.values[id];
                temp_of.insert(id, region::Temp { index: temps.len(), layout: Layout::contiguous(shape.clone()) });
                temps.push(Temp { bytes: shape.numel() * dtype.size(), result: Some(id), root: None });
            }
            jobs.push(match group {
                Group::Choose(id) | Group::Once(id) => {
                    let Value { shape, dtype, .. } = &graph.values[*id];
                    let region = Region::new(op, graph, shape, &[(*id, *dtype)], &temp_of, true)?;
                    let constant = region.constant_dims();
                    let region = region.narrowed(&constant);
                    let layout = Layout::contiguous(region.shape.clone()).broadcast_to(shape, op)?;
                    temp_of.insert(*id, region::Temp { index: temps.len(), layout });
                    temps.push(Temp { bytes: region.shape.numel() * dtype.size(), result: None, root: None });
                    let name = if matches!(group, Group::Choose(_)) { "choose" } else { "map" };
                    Job::Fill(Box::new(Map::new(region)), temps.len() - 1, name)
                }
                Group::Fold { folds, beside } => {
                    let reduce = reduce(op, graph, folds, beside, &temp_of, &varying)?;
                    Job::Reduce(Box::new(reduce), beside.clone())
                }
                Group::Scan(id) => Job::Scan(Box::new(scan(op, graph, *id, &temp_of)?)),
                Group::Sort(ids) => Job::Sort(Box::new(sort(op, graph, ids, &temp_of, &mut temps)?)),
                Group::Segments(id) => {
                    Job::Segments(Box::new(Segments::of(op, graph, *id, &temp_of, |bytes| temp(&mut temps, bytes))?))
                }
                Group::Product(id, found) => {
                    Job::Contract(Box::new(contract(op, graph, *id, found, &temp_of, &mut temps)?))
                }
            });
        }

        let mut by_shape: BTreeMap<(&[usize], Option<usize>), Vec<usize>> = BTreeMap::new();
        let beside: FxHashSet<usize> = groups.iter().flat_map(Group::beside).copied().collect();
        for (i, root) in graph.roots.iter().enumerate().filter(|(i, _)| !beside.contains(i)) {
            let value = &graph.values[root.value];
            let is_result = value.step.is_pass() && value.dtype == root.dtype;
            let temp = temp_of.get(&root.value).filter(|_| is_result).map(|temp| temp.index);
            if let Some(temp) = temp {
                temps[temp].root.get_or_insert(i);
            }
            let alone = temp.filter(|&t| temps[t].root == Some(i));
            by_shape.entry((&root.shape[..], alone)).or_default().push(i);
        }
        let mut stores = Vec::new();
        for ((shape, copies), roots) in by_shape {
            let outputs: Vec<_> = roots.iter().map(|&i| (graph.roots[i].value, graph.roots[i].dtype)).collect();
            let map = Map::new(Region::new(op, graph, &Shape::from(shape), &outputs, &temp_of, true)?);
            stores.push(Store { map, roots, copies });
        }
        Ok(Self { jobs, stores, temps, is_cut_by_size: OnceLock::new() })
    }

    /// How many passes it runs, for contiguous targets.
    #[cfg(test)]
    pub(super) fn n_passes(&self) -> usize {
        self.jobs.len() + self.stores.iter().filter(|store| store.copies.is_none()).count()
    }

    /// Whether it could be made the program for other sizes, to which the graph was resized: whether there are no passes but
    /// reductions and maps, and sizes do not decide on these.
    pub(super) fn resize(&mut self, graph: &Graph, sizes: &Sizes) -> bool {
        if *self.is_cut_by_size.get_or_init(|| is_cut_by_size(graph)) {
            return false;
        }
        for temp in &mut self.temps {
            let Some(id) = temp.result else { return false };
            let Value { shape, dtype, .. } = &graph.values[id];
            temp.bytes = shape.numel() * dtype.size();
        }
        self.jobs.iter_mut().all(|job| match job {
            Job::Reduce(reduce, _) => reduce.resize(graph, sizes),
            _ => false,
        }) && self.stores.iter_mut().all(|store| store.map.resize(graph, sizes))
    }

    /// The same, if there are no passes but reductions and maps.
    pub(super) fn copy(&self) -> Option<Self> {
        let job = |job: &Job| match job {
            Job::Reduce(reduce, beside) => Some(Job::Reduce(Box::new(reduce.copy()), beside.clone())),
            _ => None,
        };
        let store =
            |Store { map, roots, copies }: &Store| Store { map: map.copy(), roots: roots.clone(), copies: *copies };
        Some(Self {
            jobs: self.jobs.iter().map(job).collect::<Option<_>>()?,
            stores: self.stores.iter().map(store).collect(),
            temps: self.temps.clone(),
            is_cut_by_size: self.is_cut_by_size.clone(),
        })
    }

    pub(super) fn run(&self, op: &'static str, graph: &Graph, targets: &[Tensor]) -> Result<()> {
        let read = graph.buffers.iter().filter_map(|(storage, _)| on_cpu(storage));
        let locks = Locks::new(read, targets.iter().filter_map(|t| on_cpu(t.storage())));
        let mut to: SmallVec<[Destination<'_>; 4]> = SmallVec::new();
        for t in targets {
            let id = t.storage().id();
            let memory = locked(&locks, id).from(t.offset() * t.dtype().size());
            to.push(Destination::target(memory, t, locks.read(id)));
        }
        // All memory that will be needed, before any target is written.
        let held = self.held(op, &to)?;
        let mut own = held.iter().map(|buffer| own(buffer));
        let mut memory = Memory {
            buffers: SmallVec::new(),
            temps: SmallVec::new(),
            parts: Span::EMPTY,
            scalars: graph.numbers(),
            astray: Astray::default(),
        };
        for (i, (storage, dtype)) in graph.buffers.iter().enumerate() {
            let start = graph.starts.get(i).map_or(0, |start| start * dtype.size());
            memory.buffers.push(locked(&locks, storage.id()).from(start));
        }
        for temp in &self.temps {
            memory.temps.extend(temp.target(&to).or_else(|| own.next()));
        }
        memory.parts = own.next().unwrap_or(Span::EMPTY);
        let passes = self.passes(&to, &memory);
        match bands::shared(&passes) {
            Some(bands) => bands::run(bands, &passes, &memory),
            None => passes.iter().try_for_each(|pass| interrupt::check(op).and_then(|()| pass.run(&memory)))?,
        }
        interrupt::check(op)?;
        PASSES.fetch_add(passes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// All passes, in an order in which none needs a later one.
    fn passes<'a>(&'a self, to: &[Destination<'a>], memory: &Memory<'a>) -> SmallVec<[Pass<'a>; 4]> {
        let targets = |roots: &[usize]| roots.iter().map(|&i| to[i]).collect();
        let job = |job: &'a Job| match job {
            Job::Reduce(reduce, beside) => Pass::Reduce(reduce, targets(beside)),
            Job::Scan(scan) => Pass::Scan(scan),
            Job::Sort(sort) => Pass::Sort(sort),
            Job::Segments(segments) => Pass::Segments(segments),
            Job::Contract(contract) => Pass::Contract(contract),
            Job::Fill(map, temp, name) => Pass::Map(map, smallvec![map.temporary(*temp, memory)], name),
        };
        // A temporary that is a target is stored already.
        let is_stored = |copies: Option<usize>| copies.is_some_and(|temp| self.temps[temp].target(to).is_some());
        let stores = self.stores.iter().filter(|store| !is_stored(store.copies));
        let store = |Store { map, roots, .. }: &'a Store| Pass::Map(map, targets(roots), "map");
        self.jobs.iter().map(job).chain(stores.map(store)).collect()
    }

    /// Memory for the temporaries that are no targets, and last for partial results, if there are any.
    fn held(&self, op: &'static str, to: &[Destination<'_>]) -> Result<SmallVec<[Arc<Buffer>; 4]>> {
        let temps = self.temps.iter().filter(|temp| temp.target(to).is_none()).map(|temp| temp.bytes);
        let parts = self.jobs.iter().map(Job::parts_bytes).max().filter(|&bytes| bytes > 0);
        temps.chain(parts).map(|bytes| Buffer::new(op, bytes)).collect()
    }
}

/// The memory of a buffer of the graph or of a target.
#[expect(unsafe_code, reason = "no compiler sees that threads stay out of each other's way")]
fn locked<'a>(locks: &'a Locks<'_>, id: usize) -> Span<'a> {
    // SAFETY: it is locked for longer than the span lives, and for writing if it is a target: nothing else is written, and
    // to those nobody else has a reference. Buffers hold initialised bytes and begin at cache lines. Each
    // pass says how it keeps threads out of each other's way.
    locks.memory(id).map_or(Span::EMPTY, |memory| unsafe { Span::new(memory) })
}

/// The memory of a buffer that this run has made for itself, and that nobody else knows of.
#[expect(unsafe_code, reason = "as above")]
fn own(buffer: &Buffer) -> Span<'_> {
    let memory = buffer.lock_mut().memory();
    // SAFETY: as above, but that nobody is there to be locked out.
    unsafe { Span::new(memory) }
}

fn on_cpu(storage: &Storage) -> Option<&Buffer> {
    storage.downcast()
}

/// The pass for reductions over one domain and the same dims, which also writes the roots `beside`.
fn reduce(
    op: &'static str,
    graph: &Graph,
    ids: &[Id],
    beside: &[usize],
    temp_of: &Temps,
    varying: &[Dims],
) -> Result<Reduce> {
    let (mut outputs, mut folds, mut over, mut domain) = (Vec::new(), Vec::new(), SmallVec::new(), &Shape::default());
    for &id in ids {
        let value = &graph.values[id];
        let Step::Reduce { op: fold, dims, arg } = &value.step else { continue };
        let terms = Terms { graph, temp_of, varying, dims, alone: ids.len() == 1 && beside.is_empty() };
        let (loops, of) = match graph.extreme_of(id) {
            Some(extreme) => terms.place(extreme),
            None => terms.of(*fold, *arg),
        }
        .ok_or_else(|| unsupported(op, *fold, value))?;
        let (products, terms): (_, SmallVec<[Id; 2]>) = match of {
            Of::One(x) => (None, smallvec![x]),
            Of::Product(products, factors) => (Some(products), factors.into()),
        };
        folds.push(Folded { loops, output: outputs.len(), products, temp: temp_of[&id].index });
        outputs.extend(terms.into_iter().map(|x| (x, graph.values[x].dtype)));
        (over, domain) = (dims.clone(), &graph.values[*arg].shape);
    }
    outputs.extend(beside.iter().map(|&i| (graph.roots[i].value, graph.roots[i].dtype)));
    Ok(Reduce::new(Region::new(op, graph, domain, &outputs, temp_of, false)?, folds, over))
}

/// The pass for a scan.
fn scan(op: &'static str, graph: &Graph, id: Id, temp_of: &Temps) -> Result<Scan> {
    let value = &graph.values[id];
    let Step::Scan { op: fold, dim, scan, arg } = value.step else { unreachable!("a scan's group holds a scan") };
    let region = Region::new(op, graph, &value.shape, &[(arg, value.dtype)], temp_of, false)?;
    Scan::new(region, fold, dim, scan, temp_of[&id].index).ok_or_else(|| unsupported(op, fold, value))
}

/// The pass for a sort. Adds temporaries for what is sorted, unless it lies in memory as it is, and for what is moved.
fn sort(op: &'static str, graph: &Graph, ids: &[Id], temp_of: &Temps, temps: &mut Vec<Temp>) -> Result<Sort> {
    let (mut values, mut places) = (None, None);
    for id in ids {
        let to = Some(temp_of[id].index);
        if matches!(graph.values[*id].step, Step::Sort { sort, .. } if sort.values) { values = to } else { places = to }
    }
    let Step::Sort { sort: options, arg } = graph.values[ids[0]].step else {
        unreachable!("a sort's group holds sorts")
    };
    let Value { shape, dtype, .. } = &graph.values[arg];
    let keys = Map::new(Region::new(op, graph, shape, &[(arg, *dtype)], temp_of, true)?);
    let mut temp = |bytes: usize| temp(temps, bytes);
    let from = if Sort::in_row(&keys).is_some() { None } else { Some(temp(shape.numel() * dtype.size())) };
    let moved = Sort::moved_bytes(shape, *dtype, places.is_some()).map(temp);
    Ok(Sort { keys, dtype: *dtype, options, from, moved, values, places })
}

/// Another temporary, of so many bytes.
fn temp(temps: &mut Vec<Temp>, bytes: usize) -> usize {
    temps.push(Temp { bytes, result: None, root: None });
    temps.len() - 1
}

pub(super) fn unsupported(op: &'static str, fold: Fold, value: &Value) -> Error {
    Error::Unsupported { op, what: format!("{} of {}", fold.name(), value.dtype), device: "cpu".to_owned() }
}

/// The pass for a matrix product. Adds temporaries for factors that have to be computed first.
fn contract(
    op: &'static str,
    graph: &Graph,
    id: Id,
    found: &Contraction,
    temp_of: &Temps,
    temps: &mut Vec<Temp>,
) -> Result<Contract> {
    let value = &graph.values[id];
    let domain = value.step.args().first().map_or(&value.shape, |&arg| &graph.values[arg].shape);
    let mut factor = |id: Id, absent: &[usize]| {
        let region = Region::new(op, graph, domain, &[(id, value.dtype)], temp_of, true)?;
        Factor::new(region, absent, |numel| temp(temps, numel * value.dtype.size()))
    };
    let factors = [factor(found.a, &found.columns)?, factor(found.b, &found.rows)?];
    Contract::new(domain, &value.shape, found, factors, value.dtype, temp_of[&id].index)
}
