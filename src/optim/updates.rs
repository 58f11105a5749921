//! Building a step: from gradients, through hooks and the rule, to assignments.

use std::ops::Range;

use super::group::{Group, Stateful};
use super::optimizer::GradHook;
use super::parameters::{Block, span};
use super::stage::{cut_reductions, room, widened};
use super::{Optimizer, Rule};
use crate::run::assign::Update;
use crate::{DType, Error, Expr, Result, Tensor};

/// Consecutive parameters of a block, updated together.
struct Segment {
    group: usize,
    block: usize,
    parts: Range<usize>,
    target: Tensor,
    state: Vec<Tensor>,
}

impl<R: Rule> Optimizer<R> {
    /// The updates of a step with these gradients, in the order they run.
    pub(super) fn updates(&mut self, grads: &[Expr]) -> Result<Vec<Update>> {
        self.check()?;
        self.groups.iter_mut().try_for_each(Group::begin)?;
        let segments = self.segments()?;
        let Some(first) = segments.first() else { return Ok(Vec::new()) };
        let near = first.target.clone();
        let (grads, gathered) = self.segment_grads(&segments, grads)?;
        let mut stages = Vec::from_iter(update(R::NAME, &gathered)?);
        let grads = self.hooked(&segments, grads);
        let (rest, cuts) = cut_reductions(&grads, &near)?;
        let steps = self.steps(&segments, &rest)?;
        if independent(&steps) {
            stages.extend(update(R::NAME, &cuts)?);
            stages.extend(steps);
            return Ok(stages);
        }
        // Some gradient reads elements that an earlier update overwrites, so all gradients are evaluated first.
        let rooms = grads.iter().map(|g| Ok((room(g, &near)?, g.clone()))).collect::<Result<Vec<_>>>()?;
        stages.extend(update(R::NAME, &rooms)?);
        stages.extend(self.steps(&segments, &rooms.iter().map(|(room, _)| room.into()).collect::<Vec<_>>())?);
        Ok(stages)
    }

    /// The segments of each block: maximal runs of parameters that are not frozen.
    fn segments(&self) -> Result<Vec<Segment>> {
        let mut segments = Vec::new();
        for (g, group) in self.groups.iter().enumerate() {
            for (b, Stateful { block, state }) in group.blocks.iter().enumerate() {
                let mut start = 0;
                for run in block.parts.chunk_by(|a, b| a.frozen == b.frozen) {
                    let parts = start..start + run.len();
                    start = parts.end;
                    if run[0].frozen {
                        continue;
                    }
                    let target = block.view(&block.whole, &parts)?;
                    let state = state.iter().map(|(_, s)| block.view(s, &parts)).collect::<Result<_>>()?;
                    segments.push(Segment { group: g, block: b, parts, target, state });
                }
            }
        }
        Ok(segments)
    }

    /// The gradient of each segment, and the assignments to run first, which write the gradients of packed parameters
    /// into one tensor.
    fn segment_grads(&self, segments: &[Segment], grads: &[Expr]) -> Result<(Vec<Expr>, Vec<(Tensor, Expr)>)> {
        let blocks: Vec<&Block> = self.groups.iter().flat_map(|g| &g.blocks).map(|b| &b.block).collect();
        let n_parts = self.parts().count();
        let whole = grads.len() == blocks.len() && blocks.iter().zip(grads).all(|(b, g)| b.whole.shape() == g.shape());
        if !whole && grads.len() != n_parts {
            let expected = format!("{n_parts} gradients, one for each parameter");
            return Err(Error::argument(R::NAME, expected, grads.len().to_string()));
        }
        let (mut found, mut gathered) = (Vec::new(), Vec::new());
        for segment in segments {
            let at = self.block_number(segment);
            let block = blocks[at];
            let parts = &block.parts[segment.parts.clone()];
            let (start, len) = span(parts);
            if whole {
                grads[at].check()?;
                let all = segment.target.shape() == block.whole.shape();
                let part = || grads[at].narrow(0, start, len).reshape(segment.target.shape().clone());
                found.push(if all { grads[at].clone() } else { part() });
                continue;
            }
            let before: usize = blocks[..at].iter().map(|b| b.parts.len()).sum();
            let own = &grads[before + segment.parts.start..before + segment.parts.end];
            for (grad, part) in own.iter().zip(parts) {
                grad.check()?;
                if grad.shape() != part.tensor.shape() {
                    let expected = format!("a gradient of shape {} for '{}'", part.tensor.shape(), part.name);
                    return Err(Error::argument(R::NAME, expected, grad.shape().to_string()));
                }
            }
            if let [grad] = own {
                found.push(grad.clone());
                continue;
            }
            let flat = room(&(&segment.target).into(), &segment.target)?;
            for (grad, part) in own.iter().zip(parts) {
                let view = flat.narrow(0, part.start - start, part.tensor.numel())?;
                gathered.push((view.reshape(part.tensor.shape().clone())?, grad.clone()));
            }
            found.push(flat.into());
        }
        Ok((found, gathered))
    }

