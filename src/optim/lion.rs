//! Lion.

use super::rule::{Rule, average, both_shares, options, require, require_decay, schedules, shrunk};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Lion ([Chen et al., 2023](https://arxiv.org/abs/2302.06675), algorithm 2): the sign of a momentum, so that every
/// weight moves equally far.
///
/// `w = w (1 - lr weight_decay) - lr sign(β₁ m + (1 - β₁) g)`, `m = β₂ m + (1 - β₂) g`.
///
/// ```
/// use hadamard::{Device, Tensor, optim::Lion};
/// let w = Tensor::from_slice(&[1.0_f32, -2.0], [2], &Device::cpu())?;
/// Lion::new(&[&w]).lr(0.5).step(&[100.0 * &w])?;
/// assert_eq!(w.to_vec::<f32>()?, [0.5, -1.5]);
/// # Ok::<(), hadamard::Error>(())
/// ```
pub type Lion = Optimizer<LionRule>;

/// The rule of [`Lion`].
#[derive(Clone, Debug)]
pub struct LionRule {
    betas: (f64, f64),
    weight_decay: f64,
}

impl Lion {
    /// For these parameters, with a learning rate of 1e-4.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(LionRule { betas: (0.9, 0.99), weight_decay: 0.0 }, parameters)
    }
}

options!(LionRule {
    /// How much of the momentum a step takes, and how slowly the momentum changes, (0.9, 0.99).
    betas: (f64, f64),
    /// This times the learning rate is the part of the weight that a step takes away, 0.
    weight_decay: f64,
});

schedules!(LionRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
    /// Lets the betas of every group be `value(steps taken so far)`.
    betas_schedule: pair betas,
});

impl Rule for LionRule {
    const NAME: &'static str = "Lion";
    const LR: f64 = 1e-4;

    fn check(&self) -> Result<()> {
        let fine = |beta: f64| (0.0..=1.0).contains(&beta);
        require(Self::NAME, fine(self.betas.0) && fine(self.betas.1), "betas from 0 to 1", self.betas)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("exp_avg", 0.0)]
    }

    fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        [&[lr, 1.0 - lr * self.weight_decay][..], &both_shares(self.betas)].concat()
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let direction = average(&numbers[2..4], &state[0], g).sign();
        let w = shrunk(w, &numbers[1], self.weight_decay) - &numbers[0] * direction;
        (w, vec![average(&numbers[4..], &state[0], g)])
    }
}
