//! What a fold is of: elements, or two factors of each, which are multiplied or subtracted as they are folded and not before.

use crate::cpu::fold::{FoldLoops, ProductLoops};
use crate::cpu::once::Dims;
use crate::cpu::region::Temps;
use crate::expr::graph::{Extreme, Fold, Graph, Id, Step};
use crate::{BinaryOp, UnaryOp};

/// A pass, of whose folds terms are wanted.
pub(in crate::cpu) struct Terms<'a> {
    pub(in crate::cpu) graph: &'a Graph,
    pub(in crate::cpu) temp_of: &'a Temps,
    /// The dims along which each value has different elements.
    pub(in crate::cpu) varying: &'a [Dims],
    pub(in crate::cpu) dims: &'a [usize],
    /// Whether the pass has no other fold, and writes nothing beside.
    pub(in crate::cpu) alone: bool,
}

/// What a fold is of.
pub(in crate::cpu) enum Of {
    One(Id),
    /// What these loops make of two factors.
    Product(ProductLoops, [Id; 2]),
}

impl Terms<'_> {
    /// The loops for a fold of `arg`, and what they are for; `None` if the fold is not defined.
    pub(in crate::cpu) fn of(&self, fold: Fold, arg: Id) -> Option<(FoldLoops, Of)> {
        let value = &self.graph.values[arg];
        let loops = FoldLoops::new(fold, value.dtype)?;
        let products = ProductLoops::of_sums(value.dtype).filter(|_| fold == Fold::Sum);
        if products.is_some()
            && let Some((factors, squared)) = self.difference(arg)
        {
            let (loops, products) = ProductLoops::of_differences(value.dtype, squared)?;
            return Some((loops, Of::Product(products, factors)));
        }
        Some(match (&value.step, products) {
            (&Step::Binary(BinaryOp::Mul, a, b), Some(products)) => (loops, Of::Product(products, [a, b])),
            (&Step::Words(words), _) if fold == Fold::Amin => {
                let (loops, products, factors) = FoldLoops::smallest_of_words(self.graph, words);
                (loops, Of::Product(products, factors))
            }
            (&Step::Unary(UnaryOp::Abs, of), _)
                if fold == Fold::Amax && value.dtype.is_float() && value.shape.numel() > 0 =>
            {
                (FoldLoops::of_magnitudes(value.dtype)?, Of::One(of))
            }
            _ => (loops, Of::One(arg)),
        })
    }

    /// The same for where the largest or the smallest element is.
    pub(in crate::cpu) fn place(&self, Extreme { largest, of }: Extreme) -> Option<(FoldLoops, Of)> {
        let (loops, products) = FoldLoops::place(self.graph.values[of[0]].dtype, largest)?;
        Some((loops, Of::Product(products, of)))
    }

    /// What is subtracted from what, and whether the difference is squared, if it need not be written down: it is of what
    /// lies in memory, and folded along rows, or no other fold wants it, or the same is subtracted from each row.
    fn difference(&self, arg: Id) -> Option<([Id; 2], bool)> {
        let Graph { values, .. } = self.graph;
        let (of, squared) = match values[arg].step {
            Step::Binary(BinaryOp::Mul, a, b) if a == b => (a, true),
            _ => (arg, false),
        };
        let Step::Binary(BinaryOp::Sub, a, b) = values[of].step else { return None };
        let along_rows = values[arg].shape.rank().checked_sub(1).is_none_or(|last| self.dims.contains(&last));
        let near = self.is_at_hand(b);
        let cheap = (along_rows || self.alone || near && self.is_fixed(b))
            && self.is_near(a)
            && (near || self.varying[b].is_empty());
        cheap.then_some(([a, b], squared))
    }

    /// Whether it lies in memory, or does where a scale is 1.
    fn is_near(&self, id: Id) -> bool {
        let scaled = |id: Id| match self.graph.values[id].step {
            Step::Binary(BinaryOp::Mul, x, by) => self.is_at_hand(x) && self.is_fixed(by),
            _ => false,
        };
        self.is_at_hand(id) || scaled(id)
    }

    fn is_at_hand(&self, id: Id) -> bool {
        self.temp_of.contains_key(&id)
            || matches!(self.graph.values[id].step, Step::Load { .. } | Step::Read { .. } | Step::Take(_))
    }

    /// Whether it is the same all along the dims that are folded.
    fn is_fixed(&self, id: Id) -> bool {
        !self.varying[id].iter().any(|d| self.dims.contains(d))
    }
}
