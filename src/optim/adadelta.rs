//! Adadelta.

use super::rule::{Rule, average, decayed, options, require, require_decay, require_eps, schedules, shares};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Adadelta ([Zeiler, 2012](https://arxiv.org/abs/1212.5701)): `torch.optim.Adadelta`.
///
/// `v = ρ v + (1 - ρ) g²`, `δ = √(u + eps) / √(v + eps) g`, `u = ρ u + (1 - ρ) δ²`, `w = w - lr δ`.
pub type Adadelta = Optimizer<AdadeltaRule>;

/// The rule of [`Adadelta`].
#[derive(Clone, Debug)]
pub struct AdadeltaRule {
    rho: f64,
    eps: f64,
    weight_decay: f64,
}

impl Adadelta {
    /// For these parameters, with a learning rate of 1.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(AdadeltaRule { rho: 0.9, eps: 1e-6, weight_decay: 0.0 }, parameters)
    }
}

options!(AdadeltaRule {
    /// How slowly the averages of squares change, 0.9.
    rho: f64,
    /// Added below the roots, 1e-6.
    eps: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
});

schedules!(AdadeltaRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
});

impl Rule for AdadeltaRule {
    const NAME: &'static str = "Adadelta";
    const LR: f64 = 1.0;

    fn check(&self) -> Result<()> {
        require(Self::NAME, (0.0..=1.0).contains(&self.rho), "a rho from 0 to 1", self.rho)?;
        require_eps(Self::NAME, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("square_avg", 0.0), ("acc_delta", 0.0)]
    }

    fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let [rho, rest] = shares(self.rho);
        vec![lr, self.weight_decay, rho, rest]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [lr, decay, rho, rest] = numbers else { unreachable!("numbers() gives four") };
        let g = decayed(g, w, decay, self.weight_decay);
        let v = average(&numbers[2..], &state[0], &(&g * &g));
        let delta = (&state[1] + self.eps).sqrt() / (&v + self.eps).sqrt() * g;
        let u = rho * &state[1] + rest * &delta * &delta;
        (w - lr * delta, vec![v, u])
    }
}
