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
mod recording;
mod replay;
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
pub(crate) use self::recording::Recorded;
pub(crate) use self::texture::{PITCH, Texels};

#[cfg(target_arch = "wasm32")]
pub(crate) use self::web::{BufferHandle, adapters, preferred_adapters, refusal, request};
/// The wgpu this library is built on, for those who share a device with it.
pub use wgpu;

use self::again::Found;
use self::cache::Ready;
use self::recorder::Bound;
use self::replay::{Draft, Work};
use self::shifts::Shifts;
use crate::base::storage::Storage;
use crate::expr::graph::Graph;
use crate::kernel::{Memory, Target, Window, write_scalar};
use crate::{Result, Tensor};

/// Runs a graph; root `i` is written to `tensors[i]`. What the caller promises is said at `Backend::run`.
pub(crate) fn run(op: &'static str, context: &Arc<Context>, graph: &Graph, tensors: &[Tensor]) -> Result<()> {
    let counted = graph.counted_from_start();
    let graph = counted.as_ref().unwrap_or(graph);
    let targets: SmallVec<[&Tensor; 4]> = tensors.iter().collect();
    let found = context.found(graph, &targets);
    if let Some(found) = &found
        && found.run(op, context, graph, &targets)?
    {
        return Ok(());
    }
    run_anew(op, context, graph, tensors, found.as_deref())
}

/// Runs a graph again if nothing about it is new, as [`run`] would. Returns whether it did.
pub(crate) fn run_again(op: &'static str, context: &Arc<Context>, graph: &Graph, targets: &[&Tensor]) -> Result<bool> {
    let found = if graph.starts.is_empty() { context.found(graph, targets) } else { None };
    found.map_or(Ok(false), |found| found.run(op, context, graph, targets))
}

fn run_anew(
    op: &'static str,
    context: &Arc<Context>,
    graph: &Graph,
    tensors: &[Tensor],
    found: Option<&Found>,
) -> Result<()> {
    context.look_unless_aside(op)?;
    let most = Window::most_bytes(context.info().max_binding);
    let (shifts, ready) = match found.and_then(|found| found.plan(context)) {
        Some(plan) => plan,
        None => prepare(op, context, graph, tensors, most)?,
    };
    let temps = context.temps(op, ready.plan.temps.iter().map(|t| (t.numel * t.dtype.size()) as u64))?;
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
    let targets: SmallVec<[&Tensor; 4]> = tensors.iter().collect();
    let work = Work { graph, targets: &targets, temps: &temps };
    let mut recorder = context.recorder();
    let tape = recorder.tape();
    recorder.check_read(context, op, graph)?;
    let to_replay = found.filter(|found| found.wants_replay(&recorder, &scalars));
    let mut draft = Draft::default();
    if let Some(at) = tape {
        recorder.furnish(context, op, at)?;
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
        if to_replay.is_some() {
            draft.launch(recorder.align, pipeline, bound, &uniforms, grid);
        } else if let Some(at) = tape {
            recorder.launch_aside(context, op, at, (pipeline, &bound), &uniforms, grid)?;
        } else {
            recorder.start_timing(context, launch)?;
            recorder.launch(context, op, pipeline, &bound, &uniforms, grid)?;
            recorder.end_timing(context)?;
        }
    }
    if let Some(found) = to_replay {
        let replay = recorder.keep(context, op, &draft, &temps, &scalars)?;
        found.remember(&replay);
        return recorder.play(context, op, &replay, &work);
    }
    if let Some(at) = tape {
        recorder.tapes[at].keep(work.storages());
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
