//! The CPU path: evaluates a flat expression straight from layouts, in strips through SIMD loops, on all cores.

#![allow(
    clippy::inline_always,
    reason = "what is not inlined into a loop that is compiled for an instruction set is compiled without it"
)]

mod bandwidth;
mod buffer;
mod contract;
mod fold;
mod frame;
mod fuse;
mod kernel;
mod locks;
mod map;
mod math;
mod moments;
mod philox;
mod plain;
pub(crate) mod profile;
mod program;
mod reduce;
mod region;
mod space;
mod strips;
mod threads;
mod vector;

use std::sync::atomic::Ordering;

pub(crate) use bandwidth::bandwidth;
pub(crate) use buffer::{Buffer, limit_memory, memory, trim};

use program::Program;

use crate::expr::graph::Graph;
use crate::{Counters, DeviceInfo, DeviceKind, Result, Tensor};

/// Runs a graph; root `i` is written to `targets[i]`. What the caller promises is said at `Backend::run`.
pub(crate) fn run(op: &'static str, graph: &Graph, targets: &[Tensor]) -> Result<()> {
    if let Some(program) = graph.prepared.get().and_then(|p| p.downcast_ref::<Program>()) {
        return program.run(op, graph, targets);
    }
    let program = Program::new(op, graph)?;
    program.run(op, graph, targets)?;
    // Another thread may have been first, or another backend where the graph reads no buffer: theirs stays.
    let _ = graph.prepared.set(Box::new(program));
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
