//! An expression made flat: what every backend starts from.
//!
//! Views are pushed down to the buffers they read, so that only [`Access`]es remain; dtypes become the five that
//! arithmetic is carried out in; common subexpressions become one value; numbers become slots, so that a graph with
//! another learning rate is the same graph. What runs it, and in how many passes, is the backend's affair.

mod convert;
mod in_place;
mod latest;
mod lower;
mod order;
mod print;
mod resize;
mod stages;
mod take;

use std::any::Any;
#[cfg(feature = "gpu")]
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

#[cfg(feature = "gpu")]
use rustc_hash::FxHasher;
use smallvec::{SmallVec, smallvec};

pub(crate) use self::in_place::Place;
pub(crate) use self::latest::Latest;
use self::lower::Lowering;
pub(crate) use self::order::Extreme;
pub(crate) use self::resize::Sizes;
use super::cell::Number;
use super::node::Expr;
use super::op::{BinaryOp, UnaryOp};
use super::order::Sort;
use super::scan::Scan;
use crate::base::access::Access;
use crate::base::bounds::Bounds;
use crate::base::storage::Storage;
use crate::{DType, Result, Scalar, Shape};

/// Position of a value in [`Graph::values`]. Arguments come before what uses them.
pub(crate) type Id = usize;

/// What is computed, over `shape`, in `dtype`: one of bool, i32, i64, f32 and f64.
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
    /// Arithmetic and comparisons on i32, i64, f32, f64; `And` and `Or` on bool.
    Binary(BinaryOp, Id, Id),
    Select(Id, Id, Id),
    /// From one compute dtype to another: floats truncate to integers and saturate, NaN to 0; to bool is `!= 0`.
    Convert(Id),
    /// To the nearest value that f16 or bf16 can hold (from f32 or f64), kept as f32; or wrapped to u8, i8, i16 or u16, kept
    /// as i32, or to u32, kept as i64.
    Round(DType, Id),
    /// An i32 for an f32, in the same order: of both zeros 0, of NaN less than of any number.
    Order(Id),
    /// The i64 of an upper and a lower word, which are i32s.
    Words([Id; 2]),
    /// Over these dims of the argument, in rising order; they go. Never over bool.
    Reduce {
        op: Fold,
        dims: SmallVec<[usize; 4]>,
        arg: Id,
    },
    /// The elements along the last dim in their order, or their places as i32s. Of i32, i64, f32 and f64.
    Sort {
        sort: Sort,
        arg: Id,
    },
    /// Along this dim of the argument: at each element what those up to it come to. Never over bool.
    Scan {
        op: Fold,
        dim: usize,
        scan: Scan,
        arg: Id,
    },
    /// Rows of `row` elements of `values` folded into those of `base` that `index`, an i32 for each, names, in their order;
    /// all in row-major order. Never over bool.
    Segments {
        op: Fold,
        row: usize,
        index: Id,
        values: Id,
        base: Id,
    },
    /// Elements of a reduction's or scan's row-major result.
    Read {
        of: Id,
        access: Access,
    },
    /// Elements `at` places on from where an access puts them: what an index tensor chooses.
    Take(Take),
    /// An index into a dim, as an i32 from 0 on. What is out of bounds is an error of the run, and an element of the
    /// dim.
    Bounded(Bounds, Id),
}

/// See [`Step::Take`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Take {
    pub(crate) from: Source,
    pub(crate) access: Access,
    /// The value, i32 or i64, that says how many elements to go on.
    pub(crate) at: Id,
    /// The least and the most it may be.
    pub(crate) reach: (isize, isize),
}

/// What a [`Take`] reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Source {
    Buffer(usize),
    /// A reduction's or scan's row-major result.
    Reduced(Id),
}

impl Take {
    /// The lowest and the highest element it may read, if any.
    pub(crate) fn bounds(&self) -> Option<(usize, usize)> {
        let (low, high) = self.access.footprint().bounds()?;
        Some((low.saturating_add_signed(self.reach.0), high.saturating_add_signed(self.reach.1)))
    }
}

