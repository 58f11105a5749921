//! Steps: updates that are built once and run again and again, whichever tensors their gradients read.

use rustc_hash::FxHashSet;

use super::group::Group;
use super::hooks::Stages;
use super::kept::{Prepared, Purpose};
use super::state::listed;
use super::tables::Tables;
use super::{Optimizer, Rule};
use crate::expr::{Form, Reading};
use crate::run::assign::Update;
use crate::{Device, Error, Expr, Result, Tensor};

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
        if !self.prepared.find(Purpose::Step, &grads, &self.device()) {
            self.make_ready(Purpose::Step, &grads)?;
        }
        self.run().map(drop)
    }

    /// Changes every parameter along the gradient of `loss`, an expression with one element, and returns the loss as it was
    /// before, computed in the same passes as the gradient.
    ///
    /// A parameter that the loss does not read has a gradient of zeros, with which the rule goes on as with any other. A
    /// loss that depends on none of them is an error.
    ///
    /// The loss is differentiated at the first call, and whenever one of another form is passed: a loss built anew for each
    /// batch, of tensors of the same shapes, strides and dtypes, takes over what was derived for the one before. The last
    /// four forms are kept. A gradient without a reduction is computed in the update's own pass.
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
        let (purpose, losses) = (if wanted { Purpose::Minimize } else { Purpose::Descend }, std::slice::from_ref(loss));
        if !self.prepared.find(purpose, losses, &self.device()) {
            self.make_ready(purpose, losses)?;
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
        let expected = format!("a loss that depends on a parameter of {}: {}", self.name(), listed(&names));
        let found = "one that depends on none (Params::pack copies: build the loss of what Params::get returns)";
        Err(Error::argument("minimize", expected, found))
    }

    /// The device of the parameters.
    pub(super) fn device(&self) -> Device {
        self.parts().next().map_or_else(Device::cpu, |part| part.tensor.device())
    }

    /// Builds the updates of a step, and keeps them.
    fn make_ready(&mut self, purpose: Purpose, exprs: &[Expr]) -> Result<()> {
        let own: FxHashSet<usize> = self.parts().map(|part| part.tensor.storage().id()).collect();
        let (mut step, mut reading) = self.step_for(purpose, exprs, Some(&own))?;
        if !step.accepts(&reading, &self.device()) {
            // A state of the optimizer is read, or what a hook reads, too: then nothing else may stand there.
            (step, reading) = self.step_for(purpose, exprs, None)?;
        }
        self.prepared.keep(step, exprs, reading);
        Ok(())
    }

    /// The updates of a step: of stand-ins for all memory that is not the parameters' `own`, if it is known.
    fn step_for(
        &mut self,
        purpose: Purpose,
        exprs: &[Expr],
        own: Option<&FxHashSet<usize>>,
    ) -> Result<(Prepared, Reading)> {
        let fixed = |tensor: &Tensor| own.is_none_or(|own| own.contains(&tensor.storage().id()));
        let stand_in = |tensor: &Tensor| {
            Tensor::empty(self.name(), [0].into(), tensor.dtype(), &tensor.device()).map(|none| none.storage().clone())
        };
        let (form, exprs, reading) = Form::new(exprs, fixed, stand_in)?;
        self.begin()?;
        let stages = match purpose {
            Purpose::Step => self.updates(&exprs, None, &Tables::default())?,
            Purpose::Descend => self.updates_along(&exprs[0], false)?,
            Purpose::Minimize => self.updates_along(&exprs[0], true)?,
        };
        Ok((Prepared::new(purpose, form, stages, own.is_some()), reading))
    }

    /// The updates of a step along a loss, which they evaluate if it is `wanted`.
    fn updates_along(&self, loss: &Expr, wanted: bool) -> Result<Stages> {
        let tensors: Vec<&Tensor> = self.parts().filter(|part| !part.frozen).map(|part| &part.tensor).collect();
        self.require_reached(loss, &tensors)?;
        let tables = self.tables(loss)?;
        let loss = tables.loss().unwrap_or(loss);
        let blocks = self.groups.iter().flat_map(|group| &group.blocks).enumerate();
        let parts = blocks.flat_map(|(number, of)| of.block.parts.iter().map(move |part| (number, part)));
        let whole: Vec<Option<&Tensor>> =
            parts.map(|(number, part)| (!part.frozen && !tables.contain(number)).then_some(&part.tensor)).collect();
        let mut found = self.guard.scaled(loss).grad(&whole.iter().copied().flatten().collect::<Vec<_>>())?.into_iter();
        // Frozen parameters and tables need no gradient; nobody reads the 0 in its place.
        let grads = whole.iter().map(|tensor| tensor.and_then(|_| found.next()).unwrap_or_else(|| 0.0.into()));
        self.updates(&grads.collect::<Vec<Expr>>(), wanted.then_some(loss), &tables)
    }

    /// Runs the prepared updates, and returns the loss, if they compute it.
    fn run(&mut self) -> Result<Option<Tensor>> {
        self.groups.iter().try_for_each(Group::check)?;
        let Some(Stages { updates, loss, checked, .. }) = self.prepared.latest().map(|step| &step.stages) else {
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
                return Err(Error::argument(self.name(), "finite gradients", "NaN or infinities"));
            }
        }
        self.groups.iter_mut().try_for_each(Group::advance)?;
        numbered.try_for_each(|(at, update)| run(at, update))?;
        Ok(told)
    }
}
