//! An optimizer whose rule is chosen as the program runs.

use std::any::Any;
use std::sync::Arc;

use super::group::Follow;
use super::{Optimizer, Rule};
use crate::{Expr, Result, Shape};

/// An optimizer by whatever rule; see [`Optimizer::any`].
pub type AnyOptimizer = Optimizer<AnyRule>;

/// The rule of [`AnyOptimizer`].
pub struct AnyRule(Box<dyn Boxed>);

impl<R: Rule> Optimizer<R> {
    /// The same optimizer, by a type that does not say its rule: for programs that choose it as they run.
    ///
    /// ```
    /// use hadamard::optim::{Adam, AnyOptimizer, SGD};
    /// use hadamard::{Device, Tensor};
    /// let w = Tensor::from_slice(&[1.0_f32, -2.0], [2], &Device::cpu())?;
    /// let optimizer = |name| -> AnyOptimizer {
    ///     if name == "Adam" { Adam::new(&[&w]).lr(0.1).any() } else { SGD::new(&[&w]).lr(0.25).any() }
    /// };
    /// let mut chosen = optimizer("SGD");
    /// chosen.step(&[2.0 * &w])?;
    /// assert_eq!(w.to_vec::<f32>()?, [0.5, -1.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    #[must_use]
    pub fn any(self) -> AnyOptimizer {
        self.map_groups(|group| {
            let follows = group.follows.iter().cloned().map(AnyRule::follow).collect();
            group.replace(|rule| AnyRule(Box::new(rule)), follows)
        })
    }
}

impl AnyRule {
    fn follow<R: Rule>(change: Follow<R>) -> Follow<Self> {
        Arc::new(move |any, steps| {
            let rule: &mut dyn Any = &mut *any.0;
            if let Some(rule) = rule.downcast_mut() {
                change(rule, steps);
            }
        })
    }
}

/// A [`Rule`] without its type.
trait Boxed: Any + Send + Sync {
    fn boxed(&self) -> Box<dyn Boxed>;
    fn name(&self) -> &'static str;
    fn check(&self) -> Result<()>;
    fn check_parameter(&self, name: &str, shape: &Shape) -> Result<()>;
    fn state(&self, lr: f64) -> Vec<(&'static str, f64)>;
    fn state_shape(&self, name: &str, shape: &Shape) -> Shape;
    fn memory(&self, lr: f64) -> Vec<f64>;
    fn numbers(&self, lr: f64, step: u64, memory: &mut [f64]) -> Vec<f64>;
    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>);
    fn added(&self, g: &Expr, numbers: &[Expr]) -> Option<Expr>;
}

impl<R: Rule> Boxed for R {
    fn boxed(&self) -> Box<dyn Boxed> {
        Box::new(self.clone())
    }

    fn name(&self) -> &'static str {
        Rule::name(self)
    }

    fn check(&self) -> Result<()> {
        Rule::check(self)
    }

    fn check_parameter(&self, name: &str, shape: &Shape) -> Result<()> {
        Rule::check_parameter(self, name, shape)
    }

    fn state(&self, lr: f64) -> Vec<(&'static str, f64)> {
        Rule::state(self, lr)
    }

    fn state_shape(&self, name: &str, shape: &Shape) -> Shape {
        Rule::state_shape(self, name, shape)
    }

    fn memory(&self, lr: f64) -> Vec<f64> {
        Rule::memory(self, lr)
    }

    fn numbers(&self, lr: f64, step: u64, memory: &mut [f64]) -> Vec<f64> {
        Rule::numbers(self, lr, step, memory)
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        Rule::update(self, w, g, state, numbers)
    }

    fn added(&self, g: &Expr, numbers: &[Expr]) -> Option<Expr> {
        Rule::added(self, g, numbers)
    }
}

impl Clone for AnyRule {
    fn clone(&self) -> Self {
        Self(self.0.boxed())
    }
}

impl Rule for AnyRule {
    const NAME: &'static str = "AnyOptimizer";
    const LR: f64 = 0.0;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn check(&self) -> Result<()> {
        self.0.check()
    }

    fn check_parameter(&self, name: &str, shape: &Shape) -> Result<()> {
        self.0.check_parameter(name, shape)
    }

    fn state(&self, lr: f64) -> Vec<(&'static str, f64)> {
        self.0.state(lr)
    }

    fn state_shape(&self, name: &str, shape: &Shape) -> Shape {
        self.0.state_shape(name, shape)
    }

    fn memory(&self, lr: f64) -> Vec<f64> {
        self.0.memory(lr)
    }

    fn numbers(&self, lr: f64, step: u64, memory: &mut [f64]) -> Vec<f64> {
        self.0.numbers(lr, step, memory)
    }

    fn update(&self, w: &Expr, g: &Expr, state: &[Expr], numbers: &[Expr]) -> (Expr, Vec<Expr>) {
        self.0.update(w, g, state, numbers)
    }

    fn added(&self, g: &Expr, numbers: &[Expr]) -> Option<Expr> {
        self.0.added(g, numbers)
    }
}
