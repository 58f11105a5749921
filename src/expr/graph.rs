//! An expression made flat: what every backend starts from.
//!
//! Views are pushed down to the buffers they read, so that only [`Access`]es remain; dtypes become the four that
//! arithmetic is carried out in; common subexpressions become one value; numbers become slots, so that a graph with
//! another learning rate is the same graph. What runs it, and in how many passes, is the backend's affair.

mod stages;

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use rustc_hash::{FxHashMap, FxHasher};
use smallvec::{SmallVec, smallvec};

use super::cell::Number;
use super::node::{Expr, Node, Op, View};
use super::op::{BinaryOp, ReduceOp, UnaryOp};
use crate::layout::{Access, Layout};
use crate::tensor::Storage;
use crate::{DType, Error, Result, Scalar, Shape};

/// Position of a value in [`Graph::values`]. Arguments come before what uses them.
pub(crate) type Id = usize;

/// What is computed, over `shape`, in `dtype`: one of bool, i32, f32 and f64.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Value {
    pub(crate) step: Step,
    /// The domain. Arguments of an elementwise step have the same, or are [`Step::Scalar`]s, which have rank 0.
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

/// How a value comes about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Step {
    /// Elements of a buffer, converted from its dtype to the compute dtype.
    Load {
        buffer: usize,
        access: Access,
    },
    /// Where an access would find each element, as a number: a load without a buffer.
    Index {
        access: Access,
    },
    /// A number, converted from [`Graph::scalars`].
    Scalar {
        slot: usize,
    },
    /// The upper 24 bits of one of Philox's four words, of a counter and the two words of a key; all i32.
    Random(u8, [Id; 3]),
    Unary(UnaryOp, Id),
    /// Arithmetic and comparisons on i32, f32, f64; `And` and `Or` on bool.
    Binary(BinaryOp, Id, Id),
    Select(Id, Id, Id),
    /// From one compute dtype to another: floats truncate to integers and saturate, NaN to 0; to bool is `!= 0`.
    Convert(Id),
    /// To the nearest value that f16 or bf16 can hold (from f32 or f64), kept as f32; or modulo 256 for u8, kept as i32.
    Round(DType, Id),
    /// Over these dims of the argument, in rising order; they go. Never over bool.
    Reduce {
        op: Fold,
        dims: SmallVec<[usize; 4]>,
        arg: Id,
    },
    /// Elements of a reduction's row-major result.
    Read {
        of: Id,
        access: Access,
    },
}

impl Step {
    /// The values it is computed from.
    pub(crate) fn args(&self) -> SmallVec<[Id; 3]> {
        match *self {
            Self::Load { .. } | Self::Index { .. } | Self::Scalar { .. } => smallvec![],
            Self::Unary(_, a) | Self::Convert(a) | Self::Round(_, a) => smallvec![a],
            Self::Reduce { arg, .. } => smallvec![arg],
            Self::Read { of, .. } => smallvec![of],
            Self::Binary(_, a, b) => smallvec![a, b],
            Self::Select(c, a, b) | Self::Random(_, [c, a, b]) => smallvec![c, a, b],
        }
    }

    /// The same of other values.
    fn with_args(mut self, f: impl Fn(Id) -> Id) -> Self {
        match &mut self {
            Self::Load { .. } | Self::Index { .. } | Self::Scalar { .. } => {}
            Self::Unary(_, a)
            | Self::Convert(a)
            | Self::Round(_, a)
            | Self::Reduce { arg: a, .. }
            | Self::Read { of: a, .. } => *a = f(*a),
            Self::Binary(_, a, b) => (*a, *b) = (f(*a), f(*b)),
            Self::Select(c, a, b) | Self::Random(_, [c, a, b]) => (*c, *a, *b) = (f(*c), f(*a), f(*b)),
        }
        self
    }
}

/// The reductions backends know; the others are made of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Fold {
    Sum,
    Prod,
    Amax,
    Amin,
}

impl Fold {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Amax => "amax",
            Self::Amin => "amin",
        }
    }
}

/// A value to be stored: over `shape` (the value's, or any if it is a scalar), as `dtype`.
///
/// The value's dtype is the one `dtype` is computed in, or f64 where f16 or bf16 is stored. The store rounds to f16
/// and bf16, once, and takes the low byte for u8.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Root {
    pub(crate) value: Id,
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

