//! The code of a kernel, of which its shader's expressions are made.

use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};

/// Straight-line code, one value a line.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Code {
    pub(crate) lines: Vec<Line>,
    /// Operand, and the line whose value is stored there.
    pub(crate) stores: Vec<(usize, usize)>,
    /// Lines whose values are reduced, one for each fold.
    pub(crate) results: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Line {
    pub(crate) inst: Inst,
    /// bool, i32, i64, f32 or f64; i64, too, where a device that cannot compute in f64 holds one as its bits.
    pub(crate) dtype: DType,
}

/// One instruction. Arguments are earlier lines.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Inst {
    /// The elements of an operand.
    Load(usize),
    /// The positions where an operand's elements would lie, as numbers. The operand has no binding.
    Index(usize),
    /// The elements of an operand so many places on as a line says.
    Take(usize, usize),
    /// Whether such an element lies in what is bound of the operand's memory.
    Within(usize, usize),
    /// Which elements of a dim indices are. The word of the uniforms holds the dim's size, the next one the place of the
    /// mark of an index out of bounds.
    Bounded {
        index: usize,
        word: usize,
        from_end: bool,
    },
    /// For each element, whether an operand of mode `Found` has it.
    Has(usize),
    /// A scalar of the uniforms, by the position of its first word.
    Scalar(usize),
    /// The result of a fold, in an epilogue.
    Term(usize),
    Unary(UnaryOp, usize),
    Binary(BinaryOp, usize, usize),
    Select(usize, usize, usize),
    Random(u8, [usize; 3]),
    /// See [`Step::Order`](crate::expr::graph::Step::Order).
    Order(usize),
    /// The upper and the lower word of an i64.
    Words([usize; 2]),
    Convert(usize),
    /// As `Convert`, from f64, which is given by its bits.
    FromBits(usize),
    /// The bits of what `Convert` to f64 gives.
    ToBits(usize),
    /// Of an i64 it rounds the f64 with these bits: integers are converted before they are rounded.
    Round(DType, usize),
}

impl Line {
    /// Whether its value is neither read from memory nor passed by the host.
    pub(crate) const fn is_computed(&self) -> bool {
        !matches!(self.inst, Inst::Load(_) | Inst::Take(..) | Inst::Index(_) | Inst::Scalar(_))
    }
}

impl Inst {
    /// The lines it computes from.
    pub(crate) fn args(&self) -> impl Iterator<Item = usize> {
        let (args, n) = match *self {
            Self::Load(_) | Self::Index(_) | Self::Has(_) | Self::Scalar(_) | Self::Term(_) => ([0; 3], 0),
            Self::Unary(_, a)
            | Self::Order(a)
            | Self::Convert(a)
            | Self::FromBits(a)
            | Self::ToBits(a)
            | Self::Round(_, a)
            | Self::Take(_, a)
            | Self::Within(_, a)
            | Self::Bounded { index: a, .. } => ([a, 0, 0], 1),
            Self::Binary(_, a, b) | Self::Words([a, b]) => ([a, b, 0], 2),
            Self::Select(c, a, b) => ([c, a, b], 3),
            Self::Random(_, args) => (args, 3),
        };
        args.into_iter().take(n)
    }
}
