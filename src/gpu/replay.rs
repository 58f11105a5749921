//! A run recorded as it was before: its launches with their bind groups, and their uniforms in a buffer of their own, which
//! nothing overwrites. So it can stand in any number of encoders at once, and recording it again is a few calls to wgpu.
//!
//! The recorder holds replays, and drops them with its bind groups: what they keep alive is no more than those do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use smallvec::SmallVec;

use super::aside::Step;
use super::pipeline::Pipeline;
use super::recorder::{Bound, Recorder};
use super::{Buffer, Context, own};
use crate::base::storage::Storage;
use crate::expr::Number;
use crate::expr::graph::Graph;
use crate::{Result, Scalar, Tensor};

/// Replays kept, at most: then all are dropped and made again as needed.
const MOST: usize = 1024;
/// Launches of a run that is worth it, at most: of more, each is large.
const MOST_LAUNCHES: usize = 64;

/// A run of certain memory and certain numbers.
pub(super) struct Replay {
    launches: SmallVec<[Launched; 3]>,
    /// Ids of the plan's temporary buffers.
    temps: SmallVec<[u64; 2]>,
    numbers: SmallVec<[Scalar; 4]>,
    /// Ids of all buffers that it binds.
    bound: SmallVec<[u64; 8]>,
    bytes: u64,
    /// See [`Recorder::forget_replays`].
    epoch: u64,
    played: AtomicU32,
}

struct Launched {
    pipeline: wgpu::ComputePipeline,
    pipeline_id: u64,
    group: wgpu::BindGroup,
    slot: u32,
    grid: [u32; 2],
}

/// The launches of a run, of which a replay is to be made.
#[derive(Default)]
pub(super) struct Draft<'a> {
    launches: Vec<Drafted<'a>>,
    uniforms: Vec<u8>,
}

struct Drafted<'a> {
    pipeline: &'a Pipeline,
    bound: SmallVec<[Bound<'a>; 8]>,
    slot: usize,
    grid: [u32; 2],
}

/// The memory that a run works on.
pub(super) struct Work<'a> {
    pub(super) graph: &'a Graph,
    pub(super) targets: &'a [&'a Tensor],
    pub(super) temps: &'a [Arc<Buffer>],
}

impl Work<'_> {
    /// Each buffer, and whether it is written.
    fn buffers(&self) -> impl Iterator<Item = (&Buffer, bool)> {
        let read = self.graph.buffers.iter().map(|(storage, _)| (own(storage), false));
        let targets = self.targets.iter().map(|target| (own(target.storage()), true));
        read.chain(targets).chain(self.temps.iter().map(|temp| (&**temp, true)))
    }

    /// What keeps all of it, in the same order.
    pub(super) fn storages(&self) -> impl Iterator<Item = (Storage, bool)> {
        let read = self.graph.buffers.iter().map(|(storage, _)| (storage.clone(), false));
        let targets = self.targets.iter().map(|target| (target.storage().clone(), true));
        read.chain(targets).chain(self.temps.iter().map(|temp| (Storage::new(temp.clone()), true)))
    }
}

impl<'a> Draft<'a> {
    pub(super) fn launch(
        &mut self,
        align: usize,
        pipeline: &'a Pipeline,
        bound: SmallVec<[Bound<'a>; 8]>,
        words: &[u32],
        grid: [u32; 2],
    ) {
        let slot = self.uniforms.len().next_multiple_of(align);
        self.uniforms.resize(slot, 0);
        self.uniforms.extend_from_slice(bytemuck::cast_slice(words));
        // As much as the launch binds.
        self.uniforms.resize(self.uniforms.len().max(slot + pipeline.uniform_bytes as usize), 0);
        self.launches.push(Drafted { pipeline, bound, slot, grid });
    }
}

impl Replay {
    /// Whether one can be made of these launches: marks are handed out anew for each run.
    pub(super) fn can_be_of(pipelines: &[Arc<Pipeline>]) -> bool {
        (1..=MOST_LAUNCHES).contains(&pipelines.len()) && !pipelines.iter().any(|pipeline| pipeline.has_marks)
    }

    /// Whether it is a run of these temporary buffers and numbers.
    pub(super) fn is_of(&self, temps: &[Arc<Buffer>], graph: &Graph) -> bool {
        self.temps.len() == temps.len()
            && self.temps.iter().zip(temps).all(|(id, temp)| *id == temp.id())
            && self.is_of_numbers(graph.scalars.iter().map(Number::get))
    }

    pub(super) fn is_of_numbers(&self, numbers: impl ExactSizeIterator<Item = Scalar>) -> bool {
        same(&self.numbers, numbers)
    }

