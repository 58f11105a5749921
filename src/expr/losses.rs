//! Losses of classes given by their numbers, and what else takes labels.

use super::node::Expr;
use super::take::bounded;
use super::views::carry;
use crate::{DType, Error, Result, Shape};

/// What becomes of the losses of several samples.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reduction {
    /// Their mean, weighted where the loss has weights; NaN where every sample is ignored.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// Nothing: one for each sample, 0 for those ignored.
    None,
}

/// What [`Expr::cross_entropy_with`] may be told, with PyTorch's defaults.
#[derive(Clone, Debug)]
pub struct CrossEntropy {
    /// A weight for each class; 1 without.
    pub weight: Option<Expr>,
    /// The label of samples that do not count: -100.
    pub ignore_index: i64,
    /// The mean.
    pub reduction: Reduction,
    /// How much of a target is spread evenly over all classes, from 0 to 1: 0.
    pub label_smoothing: f64,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { weight: None, ignore_index: -100, reduction: Reduction::Mean, label_smoothing: 0.0 }
    }
}

impl Reduction {
    /// What becomes of these losses, of which `count` count.
    fn of(self, losses: Expr, count: impl FnOnce() -> Expr) -> Expr {
        match self {
            Self::Mean => losses.sum(..) / count(),
            Self::Sum => losses.sum(..),
            Self::None => losses,
        }
    }
}

