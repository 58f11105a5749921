//! Gradients on their way to the rule: gathered, and changed by hooks.
//!
//! A hook means each parameter in its own shape. Where it does the same to each element it is done to a packed block
//! at once; where it does not, gradients are first stored, row by row, packed or not, so that sums come in one order.

use super::formula::StandIns;
use super::group::Hook;
use super::optimizer::GradHook;
use super::segment::{Grad, Segment};
use super::stage::{room, widened};
use super::{Optimizer, Rule};
use crate::run::assign::Update;
use crate::{DType, Error, Expr, Result, Tensor};

/// The updates of a step, in the order they run.
pub(super) struct Stages {
    op: &'static str,
    pub(super) updates: Vec<Update>,
    /// A loss that is to be evaluated along with the first of them, and so with the gradients.
    waiting: Option<Expr>,
    /// The update whose last target is the loss.
    pub(super) loss: Option<usize>,
    /// How many updates run before it is looked at whether gradients are finite, and where that is written.
    pub(super) checked: Option<(usize, Tensor)>,
    /// The norm that the last clip found.
    pub(super) norm: Option<Tensor>,
}

impl Stages {
    pub(super) fn new(op: &'static str, loss: Option<&Expr>) -> Self {
        Self { op, updates: Vec::new(), waiting: loss.cloned(), loss: None, checked: None, norm: None }
    }

    /// One update that writes all pairs, if there are any.
    pub(super) fn push(&mut self, pairs: &[(Tensor, Expr)]) -> Result<()> {
        pairs.first().map_or(Ok(()), |(near, _)| self.add(pairs, near))
    }

    /// Lets the loss be evaluated now, unless it has been.
    pub(super) fn push_loss(&mut self, near: &Tensor) -> Result<()> {
        if self.waiting.is_some() { self.add(&[], near) } else { Ok(()) }
    }

    /// One update that writes all pairs, and the loss, if it waits.
    fn add(&mut self, pairs: &[(Tensor, Expr)], near: &Tensor) -> Result<()> {
        let mut pairs: Vec<(&Tensor, Expr)> = pairs.iter().map(|(tensor, value)| (tensor, value.clone())).collect();
        let told;
        if let Some(loss) = self.waiting.take() {
            told = Tensor::empty(self.op, loss.shape().clone(), loss.dtype(), &near.device())?;
            pairs.push((&told, loss));
            self.loss = Some(self.updates.len());
        }
        self.updates.push(Update::new(self.op, &pairs)?);
        Ok(())
    }
}

impl<R: Rule> Optimizer<R> {
    /// The gradient of each segment. Those of packed parameters are written into one tensor first.
    pub(super) fn segment_grads(&self, segments: &[Segment], grads: &[Expr], stages: &mut Stages) -> Result<Vec<Grad>> {
        let blocks: Vec<_> = self.groups.iter().flat_map(|g| &g.blocks).map(|b| &b.block).collect();
        let n_parts = self.parts().count();
        let whole = grads.len() == blocks.len() && blocks.iter().zip(grads).all(|(b, g)| b.whole.shape() == g.shape());
        if !whole && grads.len() != n_parts {
            let expected = format!("{n_parts} gradients, one for each parameter");
            return Err(Error::argument(self.name(), expected, grads.len().to_string()));
        }
        let (mut found, mut gathered) = (Vec::new(), Vec::new());
        for segment in segments {
            let at = segment.block;
            if whole {
                grads[at].check()?;
                found.push(of_whole(segment, &grads[at]));
                continue;
            }
            let before: usize = blocks[..at].iter().map(|b| b.parts.len()).sum();
            let own = &grads[before + segment.parts.start..before + segment.parts.end];
            for (grad, part) in own.iter().zip(segment.params()) {
                grad.check()?;
                if grad.shape() != part.tensor.shape() {
                    let expected = format!("a gradient of shape {} for '{}'", part.tensor.shape(), part.name);
                    return Err(Error::argument(self.name(), expected, grad.shape().to_string()));
                }
            }
            let own: Vec<Grad> = own.iter().map(|grad| Grad::given(grad, &segment.target)).collect();
            found.push(match &own[..] {
                [grad] => grad.clone(),
                own => gather(segment, own.iter().map(|grad| grad.expr.clone()), &mut gathered)?,
            });
        }
        stages.push(&gathered)?;
        Ok(found)
    }

    /// The gradients after all hooks.
    pub(super) fn hooked(&self, segments: &[Segment], mut grads: Vec<Grad>, stages: &mut Stages) -> Result<Vec<Grad>> {
        let mut stand_ins = StandIns::new(segments[0].target.device());
        self.guard.unscaled(&mut grads);
        for hook in &self.grad_hooks {
            match hook {
                GradHook::Each(group, hook) => {
                    let (mut stores, mut gathered) = (Vec::new(), Vec::new());
                    for (grad, segment) in grads.iter_mut().zip(segments).filter(|(_, s)| s.group == *group) {
                        *grad = one_hook(segment, hook, grad.clone(), &mut stand_ins, (&mut stores, &mut gathered))?;
                    }
                    stages.push(&stores)?;
                    stages.push(&gathered)?;
                }
                GradHook::ClipNorm(max) => {
                    let norm = total_norm(segments, &mut grads, stages)?;
                    let found = room(&norm, &segments[0].target)?;
                    stages.push(&[(found.clone(), norm)])?;
                    let norm = Expr::from(&found);
                    stages.norm = Some(found);
                    let factor = (*max / (norm + 1e-6)).minimum(1.0);
                    grads.iter_mut().for_each(|grad| *grad = Grad { expr: &grad.expr * &factor, stored: false });
                }
            }
        }
        self.guard.look(segments, &mut grads, stages)?;
        Ok(grads)
    }
}

