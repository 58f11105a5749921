//! The table of cases on every device.

mod devices;

use std::process::Command;

use devices::{VARIABLE, devices, failures_on_each, note};
use hadamard::{Device, check};

/// A software adapter takes a minute or two for the whole table, most of it for compiling shaders.
#[test]
fn the_table_is_right_on_the_cpu_and_a_part_of_it_on_every_gpu() {
    let part: Vec<check::Case> = check::cases().into_iter().step_by(27).collect();
    let report = |device: &Device| {
        if device.is_gpu() { check::run_cases(device, &part, |_, _, _| ()) } else { check::run(device, |_, _, _| ()) }
    };
    is_right_on_each(|device| if device.is_gpu() { part.len() } else { check::cases().len() }, report);
}

/// Which cases a device runs in place of all: `1/3` is every third from the second on, and each device after the first
/// begins one case later. So runs on three devices can share the table.
const PART: &str = "HADAMARD_TEST_TABLE";

#[test]
#[ignore = "takes minutes on software adapters; .ci/run shares it among them"]
fn every_case_is_right_on_every_device() {
    let [first, step] = std::env::var(PART).map_or([0, 1], |part| {
        let numbers: Option<Vec<usize>> = part.split('/').map(|number| number.parse().ok()).collect();
        let numbers = numbers.and_then(|numbers| <[usize; 2]>::try_from(numbers).ok());
        numbers
            .filter(|part| part[0] < part[1])
            .unwrap_or_else(|| panic!("{PART}: expected 1/3 or the like, found {part}"))
    });
    let adapter = |device: &Device| (device.info().name, device.info().backend);
    let adapters: Vec<_> = devices().iter().map(adapter).collect();
    let of = |device: &Device| {
        let number = adapters.iter().position(|known| *known == adapter(device)).unwrap();
        check::cases().into_iter().skip((first + number) % step).step_by(step).collect::<Vec<_>>()
    };
    is_right_on_each(|device| of(device).len(), |device| check::run_cases(device, &of(device), |_, _, _| ()));
}

/// Asserts that nothing in the reports of all devices failed, and that they are of as many cases as `wanted` says.
fn is_right_on_each(wanted: impl Fn(&Device) -> usize + Sync, run: impl Fn(&Device) -> check::Report + Sync) {
    let failures = failures_on_each(|device| {
        let report = run(device);
        note(&format!(
            "{device}: {} cases, {} failed, {} skipped for want of f64",
            report.cases(),
            report.failures.len(),
            report.skipped
        ));
        for operation in &report.operations {
            let check::Operation { name, cases, failures, elements, worst, .. } = operation;
            println!(
                "{name:18} {cases:5} cases {failures:5} failed {elements:9} elements, worst {worst:.3} of the bound"
            );
        }
        assert_eq!(report.cases() + report.skipped, wanted(device), "{device}: each case runs or is skipped");
        assert!(check::cases().len() > 3500 && report.cases() > 3 * report.skipped, "the table has shrunk");
        report.failures.into_iter().map(|failure| format!("{device}: {failure}")).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Runs the first test in a process of its own that is promised a device there is none of.
#[test]
fn a_promised_device_that_is_missing_is_a_failure() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_table_is_right_on_the_cpu_and_a_part_of_it_on_every_gpu"])
        .env(VARIABLE, "cpu,no such adapter")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("names no such adapter"), "{said}");
}
