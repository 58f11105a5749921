//! One table of cases for every device: each operation against the [reference](crate::reference).
//!
//! `hadamard check` and the tests run it. A case draws its inputs from a fixed seed, works out what is wanted in
//! f64, evaluates into fresh memory and again into a poisoned target between guards, and compares.

mod accuracy;
mod cases;
mod inputs;
mod judge;
mod report;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use accuracy::{Accuracy, measure};
use inputs::Inputs;
use judge::{Wrong, run_case};
pub use report::{Failure, Operation, Report};

use crate::reference::Reference;
use crate::{DType, Device, Expr, Result, Tensor};

/// Something to evaluate and compare.
pub struct Case {
    name: String,
    operation: String,
    seed: u64,
    dtypes: Vec<DType>,
    work: Box<Build>,
}

/// Draws a case's inputs and builds what it evaluates.
type Build = dyn Fn(&mut Inputs<'_>) -> Result<Work> + Send + Sync;

impl Case {
    /// What the case is, in words; no two are alike.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The operation it is counted under.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Where its inputs come from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether a device has every dtype the case needs.
    pub fn runs_on(&self, device: &Device) -> bool {
        let supported = dtypes(device);
        self.dtypes.iter().all(|d| supported.contains(d))
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (seed {:#x})", self.operation, self.name, self.seed)
    }
}

/// What a case asks of a device.
enum Work {
    /// Evaluation into new tensors, together if there are several.
    Eval(Vec<Expr>),
    /// As `Eval`, with what is right given.
    Given(Vec<(Expr, Reference)>),
    /// Evaluation into these tensors at once; nothing else in the buffers they are views of may change.
    Assign(Vec<Target>),
}

/// A target, the whole buffer it is a view of, and the value to assign.
type Target = (Tensor, Tensor, Expr);

/// The dtypes a device is tested with. One that cannot compute with a dtype yet is spared here.
fn dtypes(device: &Device) -> Vec<DType> {
    let f64 = device.info().f64;
    DType::ALL.into_iter().filter(|&d| d != DType::F64 || f64).collect()
}

/// Every case there is.
pub fn cases() -> Vec<Case> {
    cases::all()
}

/// Runs the whole table on a device, then measures how accurate each function is. `progress` is called before each
/// case with how many are done, how many there are, and the case.
pub fn run(device: &Device, progress: impl FnMut(usize, usize, &Case)) -> Report {
    let mut report = run_cases(device, &cases(), progress);
    let fail = |operation: &str, message| Failure {
        operation: operation.to_owned(),
        case: "accuracy".to_owned(),
        seed: 0,
        message,
        mismatch: None,
    };
    match catch_unwind(AssertUnwindSafe(|| measure(device))) {
        Ok(Ok(accuracy)) => report.accuracy = accuracy,
        Ok(Err(error)) => report.failures.push(fail("accuracy", format!("error: {error}"))),
        Err(panic) => report.failures.push(fail("accuracy", panic_message(&*panic))),
    }
    for one in report.accuracy.iter().filter(|a| !a.passed()) {
        let Accuracy { function, dtype, worst, bound, at, got, want, .. } = one;
        let message = format!(
            "{dtype} off by {worst:.2} ULP, not {bound:.1}, at {:e} and {:e}: {got:e}, not {want:e}",
            at.0, at.1
        );
        report.failures.push(fail(function, message));
    }
    report
}

/// Runs some cases on a device.
pub fn run_cases(device: &Device, cases: &[Case], mut progress: impl FnMut(usize, usize, &Case)) -> Report {
    let mut report = Report { device: device.to_string(), ..Report::default() };
    for (done, case) in cases.iter().enumerate() {
        progress(done, cases.len(), case);
        if !case.runs_on(device) {
            report.skipped += 1;
            continue;
        }
        // A panic is a bug in the engine like any other: note it and go on.
        let outcome = catch_unwind(AssertUnwindSafe(|| run_case(device, case)))
            .unwrap_or_else(|panic| Err(Wrong::new(panic_message(&*panic), None)));
        // A device may do no more with f64 than arithmetic, if it says so.
        if matches!(&outcome, Err(wrong) if wrong.unsupported) && case.dtypes.contains(&DType::F64) {
            report.skipped += 1;
            continue;
        }
        let at = report.operations.iter().position(|o| o.name == case.operation).unwrap_or_else(|| {
            report.operations.push(Operation { name: case.operation.clone(), ..Operation::default() });
            report.operations.len() - 1
        });
        let operation = &mut report.operations[at];
        operation.cases += 1;
        match outcome {
            Ok(comparison) => {
                operation.elements += comparison.elements;
                operation.worst = operation.worst.max(comparison.worst);
            }
            Err(Wrong { message, mismatch, .. }) => {
                operation.failures += 1;
                let (operation, case, seed) = (case.operation.clone(), case.name.clone(), case.seed);
                report.failures.push(Failure { operation, case, seed, message, mismatch });
            }
        }
    }
    report
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    format!("panicked: {}", text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default())
}

#[cfg(test)]
mod tests;
