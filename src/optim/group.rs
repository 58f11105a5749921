//! A group of parameters: its options, its state, and the number of steps it has taken.

use std::sync::Arc;

use super::Rule;
use super::parameters::Block;
use super::rule::require;
use crate::{Expr, Result, ScalarCell, Tensor};

pub(super) type Hook = Box<dyn Fn(&Expr) -> Expr + Send + Sync>;
pub(super) type Schedule = Arc<dyn Fn(u64) -> f64 + Send + Sync>;
/// Changes options of a rule, by the number of steps taken.
pub(super) type Follow<R> = Arc<dyn Fn(&mut R, u64) + Send + Sync>;

/// Parameters that share options.
pub(super) struct Group<R> {
    pub(super) rule: R,
    pub(super) lr: f64,
    pub(super) maximize: bool,
    pub(super) schedule: Option<Schedule>,
    /// Whether the schedule is this group's own.
    pub(super) own_schedule: bool,
    /// What the rule's options follow.
    pub(super) follows: Vec<Follow<R>>,
    pub(super) weight_hooks: Vec<Hook>,
    pub(super) blocks: Vec<Stateful>,
    /// Steps taken.
    pub(super) step: u64,
    /// The rule's own numbers; `None` before anything was allocated.
    pub(super) memory: Option<Vec<f64>>,
    /// Before the first step, the learning rate that states and memory were made for.
    started_with: f64,
    /// The numbers of the current step, which the updates read.
    pub(super) cells: Vec<ScalarCell>,
}

/// A block of parameters with its state: named tensors, each laid out as the block is.
pub(super) struct Stateful {
    pub(super) block: Block,
    pub(super) state: Vec<(&'static str, Tensor)>,
    /// [`Block::elements`], from the first step on.
    pub(super) elements: Option<Tensor>,
}

impl Stateful {
    pub(super) fn new(block: Block) -> Self {
        Self { block, state: Vec::new(), elements: None }
    }

