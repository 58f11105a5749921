//! `hadamard bench`: the GPU against the CPU against a plain copy, in bytes a second.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hadamard::{DEVICE_VARIABLE, DType, Device, DeviceKind, Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::args::BenchArgs;
use crate::cases::{self, Case, Inputs, Work};
use crate::report;
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

/// All that was found.
pub(crate) struct Findings {
    pub(crate) devices: Vec<Contender>,
    pub(crate) size: usize,
    pub(crate) dtype: DType,
    pub(crate) rows: Vec<Row>,
    /// The median time of a plain copy by all cores, and the bytes it read and wrote.
    pub(crate) plain: Duration,
    pub(crate) plain_bytes: u64,
}

/// A device, in words.
pub(crate) struct Contender {
    pub(crate) gpu: bool,
    pub(crate) text: String,
}

impl Contender {
    fn new(device: &Device) -> Self {
        let info = device.info();
        let text = match info.kind {
            DeviceKind::Cpu => format!("{} threads", info.threads),
            kind => format!("{} ({}, {kind})", info.name, info.backend),
        };
        Self { gpu: device.is_gpu(), text }
    }

    pub(crate) fn role(&self) -> &'static str {
        if self.gpu { "GPU" } else { "CPU" }
    }
}

/// What was found for one case.
pub(crate) struct Row {
    pub(crate) case: &'static Case,
    pub(crate) bytes: u64,
    /// The median time on each device.
    pub(crate) times: Vec<Duration>,
    /// How an answer differs, if one does.
    pub(crate) wrong: Option<String>,
}

impl Row {
    /// Bytes a second.
    pub(crate) fn rate(&self, time: Duration) -> f64 {
        self.bytes as f64 / time.as_secs_f64().max(1e-12)
    }
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

impl Findings {
    /// Bytes a second of the plain copy.
    pub(crate) fn plain_rate(&self) -> f64 {
        self.plain_bytes as f64 / self.plain.as_secs_f64().max(1e-12)
    }

    /// What a device is held against: on a GPU its own copy, the first case; on the CPU the plain copy.
    fn limit(&self, device: usize) -> f64 {
        if self.devices[device].gpu { self.rows[0].rate(self.rows[0].times[device]) } else { self.plain_rate() }
    }

    fn text(&self) -> String {
        // Writing to a String cannot fail.
        let mut text = String::new();
        for device in &self.devices {
            let _ = writeln!(text, "{}  {}", device.role(), device.text);
        }
        if self.devices.len() == 1 {
            text.push_str("GPU  none, or not asked for\n");
        }
        let _ = writeln!(text, "{} tensors of [{}, {}]\n", self.dtype, self.size, self.size);

        let mut titles = vec!["", ">data"];
        for device in &self.devices {
            titles.extend([if device.gpu { ">GPU" } else { ">CPU" }, ">GB/s", ">of copy"]);
        }
        titles.extend((self.devices.len() == 2).then_some(">CPU/GPU"));
        let mut table = Table::new(&titles);
        for row in &self.rows {
            let mut cells = vec![row.case.name.to_owned(), table::bytes(row.bytes)];
            for (device, &time) in row.times.iter().enumerate() {
                let share = format!("{:.0}%", 100.0 * row.rate(time) / self.limit(device));
                cells.extend([table::time(time), table::rate(row.bytes, time), share]);
            }
            if let [gpu, cpu] = row.times[..] {
                cells.push(format!("{:.2}", cpu.as_secs_f64() / gpu.as_secs_f64().max(1e-12)));
            }
            table.row(cells);
        }
        text.push_str(&table.render(""));
        let _ = writeln!(
            text,
            "\nData counts each input once and each result once. A sum hardly writes, so it may beat a copy.\n\
             of copy: on a GPU, of its own copy above; on the CPU, of a plain parallel copy, {} GB/s.",
            table::rate(self.plain_bytes, self.plain)
        );
        let mut wrong = self.rows.iter().filter_map(|row| Some((row, row.wrong.as_ref()?))).peekable();
        if self.devices.len() == 2 && wrong.peek().is_none() {
            text.push_str("Every answer of the GPU agreed with the CPU's before it was timed.\n");
        }
        for (row, how) in wrong {
            let _ = writeln!(text, "WRONG: {}, {}: {how}", row.case.name, row.case.code);
        }
        text
    }
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
