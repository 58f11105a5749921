//! From nodes to flat values: views pushed down to the buffers they read, dtypes resolved, equal values found.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::take::Place;
use super::{Fold, Id, Root, Source, Step, Value};
use crate::base::access::Access;
use crate::base::layout::Layout;
use crate::base::storage::Storage;
use crate::base::views::View;
use crate::expr::cell::Number;
use crate::expr::node::{Expr, Node, Op};
use crate::expr::op::{BinaryOp, ReduceOp};
use crate::{DType, Error, Result, Scalar, Shape};

/// A pile of views between the domain that is walked and the expression that is read.
///
/// In `(x.flip(0) + y).transpose(0, 1)`, stored whole, `x + y` is walked in the order of the transposed result. The walk
/// puts views down as it goes: the sum is read through pile 1 = `[transpose]`, so is `y`, and `x` through pile 2 =
/// `[flip, transpose]`. At a leaf the pile is applied to the tensor's layout, the flip first, then the transpose; that
/// gives one [`Access`], and no step of the graph is a view.
pub(super) struct Pile {
    /// The view nearest the expression.
    pub(super) layer: Layer,
    /// The pile below it, nearer the domain; 0 is no view at all.
    pub(super) parent: usize,
    /// The shape that is walked.
    domain: Shape,
}

#[derive(Clone, PartialEq)]
pub(super) enum Layer {
    View(View),
    /// The elements of a dim that an index chooses, `len` of them: its value, seen through the pile below.
    Take {
        dim: usize,
        len: usize,
        index: Id,
    },
}

#[derive(Default)]
pub(super) struct Lowering {
    pub(super) values: Vec<Value>,
    /// Where each value stands in `values`.
    index: FxHashMap<Value, Id>,
    /// The value of a node read through a pile.
    memo: FxHashMap<(*const Node, usize), Id>,
    /// Pile `i + 1` stands at `i`.
    pub(super) piles: Vec<Pile>,
    pub(super) buffers: Vec<(Storage, DType)>,
    pub(super) scalars: Vec<Number>,
    /// See [`Graph`](super::Graph).
    pub(super) counts: SmallVec<[(usize, Id); 1]>,
    /// The value of each number: by its kind (none for a cell), its bits, and the dtype it is used in.
    pub(super) numbers: FxHashMap<(Option<DType>, u64, DType), Id>,
}