    /// Whether there is a tensor for each state.
    fn has(&self, initial: &[(&'static str, f64)]) -> bool {
        self.state.iter().map(|s| s.0).eq(initial.iter().map(|s| s.0))
    }

    /// New states.
    fn initial<R: Rule>(&self, rule: &R, initial: &[(&'static str, f64)]) -> Result<Vec<(&'static str, Tensor)>> {
        let whole = &self.block.whole;
        let new = |&(name, value): &(&'static str, f64)| {
            let shape =
                if self.block.is_single() { rule.state_shape(name, whole.shape()) } else { whole.shape().clone() };
            let tensor = Tensor::zeros(shape, whole.dtype(), &whole.device())?;
            tensor.fill(value)?;
            Ok((name, tensor))
        };
        initial.iter().map(new).collect()
    }

    /// The part of each state that belongs to a parameter, as `PARAMETER.STATE`, but for states without elements.
    pub(super) fn named(&self, state: &[(&'static str, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        for (i, part) in self.block.parts.iter().enumerate() {
            for (name, tensor) in state.iter().filter(|(_, tensor)| tensor.numel() > 0) {
                all.push((format!("{}.{name}", part.name), self.block.view(tensor, &(i..i + 1))?));
            }
        }
        Ok(all)
    }
}

impl<R: Rule> Group<R> {
    pub(super) fn new(rule: R, lr: f64, maximize: bool) -> Self {
        Self {
            rule,
            lr,
            maximize,
            schedule: None,
            own_schedule: false,
            follows: Vec::new(),
            weight_hooks: Vec::new(),
            blocks: Vec::new(),
            step: 0,
            memory: None,
            started_with: lr,
            cells: Vec::new(),
        }
    }

    /// The same group by another rule, with what its options follow.
    pub(super) fn replace<S>(self, rule: impl FnOnce(R) -> S, follows: Vec<Follow<S>>) -> Group<S> {
        let Self {
            lr, maximize, schedule, own_schedule, weight_hooks, blocks, step, memory, started_with, cells, ..
        } = self;
        Group {
            rule: rule(self.rule),
            lr,
            maximize,
            schedule,
            own_schedule,
            follows,
            weight_hooks,
            blocks,
            step,
            memory,
            started_with,
            cells,
        }
    }

    /// The tensors kept for each parameter, by name: those of a group that has taken no step as it would begin now.
    pub(super) fn named_state(&self) -> Result<Vec<(String, Tensor)>> {
        let initial = self.rule.state(self.current_lr());
        let mut all = Vec::new();
        for of in &self.blocks {
            let fresh;
            let state = if self.step > 0 && of.has(&initial) {
                &of.state
            } else {
                fresh = of.initial(&self.rule, &initial)?;
                &fresh
            };
            all.extend(of.named(state)?);
        }
        Ok(all)
    }

    /// The tensors themselves, after [`begin`](Self::begin).
    pub(super) fn own_state(&self) -> Result<Vec<(String, Tensor)>> {
        let named = self.blocks.iter().map(|of| of.named(&of.state)).collect::<Result<Vec<_>>>()?;
        Ok(named.into_iter().flatten().collect())
    }

    /// Takes up what [`numbers`](Self::numbers) returned.
    pub(super) fn restore(&mut self, numbers: &[f64]) {
        (self.step, self.lr) = (numbers[0] as u64, numbers[1]);
        self.memory = Some(numbers[2..].to_vec());
        self.started_with = self.current_lr();
    }

    /// The group's numbers: steps taken, learning rate, and the rule's own.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let initial = || self.rule.memory(self.current_lr());
        let memory = self.memory.clone().filter(|_| self.step > 0).unwrap_or_else(initial);
        [self.step as f64, self.lr].into_iter().chain(memory).collect()
    }

    pub(super) fn current_lr(&self) -> f64 {
        self.lr * self.schedule.as_ref().map_or(1.0, |factor| factor(self.step))
    }

    /// The rule with its options of the next step.
    fn current_rule(&self) -> R {
        let mut rule = self.rule.clone();
        self.follows.iter().for_each(|follow| follow(&mut rule, self.step));
        rule
    }

    /// Checks the rate and the options of the next step.
    pub(super) fn check(&self) -> Result<()> {
        require(self.rule.name(), self.current_lr() >= 0.0, "an lr of at least 0", self.current_lr())?;
        if self.follows.is_empty() { Ok(()) } else { self.current_rule().check() }
    }

    /// Allocates what the first step needs, unless it exists.
    pub(super) fn begin(&mut self) -> Result<()> {
        let initial = self.rule.state(self.current_lr());
        for of in &mut self.blocks {
            if of.elements.is_none() {
                of.elements = of.block.elements()?;
            }
            if !of.has(&initial) {
                of.state = of.initial(&self.rule, &initial)?;
            }
        }
        self.start()?;
        let mut memory = self.memory.clone().unwrap_or_default();
        let count = self.current_rule().numbers(self.current_lr(), self.step + 1, &mut memory).len();
        self.cells.resize_with(count, || ScalarCell::new(0.0));
        Ok(())
    }

    /// Before the first step, lets states and memory be what they are with the learning rate of this moment: only the first
    /// step itself decides on it.
    fn start(&mut self) -> Result<()> {
        let lr = self.current_lr();
        if self.step > 0 || self.memory.is_some() && self.started_with.to_bits() == lr.to_bits() {
            return Ok(());
        }
        for of in &self.blocks {
            for ((_, tensor), (_, value)) in of.state.iter().zip(self.rule.state(lr)) {
                tensor.fill(value)?;
            }
        }
        (self.memory, self.started_with) = (Some(self.rule.memory(lr)), lr);
        Ok(())
    }

    /// Sets the numbers of the next step.
    pub(super) fn advance(&mut self) -> Result<()> {
        self.start()?;
        let (lr, rule) = (self.current_lr(), self.current_rule());
        self.step += 1;
        let numbers = rule.numbers(lr, self.step, self.memory.get_or_insert_default());
        self.cells.iter().zip(numbers).for_each(|(cell, number)| cell.set(number));
        Ok(())
    }
}
