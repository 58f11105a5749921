//! Adam, and Adam with decoupled weight decay.

use super::rule::{
    Rule, both_shares, decay_number, moments, options, require_betas, require_decay, schedules, with_decay,
};
use super::{Optimizer, Parameters};
use crate::{Expr, Result};

/// Adam ([Kingma and Ba, 2014](https://arxiv.org/abs/1412.6980)): `torch.optim.Adam`.
///
/// `m = β₁ m + (1 - β₁) g`, `v = β₂ v + (1 - β₂) g²`, and with their bias taken out, `w = w - lr m̂ / (√v̂ + eps)`.
/// With `amsgrad`, the largest `v` so far stands for `v` ([Reddi et al., 2018](https://arxiv.org/abs/1904.09237)).
///
/// ```
/// use hadamard::{Device, Tensor, optim::Adam};
/// let w = Tensor::from_slice(&[1.0_f32, -2.0], [2], &Device::cpu())?;
/// let mut adam = Adam::new(&[&w]).lr(0.1).betas((0.9, 0.99));
/// adam.step(&[2.0 * &w])?;
/// assert_eq!(w.to_vec::<f32>()?, [0.9, -1.9]);
/// # Ok::<(), hadamard::Error>(())
/// ```
pub type Adam = Optimizer<AdamRule<false>>;

/// Adam with decoupled weight decay ([Loshchilov and Hutter, 2017](https://arxiv.org/abs/1711.05101)):
/// `torch.optim.AdamW`. As [`Adam`], after `w = w (1 - lr weight_decay)`.
pub type AdamW = Optimizer<AdamRule<true>>;

/// The rule of [`Adam`], and of [`AdamW`], whose weight decay is decoupled from the gradient.
#[derive(Clone, Debug)]
pub struct AdamRule<const DECOUPLED: bool> {
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    amsgrad: bool,
}

impl<const DECOUPLED: bool> Default for AdamRule<DECOUPLED> {
    fn default() -> Self {
        let weight_decay = if DECOUPLED { 1e-2 } else { 0.0 };
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay, amsgrad: false }
    }
}

impl Adam {
    /// For these parameters, with a learning rate of 1e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(AdamRule::default(), parameters)
    }
}

impl AdamW {
    /// For these parameters, with a learning rate of 1e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        Self::with(AdamRule::default(), parameters)
    }
}

macro_rules! adam_options {
    ($decoupled:literal, $decay:literal) => {
        options!(AdamRule<$decoupled> {
            /// How slowly the averages of the gradient and of its square change, (0.9, 0.999).
            betas: (f64, f64),
            /// Added to the root below the fraction, 1e-8.
            eps: f64,
            #[doc = $decay]
            weight_decay: f64,
            /// Whether to divide by the largest average of squares so far.
            amsgrad: bool,
        });
        schedules!(AdamRule<$decoupled> {
            /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
            weight_decay_schedule: factor weight_decay,
            /// Lets the betas of every group be `value(steps taken so far)`.
            betas_schedule: pair betas,
        });
    };
}
adam_options!(false, "L2 regularisation: this times the weight is added to the gradient, 0.");
adam_options!(true, "This times the learning rate is the part of the weight that a step takes away, 1e-2.");

impl<const DECOUPLED: bool> Rule for AdamRule<DECOUPLED> {
    const NAME: &'static str = if DECOUPLED { "AdamW" } else { "Adam" };
    const LR: f64 = 1e-3;

    fn check(&self) -> Result<()> {
        require_betas(Self::NAME, self.betas, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        let mut state = vec![("exp_avg", 0.0), ("exp_avg_sq", 0.0)];
        if self.amsgrad {
            state.push(("max_exp_avg_sq", 0.0));
        }
        state
    }

    fn numbers(&self, lr: f64, step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let root_scale = correction(self.betas.1).sqrt().recip();
        let own = [lr / correction(self.betas.0), root_scale, decay_number(lr, self.weight_decay, DECOUPLED)];
        [&own[..], &both_shares(self.betas)].concat()
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let [step_size, root_scale, decay, shares @ ..] = numbers else { unreachable!("numbers() gives seven") };
        let (w, g) = with_decay(w, g, decay, self.weight_decay, DECOUPLED);
        let (m, v) = moments(shares, state, &g);
        let largest = state.get(2).map(|largest| largest.maximum(&v));
        let root = largest.as_ref().unwrap_or(&v).sqrt();
        let w = w - step_size * &m / (root * root_scale + self.eps);
        (w, [m, v].into_iter().chain(largest).collect())
    }
}
