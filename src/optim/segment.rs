//! Segments: parameters of a block that are updated together, and their gradients.

use std::ops::Range;

use super::formula::{Formula, StandIns};
use super::group::{Hook, Stateful};
use super::parameters::Part;
use super::stage::room;
use super::tables::Tables;
use super::{Optimizer, Rule};
use crate::expr::Op;
use crate::{DType, Expr, Result, Shape, Tensor};

/// Consecutive parameters of a block, none of them frozen.
pub(super) struct Segment<'a> {
    pub(super) group: usize,
    /// Number of the block among all.
    pub(super) block: usize,
    /// Indices of the parameters in the block.
    pub(super) parts: Range<usize>,
    of: &'a Stateful,
    pub(super) target: Tensor,
    pub(super) state: Vec<Tensor>,
    /// Which elements of `target` belong to a parameter, if some do not.
    elements: Option<Tensor>,
}

/// The gradient of a segment, on its way through the hooks.
#[derive(Clone)]
pub(super) struct Grad {
    pub(super) expr: Expr,
    /// Whether it lies in memory, row by row, unrounded.
    pub(super) stored: bool,
}

/// What one closure does to a segment.
pub(super) enum Effect {
    /// The same to each element, whatever the shape.
    Alike(Formula),
    /// The same to each element of the block, of which other tensors are laid out as it is.
    Block(Formula),
    /// Something else to each parameter.
    Apart {
        /// Whether elements depend on others.
        around: bool,
    },
}

impl<R: Rule> Optimizer<R> {
    /// The segments of each block but of `tables`: maximal runs of parameters that are not frozen.
    pub(super) fn segments(&self, tables: &Tables) -> Result<Vec<Segment<'_>>> {
        let mut segments = Vec::new();
        let blocks = self.groups.iter().enumerate().flat_map(|(g, group)| group.blocks.iter().map(move |b| (g, b)));
        for (number, (group, of)) in blocks.enumerate().filter(|(number, _)| !tables.contain(*number)) {
            let mut start = 0;
            for run in of.block.parts.chunk_by(|a, b| a.frozen == b.frozen) {
                let parts = start..start + run.len();
                start = parts.end;
                if run[0].frozen {
                    continue;
                }
                let target = of.block.view(&of.block.whole, &parts)?;
                let state = of.state.iter().map(|(_, s)| of.block.view(s, &parts)).collect::<Result<_>>()?;
                let elements = of.elements.as_ref().filter(|_| parts.len() > 1);
                let elements = elements.map(|all| of.block.view(all, &parts)).transpose()?;
                segments.push(Segment { group, block: number, parts, of, target, state, elements });
            }
        }
        Ok(segments)
    }
}

