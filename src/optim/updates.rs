//! Building a step: from gradients, through hooks and the rule, to assignments.

use super::formula::StandIns;
use super::group::Group;
use super::hooks::Stages;
use super::parameters::Part;
use super::segment::{Effect, Grad, Segment};
use super::stage::{cut_reductions, room};
use super::tables::Tables;
use super::{Optimizer, Rule};
use crate::run::assign::Update;
use crate::{DType, Error, Expr, Result, Shape, Tensor};

/// What one pass writes: new states and weights.
struct Step {
    targets: Vec<Tensor>,
    values: Vec<Expr>,
}

impl<R: Rule> Optimizer<R> {
    /// Checks everything, and allocates what the first step needs, unless it exists.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.check()?;
        self.groups.iter_mut().try_for_each(Group::begin)?;
        self.begin_guard()
    }

    /// The updates of a step with these gradients, in the order they run; `tables` have theirs.
    pub(super) fn updates(&self, grads: &[Expr], loss: Option<&Expr>, tables: &Tables) -> Result<Stages> {
        let segments = self.segments(tables)?;
        let mut stages = Stages::new(self.name(), loss);
        // Tables change last: hooks of others may read them.
        let of_tables = self.table_updates(tables, &mut stages)?;
        if !segments.is_empty() {
            self.whole_updates(&segments, grads, &mut stages)?;
        }
        stages.updates.extend(of_tables);
        Ok(stages)
    }

    /// The updates of parameters as a whole.
    fn whole_updates(&self, segments: &[Segment], grads: &[Expr], stages: &mut Stages) -> Result<()> {
        let near = segments[0].target.clone();
        let grads = self.segment_grads(segments, grads, stages)?;
        let mut grads = self.hooked(segments, grads, stages)?;
        let steps = self.steps(segments, &mut grads, stages)?;
        let (mut cuts, mut updates, mut copies) = cut(self.name(), steps, &near)?;
        if !independent(&updates) {
            // Some gradient reads elements that an earlier update overwrites, so all are evaluated first, into memory of
            // their own.
            let mut pairs = Vec::new();
            for grad in &mut grads {
                grad.stored = false;
                grad.store(&mut pairs, &near)?;
            }
            stages.push(&pairs)?;
            (cuts, updates, copies) = cut(self.name(), self.steps(segments, &mut grads, stages)?, &near)?;
        }
        stages.push(&cuts)?;
        stages.push_loss(&near)?;
        stages.updates.extend(updates);
        stages.push(&copies)?;
        self.guard.remember(stages)
    }

    /// What is to be done to each segment, or where that depends on a parameter's shape, to each parameter.
    fn steps(&self, segments: &[Segment], grads: &mut [Grad], stages: &mut Stages) -> Result<Vec<Step>> {
        let mut stand_ins = StandIns::new(segments[0].target.device());
        let (mut steps, mut stores) = (Vec::new(), Vec::new());
        for (segment, grad) in segments.iter().zip(grads) {
            let group = &self.groups[segment.group];
            let effects = Effects::of(group, segment, grad, &mut stand_ins)?;
            if effects.look_around() {
                grad.store(&mut stores, &segment.target)?;
            }
            let g = if group.maximize { -&grad.expr } else { grad.expr.clone() };
            let g = g.cast(grad_dtype(segment, grad));
            if segment.is_packed()
                && let Some(step) = effects.on_segment(segment, &g)
            {
                steps.push(step);
                continue;
            }
            for part in segment.params() {
                steps.push(effects.on_part(group, segment, part, &g)?);
            }
        }
        stages.push(&stores)?;
        for step in &mut steps {
            for (value, old) in step.values.iter_mut().zip(&step.targets) {
                *value = self.guard.unless_skipped(value.clone(), old);
            }
        }
        Ok(steps)
    }
}

/// The dtype in which a rule sees a gradient. Its numbers must not be rounded to that of a narrower one.
fn grad_dtype(segment: &Segment, grad: &Grad) -> DType {
    let dtype = segment.target.dtype();
    if dtype == DType::F64 { dtype } else { grad.expr.dtype() }
}

/// What a group's rule and weight hooks do to a segment.
struct Effects {
    rule: Effect,
    hooks: Vec<Effect>,
}

impl Effects {
    fn of<R: Rule>(group: &Group<R>, segment: &Segment, grad: &Grad, stand_ins: &mut StandIns) -> Result<Self> {
        let mut dtypes = vec![segment.target.dtype(), grad_dtype(segment, grad)];
        dtypes.extend(segment.state.iter().map(Tensor::dtype));
        let any = Shape::from([1]);
        let (rule, mut w) = if segment.has_shaped_state() {
            // It means one shape, and looks at all of it.
            (Effect::Apart { around: true }, stand_ins.of(&any, &dtypes[..1])?.remove(0))
        } else {
            let rule = segment.effect(stand_ins, &dtypes, |x| group.updated(x))?;
            (rule, group.updated(&stand_ins.of(&any, &dtypes)?).remove(0))
        };
        let mut hooks = Vec::new();
        for hook in &group.weight_hooks {
            hooks.push(segment.effect_of(stand_ins, w.dtype(), hook)?);
            w = hook(&stand_ins.of(&any, &[w.dtype()])?[0]);
        }
        Ok(Self { rule, hooks })
    }