impl Step {
    /// Whether it is a pass of its own: over its arguments, which only it reads as a whole, to a result that is stored and read
    /// by [`Step::Read`].
    pub(crate) const fn is_pass(&self) -> bool {
        matches!(self, Self::Reduce { .. } | Self::Scan { .. } | Self::Sort { .. } | Self::Segments { .. })
    }

    /// Whether it computes each element from those of its arguments at the same place, and from nothing else.
    pub(crate) const fn is_elementwise(&self) -> bool {
        match self {
            Self::Unary(..)
            | Self::Binary(..)
            | Self::Select(..)
            | Self::Convert(_)
            | Self::Round(..)
            | Self::Order(_)
            | Self::Words(_) => true,
            Self::Load { .. }
            | Self::Index { .. }
            | Self::Scalar { .. }
            | Self::Random(..)
            | Self::Reduce { .. }
            | Self::Scan { .. }
            | Self::Sort { .. }
            | Self::Segments { .. }
            | Self::Read { .. }
            | Self::Take(_)
            | Self::Bounded(..) => false,
        }
    }

    /// The values it is computed from.
    pub(crate) fn args(&self) -> SmallVec<[Id; 3]> {
        match *self {
            Self::Load { .. } | Self::Index { .. } | Self::Scalar { .. } => smallvec![],
            Self::Unary(_, a) | Self::Convert(a) | Self::Round(_, a) | Self::Order(a) | Self::Bounded(_, a) => {
                smallvec![a]
            }
            Self::Take(Take { from: Source::Buffer(_), at, .. }) => smallvec![at],
            Self::Take(Take { from: Source::Reduced(of), at, .. }) => smallvec![of, at],
            Self::Reduce { arg, .. } | Self::Scan { arg, .. } | Self::Sort { arg, .. } => smallvec![arg],
            Self::Read { of, .. } => smallvec![of],
            Self::Segments { index, values, base, .. } => smallvec![index, values, base],
            Self::Binary(_, a, b) | Self::Words([a, b]) => smallvec![a, b],
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
            | Self::Order(a)
            | Self::Bounded(_, a)
            | Self::Reduce { arg: a, .. }
            | Self::Scan { arg: a, .. }
            | Self::Sort { arg: a, .. }
            | Self::Read { of: a, .. } => *a = f(*a),
            Self::Take(Take { from, at, .. }) => {
                if let Source::Reduced(of) = from {
                    *of = f(*of);
                }
                *at = f(*at);
            }
            Self::Binary(_, a, b) | Self::Words([a, b]) => (*a, *b) = (f(*a), f(*b)),
            Self::Select(a, b, c)
            | Self::Random(_, [a, b, c])
            | Self::Segments { index: a, values: b, base: c, .. } => (*a, *b, *c) = (f(*a), f(*b), f(*c)),
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
    /// The logarithm of the sum of exponentials: of scans alone.
    Logaddexp,
    /// The last of them: of segments alone.
    Last,
}

impl Fold {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Amax => "amax",
            Self::Amin => "amin",
            Self::Logaddexp => "logaddexp",
            Self::Last => "last",
        }
    }
}

/// A value to be stored: over `shape` (the value's, or any if it is a scalar), as `dtype`.
///
/// The value's dtype is the one `dtype` is computed in, or f64 where f16 or bf16 is stored. The store rounds to f16
/// and bf16, once, and takes the low bits for integers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Root {
    pub(crate) value: Id,
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
}

/// One or several expressions made flat.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) values: Vec<Value>,
    /// Each buffer once, whatever views of it are read, with its dtype.
    pub(crate) buffers: Vec<(Storage, DType)>,
    /// Where in each buffer accesses count from, in elements; empty if everywhere from the start.
    pub(crate) starts: Vec<usize>,
    /// Read when the graph runs.
    pub(crate) scalars: Vec<Number>,
    pub(crate) roots: Vec<Root>,
    /// Slots of scalars that are how many elements a reduction has of each result, and the reductions.
    counts: SmallVec<[(usize, Id); 1]>,
    /// See [`hash`](Self::hash), once somebody has asked.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "the CPU never asks"))]
    hash: OnceLock<u64>,
    /// What a backend makes of it at the first run, to be found again at the next.
    pub(crate) prepared: OnceLock<Arc<dyn Any + Send + Sync>>,
    /// What a backend found at the last run, which depends on buffers and targets, too.
    #[cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "the CPU keeps what does not depend on buffers"))]
    pub(crate) latest: Latest,
}