impl Lowering {
    /// Lowers an expression whose result is to be stored as `dtype`.
    pub(super) fn root(&mut self, expr: &Expr, dtype: DType) -> Result<Root> {
        expr.check()?;
        expr.check_alone("eval")?;
        let value = self.lower(expr)?;
        let value = self.spread(value, expr.shape());
        let dtype = as_bits(dtype);
        let value = self.for_store(value, dtype);
        Ok(Root { value, shape: expr.shape().clone(), dtype })
    }

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
            for (i, arg) in expr.0.args.iter().enumerate() {
                // A number becomes a value where it is used, in the dtype it is used in.
                if arg.as_number().is_some() {
                    args.push(None);
                    continue;
                }
                let arg_pile = match (&expr.0.op, i) {
                    (&Op::Take { dim }, 1) => {
                        // The index, which comes first, must be a value by now.
                        let Some(&Some(index)) = args.first() else { break };
                        self.put(Layer::Take { dim, len: expr.shape()[dim], index }, expr.shape(), pile)
                    }
                    _ => self.pile_for_arg(expr, arg, pile),
                };
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
            op if op.is_pass() => 0,
            Op::View(view) => self.put(Layer::View(view.clone()), expr.shape(), pile),
            _ if arg.shape() == expr.shape() => pile,
            _ => self.put(Layer::View(View::Broadcast(expr.shape().clone())), expr.shape(), pile),
        }
    }

    fn put(&mut self, layer: Layer, shape: &Shape, parent: usize) -> usize {
        let domain = if parent == 0 { shape.clone() } else { self.piles[parent - 1].domain.clone() };
        let same = |p: &Pile| p.parent == parent && p.layer == layer && p.domain == domain;
        if let Some(found) = self.piles.iter().position(same) {
            return found + 1;
        }
        self.piles.push(Pile { layer, parent, domain });
        self.piles.len()
    }

    /// The value of a node seen through `pile`; `args` are its arguments' values, but for numbers. Long only because each
    /// kind of node has its arm.
    fn emit(&mut self, expr: &Expr, pile: usize, args: &[Option<Id>]) -> Result<Id> {
        let node = &*expr.0;
        let domain = if pile == 0 { node.shape.clone() } else { self.piles[pile - 1].domain.clone() };
        let dtype = node.dtype.compute();
        // The dtype the operands were promoted to: that of the first which is no number.
        let promoted = || node.args.iter().find(|a| a.as_number().is_none()).map_or(dtype, |a| a.dtype().compute());
        let arg = |this: &mut Self, i: usize, dtype: DType| match args[i] {
            Some(id) => id,
            None => this.number(node.args[i].as_number().map_or(Number::Scalar(Scalar::Int(0)), Number::clone), dtype),
        };
        let row_major = || Access::from(Layout::contiguous(node.shape.clone()));
        Ok(match &node.op {
            Op::Leaf(tensor) => {
                let place = self.through(tensor.layout().clone().into(), pile, &domain)?;
                let buffer = self.buffer(tensor.storage(), tensor.dtype());
                self.read_at(Source::Buffer(buffer), place, domain, dtype)
            }
            Op::Number(number) => self.number(number.clone(), dtype),
            Op::Index => {
                let place = self.through(row_major(), pile, &domain)?;
                self.number_at(place, &domain)
            }
            &Op::Random(word) => {
                let args = [0, 1, 2].map(|i| arg(self, i, DType::I32));
                self.push(Step::Random(word, args), domain, dtype)
            }
            &Op::Unary(op) => {
                let x = arg(self, 0, promoted());
                let y = self.push(Step::Unary(op, x), domain, dtype);
                if op.row().integers.wraps() { self.wrapped(y, node.dtype) } else { y }
            }
            &Op::Binary(op) => {
                let args = [0, 1].map(|i| arg(self, i, promoted()));
                self.binary(op, args, domain, node.dtype)
            }
            Op::Select => {
                let args = [(0, DType::Bool), (1, dtype), (2, dtype)].map(|(i, dtype)| arg(self, i, dtype));
                self.select(args, domain, node.dtype)
            }
            Op::Cast => {
                let x = arg(self, 0, node.args[0].dtype().compute());
                let x = self.spread(x, &domain);
                self.store_as(x, node.dtype)
            }
            Op::Promote => {
                let x = arg(self, 0, dtype);
                let x = self.spread(x, &domain);
                let x = self.convert(x, dtype);
                // An i32 of rank 0 among u8s becomes one of them.
                match (node.args[0].dtype().integer_range(), node.dtype.integer_range()) {
                    (Some((a, b)), Some((low, high))) if a < low || b > high => self.wrapped(x, node.dtype),
                    _ => x,
                }
            }
            Op::Detach | Op::View(_) => arg(self, 0, dtype),
            Op::Take { .. } => arg(self, 1, dtype),
            &Op::Bounded(bounds) => {
                let index = arg(self, 0, node.args[0].dtype().compute());
                self.push(Step::Bounded(bounds, index), domain, dtype)
            }
            Op::Reduce(op, dims) => {
                let x = arg(self, 0, dtype);
                let id = self.reduce(*op, dims, x, node);
                self.result(id, pile, &node.shape, &domain)?
            }
            &Op::Scan(op, dim, scan) => {
                let x = arg(self, 0, dtype);
                let x = self.shaped(x, &node.shape);
                let work = if dtype == DType::Bool { DType::I32 } else { dtype };
                let arg = self.convert(x, work);
                let id = self.push(Step::Scan { op: op.fold(), dim, scan, arg }, node.shape.clone(), work);
                let id = self.convert(id, dtype);
                self.result(id, pile, &node.shape, &domain)?
            }
            &Op::Sort(sort) => {
                let x = arg(self, 0, promoted());
                let x = self.shaped(x, node.args[0].shape());
                let id = self.sorted(x, sort, &node.shape);
                let id = self.convert(id, dtype);
                self.result(id, pile, &node.shape, &domain)?
            }
            &Op::Segments(op, row) => {
                let of = [(0, DType::I32), (1, dtype), (2, dtype)];
                let [index, values, base] = of.map(|(i, dtype)| {
                    let x = arg(self, i, dtype);
                    self.shaped(x, node.args[i].shape())
                });
                let id = self.push(Step::Segments { op, row, index, values, base }, node.shape.clone(), dtype);
                let id = self.result(id, pile, &node.shape, &domain)?;
                self.wrapped(id, node.dtype)
            }
            Op::Invalid(error) => return Err(error.clone()),
        })
    }

    fn select(&mut self, [condition, on_true, on_false]: [Id; 3], domain: Shape, dtype: DType) -> Id {
        // A negative number counts backwards from 256.
        let [on_true, on_false] = [on_true, on_false].map(|branch| match self.values[branch].step {
            Step::Scalar { .. } => self.wrapped(branch, dtype),
            _ => branch,
        });
        self.push(Step::Select(condition, on_true, on_false), domain, dtype.compute())
    }

    fn binary(&mut self, op: BinaryOp, [a, b]: [Id; 2], domain: Shape, dtype: DType) -> Id {
        let y = self.push(Step::Binary(op, a, b), domain, dtype.compute());
        if op.row().integers.wraps() { self.wrapped(y, dtype) } else { y }
    }

    /// A reduction made of the folds that backends know and of elementwise work round them.
    fn reduce(&mut self, op: ReduceOp, dims: &[usize], arg: Id, node: &Node) -> Id {
        let (shape, dtype) = (&node.shape, node.dtype.compute());
        let arg = self.shaped(arg, node.args[0].shape());
        let count: usize = dims.iter().map(|&d| self.values[arg].shape[d]).product();
        let (fold, work) = match op {
            ReduceOp::Sum | ReduceOp::Mean => (Fold::Sum, dtype),
            ReduceOp::Prod => (Fold::Prod, dtype),
            ReduceOp::Amax | ReduceOp::Any => (Fold::Amax, if dtype == DType::Bool { DType::I32 } else { dtype }),
            ReduceOp::Amin | ReduceOp::All => (Fold::Amin, if dtype == DType::Bool { DType::I32 } else { dtype }),
            ReduceOp::Argmax | ReduceOp::Argmin => return self.arg_of(op == ReduceOp::Argmax, dims, arg, shape),
        };
        let arg = if matches!(op, ReduceOp::Any | ReduceOp::All) { self.convert(arg, DType::Bool) } else { arg };
        let arg = self.convert(arg, work);
        let dims = SmallVec::from_slice(dims);
        let folded = self.push(Step::Reduce { op: fold, dims, arg }, shape.clone(), work);
        if op == ReduceOp::Mean {
            let n = self.count(count, folded, dtype);
            return self.push(Step::Binary(BinaryOp::Div, folded, n), shape.clone(), dtype);
        }
        // An empty `any` is false and an empty `all` true: the identities of i32 maximum and minimum say so only
        // once turned to bool.
        if count == 0 && matches!(op, ReduceOp::Any | ReduceOp::All) {
            return self.scalar(Scalar::Int(i64::from(op == ReduceOp::All)), dtype);
        }
        self.convert(folded, dtype)
    }

    /// A number with a shape: it has none, but what walks a domain must have one. Others stay.
    fn shaped(&mut self, id: Id, shape: &Shape) -> Id {
        match self.values[id] {
            Value { step: Step::Scalar { .. }, dtype, .. } => self.push(Step::Convert(id), shape.clone(), dtype),
            _ => id,
        }
    }

    /// A reduction or scan of this shape, with what follows it, seen through `pile`.
    fn result(&mut self, id: Id, pile: usize, shape: &Shape, domain: &Shape) -> Result<Id> {
        if pile == 0 {
            return Ok(id);
        }
        let place = self.through(Layout::contiguous(shape.clone()).into(), pile, domain)?;
        self.read(id, &place, domain)
    }

    /// What follows a reduction or scan read through views: its result itself is read, the rest is computed again over
    /// the new domain.
    fn read(&mut self, id: Id, place: &Place, shape: &Shape) -> Result<Id> {
        let Value { step, dtype, .. } = self.values[id].clone();
        Ok(match step {
            Step::Scalar { .. } => id,
            step if step.is_pass() => self.read_at(Source::Reduced(id), place.clone(), shape.clone(), dtype),
            Step::Binary(op, a, b) => {
                let (a, b) = (self.read(a, place, shape)?, self.read(b, place, shape)?);
                self.push(Step::Binary(op, a, b), shape.clone(), dtype)
            }
            Step::Convert(a) => {
                let a = self.read(a, place, shape)?;
                self.convert(a, dtype)
            }
            other => {
                return Err(Error::argument("reduce", "a reduction", format!("{other:?}")));
            }
        })
    }

    fn buffer(&mut self, storage: &Storage, dtype: DType) -> usize {
        let dtype = as_bits(dtype);
        let same = |b: &(Storage, DType)| b.0.id() == storage.id();
        self.buffers.iter().position(same).unwrap_or_else(|| {
            self.buffers.push((storage.clone(), dtype));
            self.buffers.len() - 1
        })
    }

    pub(super) fn push(&mut self, step: Step, shape: Shape, dtype: DType) -> Id {
        let value = Value { step, shape, dtype };
        if let Some(&id) = self.index.get(&value) {
            return id;
        }
        self.values.push(value.clone());
        self.index.insert(value, self.values.len() - 1);
        self.values.len() - 1
    }
}

/// What a backend takes memory of this dtype for: u64s are i64s to it.
fn as_bits(dtype: DType) -> DType {
    if dtype == DType::U64 { DType::I64 } else { dtype }
}
