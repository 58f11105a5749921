//! The GPU path, on wgpu: plans a flat graph as kernels, writes their WGSL, records and reads back.

mod adapter;
mod again;
mod aside;
mod bandwidth;
mod cache;
mod context;
mod disk;
mod exit;
mod faults;
mod foreign;
mod label;
mod limits;
mod marks;
mod memory;
#[cfg(test)]
mod mutants;
mod options;
mod pipeline;
#[cfg(not(target_arch = "wasm32"))]
mod poller;
mod profile;
mod readback;
mod recorder;
mod shifts;
mod texture;
#[cfg(target_arch = "wasm32")]
mod web;

use std::sync::Arc;

use smallvec::SmallVec;

pub(crate) use self::adapter::Adapter;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use self::adapter::{adapters, preferred_adapters, refusal};
pub(crate) use self::context::Context;
pub(crate) use self::memory::Buffer;
pub use self::options::WgpuOptions;
pub(crate) use self::texture::{PITCH, Texels};

#[cfg(target_arch = "wasm32")]
pub(crate) use self::web::{BufferHandle, adapters, preferred_adapters, refusal, request};
/// The wgpu this library is built on, for those who share a device with it.
pub use wgpu;

use self::again::Found;
use self::cache::Ready;
use self::recorder::Bound;
use self::shifts::Shifts;
use crate::base::storage::Storage;
use crate::expr::graph::Graph;
use crate::kernel::{Memory, Target, Window, write_scalar};
use crate::{Result, Tensor};

/// Runs a graph; root `i` is written to `tensors[i]`. What the caller promises is said at `Backend::run`.
pub(crate) fn run(op: &'static str, context: &Arc<Context>, graph: &Graph, tensors: &[Tensor]) -> Result<()> {
    context.look_unless_aside(op)?;
    let counted = graph.counted_from_start();
    let graph = counted.as_ref().unwrap_or(graph);
    let most = Window::most_bytes(context.info().max_binding);
    let (shifts, ready) = match context.again(graph, tensors) {
        Some(found) => found,
        None => prepare(op, context, graph, tensors, most)?,
    };
    let temps = ready
        .plan
        .temps
        .iter()
        .map(|t| context.buffer(op, (t.numel * t.dtype.size()) as u64))
        .collect::<Result<SmallVec<[Arc<Buffer>; 4]>>>()?;
    let buffer = |memory: &Memory| -> &Buffer {
        let storage = match *memory {
            Memory::Buffer(i) => &graph.buffers[i].0,
            Memory::Target(i) => tensors[i].storage(),
            Memory::Temp(i) => return &temps[i],
            Memory::Marks => unreachable!("the recorder binds them"),
        };
        own(storage)
    };
    let scalars = graph.numbers();
    let mut recorder = context.recorder();
    let tape = recorder.tape();
    for (storage, _) in &graph.buffers {
        recorder.check(context, op, own(storage))?;
    }
    for (launch, pipeline) in ready.plan.launches.iter().zip(&ready.pipelines) {
        let bound: SmallVec<[Bound<'_>; 8]> = launch
            .windows
            .iter()
            .zip(&launch.spec.bindings)
            .map(|(window, binding)| {
                let buffer = buffer(&window.memory);
                let size = most.min(buffer.size() - window.start);
                Bound { buffer, offset: window.start, size, write: binding.write }
            })
            .collect();
        let mut uniforms: SmallVec<[u32; 128]> = SmallVec::from_slice(&launch.uniforms);
        for &(slot, dtype, word) in &launch.scalars {
            write_scalar(scalars[slot], dtype, &mut uniforms[word..]);
        }
        for &(word, memory) in &launch.offsets {
            uniforms[word] = uniforms[word].wrapping_add(shifts.of(memory) as u32);
        }
        for &(bounds, word) in &launch.bounds {
            uniforms[word] = recorder.mark(bounds, tape);
        }
        let grid = [launch.grid.x, launch.grid.y];
        if let Some(at) = tape {
            recorder.launch_aside(context, op, at, (pipeline, &bound), &uniforms, grid)?;
        } else {
            recorder.start_timing(context, launch)?;
            recorder.launch(context, op, pipeline, &bound, &uniforms, grid)?;
            recorder.end_timing(context)?;
        }
    }
    if let Some(at) = tape {
        let tape = &mut recorder.tapes[at];
        tape.keep(graph.buffers.iter().map(|(storage, _)| storage.clone()));
        tape.keep(tensors.iter().map(|tensor| tensor.storage().clone()));
        tape.keep(temps.into_iter().map(Storage::new));
    }
    Ok(())
}

/// The plan for a graph and its targets, and what is moved for it. A graph that runs more than once remembers both.
fn prepare(
    op: &'static str,
    context: &Context,
    graph: &Graph,
    tensors: &[Tensor],
    most: u64,
) -> Result<(Arc<Shifts>, Arc<Ready>)> {
    let places: SmallVec<[_; 4]> = tensors.iter().map(|t| (t.storage().id(), t.layout(), t.dtype())).collect();
    let targets = Target::of(graph, &places);
    let bytes = |memory: &Memory| match *memory {
        Memory::Buffer(i) => own(&graph.buffers[i].0).size(),
        Memory::Target(i) => own(tensors[i].storage()).size(),
        Memory::Temp(_) | Memory::Marks => 0,
    };
    let shifts = Arc::new(Shifts::new(graph, &targets, most, bytes));
    let (key, ready) = context.ready(op, graph, &targets, &shifts)?;
    if graph.latest.ran_before() {
        graph.latest.set(Arc::new(Found::new(context, graph, tensors, &shifts, (key, &ready))));
    }
    Ok((shifts, ready))
}

fn own(storage: &Storage) -> &Buffer {
    storage.downcast().expect("evaluation checks that every tensor is on this device")
}

#[cfg(test)]
mod tests;
