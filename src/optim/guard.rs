//! Gradients that are not finite: found on the device, and skipped or refused; the scale of a loss that makes them rare.

use super::hooks::Stages;
use super::rule::require;
use super::segment::{Grad, Segment};
use super::stage::widened;
use super::{Optimizer, Rule};
use crate::{DType, Device, Expr, Result, Tensor};

/// How a loss is scaled so that small gradients survive f16: PyTorch's `GradScaler`, with its defaults.
///
/// The gradients are those of the loss times the scale, divided by it again before hooks see them. A step whose gradients
/// are not finite is skipped and the scale is made smaller; after enough steps in a row that are, it grows.
#[derive(Clone, Copy, Debug)]
pub struct LossScale {
    init_scale: f64,
    growth_factor: f64,
    backoff_factor: f64,
    growth_interval: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self::new()
    }
}

impl LossScale {
    /// With PyTorch's defaults.
    pub fn new() -> Self {
        Self { init_scale: 65_536.0, growth_factor: 2.0, backoff_factor: 0.5, growth_interval: 2000 }
    }

    /// The first scale, 65,536.
    #[must_use]
    pub fn init_scale(mut self, init_scale: f64) -> Self {
        self.init_scale = init_scale;
        self
    }

    /// What the scale grows by, 2.
    #[must_use]
    pub fn growth_factor(mut self, growth_factor: f64) -> Self {
        self.growth_factor = growth_factor;
        self
    }

    /// What the scale is multiplied by after a step that is skipped, 0.5.
    #[must_use]
    pub fn backoff_factor(mut self, backoff_factor: f64) -> Self {
        self.backoff_factor = backoff_factor;
        self
    }

    /// After how many steps in a row it grows, 2000.
    #[must_use]
    pub fn growth_interval(mut self, growth_interval: u32) -> Self {
        self.growth_interval = growth_interval;
        self
    }
}

/// What is done about gradients that are not finite.
#[derive(Default)]
pub(super) struct Guard {
    refuse: bool,
    skip: bool,
    scale: Option<LossScale>,
    tensors: Option<Tensors>,
}

/// What the device knows; each of rank 0.
#[derive(Clone)]
struct Tensors {
    /// Whether the step's gradients are all finite.
    finite: Tensor,
    /// Steps skipped so far, i32.
    skipped: Tensor,
    /// The loss's scale, f32, and the steps in a row without a change of it, i32.
    scale: Tensor,
    tracker: Tensor,
}

impl Guard {
    pub(super) fn check(&self) -> Result<()> {
        let Some(LossScale { init_scale, growth_factor, backoff_factor, growth_interval }) = self.scale else {
            return Ok(());
        };
        require("LossScale", init_scale > 0.0 && init_scale.is_finite(), "an init_scale above 0", init_scale)?;
        require("LossScale", growth_factor > 1.0, "a growth_factor above 1", growth_factor)?;
        let fine = 0.0 < backoff_factor && backoff_factor < 1.0;
        require("LossScale", fine, "a backoff_factor between 0 and 1", backoff_factor)?;
        require("LossScale", growth_interval > 0, "a growth_interval above 0", growth_interval)
    }

    /// As they are before the first step.
    fn initial(&self, device: &Device) -> Result<Tensors> {
        let zero = |dtype| Tensor::zeros((), dtype, device);
        let scale = Tensor::full((), self.scale.map_or(1.0, |scale| scale.init_scale) as f32, device)?;
        Ok(Tensors { finite: zero(DType::Bool)?, skipped: zero(DType::I32)?, scale, tracker: zero(DType::I32)? })
    }

    /// The loss whose gradients are asked for.
    pub(super) fn scaled(&self, loss: &Expr) -> Expr {
        match (&self.tensors, self.scale) {
            (Some(Tensors { scale, .. }), Some(_)) => widened(loss) * scale,
            _ => loss.clone(),
        }
    }

