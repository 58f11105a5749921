//! Muon.

use super::rule::{Rule, average, options, require, require_decay, require_eps, schedules, shares, shrunk};
use super::{Optimizer, Parameters};
use crate::{DType, Error, Expr, Result, Shape};

/// Muon ([Jordan, 2024](https://kellerjordan.github.io/posts/muon/)): `torch.optim.Muon`, for matrices alone. A parameter
/// with another number of dims is an error: give it to another optimizer.
///
/// `b = momentum b + (1 - momentum) g`, `u = momentum b + (1 - momentum) g` (without Nesterov's, `u = b`), and
/// `w = w (1 - lr weight_decay) - lr s o(u)`, where `s` is what [`adjust_lr`](Self::adjust_lr) says of the shape. `o(u)` is
/// a matrix with the singular vectors of `u` and singular values near 1, by a few steps of Newton and Schulz's: from
/// `x = u / |u|`, with `y = x xᵀ`, each is `x = A x + (B y + C y y) x`.
///
/// As in PyTorch, the results of these products are rounded to bf16, in which they may differ by what the order of a sum
/// makes of the last bit.
///
/// ```
/// use hadamard::{Device, Tensor, optim::Muon};
/// let w = Tensor::from_slice(&[2.0_f32, 0.0, 0.0, 1.0], [2, 2], &Device::cpu())?;
/// let mut muon = Muon::new(&[&w]).lr(0.1).weight_decay(0.0);
/// muon.minimize(&w.square().sum(..))?;
/// // Both singular values are about as much smaller, though one gradient is twice the other.
/// let w = w.to_vec::<f32>()?;
/// assert!((1.85..1.95).contains(&w[0]) && (0.85..0.95).contains(&w[3]) && w[1].abs() < 1e-6);
/// # Ok::<(), hadamard::Error>(())
/// ```
pub type Muon = Optimizer<MuonRule>;

/// How the learning rate of [`Muon`] depends on a parameter's shape, `n` rows and `m` columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MuonLr {
    /// Times √max(1, n / m).
    #[default]
    Original,
    /// Times 0.2 √max(n, m), so that rates of AdamW will do.
    MatchRmsAdamw,
    /// Times √(n / m).
    SpectralUnclamped,
}

impl MuonLr {
    fn factor(self, shape: &Shape) -> f64 {
        let [n, m] = *shape.dims() else { return 1.0 };
        let (n, m) = (n as f64, m as f64);
        match self {
            Self::Original => (n / m).max(1.0).sqrt(),
            Self::MatchRmsAdamw => 0.2 * n.max(m).sqrt(),
            Self::SpectralUnclamped => (n / m).sqrt(),
        }
    }
}

/// The rule of [`Muon`].
#[derive(Clone, Debug)]
pub struct MuonRule {
    weight_decay: f64,
    momentum: f64,
    nesterov: bool,
    ns_coefficients: (f64, f64, f64),
    eps: f64,
    ns_steps: usize,
    adjust_lr: MuonLr,
}

impl Muon {
    /// For these matrices, with a learning rate of 1e-3.
    pub fn new(parameters: impl Into<Parameters>) -> Self {
        let rule = MuonRule {
            weight_decay: 0.1,
            momentum: 0.95,
            nesterov: true,
            ns_coefficients: (3.4445, -4.7750, 2.0315),
            eps: 1e-7,
            ns_steps: 5,
            adjust_lr: MuonLr::Original,
        };
        Self::with(rule, parameters)
    }
}

options!(MuonRule {
    /// Decoupled weight decay: each step shrinks the weight by this times the learning rate, 0.1.
    weight_decay: f64,
    /// How much of the last direction is kept, 0.95.
    momentum: f64,
    /// Whether to use Nesterov momentum, which looks one step ahead; it does.
    nesterov: bool,
    /// `A`, `B` and `C` of each step towards singular values of 1: 3.4445, -4.7750 and 2.0315.
    ns_coefficients: (f64, f64, f64),
    /// The least norm that an update is divided by, 1e-7.
    eps: f64,
    /// Steps towards singular values of 1, 5; below 100.
    ns_steps: usize,
    /// How the learning rate depends on a parameter's shape: PyTorch's `adjust_lr_fn`.
    adjust_lr: MuonLr,
});

schedules!(MuonRule {
    /// Multiplies the weight decay of every group by `factor(steps taken so far)`. See [`schedule`](super::schedule).
    weight_decay_schedule: factor weight_decay,
    /// Lets the momentum of every group be `value(steps taken so far)`.
    momentum_schedule: value momentum,
});

impl MuonRule {
    /// A matrix with the singular vectors of `update` and singular values near 1, in f32.
    fn orthogonal(&self, update: &Expr) -> Expr {
        let rounded = |x: Expr| x.cast(DType::BF16).cast(DType::F32);
        let (a, b, c) = self.ns_coefficients;
        let tall = update.shape().dims().first() > update.shape().dims().last();
        let turned = |x: Expr| if tall { x.t() } else { x };
        let x = turned(rounded(update.cast(DType::F32)));
        let mut x = rounded(&x / rounded(x.norm(2, ..)).clamp_min(self.eps));
        for _ in 0..self.ns_steps {
            let y = rounded(x.matmul(x.t()));
            let y = rounded(b * &y + c * y.matmul(&y));
            x = rounded(a * &x + y.matmul(&x));
        }
        turned(x)
    }
}

impl Rule for MuonRule {
    const NAME: &'static str = "Muon";
    const LR: f64 = 1e-3;

    fn check(&self) -> Result<()> {
        require(Self::NAME, self.momentum >= 0.0, "a momentum of at least 0", self.momentum)?;
        require(Self::NAME, self.ns_steps < 100, "fewer than 100 ns_steps", self.ns_steps)?;
        require_eps(Self::NAME, self.eps)?;
        require_decay(Self::NAME, self.weight_decay)
    }

    fn check_parameter(&self, name: &str, shape: &Shape) -> Result<()> {
        if shape.rank() == 2 {
            return Ok(());
        }
        Err(Error::argument(Self::NAME, "parameters of two dims", format!("'{name}' of shape {shape}")))
    }

    fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
        vec![("momentum_buffer", 0.0)]
    }

    fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
        let [keep, enter] = shares(self.momentum);
        vec![keep, enter, 1.0 - lr * self.weight_decay, lr]
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        let averaged = |old: &Expr| average(&numbers[..2], old, g);
        let buffer = averaged(&state[0]);
        let update = if self.nesterov { averaged(&buffer) } else { buffer.clone() };
        let step = &numbers[3] * self.adjust_lr.factor(w.shape());
        (shrunk(w, &numbers[2], self.weight_decay) - step * self.orthogonal(&update), vec![buffer])
    }
}
