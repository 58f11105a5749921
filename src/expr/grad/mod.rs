//! Gradients, by symbolic reverse mode: from an expression, the expressions of its derivatives.
//!
//! [`rules`] says what each operation hands back to its arguments, [`views`] what each view does; here the nodes are
//! walked from the result to the tensors, and what reaches a node from several sides is added up.
//!
//! What is handed to a node is an expression that broadcasts to the node's shape, often a number. So the gradient of
//! a mean stays a number as long as it is the same everywhere, and what was broadcast is summed over no more dims
//! than the gradient has.

pub(super) mod rules;
mod scans;
mod segments;
mod taking;
mod views;

use rustc_hash::{FxHashMap, FxHashSet};

use super::node::{Expr, Node, Op};
use crate::base::layout::Layout;
use crate::{DType, Error, Result, Shape, Tensor};

impl Expr {
    /// The gradients of this expression with respect to each of `wrt`: PyTorch's `torch.autograd.grad`.
    ///
    /// The expression is a float of one element. A gradient is an expression with the shape and dtype of its tensor;
    /// nothing is computed until it is evaluated, and evaluated together with the loss by
    /// [`eval_all`](crate::eval_all), both share what they have in common. Being expressions, gradients have gradients.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, eval_all};
    /// let device = Device::cpu();
    /// let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device)?;
    /// let b = Tensor::from_slice(&[4.0_f32, 3.0, 2.0, 1.0], [2, 2], &device)?;
    /// let w = Tensor::full([], 0.5_f32, &device)?;
    /// let loss = (&w * &a + (1.0 - &w) * &b - 3).square().mean(..);
    /// let grad = loss.grad(&[&w])?.remove(0);
    /// let values = eval_all(&[loss, grad])?;
    /// assert_eq!((values[0].item::<f32>()?, values[1].item::<f32>()?), (0.25, 0.0));
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// A tensor is a place in memory: its gradient gathers from every view of that memory that the expression reads,
    /// and where two of its own elements lie at one place, each has the gradient of the place. A tensor that is not
    /// read has a gradient of zeros. At kinks the gradient is PyTorch's: 0 for `abs` and `relu` at 0, half for each
    /// side of a `maximum` of equals, none of it for a `clamp` at a bound that is a number, even shares for the equals of an `amax`;
    /// 0 for a norm or a standard deviation that is 0; of the branch that `select` does not take, nothing.
    ///
    /// # Errors
    ///
    /// The mistake the expression carries, if any; [`Error::Argument`] unless it has one element (see
    /// [`grad_with`](Self::grad_with)); [`Error::DType`] if it or one of `wrt` is not of floats.
    pub fn grad(&self, wrt: &[&Tensor]) -> Result<Vec<Self>> {
        const OP: &str = "grad";
        self.check()?;
        if self.shape().numel() != 1 {
            let expected = "an expression with one element (of others, grad_with takes the elements' weights)";
            return Err(Error::argument(OP, expected, format!("shape {}", self.shape())));
        }
        gradients(OP, self, wrt, Self::from(1.0))
    }

    /// The gradients of the sum of this expression's elements, each times its weight: a vector-Jacobian product,
    /// PyTorch's `torch.autograd.grad(output, inputs, grad_outputs=weights)`.
    ///
    /// ```
    /// use hadamard::{Device, Expr, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &Device::cpu())?;
    /// let weights = Tensor::from_slice(&[1.0_f32, 0.0, 10.0], [3], &Device::cpu())?;
    /// let grad = x.square().grad_with(&[&x], &weights)?.remove(0);
    /// assert_eq!(grad.eval()?.to_vec::<f32>()?, [2.0, 0.0, 60.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] unless `weights` has the shape of this expression, and as [`grad`](Self::grad).
    pub fn grad_with(&self, wrt: &[&Tensor], weights: impl Into<Self>) -> Result<Vec<Self>> {
        const OP: &str = "grad_with";
        self.check()?;
        let weights = weights.into();
        weights.check()?;
        if weights.shape() != self.shape() {
            return Err(Error::argument(OP, format!("weights of shape {}", self.shape()), weights.shape().to_string()));
        }
        gradients(OP, self, wrt, weights.convert(self.dtype()))
    }
}

impl Expr {
    /// Whether a gradient with respect to some of `wrt` may be other than zeros.
    pub(crate) fn depends_on(&self, wrt: &[&Tensor]) -> bool {
        Leads::new(self, wrt).nodes.contains(&key(self))
    }
}

fn gradients(op: &'static str, root: &Expr, wrt: &[&Tensor], seed: Expr) -> Result<Vec<Expr>> {
    for dtype in std::iter::once(root.dtype()).chain(wrt.iter().map(|w| w.dtype())) {
        if !dtype.is_float() {
            return Err(Error::DType { op, expected: "floats, which have gradients", found: dtype });
        }
    }
    let leads = Leads::new(root, wrt);
    let mut grads: FxHashMap<*const Node, Expr> = FxHashMap::default();
    grads.insert(key(root), seed);
    // What reaches each tensor, views of the same elements together.
    let mut read: Vec<(&Tensor, Expr)> = Vec::new();
    for expr in leads.order.iter().rev() {
        let Some(grad) = grads.remove(&key(expr)) else { continue };
        if let Op::Leaf(tensor) = &expr.0.op {
            let same = |(t, _): &&mut (&Tensor, Expr)| is_same_memory(t, tensor) && t.layout() == tensor.layout();
            match read.iter_mut().find(same) {
                Some((_, sum)) => *sum = &*sum + grad,
                None => read.push((tensor, grad)),
            }
            continue;
        }
        for (i, arg) in expr.0.args.iter().enumerate().filter(|(_, arg)| leads.nodes.contains(&key(arg))) {
            let handed = match expr.0.op {
                Op::Take { dim } => Some(taking::of_source(expr, dim, &grad)),
                _ => rules::argument(expr, i, &grad).map(|part| (arg, part)),
            };
            if let Some((arg, part)) = handed {
                let part = part.convert(arg.dtype());
                let sum = grads.remove(&key(arg)).map_or_else(|| part.clone(), |sum| sum + &part);
                grads.insert(key(arg), sum);
            }
        }
    }
    wrt.iter().map(|w| of_tensor(w, &read)).collect()
}

