//! Stochastic gradient descent.

use super::rule::{Rule, decayed, options, require, require_decay, schedules};
use super::{Optimizer, Parameters};
use crate::{Error, Expr, Result};

/// Stochastic gradient descent, with momentum if asked for: `torch.optim.SGD`.
///
/// With momentum, `b = momentum b + (1 - dampening) g` (at the first step `b = g`), and `w = w - lr b`; with Nesterov's,
/// `w = w - lr (g + momentum b)`; without, `w = w - lr g`.
///
/// Without momentum and weight decay, a step along a loss that reads some rows of a table changes these alone: its time grows
/// with the rows read, not with the table. [`training`](crate::training) says when.
///
/// ```
/// use hadamard::{Device, Tensor, optim::SGD};
/// let w = Tensor::from_slice(&[1.0_f32, -2.0], [2], &Device::cpu())?;
/// let g = Tensor::from_slice(&[0.5_f32, 0.5], [2], &Device::cpu())?;
/// let mut sgd = SGD::new(&[&w]).lr(0.5).momentum(0.5);
/// sgd.step(&[&g])?;
/// sgd.step(&[&g])?;
/// assert_eq!(w.to_vec::<f32>()?, [0.375, -2.625]);
/// # Ok::<(), hadamard::Error>(())
/// ```
pub type SGD = Optimizer<SGDRule>;

/// The rule of [`SGD`].
#[derive(Clone, Debug, Default)]
pub struct SGDRule {
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
}

impl SGD {
    /// For these parameters, with a learning rate of 1e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(SGDRule::default(), parameters)
    }
}

options!(SGDRule {
    /// How much of the last direction is kept, 0.
    momentum: f64,
    /// The part of the gradient that does not enter the momentum, 0.
    dampening: f64,
    /// L2 regularisation: this times the weight is added to the gradient, 0.
    weight_decay: f64,
    /// Whether to use Nesterov momentum, which looks one step ahead. Requires momentum and no dampening.
    nesterov: bool,
});

schedules!(SGDRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
    /// Lets the momentum of every group be `value(steps taken so far)`. Where it starts as 0, no momentum is kept.
    momentum_schedule: value momentum,
});

impl Rule for SGDRule {
    const NAME: &'static str = "SGD";
    const LR: f64 = 1e-3;

    fn check(&self) -> Result<()> {
        require(Self::NAME, self.momentum >= 0.0, "a momentum of at least 0", self.momentum)?;
        require_decay(Self::NAME, self.weight_decay)?;
        require(Self::NAME, !self.dampening.is_nan(), "a dampening", self.dampening)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let found = format!("momentum {:?} and dampening {:?}", self.momentum, self.dampening);
            return Err(Error::argument(Self::NAME, "momentum and no dampening with nesterov", found));
        }
        Ok(())
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        if self.momentum == 0.0 { vec![] } else { vec![("momentum_buffer", 0.0)] }
    }

    fn numbers(&self, lr: f64, step: u64, _memory: &mut [f64]) -> Vec<f64> {
        vec![lr, if step == 1 { 1.0 } else { 1.0 - self.dampening }, self.weight_decay, self.momentum]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [lr, share, decay, momentum] = numbers else { unreachable!("numbers() gives four") };
        let g = decayed(g, w, decay, self.weight_decay);
        let Some(buffer) = state.first() else {
            return (w - lr * g, vec![]);
        };
        let fresh = if self.dampening == 0.0 { g.clone() } else { share * &g };
        let b = momentum * buffer + fresh;
        let direction = if self.nesterov { g + momentum * &b } else { b.clone() };
        (w - lr * direction, vec![b])
    }

    fn added(&self, g: &Expr, numbers: &[Expr]) -> Option<Expr> {
        (self.momentum == 0.0 && self.weight_decay == 0.0).then(|| -(&numbers[0] * g))
    }
}
