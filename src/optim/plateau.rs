//! A learning rate that falls where a metric no longer improves.

use super::{Optimizer, Rule};

/// Reduces learning rates when a metric has stopped improving: `ReduceLROnPlateau`.
///
/// ```
/// use hadamard::{Device, Tensor, optim::{SGD, schedule::Plateau}};
/// let w = Tensor::from_slice(&[1.0_f32], [1], &Device::cpu())?;
/// let mut sgd = SGD::new(&[&w]).lr(0.1);
/// let mut plateau = Plateau::new().factor(0.5).patience(1);
/// for loss in [3.0, 2.0, 2.0, 2.0] {
///     plateau.step(loss, &mut sgd); // after each epoch, with its loss
/// }
/// assert_eq!(sgd.learning_rates(), [0.05]);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Plateau {
    largest: bool,
    factor: f64,
    patience: u64,
    threshold: f64,
    absolute: bool,
    cooldown: u64,
    min_lr: f64,
    eps: f64,
    best: Option<f64>,
    bad: u64,
    cooling: u64,
}

impl Default for Plateau {
    fn default() -> Self {
        Self::new()
    }
}

impl Plateau {
    /// With PyTorch's defaults.
    pub fn new() -> Self {
        let (largest, absolute, best) = (false, false, None);
        let (factor, patience, threshold, cooldown, min_lr, eps) = (0.1, 10, 1e-4, 0, 0.0, 1e-8);
        let (bad, cooling) = (0, 0);
        Self { largest, factor, patience, threshold, absolute, cooldown, min_lr, eps, best, bad, cooling }
    }

    /// Whether a larger metric is better, as an accuracy is: `mode="max"`.
    #[must_use]
    pub fn maximize(mut self, maximize: bool) -> Self {
        self.largest = maximize;
        self
    }

    /// What a reduction multiplies learning rates by, 0.1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How many metrics without improvement are allowed, 10.
    #[must_use]
    pub fn patience(mut self, patience: u64) -> Self {
        self.patience = patience;
        self
    }

    /// By what part of the best metric another must be better, 1e-4.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        (self.threshold, self.absolute) = (threshold, false);
        self
    }

    /// By how much a metric must be better than the best: `threshold_mode="abs"`.
    #[must_use]
    pub fn absolute_threshold(mut self, threshold: f64) -> Self {
        (self.threshold, self.absolute) = (threshold, true);
        self
    }

    /// How many metrics after a reduction are not counted, 0.
    #[must_use]
    pub fn cooldown(mut self, cooldown: u64) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// The least learning rate, 0.
    #[must_use]
    pub fn min_lr(mut self, min_lr: f64) -> Self {
        self.min_lr = min_lr;
        self
    }

    /// Reductions by no more than this are left out, 1e-8.
    #[must_use]
    pub fn eps(mut self, eps: f64) -> Self {
        self.eps = eps;
        self
    }

    /// Takes up a metric and reduces the learning rate of each group if it has not improved for long enough.
    pub fn step<R: Rule>(&mut self, metric: f64, optimizer: &mut Optimizer<R>) {
        if self.is_better(metric) {
            (self.best, self.bad) = (Some(metric), 0);
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            (self.cooling, self.bad) = (self.cooling - 1, 0);
        }
        if self.bad > self.patience {
            (self.cooling, self.bad) = (self.cooldown, 0);
            for group in &mut optimizer.groups {
                let new = (group.lr * self.factor).max(self.min_lr);
                if group.lr - new > self.eps {
                    group.lr = new;
                }
            }
        }
    }

    fn is_better(&self, metric: f64) -> bool {
        let Some(best) = self.best else { return !metric.is_nan() };
        match (self.largest, self.absolute) {
            (false, false) => metric < best * (1.0 - self.threshold),
            (false, true) => metric < best - self.threshold,
            (true, false) => metric > best * (1.0 + self.threshold),
            (true, true) => metric > best + self.threshold,
        }
    }
}