/// One or several expressions made flat.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) values: Vec<Value>,
    /// Each buffer once, whatever views of it are read, with its dtype.
    pub(crate) buffers: Vec<(Storage, DType)>,
    /// Read when the graph runs.
    pub(crate) scalars: Vec<Number>,
    pub(crate) roots: Vec<Root>,
    /// Of everything but the buffers' contents and the scalars' values: graphs that differ in no more than those
    /// run by one plan.
    pub(crate) hash: u64,
    /// What a backend makes of it at the first run, to be found again at the next.
    pub(crate) prepared: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Graph {
    /// Flattens `exprs`, each to be stored under its dtype.
    pub(crate) fn new(exprs: &[(&Expr, DType)]) -> Result<Self> {
        let mut lowering = Lowering::default();
        let mut roots = Vec::with_capacity(exprs.len());
        for (expr, dtype) in exprs {
            expr.check()?;
            let value = lowering.lower(expr)?;
            let value = lowering.spread(value, expr.shape());
            let value = lowering.for_store(value, *dtype);
            roots.push(Root { value, shape: expr.shape().clone(), dtype: *dtype });
        }
        let Lowering { values, buffers, scalars, .. } = lowering;
        let values = stages::share(values, &mut roots);
        let mut hasher = FxHasher::default();
        (&values, &roots).hash(&mut hasher);
        for (_, dtype) in &buffers {
            dtype.hash(&mut hasher);
        }
        Ok(Self { values, buffers, scalars, roots, hash: hasher.finish(), prepared: OnceLock::new() })
    }
}

impl Graph {
    /// What its numbers are now. A run asks once: another thread may change a cell between two passes.
    pub(crate) fn numbers(&self) -> SmallVec<[Scalar; 8]> {
        self.scalars.iter().map(Number::get).collect()
    }

    /// Takes over what a backend made of `other`, if that differs in no more than its buffers and numbers.
    pub(crate) fn adopt(&mut self, other: Self) {
        let dtypes = |graph: &Self| graph.buffers.iter().map(|b| b.1).collect::<Vec<_>>();
        let same = self.hash == other.hash
            && self.values == other.values
            && self.roots == other.roots
            && dtypes(self) == dtypes(&other);
        if same && self.prepared.get().is_none() {
            self.prepared = other.prepared;
        }
    }
}

/// A pile of views between a domain and an expression, the one nearest the expression first.
struct Pile {
    view: View,
    /// The pile it was put on; 0 is no view at all.
    parent: usize,
    domain: Shape,
}

#[derive(Default)]
struct Lowering {
    values: Vec<Value>,
    index: FxHashMap<Value, Id>,
    /// By node and pile of views.
    memo: FxHashMap<(*const Node, usize), Id>,
    /// Pile `i + 1`.
    piles: Vec<Pile>,
    buffers: Vec<(Storage, DType)>,
    scalars: Vec<Number>,
    /// The slots, by the kind of number (none for a cell), its bits and the dtype it is used in.
    numbers: FxHashMap<(Option<DType>, u64, DType), Id>,
}

impl Lowering {
    /// Walks the expression without recursion: a chain of a million operations is fine.
    fn lower(&mut self, root: &Expr) -> Result<Id> {
        if let Some(number) = root.as_number() {
            return Ok(self.number(number.clone(), root.dtype().compute()));
        }
        let mut stack: Vec<(&Expr, usize)> = vec![(root, 0)];
        while let Some(&(expr, pile)) = stack.last() {
            let key = (std::ptr::from_ref::<Node>(&expr.0), pile);
            if self.memo.contains_key(&key) {
                stack.pop();
                continue;
            }
            let waiting = stack.len();
            let mut args: SmallVec<[Option<Id>; 3]> = SmallVec::new();
            for arg in &expr.0.args {
                // A number becomes a value where it is used, in the dtype it is used in.
                if arg.as_number().is_some() {
                    args.push(None);
                    continue;
                }
                let arg_pile = self.pile_for_arg(expr, arg, pile);
                match self.memo.get(&(std::ptr::from_ref::<Node>(&arg.0), arg_pile)) {
                    Some(&id) => args.push(Some(id)),
                    None => stack.push((arg, arg_pile)),
                }
            }
            if stack.len() == waiting {
                let id = self.emit(expr, pile, &args)?;
                self.memo.insert(key, id);
                stack.pop();
            }
        }
        Ok(self.memo[&(std::ptr::from_ref::<Node>(&root.0), 0)])
    }