    fn block_number(&self, segment: &Segment) -> usize {
        self.groups[..segment.group].iter().map(|g| g.blocks.len()).sum::<usize>() + segment.block
    }

    /// The gradients after all hooks.
    fn hooked(&self, segments: &[Segment], mut grads: Vec<Expr>) -> Vec<Expr> {
        for hook in &self.grad_hooks {
            match hook {
                GradHook::Each(group, hook) => {
                    for (grad, _) in grads.iter_mut().zip(segments).filter(|(_, s)| s.group == *group) {
                        *grad = hook(grad);
                    }
                }
                GradHook::ClipNorm(max) => {
                    let squares = grads.iter().map(|g| widened(g).square().sum(..));
                    let Some(total) = squares.reduce(|a, b| a + b) else { continue };
                    let factor = (*max / (total.sqrt() + 1e-6)).minimum(1.0);
                    grads.iter_mut().for_each(|grad| *grad = &*grad * &factor);
                }
            }
        }
        grads
    }

    /// The update of each segment by its gradient.
    fn steps(&self, segments: &[Segment], grads: &[Expr]) -> Result<Vec<Update>> {
        let step = |(segment, grad): (&Segment, &Expr)| {
            let group = &self.groups[segment.group];
            let numbers: Vec<Expr> = group.numbers.iter().map(Expr::from).collect();
            let state: Vec<Expr> = segment.state.iter().map(Expr::from).collect();
            let grad = if group.maximize { -grad } else { grad.clone() };
            // The rule's numbers must not be rounded to the dtype of a narrower gradient.
            let grad = if segment.target.dtype() == DType::F64 { grad.cast(DType::F64) } else { grad };
            let (w, new) = group.rule.update(&Expr::from(&segment.target), &grad, &state, &numbers);
            if new.len() != state.len() {
                let expected = format!("{} new states of update()", state.len());
                return Err(Error::argument(R::NAME, expected, new.len().to_string()));
            }
            let w = group.weight_hooks.iter().fold(w, |w, hook| hook(&w));
            let targets = segment.state.iter().chain([&segment.target]);
            let pairs: Vec<(&Tensor, Expr)> = targets.zip(new.into_iter().chain([w])).collect();
            Update::new(R::NAME, &pairs)
        };
        segments.iter().zip(grads).map(step).collect()
    }
}

/// One update that writes all pairs; `None` if there are none.
fn update(op: &'static str, pairs: &[(Tensor, Expr)]) -> Result<Option<Update>> {
    let pairs: Vec<(&Tensor, Expr)> = pairs.iter().map(|(tensor, value)| (tensor, value.clone())).collect();
    if pairs.is_empty() { Ok(None) } else { Update::new(op, &pairs).map(Some) }
}

/// Whether updates that run one after the other do what they would if all ran at once.
fn independent(updates: &[Update]) -> bool {
    updates.iter().enumerate().all(|(i, update)| {
        let others = updates.iter().enumerate().filter(|(j, _)| i != *j);
        update.is_in_place() && others.flat_map(|(_, other)| other.targets()).all(|target| !update.reads(target))
    })
}
