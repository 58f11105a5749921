//! A slow, obvious evaluator in f64, to hold the CPU and GPU paths against.
//!
//! It walks an expression node by node and shares nothing with the engine beyond the meaning of an [`Expr`]: no
//! flat graph, no layouts, no plans. Beside each value it works out a bound on how far a correct engine's may be
//! from it, so that a comparison needs no tolerance picked by hand:
//!
//! - Floats are not rounded between operations, since the engine computes a fused expression in f32 (f64 for f64)
//!   and rounds once, at the store; only a cast rounds. Each operation adds its own rounding to the bound, the one
//!   documented in docs/accuracy.md, and carries its arguments' bounds through.
//! - A sum of *n* terms may differ by `2 n ε Σ |v|`, and not at all where no order of adding needs to round, as with
//!   small whole numbers.
//! - Where a value lies within its bound of a jump (a comparison, `floor`, a conversion to an integer), the bound
//!   covers both outcomes; where anything may happen (overflow in reach), it is infinite.
//! - Subnormals may be flushed to zero.
//! - NaN and infinities match exactly; integers are exact, and wrap.
//!
//! ```no_run
//! use hadamard::{Device, Tensor, reference};
//! let x = Tensor::from_slice(&[1.0_f32, 2.0, 4.0], [3], &Device::best()?)?;
//! let expr = (&x * 0.1).exp().sum(..);
//! let want = reference::eval(&expr)?;
//! let comparison = reference::compare(&expr.eval()?, &want)?;
//! assert!(comparison.passed(), "{comparison}");
//! # Ok::<(), hadamard::Error>(())
//! ```

mod approx;
mod compare;
mod convert;
mod elementwise;
mod philox;
mod reduce;
mod running;
mod segments;
mod sort;
mod view;

use std::collections::HashMap;
use std::rc::Rc;

use approx::Approx;
pub use compare::{Comparison, Mismatch, compare};

use crate::base::element::for_dtype;
use crate::base::layout::Layout;
use crate::expr::{Node, Number, Op};
use crate::{DType, Error, Expr, Result, Scalar, Scan, ScanOp, Shape, Tensor};

/// What an expression evaluates to, and how far from it a correct engine may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The shape of the result.
    pub shape: Shape,
    /// The dtype of the result.
    pub dtype: DType,
    /// The elements in row-major order, not yet rounded to `dtype`.
    pub values: Vec<f64>,
    /// For each element, how far the engine's may be from it before it is rounded to `dtype`. Infinite where
    /// anything may come out.
    pub bounds: Vec<f64>,
}

/// Evaluates an expression in f64, with bounds.
///
/// Reads every tensor of the expression back from its device. The time and memory it takes grow with the number of
/// nodes times their elements.
///
/// # Errors
///
/// The mistake the expression carries, if any; what a device reports as its tensors are read.
pub fn eval(expr: &Expr) -> Result<Reference> {
    let values = walk(expr)?;
    Ok(Reference {
        shape: expr.shape().clone(),
        dtype: expr.dtype(),
        values: values.items.iter().map(|x| x.v).collect(),
        bounds: values.items.iter().map(|x| x.e).collect(),
    })
}

/// A node's elements in row-major order.
struct Values {
    shape: Vec<usize>,
    items: Vec<Approx>,
}

impl Values {
    fn gather(&self, source: &[usize], shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), items: source.iter().map(|&i| self.items[i]).collect() }
    }
}

/// An argument seen at its node's shape.
enum Argument {
    /// A number, or a tensor of one element.
    Single(Approx),
    Whole(Rc<Values>),
}

impl Argument {
    fn new(values: &Rc<Values>, shape: &[usize]) -> Self {
        match values.items[..] {
            [item] => Self::Single(item),
            _ if values.shape == shape => Self::Whole(values.clone()),
            _ => Self::Whole(Rc::new(values.gather(&view::broadcast(&values.shape, shape), shape))),
        }
    }

    fn at(&self, index: usize) -> Approx {
        match self {
            Self::Single(item) => *item,
            Self::Whole(values) => values.items[index],
        }
    }
}

fn key(expr: &Expr) -> *const Node {
    std::ptr::from_ref::<Node>(&expr.0)
}

/// Materialises every node below `root`, arguments first, without recursion. A node is dropped after its last use.
fn walk(root: &Expr) -> Result<Rc<Values>> {
    let mut order: Vec<&Expr> = Vec::new();
    let mut uses: HashMap<*const Node, usize> = HashMap::from([(key(root), 1)]);
    let mut stack = vec![(root, false)];
    let mut ordered = std::collections::HashSet::new();
    while let Some((expr, arguments_done)) = stack.pop() {
        if arguments_done {
            if ordered.insert(key(expr)) {
                order.push(expr);
                for arg in &expr.0.args {
                    *uses.entry(key(arg)).or_insert(0) += 1;
                }
            }
        } else if !ordered.contains(&key(expr)) {
            stack.push((expr, true));
            stack.extend(expr.0.args.iter().map(|arg| (arg, false)));
        }
    }
    let mut done: HashMap<*const Node, Rc<Values>> = HashMap::new();
    for expr in order {
        let args = expr.0.args.iter().map(|arg| done.get(&key(arg)).cloned()).collect::<Option<Vec<_>>>();
        let args = args.ok_or_else(|| Error::argument("reference", "arguments first", format!("{expr:?}")))?;
        let values = node(expr, &args)?;
        debug_assert_eq!(values.items.len(), expr.shape().numel());
        done.insert(key(expr), values);
        drop(args);
        for arg in &expr.0.args {
            if let Some(left) = uses.get_mut(&key(arg)) {
                *left -= 1;
                if *left == 0 {
                    done.remove(&key(arg));
                }
            }
        }
    }
    done.remove(&key(root)).ok_or_else(|| Error::argument("reference", "a value for the root", format!("{root:?}")))
}

