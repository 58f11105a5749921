//! Rprop.

use super::rule::{Rule, options, require};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Resilient backpropagation ([Riedmiller and Braun, 1993](https://doi.org/10.1109/ICNN.1993.298623)):
/// `torch.optim.Rprop`.
///
/// Each weight has a step size of its own, which grows while the gradient keeps its sign and shrinks when the sign
/// changes; the size of the gradient does not matter. The learning rate is the first step size.
pub type Rprop = Optimizer<RpropRule>;

/// The rule of [`Rprop`].
#[derive(Clone, Debug)]
pub struct RpropRule {
    etas: (f64, f64),
    step_sizes: (f64, f64),
}

impl Rprop {
    /// For these parameters, with a learning rate of 1e-2.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(RpropRule { etas: (0.5, 1.2), step_sizes: (1e-6, 50.0) }, parameters)
    }
}

options!(RpropRule {
    /// Factors of the step size when the sign changes and when it does not, (0.5, 1.2).
    etas: (f64, f64),
    /// The least and the largest step size, (1e-6, 50).
    step_sizes: (f64, f64),
});

impl Rule for RpropRule {
    const NAME: &'static str = "Rprop";
    const LR: f64 = 1e-2;

    fn check(&self) -> Result<()> {
        let (minus, plus) = self.etas;
        require(Self::NAME, 0.0 < minus && minus < 1.0 && 1.0 < plus, "etas between 0 and 1, and above 1", self.etas)
    }

    fn state(&self, lr: f64) -> Vec<(&'static str, f64)> {
        vec![("prev", 0.0), ("step_size", lr)]
    }

    fn numbers(&self, _lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        vec![]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], _numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let (minus, plus) = self.etas;
        let agreement = g * &state[0];
        let turned = agreement.lt(0.0);
        let size = &state[1];
        let size = Expr::select(&turned, minus * size, Expr::select(agreement.gt(0.0), plus * size, size));
        let size = size.clamp(self.step_sizes.0, self.step_sizes.1);
        // Where the sign has changed, the weight skips this step, and the next step compares with no sign.
        let g = Expr::select(turned, 0.0, g);
        (w - g.sign() * &size, vec![g, size])
    }
}
