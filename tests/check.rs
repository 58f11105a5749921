//! The table of cases on every device.

mod devices;

use devices::{devices, note};
use hadamard::check;

#[test]
fn every_case_is_right_on_every_device() {
    let mut failures = Vec::new();
    for device in devices() {
        let report = check::run(&device, |_, _, _| ());
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
        failures.extend(report.failures.into_iter().map(|failure| format!("{device}: {failure}")));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
