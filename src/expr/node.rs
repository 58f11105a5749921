//! The nodes an expression is made of.

use std::fmt;
use std::mem;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use smallvec::{SmallVec, smallvec};

use super::cell::Number;
use super::graph::{Fold, Graph};
use super::joint::Joint;
use super::op::{BinaryOp, ReduceOp, ScanOp, UnaryOp};
use super::order::Sort;
use super::range::check_integer;
use super::scan::Scan;
use crate::base::bounds::Bounds;
use crate::base::dtype::Standing;
use crate::base::views::View;
use crate::{DType, Error, Result, Scalar, Shape, Tensor};

/// A description of elementwise work and reductions over tensors: no work is done and nothing fails until it is
/// evaluated.
///
/// Arithmetic on tensors, expressions and numbers builds one. It is a cheap handle: cloning shares the nodes, and a
/// part used twice is computed once. It reads its tensors when it is evaluated, so it can be built once and
/// evaluated many times. Mistakes (shapes that do not broadcast, a dtype an operation is not defined for) travel
/// inside and come out of the evaluation.
///
/// ```
/// use hadamard::{Device, Tensor};
/// let device = Device::cpu();
/// let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device)?;
/// let row = Tensor::from_slice(&[10.0_f32, 1.0], [2], &device)?;
/// assert_eq!((&a * &row).eval()?.to_vec::<f32>()?, [10.0, 2.0, 30.0, 4.0]);
/// assert_eq!((&a * &row).sum(0).eval()?.to_vec::<f32>()?, [40.0, 6.0]);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone)]
pub struct Expr(pub(crate) Arc<Node>);

pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) args: SmallVec<[Expr; 2]>,
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
    pub(crate) standing: Standing,
    /// What an evaluation of this expression alone needs, worked out once.
    pub(crate) graph: OnceLock<Arc<Graph>>,
    /// Whether it was evaluated, as the first of others or alone.
    pub(crate) evaluated: AtomicBool,
    /// What the last evaluation of it, as the first of others, needed.
    pub(super) joint: Mutex<Option<Box<Joint>>>,
}

#[derive(Clone)]
pub(crate) enum Op {
    /// A tensor.
    Leaf(Tensor),
    /// A number. It has no shape and a dtype only where it is used.
    Number(Number),
    /// The row-major number of each element, in i32: coordinates, without memory.
    Index,
    /// The upper 24 bits of this one of Philox's four words, in i32, of a counter and a key of two numbers.
    Random(u8),
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// Elements of the second argument where the first is true, else of the third.
    Select,
    /// Conversion to the node's dtype, rounding once.
    Cast,
    /// Conversion of an operand to the dtype the operation works in. Unlike a cast it does not round to f16 or
    /// bf16: those are computed in f32, so that a fused expression rounds once, where it is stored.
    Promote,
    /// The argument itself, through which no gradient passes.
    Detach,
    View(View),
    /// The elements of dim `dim` of the second argument that the first, which is `Bounded`, chooses. The first broadcasts to
    /// the node's shape; the second has it in all other dims.
    Take {
        dim: usize,
    },
    /// An index into a dim, from 0 on, of one that may be out of bounds or negative.
    Bounded(Bounds),
    /// Over these dims of the argument, in rising order; they go.
    Reduce(ReduceOp, SmallVec<[usize; 4]>),
    /// Along this dim of the argument.
    Scan(ScanOp, usize, Scan),
    /// The elements along the last dim in their order, or their places; equal ones as they stand.
    Sort(Sort),
    /// The third argument with rows of so many elements of the second folded into it, in their order, where the first says: an
    /// i32 for each row. Rows are counted in row-major order; the third has the node's shape.
    Segments(Fold, usize),
    /// A mistake made in building, to be returned by whatever evaluates this.
    Invalid(Error),
}

impl Op {
    /// Whether its result at an element depends on the argument at others, so that it is a pass of its own.
    pub(crate) const fn is_pass(&self) -> bool {
        matches!(self, Self::Reduce(..) | Self::Scan(..) | Self::Sort(_) | Self::Segments(..))
    }