    /// Through which views an argument is read when its parent is read through `pile`.
    fn pile_for_arg(&mut self, expr: &Expr, arg: &Expr, pile: usize) -> usize {
        match &expr.0.op {
            Op::Reduce(..) => 0,
            Op::View(view) => self.put(view.clone(), expr.shape(), pile),
            _ if arg.shape() == expr.shape() => pile,
            _ => self.put(View::Broadcast(expr.shape().clone()), expr.shape(), pile),
        }
    }

    fn put(&mut self, view: View, shape: &Shape, parent: usize) -> usize {
        let domain = if parent == 0 { shape.clone() } else { self.piles[parent - 1].domain.clone() };
        let same = |p: &Pile| p.parent == parent && p.view == view && p.domain == domain;
        if let Some(found) = self.piles.iter().position(same) {
            return found + 1;
        }
        self.piles.push(Pile { view, parent, domain });
        self.piles.len()
    }

    /// `access` as seen from the domain, through the pile of views.
    fn through(&self, mut access: Access, mut pile: usize) -> Result<Access> {
        while pile != 0 {
            let Pile { view, parent, .. } = &self.piles[pile - 1];
            access = view.of(&access)?;
            pile = *parent;
        }
        Ok(access)
    }

    fn emit(&mut self, expr: &Expr, pile: usize, args: &[Option<Id>]) -> Result<Id> {
        let node = &*expr.0;
        let shape = if pile == 0 { node.shape.clone() } else { self.piles[pile - 1].domain.clone() };
        let dtype = node.dtype.compute();
        // The dtype the operands were promoted to: that of the first which is no number.
        let operand_dtype = |skip: usize| {
            node.args.iter().skip(skip).find(|a| a.as_number().is_none()).map_or(dtype, |a| a.dtype().compute())
        };
        let arg = |this: &mut Self, i: usize, dtype: DType| match args[i] {
            Some(id) => id,
            None => this.number(node.args[i].as_number().map_or(Number::Scalar(Scalar::Int(0)), Number::clone), dtype),
        };
        Ok(match &node.op {
            Op::Leaf(tensor) => {
                let access = self.through(tensor.layout().clone().into(), pile)?;
                let buffer = self.buffer(tensor.storage(), tensor.dtype());
                self.push(Step::Load { buffer, access }, shape, dtype)
            }
            &Op::Random(word) => {
                let args = [0, 1, 2].map(|i| arg(self, i, DType::I32));
                self.push(Step::Random(word, args), shape, dtype)
            }
            Op::Number(number) => self.number(number.clone(), dtype),
            Op::Index => {
                let access = self.through(Layout::contiguous(node.shape.clone()).into(), pile)?;
                self.push(Step::Index { access }, shape, dtype)
            }
            &Op::Unary(op) => {
                let x = arg(self, 0, operand_dtype(0));
                let y = self.push(Step::Unary(op, x), shape, dtype);
                if node.dtype == DType::U8 && op.row().integers.wraps() { self.round(DType::U8, y) } else { y }
            }
            &Op::Binary(op) => {
                let operand = operand_dtype(0);
                let (a, b) = (arg(self, 0, operand), arg(self, 1, operand));
                let y = self.push(Step::Binary(op, a, b), shape, dtype);
                // The larger of a u8 and 300 is no u8.
                let large = |id: Id| match self.values[id].step {
                    Step::Scalar { slot } => match self.scalars[slot] {
                        Number::Scalar(value) => !(0..256).contains(&value.to_i64()),
                        Number::Cell(_) => true,
                    },
                    _ => false,
                };
                let wraps = op.row().integers.wraps() || large(a) || large(b);
                if node.dtype == DType::U8 && wraps { self.round(DType::U8, y) } else { y }
            }
            Op::Select => {
                let c = arg(self, 0, DType::Bool);
                let (mut a, mut b) = (arg(self, 1, dtype), arg(self, 2, dtype));
                for branch in [&mut a, &mut b] {
                    if node.dtype == DType::U8 && matches!(self.values[*branch].step, Step::Scalar { .. }) {
                        *branch = self.round(DType::U8, *branch);
                    }
                }
                self.push(Step::Select(c, a, b), shape, dtype)
            }
            Op::Cast => {
                let from = node.args[0].dtype().compute();
                let x = arg(self, 0, from);
                let x = self.spread(x, &shape);
                self.store_as(x, node.dtype)
            }
            Op::Promote => {
                let x = arg(self, 0, dtype);
                let x = self.spread(x, &shape);
                let x = self.convert(x, dtype);
                // An i32 of rank 0 among u8s becomes one of them.
                let wraps = node.dtype == DType::U8 && node.args[0].dtype() == DType::I32;
                if wraps { self.round(DType::U8, x) } else { x }
            }
            Op::View(_) => arg(self, 0, dtype),
            Op::Reduce(op, dims) => {
                let mut x = arg(self, 0, dtype);
                // A number has no shape, but a fold has a domain.
                if let Step::Scalar { .. } = self.values[x].step {
                    x = self.push(Step::Convert(x), node.args[0].shape().clone(), self.values[x].dtype);
                }
                let id = self.reduce(*op, dims, x, &node.shape, dtype);
                if pile == 0 {
                    return Ok(id);
                }
                let access = self.through(Layout::contiguous(node.shape.clone()).into(), pile)?;
                return self.read(id, &access, &shape);
            }
            Op::Invalid(error) => return Err(error.clone()),
        })
    }

