//! Adam with Nesterov momentum.

use super::rule::{
    Rule, both_shares, decay_number, moments, options, require, require_betas, require_decay, schedules, with_decay,
};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Adam with Nesterov momentum ([Dozat, 2016](https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ)): `torch.optim.NAdam`.
///
/// With `μ = β₁ (1 - 0.96^(t momentum_decay) / 2)` at step `t`, the step is along
/// `(1 - μ) g / (1 - Πμ) + μ' m / (1 - μ' Πμ)`, where `μ'` belongs to the next step.
pub type NAdam = Optimizer<NAdamRule>;

/// The rule of [`NAdam`].
#[derive(Clone, Debug)]
pub struct NAdamRule {
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    momentum_decay: f64,
    decoupled_weight_decay: bool,
}

impl NAdam {
    /// For these parameters, with a learning rate of 2e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        let rule = NAdamRule {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 4e-3,
            decoupled_weight_decay: false,
        };
        Self::with(rule, parameters)
    }
}

options!(NAdamRule {
    /// How slowly the averages of the gradient and of its square change, (0.9, 0.999).
    betas: (f64, f64),
    /// Added to the root below the fraction, 1e-8.
    eps: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
    /// How fast the momentum grows to `β₁`, 4e-3.
    momentum_decay: f64,
    /// Whether weight decay works as in [`AdamW`](super::AdamW).
    decoupled_weight_decay: bool,
});

schedules!(NAdamRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
});

impl Rule for NAdamRule {
    const NAME: &'static str = "NAdam";
    const LR: f64 = 2e-3;

    fn check(&self) -> Result<()> {
        require_betas(Self::NAME, self.betas, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)?;
        require(Self::NAME, self.momentum_decay >= 0.0, "a momentum_decay of at least 0", self.momentum_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
    }

    /// The product of all `μ` so far.
    fn memory(&self, _lr: f64) -> Vec<f64> {
        vec![1.0]
    }

    fn numbers(&self, lr: f64, step: u64, memory: &mut [f64]) -> Vec<f64> {
        let mu = |step: u64| self.betas.0 * (1.0 - 0.5 * 0.96_f64.powf(step as f64 * self.momentum_decay));
        let (now, next) = (mu(step), mu(step + 1));
        memory[0] *= now;
        let own = [
            lr * (1.0 - now) / (1.0 - memory[0]),
            lr * next / (1.0 - memory[0] * next),
            (1.0 - self.betas.1.powf(step as f64)).sqrt().recip(),
            decay_number(lr, self.weight_decay, self.decoupled_weight_decay),
        ];
        [&own[..], &both_shares(self.betas)].concat()
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [by_gradient, by_average, root_scale, decay, shares @ ..] = numbers else {
            unreachable!("numbers() gives eight")
        };
        let (w, g) = with_decay(w, g, decay, self.weight_decay, self.decoupled_weight_decay);
        let (m, v) = moments(shares, state, &g);
        let w = w - (by_gradient * &g + by_average * &m) / (v.sqrt() * root_scale + self.eps);
        (w, vec![m, v])
    }
}
