//! `hadamard bench`: the GPU against the CPU against a plain copy, in bytes a second.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use hadamard::{DEVICE_VARIABLE, DType, Device, DeviceKind, Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::args::BenchArgs;
use crate::cases::{self, Case, Inputs, Work};
use crate::findings::{Contender, Findings, Row};
use crate::report;

/// Time spent on each case on each device, beyond a first run.
const BUDGET: Duration = Duration::from_millis(400);
/// Work is timed in batches of at least this long, so that waiting for the device counts little.
const BATCH: Duration = Duration::from_millis(10);

#[allow(clippy::needless_pass_by_value, reason = "every command takes its arguments alike")]
pub(crate) fn run(args: BenchArgs) -> Result<ExitCode> {
    let devices = devices(args.device.as_deref())?;
    let software = devices.iter().any(|d| d.info().kind == DeviceKind::Software);
    let size = args.size.unwrap_or(if software { 2048 } else { 4096 });
    let dtype = args.dtype;
    if size == 0 || !dtype.is_float() {
        let (expected, found) = ("a size of at least 1 and a float dtype".into(), format!("{size} and {dtype}"));
        return Err(Error::Argument { op: "bench", expected, found });
    }
    let found = measure_all(&devices, size, dtype)?;
    crate::print(&if args.json { report::json(&found) } else { found.text() })?;
    if let Some(path) = &args.report {
        let fail = |e: std::io::Error| Error::File { path: path.display().to_string(), message: e.to_string() };
        std::fs::write(path, report::html(&found)).map_err(fail)?;
    }
    let right = found.rows.iter().all(|row| row.wrong.is_none());
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::from(1) })
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

fn measure_all(devices: &[Device], size: usize, dtype: DType) -> Result<Findings> {
    // On a terminal only; indicatif sees to that.
    let progress = ProgressBar::new((cases::ALL.len() * devices.len()) as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut inputs = Vec::new();
    for device in devices {
        progress.set_message(format!("uploading to {device}"));
        inputs.push(Inputs::new(device, size, dtype)?);
    }
    let bytes = size * size * dtype.size();
    let plain = plain_copy(bytes);
    let rows = cases::ALL.iter().map(|case| measure(case, devices, &inputs, size, dtype, &progress));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    progress.finish_and_clear();
    let devices = devices.iter().map(Contender::new).collect();
    Ok(Findings { devices, size, dtype, rows, plain, plain_bytes: 2 * bytes as u64 })
}

fn measure(
    case: &'static Case,
    devices: &[Device],
    inputs: &[Inputs],
    size: usize,
    dtype: DType,
    progress: &ProgressBar,
) -> Result<Row> {
    let works = inputs.iter().map(|inputs| case.prepare(inputs)).collect::<Result<Vec<_>>>()?;
    progress.set_message(format!("{}: checking", case.name));
    let answers = works.iter().map(Work::answers).collect::<Result<Vec<_>>>()?;
    let wrong = match &answers[..] {
        [gpu, cpu] => case.difference(gpu, cpu, size, dtype),
        _ => None,
    };
    drop(answers);
    let mut times = Vec::new();
    for (device, work) in devices.iter().zip(&works) {
        progress.set_message(format!("{} on {device}", case.name));
        times.push(median(device, || work.run())?);
        progress.inc(1);
    }
    Ok(Row { case, bytes: case.bytes(size, dtype), times, wrong })
}

/// The median time of a run, the wait for the device included.
fn median(device: &Device, mut run: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut batch = |runs: u32| -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..runs {
            run()?;
        }
        device.synchronize()?;
        Ok(start.elapsed() / runs)
    };
    batch(1)?; // compiles, and takes memory
    let once = batch(1)?.max(Duration::from_nanos(1));
    let runs = BATCH.div_duration_f64(once).ceil().clamp(1.0, 1000.0) as u32;
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 5 || start.elapsed() < BUDGET {
        times.push(batch(runs)?);
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// How long all cores take to copy that many bytes, with nothing of this library in the way.
fn plain_copy(bytes: usize) -> Duration {
    let from = vec![1_u8; bytes];
    let mut to = vec![0_u8; bytes];
    let part = bytes.div_ceil(rayon::current_num_threads()).max(1);
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let start = Instant::now();
            to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
            start.elapsed()
        })
        .collect();
    std::hint::black_box(&to);
    times.sort();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use hadamard::DType;

    use crate::cases::ALL;

    #[test]
    fn one_wrong_element_is_noticed() {
        let product = &ALL[1];
        let cpu = vec![5.0; 1 << 16];
        let mut found = cpu.clone();
        found[7] = 5.0_f32.next_up();
        assert_eq!(product.difference(&found, &cpu, 256, DType::F32), None);
        for wrong in [5.001, 0.0, f32::NAN, f32::INFINITY] {
            found[777] = wrong;
            let said = product.difference(&found, &cpu, 256, DType::F32);
            assert!(said.is_some_and(|text| text.starts_with("element 777 ")), "{wrong}");
        }
        assert!(product.difference(&cpu[1..], &cpu, 256, DType::F32).is_some());
    }
}
