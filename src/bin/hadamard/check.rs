//! `hadamard check`: every operation against a reference in f64, on every device or the one given.

use std::fmt::Write;
use std::process::ExitCode;

use hadamard::check::{self, Report};
use hadamard::{DType, Device, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::CheckArgs;
use crate::table::Table;

/// Failures shown for each device; the rest are only counted.
const SHOWN: usize = 1000;

#[allow(clippy::needless_pass_by_value, reason = "every command takes its arguments alike")]
pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let devices = match &args.device {
        Some(name) => vec![Device::named(name)?],
        None => Device::all(),
    };
    let mut failed = Vec::new();
    for device in &devices {
        let info = device.info();
        crate::print(&format!("{device} ({})\n", info.kind))?;
        let report = check(device);
        crate::print(&describe(&report))?;
        if !report.passed() {
            failed.push(device.to_string());
        }
    }
    if failed.is_empty() {
        let number = devices.len();
        crate::print(&format!("ok: {number} device{} checked\n", if number == 1 { "" } else { "s" }))?;
        return Ok(ExitCode::SUCCESS);
    }
    crate::print(&format!("MISMATCH on {}\n", failed.join(" and ")))?;
    Ok(ExitCode::from(1))
}

fn check(device: &Device) -> Report {
    // On a terminal only; indicatif sees to that.
    let progress = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let report = check::run(device, |done, all, case| {
        progress.set_length(all as u64);
        progress.set_position(done as u64);
        progress.set_message(case.operation().to_owned());
    });
    progress.finish_and_clear();
    report
}

/// A row for each operation, then what failed.
fn describe(report: &Report) -> String {
    let mut table = Table::new(&["operation", ">cases", ">elements", ">worst error", ""]);
    for operation in &report.operations {
        table.row([
            operation.name.clone(),
            operation.cases.to_string(),
            operation.elements.to_string(),
            format!("{:.0}%", 100.0 * operation.worst),
            match operation.failures {
                0 => "ok".to_owned(),
                failures => format!("MISMATCH in {failures}"),
            },
        ]);
    }
    let mut text = table.render("  ");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  worst error: as a share of what rounding allows at that element");
    if report.skipped > 0 {
        let _ = writeln!(text, "  {} cases left out: they need a dtype the device lacks", report.skipped);
    }
    text.push_str(&accuracy(report));
    for failure in report.failures.iter().take(SHOWN) {
        let _ = writeln!(text, "  MISMATCH in {}: {failure}", failure.operation);
    }
    if report.failures.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", report.failures.len() - SHOWN);
    }
    text.push('\n');
    text
}

/// The largest error of each function, a column for each dtype it was measured in.
fn accuracy(report: &Report) -> String {
    let mut table = Table::new(&["accuracy, ULP", ">f32", ">f64", ">bound", ""]);
    let mut names: Vec<_> = report.accuracy.iter().map(|a| a.function).collect();
    names.dedup();
    for name in names {
        let of = |dtype| report.accuracy.iter().find(|a| a.function == name && a.dtype == dtype);
        let worst = |dtype| of(dtype).map_or_else(String::new, |a| format!("{:.2}", a.worst));
        let measured = [of(DType::F32), of(DType::F64)];
        table.row([
            name.to_owned(),
            worst(DType::F32),
            worst(DType::F64),
            format!("{:.1}", measured.iter().flatten().map(|a| a.bound).fold(0.0, f64::max)),
            if measured.iter().flatten().all(|a| a.passed()) { "ok".to_owned() } else { "MISMATCH".to_owned() },
        ]);
    }
    table.render("  ")
}