    /// Whether it does the same to arguments of the same shapes and dtypes. Mistakes do not.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Leaf(a), Self::Leaf(b)) => a.is_same_view(b),
            (Self::Number(a), Self::Number(b)) => a.is_same(b),
            (Self::Random(a), Self::Random(b)) => a == b,
            (Self::Unary(a), Self::Unary(b)) => a == b,
            (Self::Binary(a), Self::Binary(b)) => a == b,
            (Self::View(a), Self::View(b)) => a == b,
            (Self::Take { dim: a }, Self::Take { dim: b }) => a == b,
            (Self::Bounded(a), Self::Bounded(b)) => a == b,
            (Self::Reduce(a, over_a), Self::Reduce(b, over_b)) => a == b && over_a == over_b,
            (Self::Scan(a, dim_a, of_a), Self::Scan(b, dim_b, of_b)) => (a, dim_a, of_a) == (b, dim_b, of_b),
            (Self::Sort(a), Self::Sort(b)) => a == b,
            (Self::Segments(a, row_a), Self::Segments(b, row_b)) => (a, row_a) == (b, row_b),
            (Self::Index, Self::Index)
            | (Self::Select, Self::Select)
            | (Self::Cast, Self::Cast)
            | (Self::Promote, Self::Promote)
            | (Self::Detach, Self::Detach) => true,
            _ => false,
        }
    }
}

impl Expr {
    pub(crate) fn new(op: Op, args: SmallVec<[Self; 2]>, shape: Shape, dtype: DType) -> Self {
        let standing = match &op {
            Op::Number(_) => Standing::Weak,
            _ if shape.rank() == 0 => Standing::ZeroDim,
            _ => Standing::Tensor,
        };
        let (graph, evaluated, joint) = (OnceLock::new(), AtomicBool::new(false), Mutex::new(None));
        Self(Arc::new(Node { op, args, shape, dtype, standing, graph, evaluated, joint }))
    }

    /// The same operation on other arguments, which have the shapes and compute dtypes of the old ones.
    pub(crate) fn with_args(&self, args: SmallVec<[Self; 2]>) -> Self {
        Self::new(self.0.op.clone(), args, self.0.shape.clone(), self.0.dtype)
    }

    pub(crate) fn scalar(value: Scalar) -> Self {
        Self::new(Op::Number(Number::Scalar(value)), smallvec![], Shape::default(), value.dtype())
    }

    pub(crate) fn invalid(error: Error) -> Self {
        Self::new(Op::Invalid(error), smallvec![], Shape::default(), DType::F32)
    }

    /// The shape of the result. An expression with a mistake in it has rank 0.
    pub fn shape(&self) -> &Shape {
        &self.0.shape
    }

    /// The dtype of the result.
    pub fn dtype(&self) -> DType {
        self.0.dtype
    }

    /// The mistake inside, if there is one: what evaluating would return.
    pub fn error(&self) -> Option<&Error> {
        match &self.0.op {
            Op::Invalid(error) => Some(error),
            _ => None,
        }
    }

    /// An error if this is an integer that the dtype it has alone, i32, cannot hold: where it meets no tensor, it gets
    /// that dtype.
    pub(crate) fn check_alone(&self, op: &'static str) -> Result<()> {
        match self.as_scalar() {
            Some(Scalar::Int(number)) => check_integer(op, number, self.dtype()),
            _ => Ok(()),
        }
    }

    /// The number this is, if it is one that cannot change.
    pub(crate) fn as_scalar(&self) -> Option<Scalar> {
        match self.0.op {
            Op::Number(Number::Scalar(value)) => Some(value),
            _ => None,
        }
    }

    /// The number this is, if it is one.
    pub(crate) fn as_number(&self) -> Option<&Number> {
        match &self.0.op {
            Op::Number(number) => Some(number),
            _ => None,
        }
    }
}

