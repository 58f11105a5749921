//! RMSprop.

use super::rule::{Rule, average, decayed, options, require, require_decay, require_eps, schedules, shares};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// RMSprop ([Hinton, 2012](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf)):
/// `torch.optim.RMSprop`.
///
/// `v = α v + (1 - α) g²`, `w = w - lr g / (√v + eps)`. Centered, the square of the average gradient is
/// subtracted from `v`
/// ([Graves, 2013](https://arxiv.org/abs/1308.0850)).
pub type RMSprop = Optimizer<RMSpropRule>;

/// The rule of [`RMSprop`].
#[derive(Clone, Debug)]
pub struct RMSpropRule {
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
}

impl RMSprop {
    /// For these parameters, with a learning rate of 1e-2.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(
            RMSpropRule { alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false },
            parameters,
        )
    }
}

options!(RMSpropRule {
    /// How slowly the average of squares changes, 0.99.
    alpha: f64,
    /// Added to the root below the fraction, 1e-8.
    eps: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
    /// How much of the last direction is kept, 0.
    momentum: f64,
    /// Whether to divide by an estimate of the standard deviation.
    centered: bool,
});

schedules!(RMSpropRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
    /// Lets the momentum of every group be `value(steps taken so far)`. Where it starts as 0, no momentum is kept.
    momentum_schedule: value momentum,
});

impl Rule for RMSpropRule {
    const NAME: &'static str = "RMSprop";
    const LR: f64 = 1e-2;

    fn check(&self) -> Result<()> {
        require(Self::NAME, self.alpha >= 0.0, "an alpha of at least 0", self.alpha)?;
        require(Self::NAME, self.momentum >= 0.0, "a momentum of at least 0", self.momentum)?;
        require_eps(Self::NAME, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        let mut state = vec![("square_avg", 0.0)];
        if self.centered {
            state.push(("grad_avg", 0.0));
        }
        if self.momentum > 0.0 {
            state.push(("momentum_buffer", 0.0));
        }
        state
    }

    fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let [alpha, rest] = shares(self.alpha);
        vec![lr, self.weight_decay, self.momentum, alpha, rest]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [lr, decay, momentum, shares @ ..] = numbers else { unreachable!("numbers() gives five") };
        let g = decayed(g, w, decay, self.weight_decay);
        let v = average(shares, &state[0], &(&g * &g));
        let average = self.centered.then(|| average(shares, &state[1], &g));
        let variance = average.as_ref().map_or_else(|| v.clone(), |average| &v - average.square());
        let direction = g / (variance.sqrt() + self.eps);
        let mut new = vec![v];
        new.extend(average);
        let direction = if self.momentum > 0.0 {
            let buffer = momentum * &state[new.len()] + direction;
            new.push(buffer.clone());
            buffer
        } else {
            direction
        };
        (w - lr * direction, new)
    }
}