impl Graph {
    /// Flattens `exprs`, each to be stored under its dtype.
    pub(crate) fn new(exprs: &[(&Expr, DType)]) -> Result<Self> {
        let mut lowering = Lowering::default();
        let mut roots = exprs.iter().map(|(expr, dtype)| lowering.root(expr, *dtype)).collect::<Result<Vec<_>>>()?;
        let Lowering { values, buffers, scalars, counts, .. } = lowering;
        let values = stages::share(values, &mut roots);
        Ok(Self { counts, ..Self::of(values, buffers, scalars, roots) })
    }

    /// The graph of these parts, of which nobody has made anything yet.
    pub(crate) fn of(
        values: Vec<Value>,
        buffers: Vec<(Storage, DType)>,
        scalars: Vec<Number>,
        roots: Vec<Root>,
    ) -> Self {
        Self {
            values,
            buffers,
            starts: Vec::new(),
            scalars,
            roots,
            counts: SmallVec::new(),
            hash: OnceLock::new(),
            prepared: OnceLock::new(),
            latest: Latest::default(),
        }
    }

    /// A hash of everything but the buffers' contents, the scalars' values, and where in its buffer a tensor begins.
    #[cfg(feature = "gpu")]
    pub(crate) fn hash(&self) -> u64 {
        *self.hash.get_or_init(|| {
            let mut hasher = FxHasher::default();
            for value in &self.values {
                match &value.step {
                    Step::Load { buffer, access } => {
                        (buffer, &value.shape, value.dtype).hash(&mut hasher);
                        access.hash_shape(&mut hasher);
                    }
                    Step::Take(Take { from, access, at, reach }) => {
                        (from, at, reach, &value.shape, value.dtype).hash(&mut hasher);
                        access.hash_shape(&mut hasher);
                    }
                    _ => value.hash(&mut hasher),
                }
            }
            self.roots.hash(&mut hasher);
            for (_, dtype) in &self.buffers {
                dtype.hash(&mut hasher);
            }
            hasher.finish()
        })
    }

    /// Drops what was found out about it, as its form has changed; not what a backend has prepared.
    fn forget(&mut self) {
        self.hash = OnceLock::new();
        self.latest = Latest::default();
    }

    /// What its numbers are now. A run asks once: another thread may change a cell between two passes.
    pub(crate) fn numbers(&self) -> SmallVec<[Scalar; 8]> {
        self.scalars.iter().map(Number::get).collect()
    }

    /// Takes over what a backend made of `other`, if that differs in no more than its buffers and numbers.
    pub(crate) fn adopt(&mut self, other: &Self) {
        let dtypes = |graph: &Self| graph.buffers.iter().map(|b| b.1).collect::<Vec<_>>();
        let same = self.values == other.values && self.roots == other.roots && dtypes(self) == dtypes(other);
        if same && self.prepared.get().is_none() {
            self.prepared = other.prepared.clone();
        }
    }

    /// Reads another buffer of the same dtype in place of buffer `at`, from element `start` on.
    pub(crate) fn bind(&mut self, at: usize, storage: Storage, start: usize) {
        self.buffers[at].0 = storage;
        if start > 0 || !self.starts.is_empty() {
            self.starts.resize(self.buffers.len(), 0);
            self.starts[at] = start;
        }
    }

    /// The same graph, its accesses counted from the start of each buffer, where they are not.
    #[cfg(feature = "gpu")]
    pub(crate) fn counted_from_start(&self) -> Option<Self> {
        if self.starts.iter().all(|&start| start == 0) {
            return None;
        }
        let mut graph = Self { starts: Vec::new(), prepared: OnceLock::new(), ..self.clone() };
        for value in &mut graph.values {
            if let Step::Load { buffer, access } | Step::Take(Take { from: Source::Buffer(buffer), access, .. }) =
                &mut value.step
            {
                *access = access.onward(self.starts[*buffer]);
            }
        }
        Some(graph)
    }
}
