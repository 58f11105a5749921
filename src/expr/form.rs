//! The form of expressions: what they compute, whichever tensors they read.
//!
//! A loss that is built anew for each batch has the form of the one before. What was derived from that one, for tensors
//! that only stand for a batch's, holds for the new one, too, once those it reads have taken their places.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use super::cell::{Number, ScalarCell};
use super::node::{Expr, Node, Op};
use crate::base::layout::Layout;
use crate::base::storage::Storage;
use crate::{DType, Result, Scalar, Shape, Tensor};

/// Nodes of which a hash is made at most, one that is used twice counted twice.
const MOST_HASHED: usize = 64;

/// The nodes of some expressions, in the order in which a walk first meets them.
pub(crate) struct Form {
    roots: SmallVec<[u32; 1]>,
    nodes: Vec<FormNode>,
    /// Memory that stands for what the expressions read.
    memory: Vec<StandIn>,
    seeds: Vec<ScalarCell>,
}

struct FormNode {
    kind: Kind,
    args: SmallVec<[u32; 3]>,
    shape: Shape,
    dtype: DType,
}

enum Kind {
    /// A tensor in the memory of this number, here with the offset it has in a stand-in.
    Free(usize, Layout),
    /// This very tensor.
    Fixed(Tensor),
    /// A number of a seed, which decides on nothing but the bits: the cell of this number.
    Seed(usize),
    Other(Op),
}

/// A storage without elements, in place of one.
struct StandIn {
    storage: Storage,
    dtype: DType,
}

/// What expressions of one form read that others of it do not.
pub(crate) struct Reading {
    /// For each stand-in, the memory it stands for, and where in it the stand-in begins, in elements.
    pub(crate) memory: SmallVec<[(Storage, usize); 8]>,
    seeds: SmallVec<[f64; 4]>,
}

impl Form {
    /// The form of some expressions; the expressions themselves, of stand-ins for every tensor that is not `fixed`; and what
    /// they read. `stand_in` makes memory without elements beside some other.
    pub(crate) fn new(
        exprs: &[Expr],
        fixed: impl Fn(&Tensor) -> bool,
        stand_in: impl Fn(&Tensor) -> Result<Storage>,
    ) -> Result<(Self, Vec<Expr>, Reading)> {
        let mut numbers: FxHashMap<*const Node, u32> = FxHashMap::default();
        let mut order: Vec<(&Expr, bool)> = Vec::new();
        let mut stack: Vec<(&Expr, bool)> = exprs.iter().rev().map(|expr| (expr, false)).collect();
        while let Some((expr, is_seed)) = stack.pop() {
            numbers.entry(key(expr)).or_insert_with(|| {
                order.push((expr, is_seed));
                stack.extend(args(expr).rev());
                order.len() as u32 - 1
            });
        }
        // Positions count from the lowest that is read in each memory.
        let mut starts: FxHashMap<usize, usize> = FxHashMap::default();
        let mut free: Vec<&Tensor> = Vec::new();
        for (expr, _) in &order {
            if let Op::Leaf(tensor) = &expr.0.op
                && !fixed(tensor)
            {
                let start = starts.entry(tensor.storage().id()).or_insert_with(|| {
                    free.push(tensor);
                    tensor.offset()
                });
                *start = tensor.offset().min(*start);
            }
        }
        let memory = free.iter().map(|t| Ok(StandIn { storage: stand_in(t)?, dtype: t.dtype() }));
        let memory = memory.collect::<Result<Vec<_>>>()?;
        let place: FxHashMap<usize, usize> = free.iter().enumerate().map(|(i, t)| (t.storage().id(), i)).collect();
        let (mut seeds, mut known) = (Vec::new(), SmallVec::new());
        let kind = |&(expr, is_seed): &(&Expr, bool)| match &expr.0.op {
            Op::Leaf(tensor) => match place.get(&tensor.storage().id()) {
                Some(&at) if !fixed(tensor) => Kind::Free(at, tensor.layout().moved(starts[&tensor.storage().id()])),
                _ => Kind::Fixed(tensor.clone()),
            },
            Op::Number(number) if is_seed => {
                seeds.push(ScalarCell::new(0.0));
                known.push(number.get().to_f64());
                Kind::Seed(seeds.len() - 1)
            }
            op => Kind::Other(op.clone()),
        };
        let kinds: Vec<Kind> = order.iter().map(kind).collect();
        let nodes = order.iter().zip(kinds).map(|((expr, _), kind)| {
            let args = expr.0.args.iter().map(|arg| numbers[&key(arg)]).collect();
            FormNode { kind, args, shape: expr.shape().clone(), dtype: expr.dtype() }
        });
        let nodes = nodes.collect();
        let roots = exprs.iter().map(|expr| numbers[&key(expr)]).collect();
        let form = Self { roots, nodes, memory, seeds };
        let made = form.exprs(&order);
        let memory = free.iter().map(|t| (t.storage().clone(), starts[&t.storage().id()]));
        let reading = Reading { memory: memory.collect(), seeds: known };
        Ok((form, made, reading))
    }

