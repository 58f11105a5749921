//! A group of parameters: its options, its state, and the number of steps it has taken.

use super::Rule;
use super::parameters::Block;
use crate::{Expr, Result, ScalarCell, Tensor};

pub(super) type Hook = Box<dyn Fn(&Expr) -> Expr + Send + Sync>;
pub(super) type Schedule = Box<dyn Fn(u64) -> f64 + Send + Sync>;

/// Parameters that share options.
pub(super) struct Group<R> {
    pub(super) rule: R,
    pub(super) lr: f64,
    pub(super) maximize: bool,
    pub(super) schedule: Option<Schedule>,
    pub(super) weight_hooks: Vec<Hook>,
    pub(super) blocks: Vec<Stateful>,
    /// Steps taken.
    pub(super) step: u64,
    /// The rule's own numbers; `None` before the first step.
    pub(super) memory: Option<Vec<f64>>,
    /// The numbers of the current step, which the updates read.
    pub(super) numbers: Vec<ScalarCell>,
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
}

impl<R: Rule> Group<R> {
    pub(super) fn new(rule: R, lr: f64, maximize: bool) -> Self {
        Self {
            rule,
            lr,
            maximize,
            schedule: None,
            weight_hooks: Vec::new(),
            blocks: Vec::new(),
            step: 0,
            memory: None,
            numbers: Vec::new(),
        }
    }

    /// The tensors kept for each parameter, by name.
    pub(super) fn named_state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut all = Vec::new();
        for Stateful { block, state, .. } in &self.blocks {
            for (i, part) in block.parts.iter().enumerate() {
                for (name, tensor) in state {
                    all.push((format!("{}.{name}", part.name), block.view(tensor, &(i..i + 1))?));
                }
            }
        }
        Ok(all)
    }

    pub(super) fn current_lr(&self) -> f64 {
        self.lr * self.schedule.as_ref().map_or(1.0, |factor| factor(self.step))
    }

    /// Allocates what the first step needs, unless it exists.
    pub(super) fn begin(&mut self) -> Result<()> {
        let lr = self.current_lr();
        let names = self.rule.state(lr);
        for Stateful { block, state, elements } in &mut self.blocks {
            if elements.is_none() {
                *elements = block.elements()?;
            }
            if !state.iter().map(|s| s.0).eq(names.iter().map(|n| n.0)) {
                let whole = &block.whole;
                let new = |&(name, value): &(&'static str, f64)| {
                    let tensor = Tensor::zeros(whole.shape().clone(), whole.dtype(), &whole.device())?;
                    tensor.fill(value)?;
                    Ok((name, tensor))
                };
                *state = names.iter().map(new).collect::<Result<_>>()?;
            }
        }
        let memory = self.memory.get_or_insert_with(|| self.rule.memory(lr));
        let count = self.rule.numbers(lr, self.step + 1, &mut memory.clone()).len();
        self.numbers.resize_with(count, || ScalarCell::new(0.0));
        Ok(())
    }

    /// Sets the numbers of the next step.
    pub(super) fn advance(&mut self) {
        let lr = self.current_lr();
        self.step += 1;
        let memory = self.memory.get_or_insert_with(|| self.rule.memory(lr));
        let numbers = self.rule.numbers(lr, self.step, memory);
        self.numbers.iter().zip(numbers).for_each(|(cell, number)| cell.set(number));
    }
}
