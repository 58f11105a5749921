//! The CPU path: evaluates a flat expression straight from layouts, in strips through SIMD loops, on all cores.

mod buffer;

pub(crate) use buffer::{Buffer, memory, trim};

use crate::expr::graph::Graph;
use crate::{Counters, DeviceInfo, DeviceKind, Error, Result, Tensor};

/// Runs a graph; root `i` is written to `targets[i]`. What the caller promises is said at `eval::run`.
pub(crate) fn run(op: &'static str, graph: &Graph, targets: &[Tensor]) -> Result<()> {
    let _ = (graph, targets);
    Err(Error::Unsupported { op, what: "evaluation".to_owned(), device: "cpu".to_owned() })
}

pub(crate) fn info() -> DeviceInfo {
    DeviceInfo {
        name: "cpu".to_owned(),
        backend: "cpu".to_owned(),
        driver: String::new(),
        kind: DeviceKind::Cpu,
        f64: true,
        f16: false,
        subgroup: None,
        max_buffer: isize::MAX as u64,
        max_binding: isize::MAX as u64,
        max_bindings: u32::MAX,
        max_workgroups: u32::MAX,
        max_workgroup_size: u32::MAX,
        max_workgroup_memory: u32::MAX,
        threads: rayon::current_num_threads(),
    }
}

pub(crate) fn counters() -> Counters {
    Counters::default()
}