/// The value of one node. `args` are its arguments' values; a number's is as it stands alone.
fn node(expr: &Expr, args: &[Rc<Values>]) -> Result<Rc<Values>> {
    let node = &*expr.0;
    let (shape, dtype) = (expr.shape().dims(), node.dtype);
    // An argument in the dtype arithmetic is carried out in, at the node's shape.
    let operand = |i: usize, compute: DType| match node.args[i].as_number() {
        Some(value) => Argument::Single(number(value.get(), compute)),
        None => Argument::new(&args[i], shape),
    };
    let elements = 0..view::numel(shape);
    // Arguments were promoted to one dtype, which any that is no number shows.
    let common = node.args.iter().find(|a| a.as_number().is_none()).map_or(dtype, Expr::dtype).compute();
    let items = match &node.op {
        Op::Leaf(tensor) => leaf(tensor)?,
        Op::Number(value) => vec![number(value.get(), dtype.compute())],
        Op::Index => elements.map(|i| Approx::exact(i as f64)).collect(),
        &Op::Random(word) => {
            let [counter, key0, key1] = [0, 1, 2].map(|i| operand(i, DType::I32));
            elements.map(|i| random(word, [&counter, &key0, &key1].map(|x| x.at(i)))).collect()
        }
        &Op::Unary(op) => {
            let x = operand(0, common);
            elements.map(|i| elementwise::unary(op, x.at(i), common, dtype)).collect()
        }
        &Op::Binary(op) => {
            let (a, b) = (operand(0, common), operand(1, common));
            elements.map(|i| elementwise::binary(op, a.at(i), b.at(i), common, dtype)).collect()
        }
        Op::Select => {
            let (c, a, b) = (operand(0, DType::Bool), operand(1, dtype.compute()), operand(2, dtype.compute()));
            let wrap = |x: Approx| if dtype.is_float() { x } else { approx::integer(x.v as i64, dtype, x.is_exact()) };
            elements.map(|i| select(c.at(i), wrap(a.at(i)), wrap(b.at(i)))).collect()
        }
        Op::Cast | Op::Promote => {
            let from = node.args[0].dtype();
            // A number has all the digits of an f64 until it is used as something less, and may be beyond i32; one in a
            // cell is an f32.
            let literal = matches!(node.args[0].as_number(), Some(Number::Scalar(_)));
            let whole = literal && (from.is_float() != dtype.is_float() || dtype == DType::Bool);
            let read = if dtype == DType::F64 || whole { DType::F64 } else { from.compute() };
            let (x, is_cast) = (operand(0, read), matches!(node.op, Op::Cast));
            elements.map(|i| convert::convert(x.at(i), from, dtype, is_cast)).collect()
        }
        Op::Detach => return Ok(args[0].clone()),
        Op::View(view) => match node.args[0].as_number() {
            Some(value) => vec![shaped(value.get(), dtype); elements.len()],
            None => args[0].gather(&view::source(view, &args[0].shape, shape), shape).items,
        },
        &Op::Take { dim } => {
            let index = Argument::new(&args[0], shape);
            let chosen = view::chosen(&args[1].shape, shape, dim, |i| index.at(i).v as usize);
            let known = |i: usize, x: Approx| if index.at(i).is_exact() { x } else { Approx::unknown(x.v) };
            args[1].gather(&chosen, shape).items.into_iter().enumerate().map(|(i, x)| known(i, x)).collect()
        }
        Op::Bounded(bounds) => {
            let index = operand(0, common);
            let at = |x: Approx| match bounds.resolve(x.v as i64) {
                Some(at) => Ok(Approx { v: at.into(), ..x }),
                None => Err(bounds.error(x.v as i64)),
            };
            elements.map(|i| at(index.at(i))).collect::<Result<_>>()?
        }
        Op::Reduce(op, dims) => {
            let parts = parts(&args[0], dims, shape);
            parts.iter().map(|part| reduce::reduce(*op, part, node.args[0].dtype(), dtype)).collect()
        }
        &Op::Scan(op, dim, scan) => scanned(&args[0], op, dim, scan, dtype),
        &Op::Sort(sort) => sort::sorted(&args[0].items, node.args[0].shape().last().copied().unwrap_or(1), sort),
        &Op::Segments(fold, row) => {
            segments::folded(fold, row, [&args[0].items, &args[1].items, &args[2].items], dtype)
        }
        Op::Invalid(error) => return Err(error.clone()),
    };
    Ok(Rc::new(Values { shape: shape.to_vec(), items }))
}