fn key(expr: &Expr) -> *const Node {
    std::ptr::from_ref(&*expr.0)
}

fn is_same_memory(a: &Tensor, b: &Tensor) -> bool {
    a.storage().id() == b.storage().id()
}

/// The nodes of an expression through which some of the tensors reach it, each once.
struct Leads<'a> {
    /// Arguments first.
    order: Vec<&'a Expr>,
    nodes: FxHashSet<*const Node>,
}

impl<'a> Leads<'a> {
    /// Walks without recursion. Integers and truth values hand nothing on.
    fn new(root: &'a Expr, wrt: &[&Tensor]) -> Self {
        let mut leads = Self { order: Vec::new(), nodes: FxHashSet::default() };
        let mut seen: FxHashSet<*const Node> = FxHashSet::default();
        let mut stack = vec![(root, false)];
        while let Some((expr, arguments_done)) = stack.pop() {
            if arguments_done {
                let leads_on = match &expr.0.op {
                    Op::Leaf(tensor) => {
                        wrt.iter().any(|w| is_same_memory(w, tensor) && w.layout().may_overlap(tensor.layout()))
                    }
                    Op::Detach => false,
                    _ => expr.0.args.iter().any(|arg| leads.nodes.contains(&key(arg))),
                };
                if leads_on {
                    leads.nodes.insert(key(expr));
                    leads.order.push(expr);
                }
            } else if expr.dtype().is_float() && seen.insert(key(expr)) {
                stack.push((expr, true));
                stack.extend(expr.0.args.iter().map(|arg| (arg, false)));
            }
        }
        leads
    }
}

/// The gradient of a tensor, gathered from those that were read.
fn of_tensor(tensor: &Tensor, read: &[(&Tensor, Expr)]) -> Result<Expr> {
    let parts = read
        .iter()
        .filter(|(t, _)| is_same_memory(t, tensor))
        .filter_map(|(t, grad)| views::move_to(grad, t.dtype(), t.layout(), tensor.layout()));
    let sum = parts.reduce(|sum, part| sum + part).unwrap_or_else(|| 0.0.into());
    let grad = typed(&sum, tensor.dtype()).broadcast_to(tensor.shape());
    grad.check()?;
    Ok(if reads_a_tensor(&grad) { grad } else { beside(tensor, &grad) })
}

fn reads_a_tensor(expr: &Expr) -> bool {
    let mut seen: FxHashSet<*const Node> = FxHashSet::default();
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        if matches!(expr.0.op, Op::Leaf(_)) {
            return true;
        }
        if seen.insert(key(expr)) {
            stack.extend(&expr.0.args);
        }
    }
    false
}

/// An expression without tensors, made to look at one element of a tensor and not take it: it is evaluated on that
/// tensor's device.
fn beside(tensor: &Tensor, expr: &Expr) -> Expr {
    let tensor = Expr::from(tensor);
    let element =
        if tensor.shape().numel() == 0 { tensor } else { tensor.strided(Layout::contiguous(Shape::default())) };
    Expr::select(false, element, expr)
}

// ---- what the rules are written with ----

/// An expression of `dtype`, also where it was a number, which takes the dtype of what it meets.
pub(super) fn typed(expr: &Expr, dtype: DType) -> Expr {
    match expr.as_scalar() {
        Some(_) => Expr::new(Op::Promote, smallvec::smallvec![expr.clone()], Shape::default(), dtype),
        None => expr.convert(dtype),
    }
}

/// Dims of size 1 before the first, up to `rank`. A number stays one.
fn at_rank(expr: &Expr, rank: usize) -> Expr {
    if expr.as_scalar().is_some() {
        return expr.clone();
    }
    let ones = std::iter::repeat_n(1, rank - expr.shape().rank());
    expr.reshape(ones.chain(expr.shape().iter().copied()).collect::<Shape>())
}

/// What went to the repetitions of each element, added up. `grad` broadcasts to `from`, to which something of shape `to`
/// was broadcast; what comes back broadcasts to `to`.
fn unbroadcast(grad: &Expr, from: &Shape, to: &Shape) -> Expr {
    if from == to {
        return grad.clone();
    }
    if from.numel() == 0 {
        return 0.0.into();
    }
    let new = from.rank() - to.rank();
    let grad = at_rank(grad, from.rank());
    let size = |d: usize| if grad.as_scalar().is_some() { 1 } else { grad.shape()[d] };
    let repeated = |d: usize| from[d] > 1 && (d < new || to[d - new] == 1);
    let summed: Vec<isize> = (0..from.rank()).filter(|&d| repeated(d) && size(d) > 1).map(|d| d as isize).collect();
    // Where the gradient is the same for all repetitions, adding is multiplying.
    let times: usize = (0..from.rank()).filter(|&d| repeated(d) && size(d) == 1).map(|d| from[d]).product();
    let kept = |d: usize| if repeated(d) { 1 } else { size(d) };
    let sum = if summed.is_empty() { grad.clone() } else { grad.sum(&summed[..]) };
    let sum =
        if grad.as_scalar().is_some() { sum } else { sum.reshape((new..from.rank()).map(kept).collect::<Shape>()) };
    if times == 1 { sum } else { sum * times as f64 }
}
