//! Recording: launches are appended to one open compute pass, which is submitted when a result is read, when the
//! caller asks, or when enough has gathered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::aside::Tape;
use super::marks::Marks;
use super::pipeline::Pipeline;
use super::profile::Profiler;
use super::replay::Replay;
use super::{Buffer, Context, own};
use crate::base::bounds::Bounds;
use crate::expr::graph::Graph;
use crate::{Error, Result};

/// Bytes of launch parameters in one submission, at most.
pub(super) const UNIFORM_BYTES: usize = 256 << 10;
/// Unfinished submissions, at most: then recording waits, so that a loop that never reads cannot pile up work.
const MAX_IN_FLIGHT: usize = 4;
/// Bytes of memory traffic after which recorded work is submitted, so that the GPU starts while the host goes on.
const SUBMIT_BYTES: u64 = 512 << 20;
/// Bind groups kept, at most: then all are dropped and made again as needed.
const MAX_BIND_GROUPS: usize = 4096;
/// Launches with uniforms of their own after which recorded work is submitted: about as many as others have room for.
const MAX_REPLAYED: usize = 1024;

/// One binding of a launch: a range of a buffer, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) write: bool,
}

/// A copy to the start of a buffer, and after it of marks, which are cleared.
pub(super) struct Copy<'a> {
    /// A buffer, and offset and number of the bytes that are copied of it.
    pub(super) from: Option<(&'a wgpu::Buffer, u64, u64)>,
    /// Bytes of marks.
    pub(super) marks: u64,
    pub(super) to: &'a wgpu::Buffer,
}

/// The pipeline's id; then each binding's buffer id, offset and size.
type BindKey = (u64, SmallVec<[(u64, u64, u64); 6]>);

pub(super) struct Recorder {
    /// What comes before the open encoder.
    earlier: Vec<Piece>,
    encoder: Option<wgpu::CommandEncoder>,
    pub(super) pass: Option<wgpu::ComputePass<'static>>,
    /// Id of the pipeline that is set in the open pass.
    pub(super) current: Option<u64>,
    uniform: wgpu::Buffer,
    /// The contents that `uniform` will have when the pass runs: a slot for each launch.
    uniforms: Vec<u8>,
    /// The contents of `uniform` now, as far as they are known.
    written: Vec<u8>,
    pub(super) align: usize,
    bind_groups: FxHashMap<BindKey, wgpu::BindGroup>,
    pub(super) replays: Vec<Arc<Replay>>,
    /// How often all replays have been forgotten.
    pub(super) epoch: u64,
    /// Launches of replays in what is recorded.
    replayed: usize,
    /// The pool's count of released buffers when the bind groups were last dropped.
    released: u64,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    batch: u64,
    /// Numbers of the recordings that wgpu refused: their results were never written.
    pub(super) refused: Vec<u64>,
    bytes: u64,
    pub(super) marks: Marks,
    pub(super) profiler: Option<Box<Profiler>>,
    /// What threads record into encoders of the caller's.
    pub(super) tapes: Vec<Tape>,
}

/// A part of a recording that is complete.
enum Piece {
    Work(wgpu::CommandEncoder),
    Copy(wgpu::CommandBuffer),
}

impl Recorder {
    pub(super) fn new(device: &wgpu::Device, limits: &wgpu::Limits) -> Self {
        Self {
            earlier: Vec::new(),
            encoder: None,
            pass: None,
            current: None,
            uniform: Self::uniform_buffer(device),
            uniforms: Vec::new(),
            written: Vec::new(),
            align: limits.min_uniform_buffer_offset_alignment as usize,
            bind_groups: FxHashMap::default(),
            replays: Vec::new(),
            epoch: 0,
            replayed: 0,
            released: 0,
            in_flight: VecDeque::new(),
            batch: 1,
            refused: Vec::new(),
            bytes: 0,
            marks: Marks::new(device, limits),
            profiler: None,
            tapes: Vec::new(),
        }
    }

    pub(super) fn uniform_buffer(device: &wgpu::Device) -> wgpu::Buffer {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("hadamard uniforms"),
            size: UNIFORM_BYTES as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// The number of the recording now open. Buffers used in it carry this number.
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }

    pub(super) fn forget_bind_groups(&mut self, context: &Context) {
        let _turn = context.faults.turn();
        self.bind_groups.clear();
        self.forget_replays();
    }

    /// Drops the bind groups if the pool has released memory since: they keep their buffers alive.
    pub(super) fn forget_released(&mut self, context: &Context) {
        let released = context.memory.pool.released();
        if released != self.released {
            self.forget_bind_groups(context);
            self.released = released;
        }
    }

    /// An error if the work that was to write a buffer has been refused.
    pub(super) fn check(&self, context: &Context, op: &'static str, buffer: &Buffer) -> Result<()> {
        if self.refused.is_empty() || !self.refused.contains(&buffer.written()) {
            return Ok(());
        }
        Err(context.failure(op, || Error::Gpu { op, source: Arc::new(Refused) }))
    }