impl Drop for Node {
    /// Takes a long chain apart link by link: the compiler's own drop would call itself once a link and run out
    /// of stack.
    fn drop(&mut self) {
        let mut doomed = mem::take(&mut self.args);
        while let Some(Expr(node)) = doomed.pop() {
            // Most have no arguments, and need not be moved to be taken apart.
            if node.args.is_empty() {
                continue;
            }
            if let Some(mut node) = Arc::into_inner(node) {
                doomed.extend(mem::take(&mut node.args));
            }
        }
    }
}

impl From<Tensor> for Expr {
    fn from(tensor: Tensor) -> Self {
        let (shape, dtype) = (tensor.shape().clone(), tensor.dtype());
        Self::new(Op::Leaf(tensor), smallvec![], shape, dtype)
    }
}

impl From<&Tensor> for Expr {
    fn from(tensor: &Tensor) -> Self {
        tensor.clone().into()
    }
}

impl From<&Self> for Expr {
    fn from(expr: &Self) -> Self {
        expr.clone()
    }
}

impl From<Scalar> for Expr {
    fn from(value: Scalar) -> Self {
        Self::scalar(value)
    }
}

macro_rules! expr_from_number {
    ($($ty:ty),*) => {$(
        impl From<$ty> for Expr {
            fn from(value: $ty) -> Self { Self::scalar(value.into()) }
        }
    )*};
}
expr_from_number!(bool, u8, i8, i16, u16, i32, u32, i64, f32, f64);

/// A number beyond i64 is a mistake that the expression carries.
impl From<u64> for Expr {
    fn from(value: u64) -> Self {
        match i64::try_from(value) {
            Ok(value) => value.into(),
            Err(_) => Self::invalid(Error::argument("number", "one that i64 holds", value.to_string())),
        }
    }
}

/// As of a u64.
impl From<usize> for Expr {
    fn from(value: usize) -> Self {
        (value as u64).into()
    }
}

/// Prints dtype, shape and what is computed, written as calls: `f32[2] sum(mul(tensor[3, 2], 2.0), [0])`. Parts beyond
/// six levels are elided. It is for people: parameters of views are left out, so it does not read back.
impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} ", self.0.dtype, self.0.shape)?;
        write_node(f, self, 6)
    }
}

fn write_node(f: &mut fmt::Formatter<'_>, expr: &Expr, depth: usize) -> fmt::Result {
    if depth == 0 {
        return f.write_str("…");
    }
    let name: &str = match &expr.0.op {
        Op::Leaf(tensor) => return write!(f, "tensor{}", tensor.shape()),
        Op::Number(Number::Scalar(Scalar::Bool(b))) => return write!(f, "{b}"),
        Op::Number(Number::Scalar(Scalar::Int(i))) => return write!(f, "{i}"),
        Op::Number(number) => return write!(f, "{:?}", number.get().to_f64()),
        Op::Index => return write!(f, "arange({})", expr.shape().numel()),
        Op::Random(_) => "random",
        Op::Unary(op) => op.name(),
        Op::Binary(op) => op.name(),
        Op::Select => "where",
        Op::Cast => "cast",
        Op::Promote => "promote",
        Op::View(view) => view.name(),
        Op::Take { .. } => "take_along_dim",
        Op::Bounded(_) => "bounded",
        Op::Detach => "detach",
        Op::Reduce(op, _) => op.name(),
        Op::Scan(op, ..) => op.name(),
        Op::Sort(sort) => sort.name(),
        Op::Segments(Fold::Sum, _) => "segment_sum",
        Op::Segments(Fold::Prod, _) => "segment_prod",
        Op::Segments(Fold::Amax, _) => "segment_amax",
        Op::Segments(Fold::Amin, _) => "segment_amin",
        Op::Segments(Fold::Last | Fold::Logaddexp, _) => "segment_last",
        Op::Invalid(error) => return write!(f, "<{error}>"),
    };
    write!(f, "{name}(")?;
    for (i, arg) in expr.0.args.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write_node(f, arg, depth - 1)?;
    }
    if let Op::Reduce(_, dims) = &expr.0.op {
        write!(f, ", {:?}", dims.as_slice())?;
    }
    if let Op::Scan(_, dim, scan) = expr.0.op {
        write!(f, ", {dim}{scan}")?;
    }
    f.write_str(")")
}