/// The upper 24 bits of a word of Philox, from a counter and the two words of a key.
fn random(word: u8, from: [Approx; 3]) -> Approx {
    let [counter, key0, key1] = from.map(|x| x.v as i32 as u32);
    Approx::exact(f64::from(philox::word(counter, [key0, key1], word.into()) >> 8))
}

/// A number that was given a shape. Whether it still has all its digits then is left open.
fn shaped(value: Scalar, dtype: DType) -> Approx {
    let Approx { v, e } = number(value, dtype.compute());
    let lost = if dtype.is_float() { (value.to_f64() - v).abs() } else { 0.0 };
    Approx { v, e: if lost.is_finite() { e.max(lost) } else { e } }
}

/// For each element of `shape`, the elements that are reduced to it, over `dims` of the argument.
fn parts(arg: &Values, dims: &[usize], shape: &[usize]) -> Vec<Vec<Approx>> {
    let mut parts: Vec<Vec<Approx>> = vec![Vec::new(); view::numel(shape)];
    let mut items = arg.items.iter();
    view::for_each(&arg.shape, |at| {
        let kept = at.iter().enumerate().filter(|(d, _)| !dims.contains(d)).map(|(_, &i)| i);
        parts[view::number(shape, kept)].extend(items.next());
    });
    parts
}

/// Each line of `arg` along `dim` scanned by itself.
fn scanned(arg: &Values, op: ScanOp, dim: usize, scan: Scan, dtype: DType) -> Vec<Approx> {
    let (n, step) = (arg.shape[dim], arg.shape[dim + 1..].iter().product::<usize>());
    let mut items = arg.items.clone();
    for first in (0..items.len()).filter(|i| i / step % n.max(1) == 0) {
        let at = |i: usize| first + step * if scan.reverse { n - 1 - i } else { i };
        let results = reduce::scan(op, scan.exclusive, (0..n).map(|i| arg.items[at(i)]), dtype);
        results.into_iter().enumerate().for_each(|(i, y)| items[at(i)] = y);
    }
    items
}

/// The taken branch, widened to hold the other where the condition is in doubt.
fn select(c: Approx, a: Approx, b: Approx) -> Approx {
    let (taken, other) = if c.v == 0.0 { (b, a) } else { (a, b) };
    if c.is_exact() || taken.is_unknown() {
        return taken;
    }
    if other.is_unknown() {
        return Approx::unknown(taken.v);
    }
    let hull = Approx::hull(taken.v, &[other.v - other.e, other.v + other.e]);
    Approx { v: taken.v, e: hull.e.max(taken.e) }
}

/// A number as it is used in arithmetic.
fn number(value: Scalar, compute: DType) -> Approx {
    match compute {
        DType::Bool => Approx::of_truth(value.to_bool(), true),
        DType::I64 | DType::U32 | DType::U64 => approx::integer(value.to_i64(), compute, true),
        DType::U8 | DType::I8 | DType::I16 | DType::U16 | DType::I32 => Approx::exact(f64::from(value.to_i64() as i32)),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
            Approx::read(convert::round_to(compute, value.to_f64()), compute)
        }
    }
}

/// The elements of a tensor, picked from its whole memory by its strides.
fn leaf(tensor: &Tensor) -> Result<Vec<Approx>> {
    let compute = tensor.dtype().compute();
    Ok(elements(tensor)?.into_iter().map(|v| Approx::read(v, compute)).collect())
}

/// The elements of a tensor in row-major order, as f64, whatever its layout. Nothing is evaluated.
pub(crate) fn elements(tensor: &Tensor) -> Result<Vec<f64>> {
    // All of the memory up to the last element that the view touches, as it lies there.
    let len = tensor.layout().bounds().map_or(0, |(_, high)| high + 1);
    let memory = tensor.with_layout(Layout::contiguous(Shape::from([len])));
    let memory = decode(tensor.dtype(), &memory.bytes("reference")?);
    let mut out = Vec::with_capacity(tensor.numel());
    positions(tensor, |position| out.push(memory[position]));
    Ok(out)
}

/// Calls `visit` with where in its memory each element of a tensor lies, in row-major order.
pub(crate) fn positions(tensor: &Tensor, mut visit: impl FnMut(usize)) {
    view::for_each(tensor.shape().dims(), |at| {
        let steps: isize = tensor.strides().iter().zip(at).map(|(&stride, &i)| stride * i as isize).sum();
        visit((tensor.offset() as isize + steps) as usize);
    });
}

fn decode(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    fn as_f64<T: crate::Element>(bytes: &[u8]) -> Vec<f64> {
        T::from_bytes(bytes).into_iter().map(T::to_f64).collect()
    }
    match dtype {
        // It is computed with as an i64.
        DType::U64 => as_f64::<i64>(bytes),
        _ => for_dtype!(dtype, T => as_f64::<T>(bytes)),
    }
}

#[cfg(test)]
mod tests;
