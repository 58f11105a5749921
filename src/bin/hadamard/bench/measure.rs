//! How long some work takes on a device.

use std::time::{Duration, Instant};

use hadamard::{Clock, Device, Result};

/// Work is timed in batches of at least this long, so that waiting for the device counts little.
const BATCH: Duration = Duration::from_millis(10);
/// Batches, at least: a median of fewer says little.
const LEAST: usize = 5;

/// Times of one run, from some batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) median: Duration,
    /// A tenth of the batches were faster, and a tenth slower.
    pub(crate) p10: Duration,
    pub(crate) p90: Duration,
    /// What the kernels took by the GPU's own timestamps, where it has them: without the host, without waiting.
    pub(crate) kernels: Option<Duration>,
}

impl Timing {
    /// Times batches of `run` for about `budget`, the wait for the device inside each.
    pub(crate) fn of(device: &Device, budget: Duration, run: impl Fn() -> Result<()>) -> Result<Self> {
        let batch = |runs: u32| -> Result<Duration> {
            let start = Instant::now();
            for _ in 0..runs {
                run()?;
            }
            device.synchronize()?;
            Ok(start.elapsed() / runs)
        };
        batch(1)?; // compiles, and takes memory
        let once = batch(1)?.max(Duration::from_nanos(1));
        let runs = BATCH.min(budget).div_duration_f64(once).ceil().clamp(1.0, 10_000.0) as u32;
        let mut times = Vec::new();
        let start = Instant::now();
        while times.len() < LEAST || start.elapsed() < budget {
            times.push(batch(runs)?);
        }
        let kernels = if device.is_gpu() { kernel_time(device, runs.min(5), &run)? } else { None };
        Ok(Self { kernels, ..Self::from_samples(times) })
    }

    fn from_samples(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        Self { median: at(0.5), p10: at(0.1), p90: at(0.9), kernels: None }
    }
}

/// What the kernels of a run take, if the device has timestamps and there are any kernels.
fn kernel_time(device: &Device, runs: u32, run: impl Fn() -> Result<()>) -> Result<Option<Duration>> {
    let ((), profile) = device.profile(|| (0..runs).try_for_each(|_| run()))?;
    let time = profile.time() / runs;
    Ok((profile.clock == Clock::Timestamps && !time.is_zero()).then_some(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_batch_moves_neither_the_median_nor_the_middle_of_many() {
        let ms = Duration::from_millis;
        let times = (1..=20).map(ms).chain([ms(1000)]).collect();
        let timing = Timing::from_samples(times);
        assert_eq!((timing.p10, timing.median, timing.p90), (ms(3), ms(11), ms(19)));
    }
}
