//! Rectified Adam.

use super::rule::{
    Rule, both_shares, decay_number, moments, options, require_betas, require_decay, schedules, with_decay,
};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Rectified Adam ([Liu et al., 2019](https://arxiv.org/abs/1908.03265)): `torch.optim.RAdam`.
///
/// As [`Adam`](super::Adam), but while too few gradients have been seen to estimate their variance, the step uses
/// momentum alone, `w = w - lr m̂`; after that, Adam's step is scaled by how good the estimate is.
pub type RAdam = Optimizer<RAdamRule>;

/// The rule of [`RAdam`].
#[derive(Clone, Debug)]
pub struct RAdamRule {
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled_weight_decay: bool,
}

impl RAdam {
    /// For these parameters, with a learning rate of 1e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        let rule = RAdamRule { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled_weight_decay: false };
        Self::with(rule, parameters)
    }
}

options!(RAdamRule {
    /// How slowly the averages of the gradient and of its square change, (0.9, 0.999).
    betas: (f64, f64),
    /// Added to the root below the fraction, 1e-8.
    eps: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
    /// Whether weight decay is that of [`AdamW`](super::AdamW).
    decoupled_weight_decay: bool,
});

schedules!(RAdamRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
    /// Lets the betas of every group be `value(steps taken so far)`.
    betas_schedule: pair betas,
});

impl Rule for RAdamRule {
    const NAME: &'static str = "RAdam";
    const LR: f64 = 1e-3;

    fn check(&self) -> Result<()> {
        require_betas(Self::NAME, self.betas, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("exp_avg", 0.0), ("exp_avg_sq", 0.0)]
    }

    fn numbers(&self, lr: f64, step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let t = step as f64;
        let (correction1, correction2) = (1.0 - self.betas.0.powf(t), 1.0 - self.betas.1.powf(t));
        let most = 2.0 / (1.0 - self.betas.1) - 1.0;
        let length = most - 2.0 * t * self.betas.1.powf(t) / correction2;
        let decay = decay_number(lr, self.weight_decay, self.decoupled_weight_decay);
        let with_shares = |own: [f64; 3]| [&own[..], &[decay], &both_shares(self.betas)].concat();
        if length > 5.0 {
            let rectified = ((length - 4.0) * (length - 2.0) * most) / ((most - 4.0) * (most - 2.0) * length);
            return with_shares([lr / correction1 * rectified.sqrt() * correction2.sqrt(), 1.0, self.eps]);
        }
        // The denominator is then `0 √v + 1`.
        with_shares([lr / correction1, 0.0, 1.0])
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [step_size, root_scale, eps, decay, shares @ ..] = numbers else { unreachable!("numbers() gives eight") };
        let (w, g) = with_decay(w, g, decay, self.weight_decay, self.decoupled_weight_decay);
        let (m, v) = moments(shares, state, &g);
        let w = w - step_size * &m / (v.sqrt() * root_scale + eps);
        (w, vec![m, v])
    }
}
