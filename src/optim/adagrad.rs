//! Adagrad.

use super::rule::{Rule, decayed, options, require, require_decay, require_eps, schedules};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Adagrad ([Duchi, Hazan and Singer, 2011](https://jmlr.org/papers/v12/duchi11a.html)): `torch.optim.Adagrad`.
///
/// `s = s + g²`, `w = w - lr / (1 + (t - 1) lr_decay) g / (√s + eps)`.
pub type Adagrad = Optimizer<AdagradRule>;

/// The rule of [`Adagrad`].
#[derive(Clone, Debug)]
pub struct AdagradRule {
    lr_decay: f64,
    weight_decay: f64,
    initial_accumulator_value: f64,
    eps: f64,
}

impl Adagrad {
    /// For these parameters, with a learning rate of 1e-2.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        let rule = AdagradRule { lr_decay: 0.0, weight_decay: 0.0, initial_accumulator_value: 0.0, eps: 1e-10 };
        Self::with(rule, parameters)
    }
}

options!(AdagradRule {
    /// How fast the learning rate falls, 0.
    lr_decay: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
    /// What the sum of squares begins with, 0.
    initial_accumulator_value: f64,
    /// Added to the root below the fraction, 1e-10.
    eps: f64,
});

schedules!(AdagradRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
});

impl Rule for AdagradRule {
    const NAME: &'static str = "Adagrad";
    const LR: f64 = 1e-2;

    fn check(&self) -> Result<()> {
        let start = self.initial_accumulator_value;
        require(Self::NAME, self.lr_decay >= 0.0, "an lr_decay of at least 0", self.lr_decay)?;
        require(Self::NAME, start >= 0.0, "an initial_accumulator_value of at least 0", start)?;
        require_eps(Self::NAME, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("sum", self.initial_accumulator_value)]
    }

    fn numbers(&self, lr: f64, step: u64, _memory: &mut [f64]) -> Vec<f64> {
        vec![lr / (1.0 + (step - 1) as f64 * self.lr_decay), self.weight_decay]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let g = decayed(g, w, &numbers[1], self.weight_decay);
        let sum = &state[0] + g.square();
        (w - &numbers[0] * g / (sum.sqrt() + self.eps), vec![sum])
    }
}
