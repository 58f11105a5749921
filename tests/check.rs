//! The table of cases on every device.

mod devices;

use std::process::Command;

use devices::{VARIABLE, failures_on_each, note};
use hadamard::check;

#[test]
fn every_case_is_right_on_every_device() {
    let failures = failures_on_each(|device| {
        let report = check::run(device, |_, _, _| ());
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
        assert!(report.cases() > 2500 && report.cases() > 5 * report.skipped, "the table has shrunk");
        report.failures.into_iter().map(|failure| format!("{device}: {failure}")).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Runs the test above in a process of its own that is promised a device there is none of.
#[test]
fn a_promised_device_that_is_missing_is_a_failure() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "every_case_is_right_on_every_device"])
        .env(VARIABLE, "cpu,no such adapter")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("names no such adapter"), "{said}");
}