/// A segment's gradient of one over the whole block, whose gaps may hold anything.
fn of_whole(segment: &Segment, grad: &Expr) -> Grad {
    let (start, len) = segment.span();
    let numel = segment.target.numel();
    if grad.shape() == segment.target.shape() {
        let given = Grad::given(grad, &segment.target);
        if segment.is_gapless() {
            return given;
        }
        return Grad { expr: segment.masked(&given.expr), stored: false };
    }
    let own = if segment.is_packed() {
        segment.masked(&grad.narrow(0, start, len))
    } else {
        grad.narrow(0, start, numel).reshape(segment.target.shape().clone())
    };
    Grad::given(&own, &segment.target)
}

/// The gradients of a segment's parameters, to be written into one tensor by `pairs`.
fn gather(
    segment: &Segment,
    own: impl ExactSizeIterator<Item = Expr> + Clone,
    pairs: &mut Vec<(Tensor, Expr)>,
) -> Result<Grad> {
    let target = &segment.target;
    // As wide as arithmetic, since gradients are not rounded on their way.
    let room = Tensor::zeros(target.shape().clone(), target.dtype().compute(), &target.device())?;
    let mut dtypes = own.clone().map(|grad| grad.dtype());
    let first = dtypes.next().unwrap_or(room.dtype());
    let dtype = if first.is_float() && dtypes.all(|other| other == first) { first } else { room.dtype() };
    for (grad, part) in own.zip(segment.params()) {
        pairs.push((segment.part_of(&room, part)?, grad));
    }
    Ok(Grad::in_room(&room, dtype))
}

/// What a hook makes of a segment's gradient. Pairs to be written come besides: gradients, then what is made of them.
fn one_hook(
    segment: &Segment,
    hook: &Hook,
    mut grad: Grad,
    stand_ins: &mut StandIns,
    (stores, gathered): (&mut Vec<(Tensor, Expr)>, &mut Vec<(Tensor, Expr)>),
) -> Result<Grad> {
    let effect = segment.effect_of(stand_ins, grad.expr.dtype(), hook)?;
    let shaped = |new: &Expr, shape| if new.error().is_some() { new.clone() } else { new.broadcast_to(shape) };
    if !segment.is_packed() {
        if effect.looks_around() {
            grad.store(stores, &segment.target)?;
        }
        let new = hook(&grad.expr);
        return Ok(Grad { expr: shaped(&new, segment.target.shape()), stored: false });
    }
    if let Some(new) = effect.on_segment(segment, std::slice::from_ref(&grad.expr)) {
        return Ok(Grad { expr: segment.masked(&new[0]), stored: false });
    }
    grad.store(stores, &segment.target)?;
    let own: Vec<Expr> = segment
        .params()
        .iter()
        .map(|part| shaped(&hook(&segment.part(&grad.expr, part)), part.tensor.shape()))
        .collect();
    own.iter().try_for_each(Expr::check)?;
    gather(segment, own.into_iter(), gathered)
}

/// The norm of all gradients together.
///
/// A sum depends on its order, if only in the last bits. So that it is the same however parameters are packed, they are
/// summed as they lie in a packed block: where they do not, they are copied into one.
fn total_norm(segments: &[Segment], grads: &mut [Grad], stages: &mut Stages) -> Result<Expr> {
    let mut pairs = Vec::new();
    let mut sums: Vec<Expr> = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        let of_dtype = |grad: &Grad| (grad.expr.dtype().compute() == DType::F64) == (dtype == DType::F64);
        let at: Vec<usize> = (0..grads.len()).filter(|&i| of_dtype(&grads[i])).collect();
        if let [only] = at[..] {
            sums.push(widened(&grads[only].expr).square().sum(..));
            continue;
        }
        let Some(&first) = at.first() else { continue };
        let mut end = 0_usize;
        let starts: Vec<usize> = at
            .iter()
            .map(|&i| {
                let start = end.next_multiple_of(segments[i].align());
                end = start + segments[i].padded();
                start
            })
            .collect();
        let row = Tensor::zeros([end], dtype, &segments[first].target.device())?;
        for (&i, start) in at.iter().zip(starts) {
            let target = &segments[i].target;
            let own = row.narrow(0, start, target.numel())?.reshape(target.shape().clone())?;
            let dtype = grads[i].expr.dtype();
            pairs.push((own.clone(), std::mem::replace(&mut grads[i], Grad::in_room(&own, dtype)).expr));
        }
        sums.push(Expr::from(&row).square().sum(..));
    }
    stages.push(&pairs)?;
    Ok(sums.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| 0.0.into()).sqrt())
}
