//! Runs one case and holds what came out against the reference.

use super::inputs::{Guarded, Inputs, guarded, poison, upload};
use super::{Case, Target, Work};
use crate::reference::{self, Comparison, Mismatch, Reference};
use crate::{Device, Error, Expr, Result, Shape, assign, eval_all};

/// Why a case failed.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) mismatch: Option<Mismatch>,
    /// Whether the device lacks what the case needs.
    pub(super) unsupported: bool,
}

impl Wrong {
    pub(super) fn new(message: String, mismatch: Option<Mismatch>) -> Self {
        Self { message, mismatch, unsupported: false }
    }
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        let unsupported = matches!(error, Error::Unsupported { .. });
        // Whose fault it was is further down.
        let mut message = format!("error: {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self { message, mismatch: None, unsupported }
    }
}

/// Evaluates what the case asks for and compares it.
pub(super) fn run_case(device: &Device, case: &Case) -> Result<Comparison, Wrong> {
    let mut total = Comparison::default();
    match (case.work)(&mut Inputs::new(device, case.seed))? {
        Work::Eval(exprs) => {
            let wants = exprs.iter().map(reference::eval).collect::<Result<Vec<_>>>()?;
            eval(device, &exprs, &wants, &mut total)?;
            for (i, (expr, want)) in exprs.iter().zip(&wants).enumerate() {
                let target = target(device, case, expr, want)?;
                assign_all(&[target], &format!("assign of result {i}"), &mut total)?;
            }
        }
        Work::Given(pairs) => {
            let (exprs, wants): (Vec<Expr>, Vec<Reference>) = pairs.into_iter().unzip();
            eval(device, &exprs, &wants, &mut total)?;
            let targets = exprs.iter().zip(&wants).map(|(expr, want)| target(device, case, expr, want));
            let targets = targets.collect::<Result<Vec<Target>>>()?;
            let before = buffers(&targets)?;
            assign(&targets.iter().map(|(target, _, expr)| (target, expr.clone())).collect::<Vec<_>>())?;
            judge_targets(&targets, &wants, &before, "assign", &mut total)?;
        }
        Work::Assign(targets) => assign_all(&targets, "assign", &mut total)?,
    }
    Ok(total)
}

/// Evaluates into memory that was poisoned, and compares.
fn eval(device: &Device, exprs: &[Expr], wants: &[Reference], total: &mut Comparison) -> Result<(), Wrong> {
    poison_memory(wants, device)?;
    let got = match exprs {
        [expr] => vec![expr.eval()?],
        _ => eval_all(exprs)?,
    };
    for (i, (got, want)) in got.iter().zip(wants).enumerate() {
        judge(&reference::compare(got, want)?, &format!("eval of {:?}, result {i}", exprs[i]), total)?;
    }
    Ok(())
}

/// A poisoned target for an expression, aligned to a 16-byte word for most cases, in the midst of one for some.
fn target(device: &Device, case: &Case, expr: &Expr, want: &Reference) -> Result<Target> {
    let front = if case.seed.is_multiple_of(4) { 1 + case.seed as usize / 4 % 7 } else { 16 };
    let Guarded { target, buffer } = guarded(&want.shape, want.dtype, &want.values, front, device)?;
    Ok((target, buffer, expr.clone()))
}

/// Leaves poison in the memory that the results of an evaluation are likely to be given.
fn poison_memory(wants: &[Reference], device: &Device) -> Result<()> {
    let spoiled = wants
        .iter()
        .map(|want| {
            upload(&vec![poison(want.dtype); want.values.len()], want.dtype, Shape::from(want.values.len()), device)
        })
        .collect::<Result<Vec<_>>>()?;
    drop(spoiled);
    Ok(())
}

pub(super) fn assign_all(targets: &[Target], what: &str, total: &mut Comparison) -> Result<(), Wrong> {
    let wants = targets
        .iter()
        .map(|(target, _, expr)| reference::eval(&expr.cast(target.dtype()).broadcast_to(target.shape())))
        .collect::<Result<Vec<_>>>()?;
    let before = buffers(targets)?;
    assign(&targets.iter().map(|(target, _, expr)| (target, expr.clone())).collect::<Vec<_>>())?;
    judge_targets(targets, &wants, &before, what, total)
}

/// All that lies in the targets' buffers.
pub(super) fn buffers(targets: &[Target]) -> Result<Vec<Vec<f64>>> {
    targets.iter().map(|(_, buffer, _)| reference::elements(buffer)).collect()
}

/// Whether the targets hold what was wanted, and their buffers elsewhere what they held before.
pub(super) fn judge_targets(
    targets: &[Target],
    wants: &[Reference],
    before: &[Vec<f64>],
    what: &str,
    total: &mut Comparison,
) -> Result<(), Wrong> {
    let after = buffers(targets)?;
    for (i, (target, buffer, _)) in targets.iter().enumerate() {
        judge(&reference::compare(target, &wants[i])?, &format!("{what}, target {i}"), total)?;
        // Other targets may lie in the same buffer; what no target covers must be as it was.
        let mut written = vec![false; after[i].len()];
        for (other, _, _) in targets.iter().filter(|(o, _, _)| o.storage().id() == buffer.storage().id()) {
            reference::positions(other, |position| written[position] = true);
        }
        let same = |at: &usize| before[i][*at].to_bits() == after[i][*at].to_bits();
        if let Some(at) = (0..written.len()).find(|at| !written[*at] && !same(at)) {
            let (old, new) = (before[i][at], after[i][at]);
            let message =
                format!("{what}, target {i}: element {at} of its buffer, outside it, went from {old} to {new}");
            return Err(Wrong::new(message, None));
        }
    }
    Ok(())
}

pub(super) fn judge(comparison: &Comparison, what: &str, total: &mut Comparison) -> Result<(), Wrong> {
    if !comparison.passed() {
        return Err(Wrong::new(format!("{what}: {comparison}"), comparison.first));
    }
    total.elements += comparison.elements;
    total.undetermined += comparison.undetermined;
    total.worst = total.worst.max(comparison.worst);
    Ok(())
}
