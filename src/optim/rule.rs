//! What distinguishes one optimizer from another.

use crate::{Error, Expr, Result, Shape};

/// How an optimizer turns a gradient into a new weight. Implement it to write an optimizer of your own.
///
/// ```
/// use hadamard::optim::{Optimizer, Rule};
/// use hadamard::{Device, Expr, Tensor};
///
/// /// `m = beta m + sign(g); w = w - lr m`
/// #[derive(Clone, Default)]
/// struct SignMomentum {
///     beta: f64,
/// }
///
/// impl Rule for SignMomentum {
///     const NAME: &'static str = "SignMomentum";
///     const LR: f64 = 0.1;
///     fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
///         vec![("momentum", 0.0)]
///     }
///     fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
///         vec![lr]
///     }
///     fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
///         let m = self.beta * &state[0] + g.sign();
///         (w - &numbers[0] * &m, vec![m])
///     }
/// }
///
/// let w = Tensor::from_slice(&[1.0_f32, -1.0], [2], &Device::cpu())?;
/// let mut optimizer = Optimizer::with(SignMomentum { beta: 0.5 }, &[&w]);
/// optimizer.step(&[2.0 * &w])?;
/// assert_eq!(w.to_vec::<f32>()?, [0.9, -0.9]);
/// # Ok::<(), hadamard::Error>(())
/// ```
pub trait Rule: Clone + Send + Sync + 'static {
    /// The optimizer's name, for errors.
    const NAME: &'static str;
    /// The default learning rate.
    const LR: f64;

    /// The optimizer's name: [`NAME`](Self::NAME), but for a rule that stands for others.
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] that names the option the optimizer does not take.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Checks a parameter, by its name.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a shape that the optimizer does not take.
    fn check_parameter(&self, _name: &str, _shape: &Shape) -> Result<()> {
        Ok(())
    }

    /// The tensors kept for each parameter: names and initial values. `lr` is the learning rate of the first step.
    fn state(&self, lr: f64) -> Vec<(&'static str, f64)>;

    /// The shape of a state of a parameter of this shape: the parameter's, unless a rule says otherwise. Then packed parameters
    /// are taken apart and updated one by one.
    fn state_shape(&self, _name: &str, shape: &Shape) -> Shape {
        shape.clone()
    }

    /// Initial values of the numbers that the rule itself keeps from step to step.
    fn memory(&self, _lr: f64) -> Vec<f64> {
        Vec::new()
    }

    /// The numbers that [`update`](Self::update) needs in `step`, which counts from 1. Every step has equally many.
    fn numbers(&self, lr: f64, step: u64, memory: &mut [f64]) -> Vec<f64>;

    /// The new weight and the new state, from the old weight, the gradient, the old state and the step's numbers.
    ///
    /// It is called as an update is built, not at every step: its arguments read tensors and
    /// [`ScalarCell`](crate::ScalarCell)s, and the expressions it returns are evaluated anew at every step.
    ///
    /// `w` is one parameter in its own shape, also where parameters are packed, so that `w.norm(2, ..)` is a layer's norm.
    /// A rule without reductions that does the same whatever the shape is one pass over all packed parameters.
    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>);

    /// What [`update`](Self::update) adds to a weight, if that is a multiple of the gradient, and nothing is remembered of
    /// it. Then a step along a loss that reads some rows of a table changes these and looks at no others; what each reading
    /// of a row adds is added by itself, in their order.
    ///
    /// ```
    /// use hadamard::{DType, Device, Expr, Tensor};
    /// use hadamard::optim::{Optimizer, Rule};
    ///
    /// #[derive(Clone)]
    /// struct Descent;
    ///
    /// impl Rule for Descent {
    ///     const NAME: &'static str = "Descent";
    ///     const LR: f64 = 0.5;
    ///     fn state(&self, _lr: f64) -> Vec<(&'static str, f64)> {
    ///         vec![]
    ///     }
    ///     fn numbers(&self, lr: f64, _step: u64, _memory: &mut [f64]) -> Vec<f64> {
    ///         vec![lr]
    ///     }
    ///     fn update(&self, w: &Expr, g: &Expr, _state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
    ///         (w - &numbers[0] * g, vec![])
    ///     }
    ///     fn added(&self, g: &Expr, numbers: &[Expr]) -> Option<Expr> {
    ///         Some(-(&numbers[0] * g))
    ///     }
    /// }
    ///
    /// let table = Tensor::ones([5000, 2], DType::F32, &Device::cpu())?;
    /// let rows = Tensor::from_slice(&[1_i64, 3, 3], [3], &Device::cpu())?;
    /// Optimizer::with(Descent, &[&table]).minimize(&(table.embedding(&rows) * 0.5).sum(..))?;
    /// assert_eq!(table.to_vec::<f32>()?[..8], [1.0, 1.0, 0.75, 0.75, 1.0, 1.0, 0.5, 0.5]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    fn added(&self, _g: &Expr, _numbers: &[Expr]) -> Option<Expr> {
        None
    }
}

