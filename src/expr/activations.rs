//! Activation functions, made of other functions so that they fuse and have gradients: PyTorch's, kinks included.
//!
//! What a selection does not take still gets a gradient of 0, and 0 times an infinite slope is NaN. So where a branch is
//! not taken, its argument is kept where its slope is finite.

use super::compose::of_float;
use super::node::Expr;

impl Expr {
    /// `log(1 + exp(beta x)) / beta`, a smooth [`relu`](Self::relu); where `beta x` is above `threshold`, `x` itself.
    /// PyTorch's defaults are 1 and 20.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[0.0_f32, 1000.0], [2], &Device::cpu())?;
    /// assert_eq!(x.softplus(1.0, 20.0).eval()?.to_vec::<f32>()?, [std::f32::consts::LN_2, 1000.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// Anything but a float is an error.
    #[must_use]
    pub fn softplus(&self, beta: f64, threshold: f64) -> Self {
        of_float("softplus", self, || {
            let scaled = self * beta;
            let smooth = scaled.capped(threshold).exp().log1p() / beta;
            Self::select(scaled.gt(threshold), self, smooth)
        })
    }

    /// The logarithm of [`sigmoid`](Self::sigmoid), accurate where that is near 0 or 1. Anything but a float is an error.
    #[must_use]
    pub fn logsigmoid(&self) -> Self {
        // e⁻⁸⁰ is nothing beside 80, in f64, too.
        of_float("logsigmoid", self, || -(-self).softplus(1.0, 80.0))
    }

    /// `x` times its [`sigmoid`](Self::sigmoid) ([Elfwing, Uchibe and Doya, 2017](https://arxiv.org/abs/1702.03118)), also
    /// called swish. Anything but a float is an error.
    #[must_use]
    pub fn silu(&self) -> Self {
        // Of exponents that are not above 0: e^(-x) would overflow before x e^x vanishes, and e^x loses digits before.
        of_float("silu", self, || {
            let half = self.half_exp();
            self * &half / ((-self.abs()).exp() + 1) * half
        })
    }

    /// `x` times the hyperbolic tangent of its [`softplus`](Self::softplus) ([Misra, 2019](https://arxiv.org/abs/1908.08681)).
    /// Anything but a float is an error.
    #[must_use]
    pub fn mish(&self) -> Self {
        // tanh(log(1 + e^x)) is n / (n + 2) with n = e^x (e^x + 2); above 0, both are taken times e^(-2x).
        of_float("mish", self, || {
            let (e, half) = ((-self.abs()).exp(), self.half_exp());
            let is_below = self.lt(0);
            let upper = Self::select(&is_below, &e + 2, &e * 2 + 1);
            let square = e.square();
            let lower = Self::select(is_below, &square + &e * 2 + 2, square * 2 + e * 2 + 1);
            self * &half * (upper / lower) * half
        })
    }

    /// The square root of e^x below 0, else 1: x times its square keeps the digits that e^x itself loses where it is
    /// subnormal.
    fn half_exp(&self) -> Self {
        (self.capped(0) * 0.5).exp()
    }

    /// `above`, or where `self` is at most 0, what `below` makes of it. NaN is above, and `below` never sees it: its gradient,
    /// which is not taken, would be 0 times NaN.
    fn unless_below_0(&self, below: impl FnOnce(&Self) -> Self, above: &Self) -> Self {
        let is_below = self.le(0);
        Self::select(&is_below, below(&Self::select(&is_below, self, 0)), above)
    }

    /// `x` above 0, else `alpha (exp(x) - 1)` ([Clevert, Unterthiner and Hochreiter, 2015](https://arxiv.org/abs/1511.07289)).
    /// PyTorch's default is 1. Anything but a float is an error.
    #[must_use]
    pub fn elu(&self, alpha: f64) -> Self {
        of_float("elu", self, || self.unless_below_0(|x| x.expm1() * alpha, self))
    }