    /// An error if the work that was to write something a graph reads has been refused.
    pub(super) fn check_read(&self, context: &Context, op: &'static str, graph: &Graph) -> Result<()> {
        graph.buffers.iter().try_for_each(|(storage, _)| self.check(context, op, own(storage)))
    }

    /// Drops the bind groups that hold memory which is shared no more.
    pub(super) fn let_go(&mut self, context: &Context) {
        let departed = context.memory.shared.departed();
        if !departed.is_empty() {
            let _turn = context.faults.turn();
            self.bind_groups.retain(|(_, bound), _| !bound.iter().any(|(id, ..)| departed.contains(id)));
            self.forget_replays_of(&departed);
        }
    }

    /// Appends a launch of `grid` workgroups to what is submitted here.
    pub(super) fn launch(
        &mut self,
        context: &Context,
        op: &'static str,
        pipeline: &Pipeline,
        bound: &[Bound<'_>],
        words: &[u32],
        grid: [u32; 2],
    ) -> Result<()> {
        let mut slot = self.uniforms.len().next_multiple_of(self.align);
        if slot + words.len() * 4 > UNIFORM_BYTES {
            self.submit(context, op)?;
            slot = 0;
        }
        let group = self.bind_group(context, op, pipeline, bound, None)?;
        let mut pass = self.open(context, op)?;
        if self.current != Some(pipeline.id) {
            pass.set_pipeline(&pipeline.pipeline);
            self.current = Some(pipeline.id);
        }
        pass.set_bind_group(0, &group, &[slot as u32]);
        pass.dispatch_workgroups(grid[0], grid[1], 1);
        self.pass = Some(pass);
        self.uniforms.resize(slot, 0);
        self.uniforms.extend_from_slice(bytemuck::cast_slice(words));
        bound.iter().for_each(|b| b.buffer.used_in(self.batch, b.write));
        context.counts.kernels.fetch_add(1, Ordering::Relaxed);
        self.appended(context, op, bound.iter().map(|b| b.size).sum(), 0)
    }

    /// Submits what is recorded if it is enough now: `bytes` of memory more, and of replays so many launches.
    pub(super) fn appended(&mut self, context: &Context, op: &'static str, bytes: u64, replayed: usize) -> Result<()> {
        self.bytes += bytes;
        self.replayed += replayed;
        if self.bytes > SUBMIT_BYTES || self.replayed > MAX_REPLAYED { self.submit(context, op) } else { Ok(()) }
    }

    /// The bind group of a launch, with uniforms and marks of its own where it goes to the tape of number `tape`.
    pub(super) fn bind_group(
        &mut self,
        context: &Context,
        op: &'static str,
        pipeline: &Pipeline,
        bound: &[Bound<'_>],
        tape: Option<usize>,
    ) -> Result<wgpu::BindGroup> {
        let mut key: BindKey = (pipeline.id, bound.iter().map(|b| (b.buffer.id(), b.offset, b.size)).collect());
        if let Some(at) = tape {
            key.1.extend(self.tapes[at].ids(pipeline.has_marks).map(|id| (id, 0, 0)));
        }
        if let Some(group) = self.bind_groups.get(&key) {
            return Ok(group.clone());
        }
        if self.bind_groups.len() >= MAX_BIND_GROUPS {
            self.forget_bind_groups(context);
        }
        self.forget_released(context);
        let beside = tape.and_then(|at| self.tapes[at].beside());
        let (uniform, marks) = beside.unwrap_or((&self.uniform, &self.marks.buffer));
        let marks = if pipeline.has_marks { Some(marks) } else { None };
        let group = context.guard(op, || Ok(pipeline.bind_group(context, uniform, bound, marks)))?;
        self.bind_groups.insert(key, group.clone());
        Ok(group)
    }

    /// The open pass, or a new one.
    pub(super) fn open(&mut self, context: &Context, op: &'static str) -> Result<wgpu::ComputePass<'static>> {
        if let Some(pass) = self.pass.take() {
            return Ok(pass);
        }
        let mut encoder = self.encoder(context, op)?;
        let timestamp_writes = self.profiler.as_ref().and_then(|profiler| profiler.stamps());
        let descriptor = wgpu::ComputePassDescriptor { label: Some("hadamard"), timestamp_writes };
        let pass = encoder.begin_compute_pass(&descriptor).forget_lifetime();
        self.encoder = Some(encoder);
        Ok(pass)
    }

    /// The open encoder, or a new one.
    fn encoder(&mut self, context: &Context, op: &'static str) -> Result<wgpu::CommandEncoder> {
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some("hadamard") };
        let new = || context.guard(op, || Ok(context.device.create_command_encoder(&descriptor)));
        self.encoder.take().map_or_else(new, Ok)
    }

    /// Ends the open pass: what follows is recorded into a new one.
    pub(super) fn end_pass(&mut self) {
        self.pass = None;
        self.current = None;
    }

    /// Appends commands to what is recorded, which copy so many bytes to or from a buffer.
    pub(super) fn append(
        &mut self,
        context: &Context,
        op: &'static str,
        commands: wgpu::CommandBuffer,
        copied: (&Buffer, u64, bool),
    ) -> Result<()> {
        self.end_pass();
        self.earlier.extend(self.encoder.take().map(Piece::Work));
        self.earlier.push(Piece::Copy(commands));
        let (buffer, bytes, written) = copied;
        buffer.used_in(self.batch, written);
        self.appended(context, op, bytes, 0)
    }

    /// The mark of some bounds, for a launch, which may go to a tape.
    pub(super) fn mark(&mut self, bounds: Bounds, tape: Option<usize>) -> u32 {
        match tape {
            Some(at) => self.tapes[at].mark(bounds),
            None => self.marks.of(bounds),
        }
    }

    /// Submits everything recorded, if there is anything.
    pub(super) fn submit(&mut self, context: &Context, op: &'static str) -> Result<()> {
        self.hand_over(context, op)?;
        self.keep_pace(context, op)
    }

    /// The same, without a wait, however much is on its way.
    pub(super) fn hand_over(&mut self, context: &Context, op: &'static str) -> Result<()> {
        match self.encoder.take() {
            None if self.earlier.is_empty() => Ok(()),
            encoder => self.finish(context, op, encoder, None).map(drop),
        }
    }

    /// Whether anything is recorded that has not been handed over.
    pub(super) fn has_work(&self) -> bool {
        self.encoder.is_some() || !self.earlier.is_empty()
    }

    /// The same, for a caller who keeps the pace: what tells of the last submission, if there was any.
    pub(super) fn flush(&mut self, context: &Context, op: &'static str) -> Result<Option<wgpu::SubmissionIndex>> {
        self.hand_over(context, op)?;
        let more = self.in_flight.len().saturating_sub(MAX_IN_FLIGHT);
        drop(self.in_flight.drain(..more));
        Ok(self.in_flight.back().cloned())
    }

    /// Waits until few enough submissions are on their way.
    fn keep_pace(&mut self, context: &Context, op: &'static str) -> Result<()> {
        while self.in_flight.len() > MAX_IN_FLIGHT {
            context.wait(op, self.in_flight.pop_front())?;
        }
        Ok(())
    }

    /// Copies from one buffer to another after everything recorded, and submits all of it.
    pub(super) fn copy_and_submit(
        &mut self,
        context: &Context,
        op: &'static str,
        copy: &Copy<'_>,
    ) -> Result<wgpu::SubmissionIndex> {
        let encoder = self.encoder(context, op)?;
        let index = self.finish(context, op, Some(encoder), Some(copy))?;
        self.keep_pace(context, op)?;
        Ok(index)
    }

    fn finish(
        &mut self,
        context: &Context,
        op: &'static str,
        mut encoder: Option<wgpu::CommandEncoder>,
        copy: Option<&Copy<'_>>,
    ) -> Result<wgpu::SubmissionIndex> {
        let earlier = std::mem::take(&mut self.earlier);
        let submitted = context.guard(op, || {
            self.end_pass();
            if let (Some(&Copy { from, marks, to }), Some(encoder)) = (copy, &mut encoder) {
                if let Some((buffer, offset, bytes)) = from {
                    encoder.copy_buffer_to_buffer(buffer, offset, to, 0, bytes);
                }
                if marks > 0 {
                    let after = from.map_or(0, |from| from.2);
                    encoder.copy_buffer_to_buffer(&self.marks.buffer, 0, to, after, marks);
                    encoder.clear_buffer(&self.marks.buffer, 0, Some(marks));
                }
            }
            // The queue writes after all earlier submissions and before this one, so one buffer serves them all. A loop
            // that repeats an evaluation finds the uniforms written already.
            if !self.written.starts_with(&self.uniforms) {
                context.queue.write_buffer(&self.uniform, 0, &self.uniforms);
                std::mem::swap(&mut self.written, &mut self.uniforms);
            }
            let pieces = earlier.into_iter().chain(encoder.map(Piece::Work));
            Ok(context.queue.submit(pieces.map(Piece::finish)))
        });
        self.uniforms.clear();
        (self.bytes, self.replayed) = (0, 0);
        #[cfg(target_arch = "wasm32")]
        context.faults.submitted.store(self.batch, Ordering::Relaxed);
        self.batch += 1;
        let index = submitted.inspect_err(|_| {
            self.refused.push(self.batch - 1);
            self.written.clear();
            // The uniforms of replays may not have been written either.
            self.forget_bind_groups(context);
        })?;
        context.counts.submits.fetch_add(1, Ordering::Relaxed);
        self.in_flight.push_back(index.clone());
        self.let_go(context);
        context.look_for_loss(op)?;
        Ok(index)
    }
}

impl Piece {
    fn finish(self) -> wgpu::CommandBuffer {
        match self {
            Self::Work(encoder) => encoder.finish(),
            Self::Copy(commands) => commands,
        }
    }
}

/// Why a tensor cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the work that was to write this tensor was refused when it was handed over")]
struct Refused;
