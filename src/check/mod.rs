//! One table of cases for every device: each operation against the [reference](crate::reference).
//!
//! `hadamard check` and the tests run it. A case draws its inputs from a fixed seed, works out what is wanted in
//! f64, evaluates into fresh memory and again into a poisoned target between guards, and compares.

mod accuracy;
mod cases;
mod inputs;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use accuracy::{Accuracy, measure};
use inputs::{Guarded, Inputs, guarded, poison, upload};

use crate::reference::{self, Comparison, Mismatch, Reference};
use crate::{DType, Device, Error, Expr, Result, Shape, Tensor, assign, eval_all};

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

/// How a device did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// The device.
    pub device: String,
    /// How each operation did, in the order of the table.
    pub operations: Vec<Operation>,
    /// What went wrong.
    pub failures: Vec<Failure>,
    /// Cases that need a dtype, or functions of f64, that the device lacks.
    pub skipped: usize,
    /// How far each function is from the exact result.
    pub accuracy: Vec<Accuracy>,
}

/// How an operation did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Operation {
    /// The operation.
    pub name: String,
    /// Cases run.
    pub cases: usize,
    /// Cases that failed.
    pub failures: usize,
    /// Elements compared.
    pub elements: usize,
    /// The largest error as a fraction of its bound.
    pub worst: f64,
}

/// A case that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The operation.
    pub operation: String,
    /// The case.
    pub case: String,
    /// Where its inputs came from.
    pub seed: u64,
    /// What went wrong, in words.
    pub message: String,
    /// The first wrong element, if values were compared at all.
    pub mismatch: Option<Mismatch>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (seed {:#x}): {}", self.case, self.seed, self.message)
    }
}

