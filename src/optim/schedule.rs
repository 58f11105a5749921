//! Learning-rate schedules: functions from the number of steps taken to a factor of the learning rate.
//!
//! Each is the closed form of the PyTorch `lr_scheduler` it names; [`Plateau`] alone depends on what it is told. Any
//! `Fn(u64) -> f64` is a schedule, so they combine as functions do:
//!
//! ```
//! use hadamard::optim::schedule;
//! let (warm_up, cosine) = (schedule::linear(0.1, 1.0, 10), schedule::cosine(90, 0.0));
//! let both = move |t| if t < 10 { warm_up(t) } else { cosine(t - 10) };
//! assert_eq!([both(0), both(10), both(55)], [0.1, 1.0, 0.5]);
//! ```

use std::f64::consts::PI;

pub use super::one_cycle::OneCycle;
pub use super::plateau::Plateau;

/// `factor` for the first `steps`, then 1: `ConstantLR`.
pub fn constant(factor: f64, steps: u64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| if t < steps { factor } else { 1.0 }
}

/// From `start` to `end` in equal parts over `steps`, then `end`: `LinearLR`. A warm-up is `linear(0.1, 1.0, 100)`.
pub fn linear(start: f64, end: f64, steps: u64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| if t < steps { start + (end - start) * t as f64 / steps as f64 } else { end }
}

/// From 1 to `floor` over `steps`, along half a cosine, and up again: `CosineAnnealingLR` with an `eta_min` of `floor`
/// times the learning rate.
pub fn cosine(steps: u64, floor: f64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| floor + (1.0 - floor) * f64::midpoint(1.0, (PI * t as f64 / steps.max(1) as f64).cos())
}

/// Times `gamma` after every `steps`: `StepLR`.
pub fn step(steps: u64, gamma: f64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| gamma.powf((t / steps.max(1)) as f64)
}

/// Times `gamma` after every step: `ExponentialLR`.
pub fn exponential(gamma: f64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| gamma.powf(t as f64)
}

/// Times `gamma` at each of `milestones`, twice where it stands twice: `MultiStepLR`.
pub fn multi_step(milestones: &[u64], gamma: f64) -> impl Fn(u64) -> f64 + Clone + Send + Sync + 'static {
    let milestones = milestones.to_vec();
    move |t| gamma.powf(milestones.iter().filter(|&&milestone| milestone <= t).count() as f64)
}

/// From 1 to 0 over `steps`, as `(1 - t / steps)^power`: `PolynomialLR`.
pub fn polynomial(steps: u64, power: f64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| if t < steps { (1.0 - t as f64 / steps as f64).powf(power) } else { 0.0_f64.powf(power) }
}

/// From 1 towards `floor` along half a cosine over `first` steps, then from 1 again over `times` as many, and so on:
/// `CosineAnnealingWarmRestarts` with an `eta_min` of `floor` times the learning rate.
pub fn warm_restarts(first: u64, times: u64, floor: f64) -> impl Fn(u64) -> f64 + Copy + Send + Sync + 'static {
    move |t| {
        let (mut start, mut len) = (0, first.max(1));
        if times <= 1 {
            start = t / len * len;
        }
        while times > 1 && t - start >= len {
            start += len;
            len = len.saturating_mul(times);
        }
        cosine(len, floor)(t - start)
    }
}

/// `first` for so many `steps`, then `second`, which counts from there: `SequentialLR`.
///
/// ```
/// use hadamard::optim::schedule;
/// let warm = schedule::sequence(schedule::linear(0.1, 1.0, 10), 10, schedule::cosine(90, 0.0));
/// assert_eq!([warm(0), warm(10), warm(55)], [0.1, 1.0, 0.5]);
/// ```
pub fn sequence<A, B>(first: A, steps: u64, second: B) -> impl Fn(u64) -> f64 + Send + Sync + 'static
where
    A: Fn(u64) -> f64 + Send + Sync + 'static,
    B: Fn(u64) -> f64 + Send + Sync + 'static,
{
    move |t| if t < steps { first(t) } else { second(t - steps) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1e-3), "{got} instead of {want}");
    }

    /// The factors by PyTorch's chained rules, each of which makes a learning rate of the one before it.
    #[test]
    fn closed_forms_are_what_the_chained_rules_come_to() {
        let (mut line, mut cos, mut steps, mut power) = (0.25, 1.0, 1.0, 1.0);
        let floor = 0.1;
        for t in 0..40_u64 {
            let x = t as f64;
            close(linear(0.25, 1.0, 20)(t), line);
            close(cosine(30, floor)(t), cos);
            close(step(7, 0.5)(t), steps);
            close(exponential(0.9)(t), power);
            close(constant(0.3, 5)(t), if t < 5 { 0.3 } else { 1.0 });
            // LinearLR, CosineAnnealingLR, StepLR and ExponentialLR as torch/optim/lr_scheduler.py has them.
            if t < 20 {
                line *= 1.0 + (1.0 - 0.25) / (20.0 * 0.25 + x * (1.0 - 0.25));
            }
            if t < 30 {
                cos = (1.0 + (PI * (x + 1.0) / 30.0).cos()) / (1.0 + (PI * x / 30.0).cos()) * (cos - floor) + floor;
            } else {
                cos = floor + (1.0 - floor) * (1.0 + (PI * (x + 1.0) / 30.0).cos()) / 2.0;
            }
            steps *= if (t + 1) % 7 == 0 { 0.5 } else { 1.0 };
            power *= 0.9;
        }
    }

    #[test]
    fn the_ends_are_exact() {
        assert_eq!([linear(0.1, 1.0, 4)(0), linear(0.1, 1.0, 4)(4), linear(0.1, 0.5, 4)(99)], [0.1, 1.0, 0.5]);
        assert_eq!([cosine(10, 0.25)(0), cosine(10, 0.25)(10)], [1.0, 0.25]);
        assert_eq!([step(3, 0.5)(2), step(3, 0.5)(3), exponential(0.5)(0)], [1.0, 0.5, 1.0]);
        // No steps at all divide by nothing.
        assert!(warm_restarts(0, 0, 0.0)(7).is_finite() && warm_restarts(3, 1 << 60, 0.0)(1 << 62).is_finite());
        assert!(
            polynomial(0, 1.0)(0) == 0.0
                && OneCycle::new(0).lr()(0).is_finite()
                && OneCycle::new(1).lr()(9).is_finite()
        );
        assert!(linear(0.0, 1.0, 0)(0) == 1.0 && cosine(0, 0.0)(1).is_finite() && step(0, 0.5)(1).is_finite());
    }
}
