//! RMSprop.

use super::rule::{Rule, average, decayed, options, require, require_decay, require_eps};
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
        vec![lr]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let alpha = self.alpha;
        let g = decayed(g, w, self.weight_decay);
        let v = average(alpha, &state[0], &(&g * &g));
        let average = self.centered.then(|| average(alpha, &state[1], &g));
        let variance = average.as_ref().map_or_else(|| v.clone(), |average| &v - average.square());
        let direction = g / (variance.sqrt() + self.eps);
        let mut new = vec![v];
        new.extend(average);
        let direction = if self.momentum > 0.0 {
            let buffer = self.momentum * &state[new.len()] + direction;
            new.push(buffer.clone());
            buffer
        } else {
            direction
        };
        (w - &numbers[0] * direction, new)
    }
}
