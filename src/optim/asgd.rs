//! Averaged stochastic gradient descent.

use super::rule::{Rule, decayed, options, require_decay, schedules};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Averaged stochastic gradient descent ([Polyak and Juditsky, 1992](https://doi.org/10.1137/0330046)):
/// `torch.optim.ASGD`.
///
/// `w = w (1 - lambd η) - η g`, with an `η` that falls as `lr / (1 + lambd lr t)^alpha`. After `t0` steps the average of
/// the weights is kept, too: the state `ax`.
pub type ASGD = Optimizer<ASGDRule>;

/// The rule of [`ASGD`].
#[derive(Clone, Debug)]
pub struct ASGDRule {
    lambd: f64,
    alpha: f64,
    t0: f64,
    weight_decay: f64,
}

impl ASGD {
    /// For these parameters, with a learning rate of 1e-2.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(ASGDRule { lambd: 1e-4, alpha: 0.75, t0: 1e6, weight_decay: 0.0 }, parameters)
    }
}

options!(ASGDRule {
    /// How fast weights and steps shrink, 1e-4.
    lambd: f64,
    /// The power by which steps shrink, 0.75.
    alpha: f64,
    /// After how many steps averaging begins, 1e6.
    t0: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
});

schedules!(ASGDRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
});

impl Rule for ASGDRule {
    const NAME: &'static str = "ASGD";
    const LR: f64 = 1e-2;

    fn check(&self) -> Result<()> {
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("ax", 0.0)]
    }

    /// `η` of the next step: as in PyTorch it is worked out at the end of a step, with that step's learning rate.
    fn memory(&self, lr: f64) -> Vec<f64> {
        vec![lr]
    }

    fn numbers(&self, lr: f64, step: u64, memory: &mut [f64]) -> Vec<f64> {
        let (t, eta) = (step as f64, memory[0]);
        memory[0] = lr / (1.0 + self.lambd * lr * t).powf(self.alpha);
        let mu = (t - 1.0 - self.t0).max(1.0).recip();
        vec![eta, 1.0 - self.lambd * eta, mu, 1.0 - mu, self.weight_decay]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [eta, keep, mu, rest, decay] = numbers else { unreachable!("numbers() gives five") };
        let g = decayed(g, w, decay, self.weight_decay);
        let w = keep * w - eta * g;
        let average = rest * &state[0] + mu * &w;
        (w, vec![average])
    }
}
