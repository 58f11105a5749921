//! Kept between evaluations: plans, by the form of their graph, and pipelines, by spec.
//!
//! Numbers, buffers and, within limits, where tensors begin in their buffers are no part of a form, so an optimizer's
//! next learning rate and a ring buffer's next row find a plan. Both are bounded: the plan used longest ago goes first,
//! and its pipelines with it, unless other plans need them.

use std::hash::{Hash, Hasher};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};

use super::Context;
use super::context::lock;
use super::pipeline::Pipeline;
use super::shifts::Shifts;
use crate::Result;
use crate::expr::graph::{Graph, Root, Source, Step, Take, Value};
use crate::kernel::{Caps, Launch, Plan, Spec, Target, plan};

/// Plans kept, at most. One takes a few kB.
const MAX_PLANS: NonZero<usize> = NonZero::new(1024).unwrap();
/// Pipelines kept, at most. A driver may need a megabyte for one.
const MAX_PIPELINES: usize = 256;

pub(super) struct Cache {
    kept: Mutex<Kept>,
    /// Whether plans have been dropped for their pipelines' sake since [`Cache::made_room`] was last asked.
    made_room: AtomicBool,
}

struct Kept {
    /// By the hash of their form.
    plans: LruCache<u64, Arc<Ready>, FxBuildHasher>,
    pipelines: FxHashMap<Spec, Arc<Pipeline>>,
}

/// A plan with its pipelines.
pub(super) struct Ready {
    form: Form,
    pub(super) plan: Plan,
    pub(super) pipelines: Vec<Arc<Pipeline>>,
}

/// What two runs must have in common to share a plan: graph and targets, without tensors and numbers, and moved to where
/// [`Shifts`] say.
struct Form {
    values: Vec<Value>,
    roots: Vec<Root>,
    dtypes: Vec<crate::DType>,
    n_scalars: usize,
    targets: Vec<Target>,
    fast_math: bool,
}

impl Form {
    fn of(graph: &Graph, targets: &[Target], fast_math: bool) -> Self {
        Self {
            values: graph.values.clone(),
            roots: graph.roots.clone(),
            dtypes: graph.buffers.iter().map(|b| b.1).collect(),
            n_scalars: graph.scalars.len(),
            targets: targets.to_vec(),
            fast_math,
        }
    }

    fn fits(&self, graph: &Graph, targets: &[Target], shifts: &Shifts, fast_math: bool) -> bool {
        self.fast_math == fast_math
            && self.roots == graph.roots
            && self.n_scalars == graph.scalars.len()
            && self.dtypes.iter().copied().eq(graph.buffers.iter().map(|b| b.1))
            && self.values.len() == graph.values.len()
            && self.values.iter().zip(&graph.values).all(|(ours, value)| shifts.makes(ours, value))
            && self.targets.len() == targets.len()
            && self.targets.iter().zip(targets).all(|(ours, target)| shifts.makes_target(ours, target))
    }
}

/// The hash of the form of a graph and its targets.
fn hash(graph: &Graph, targets: &[Target], shifts: &Shifts, fast_math: bool) -> u64 {
    let mut hasher = FxHasher::default();
    (graph.hash(), fast_math).hash(&mut hasher);
    for value in &graph.values {
        if let Step::Load { buffer, access } | Step::Take(Take { from: Source::Buffer(buffer), access, .. }) =
            &value.step
        {
            (access.footprint().offset() - shifts.of_buffer(*buffer)).hash(&mut hasher);
        }
    }
    for Target { memory, layout, dtype } in targets {
        (memory, layout.shape(), layout.strides(), layout.offset() - shifts.of(*memory), dtype).hash(&mut hasher);
    }
    hasher.finish()
}

impl Default for Cache {
    fn default() -> Self {
        let plans = LruCache::with_hasher(MAX_PLANS, FxBuildHasher);
        let kept = Mutex::new(Kept { plans, pipelines: FxHashMap::default() });
        Self { kept, made_room: AtomicBool::new(false) }
    }
}

impl Cache {
    /// Drops everything. What is running keeps its own.
    pub(super) fn clear(&self) {
        let mut kept = lock(&self.kept);
        kept.plans.clear();
        kept.pipelines.clear();
    }

    /// Whether pipelines have been dropped since this was last asked, which someone else may still hold.
    pub(super) fn made_room(&self) -> bool {
        self.made_room.load(Ordering::Relaxed) && self.made_room.swap(false, Ordering::Relaxed)
    }
}

impl Kept {
    /// Drops plans, those used longest ago first, until few enough pipelines are left. Whether there were too many.
    fn make_room(&mut self) -> bool {
        let too_many = self.pipelines.len() > MAX_PIPELINES;
        while self.pipelines.len() > MAX_PIPELINES && self.plans.len() > 1 {
            drop(self.plans.pop_lru());
            self.pipelines.retain(|_, pipeline| Arc::strong_count(pipeline) > 1);
        }
        too_many
    }
}

impl Context {
    /// The plan for a graph and its targets, made and compiled if it is new, with its key.
    pub(super) fn ready(
        &self,
        op: &'static str,
        graph: &Graph,
        targets: &[Target],
        shifts: &Shifts,
    ) -> Result<(u64, Arc<Ready>)> {
        let fast_math = self.fast_math();
        let key = hash(graph, targets, shifts, fast_math);
        if let Some(ready) = self.kept(key).filter(|ready| ready.form.fits(graph, targets, shifts, fast_math)) {
            return Ok((key, ready));
        }
        let (graph, targets) = shifts.applied(graph, targets);
        let plan = plan(op, &graph, &targets, &Caps::of(self.info(), self.label(), fast_math))?;
        self.check_uniforms(op, &plan)?;
        self.counts.planned.fetch_add(1, Ordering::Relaxed);
        let pipelines = plan.launches.iter().map(|l| self.pipeline(op, &l.spec)).collect::<Result<_>>()?;
        let ready = Arc::new(Ready { form: Form::of(&graph, &targets, fast_math), plan, pipelines });
        let mut kept = lock(&self.cache.kept);
        kept.plans.put(key, ready.clone());
        if kept.make_room() {
            self.cache.made_room.store(true, Ordering::Relaxed);
        }
        Ok((key, ready))
    }

    /// The plan of this key, which counts as used.
    pub(super) fn kept(&self, key: u64) -> Option<Arc<Ready>> {
        lock(&self.cache.kept).plans.get(&key).cloned()
    }

    /// An error if a launch has more uniforms than the device can bind.
    fn check_uniforms(&self, op: &'static str, plan: &Plan) -> Result<()> {
        let bytes = |launch: &Launch| launch.uniforms.len() as u64 * 4;
        match plan.launches.iter().map(bytes).find(|&found| found > self.max_uniforms) {
            Some(found) => Err(self.limit(op, "max_uniform_buffer_binding_size", self.max_uniforms, found)),
            None => Ok(()),
        }
    }

    fn pipeline(&self, op: &'static str, spec: &Spec) -> Result<Arc<Pipeline>> {
        if let Some(pipeline) = lock(&self.cache.kept).pipelines.get(spec) {
            return Ok(pipeline.clone());
        }
        // Compiled outside the lock: two threads may both compile the same spec, but no thread waits for another.
        let pipeline = Arc::new(Pipeline::compile(self, op, spec)?);
        Ok(lock(&self.cache.kept).pipelines.entry(spec.clone()).or_insert(pipeline).clone())
    }
}