    /// A reduction made of the folds that backends know and of elementwise work round them.
    fn reduce(&mut self, op: ReduceOp, dims: &[usize], arg: Id, shape: &Shape, dtype: DType) -> Id {
        let count: usize = dims.iter().map(|&d| self.values[arg].shape[d]).product();
        let (fold, work) = match op {
            ReduceOp::Sum | ReduceOp::Mean => (Fold::Sum, dtype),
            ReduceOp::Prod => (Fold::Prod, dtype),
            ReduceOp::Amax | ReduceOp::Any => (Fold::Amax, if dtype == DType::Bool { DType::I32 } else { dtype }),
            ReduceOp::Amin | ReduceOp::All => (Fold::Amin, if dtype == DType::Bool { DType::I32 } else { dtype }),
        };
        let arg = if matches!(op, ReduceOp::Any | ReduceOp::All) { self.convert(arg, DType::Bool) } else { arg };
        let arg = self.convert(arg, work);
        let dims = SmallVec::from_slice(dims);
        let folded = self.push(Step::Reduce { op: fold, dims, arg }, shape.clone(), work);
        if op == ReduceOp::Mean {
            let n = self.scalar(Scalar::Float(count as f64), dtype);
            return self.push(Step::Binary(BinaryOp::Div, folded, n), shape.clone(), dtype);
        }
        // An empty `any` is false and an empty `all` true: the identities of i32 maximum and minimum say so only
        // once turned to bool.
        if count == 0 && matches!(op, ReduceOp::Any | ReduceOp::All) {
            return self.scalar(Scalar::Bool(op == ReduceOp::All), DType::Bool);
        }
        self.convert(folded, dtype)
    }

    /// What follows a reduction read through views: the reduction itself is read, the rest is computed again over
    /// the new domain.
    fn read(&mut self, id: Id, access: &Access, shape: &Shape) -> Result<Id> {
        let Value { step, dtype, .. } = self.values[id].clone();
        Ok(match step {
            Step::Scalar { .. } => id,
            Step::Reduce { .. } => self.push(Step::Read { of: id, access: access.clone() }, shape.clone(), dtype),
            Step::Binary(op, a, b) => {
                let (a, b) = (self.read(a, access, shape)?, self.read(b, access, shape)?);
                self.push(Step::Binary(op, a, b), shape.clone(), dtype)
            }
            Step::Convert(a) => {
                let a = self.read(a, access, shape)?;
                self.convert(a, dtype)
            }
            other => {
                return Err(Error::argument("reduce", "a reduction", format!("{other:?}")));
            }
        })
    }

    fn buffer(&mut self, storage: &Storage, dtype: DType) -> usize {
        let same = |b: &(Storage, DType)| b.0.id() == storage.id();
        self.buffers.iter().position(same).unwrap_or_else(|| {
            self.buffers.push((storage.clone(), dtype));
            self.buffers.len() - 1
        })
    }

    fn scalar(&mut self, value: Scalar, dtype: DType) -> Id {
        self.number(Number::Scalar(value), dtype)
    }