    /// [`elu`](Self::elu) with the `alpha` and the scale that keep mean 0 and variance 1
    /// ([Klambauer and others, 2017](https://arxiv.org/abs/1706.02515)). Anything but a float is an error.
    #[must_use]
    pub fn selu(&self) -> Self {
        const ALPHA: f64 = 1.673_263_242_354_377_2;
        const SCALE: f64 = 1.050_700_987_355_480_5;
        of_float("selu", self, || self.unless_below_0(|x| x.expm1() * (ALPHA * SCALE), &(self * SCALE)))
    }

    /// `x` above 0, else `alpha (exp(x / alpha) - 1)`, whose slope at 0 is 1 ([Barron, 2017](https://arxiv.org/abs/1704.07483)).
    /// PyTorch's default is 1. Anything but a float is an error.
    #[must_use]
    pub fn celu(&self, alpha: f64) -> Self {
        of_float("celu", self, || self.unless_below_0(|x| (x / alpha).expm1() * alpha, self))
    }

    /// `x` kept between two numbers, -1 and 1 by default in PyTorch: [`clamp`](Self::clamp).
    #[must_use]
    pub fn hardtanh(&self, min_val: impl Into<Self>, max_val: impl Into<Self>) -> Self {
        self.clamp(min_val, max_val)
    }

    /// `x` kept between 0 and 6.
    #[must_use]
    pub fn relu6(&self) -> Self {
        self.hardtanh(0, 6)
    }

    /// `(x + 3) / 6` kept between 0 and 1, a [`sigmoid`](Self::sigmoid) of straight lines. Anything but a float is an
    /// error.
    #[must_use]
    pub fn hardsigmoid(&self) -> Self {
        of_float("hardsigmoid", self, || (self + 3).hardtanh(0, 6) / 6)
    }

    /// `x` times its [`hardsigmoid`](Self::hardsigmoid) ([Howard and others, 2019](https://arxiv.org/abs/1905.02244)).
    /// Anything but a float is an error.
    #[must_use]
    pub fn hardswish(&self) -> Self {
        of_float("hardswish", self, || {
            let inner = self * ((self + 3).clamp(0, 6) / 6);
            // Its slope is that of the straight lines at their ends, too.
            Self::select(self.ge(3), self, Self::select(self.eq(-3), 0, inner))
        })
    }

    /// `x` above 0, else `negative_slope x`. PyTorch's default is 0.01. Anything but a float is an error.
    #[must_use]
    pub fn leaky_relu(&self, negative_slope: f64) -> Self {
        of_float("leaky_relu", self, || Self::select(self.gt(0), self, self * negative_slope))
    }

    /// `x / (1 + |x|)`.
    #[must_use]
    pub fn softsign(&self) -> Self {
        self / (self.abs() + 1)
    }

    /// `x - tanh(x)`, of which next to 0 the digits cancel, as in PyTorch.
    #[must_use]
    pub fn tanhshrink(&self) -> Self {
        self - self.tanh()
    }

    /// `x`, and 0 where it lies between `-lambd` and `lambd`, the ends included. PyTorch's default is 0.5. Anything but a
    /// float is an error.
    #[must_use]
    pub fn hardshrink(&self, lambd: f64) -> Self {
        of_float("hardshrink", self, || Self::select(self.ge(-lambd) & self.le(lambd), 0, self))
    }

    /// `x` moved towards 0 by `lambd`, and 0 where it would go beyond. PyTorch's default is 0.5. Anything but a float is an
    /// error.
    #[must_use]
    pub fn softshrink(&self, lambd: f64) -> Self {
        of_float("softshrink", self, || {
            // 0 times x: NaN stays, and so does the sign of a zero.
            let inner = Self::select(self.lt(-lambd), self + lambd, self * 0.0);
            Self::select(self.gt(lambd), self - lambd, inner)
        })
    }

    /// [`gelu`](Self::gelu) by a hyperbolic tangent, PyTorch's `approximate="tanh"`:
    /// `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`. Anything but a float is an error.
    #[must_use]
    pub fn gelu_tanh(&self) -> Self {
        // (1 + tanh(z)) / 2 is the sigmoid of 2z.
        const TWICE: f64 = 2.0 * 0.797_884_560_802_865_4;
        of_float("gelu_tanh", self, || self * ((self * TWICE) * (self.square() * 0.044_715 + 1)).sigmoid())
    }
}
