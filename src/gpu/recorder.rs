//! Recording: launches are appended to one open compute pass, which is submitted when a result is read, when the
//! caller asks, or when enough has gathered.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::pipeline::Pipeline;
use super::profile::Profiler;
use super::{Buffer, Context};

/// Bytes of parameters that one submission may have.
const UNIFORM_BYTES: usize = 256 << 10;
/// Submissions the queue may be behind before recording waits: a loop that never reads must not pile up work.
const MAX_IN_FLIGHT: usize = 4;
/// Bytes of memory traffic after which recorded work is handed over, so that the GPU starts while the host goes on.
const SUBMIT_BYTES: u64 = 512 << 20;
/// Bind groups kept before all are dropped and made anew as needed.
const MAX_BIND_GROUPS: usize = 4096;

/// One binding of a launch: a range of a buffer, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Bound<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Pipeline, then buffer, offset and size of each binding.
type BindKey = (u64, SmallVec<[(u64, u64, u64); 4]>);

pub(super) struct Recorder {
    encoder: Option<wgpu::CommandEncoder>,
    pass: Option<wgpu::ComputePass<'static>>,
    /// The pipeline the pass is set to.
    current: Option<u64>,
    uniform: wgpu::Buffer,
    /// What `uniform` will hold when the pass runs: a slot for each launch.
    params: Vec<u8>,
    /// What `uniform` begins with.
    written: Vec<u8>,
    align: usize,
    bind_groups: FxHashMap<BindKey, wgpu::BindGroup>,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    batch: u64,
    bytes: u64,
    pub(super) profiler: Option<Box<Profiler>>,
}

impl Recorder {
    pub(super) fn new(device: &wgpu::Device, limits: &wgpu::Limits) -> Self {
        let uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("hadamard params"),
            size: UNIFORM_BYTES as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self {
            encoder: None,
            pass: None,
            current: None,
            uniform,
            params: Vec::new(),
            written: Vec::new(),
            align: limits.min_uniform_buffer_offset_alignment as usize,
            bind_groups: FxHashMap::default(),
            in_flight: VecDeque::new(),
            batch: 1,
            bytes: 0,
            profiler: None,
        }
    }

    /// The number of the recording now open. Buffers used in it carry this number.
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }

    pub(super) fn forget_bind_groups(&mut self) {
        self.bind_groups.clear();
    }

    /// Appends a launch of `grid` workgroups.
    pub(super) fn launch(
        &mut self,
        context: &Context,
        pipeline: &Pipeline,
        bound: &[Bound<'_>],
        params: &[u32],
        grid: [u32; 2],
    ) {
        let slot = self.params.len().next_multiple_of(self.align);
        let slot = if slot + params.len() * 4 > UNIFORM_BYTES {
            self.submit(context);
            0
        } else {
            slot
        };
        self.params.resize(slot, 0);
        self.params.extend_from_slice(bytemuck::cast_slice(params));

        if self.bind_groups.len() >= MAX_BIND_GROUPS {
            self.bind_groups.clear();
        }
        let key = (pipeline.id, bound.iter().map(|b| (b.buffer.id(), b.offset, b.size)).collect());
        let Self { bind_groups, uniform, .. } = self;
        let group = bind_groups.entry(key).or_insert_with(|| bind_group(context, pipeline, uniform, bound));

        let encoder = self.encoder.get_or_insert_with(|| {
            context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("hadamard") })
        });
        let pass = self.pass.get_or_insert_with(|| {
            let timestamp_writes = self.profiler.as_ref().and_then(|profiler| profiler.stamps());
            let descriptor = wgpu::ComputePassDescriptor { label: Some("hadamard"), timestamp_writes };
            encoder.begin_compute_pass(&descriptor).forget_lifetime()
        });
        if self.current != Some(pipeline.id) {
            pass.set_pipeline(&pipeline.pipeline);
            self.current = Some(pipeline.id);
        }
        pass.set_bind_group(0, &*group, &[slot as u32]);
        pass.dispatch_workgroups(grid[0], grid[1], 1);
        for b in bound {
            b.buffer.used_in(self.batch);
            self.bytes += b.size;
        }
        context.counts.kernels.fetch_add(1, Ordering::Relaxed);
        if self.bytes > SUBMIT_BYTES {
            self.submit(context);
        }
    }

    /// Ends the open pass: what follows is recorded into a new one.
    pub(super) fn end_pass(&mut self) {
        self.pass = None;
        self.current = None;
    }

    /// Hands everything recorded to the queue. Does nothing if there is nothing.
    pub(super) fn submit(&mut self, context: &Context) {
        self.end_pass();
        let Some(encoder) = self.encoder.take() else { return };
        self.finish(context, encoder);
    }

    /// Copies from one buffer to another after everything recorded, and hands all of it to the queue.
    pub(super) fn copy_and_submit(
        &mut self,
        context: &Context,
        from: &wgpu::Buffer,
        offset: u64,
        to: &wgpu::Buffer,
        bytes: u64,
    ) -> wgpu::SubmissionIndex {
        self.end_pass();
        let mut encoder = self.encoder.take().unwrap_or_else(|| {
            context.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("hadamard") })
        });
        encoder.copy_buffer_to_buffer(from, offset, to, 0, bytes);
        self.finish(context, encoder)
    }

    fn finish(&mut self, context: &Context, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        let _turn = context.turn();
        // Ordered before this submission and after all earlier ones, so the space can be used again and again. A loop
        // that evaluates the same again finds it written already.
        if !self.written.starts_with(&self.params) {
            context.queue.write_buffer(&self.uniform, 0, &self.params);
            std::mem::swap(&mut self.written, &mut self.params);
        }
        self.params.clear();
        let index = context.queue.submit([encoder.finish()]);
        context.counts.submits.fetch_add(1, Ordering::Relaxed);
        self.batch += 1;
        self.bytes = 0;
        self.in_flight.push_back(index.clone());
        if self.in_flight.len() > MAX_IN_FLIGHT {
            // An error here comes back from the next check.
            let oldest = self.in_flight.pop_front();
            let _ = context.device.poll(wgpu::PollType::Wait { submission_index: oldest, timeout: None });
        }
        index
    }
}

fn bind_group(context: &Context, pipeline: &Pipeline, uniform: &wgpu::Buffer, bound: &[Bound<'_>]) -> wgpu::BindGroup {
    let buffer = |buffer, offset, size| {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZero::new(size) })
    };
    let params = wgpu::BindGroupEntry { binding: 0, resource: buffer(uniform, 0, pipeline.params_bytes) };
    let entries: SmallVec<[_; 8]> =
        std::iter::once(params)
            .chain(bound.iter().zip(1..).map(|(b, binding)| wgpu::BindGroupEntry {
                binding,
                resource: buffer(b.buffer.raw(), b.offset, b.size),
            }))
            .collect();
    context.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("hadamard"),
        layout: &pipeline.layout,
        entries: &entries,
    })
}
