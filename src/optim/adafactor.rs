//! Adafactor.

use super::rule::{Rule, options, require, require_decay, schedules, shrunk};
use super::{Optimizer, Parameters};
use crate::{Expr, Result, Shape};

/// Adafactor ([Shazeer and Stern, 2018](https://arxiv.org/abs/1804.04235)): `torch.optim.Adafactor`.
///
/// Of a parameter with two dims or more it keeps no average of g² but those of its rows, `r`, and of its columns, `c`,
/// over the last two dims: `n + m` numbers for `n m` weights. With `b = t^beta2_decay`,
///
/// - `r = r + b (mean of g² over the last dim - r)`, `c` likewise over the dim before, `v = r c / mean(r)`; of
///   parameters with one dim or none, `v = v + b (g² - v)`;
/// - `u = g / √max(v, eps1²)`, and `a = max(eps2, rms(w)) min(lr, 1 / √t)`, where `rms` is the root of the mean square;
/// - `w = w (1 - lr weight_decay) - a u / max(1, rms(u) / d)`.
///
/// Parameters that are [packed](crate::Params) are updated one by one, and `step` takes a gradient for each.
///
/// ```
/// use hadamard::{DType, Device, Tensor, optim::Adafactor};
/// let w = Tensor::ones([3, 2], DType::F32, &Device::cpu())?;
/// let mut adafactor = Adafactor::new(&[&w]).lr(0.1);
/// adafactor.minimize(&w.square().sum(..))?;
/// assert!(w.to_vec::<f32>()?.iter().all(|w| (w - 0.9).abs() < 1e-6));
/// # Ok::<(), hadamard::Error>(())
/// ```
pub type Adafactor = Optimizer<AdafactorRule>;

/// The rule of [`Adafactor`].
#[derive(Clone, Debug)]
pub struct AdafactorRule {
    beta2_decay: f64,
    eps: (Option<f64>, f64),
    d: f64,
    weight_decay: f64,
}

impl Adafactor {
    /// For these parameters, with a learning rate of 1e-2.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        let rule = AdafactorRule { beta2_decay: -0.8, eps: (None, 1e-3), d: 1.0, weight_decay: 0.0 };
        Self::with(rule, parameters)
    }
}

options!(AdafactorRule {
    /// The power of the step by which what is new enters the averages, -0.8.
    beta2_decay: f64,
    /// The least root of `v`, by default the parameter dtype's epsilon (`None`), and the least rms of a weight, 1e-3.
    eps: (Option<f64>, f64),
    /// The rms from which on an update is scaled down, 1.
    d: f64,
    /// Decoupled weight decay: each step shrinks the weight by this times the learning rate, 0.
    weight_decay: f64,
});

schedules!(AdafactorRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
});

/// The shape with size 1 in place of dim `dim`, counted from the end from 1 on.
fn reduced(shape: &Shape, dim: usize) -> Shape {
    shape.with_ones(&[shape.rank() - dim])
}

impl Rule for AdafactorRule {
    const NAME: &'static str = "Adafactor";
    const LR: f64 = 1e-2;

    fn check(&self) -> Result<()> {
        let (least, of_weight) = (self.eps.0.unwrap_or(0.0), self.eps.1);
        require(Self::NAME, self.beta2_decay <= 0.0, "a beta2_decay of at most 0", self.beta2_decay)?;
        require(Self::NAME, least >= 0.0 && of_weight >= 0.0, "eps of at least 0", self.eps)?;
        require(Self::NAME, self.d >= 1.0, "a d of at least 1", self.d)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("row_var", 0.0), ("col_var", 0.0), ("variance", 0.0)]
    }

    fn state_shape(&self, name: &str, shape: &Shape) -> Shape {
        match (name, shape.rank() > 1) {
            ("row_var", true) => reduced(shape, 1),
            ("col_var", true) => reduced(shape, 2),
            ("variance", false) => shape.clone(),
            _ => [0].into(),
        }
    }

    fn numbers(&self, lr: f64, step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let step = step as f64;
        vec![step.powf(self.beta2_decay), lr.min(1.0 / step.sqrt()), 1.0 - lr * self.weight_decay]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [enters, rate, keep] = numbers else { return (w.clone(), state.to_vec()) };
        let eps = self.eps.0.unwrap_or_else(|| 2.0 * w.dtype().epsilon());
        let root = (w.shape().numel() as f64).sqrt();
        let rms = |x: &Expr| x.norm(2, ..) / root;
        let averaged = |old: &Expr, new: Expr| old + enters * (new - old);
        let mut new = state.to_vec();
        let estimate = if w.shape().rank() > 1 {
            let mean = |dim: isize| g.square().mean(dim).keepdim();
            (new[0], new[1]) = (averaged(&state[0], mean(-1)), averaged(&state[1], mean(-2)));
            &new[0] * &new[1] / new[0].mean(-2).keepdim().clamp_min(eps)
        } else {
            new[2] = averaged(&state[2], g.square());
            new[2].clone()
        };
        let update = g * estimate.clamp_min(eps * eps).rsqrt();
        let step = rms(w).maximum(self.eps.1) * rate / (rms(&update) / self.d).maximum(1.0);
        (shrunk(w, keep, self.weight_decay) - step * update, new)
    }
}