impl Report {
    /// Whether nothing went wrong.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Cases run.
    pub fn cases(&self) -> usize {
        self.operations.iter().map(|o| o.cases).sum()
    }
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

/// Why a case failed.
#[derive(Debug)]
struct Wrong {
    message: String,
    mismatch: Option<Mismatch>,
    unsupported: bool,
}

impl Wrong {
    fn new(message: String, mismatch: Option<Mismatch>) -> Self {
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

fn run_case(device: &Device, case: &Case) -> Result<Comparison, Wrong> {
    let mut total = Comparison::default();
    match (case.work)(&mut Inputs::new(device, case.seed))? {
        Work::Eval(exprs) => {
            let wants = exprs.iter().map(reference::eval).collect::<Result<Vec<_>>>()?;
            poison_memory(&wants, device)?;
            let got = match &exprs[..] {
                [expr] => vec![expr.eval()?],
                _ => eval_all(&exprs)?,
            };
            for (i, (got, want)) in got.iter().zip(&wants).enumerate() {
                judge(&reference::compare(got, want)?, &format!("eval of result {i}"), &mut total)?;
            }
            for (i, (expr, want)) in exprs.iter().zip(&wants).enumerate() {
                // Aligned to a 16-byte word for most cases, in the midst of one for some.
                let front = if case.seed.is_multiple_of(4) { 1 + case.seed as usize / 4 % 7 } else { 16 };
                let Guarded { target, buffer } = guarded(&want.shape, want.dtype, &want.values, front, device)?;
                assign_all(&[(target, buffer, expr.clone())], &format!("assign of result {i}"), &mut total)?;
            }
        }
        Work::Assign(targets) => assign_all(&targets, "assign", &mut total)?,
    }
    Ok(total)
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

fn assign_all(targets: &[Target], what: &str, total: &mut Comparison) -> Result<(), Wrong> {
    let wants = targets
        .iter()
        .map(|(target, _, expr)| reference::eval(&expr.cast(target.dtype()).broadcast_to(target.shape())))
        .collect::<Result<Vec<_>>>()?;
    let before = buffers(targets)?;
    assign(&targets.iter().map(|(target, _, expr)| (target, expr.clone())).collect::<Vec<_>>())?;
    judge_targets(targets, &wants, &before, what, total)
}

/// All that lies in the targets' buffers.
fn buffers(targets: &[Target]) -> Result<Vec<Vec<f64>>> {
    targets.iter().map(|(_, buffer, _)| reference::elements(buffer)).collect()
}

/// Whether the targets hold what was wanted, and their buffers elsewhere what they held before.
fn judge_targets(
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

fn judge(comparison: &Comparison, what: &str, total: &mut Comparison) -> Result<(), Wrong> {
    if !comparison.passed() {
        return Err(Wrong::new(format!("{what}: {comparison}"), comparison.first));
    }
    total.elements += comparison.elements;
    total.undetermined += comparison.undetermined;
    total.worst = total.worst.max(comparison.worst);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_cases_have_one_name() {
        let cases = cases();
        let names: HashSet<_> = cases.iter().map(Case::name).collect();
        assert_eq!(names.len(), cases.len());
    }

    /// What a case wants must be worth comparing: mostly finite, mostly determined.
    #[test]
    fn references_say_something() {
        let device = Device::cpu();
        let (mut elements, mut undetermined, mut exact) = (0, 0, 0);
        for case in cases().iter().filter(|c| c.operation != "large") {
            let exprs = match (case.work)(&mut Inputs::new(&device, case.seed)) {
                Ok(Work::Eval(exprs)) => exprs,
                Ok(Work::Assign(targets)) => targets.into_iter().map(|(_, _, expr)| expr).collect(),
                Err(Error::Unsupported { .. }) => continue,
                Err(error) => panic!("{}: {error}", case.name),
            };
            for expr in exprs {
                let want = reference::eval(&expr).unwrap_or_else(|error| panic!("{}: {error}", case.name));
                let unknown = want.bounds.iter().filter(|b| b.is_infinite()).count();
                let special = case.name.contains("special") || case.name.contains("Special");
                assert!(
                    special || unknown * 20 <= want.bounds.len(),
                    "{}: {unknown} of {} unknown",
                    case.name,
                    want.bounds.len()
                );
                elements += want.bounds.len();
                undetermined += unknown;
                exact += want.bounds.iter().filter(|&&b| b == 0.0).count();
            }
        }
        println!("{elements} elements, {undetermined} undetermined, {exact} exact");
        assert!(undetermined * 1000 < elements && exact * 4 > elements);
    }

    fn case(work: impl Fn(&mut Inputs<'_>) -> Result<Work> + Send + Sync + 'static) -> Vec<Case> {
        let (name, operation) = ("a case".to_owned(), "test".to_owned());
        vec![Case { name, operation, seed: 1, dtypes: vec![DType::F32], work: Box::new(work) }]
    }

    #[test]
    fn panics_and_errors_are_failures() {
        let report = run_cases(&Device::cpu(), &case(|_| panic!("on purpose")), |_, _, _| ());
        assert_eq!((report.cases(), report.failures.len()), (1, 1));
        assert_eq!(report.failures[0].to_string(), "a case (seed 0x1): panicked: on purpose");
        let mistake = |inputs: &mut Inputs<'_>| {
            Ok(Work::Eval(vec![inputs.f32([2], inputs::Fill::Special)? + inputs.f32([3], inputs::Fill::Special)?]))
        };
        assert!(!run_cases(&Device::cpu(), &case(mistake), |_, _, _| ()).passed());
    }

    /// Carries out an assignment wrongly and sees that it is noticed.
    #[test]
    fn a_wrong_target_and_a_touched_neighbour_are_noticed() {
        let device = Device::cpu();
        let build = || {
            let buffer = Tensor::from_slice(&[1.0_f32; 12], [3, 4], &device).unwrap();
            let target = buffer.narrow(1, 1, 2).unwrap();
            let expr = &target * 3;
            vec![(target, buffer, expr)]
        };
        let outcome = |spoil: &dyn Fn(&Tensor)| {
            let targets = build();
            let (target, buffer, expr) = &targets[0];
            let wants = [reference::eval(expr).unwrap()];
            let before = buffers(&targets).unwrap();
            target.assign(expr).unwrap();
            spoil(buffer);
            judge_targets(&targets, &wants, &before, "assign", &mut Comparison::default()).err()
        };
        assert!(outcome(&|_| ()).is_none());
        let element = |buffer: &Tensor, i, j| buffer.narrow(0, i, 1).unwrap().narrow(1, j, 1).unwrap();
        let wrong = outcome(&|buffer| element(buffer, 2, 1).fill(3.001).unwrap()).unwrap();
        assert_eq!(wrong.mismatch.unwrap().index, 4);
        let wrong = outcome(&|buffer| element(buffer, 1, 3).fill(1.5).unwrap()).unwrap();
        assert!(wrong.message.contains("element 7 of its buffer"), "{}", wrong.message);
    }

    #[test]
    fn a_wrong_bound_is_noticed() {
        let x = Tensor::from_slice(&[0.1_f32, 0.7, 1.3], [3], &Device::cpu()).unwrap();
        let mut want = reference::eval(&(&x * 0.3)).unwrap();
        let got = (&x * 0.3).eval().unwrap();
        assert!(reference::compare(&got, &want).unwrap().passed());
        // Wanted a little elsewhere, and without any bound.
        want.values[1] *= 1.0 + 3e-7;
        want.bounds.fill(0.0);
        assert_eq!(reference::compare(&got, &want).unwrap().first.map(|m| m.index), Some(1));
    }
}
