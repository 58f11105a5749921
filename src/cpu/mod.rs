//! The CPU path: evaluates a flat expression straight from layouts, in strips, through SIMD loops, on all cores.
//!
//! `program` cuts a graph into passes, and there are four kinds: `map`, `reduce`, `scan` and `contract`; `bands` takes a few rows
//! through several of them. Each walks its domain (`space`) in strips, which a `frame` evaluates by the loops that `region`
//! has listed. Memory is `buffer`, and for the loops `strip`.

#![allow(
    clippy::inline_always,
    reason = "a function that is not inlined into a loop is compiled without the instruction set of that loop"
)]

mod arch;
mod astray;
mod bands;
mod bandwidth;
mod beside;
mod buffer;
mod choose;
mod chunks;
mod contract;
mod destination;
mod division;
mod fold;
mod forked;
mod formula;
mod frame;
mod functions;
mod fuse;
mod groups;
mod half;
mod lines;
mod locks;
mod loops;
mod map;
mod math;
mod moments;
mod narrow;
mod once;
mod pass;
mod philox;
mod plain;
mod positions;
pub(crate) mod profile;
mod program;
mod reduce;
mod region;
mod resize;
mod scan;
mod scratch;
mod segments;
mod sort;
mod space;
mod steps;
mod strip;
mod strips;
#[cfg_attr(target_arch = "wasm32", path = "one_thread.rs")]
mod threads;
mod widest;
mod window;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) use bandwidth::bandwidth;
pub(crate) use buffer::{Buffer, limit_memory, memory, trim};
pub(crate) use resize::resize;
pub(crate) use threads::{count as num_threads, set_count as set_num_threads};

use program::Program;

use crate::expr::graph::Graph;
use crate::{Counters, DeviceInfo, DeviceKind, Error, Result, Tensor};

/// Whether the CPU evaluates. Else it holds tensors, and what is below [`run`] is not linked.
pub(crate) const EVALUATES: bool = cfg!(any(feature = "cpu", not(target_arch = "wasm32")));

/// Runs a graph; root `i` is written to `targets[i]`. What the caller promises is said at `Backend::run`.
///
/// # Errors
///
/// [`Error::Unsupported`] if it does not [evaluate](EVALUATES), what a pass reports.
pub(crate) fn run(op: &'static str, graph: &Graph, targets: &[Tensor]) -> Result<()> {
    if !EVALUATES {
        let what = "evaluation, without the feature cpu".to_owned();
        return Err(Error::Unsupported { op, what, device: "cpu".to_owned() });
    }
    if let Some(program) = graph.prepared.get().and_then(|p| p.downcast_ref::<Program>()) {
        return program.run(op, graph, targets);
    }
    let program = Program::new(op, graph)?;
    program.run(op, graph, targets)?;
    // `Graph::prepared` keeps this program for as long as the graph lives, so whoever keeps an expression never has it
    // planned again. It is an `Any`, because a graph knows no backend. If another thread was first, its program stays; so
    // does what another backend has left in a graph that reads no buffer, and then a program is made for each run.
    let _ = graph.prepared.set(Arc::new(program));
    Ok(())
}

pub(crate) fn info() -> DeviceInfo {
    DeviceInfo {
        name: "cpu".to_owned(),
        backend: "cpu".to_owned(),
        driver: String::new(),
        kind: DeviceKind::Cpu,
        f64: true,
        i64: true,
        f16: false,
        subgroup: None,
        max_buffer: isize::MAX as u64,
        max_binding: isize::MAX as u64,
        max_bindings: u32::MAX,
        max_workgroups: u32::MAX,
        max_workgroup_size: u32::MAX,
        max_workgroup_memory: u32::MAX,
        threads: threads::count(),
    }
}

pub(crate) fn counters() -> Counters {
    Counters {
        planned: program::PROGRAMS.load(Ordering::Relaxed),
        kernels: program::PASSES.load(Ordering::Relaxed),
        ..Counters::default()
    }
}

#[cfg(test)]
mod tests;