    /// What is remembered, by name.
    pub(super) fn state(&self, device: &Device) -> Result<Vec<(String, Tensor)>> {
        if self.scale.is_none() {
            return Ok(Vec::new());
        }
        let Tensors { scale, tracker, .. } = self.tensors.clone().map_or_else(|| self.initial(device), Ok)?;
        Ok(vec![("loss_scale.scale".to_owned(), scale), ("loss_scale.growth_tracker".to_owned(), tracker)])
    }

    /// Gradients of a scaled loss, divided by the scale again.
    pub(super) fn unscaled(&self, grads: &mut [Grad]) {
        if let (Some(_), Some(Tensors { scale, .. })) = (self.scale, &self.tensors) {
            let factor = scale.reciprocal();
            grads.iter_mut().for_each(|grad| *grad = Grad { expr: &grad.expr * &factor, stored: false });
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.refuse || self.skips()
    }

    fn skips(&self) -> bool {
        self.skip || self.scale.is_some()
    }

    /// Finds out whether all gradients are finite. They are stored first, so that nothing is computed twice.
    pub(super) fn look(&self, segments: &[Segment], grads: &mut [Grad], stages: &mut Stages) -> Result<()> {
        let (true, Some(Tensors { finite, .. })) = (self.is_on(), &self.tensors) else { return Ok(()) };
        let mut stores = Vec::new();
        for (grad, segment) in grads.iter_mut().zip(segments) {
            grad.store(&mut stores, &segment.target)?;
        }
        stages.push(&stores)?;
        let each = grads.iter().zip(segments).map(|(grad, segment)| segment.masked(&grad.expr).isfinite().all(..));
        if let Some(all) = each.reduce(|a, b| a.logical_and(b)) {
            stages.push(&[(finite.clone(), all)])?;
        }
        if self.refuse {
            stages.checked = Some((stages.updates.len(), finite.clone()));
        }
        Ok(())
    }

    /// `new`, or `old` if the step is skipped.
    pub(super) fn unless_skipped(&self, new: Expr, old: &Tensor) -> Expr {
        match &self.tensors {
            Some(Tensors { finite, .. }) if self.skips() => Expr::select(finite, new, old),
            _ => new,
        }
    }

    /// What the device remembers of a step, after it.
    pub(super) fn remember(&self, stages: &mut Stages) -> Result<()> {
        let (true, Some(Tensors { finite, skipped, scale, tracker })) = (self.skips(), &self.tensors) else {
            return Ok(());
        };
        let mut pairs = vec![(skipped.clone(), skipped + Expr::select(finite, 0, 1))];
        if let Some(by) = self.scale {
            let grows = tracker.ge(i64::from(by.growth_interval) - 1);
            // A scale that would be infinite does not grow.
            let grown = scale * by.growth_factor;
            let grown = Expr::select(grows.logical_and(grown.isfinite()), grown, scale);
            pairs.push((scale.clone(), Expr::select(finite, grown, scale * by.backoff_factor)));
            let count = Expr::select(grows, 0, tracker + 1);
            pairs.push((tracker.clone(), Expr::select(finite, count, 0)));
        }
        stages.push(&pairs)
    }
}

impl<R: Rule> Optimizer<R> {
    /// Whether a step whose gradients, after all hooks, are not all finite is an error: PyTorch's
    /// `clip_grad_norm_(.., error_if_nonfinite=True)`. Then nothing has changed.
    ///
    /// Whoever asks must know before the update, so each step waits for the device;
    /// [`skip_nonfinite`](Self::skip_nonfinite) does not.
    #[must_use]
    pub fn error_if_nonfinite(mut self, error: bool) -> Self {
        self.prepared.clear();
        self.guard.refuse = error;
        self
    }

