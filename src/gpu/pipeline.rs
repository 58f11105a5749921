//! From a [`Spec`] to a compiled pipeline.

#![allow(unsafe_code, reason = "compiles shaders without bounds on loops")]

use std::num::NonZero;
use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::context::Context;
use super::recorder::Bound;
use crate::Result;
use crate::kernel::{self, Spec};

/// A shader module without wgpu's loop bounds, which are counters in every loop, dear on software adapters, against
/// loops that never end. All other checks stay.
fn module(device: &wgpu::Device, label: Option<&str>, source: String) -> wgpu::ShaderModule {
    let checks = wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
    // SAFETY: every loop ends. Each loop of `shaders/` has a line above it that says why, and what is written around
    // those files has no loops; `kernel::tests::every_loop_says_why_it_ends` holds both to it.
    unsafe { device.create_shader_module_trusted(descriptor, checks) }
}

/// A compiled kernel.
pub(super) struct Pipeline {
    pub(super) id: u64,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) uniform_bytes: u64,
    /// Whether marks are bound after all else.
    pub(super) has_marks: bool,
}

impl Pipeline {
    pub(super) fn compile(context: &Context, op: &'static str, spec: &Spec) -> Result<Self> {
        let source = kernel::source(spec);
        #[cfg(test)]
        let source = super::mutants::mutated(source);
        log::trace!("compiling\n{source}");
        let (pipeline, layout) = context.guard(op, || Ok(compile(context, spec, source)))?;
        let id = context.counts.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, pipeline, layout, uniform_bytes: uniform_bytes(spec), has_marks: spec.has_marks() })
    }

    /// What a launch binds: its uniforms, its buffers, and the marks if it raises any.
    pub(super) fn bind_group(
        &self,
        context: &Context,
        uniform: &wgpu::Buffer,
        bound: &[Bound<'_>],
        marks: Option<&wgpu::Buffer>,
    ) -> wgpu::BindGroup {
        let buffer = |buffer, offset, size| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: NonZero::new(size) })
        };
        let entry = wgpu::BindGroupEntry { binding: 0, resource: buffer(uniform, 0, self.uniform_bytes) };
        let buffers = bound.iter().zip(1..).map(|(b, binding)| {
            let resource = buffer(b.buffer.raw(), b.offset, b.size);
            wgpu::BindGroupEntry { binding, resource }
        });
        let marks = marks.map(|marks| {
            let resource = buffer(marks, 0, marks.size());
            wgpu::BindGroupEntry { binding: bound.len() as u32 + 1, resource }
        });
        let entries: SmallVec<[_; 8]> = std::iter::once(entry).chain(buffers).chain(marks).collect();
        context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("hadamard"),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

fn uniform_bytes(spec: &Spec) -> u64 {
    spec.uniform_words() as u64 * 4
}

fn compile(context: &Context, spec: &Spec, source: String) -> (wgpu::ComputePipeline, wgpu::BindGroupLayout) {
    let (device, label) = (&context.device, Some(spec.kernel.name()));
    let module = module(device, label, source);
    let entry = |binding, ty, has_dynamic_offset, min| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: NonZero::new(min) },
        count: None,
    };
    let storage = |read_only| wgpu::BufferBindingType::Storage { read_only };
    let entries: Vec<_> = std::iter::once(entry(0, wgpu::BufferBindingType::Uniform, true, uniform_bytes(spec)))
        .chain(spec.bindings.iter().zip(1..).map(|(b, i)| entry(i, storage(!b.write), false, 0)))
        .chain(spec.has_marks().then(|| entry(spec.bindings.len() as u32 + 1, storage(false), false, 0)))
        .collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            // Every element of workgroup memory that is read has been written.
            zero_initialize_workgroup_memory: false,
        },
        cache: context.file.get().map(|file| &file.cache),
    });
    (pipeline, layout)
}
