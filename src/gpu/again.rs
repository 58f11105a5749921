//! A run of a graph that ran before, of the same memory: what was found then is found again without planning, hashing or
//! comparing graphs, and where its numbers are the same, too, it is recorded as it was.
//!
//! Drawing a frame or training on a batch runs the same few graphs over and over. A graph keeps the number of its plan, and
//! for which buffers it is; the plan itself stays the cache's, and replays the recorder's, which may drop them.

use std::sync::{Arc, Mutex, Weak};

use smallvec::SmallVec;

use super::cache::Ready;
use super::context::lock;
use super::recorder::Recorder;
use super::replay::{Replay, Work, same};
use super::shifts::Shifts;
use super::{Buffer, Context};
use crate::base::layout::Layout;
use crate::expr::graph::Graph;
use crate::{DType, Result, Scalar, Tensor};

/// Replays of a run, at most: its temporary memory is seldom in more places by turns.
const MOST_REPLAYS: usize = 4;
/// Runs between two that make a replay, at most, where replays are of no use.
const LONGEST_WAIT: u32 = 256;

/// What a run found. Buffers are known by their numbers, which no other buffer ever has: no memory is kept by them.
pub(super) struct Found {
    read: SmallVec<[u64; 4]>,
    targets: SmallVec<[(u64, Layout, DType); 2]>,
    fast_math: bool,
    /// The plan's key in the cache.
    key: u64,
    ready: Weak<Ready>,
    shifts: Arc<Shifts>,
    /// Bytes of each temporary buffer.
    temps: SmallVec<[u64; 2]>,
    /// Whether replays can be made of it.
    replays: bool,
    again: Mutex<Again>,
}

/// Replays, and when to make another.
#[derive(Default)]
struct Again {
    replays: SmallVec<[Weak<Replay>; 1]>,
    /// The numbers of the last run that was none: those that change from run to run make no replay.
    numbers: Option<SmallVec<[Scalar; 4]>>,
    /// Runs until the next is made, and how many it was at first: twice as many each time, less for each replay used.
    due: u32,
    wait: u32,
}

impl Found {
    pub(super) fn new(
        context: &Context,
        graph: &Graph,
        tensors: &[Tensor],
        shifts: &Arc<Shifts>,
        (key, ready): (u64, &Arc<Ready>),
    ) -> Self {
        let target = |tensor: &Tensor| (super::own(tensor.storage()).id(), tensor.layout().clone(), tensor.dtype());
        Self {
            read: graph.buffers.iter().map(|(storage, _)| super::own(storage).id()).collect(),
            targets: tensors.iter().map(target).collect(),
            fast_math: context.fast_math(),
            key,
            ready: Arc::downgrade(ready),
            shifts: shifts.clone(),
            temps: ready.plan.temps.iter().map(|temp| (temp.numel * temp.dtype.size()) as u64).collect(),
            replays: Replay::can_be_of(&ready.pipelines),
            again: Mutex::default(),
        }
    }

    fn is_for(&self, context: &Context, graph: &Graph, tensors: &[&Tensor]) -> bool {
        self.fast_math == context.fast_math()
            && self.read.len() == graph.buffers.len()
            && self.read.iter().zip(&graph.buffers).all(|(id, (storage, _))| *id == super::own(storage).id())
            && self.targets.len() == tensors.len()
            && self.targets.iter().zip(tensors).all(|((id, layout, dtype), tensor)| {
                *id == super::own(tensor.storage()).id() && *dtype == tensor.dtype() && layout == tensor.layout()
            })
    }

    /// Records the run as it was recorded before, if it was. Returns whether it did.
    pub(super) fn run(
        &self,
        op: &'static str,
        context: &Arc<Context>,
        graph: &Graph,
        targets: &[&Tensor],
    ) -> Result<bool> {
        if !self.replays || lock(&self.again).replays.is_empty() {
            return Ok(false);
        }
        context.look_unless_aside(op)?;
        let temps = context.temps(op, self.temps.iter().copied())?;
        let mut recorder = context.recorder();
        let Some(replay) = self.replay(context, &mut recorder, &temps, graph) else { return Ok(false) };
        let work = Work { graph, targets, temps: &temps };
        recorder.check_read(context, op, graph)?;
        recorder.play(context, op, &replay, &work)?;
        Ok(true)
    }

    fn replay(
        &self,
        context: &Context,
        recorder: &mut Recorder,
        temps: &[Arc<Buffer>],
        graph: &Graph,
    ) -> Option<Arc<Replay>> {
        if context.cache.made_room() {
            recorder.forget_bind_groups(context);
        }
        if recorder.profiler.is_some() {
            return None;
        }
        let mut again = lock(&self.again);
        let fits = |replay: &Arc<Replay>| recorder.knows(replay) && replay.is_of(temps, graph);
        let replay = again.replays.iter().find_map(|replay| replay.upgrade().filter(fits))?;
        again.wait = again.wait.saturating_sub(1);
        if replay.counts() {
            drop(again);
            // Else the plan would be taken for one that nobody uses.
            drop(context.kept(self.key));
        }
        Some(replay)
    }

    /// Whether a replay is to be made of this run, which is none.
    pub(super) fn wants_replay(&self, recorder: &Recorder, numbers: &[Scalar]) -> bool {
        if !self.replays || recorder.profiler.is_some() {
            return false;
        }
        let mut again = lock(&self.again);
        let known = again.numbers.as_deref().is_some_and(|known| same(known, numbers.iter().copied()));
        if !known {
            again.numbers = Some(numbers.iter().copied().collect());
            return false;
        }
        again.due = again.due.saturating_sub(1);
        if again.due > 0 {
            return false;
        }
        again.wait = (2 * again.wait + 1).min(LONGEST_WAIT);
        again.due = again.wait;
        // Of other numbers there will be no more runs soon.
        again.replays.retain(|replay| {
            let live = replay.upgrade().filter(|replay| recorder.knows(replay));
            live.is_some_and(|replay| replay.is_of_numbers(numbers.iter().copied()))
        });
        again.replays.len() < MOST_REPLAYS
    }

    /// Remembers a replay for the next run.
    pub(super) fn remember(&self, replay: &Arc<Replay>) {
        lock(&self.again).replays.push(Arc::downgrade(replay));
    }

    /// What is moved, and the plan if it is still there.
    pub(super) fn plan(&self, context: &Context) -> Option<(Arc<Shifts>, Arc<Ready>)> {
        let ready = context.kept(self.key).filter(|ready| std::ptr::eq(Arc::as_ptr(ready), self.ready.as_ptr()))?;
        Some((self.shifts.clone(), ready))
    }
}

impl Context {
    /// What the last run of a graph found, if that was of this memory.
    pub(super) fn found(&self, graph: &Graph, tensors: &[&Tensor]) -> Option<Arc<Found>> {
        graph.latest.get::<Found>().filter(|found| found.is_for(self, graph, tensors))
    }
}
