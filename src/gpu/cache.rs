//! Kept between evaluations: pipelines, by spec, and plans, by graph.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rustc_hash::FxHashMap;

use super::Context;
use super::context::lock;
use super::pipeline::Pipeline;
use crate::Result;
use crate::expr::graph::Graph;
use crate::kernel::{Caps, Plan, Spec, Target, plan};

/// Plans kept, at most: then all are dropped, so that a program that never repeats an evaluation does not grow.
const MAX_PLANS: usize = 4096;

#[derive(Default)]
pub(super) struct Cache {
    pipelines: Mutex<FxHashMap<Spec, Arc<Pipeline>>>,
    plans: Mutex<FxHashMap<u64, Vec<Arc<Ready>>>>,
}

/// A plan with its pipelines.
pub(super) struct Ready {
    /// The graph without its tensors and numbers.
    form: Form,
    targets: Vec<Target>,
    pub(super) plan: Plan,
    pub(super) pipelines: Vec<Arc<Pipeline>>,
}

/// What two graphs must have in common to share a plan.
struct Form {
    values: Vec<crate::expr::graph::Value>,
    roots: Vec<crate::expr::graph::Root>,
    dtypes: Vec<crate::DType>,
    n_scalars: usize,
}

impl Form {
    fn of(graph: &Graph) -> Self {
        Self {
            values: graph.values.clone(),
            roots: graph.roots.clone(),
            dtypes: graph.buffers.iter().map(|b| b.1).collect(),
            n_scalars: graph.scalars.len(),
        }
    }

    fn fits(&self, graph: &Graph) -> bool {
        self.values == graph.values
            && self.roots == graph.roots
            && self.n_scalars == graph.scalars.len()
            && self.dtypes.iter().copied().eq(graph.buffers.iter().map(|b| b.1))
    }
}

impl Context {
    /// The plan for a graph and its targets, made and compiled if it is new.
    pub(super) fn ready(&self, op: &'static str, graph: &Graph, targets: &[Target]) -> Result<Arc<Ready>> {
        let found = lock(&self.cache.plans)
            .get(&graph.hash)
            .and_then(|list| list.iter().find(|r| r.targets == targets && r.form.fits(graph)).cloned());
        if let Some(ready) = found {
            return Ok(ready);
        }
        let plan = plan(op, graph, targets, &Caps::of(self.info(), self.label()))?;
        self.counts.planned.fetch_add(1, Ordering::Relaxed);
        let pipelines = plan.launches.iter().map(|l| self.pipeline(op, &l.spec)).collect::<Result<_>>()?;
        let ready = Arc::new(Ready { form: Form::of(graph), targets: targets.to_vec(), plan, pipelines });
        let mut plans = lock(&self.cache.plans);
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.entry(graph.hash).or_default().push(ready.clone());
        Ok(ready)
    }

    fn pipeline(&self, op: &'static str, spec: &Spec) -> Result<Arc<Pipeline>> {
        if let Some(pipeline) = lock(&self.cache.pipelines).get(spec) {
            return Ok(pipeline.clone());
        }
        // Compiled outside the lock: two threads may both compile the same spec, but no thread waits for another.
        let pipeline = Arc::new(Pipeline::compile(self, op, spec)?);
        Ok(lock(&self.cache.pipelines).entry(spec.clone()).or_insert(pipeline).clone())
    }
}