    /// Whether a step whose gradients, after all hooks, are not all finite leaves weights and states as they are. The device
    /// finds that out by itself, and [counts](Self::skipped).
    ///
    /// The host does not know, so a skipped step counts for schedules and bias corrections.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, optim::Adam};
    /// let w = Tensor::from_slice(&[1.0_f32, -2.0], [2], &Device::cpu())?;
    /// let mut adam = Adam::new(&[&w]).lr(0.5).skip_nonfinite(true);
    /// adam.step(&[&w / 0.0])?;
    /// adam.step(&[2.0 * &w])?;
    /// assert_eq!(adam.skipped()?, 1);
    /// assert!(w.to_vec::<f32>()?.iter().all(|w| w.is_finite()));
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn skip_nonfinite(mut self, skip: bool) -> Self {
        self.prepared.clear();
        self.guard.skip = skip;
        self
    }

    /// Scales the loss of [`minimize`](Self::minimize), so that small gradients survive where they are rounded to f16, and
    /// skips steps that are not finite. Expressions of f16 are computed in f32 and rounded where they are stored, so
    /// that fewer models need it than elsewhere. Gradients given to [`step`](Self::step) are divided by the scale, too:
    /// [`loss_scale_now`](Self::loss_scale_now) is what to multiply that loss by.
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor, optim::{LossScale, SGD}};
    /// let w = Tensor::from_slice(&[1.0_f32], [1], &Device::cpu())?;
    /// // A gradient of 2⁻³⁰, which f16 cannot hold; times the scale, 2⁻¹⁴, it can.
    /// let loss = ((&w * 2.0_f64.powi(-15)).cast(DType::F16) * 2.0_f64.powi(-15)).sum(..);
    /// let mut sgd = SGD::new(&[&w]).lr(2.0_f64.powi(29)).loss_scale(LossScale::new());
    /// sgd.minimize(&loss)?;
    /// assert_eq!(w.item::<f32>()?, 0.5);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn loss_scale(mut self, scale: LossScale) -> Self {
        self.prepared.clear();
        (self.guard.scale, self.guard.tensors) = (Some(scale), None);
        self
    }

    /// The scale of the loss: a tensor of one f32 that changes from step to step; `None` before
    /// [`loss_scale`](Self::loss_scale) asks for one.
    ///
    /// # Errors
    ///
    /// What the device reports if it has no room.
    pub fn loss_scale_now(&mut self) -> Result<Option<Tensor>> {
        self.begin_guard()?;
        let tensors = self.guard.tensors.as_ref().filter(|_| self.guard.scale.is_some());
        Ok(tensors.map(|tensors| tensors.scale.clone()))
    }

    /// How many steps were skipped because gradients were not finite. Waits for the device.
    ///
    /// # Errors
    ///
    /// What the device reports.
    pub fn skipped(&self) -> Result<u64> {
        self.guard.tensors.as_ref().map_or(Ok(0), |tensors| Ok(tensors.skipped.item::<i32>()? as u64))
    }

    /// The norm that [`clip_grad_norm`](Self::clip_grad_norm) found in the last step, before it clipped: a tensor of one
    /// element, which the next step overwrites. `None` before the first step, or without a clip; of several clips, the last.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, optim::SGD};
    /// let w = Tensor::from_slice(&[1.0_f32, 1.0], [2], &Device::cpu())?;
    /// let mut sgd = SGD::new(&[&w]).clip_grad_norm(1.0);
    /// sgd.step(&[3.0 * &w * Tensor::from_slice(&[1.0_f32, 4.0 / 3.0], [2], &Device::cpu())?])?;
    /// assert_eq!(sgd.grad_norm().map(|norm| norm.item::<f32>()).transpose()?, Some(5.0));
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    pub fn grad_norm(&self) -> Option<&Tensor> {
        self.prepared.latest()?.stages.norm.as_ref()
    }

    /// Allocates what a guard needs.
    pub(super) fn begin_guard(&mut self) -> Result<()> {
        if self.guard.is_on() && self.guard.tensors.is_none() {
            self.guard.tensors = Some(self.guard.initial(&self.device())?);
        }
        Ok(())
    }
}
