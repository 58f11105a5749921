//! What a kernel is: everything that changes its text, and nothing else.
//!
//! Shapes, strides, offsets and numbers are passed in, in the uniform, so that a new shape or learning rate compiles
//! nothing.

use crate::DType;
use crate::expr::graph::Fold;
use crate::expr::{BinaryOp, UnaryOp};

/// The text of a kernel, before it is text. Two launches with equal specs share a pipeline.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Spec {
    pub(crate) kernel: Kernel,
    /// Neighbouring elements an invocation takes at a step: 1 or 4. They lie along the kept dims in a map and in
    /// reduce-outer, along the reduced dims in reduce-inner and reduce-rows.
    pub(crate) width: u32,
    /// Invocations in a workgroup.
    pub(crate) workgroup: u32,
    /// Invocations of a workgroup that share one output of a reduction.
    pub(crate) lanes: u32,
    /// Groups of `width` neighbouring columns that an invocation of reduce-outer owns; the rows of one of reduce-rows.
    pub(crate) groups: u32,
    /// Steps of a reduction's walk that are added to each other before they join a block: 4, 2 or 1.
    pub(crate) at_once: u32,
    /// Collapsed dims that are kept; for a map, all.
    pub(crate) kept_rank: usize,
    /// Collapsed dims that are reduced.
    pub(crate) reduced_rank: usize,
    /// The storage buffers, from binding 1 on.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) operands: Vec<Operand>,
    /// Words of the numbers it is given; one of f64 takes two.
    pub(crate) n_scalars: usize,
    /// Map: loads, arithmetic, stores. Reductions: what is reduced.
    pub(crate) body: Code,
    pub(crate) folds: Vec<(Fold, DType)>,
    /// Reductions: what is made of the results, and stored.
    pub(crate) epilogue: Code,
    /// Whether the last group of `width` elements runs over the end, so that stores must look. Masked stores are dear
    /// where a branch does not skip them, as on llvmpipe.
    pub(crate) tail: bool,
    /// Whether rows are split over workgroups, so that what is stored is a partial result for each.
    pub(crate) split: bool,
    /// Whether the lanes of a row are in one subgroup, and exchange results there.
    pub(crate) subgroups: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kernel {
    Map,
    ReduceOuter,
    ReduceInner,
    ReduceRows,
    Contract,
}

impl Kernel {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::ReduceOuter => "reduce_outer",
            Self::ReduceInner => "reduce_inner",
            Self::ReduceRows => "reduce_rows",
            Self::Contract => "contract",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Binding {
    pub(crate) dtype: DType,
    /// Whether every access takes four neighbours at an aligned place, so that they are one load.
    pub(crate) wide: bool,
    /// Whether four neighbours are two loads of 64 bits instead.
    pub(crate) pairs: bool,
    pub(crate) write: bool,
}

/// One view of a buffer that the kernel reads or writes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Operand {
    /// Of no meaning for an operand of [`Inst::Index`].
    pub(crate) binding: usize,
    pub(crate) dtype: DType,
    pub(crate) mode: Mode,
    pub(crate) order: Order,
    /// Ranks of the stages after the first, for a view that strides cannot express.
    pub(crate) stages: Vec<usize>,
}

/// Where an operand's elements lie as the domain is walked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Order {
    /// By coordinates and strides.
    Strided,
    /// In the domain's own order: no coordinates are needed, only the index.
    Linear,
    /// The same from the start of the buffer: not even an offset.
    Identity,
}

/// How an operand's `width` neighbours are found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Mode {
    /// In a row at an aligned place: one load.
    Vec,
    /// All the same element.
    Splat,
    /// A fixed step apart.
    Step,
    /// Each by its own coordinates: a group may run over the end of a row.
    Each,
    /// Each by its place in another view, which may not have it: the domain is that view's memory, and what is read
    /// is numbered as that view's elements are. The stage holds the view.
    Found,
}

/// Straight-line code, one value a line.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Code {
    pub(crate) lines: Vec<Line>,
    /// Operand and the line whose value is stored there.
    pub(crate) stores: Vec<(usize, usize)>,
    /// Lines whose values are reduced, one for each fold.
    pub(crate) results: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Line {
    pub(crate) inst: Inst,
    /// bool, i32, f32 or f64.
    pub(crate) dtype: DType,
}

/// Arguments are earlier lines.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Inst {
    Load(usize),
    /// Where an operand's elements would lie, as a number. The operand has no binding.
    Index(usize),
    /// Whether an operand of mode `Found` has each element.
    Has(usize),
    /// A number of the uniform, by the position of its first word.
    Scalar(usize),
    /// The result of a fold, in an epilogue.
    Term(usize),
    Unary(UnaryOp, usize),
    Binary(BinaryOp, usize, usize),
    Select(usize, usize, usize),
    Random(u8, [usize; 3]),
    Convert(usize),
    Round(DType, usize),
}

/// Words of the uniform before the dims.
pub(crate) const HEAD_WORDS: usize = 8;
/// Words of a dim: size, and the two constants that divide by it.
pub(crate) const DIM_WORDS: usize = 4;

impl Spec {
    /// Has the kernel fetch words in pairs where it can: what it fetches four at a time, and does not write in smaller
    /// parts.
    pub(crate) fn fetch_pairs(&mut self) {
        for (i, binding) in self.bindings.iter_mut().enumerate() {
            let loads = |line: &Line| matches!(line.inst, Inst::Load(o) if self.operands[o].binding == i);
            let loaded = self.body.lines.iter().chain(&self.epilogue.lines).any(loads);
            binding.pairs = binding.wide
                && loaded
                && match binding.dtype {
                    DType::F32 | DType::I32 => !(binding.write && self.tail),
                    DType::F16 | DType::BF16 => !binding.write,
                    _ => false,
                };
        }
    }

    /// Words an operand's offset and strides take, rounded up to whole `vec4u`s.
    pub(crate) fn operand_words(&self) -> usize {
        let deepest = self.operands.iter().flat_map(|o| &o.stages).copied().max().unwrap_or(0);
        (1 + deepest.max(self.kept_rank + self.reduced_rank)).next_multiple_of(4)
    }

    /// Entries of the operand table: one for each stage of each operand.
    pub(crate) fn n_stages(&self) -> usize {
        self.operands.iter().map(|o| 1 + o.stages.len()).sum()
    }

    /// Position in the operand table of an operand's first stage.
    pub(crate) fn first_stage(&self, operand: usize) -> usize {
        self.operands[..operand].iter().map(|o| 1 + o.stages.len()).sum()
    }

    /// Dims in the uniform: kept, reduced, then those of later stages.
    pub(crate) fn n_dims(&self) -> usize {
        self.kept_rank + self.reduced_rank + self.operands.iter().flat_map(|o| &o.stages).sum::<usize>()
    }

    /// Where in the uniform the operand table begins, in words.
    pub(crate) fn operands_at(&self) -> usize {
        HEAD_WORDS + self.n_dims().max(1) * DIM_WORDS
    }

    /// Where in the uniform the numbers begin, in words.
    pub(crate) fn scalars_at(&self) -> usize {
        self.operands_at() + self.n_stages().max(1) * self.operand_words()
    }

    /// Size of the uniform, in words.
    pub(crate) fn uniform_words(&self) -> usize {
        self.scalars_at() + self.n_scalars.max(1).next_multiple_of(4)
    }
}

/// The side of the square of outputs that a workgroup of a matrix product owns, each invocation 4 by 4 of them.
pub(crate) const fn side(workgroup: u32) -> u32 {
    4 * workgroup.isqrt()
}
