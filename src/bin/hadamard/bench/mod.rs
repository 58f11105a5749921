//! `hadamard bench`: the GPU against the CPU against what the memory of each allows.

mod cases;
mod findings;
mod host;
mod jobs;
mod json;
mod measure;
mod page;
mod peers;
mod plot;
mod text;

use std::process::ExitCode;

use hadamard::{DEVICE_VARIABLE, Device, Error, Result};
use indicatif::{ProgressBar, ProgressStyle};

use self::cases::{Case, Inputs, Work};
use self::findings::{Contender, Findings, Found, Row};
use self::jobs::{Job, jobs};
use self::measure::Timing;
use crate::args::BenchArgs;

#[allow(clippy::needless_pass_by_value, reason = "every command takes its arguments alike")]
pub(crate) fn run(args: BenchArgs) -> Result<ExitCode> {
    if args.size.is_some_and(|n| n < 4 || n % 4 != 0) || !args.dtype.is_float() {
        let size = args.size.map_or("none".to_owned(), |n| n.to_string());
        let expected = "a size that is a multiple of 4, and a float dtype".to_owned();
        return Err(Error::Argument { op: "bench", expected, found: format!("{size} and {}", args.dtype) });
    }
    let devices = devices(args.device.as_deref())?;
    let jobs = jobs(&args, &devices);
    if jobs.is_empty() {
        let (expected, found) = ("a word of the name of a case".to_owned(), args.only.join(" "));
        return Err(Error::Argument { op: "bench", expected, found });
    }
    // Before anything is measured, which takes minutes.
    let peers = peers::read(&args.peers)?;
    let found = Findings { peers, ..measure_all(&devices, &jobs) };
    crate::print(&if args.json { json::lines(&found) } else { text::text(&found) })?;
    if let Some(path) = &args.report {
        let fail = |e: std::io::Error| Error::File { path: path.display().to_string(), message: e.to_string() };
        std::fs::write(path, page::html(&found)).map_err(fail)?;
    }
    Ok(if found.any_wrong() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The GPU if there is one, or the one that was asked for; and always the CPU, last.
fn devices(named: Option<&str>) -> Result<Vec<Device>> {
    let choice = named.map(str::to_owned).or_else(|| std::env::var(DEVICE_VARIABLE).ok().filter(|v| !v.is_empty()));
    let gpu = match choice {
        Some(name) => Some(Device::named(&name)?).filter(Device::is_gpu),
        None => match Device::gpu() {
            Ok(device) => Some(device),
            Err(Error::NoDevice { .. }) => None,
            Err(error) => return Err(error),
        },
    };
    Ok(gpu.into_iter().chain([Device::cpu()]).collect())
}

fn measure_all(devices: &[Device], jobs: &[Job]) -> Findings {
    let total: usize = jobs.iter().map(|job| job.cases.len() * devices.len()).sum();
    // On a terminal only; indicatif sees to that.
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}, {eta} to go: {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let progress = ProgressBar::new(total as u64).with_style(style);
    progress.set_message("what each memory allows");
    let processor = host::processor();
    let contenders = devices.iter().map(|device| Contender::new(device, &processor)).collect();
    let mut rows = Vec::new();
    for job in jobs {
        progress.set_message(format!("inputs of {}", job.dtype));
        let inputs: Vec<_> = devices.iter().map(|device| Inputs::new(device, job.size, job.dtype)).collect();
        for &case in &job.cases {
            rows.push(measure(case, job, devices, &inputs, &progress));
        }
    }
    progress.finish_and_clear();
    Findings { devices: contenders, rows, peers: Vec::new(), date: host::today() }
}

/// A case on every device. What fails on one is noted, and the others go on.
fn measure(
    case: &'static Case,
    job: &Job,
    devices: &[Device],
    inputs: &[Result<Inputs>],
    progress: &ProgressBar,
) -> Row {
    let place = format!("{} [{}, {}] {}", case.name, job.size.rows, job.size.columns, job.dtype);
    progress.set_message(format!("{place}: checking"));
    let prepared: Vec<Result<(Work, Vec<f32>), String>> = inputs
        .iter()
        .map(|inputs| {
            let inputs = inputs.as_ref().map_err(ToString::to_string)?;
            let work = case.prepare(inputs).map_err(|error| error.to_string())?;
            let answers = work.answers().map_err(|error| error.to_string())?;
            Ok((work, answers))
        })
        .collect();
    let right = prepared.last().and_then(|cpu| Some(cpu.as_ref().ok()?.1.clone()));
    let mut found = Vec::new();
    for (device, prepared) in devices.iter().zip(prepared) {
        progress.set_message(format!("{place} on {device}"));
        let wrong = match (&prepared, &right) {
            (Ok((_, answers)), Some(right)) => case.difference(answers, right, job.size, job.dtype),
            _ => None,
        };
        let timing = prepared
            .and_then(|(work, _)| Timing::of(device, job.budget, || work.run()).map_err(|error| error.to_string()));
        found.push(Found { timing, wrong });
        progress.inc(1);
    }
    Row { part: job.part, case, size: job.size, dtype: job.dtype, found }
}

#[cfg(test)]
mod tests {
    use hadamard::DType;

    use super::cases::{ALL, Size};

    #[test]
    fn one_wrong_element_is_noticed() {
        let product = ALL.iter().find(|case| case.name == "a*b").expect("the product");
        let cpu = vec![5.0; 1 << 16];
        let size = Size::square(256);
        let mut found = cpu.clone();
        found[7] = 5.0_f32.next_up();
        assert_eq!(product.difference(&found, &cpu, size, DType::F32), None);
        for wrong in [5.001, 0.0, f32::NAN, f32::INFINITY] {
            found[777] = wrong;
            let said = product.difference(&found, &cpu, size, DType::F32);
            assert!(said.is_some_and(|text| text.starts_with("element 777 ")), "{wrong}");
        }
        assert!(product.difference(&cpu[1..], &cpu, size, DType::F32).is_some());
    }
}
