//! Times of launches while a profile runs. Each launch has a pass of its own between two timestamps or, on a device
//! without timestamps, a submission of its own that is waited for.

use std::fmt::Write;
use std::time::Duration;

use super::Context;
use super::recorder::Recorder;
use crate::base::times::{Clock, Instant, KernelTime, Tally};
use crate::kernel::{Code, Inst, Launch, Spec};
use crate::{Error, Result};

const OP: &str = "profile";
/// Timestamps in a query set, the most that WebGPU allows.
const STAMPS: u32 = wgpu::QUERY_SET_MAX_QUERIES;

/// State of the recorder while launches are timed.
pub(super) struct Profiler {
    /// Two for each launch; empty where the device has no timestamps.
    sets: Vec<wgpu::QuerySet>,
    timestamps: bool,
    launches: Vec<Timed>,
    /// When recording of the current launch began.
    start: Option<Instant>,
}

struct Timed {
    name: String,
    reduces: bool,
    bytes: u64,
    /// Times measured by the host, where there are no timestamps.
    time: Duration,
}

impl Profiler {
    fn new(device: &wgpu::Device) -> Self {
        let timestamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        Self { sets: Vec::new(), timestamps, launches: Vec::new(), start: None }
    }

    /// Where the pass that begins now writes its timestamps.
    pub(super) fn stamps(&self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let launch = self.launches.len().checked_sub(1)? as u32;
        let first = launch * 2 % STAMPS;
        Some(wgpu::ComputePassTimestampWrites {
            query_set: self.sets.get((launch * 2 / STAMPS) as usize)?,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    fn begin(&mut self, device: &wgpu::Device, launch: &Launch) {
        let Launch { spec, bytes, .. } = launch;
        let reduces = !spec.kernel.folds().is_empty();
        self.launches.push(Timed { name: name_of(spec), reduces, bytes: *bytes, time: Duration::ZERO });
        if self.timestamps && (self.launches.len() - 1) * 2 == self.sets.len() * STAMPS as usize {
            self.sets.push(device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("hadamard profile"),
                ty: wgpu::QueryType::Timestamp,
                count: STAMPS,
            }));
        }
    }
}

impl Recorder {
    /// Prepares to time a launch, if a profile is running. What goes to a caller's encoder is not timed.
    pub(super) fn start_timing(&mut self, context: &Context, launch: &Launch) -> Result<()> {
        let Some(profiler) = &mut self.profiler else { return Ok(()) };
        context.guard(OP, || {
            profiler.begin(&context.device, launch);
            Ok(())
        })?;
        let by_host = !profiler.timestamps;
        self.end_pass();
        if by_host {
            self.submit(context, OP)?;
            context.wait(OP, None)?;
            self.profiler.iter_mut().for_each(|profiler| profiler.start = Some(Instant::now()));
        }
        Ok(())
    }

    /// Ends what [`start_timing`](Self::start_timing) began.
    pub(super) fn end_timing(&mut self, context: &Context) -> Result<()> {
        let Some(profiler) = &self.profiler else { return Ok(()) };
        if profiler.timestamps {
            self.end_pass();
            return Ok(());
        }
        self.submit(context, OP)?;
        context.wait(OP, None)?;
        if let Some(profiler) = &mut self.profiler
            && let (Some(start), Some(launch)) = (profiler.start, profiler.launches.last_mut())
        {
            launch.time = start.elapsed();
        }
        Ok(())
    }
}

impl Context {
    pub(crate) fn start_profile(&self) -> Result<()> {
        self.look(OP)?;
        self.refuse_aside(OP)?;
        let mut recorder = self.recorder();
        if recorder.profiler.is_some() {
            return Err(Error::argument(OP, "no other profile of this device meanwhile", "one"));
        }
        recorder.end_pass();
        recorder.profiler = Some(Box::new(Profiler::new(&self.device)));
        Ok(())
    }

    pub(crate) fn drop_profile(&self) {
        self.recorder().profiler = None;
    }

    /// The kernels that have run since the profile started.
    pub(crate) fn finish_profile(&self) -> Result<(Clock, Vec<KernelTime>)> {
        self.settle(OP)?;
        let Some(profiler) = self.recorder().profiler.take() else { return Ok((Clock::Host, Vec::new())) };
        let Profiler { sets, timestamps, launches, .. } = *profiler;
        let mut stamps = Vec::new();
        for (i, set) in sets.iter().enumerate() {
            let left = launches.len() * 2 - i * STAMPS as usize;
            stamps.extend(self.read_stamps(set, left.min(STAMPS as usize) as u32)?);
        }
        let period = f64::from(self.queue.get_timestamp_period());
        let mut tally = Tally::default();
        for (i, launch) in launches.iter().enumerate() {
            let time = match stamps.get(2 * i..2 * i + 2) {
                // If a driver's clock runs backwards, the launch counts as no time.
                Some(pair) => Duration::from_nanos((pair[1].saturating_sub(pair[0]) as f64 * period) as u64),
                None => launch.time,
            };
            tally.add(&launch.name, launch.reduces, launch.bytes, time);
        }
        Ok((if timestamps { Clock::Timestamps } else { Clock::Host }, tally.into_kernels()))
    }

    fn read_stamps(&self, set: &wgpu::QuerySet, count: u32) -> Result<Vec<u64>> {
        let buffer = |usage| {
            let size = u64::from(count) * 8;
            let label = Some("hadamard profile");
            self.allocate(OP, &wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC)?;
        let staging = buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ)?;
        self.guard(OP, || {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.resolve_query_set(set, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, resolved.size());
            self.queue.submit([encoder.finish()]);
            staging.map_async(wgpu::MapMode::Read, .., |_| {}); // a failure leaves no range to be had, below
            Ok(())
        })?;
        self.wait(OP, None)?;
        let bytes = staging.get_mapped_range(..).map_err(|e| Error::Gpu { op: OP, source: std::sync::Arc::new(e) })?;
        Ok(bytemuck::pod_collect_to_vec(&bytes[..]))
    }
}

/// A short description of a kernel: `map f32 mul add`, `reduce_outer f32 sum mul`.
fn name_of(spec: &Spec) -> String {
    let mut name = spec.kernel.name().to_owned();
    let stored = spec.bindings.iter().find(|b| b.write).map(|b| b.dtype);
    // Writing to a string cannot fail.
    if let Some(dtype) = stored {
        let _ = write!(name, " {dtype}");
    }
    for fold in spec.kernel.folds() {
        let _ = write!(name, " {}", fold.name());
    }
    for word in spec.kernel.codes().flat_map(words) {
        let _ = write!(name, " {word}");
    }
    name
}

/// The first few operations of some code, in order.
fn words(code: &Code) -> Vec<&'static str> {
    const MOST: usize = 8;
    let word = |inst: &Inst| match inst {
        Inst::Unary(op, _) => Some(op.name()),
        Inst::Binary(op, ..) => Some(op.name()),
        Inst::Select(..) => Some("where"),
        Inst::Random(..) => Some("random"),
        _ => None,
    };
    let mut words: Vec<_> = code.lines.iter().filter_map(|line| word(&line.inst)).collect();
    if words.len() > MOST {
        words.truncate(MOST - 1);
        words.push("…");
    }
    words
}
