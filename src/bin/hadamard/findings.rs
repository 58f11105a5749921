//! What `hadamard bench` found, and its table.

use std::fmt::Write;
use std::time::Duration;

use hadamard::{DType, Device, DeviceKind};

use crate::cases::Case;
use crate::table::{self, Table};

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
    pub(crate) fn new(device: &Device) -> Self {
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

impl Findings {
    /// Bytes a second of the plain copy.
    pub(crate) fn plain_rate(&self) -> f64 {
        self.plain_bytes as f64 / self.plain.as_secs_f64().max(1e-12)
    }

    /// What a device is held against: on a GPU its own copy, the first case; on the CPU the plain copy.
    fn limit(&self, device: usize) -> f64 {
        if self.devices[device].gpu { self.rows[0].rate(self.rows[0].times[device]) } else { self.plain_rate() }
    }

    /// As a table for a terminal.
    pub(crate) fn text(&self) -> String {
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
