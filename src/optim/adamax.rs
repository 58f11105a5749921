//! Adamax.

use super::rule::{Rule, average, decayed, options, require_betas, require_decay, schedules, shares};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Adam by the infinity norm ([Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980), section 7): `torch.optim.Adamax`.
///
/// `m = β₁ m + (1 - β₁) g`, `u = max(β₂ u, |g| + eps)`, `w = w - lr / (1 - β₁ᵗ) m / u`.
pub type Adamax = Optimizer<AdamaxRule>;

/// The rule of [`Adamax`].
#[derive(Clone, Debug)]
pub struct AdamaxRule {
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
}

impl Adamax {
    /// For these parameters, with a learning rate of 2e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(AdamaxRule { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }, parameters)
    }
}

options!(AdamaxRule {
    /// How slowly the average of the gradient and its largest value change, (0.9, 0.999).
    betas: (f64, f64),
    /// Added to the size of the gradient, 1e-8.
    eps: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
});

schedules!(AdamaxRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
    /// Lets the betas of every group be `value(steps taken so far)`.
    betas_schedule: pair betas,
});

impl Rule for AdamaxRule {
    const NAME: &'static str = "Adamax";
    const LR: f64 = 2e-3;

    fn check(&self) -> Result<()> {
        require_betas(Self::NAME, self.betas, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("exp_avg", 0.0), ("exp_inf", 0.0)]
    }

    fn numbers(&self, lr: f64, step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let [beta1, rest] = shares(self.betas.0);
        vec![lr / (1.0 - self.betas.0.powf(step as f64)), self.weight_decay, self.betas.1, beta1, rest]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [step_size, decay, beta2, shares @ ..] = numbers else { unreachable!("numbers() gives five") };
        let g = decayed(g, w, decay, self.weight_decay);
        let m = average(shares, &state[0], &g);
        let u = (beta2 * &state[1]).maximum(g.abs() + self.eps);
        (w - step_size * &m / &u, vec![m, u])
    }
}
