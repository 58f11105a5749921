//! Initialisation of weights on their device: PyTorch's `torch.nn.init`.
//!
//! Each function fills a tensor, or a view of one, in one pass. The numbers are those of [`random`](crate::random): a
//! seed gives the same ones on every device.
//!
//! ```
//! use hadamard::{DType, Device, Tensor, init};
//! let device = Device::cpu();
//! let weight = Tensor::zeros([64, 256], DType::F32, &device)?;
//! init::kaiming_normal(&weight, init::Fan::In, init::Nonlinearity::Relu, 7)?;
//! let variance = weight.square().mean(..).eval()?.item::<f32>()?;
//! assert!((variance - 2.0 / 256.0).abs() < 2e-4);
//! # Ok::<(), hadamard::Error>(())
//! ```

use std::ops::Range;

use crate::random::{between, gaussian, truncated};
use crate::{Error, Result, Scalar, Tensor};

/// The function that follows a layer. It decides the gain that keeps the variance of activations or gradients.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Nonlinearity {
    /// Nothing: gain 1.
    Linear,
    /// Gain 1.
    Sigmoid,
    /// Gain 5/3.
    Tanh,
    /// Gain √2.
    Relu,
    /// With this negative slope `a`: gain √(2 / (1 + a²)). The default weights of `torch.nn.Linear` are
    /// [`kaiming_uniform`] with `a` of √5.
    LeakyRelu(f64),
    /// Gain 3/4.
    Selu,
}

impl Nonlinearity {
    /// PyTorch's `calculate_gain`.
    pub fn gain(self) -> f64 {
        match self {
            Self::Linear | Self::Sigmoid => 1.0,
            Self::Tanh => 5.0 / 3.0,
            Self::Relu => 2_f64.sqrt(),
            Self::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Self::Selu => 0.75,
        }
    }
}

/// The direction in which variance is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fan {
    /// Forwards: by the number of inputs of each output.
    In,
    /// Backwards: by the number of outputs of each input.
    Out,
}

/// Fills with a number.
///
/// # Errors
///
/// What the device reports.
pub fn constant(tensor: &Tensor, value: impl Into<Scalar>) -> Result<()> {
    tensor.fill(value)
}

/// Fills with numbers distributed uniformly over a range.
///
/// # Errors
///
/// As [`Tensor::uniform`].
pub fn uniform(tensor: &Tensor, range: Range<f64>, seed: u64) -> Result<()> {
    tensor.assign(between(tensor.shape(), &range, tensor.dtype(), &seed.into())?)
}

/// Fills with numbers of a normal distribution.
///
/// # Errors
///
/// As [`Tensor::normal`].
pub fn normal(tensor: &Tensor, mean: f64, std: f64, seed: u64) -> Result<()> {
    tensor.assign(gaussian(tensor.shape(), mean, std, tensor.dtype(), &seed.into())?)
}

/// Fills with numbers of a normal distribution truncated to `range`.
///
/// No number lies more than 5.4 standard deviations from the mean. PyTorch's function may return the lower bound
/// itself, however far out that is.
///
/// # Errors
///
/// [`Error::Argument`] unless `std` is above 0 and the bounds are in order, [`Error::DType`] unless the tensor is of
/// floats; what the device reports.
pub fn trunc_normal(tensor: &Tensor, mean: f64, std: f64, range: Range<f64>, seed: u64) -> Result<()> {
    tensor.assign(truncated(tensor.shape(), [mean, std], &range, tensor.dtype(), &seed.into())?)
}

/// Fills with uniform numbers of magnitude up to `gain √(6 / (fan_in + fan_out))` ([Glorot and Bengio, 2010](https://proceedings.mlr.press/v9/glorot10a.html)).
///
/// # Errors
///
/// [`Error::Argument`] for a tensor of rank below 2, and as [`uniform`].
pub fn xavier_uniform(tensor: &Tensor, gain: f64, seed: u64) -> Result<()> {
    let (fan_in, fan_out) = fans("xavier_uniform", tensor)?;
    let bound = gain * (6.0 / (fan_in + fan_out)).sqrt();
    uniform(tensor, -bound..bound, seed)
}

/// Fills with normal numbers of variance `gain² 2 / (fan_in + fan_out)` ([Glorot and Bengio, 2010](https://proceedings.mlr.press/v9/glorot10a.html)).
///
/// # Errors
///
/// [`Error::Argument`] for a tensor of rank below 2, and as [`normal`].
pub fn xavier_normal(tensor: &Tensor, gain: f64, seed: u64) -> Result<()> {
    let (fan_in, fan_out) = fans("xavier_normal", tensor)?;
    normal(tensor, 0.0, gain * (2.0 / (fan_in + fan_out)).sqrt(), seed)
}

/// Fills with uniform numbers of magnitude up to `gain √(3 / fan)` ([He et al., 2015](https://arxiv.org/abs/1502.01852)).
///
/// # Errors
///
/// [`Error::Argument`] for a tensor of rank below 2, and as [`uniform`].
pub fn kaiming_uniform(tensor: &Tensor, fan: Fan, nonlinearity: Nonlinearity, seed: u64) -> Result<()> {
    let bound = 3_f64.sqrt() * kaiming_std("kaiming_uniform", tensor, fan, nonlinearity)?;
    uniform(tensor, -bound..bound, seed)
}

/// Fills with normal numbers of variance `gain² / fan` ([He et al., 2015](https://arxiv.org/abs/1502.01852)).
///
/// # Errors
///
/// [`Error::Argument`] for a tensor of rank below 2, and as [`normal`].
pub fn kaiming_normal(tensor: &Tensor, fan: Fan, nonlinearity: Nonlinearity, seed: u64) -> Result<()> {
    normal(tensor, 0.0, kaiming_std("kaiming_normal", tensor, fan, nonlinearity)?, seed)
}

fn kaiming_std(op: &'static str, tensor: &Tensor, fan: Fan, nonlinearity: Nonlinearity) -> Result<f64> {
    let (fan_in, fan_out) = fans(op, tensor)?;
    let fan = if fan == Fan::In { fan_in } else { fan_out };
    Ok(nonlinearity.gain() / fan.sqrt())
}

/// The number of inputs of each output, and of outputs of each input, for weights [out, in, receptive field…].
fn fans(op: &'static str, tensor: &Tensor) -> Result<(f64, f64)> {
    let dims = tensor.shape().dims();
    let [outputs, inputs, field @ ..] = dims else {
        return Err(Error::argument(op, "weights [out, in, …] of rank 2 or more", tensor.shape().to_string()));
    };
    let field: usize = field.iter().product();
    // A tensor without elements is filled with nothing, whatever the bound.
    Ok(((inputs * field).max(1) as f64, (outputs * field).max(1) as f64))
}