    fn number(&mut self, number: Number, dtype: DType) -> Id {
        // The same number in the same dtype is one slot.
        let (kind, bits) = match &number {
            Number::Scalar(Scalar::Bool(b)) => (Some(DType::Bool), u64::from(*b)),
            Number::Scalar(Scalar::Int(i)) => (Some(DType::I32), *i as u64),
            Number::Scalar(Scalar::Float(x)) => (Some(DType::F32), x.to_bits()),
            Number::Cell(cell) => (None, cell.id()),
        };
        let key = (kind, bits, dtype);
        if let Some(&id) = self.numbers.get(&key) {
            return id;
        }
        self.scalars.push(number);
        let step = Step::Scalar { slot: self.scalars.len() - 1 };
        self.values.push(Value { step, shape: Shape::default(), dtype });
        self.numbers.insert(key, self.values.len() - 1);
        self.values.len() - 1
    }

    /// A cell given a shape: what becomes of its number is worked out as the graph runs. Other values stay.
    fn spread(&mut self, id: Id, shape: &Shape) -> Id {
        let Value { step: Step::Scalar { slot }, dtype, .. } = self.values[id] else { return id };
        match self.scalars[slot] {
            Number::Scalar(_) => id,
            Number::Cell(_) => self.push(Step::Convert(id), shape.clone(), dtype),
        }
    }

    /// The number a value is, if it is one that cannot change.
    fn known(&self, id: Id) -> Option<Scalar> {
        match self.values[id].step {
            Step::Scalar { slot } => match self.scalars[slot] {
                Number::Scalar(value) => Some(value),
                Number::Cell(_) => None,
            },
            _ => None,
        }
    }

    fn convert(&mut self, id: Id, dtype: DType) -> Id {
        if self.values[id].dtype == dtype {
            return id;
        }
        if let Some(value) = self.known(id) {
            let value = match dtype {
                DType::Bool => Scalar::Bool(value.to_bool()),
                DType::I32 => match value {
                    // It ends where i32 does, as one in memory would.
                    Scalar::Float(value) => Scalar::Int(i64::from(value as i32)),
                    whole => Scalar::Int(whole.to_i64()),
                },
                _ => Scalar::Float(value.to_f64()),
            };
            return self.scalar(value, dtype);
        }
        let shape = self.values[id].shape.clone();
        self.push(Step::Convert(id), shape, dtype)
    }

    fn round(&mut self, to: DType, id: Id) -> Id {
        // Numbers stay numbers: they have no shape of their own.
        if let Some(value) = self.known(id) {
            let float = value.to_f64() as f32;
            let value = match to {
                DType::U8 => Scalar::Int(i64::from(value.to_i64() as u8)),
                DType::F16 => Scalar::Float(half::f16::from_f32(float).to_f64()),
                _ => Scalar::Float(half::bf16::from_f32(float).to_f64()),
            };
            return self.scalar(value, to.compute());
        }
        let shape = self.values[id].shape.clone();
        self.push(Step::Round(to, id), shape, to.compute())
    }

    /// A cast: conversion to the compute dtype, then rounding to what `dtype` can hold.
    fn store_as(&mut self, id: Id, dtype: DType) -> Id {
        let known = self.known(id);
        match (dtype, self.values[id].dtype) {
            (DType::F16 | DType::BF16, DType::F32) => self.round(dtype, id),
            // Straight from f64: by way of f32 it would round twice.
            (DType::F16 | DType::BF16, DType::F64) if known.is_none() => self.round(dtype, id),
            (DType::F16 | DType::BF16 | DType::U8, _) => {
                let id = self.convert(id, dtype.compute());
                self.round(dtype, id)
            }
            // A number has the digits of an f64; once cast to f32 it has fewer, even where f64 uses it again.
            (DType::F32, _) => match known {
                Some(value) => self.scalar(Scalar::Float((value.to_f64() as f32).into()), DType::F32),
                None => self.convert(id, DType::F32),
            },
            _ => self.convert(id, dtype.compute()),
        }
    }

    /// What to hand to a store of `dtype`, which does the rounding itself.
    fn for_store(&mut self, id: Id, dtype: DType) -> Id {
        match (&self.values[id].step, dtype) {
            (&Step::Round(to, arg), _) if to == dtype => arg,
            (_, DType::F16 | DType::BF16) if self.values[id].dtype == DType::F64 => id,
            _ => self.convert(id, dtype.compute()),
        }
    }

    fn push(&mut self, step: Step, shape: Shape, dtype: DType) -> Id {
        let value = Value { step, shape, dtype };
        if let Some(&id) = self.index.get(&value) {
            return id;
        }
        self.values.push(value.clone());
        self.index.insert(value, self.values.len() - 1);
        self.values.len() - 1
    }
}
