//! The jobs of a run: which cases, at which sizes, in which dtypes.

use std::time::Duration;

use hadamard::{DType, Device, DeviceKind};

use super::cases::{ALL, Case, Size};
use crate::args::BenchArgs;

/// Which part of the findings a measurement belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// Every case at one size.
    Main,
    /// A few cases from small to large.
    Sizes,
    /// A few cases in other dtypes.
    Dtypes,
    /// Sums over arrays of other aspect ratios.
    Shapes,
}

/// Cases over the same inputs.
pub(crate) struct Job {
    pub(crate) part: Part,
    pub(crate) size: Size,
    pub(crate) dtype: DType,
    pub(crate) cases: Vec<&'static Case>,
    /// Time for each case on each device.
    pub(crate) budget: Duration,
}

/// Names of the cases drawn as curves over size.
pub(crate) const CURVES: [&str; 6] = ["copy", "a*b", "w*a+(1-w)*b", "(a*b).sum(0)", "(a*b).sum()", "adam"];
const DTYPE_CASES: [&str; 7] = ["copy", "a*b", "a*row", "w*a+(1-w)*b", "(a*b).sum(0)", "(a*b).sum(1)", "adam"];
const SUMS: [&str; 3] = ["(a*b).sum(0)", "(a*b).sum(1)", "(a*b).sum()"];

/// The jobs of a run without options.
pub(crate) fn jobs(args: &BenchArgs, devices: &[Device]) -> Vec<Job> {
    let software = devices.iter().any(|d| d.info().kind == DeviceKind::Software);
    let hardware = devices.iter().any(Device::is_gpu) && !software;
    let side = args.size.unwrap_or(match (args.quick, hardware) {
        (true, _) => 1024,
        (false, false) => 2048,
        (false, true) => 8192,
    });
    let most = args.max_bytes.unwrap_or(match (args.quick, hardware) {
        (true, _) => 4 << 20,
        (false, false) => 64 << 20,
        (false, true) => 1 << 30,
    });
    let budget = Duration::from_millis(if args.quick { 30 } else { 250 });
    let wanted = |case: &&Case| args.only.iter().all(|word| case.name.contains(word.as_str()));
    let named = |names: &[&str]| ALL.iter().filter(|c| names.contains(&c.name)).filter(wanted).collect::<Vec<_>>();

    let mut jobs = vec![Job {
        part: Part::Main,
        size: Size::square(side),
        dtype: args.dtype,
        cases: ALL.iter().filter(wanted).collect(),
        budget,
    }];
    // Half the time for each of many.
    let mut add = |part, size, dtype, names: &[&str]| {
        jobs.push(Job { part, size, dtype, cases: named(names), budget: budget / 2 });
    };
    for size in sizes(most / args.dtype.size() as u64, if args.quick { 4 } else { 2 }) {
        add(Part::Sizes, size, args.dtype, &CURVES);
    }
    if !args.quick {
        // Some GPUs have no f64.
        let possible = |&dtype: &DType| dtype != DType::F64 || devices.iter().all(|d| d.info().f64);
        let others = [DType::F16, DType::BF16, DType::F32, DType::F64].into_iter().filter(|&d| d != args.dtype);
        for dtype in others.filter(possible) {
            add(Part::Dtypes, Size::square(side), dtype, &DTYPE_CASES);
        }
        let halves = if hardware { &[DType::F16, DType::BF16][..] } else { &[] };
        for &dtype in std::iter::once(&args.dtype).chain(halves.iter().filter(|&&d| d != args.dtype)) {
            for size in aspect_ratios(side * side) {
                add(Part::Shapes, size, dtype, &SUMS);
            }
        }
    }
    jobs.retain(|job| !job.cases.is_empty());
    jobs
}

/// From about a thousand elements to `most`, each size `4^steps` times the last.
fn sizes(most: u64, steps: usize) -> Vec<Size> {
    let square = |half: u32| Size::square(1 << half);
    // Up to 2^34 elements; nothing larger fits a tensor.
    (5..=17).step_by(steps.max(1)).map(square).filter(|s| s.numel() as u64 <= most).collect()
}

/// From four columns to four rows. `numel` is the square of a multiple of four.
fn aspect_ratios(numel: usize) -> Vec<Size> {
    let tall = [4, 64].map(|columns| Size { rows: numel / columns, columns });
    let wide = [64, 4].map(|rows| Size { rows, columns: numel / rows });
    tall.into_iter().chain(wide).filter(|s| s.numel() == numel && s.rows % 4 == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_case_is_there() {
        for name in CURVES.iter().chain(&DTYPE_CASES).chain(&SUMS) {
            assert!(ALL.iter().any(|case| case.name == *name), "{name}");
        }
    }

    #[test]
    fn sizes_end_where_they_should() {
        let found = sizes(1 << 24, 2);
        assert_eq!((found[0].numel(), found.len()), (1 << 10, 4));
        assert!(sizes(1 << 34, 1).last().is_some_and(|s| s.numel() == 1 << 34));
        assert_eq!(aspect_ratios(1 << 24)[0], Size { rows: 1 << 22, columns: 4 });
        assert_eq!(aspect_ratios(64 * 64).len(), 4);
    }
}
