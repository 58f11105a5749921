//! The GPU path, on wgpu: plans a flat graph as kernels, writes their WGSL, records and reads back.

mod adapter;
mod cache;
mod codegen;
mod context;
mod disk;
mod faults;
mod grid;
mod limits;
mod memory;
#[cfg(test)]
mod mutants;
mod params;
mod pipeline;
mod plan;
mod poller;
mod profile;
mod readback;
mod recorder;
mod spec;
mod tuning;

use std::sync::Arc;

use smallvec::SmallVec;

pub(crate) use self::adapter::{Adapter, adapters, preferred_adapters};
pub(crate) use self::codegen::{prelude, source};
pub(crate) use self::context::Context;
pub(crate) use self::memory::Buffer;
pub(crate) use self::plan::{Caps, Plan, Slot, Target, Window, plan};

use self::recorder::Bound;
use crate::expr::graph::Graph;
use crate::tensor::Storage;
use crate::{DType, Result, Scalar, Tensor};

/// Runs a graph; root `i` is written to `tensors[i]`. What the caller promises is said at `eval::run`.
pub(crate) fn run(op: &'static str, context: &Arc<Context>, graph: &Graph, tensors: &[Tensor]) -> Result<()> {
    context.look(op)?;
    let targets = slots_of(graph, tensors);
    let ready = context.ready(op, graph, &targets)?;
    let temps = ready
        .plan
        .temps
        .iter()
        .map(|t| context.buffer(op, (t.numel * t.dtype.size()) as u64, t.dtype))
        .collect::<Result<SmallVec<[Arc<Buffer>; 4]>>>()?;
    let buffer = |slot: &Slot| -> &Buffer {
        let storage = match *slot {
            Slot::Buffer(i) => &graph.buffers[i].0,
            Slot::Target(i) => tensors[i].storage(),
            Slot::Temp(i) => return &temps[i],
        };
        match storage {
            Storage::Gpu(buffer) => buffer,
            Storage::Cpu(_) => unreachable!("evaluation checks that every tensor is on this device"),
        }
    };
    let most = Window::most_bytes(context.info().max_binding);
    let scalars = graph.numbers();
    let mut recorder = context.recorder();
    for (storage, _) in &graph.buffers {
        if let Storage::Gpu(buffer) = storage {
            recorder.check(context, op, buffer)?;
        }
    }
    for (launch, pipeline) in ready.plan.launches.iter().zip(&ready.pipelines) {
        let bound: SmallVec<[Bound<'_>; 8]> = launch
            .windows
            .iter()
            .zip(&launch.spec.bindings)
            .map(|(window, binding)| {
                let buffer = buffer(&window.slot);
                let size = most.min(buffer.size() - window.start);
                Bound { buffer, offset: window.start, size, write: binding.write }
            })
            .collect();
        let mut params: SmallVec<[u32; 128]> = SmallVec::from_slice(&launch.params);
        for &(slot, dtype, word) in &launch.scalars {
            write_scalar(scalars[slot], dtype, &mut params[word..]);
        }
        recorder.start_timing(context, launch)?;
        recorder.launch(context, op, pipeline, &bound, &params, [launch.grid.x, launch.grid.y])?;
        recorder.end_timing(context)?;
    }
    Ok(())
}

/// The targets as the planner knows them: a target in memory that the graph reads has that buffer's slot.
fn slots_of(graph: &Graph, tensors: &[Tensor]) -> Vec<Target> {
    tensors
        .iter()
        .map(|tensor| {
            let id = tensor.storage().id();
            let slot = match graph.buffers.iter().position(|b| b.0.id() == id) {
                Some(buffer) => Slot::Buffer(buffer),
                None => Slot::Target(tensors.iter().position(|t| t.storage().id() == id).unwrap_or(0)),
            };
            Target { slot, layout: tensor.layout().clone(), dtype: tensor.dtype() }
        })
        .collect()
}

/// A number as the params hold it: one word, or two for f64, lowest first.
fn write_scalar(value: Scalar, dtype: DType, words: &mut [u32]) {
    match dtype {
        DType::Bool => words[0] = u32::from(value.to_bool()),
        DType::I32 => words[0] = value.to_i64() as u32,
        DType::F64 => {
            let bits = value.to_f64().to_bits();
            (words[0], words[1]) = (bits as u32, (bits >> 32) as u32);
        }
        _ => words[0] = (value.to_f64() as f32).to_bits(),
    }
}

#[cfg(test)]
mod tests;
