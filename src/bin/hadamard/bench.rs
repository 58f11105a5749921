//! `hadamard bench`: the GPU against the CPU against a plain copy, in bytes a second.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hadamard::{DEVICE_VARIABLE, DType, Device, DeviceKind, Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::args::BenchArgs;
use crate::cases::{self, Case, Inputs, Work};
use crate::table::{self, Table};

/// Time spent on each case on each device, beyond a first run.
const BUDGET: Duration = Duration::from_millis(400);
/// Work is timed in batches of at least this long, so that waiting for the device counts little.
const BATCH: Duration = Duration::from_millis(10);

#[allow(clippy::needless_pass_by_value, reason = "every command takes its arguments alike")]
pub(crate) fn run(args: BenchArgs) -> Result<ExitCode> {
    let devices = devices(args.device.as_deref())?;
    let software = devices.iter().any(|d| d.info().kind == DeviceKind::Software);
    let size = args.size.unwrap_or(if software { 2048 } else { 4096 });
    if size == 0 {
        return Err(Error::Argument { op: "bench", expected: "--size of at least 1".into(), found: "0".into() });
    }
    let dtype = DType::F32;
    crate::print(&heading(&devices, size, dtype))?;

    let progress = ProgressBar::new((cases::ALL.len() * devices.len()) as u64).with_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut inputs = Vec::new();
    for device in &devices {
        progress.set_message(format!("uploading to {device}"));
        inputs.push(Inputs::new(device, size, dtype)?);
    }
    let plain = plain_copy(size * size * dtype.size());
    let mut rows = Vec::new();
    for case in cases::ALL {
        rows.push(measure(case, &devices, &inputs, size, dtype, &progress)?);
    }
    progress.finish_and_clear();
    crate::print(&results(&devices, &rows, plain, (2 * size * size * dtype.size()) as u64))?;
    let wrong = rows.iter().filter(|row| row.wrong.is_some()).count();
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
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

fn heading(devices: &[Device], size: usize, dtype: DType) -> String {
    // Writing to a String cannot fail, here and below.
    let mut text = String::new();
    for device in devices {
        let info = device.info();
        let _ = match info.kind {
            DeviceKind::Cpu => writeln!(text, "CPU  {} threads", info.threads),
            kind => writeln!(text, "GPU  {} ({}, {kind})", info.name, info.backend),
        };
    }
    if devices.len() == 1 {
        text.push_str("GPU  none\n");
    }
    let _ = writeln!(text, "{dtype} tensors of [{size}, {size}]\n");
    text
}

/// What was found for one case.
struct Row {
    case: &'static Case,
    bytes: u64,
    /// The median time on each device.
    times: Vec<Duration>,
    /// How an answer differs, if one does.
    wrong: Option<String>,
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

fn results(devices: &[Device], rows: &[Row], plain: Duration, plain_bytes: u64) -> String {
    let mut titles = vec!["", ">data"];
    for device in devices {
        titles.extend(if device.is_gpu() { [">GPU", ">GB/s", ">of copy"] } else { [">CPU", ">GB/s", ">of copy"] });
    }
    if devices.len() == 2 {
        titles.push(">CPU/GPU");
    }
    let mut text = Table::new(&titles);
    // On a GPU the limit is its own copy, the first case; on the CPU the plain copy.
    let limit = |device: usize| {
        let gpu = devices[device].is_gpu();
        let (bytes, time) = if gpu { (rows[0].bytes, rows[0].times[device]) } else { (plain_bytes, plain) };
        bytes as f64 / time.as_secs_f64().max(1e-12)
    };
    for row in rows {
        let mut cells = vec![row.case.name.to_owned(), table::bytes(row.bytes)];
        for (device, &time) in row.times.iter().enumerate() {
            let rate = row.bytes as f64 / time.as_secs_f64().max(1e-12);
            cells.extend([
                table::time(time),
                table::rate(row.bytes, time),
                format!("{:.0}%", 100.0 * rate / limit(device)),
            ]);
        }
        if let [gpu, cpu] = row.times[..] {
            cells.push(format!("{:.2}", cpu.as_secs_f64() / gpu.as_secs_f64().max(1e-12)));
        }
        text.row(cells);
    }
    let mut text = text.render("");
    let _ = writeln!(
        text,
        "\nof copy: on a GPU, of its own copy above; on the CPU, of a plain parallel copy ({}, {} GB/s).\n\
         Data counts each input once and each result once. A sum only reads, so it may beat a copy.",
        table::time(plain),
        table::rate(plain_bytes, plain)
    );
    let wrong: Vec<_> = rows.iter().filter_map(|row| Some((row, row.wrong.as_ref()?))).collect();
    if devices.len() == 2 && wrong.is_empty() {
        text.push_str("Every answer of the GPU agreed with the CPU's before it was timed.\n");
    }
    for (row, how) in wrong {
        let _ = writeln!(text, "WRONG: {}, {}: {how}", row.case.name, row.case.code);
    }
    text
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
        found[7] = 5.0 + 1e-6;
        assert_eq!(product.difference(&found, &cpu, 256, DType::F32), None);
        for wrong in [5.001, 0.0, f32::NAN, f32::INFINITY] {
            found[777] = wrong;
            let said = product.difference(&found, &cpu, 256, DType::F32);
            assert!(said.is_some_and(|text| text.starts_with("element 777 ")), "{wrong}");
        }
        assert!(product.difference(&cpu[1..], &cpu, 256, DType::F32).is_some());
    }
}