    pub(super) fn kernels(&self) -> u64 {
        self.launches.len() as u64
    }

    /// Whether this is one of some plays, so that what it needs is to count as used.
    pub(super) fn counts(&self) -> bool {
        self.played.fetch_add(1, Ordering::Relaxed) % 32 == 31
    }

    /// Records its launches into a pass in which the pipeline of id `current` is set; returns which is then.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>, mut current: Option<u64>) -> Option<u64> {
        for Launched { pipeline, pipeline_id, group, slot, grid } in &self.launches {
            if current != Some(*pipeline_id) {
                pass.set_pipeline(pipeline);
                current = Some(*pipeline_id);
            }
            pass.set_bind_group(0, group, &[*slot]);
            pass.dispatch_workgroups(grid[0], grid[1], 1);
        }
        current
    }
}

/// Whether numbers are the same bits in uniforms.
pub(super) fn same(known: &[Scalar], numbers: impl ExactSizeIterator<Item = Scalar>) -> bool {
    known.len() == numbers.len()
        && known.iter().zip(numbers).all(|pair| match pair {
            (Scalar::Float(a), Scalar::Float(b)) => a.to_bits() == b.to_bits(),
            (a, b) => *a == b,
        })
}

impl Recorder {
    /// Whether a replay may still be used: all are forgotten at once.
    pub(super) fn knows(&self, replay: &Replay) -> bool {
        replay.epoch == self.epoch
    }

    /// Makes a replay of a run, which is then to be recorded, and keeps it.
    pub(super) fn keep(
        &mut self,
        context: &Context,
        op: &'static str,
        draft: &Draft<'_>,
        temps: &[Arc<Buffer>],
        numbers: &[Scalar],
    ) -> Result<Arc<Replay>> {
        if self.replays.len() >= MOST {
            self.forget_bind_groups(context);
        }
        self.forget_released(context);
        let size = draft.uniforms.len().next_multiple_of(16);
        let mut uniforms = draft.uniforms.clone();
        uniforms.resize(size, 0);
        let launches = context.guard(op, || {
            let uniform = context.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("hadamard uniforms"),
                size: size as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            // The queue writes before whatever is submitted next.
            context.queue.write_buffer(&uniform, 0, &uniforms);
            let launched = |Drafted { pipeline, bound, slot, grid }: &Drafted<'_>| Launched {
                pipeline: pipeline.pipeline.clone(),
                pipeline_id: pipeline.id,
                group: pipeline.bind_group(context, &uniform, bound, None),
                slot: *slot as u32,
                grid: *grid,
            };
            Ok(draft.launches.iter().map(launched).collect())
        })?;
        let bound = || draft.launches.iter().flat_map(|launch| &launch.bound);
        let replay = Arc::new(Replay {
            launches,
            temps: temps.iter().map(|temp| temp.id()).collect(),
            numbers: numbers.iter().copied().collect(),
            bound: bound().map(|bound| bound.buffer.id()).collect(),
            bytes: bound().map(|bound| bound.size).sum(),
            epoch: self.epoch,
            played: AtomicU32::new(0),
        });
        self.replays.push(replay.clone());
        Ok(replay)
    }

    /// Drops all replays, and uses none again that a tape still holds.
    pub(super) fn forget_replays(&mut self) {
        self.replays.clear();
        self.epoch += 1;
    }

    /// Drops those that bind one of these buffers.
    pub(super) fn forget_replays_of(&mut self, gone: &[u64]) {
        self.replays.retain(|replay| !replay.bound.iter().any(|id| gone.contains(id)));
    }

    /// Appends a run to what is submitted here, or to this thread's tape.
    pub(super) fn play(
        &mut self,
        context: &Context,
        op: &'static str,
        replay: &Arc<Replay>,
        work: &Work<'_>,
    ) -> Result<()> {
        context.counts.kernels.fetch_add(replay.kernels(), Ordering::Relaxed);
        let batch = self.batch();
        if let Some(at) = self.tape() {
            // See `launch_aside`.
            if work.buffers().any(|(buffer, _)| buffer.used() >= batch) {
                self.hand_over(context, op)?;
            }
            let tape = &mut self.tapes[at];
            tape.step(Step::Again(replay.clone()));
            tape.keep(work.storages());
            work.buffers().filter(|(_, written)| *written).for_each(|(buffer, _)| buffer.written_aside());
            return Ok(());
        }
        let mut pass = self.open(context, op)?;
        self.current = replay.record(&mut pass, self.current);
        self.pass = Some(pass);
        work.buffers().for_each(|(buffer, written)| buffer.used_in(batch, written));
        self.appended(context, op, replay.bytes, replay.launches.len())
    }
}