impl Expr {
    /// The mean cross-entropy of the classes that `target` names, this being their logits: PyTorch's
    /// [`cross_entropy`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html).
    ///
    /// Classes stand along dim 1, or dim 0 of a single sample. The target is of integers and has all other dims; a label of
    /// -100 is ignored, another one out of range is [`Error::Index`] once it is read. A target of floats in the shape of the
    /// logits holds the probability of each class.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::cpu();
    /// let logits = Tensor::from_slice(&[0.0_f32, 0.0, 3.0, -1.0], [2, 2], &device)?;
    /// let labels = Tensor::from_slice(&[1, -100], [2], &device)?;
    /// assert_eq!(logits.cross_entropy(&labels).eval()?.item::<f32>()?, std::f32::consts::LN_2);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn cross_entropy(&self, target: impl Into<Self>) -> Self {
        self.cross_entropy_with(target, &CrossEntropy::default())
    }

    /// The same with weights of classes, another label to ignore, label smoothing, or a sum instead of the mean.
    #[must_use]
    pub fn cross_entropy_with(&self, target: impl Into<Self>, options: &CrossEntropy) -> Self {
        const OP: &str = "cross_entropy";
        let target = target.into();
        carry((|| {
            let dim = self.classes(OP)?;
            target.check()?;
            if !(0.0..=1.0).contains(&options.label_smoothing) {
                let found = options.label_smoothing.to_string();
                return Err(Error::argument(OP, "a label_smoothing from 0 to 1", found));
            }
            let log = self.log_softmax(dim as isize);
            if target.dtype().is_float() {
                return log.cross_entropy_of_probabilities(&target, dim, options);
            }
            log.nll(OP, &target, dim, options, options.label_smoothing)
        })())
    }

    /// The mean of minus the elements that `target` names, this being logarithms of probabilities: PyTorch's `nll_loss`.
    /// Shapes and labels are as for [`cross_entropy`](Self::cross_entropy).
    #[must_use]
    pub fn nll_loss(&self, target: impl Into<Self>) -> Self {
        self.nll_loss_with(target, &CrossEntropy::default())
    }

    /// The same with weights of classes, another label to ignore, or a sum instead of the mean.
    #[must_use]
    pub fn nll_loss_with(&self, target: impl Into<Self>, options: &CrossEntropy) -> Self {
        const OP: &str = "nll_loss";
        let target = target.into();
        carry(self.classes(OP).and_then(|dim| self.nll(OP, &target, dim, options, 0.0)))
    }

    /// The dim along which classes stand.
    fn classes(&self, op: &'static str) -> Result<usize> {
        self.check()?;
        self.check_alone(op)?;
        if !self.dtype().is_float() {
            return Err(Error::DType { op, expected: "floats for the classes", found: self.dtype() });
        }
        match self.shape().rank() {
            0 => Err(Error::argument(op, "a dim of classes", "shape []")),
            rank => Ok(usize::from(rank > 1)),
        }
    }

    /// The loss of labels. This is of log-probabilities, whose classes stand along `dim`.
    fn nll(&self, op: &'static str, target: &Self, dim: usize, options: &CrossEntropy, smoothing: f64) -> Result<Self> {
        target.check()?;
        let classes = self.shape()[dim];
        let samples: Shape = (0..self.shape().rank()).filter(|&d| d != dim).map(|d| self.shape()[d]).collect();
        if *target.shape() != samples {
            let expected = format!("a label for each sample, of shape {samples}");
            return Err(Error::argument(op, expected, target.shape().to_string()));
        }
        let target = target.as_labels();
        let ignored = target.eq(options.ignore_index);
        let label = Self::select(&ignored, 0, &target);
        let chosen = self.along(op, dim as isize, &label.unsqueeze(dim as isize), false)?.reshape(samples);
        let weight = options.weight.as_ref().map(|weight| weight.of_classes(op, classes)).transpose()?;
        let of_label = weight.as_ref().map(|weight| weight.index(0, &label));
        let counted = |x: &Self| Self::select(&ignored, 0, x);
        let weighted = |x: Self| of_label.as_ref().map_or_else(|| x.clone(), |weight| weight * &x);
        let mut losses = counted(&weighted(-chosen));
        if smoothing > 0.0 {
            let every = weight.as_ref().map_or_else(|| self.clone(), |weight| self * weight.along_dim(self, dim));
            let even = counted(&-every.sum(dim as isize));
            losses = losses * (1.0 - smoothing) + even * (smoothing / classes as f64);
        }
        let count = || of_label.as_ref().map_or_else(|| ignored.logical_not(), counted).sum(..);
        Ok(options.reduction.of(losses, count))
    }

    /// The loss of a target that has a probability for each class.
    fn cross_entropy_of_probabilities(&self, target: &Self, dim: usize, options: &CrossEntropy) -> Result<Self> {
        const OP: &str = "cross_entropy";
        if target.shape() != self.shape() {
            let expected = format!("a probability for each class, of shape {}", self.shape());
            return Err(Error::argument(OP, expected, target.shape().to_string()));
        }
        let classes = self.shape()[dim] as f64;
        let target = match options.label_smoothing {
            0.0 => target.clone(),
            smoothing => target * (1.0 - smoothing) + smoothing / classes,
        };
        let mut terms = self * target;
        if let Some(weight) = &options.weight {
            terms = terms * weight.of_classes(OP, self.shape()[dim])?.along_dim(self, dim);
        }
        let losses = -terms.sum(dim as isize);
        // The mean is of the samples: weights do not count here, in PyTorch.
        let samples = losses.shape().numel() as f64;
        Ok(options.reduction.of(losses, || samples.into()))
    }

    /// Numbers of classes in a dtype that indices may have: a u8 would be a mask.
    fn as_labels(&self) -> Self {
        if self.dtype() == DType::U8 { self.cast(DType::I32) } else { self.clone() }
    }

    /// Weights of so many classes.
    fn of_classes(&self, op: &'static str, classes: usize) -> Result<Self> {
        self.check()?;
        if self.shape()[..] == [classes] {
            return Ok(self.clone());
        }
        Err(Error::argument(op, format!("a weight for each of {classes} classes"), self.shape().to_string()))
    }

    /// A vector along one dim of another expression.
    fn along_dim(&self, other: &Self, dim: usize) -> Self {
        let sizes: Vec<usize> =
            (0..other.shape().rank()).map(|d| if d == dim { other.shape()[d] } else { 1 }).collect();
        self.reshape(sizes)
    }

    /// 1 where a class is the one that this names, else 0, as i64, classes in a new last dim: PyTorch's `one_hot`. A label
    /// out of range is [`Error::Index`] once it is read.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let labels = Tensor::from_slice(&[2, 0], [2], &Device::cpu())?;
    /// assert_eq!(labels.one_hot(3).eval()?.to_vec::<i64>()?, [0, 0, 1, 1, 0, 0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn one_hot(&self, classes: usize) -> Self {
        const OP: &str = "one_hot";
        carry((|| {
            self.check()?;
            let dim = self.shape().rank();
            let label = bounded(OP, &self.as_labels(), dim, classes, false, self.shape().numel() * classes)?;
            Ok(label.unsqueeze(-1).eq(Self::numbers(classes)).cast(DType::I64))
        })())
    }

    /// `x @ weight.T + bias`, with a weight of shape `[out, in]`: PyTorch's `linear`. Without a bias it is
    /// `x.matmul(weight.t())`.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [1, 2], &device)?;
    /// let weight = Tensor::from_slice(&[1.0_f32, 0.0, 0.0, 1.0, 1.0, 1.0], [3, 2], &device)?;
    /// let bias = Tensor::from_slice(&[0.5_f32, 0.0, 0.0], [3], &device)?;
    /// assert_eq!(x.linear(&weight, &bias).eval()?.to_vec::<f32>()?, [1.5, 2.0, 3.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn linear(&self, weight: impl Into<Self>, bias: impl Into<Self>) -> Self {
        self.matmul(weight.into().t()) + bias.into()
    }
}