/// Refuses an option that is not `fine`.
pub(super) fn require(op: &'static str, fine: bool, expected: &str, found: impl std::fmt::Debug) -> Result<()> {
    if fine { Ok(()) } else { Err(Error::argument(op, expected, format!("{found:?}"))) }
}

/// Refuses a weight decay below 0.
pub(super) fn require_decay(op: &'static str, weight_decay: f64) -> Result<()> {
    require(op, weight_decay >= 0.0, "a weight_decay of at least 0", weight_decay)
}

/// Refuses betas outside [0, 1), and an epsilon below 0.
pub(super) fn require_betas(op: &'static str, betas: (f64, f64), eps: f64) -> Result<()> {
    let fine = |beta: f64| (0.0..1.0).contains(&beta);
    require(op, fine(betas.0) && fine(betas.1), "betas from 0 up to, not including, 1", betas)?;
    require_eps(op, eps)
}

/// Refuses an epsilon below 0.
pub(super) fn require_eps(op: &'static str, eps: f64) -> Result<()> {
    require(op, eps >= 0.0, "an eps of at least 0", eps)
}

/// The gradient with L2 regularisation in it: `g + decay * w`, if there is any `weight_decay`.
///
/// `decay` is the number of the step, and `weight_decay` the option, of which it is known as the update is built whether
/// it is 0.
pub(super) fn decayed(g: &Expr, w: &Expr, decay: &Expr, weight_decay: f64) -> Expr {
    if weight_decay == 0.0 { g.clone() } else { g + decay * w }
}

/// The weight with decoupled decay: `w * keep`, where `keep` is `1 - lr * weight_decay`.
pub(super) fn shrunk(w: &Expr, keep: &Expr, weight_decay: f64) -> Expr {
    if weight_decay == 0.0 { w.clone() } else { w * keep }
}

/// The number that [`with_decay`] takes: what is kept of the weight if decay is decoupled, else the decay.
pub(super) fn decay_number(lr: f64, weight_decay: f64, decoupled: bool) -> f64 {
    if decoupled { 1.0 - lr * weight_decay } else { weight_decay }
}

/// Weight and gradient with weight decay in one of them: in the weight if it is decoupled, else in the gradient.
pub(super) fn with_decay(w: &Expr, g: &Expr, number: &Expr, weight_decay: f64, decoupled: bool) -> (Expr, Expr) {
    if decoupled {
        (shrunk(w, number, weight_decay), g.clone())
    } else {
        (w.clone(), decayed(g, w, number, weight_decay))
    }
}

/// The numbers of a moving average: how much is kept of the old, and how much of the new comes in.
pub(super) fn shares(beta: f64) -> [f64; 2] {
    [beta, 1.0 - beta]
}

/// The numbers of two moving averages.
pub(super) fn both_shares((beta1, beta2): (f64, f64)) -> [f64; 4] {
    [beta1, 1.0 - beta1, beta2, 1.0 - beta2]
}

/// The moving average: `beta * old + (1 - beta) * new`, by the numbers of [`shares`].
pub(super) fn average(shares: &[Expr], old: &Expr, new: &Expr) -> Expr {
    &shares[0] * old + &shares[1] * new
}

/// The new moving averages of the gradient and of its square, by the numbers of [`both_shares`]. `state` holds the old
/// ones.
pub(super) fn moments(shares: &[Expr], state: &[Expr], g: &Expr) -> (Expr, Expr) {
    (average(&shares[..2], &state[0], g), average(&shares[2..], &state[1], &(g * g)))
}

/// Methods of an optimizer that set options of its rule.
macro_rules! options {
    ($rule:ty { $($(#[$doc:meta])* $name:ident: $ty:ty),* $(,)? }) => {
        impl $crate::optim::Optimizer<$rule> {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $name: $ty) -> Self {
                self.rule().$name = $name;
                self
            }
        )*}
    };
}
pub(super) use options;

/// Methods of an optimizer that let options of its rule follow schedules: `factor` multiplies them, `value` is them.
macro_rules! schedules {
    ($rule:ty { $($(#[$doc:meta])* $method:ident: $kind:ident $name:ident),* $(,)? }) => {
        impl $crate::optim::Optimizer<$rule> {$(
            $crate::optim::rule::schedules!(@$kind $rule, [$(#[$doc])*], $method, $name);
        )*}
    };
    (@factor $rule:ty, [$(#[$doc:meta])*], $method:ident, $name:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, factor: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
            self.follow(move |rule: &mut $rule, steps| rule.$name *= factor(steps));
            self
        }
    };
    (@value $rule:ty, [$(#[$doc:meta])*], $method:ident, $name:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, value: impl Fn(u64) -> f64 + Send + Sync + 'static) -> Self {
            self.follow(move |rule: &mut $rule, steps| rule.$name = value(steps));
            self
        }
    };
    (@pair $rule:ty, [$(#[$doc:meta])*], $method:ident, $name:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $method(mut self, value: impl Fn(u64) -> (f64, f64) + Send + Sync + 'static) -> Self {
            self.follow(move |rule: &mut $rule, steps| rule.$name = value(steps));
            self
        }
    };
}
pub(super) use schedules;