impl Segment<'_> {
    /// Whether several parameters lie in it.
    pub(super) fn is_packed(&self) -> bool {
        self.parts.len() > 1
    }

    pub(super) fn params(&self) -> &[Part] {
        &self.of.block.parts[self.parts.clone()]
    }

    /// Where its elements lie in the block: start and length.
    pub(super) fn span(&self) -> (usize, usize) {
        self.of.block.span(&self.parts)
    }

    /// The shape of the whole block.
    pub(super) fn block_shape(&self) -> &Shape {
        self.of.block.whole.shape()
    }

    /// Whether some state has another shape than the weight.
    pub(super) fn has_shaped_state(&self) -> bool {
        self.state.iter().any(|state| state.shape() != self.target.shape())
    }

    pub(super) fn is_gapless(&self) -> bool {
        self.elements.is_none()
    }

    /// Elements it takes in a row of segments: those of each parameter up to a multiple of 16 bytes.
    pub(super) fn padded(&self) -> usize {
        if self.is_packed() { self.target.numel() } else { self.target.numel().next_multiple_of(self.align()) }
    }

    pub(super) fn align(&self) -> usize {
        16 / self.target.dtype().size()
    }

    /// `expr` with zeros in the gaps.
    pub(super) fn masked(&self, expr: &Expr) -> Expr {
        match &self.elements {
            Some(elements) => Expr::select(elements, expr, 0),
            None => expr.clone(),
        }
    }

    /// The elements of a parameter of this segment, in its shape, of an expression over the segment.
    pub(super) fn part(&self, expr: &Expr, part: &Part) -> Expr {
        if !self.is_packed() {
            return expr.clone();
        }
        let start = part.start - self.span().0;
        expr.narrow(0, start, part.tensor.numel()).reshape(part.tensor.shape().clone())
    }

    /// The same of a tensor.
    pub(super) fn part_of(&self, tensor: &Tensor, part: &Part) -> Result<Tensor> {
        if !self.is_packed() {
            return Ok(tensor.clone());
        }
        let start = part.start - self.span().0;
        tensor.narrow(0, start, part.tensor.numel())?.reshape(part.tensor.shape().clone())
    }

    /// What lies at this segment in an expression over the block.
    pub(super) fn of_block(&self, expr: &Expr) -> Expr {
        let (start, len) = self.span();
        expr.narrow(0, start, len)
    }

    /// What `closure` does to expressions of these dtypes over each parameter.
    pub(super) fn effect(
        &self,
        stand_ins: &mut StandIns,
        dtypes: &[DType],
        closure: impl Fn(&[Expr]) -> Vec<Expr>,
    ) -> Result<Effect> {
        let mut formula = |shape: &Shape| {
            let inputs = stand_ins.of(shape, dtypes)?;
            let results = closure(&inputs);
            Ok(Formula::new(shape, inputs, results))
        };
        let mut shapes: Vec<&Shape> = self.params().iter().map(|part| part.tensor.shape()).collect();
        shapes.sort_by(|a, b| a.iter().cmp(b.iter()));
        shapes.dedup();
        let formulas = shapes.into_iter().map(&mut formula).collect::<Result<Vec<_>>>()?;
        if formulas.iter().all(|f| f.is_elementwise() && f.is_same(&formulas[0])) {
            return Ok(formulas.into_iter().next().map_or(Effect::Apart { around: true }, Effect::Alike));
        }
        // A tensor laid out as the block has more elements than any parameter, so it fits none of them.
        if self.is_packed() && !formulas.iter().any(Formula::is_in_order) {
            let block = formula(self.block_shape())?;
            if block.is_beside_others() {
                return Ok(Effect::Block(block));
            }
        }
        Ok(Effect::Apart { around: formulas.iter().any(Formula::looks_around) })
    }

    /// What a hook does.
    pub(super) fn effect_of(&self, stand_ins: &mut StandIns, dtype: DType, hook: &Hook) -> Result<Effect> {
        self.effect(stand_ins, &[dtype], |x| vec![hook(&x[0])])
    }
}

impl Effect {
    /// What it makes of `inputs` over a segment; `None` if that is to be asked for each parameter.
    pub(super) fn on_segment(&self, segment: &Segment, inputs: &[Expr]) -> Option<Vec<Expr>> {
        match self {
            Self::Alike(formula) => formula.apply(inputs, Expr::clone),
            Self::Block(formula) => formula.apply(inputs, |other| segment.of_block(other)),
            Self::Apart { .. } => None,
        }
    }

    /// What it makes of a parameter's elements, where the closure cannot say it of one parameter.
    pub(super) fn on_part(&self, segment: &Segment, part: &Part, input: &Expr) -> Option<Expr> {
        let Self::Block(formula) = self else { return None };
        let new = formula.apply(std::slice::from_ref(input), |other| segment.part(&segment.of_block(other), part));
        new.map(|mut new| new.remove(0))
    }

    pub(super) fn looks_around(&self) -> bool {
        matches!(self, Self::Apart { around: true })
    }
}

impl Grad {
    /// The gradient `expr`, as it was given. It has no wider dtype than arithmetic on its parameter.
    pub(super) fn given(expr: &Expr, target: &Tensor) -> Self {
        let expr = if expr.dtype().is_float() && expr.dtype().compute() == DType::F64 {
            expr.cast(target.dtype().compute())
        } else {
            expr.clone()
        };
        let stored = matches!(&expr.0.op, Op::Leaf(t) if t.is_contiguous() && t.dtype().compute() == t.dtype());
        Self { expr, stored }
    }

    /// What lies in `room`, standing for an expression of `dtype`.
    pub(super) fn in_room(room: &Tensor, dtype: DType) -> Self {
        let expr = Expr::from(room);
        let expr = if dtype == room.dtype() {
            expr
        } else {
            // No cast: what is not rounded yet is not rounded here.
            Expr::new(Op::Promote, smallvec::smallvec![expr], room.shape().clone(), dtype)
        };
        Self { expr, stored: true }
    }

    /// Lets the gradient be evaluated first, by one of `pairs`, unless it lies in memory.
    pub(super) fn store(&mut self, pairs: &mut Vec<(Tensor, Expr)>, near: &Tensor) -> Result<()> {
        if !self.stored {
            let room = room(&self.expr, near)?;
            pairs.push((room.clone(), self.expr.clone()));
            *self = Self::in_room(&room, self.expr.dtype());
        }
        Ok(())
    }
}