    fn look_around(&self) -> bool {
        self.hooks.iter().chain([&self.rule]).any(Effect::looks_around)
    }

    /// One pass over the segment, if they do the same to all elements.
    fn on_segment(&self, segment: &Segment, g: &Expr) -> Option<Step> {
        let state = segment.state.iter();
        let inputs: Vec<Expr> =
            [Expr::from(&segment.target), g.clone()].into_iter().chain(state.clone().map(Expr::from)).collect();
        let mut new = self.rule.on_segment(segment, &inputs)?;
        if new.len() != segment.state.len() + 1 {
            return None;
        }
        let mut w = new.remove(0);
        for hook in &self.hooks {
            w = hook.on_segment(segment, &[w])?.remove(0);
        }
        new.push(segment.masked(&w));
        Some(Step { targets: state.chain([&segment.target]).cloned().collect(), values: new })
    }

    /// One pass over a parameter.
    fn on_part<R: Rule>(&self, group: &Group<R>, segment: &Segment, part: &Part, g: &Expr) -> Result<Step> {
        let tensors = segment.state.iter().chain([&segment.target]);
        let targets = tensors.map(|tensor| segment.part_of(tensor, part)).collect::<Result<Vec<_>>>()?;
        let (state, weight) = targets.split_at(segment.state.len());
        let mut inputs = vec![Expr::from(&weight[0]), segment.part(g, part)];
        inputs.extend(state.iter().map(Expr::from));
        let mut new = group.updated(&inputs);
        if new.len() != targets.len() {
            let expected = format!("{} new states of update()", state.len());
            return Err(Error::argument(group.rule.name(), expected, (new.len() - 1).to_string()));
        }
        let mut w = new.remove(0);
        for (hook, effect) in group.weight_hooks.iter().zip(&self.hooks) {
            w = effect.on_part(segment, part, &w).unwrap_or_else(|| hook(&w));
        }
        new.push(w);
        Ok(Step { targets, values: new })
    }
}

impl<R: Rule> Group<R> {
    /// What the rule adds to a weight, if that is a multiple of the gradient.
    pub(super) fn added(&self, g: &Expr) -> Option<Expr> {
        self.rule.added(g, &self.cells.iter().map(Expr::from).collect::<Vec<_>>())
    }

    /// The new weight and states, of weight, gradient and states.
    fn updated(&self, x: &[Expr]) -> Vec<Expr> {
        let numbers: Vec<Expr> = self.cells.iter().map(Expr::from).collect();
        let (w, new) = self.rule.update(&x[0], &x[1], &x[2..], &numbers);
        [w].into_iter().chain(new).collect()
    }
}

/// A tensor, and what is to be written into it.
type Pair = (Tensor, Expr);

/// The reductions of some steps, each with a tensor to write it into; the rest as one update each; and what follows these:
/// states of another shape than their weight, which no pass over the weight can write, are evaluated with the reductions
/// and copied when nothing reads the old ones any more.
fn cut(op: &'static str, steps: Vec<Step>, near: &Tensor) -> Result<(Vec<Pair>, Vec<Update>, Vec<Pair>)> {
    let (mut first, mut copies) = (Vec::new(), Vec::new());
    let mut whole = Vec::new();
    for Step { targets, values } in steps {
        let shape = targets.last().map(|weight| weight.shape().clone());
        let pairs = targets.into_iter().zip(values);
        let (own, shaped): (Vec<Pair>, Vec<Pair>) =
            pairs.partition(|(target, _)| Some(target.shape()) == shape.as_ref());
        for (target, value) in shaped.into_iter().filter(|(target, _)| target.numel() > 0) {
            let room = room(&value, near)?;
            copies.push((target, Expr::from(&room)));
            first.push((room, value));
        }
        whole.push(own);
    }
    let values: Vec<Expr> = whole.iter().flatten().map(|(_, value)| value.clone()).collect();
    let (rest, cuts) = cut_reductions(&values, near)?;
    first.extend(cuts);
    let mut rest = rest.into_iter();
    let updates = whole.iter().map(|pairs| {
        let pairs: Vec<(&Tensor, Expr)> = pairs.iter().map(|(target, _)| target).zip(rest.by_ref()).collect();
        Update::new(op, &pairs)
    });
    let updates = updates.collect::<Result<_>>()?;
    Ok((first, updates, copies))
}

/// Whether updates that run one after the other do what they would if all ran at once.
fn independent(updates: &[Update]) -> bool {
    updates.iter().enumerate().all(|(i, update)| {
        let others = updates.iter().enumerate().filter(|(j, _)| i != *j);
        update.is_in_place() && others.flat_map(|(_, other)| other.targets()).all(|target| !update.reads(target))
    })
}
