//! What a run found.

use hadamard::{Bandwidth, DType, Device, DeviceKind};

use super::cases::{Case, Limit, Size};
use super::jobs::Part;
use super::measure::Timing;
use super::peers::Peer;

/// All that was found.
pub(crate) struct Findings {
    /// A GPU first, if there is one; then the CPU.
    pub(crate) devices: Vec<Contender>,
    pub(crate) rows: Vec<Row>,
    /// What other libraries took.
    pub(crate) peers: Vec<Peer>,
    pub(crate) date: String,
}

/// A device, in words, and what its memory allows.
pub(crate) struct Contender {
    pub(crate) gpu: bool,
    pub(crate) name: String,
    pub(crate) detail: String,
    pub(crate) bandwidth: Option<Bandwidth>,
}

/// What was found for one case at one size.
pub(crate) struct Row {
    pub(crate) part: Part,
    pub(crate) case: &'static Case,
    pub(crate) size: Size,
    pub(crate) dtype: DType,
    /// Of each device.
    pub(crate) found: Vec<Found>,
}

/// What was found on one device: its time, or what went wrong. Another device's is found all the same.
pub(crate) struct Found {
    pub(crate) timing: Result<Timing, String>,
    /// How the answer differs from the CPU's, if it does.
    pub(crate) wrong: Option<String>,
}

impl Contender {
    pub(crate) fn new(device: &Device, processor: &str) -> Self {
        let info = device.info();
        let (name, detail) = match info.kind {
            DeviceKind::Cpu => (processor.to_owned(), format!("{} threads", info.threads)),
            kind => (info.name.clone(), format!("{kind}, {}, {}", info.backend, info.driver)),
        };
        let bandwidth = device.bandwidth().inspect_err(|error| log::warn!("{device}: no bandwidth: {error}")).ok();
        Self { gpu: device.is_gpu(), name, detail, bandwidth }
    }

    pub(crate) fn role(&self) -> &'static str {
        if self.gpu { "GPU" } else { "CPU" }
    }

    /// Bytes a second that bound a case, if memory does.
    pub(crate) fn limit(&self, limit: Limit) -> Option<f64> {
        match limit {
            Limit::Copy => self.bandwidth.map(|bandwidth| bandwidth.copy),
            Limit::Read => self.bandwidth.map(|bandwidth| bandwidth.read),
            Limit::Other => None,
        }
    }
}

impl Row {
    pub(crate) fn bytes(&self) -> u64 {
        self.case.bytes(self.size, self.dtype)
    }

    pub(crate) fn timing(&self, device: usize) -> Option<&Timing> {
        self.found[device].timing.as_ref().ok()
    }

    /// The median in seconds.
    pub(crate) fn seconds(&self, device: usize) -> Option<f64> {
        Some(self.timing(device)?.median.as_secs_f64().max(1e-9))
    }

    /// Bytes a second.
    pub(crate) fn rate(&self, device: usize) -> Option<f64> {
        Some(self.bytes() as f64 / self.seconds(device)?)
    }

    /// How close it came to what the device's memory allows.
    pub(crate) fn share(&self, contender: &Contender, device: usize) -> Option<f64> {
        Some(self.rate(device)? / contender.limit(self.case.limit)?)
    }

    /// How many times as long as the first device the second took.
    pub(crate) fn speedup(&self) -> Option<f64> {
        (self.found.len() == 2).then_some(())?;
        Some(self.seconds(1)? / self.seconds(0)?)
    }
}

impl Findings {
    pub(crate) fn part(&self, part: Part) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.part == part)
    }

    /// A case from small to large.
    pub(crate) fn curve(&self, name: &str) -> Vec<&Row> {
        self.part(Part::Sizes).filter(|row| row.case.name == name).collect()
    }

    /// What differed, and what failed.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for row in &self.rows {
            for (contender, found) in self.devices.iter().zip(&row.found) {
                let [rows, columns] = [row.size.rows, row.size.columns];
                let place =
                    format!("{} of {} [{rows}, {columns}] on the {}", row.case.name, row.dtype, contender.role());
                faults.extend(found.wrong.iter().map(|how| format!("WRONG: {place}: {how}")));
                faults.extend(found.timing.as_ref().err().map(|error| format!("not measured: {place}: {error}")));
            }
        }
        faults
    }

    pub(crate) fn any_wrong(&self) -> bool {
        self.rows.iter().any(|row| row.found.iter().any(|found| found.wrong.is_some()))
    }
}

/// From how many elements the first device is the faster one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Crossover {
    Always,
    From(f64),
    Never,
}

/// Where the first of two devices begins to win for good, between the sizes that were measured by straight lines of
/// logarithms. `None` without two devices.
pub(crate) fn crossover(curve: &[&Row]) -> Option<Crossover> {
    let gains: Vec<(f64, f64)> =
        curve.iter().filter_map(|row| Some(((row.size.numel() as f64).ln(), row.speedup()?.ln()))).collect();
    let last_loss = gains.iter().rposition(|gain| gain.1 <= 0.0);
    Some(match last_loss {
        None if gains.is_empty() => return None,
        None => Crossover::Always,
        Some(at) if at + 1 == gains.len() => Crossover::Never,
        Some(at) => {
            let ((x0, y0), (x1, y1)) = (gains[at], gains[at + 1]);
            Crossover::From((x0 - y0 * (x1 - x0) / (y1 - y0)).exp())
        }
    })
}
