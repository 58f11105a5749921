//! Steps: updates that are built once and run again and again.

use super::group::Group;
use super::hooks::Stages;
use super::state::listed;
use super::{Optimizer, Rule};
use crate::expr::Op;
use crate::run::assign::Update;
use crate::{Device, Error, Expr, Result, Tensor};

/// The updates that a step runs, kept while the gradients stay the same.
pub(super) struct Prepared {
    source: Source,
    pub(super) stages: Stages,
}

/// Where the gradients come from.
enum Source {
    Grads(Vec<Expr>),
    /// A loss, and whether it is evaluated.
    Loss(Expr, bool),
}

impl<R: Rule> Optimizer<R> {
    /// Changes every parameter by its gradient.
    ///
    /// Pass one gradient for each parameter, frozen ones included, in the same order and with the same shapes. For
    /// packed parameters, one gradient for each block will do, laid out as the block is; its gaps may hold anything.
    /// A gradient may read the parameters: all gradients are computed before any parameter changes.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for options that the optimizer does not take, gradients that do not fit,
    /// or two parameters that share memory, by their names; [`Error::DType`] for parameters that are not floats; and as
    /// [`assign`](crate::assign). Nothing has changed, unless the device fails half-way.
    pub fn step<G: Clone + Into<Expr>>(&mut self, grads: &[G]) -> Result<()> {
        let grads: Vec<Expr> = grads.iter().map(|g| g.clone().into()).collect();
        let ready = match &self.prepared {
            Some(Prepared { source: Source::Grads(old), .. }) => {
                old.len() == grads.len() && old.iter().zip(&grads).all(|(a, b)| is_same(a, b))
            }
            _ => false,
        };
        if !ready {
            let stages = self.updates(&grads, None)?;
            self.keep(Source::Grads(grads), stages);
        }
        self.run().map(drop)
    }

    /// Changes every parameter along the gradient of `loss`, an expression with one element, and returns the loss as it was
    /// before, computed in the same passes as the gradient.
    ///
    /// A parameter that the loss does not read has a gradient of zeros, with which the rule goes on as with any other. A
    /// loss that depends on none of them is an error.
    ///
    /// The loss is differentiated at the first call and whenever another loss is passed, so build it once. A gradient
    /// without a reduction is computed in the update's own pass.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, optim::Adam};
    /// let device = Device::cpu();
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device)?;
    /// let y = Tensor::from_slice(&[3.0_f32, 5.0, 7.0], [3], &device)?;
    /// let (w, b) = (Tensor::full([], 0.0_f32, &device)?, Tensor::full([], 0.0_f32, &device)?);
    /// let loss = (&w * &x + &b - &y).square().mean(..);
    /// let mut adam = Adam::new(&[&w, &b]).lr(0.1);
    /// for _ in 0..500 {
    ///     let before = adam.minimize(&loss)?; // a tensor: reading it waits for the device
    /// }
    /// assert!((w.item::<f32>()? - 2.0).abs() < 1e-3 && (b.item::<f32>()? - 1.0).abs() < 1e-3);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the loss depends on no parameter, or on frozen ones alone, and as [`Expr::grad`] and
    /// [`step`](Self::step).
    pub fn minimize(&mut self, loss: &Expr) -> Result<Tensor> {
        match self.along(loss, true)? {
            Some(value) => Ok(value),
            // All parameters are frozen.
            None => loss.eval(),
        }
    }

    /// As [`minimize`](Self::minimize), but does not evaluate the loss: where gradients need no reduction, a step is then
    /// one pass over each parameter and no more.
    ///
    /// # Errors
    ///
    /// As [`minimize`](Self::minimize).
    pub fn descend(&mut self, loss: &Expr) -> Result<()> {
        self.along(loss, false).map(drop)
    }

    /// A step along a loss; and the loss, if it is `wanted` and some parameter is not frozen.
    fn along(&mut self, loss: &Expr, wanted: bool) -> Result<Option<Tensor>> {
        let is_ready =
            |p: &Prepared| matches!(&p.source, Source::Loss(old, was) if *was == wanted && is_same(old, loss));
        let ready = self.prepared.as_ref().is_some_and(is_ready);
        if !ready {
            self.begin_guard()?;
            let tensors: Vec<&Tensor> = self.parts().filter(|part| !part.frozen).map(|part| &part.tensor).collect();
            self.require_reached(loss, &tensors)?;
            let scaled = self.guard.scaled(loss);
            let mut found = scaled.grad(&tensors)?.into_iter();
            // Frozen parameters need no gradient; nobody reads the 0 in its place.
            let parts = self.parts().map(|part| if part.frozen { None } else { found.next() });
            let grads: Vec<Expr> = parts.map(|grad| grad.unwrap_or_else(|| 0.0.into())).collect();
            let stages = self.updates(&grads, wanted.then_some(loss))?;
            self.keep(Source::Loss(loss.clone(), wanted), stages);
        }
        self.run()
    }

    /// Refuses a loss that no parameter moves.
    fn require_reached(&self, loss: &Expr, tensors: &[&Tensor]) -> Result<()> {
        loss.check()?;
        if tensors.is_empty() || loss.depends_on(tensors) {
            return Ok(());
        }
        let names: Vec<&str> = self.parts().filter(|part| !part.frozen).map(|part| part.name.as_str()).collect();
        let expected = format!("a loss that depends on a parameter of {}: {}", R::NAME, listed(&names));
        let found = "one that depends on none (Params::pack copies: build the loss of what Params::get returns)";
        Err(Error::argument("minimize", expected, found))
    }

    /// The device of the parameters.
    pub(super) fn device(&self) -> Device {
        self.parts().next().map_or_else(Device::cpu, |part| part.tensor.device())
    }

    fn keep(&mut self, source: Source, mut stages: Stages) {
        // New gradients of the same form reuse the old plans.
        let old = self.prepared.take().map_or_else(Vec::new, |old| old.stages.updates);
        for (new, old) in stages.updates.iter_mut().zip(old) {
            new.adopt(old);
        }
        self.prepared = Some(Prepared { source, stages });
    }

    /// Runs the prepared updates, and returns the loss, if they compute it.
    fn run(&mut self) -> Result<Option<Tensor>> {
        self.groups.iter().try_for_each(Group::check)?;
        let Some(Prepared { stages: Stages { updates, loss, checked, .. }, .. }) = &self.prepared else {
            return Ok(None);
        };
        let mut told = None;
        let mut run = |at: usize, update: &Update| match loss {
            Some(of_update) if *of_update == at => update.run_with_new_last().map(|value| told = Some(value)),
            _ => update.run(),
        };
        let mut numbered = updates.iter().enumerate();
        if let Some((count, finite)) = checked {
            numbered.by_ref().take(*count).try_for_each(|(at, update)| run(at, update))?;
            if !finite.item::<bool>()? {
                return Err(Error::argument(R::NAME, "finite gradients", "NaN or infinities"));
            }
        }
        self.groups.iter_mut().try_for_each(Group::advance)?;
        numbered.try_for_each(|(at, update)| run(at, update))?;
        Ok(told)
    }
}

/// Whether two gradients are the same expression, or the same view of the same memory.
fn is_same(a: &Expr, b: &Expr) -> bool {
    match (&a.0.op, &b.0.op) {
        (Op::Leaf(a), Op::Leaf(b)) => a.is_same_view(b),
        _ => std::ptr::eq(&raw const *a.0, &raw const *b.0),
    }
}
