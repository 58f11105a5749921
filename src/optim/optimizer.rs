//! What all optimizers share: groups of parameters, hooks, and the update that is built once and run at every step.

use std::sync::Arc;

use super::group::{Follow, Group, Hook, Schedule, Stateful};
use super::guard::Guard;
use super::kept::Kept;
use super::parameters::{Part, share_memory};
use super::rule::require;
use super::{Parameters, Rule};
use crate::run::assign::overlap;
use crate::{Error, Expr, Result};

/// An optimizer: parameters, a [`Rule`] by which their gradients change them, and hooks.
///
/// The optimizers by name ([`Adam`](super::Adam), [`SGD`](super::SGD), …) are this with a rule filled in, and have
/// methods for its options. Mistakes in options come out of the first step.
///
/// Options and hooks apply to the group added last, schedules to all. The optimizer starts with one group;
/// [`group`](Self::group) adds another.
pub struct Optimizer<R: Rule> {
    pub(super) groups: Vec<Group<R>>,
    pub(super) grad_hooks: Vec<GradHook>,
    /// Of all groups but those that have their own.
    schedule: Option<Schedule>,
    pub(super) guard: Guard,
    pub(super) prepared: Kept,
}

pub(super) enum GradHook {
    /// Applied to each gradient of the group with this index.
    Each(usize, Hook),
    /// Scales all gradients so that their norm together is at most this.
    ClipNorm(f64),
}

impl<R: Rule> Optimizer<R> {
    /// An optimizer by a rule of your own; see [`Rule`].
    pub fn with(rule: R, parameters: impl Into<Parameters>) -> Self {
        let group = Group::new(rule, R::LR, false);
        let mut optimizer = Self {
            groups: vec![group],
            grad_hooks: Vec::new(),
            schedule: None,
            guard: Guard::default(),
            prepared: Kept::default(),
        };
        optimizer.add(parameters.into());
        optimizer
    }