    /// The expressions, of stand-ins. `order` is the nodes they were made of.
    fn exprs(&self, order: &[(&Expr, bool)]) -> Vec<Expr> {
        let mut made: Vec<Option<Expr>> = vec![None; self.nodes.len()];
        let mut stack: Vec<u32> = self.roots.to_vec();
        while let Some(&at) = stack.last() {
            let node = &self.nodes[at as usize];
            let waiting = stack.len();
            if made[at as usize].is_none() {
                stack.extend(node.args.iter().filter(|&&arg| made[arg as usize].is_none()));
            }
            if stack.len() > waiting {
                continue;
            }
            stack.pop();
            let args: SmallVec<[Expr; 2]> = node.args.iter().filter_map(|&arg| made[arg as usize].clone()).collect();
            let (old, _) = order[at as usize];
            let make = || match &node.kind {
                Kind::Free(at, layout) => {
                    let StandIn { storage, dtype } = &self.memory[*at];
                    Tensor::new(storage.clone(), layout.clone(), *dtype).into()
                }
                Kind::Seed(cell) => (&self.seeds[*cell]).into(),
                Kind::Fixed(_) | Kind::Other(_) if args.iter().zip(&old.0.args).all(|(a, b)| key(a) == key(b)) => {
                    old.clone()
                }
                Kind::Fixed(_) | Kind::Other(_) => old.with_args(args),
            };
            let new = made[at as usize].take().unwrap_or_else(make);
            made[at as usize] = Some(new);
        }
        self.roots.iter().filter_map(|&root| made[root as usize].clone()).collect()
    }

    /// How the tensor lies, and its dtype, that the expressions read in the memory of stand-in `at`, if it is the only one.
    pub(crate) fn only_layout(&self, at: usize) -> Option<(&Layout, DType)> {
        let mut layouts = self.nodes.iter().filter_map(|node| match &node.kind {
            Kind::Free(memory, layout) if *memory == at => Some((layout, node.dtype)),
            _ => None,
        });
        let first = layouts.next()?;
        layouts.all(|other| other == first).then_some(first)
    }

    /// A number that expressions and targets of one form have in common; `None` if there are many nodes, or if one reads a
    /// tensor elsewhere than where `is_here` says, or backwards, or none does.
    pub(crate) fn hash(exprs: &[Expr], targets: &[&Tensor], is_here: impl Fn(&Storage) -> bool) -> Option<u64> {
        let mut hasher = FxHasher::default();
        let mut stack: SmallVec<[&Expr; 32]> = exprs.iter().rev().collect();
        let (mut nodes, mut tensors) = (0, 0);
        while let Some(expr) = stack.pop() {
            nodes += 1;
            let Node { op, args, shape, dtype, .. } = &*expr.0;
            (std::mem::discriminant(op), dtype).hash(&mut hasher);
            match op {
                Op::Leaf(tensor) => {
                    if !is_here(tensor.storage()) || tensor.strides().iter().any(|&step| step < 0) {
                        return None;
                    }
                    tensors += 1;
                    (shape, tensor.strides()).hash(&mut hasher);
                }
                Op::Number(Number::Scalar(number)) => number.to_f64().to_bits().hash(&mut hasher),
                Op::Number(Number::Cell(cell)) => cell.id().hash(&mut hasher),
                Op::Index => shape.hash(&mut hasher),
                Op::Random(word) => word.hash(&mut hasher),
                Op::Unary(op) => op.hash(&mut hasher),
                Op::Binary(op) => op.hash(&mut hasher),
                Op::Select | Op::Cast | Op::Promote | Op::Detach => {}
                Op::View(view) => view.hash(&mut hasher),
                Op::Take { dim } => dim.hash(&mut hasher),
                Op::Bounded(bounds) => bounds.hash(&mut hasher),
                Op::Reduce(op, dims) => (op, dims).hash(&mut hasher),
                Op::Scan(op, dim, scan) => (op, dim, scan).hash(&mut hasher),
                Op::Sort(sort) => sort.hash(&mut hasher),
                Op::Segments(fold, row) => (fold, row).hash(&mut hasher),
                Op::Invalid(_) => return None,
            }
            // The seeds of random numbers are no part of a form.
            stack.extend(self::args(expr).rev().filter(|(_, is_seed)| !is_seed).map(|(arg, _)| arg));
            if nodes > MOST_HASHED || args.len() > MOST_HASHED {
                return None;
            }
        }
        for target in targets {
            (target.shape(), target.dtype()).hash(&mut hasher);
        }
        (tensors > 0).then(|| hasher.finish())
    }

