//! Tests of the table, and of what it would notice.

use std::collections::HashSet;

use super::judge::{buffers, judge_targets};
use super::*;
use crate::Error;
use crate::reference::{self, Comparison};

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
            // Of what is given the reference is not asked.
            Ok(Work::Given(_)) | Err(Error::Unsupported { .. }) => continue,
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