    /// Adds a group of parameters with options of their own: PyTorch's parameter groups. The options start as copies of
    /// the last group's, and the calls that follow change them; hooks and a schedule of that group alone are not copied.
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor, optim::SGD};
    /// let device = Device::cpu();
    /// let (w, b) = (Tensor::ones([2, 2], DType::F32, &device)?, Tensor::ones([2], DType::F32, &device)?);
    /// let mut sgd = SGD::new(&[&w]).lr(0.5).weight_decay(1.0).group(&[&b]).weight_decay(0.0);
    /// sgd.step(&[0.0 * &w, 0.0 * &b])?;
    /// assert_eq!((w.to_vec::<f32>()?[0], b.to_vec::<f32>()?[0]), (0.5, 1.0));
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn group(mut self, parameters: impl Into<Parameters>) -> Self {
        let last = self.last();
        let mut new = Group::new(last.rule.clone(), last.lr, last.maximize);
        new.follows.clone_from(&last.follows);
        new.schedule.clone_from(&self.schedule);
        self.groups.push(new);
        self.add(parameters.into());
        self
    }

    fn add(&mut self, parameters: Parameters) {
        let before = self.parts().count();
        let mut blocks = parameters.blocks;
        let parts = blocks.iter_mut().flat_map(|block| &mut block.parts);
        for (number, part) in (before..).zip(parts).filter(|(_, part)| part.name.is_empty()) {
            part.name = number.to_string();
        }
        let last = self.last();
        let states = last.rule.state(last.lr);
        let is_own = |part: &Part| {
            states.iter().all(|(name, _)| last.rule.state_shape(name, part.tensor.shape()) == *part.tensor.shape())
        };
        let blocks = blocks
            .into_iter()
            .flat_map(|block| if block.parts.iter().all(is_own) { vec![block] } else { block.apart() });
        let blocks: Vec<Stateful> = blocks.map(Stateful::new).collect();
        last.blocks.extend(blocks);
    }

    /// The same of groups by another rule.
    pub(super) fn map_groups<S: Rule>(self, to: impl FnMut(Group<R>) -> Group<S>) -> Optimizer<S> {
        let Self { groups, grad_hooks, schedule, guard, prepared } = self;
        Optimizer { groups: groups.into_iter().map(to).collect(), grad_hooks, schedule, guard, prepared }
    }

    /// The name of its rule, for errors.
    pub(super) fn name(&self) -> &'static str {
        self.groups[0].rule.name()
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.groups.iter().flat_map(|group| &group.blocks).flat_map(|b| &b.block.parts)
    }

    /// The group whose options are being set. Updates prepared with the old options are dropped.
    fn last(&mut self) -> &mut Group<R> {
        self.prepared.clear();
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    pub(super) fn rule(&mut self) -> &mut R {
        &mut self.last().rule
    }

    /// The learning rate.
    #[must_use]
    pub fn lr(mut self, lr: f64) -> Self {
        self.last().lr = lr;
        self
    }

    /// Whether to go up the gradient instead of down.
    #[must_use]
    pub fn maximize(mut self, maximize: bool) -> Self {
        self.last().maximize = maximize;
        self
    }

    /// Multiplies the learning rate of every group by `factor(steps taken so far)`, that of groups added later, too. See
    /// [`schedule`](super::schedule).
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor, optim::{SGD, schedule}};
    /// let (w, b) = (Tensor::ones([2], DType::F32, &Device::cpu())?, Tensor::ones([1], DType::F32, &Device::cpu())?);
    /// let sgd = SGD::new(&[&w]).lr(1.0).schedule(schedule::linear(0.5, 1.0, 10)).group(&[&b]).lr(0.1);
    /// assert_eq!(sgd.learning_rates(), [0.5, 0.05]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn schedule(mut self, factor: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        let factor: Schedule = Arc::new(factor);
        for group in self.groups.iter_mut().filter(|group| !group.own_schedule) {
            group.schedule = Some(factor.clone());
        }
        self.schedule = Some(factor);
        self
    }

    /// As [`schedule`](Self::schedule), for the group added last alone, whatever the others follow.
    #[must_use]
    pub fn group_schedule(mut self, factor: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
        let last = self.last();
        last.schedule = Some(Arc::new(factor));
        last.own_schedule = true;
        self
    }

    /// Lets options of the rule follow the number of steps taken, in every group, each from its own options on.
    ///
    /// The optimizers have methods for theirs, such as `weight_decay_schedule`; this is for a rule of your own. What changes
    /// must be among the numbers that [`Rule::numbers`] returns; [`Rule::update`] sees the options as they were set.
    pub fn follow(&mut self, change: impl Fn(&mut R, u64) + Send + Sync + 'static) {
        let change: Follow<R> = Arc::new(change);
        self.groups.iter_mut().for_each(|group| group.follows.push(change.clone()));
    }

    /// Changes each gradient of the group before it is used: `|g| g.clamp(-1.0, 1.0)`. Hooks run in the order they are
    /// added. A hook without a reduction costs no pass of its own.
    ///
    /// A hook is given the gradient of one parameter, in its shape, also where parameters are [packed](crate::Params). It
    /// is called as an update is built, maybe on tensors that only stand for gradients, to see what it does: it returns
    /// an expression, and does nothing else.
    #[must_use]
    pub fn grad_hook(mut self, hook: impl Fn(&Expr) -> Expr + Send + Sync + 'static) -> Self {
        self.prepared.clear();
        self.grad_hooks.push(GradHook::Each(self.groups.len() - 1, Box::new(hook)));
        self
    }

    /// Scales the gradients of all groups so that their norm, taken together, is at most `max_norm`: PyTorch's
    /// `clip_grad_norm_`. It runs in order with the gradient hooks. [`grad_norm`](Self::grad_norm) tells the norm it found;
    /// with an infinite `max_norm` that is all it does.
    #[must_use]
    pub fn clip_grad_norm(mut self, max_norm: f64) -> Self {
        self.prepared.clear();
        self.grad_hooks.push(GradHook::ClipNorm(max_norm));
        self
    }

    /// Changes each new weight of the group before it is stored: `|w| w.clamp(-t, t)`, or `move |w| w * &mask` to keep
    /// pruned weights at zero. A hook without a reduction costs no pass of its own. As a
    /// [gradient hook](Self::grad_hook), it means one parameter in its shape.
    #[must_use]
    pub fn weight_hook(mut self, hook: impl Fn(&Expr) -> Expr + Send + Sync + 'static) -> Self {
        self.last().weight_hooks.push(Box::new(hook));
        self
    }

    /// Changes the learning rate of every group to the same one. Nothing is planned or compiled again.
    pub fn set_lr(&mut self, lr: f64) {
        self.groups.iter_mut().for_each(|group| group.lr = lr);
    }

    /// Changes the learning rate of one group, counted from 0. Nothing is planned or compiled again.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if there is no such group.
    pub fn set_group_lr(&mut self, group: usize, lr: f64) -> Result<()> {
        let count = self.groups.len();
        let Some(group) = self.groups.get_mut(group) else {
            return Err(Error::argument("set_group_lr", format!("a group below {count}"), group.to_string()));
        };
        group.lr = lr;
        Ok(())
    }

    /// Multiplies the learning rate of every group, so that groups keep their ratio.
    pub fn scale_lr(&mut self, factor: f64) {
        self.groups.iter_mut().for_each(|group| group.lr *= factor);
    }

    /// The learning rates that the next step takes, one for each group.
    pub fn learning_rates(&self) -> Vec<f64> {
        self.groups.iter().map(Group::current_lr).collect()
    }

    /// Stops updating the parameters whose names `which` picks or, if not `frozen`, resumes. Their state is kept.
    ///
    /// Tensors without a name are called by their number, from `"0"`.
    pub fn freeze(&mut self, frozen: bool, which: impl Fn(&str) -> bool) {
        self.prepared.clear();
        let parts = self.groups.iter_mut().flat_map(|group| &mut group.blocks).flat_map(|b| &mut b.block.parts);
        parts.filter(|part| which(&part.name)).for_each(|part| part.frozen = frozen);
    }

    pub(super) fn check(&self) -> Result<()> {
        for group in &self.groups {
            group.rule.check()?;
        }
        for hook in &self.grad_hooks {
            if let GradHook::ClipNorm(max) = hook {
                require("clip_grad_norm", *max >= 0.0, "a norm of at least 0", max)?;
            }
        }
        self.guard.check()?;
        if let Some(part) = self.parts().find(|part| !part.tensor.dtype().is_float()) {
            let found = part.tensor.dtype();
            return Err(Error::DType { op: self.name(), expected: "parameters that are floats", found });
        }
        for group in &self.groups {
            let mut parts = group.blocks.iter().flat_map(|of| &of.block.parts);
            parts.try_for_each(|part| group.rule.check_parameter(&part.name, part.tensor.shape()))?;
        }
        let parts: Vec<&Part> = self.parts().collect();
        match overlap(parts.iter().map(|part| &part.tensor)) {
            Some((first, second)) => Err(share_memory(self.name(), &parts[first].name, &parts[second].name)),
            None => Ok(()),
        }
    }
}