    /// The storages that stand for others.
    pub(crate) fn stand_ins(&self) -> impl Iterator<Item = &Storage> {
        self.memory.iter().map(|stand_in| &stand_in.storage)
    }

    /// What these expressions read, if they have this form.
    pub(crate) fn read(&self, exprs: &[Expr]) -> Option<Reading> {
        if exprs.len() != self.roots.len() {
            return None;
        }
        let mut found = Found::new(self);
        let mut stack: SmallVec<[(&Expr, u32); 32]> = exprs.iter().zip(self.roots.iter().copied()).rev().collect();
        let mut next = 0;
        // Of nodes that may be met again.
        let mut numbers: FxHashMap<*const Node, u32> = FxHashMap::default();
        while let Some((expr, at)) = stack.pop() {
            let shared = Arc::strong_count(&expr.0) > 1;
            if shared && let Some(&number) = numbers.get(&key(expr)) {
                if number != at {
                    return None;
                }
                continue;
            }
            // The form was numbered by the same walk.
            let node = self.nodes.get(at as usize).filter(|_| at == next)?;
            next += 1;
            if !found.fits(expr, node) {
                return None;
            }
            if shared {
                numbers.insert(key(expr), at);
            }
            stack.extend(expr.0.args.iter().zip(node.args.iter().copied()).rev());
        }
        found.finished()
    }

    /// Has seeds be those of a reading.
    pub(crate) fn set_seeds(&self, reading: &Reading) {
        self.seeds.iter().zip(&reading.seeds).for_each(|(cell, &seed)| cell.set(seed));
    }
}

/// What was found so far in expressions that may have a form.
struct Found<'a> {
    memory: SmallVec<[Option<(&'a Storage, usize)>; 8]>,
    seeds: SmallVec<[f64; 4]>,
}

impl<'a> Found<'a> {
    fn new(form: &Form) -> Self {
        let memory = SmallVec::from_elem(None, form.memory.len());
        Self { memory, seeds: SmallVec::from_elem(0.0, form.seeds.len()) }
    }

    /// Whether an expression is that of a node, as far as its arguments do not decide.
    fn fits(&mut self, expr: &'a Expr, node: &FormNode) -> bool {
        if expr.dtype() != node.dtype || expr.0.args.len() != node.args.len() || *expr.shape() != node.shape {
            return false;
        }
        match (&node.kind, &expr.0.op) {
            (Kind::Free(at, layout), Op::Leaf(tensor)) => self.takes(*at, layout, tensor),
            (Kind::Fixed(tensor), Op::Leaf(other)) => tensor.is_same_view(other),
            (&Kind::Seed(cell), &Op::Number(Number::Scalar(Scalar::Int(seed)))) => {
                self.seeds[cell] = seed as f64;
                true
            }
            (Kind::Other(op), other) => op.is_same(other),
            _ => false,
        }
    }

    /// Whether a tensor may be where a stand-in is.
    fn takes(&mut self, at: usize, layout: &Layout, tensor: &'a Tensor) -> bool {
        let (Some(start), true) = (tensor.offset().checked_sub(layout.offset()), tensor.strides() == layout.strides())
        else {
            return false;
        };
        let (storage, found) = self.memory[at].get_or_insert((tensor.storage(), start));
        *found == start && storage.id() == tensor.storage().id()
    }

    /// What was found, if each stand-in stands for other memory.
    fn finished(self) -> Option<Reading> {
        let memory = self.memory.into_iter().map(|found| found.map(|(storage, start)| (storage.clone(), start)));
        let memory: SmallVec<[(Storage, usize); 8]> = memory.collect::<Option<_>>()?;
        let mut ids: SmallVec<[usize; 8]> = memory.iter().map(|(storage, _)| storage.id()).collect();
        ids.sort_unstable();
        let apart = ids.windows(2).all(|pair| pair[0] != pair[1]);
        apart.then_some(Reading { memory, seeds: self.seeds })
    }
}

/// The arguments of a node, each with whether it is a number of a seed that is known.
fn args(expr: &Expr) -> impl DoubleEndedIterator<Item = (&Expr, bool)> {
    let random = matches!(expr.0.op, Op::Random(_));
    let is_seed = move |i: usize, arg: &Expr| random && i > 0 && matches!(arg.as_scalar(), Some(Scalar::Int(_)));
    expr.0.args.iter().enumerate().map(move |(i, arg)| (arg, is_seed(i, arg)))
}

fn key(expr: &Expr) -> *const Node {
    std::ptr::from_ref(&*expr.0)
}
