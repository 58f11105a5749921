//! One cycle of the learning rate.

use std::f64::consts::PI;

/// One cycle ([Smith and Topin, 2017](https://arxiv.org/abs/1708.07120)): `OneCycleLR`. The rate rises from a part of the
/// learning rate to all of it and falls to almost nothing, and momentum may do the opposite.
///
/// The optimizer's own learning rate is PyTorch's `max_lr`. After `total_steps` the last rate stays.
///
/// ```
/// use hadamard::{Device, Tensor, optim::{SGD, schedule::OneCycle}};
/// let w = Tensor::from_slice(&[1.0_f32, -2.0], [2], &Device::cpu())?;
/// let cycle = OneCycle::new(100).pct_start(0.25);
/// let mut sgd = SGD::new(&[&w])
///     .lr(0.1)
///     .momentum(0.95)
///     .schedule(cycle.lr())
///     .momentum_schedule(cycle.momentum(0.85, 0.95));
/// assert!((sgd.learning_rates()[0] - 0.1 / 25.0).abs() < 1e-12);
/// sgd.step(&[2.0 * &w])?;
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OneCycle {
    total_steps: u64,
    pct_start: f64,
    linear: bool,
    div_factor: f64,
    final_div_factor: f64,
    three_phase: bool,
}

impl OneCycle {
    /// A cycle of so many steps.
    pub fn new(total_steps: u64) -> Self {
        let (div_factor, final_div_factor) = (25.0, 1e4);
        Self { total_steps, pct_start: 0.3, linear: false, div_factor, final_div_factor, three_phase: false }
    }

    /// The part of the cycle in which the rate rises, 0.3.
    #[must_use]
    pub fn pct_start(mut self, pct_start: f64) -> Self {
        self.pct_start = pct_start;
        self
    }

    /// Along straight lines and not cosines: `anneal_strategy="linear"`.
    #[must_use]
    pub fn linear(mut self) -> Self {
        self.linear = true;
        self
    }

    /// How many times smaller the first rate is than the largest, 25.
    #[must_use]
    pub fn div_factor(mut self, div_factor: f64) -> Self {
        self.div_factor = div_factor;
        self
    }

    /// How many times smaller the last rate is than the first, 10⁴.
    #[must_use]
    pub fn final_div_factor(mut self, final_div_factor: f64) -> Self {
        self.final_div_factor = final_div_factor;
        self
    }

    /// Whether the rate falls to the first in as many steps as it rose, and only then to the last.
    #[must_use]
    pub fn three_phase(mut self, three_phase: bool) -> Self {
        self.three_phase = three_phase;
        self
    }

    /// The factor of the learning rate.
    pub fn lr(self) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
        let first = self.div_factor.recip();
        let last = first / self.final_div_factor;
        let values = if self.three_phase { [first, 1.0, first, last] } else { [first, 1.0, last, last] };
        move |t| self.at(t, values)
    }

    /// The momentum, or the first of two betas, which falls from `max` to `base` as the rate rises.
    pub fn momentum(self, base: f64, max: f64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
        // Also where the rate falls further, after the third value.
        move |t| self.at(t, [max, base, max, max])
    }

    /// Between the two of `values` at the ends of the phase that step `t` is in.
    fn at(&self, t: u64, values: [f64; 4]) -> f64 {
        let total = self.total_steps as f64;
        let rise = self.pct_start * total - 1.0;
        let ends = if self.three_phase { [rise, 2.0 * rise, total - 1.0] } else { [rise, total - 1.0, total - 1.0] };
        let t = (t as f64).min(total - 1.0);
        let mut start = 0.0;
        for (pair, end) in values.windows(2).zip(ends) {
            if t <= end {
                let part = if end > start { (t - start) / (end - start) } else { 1.0 };
                return self.between(pair[0], pair[1], part);
            }
            start = end;
        }
        values[3]
    }

    fn between(&self, start: f64, end: f64, part: f64) -> f64 {
        if self.linear { start + (end - start) * part } else { end + (start - end) / 2.0 * (1.0 + (PI * part).cos()) }
    }
}
