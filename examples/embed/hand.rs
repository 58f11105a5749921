//! A frame by hand: what one would write first who has no library, to hold the host's time against.

use hadamard::wgpu::{self, BufferUsages};

use super::learner::{Photograph, RATE};

/// The picture, four pixels an invocation; the gradient, in parts and added up; the step.
const SHADER: &str = "
const KEPT = 0.9;
struct Size { width: u32, row: u32, height: u32, rate: f32 }
@group(0) @binding(0) var<uniform> size: Size;
@group(0) @binding(1) var<storage, read> planes: array<f32>;
@group(0) @binding(2) var<storage, read> sought: array<f32>;
@group(0) @binding(3) var<storage, read_write> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> picture: array<u32>;
@group(0) @binding(5) var<storage, read_write> parts: array<vec4f>;

fn pixel(i: u32) -> vec3f {
    let n = size.width * size.height;
    return vec3f(planes[i], planes[n + i], planes[2u * n + i]);
}

fn grey(rgb: vec3f) -> f32 {
    return dot(rgb, vec3f(weights[0], weights[1], weights[2]));
}

@compute @workgroup_size(64)
fn shade(@builtin(global_invocation_id) id: vec3u) {
    let words = size.row / 4u;
    if id.x >= words || id.y >= size.height { return; }
    var word = 0u;
    for (var c = 0u; c < 4u; c++) {
        let x = id.x * 4u + c;
        if x < size.width {
            word |= u32(clamp(grey(pixel(id.y * size.width + x)), 0.0, 1.0) * 255.0 + 0.5) << (8u * c);
        }
    }
    picture[id.y * words + id.x] = word;
}

var<workgroup> shared_sums: array<vec3f, 64>;

fn add_up(me: u32, mine: vec3f) -> vec3f {
    shared_sums[me] = mine;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if me < half { shared_sums[me] += shared_sums[me + half]; }
    }
    workgroupBarrier();
    return shared_sums[0];
}

@compute @workgroup_size(64)
fn gradient(@builtin(local_invocation_index) me: u32, @builtin(workgroup_id) group: vec3u) {
    var sum = vec3f();
    for (var i = group.x * 64u + me; i < size.width * size.height; i += 64u * 64u) {
        let rgb = pixel(i);
        sum += (grey(rgb) - sought[i]) * rgb;
    }
    let all = add_up(me, sum);
    if me == 0u { parts[group.x] = vec4f(all, 0.0); }
}

@compute @workgroup_size(64)
fn step(@builtin(local_invocation_index) me: u32) {
    let gradient = add_up(me, parts[me].xyz) * (2.0 / f32(size.width * size.height));
    if me >= 3u { return; }
    // The speeds lie behind the weights.
    let speed = weights[3u + me] * KEPT + gradient[me];
    weights[3u + me] = speed;
    weights[me] -= speed * size.rate;
}";

pub(crate) struct Hand {
    width: u32,
    height: u32,
    row: u32,
    picture: wgpu::Buffer,
    pipelines: [wgpu::ComputePipeline; 3],
    group: wgpu::BindGroup,
}

impl Hand {
    pub(crate) fn new(device: &wgpu::Device, queue: &wgpu::Queue, photo: &Photograph) -> Self {
        let [width, height, row] = [photo.width, photo.height, photo.row()].map(|size| size as u32);
        let buffer = |size: usize, usage| {
            let size = size as u64;
            device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
        };
        let holding = |values: &[f32]| {
            let buffer = buffer(values.len() * 4, BufferUsages::STORAGE | BufferUsages::COPY_DST);
            queue.write_buffer(&buffer, 0, bytemuck::cast_slice(values));
            buffer
        };
        let size = buffer(16, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
        queue.write_buffer(&size, 0, bytemuck::cast_slice(&[width, row, height, RATE.to_bits()]));
        let picture = buffer((row * height) as usize, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
        let parts = buffer(64 * 16, BufferUsages::STORAGE);
        let buffers =
            [size, holding(&photo.planes), holding(&photo.grey()), holding(&[0.0; 8]), picture.clone(), parts];

        let entry = |binding: u32| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match binding {
                    0 => wgpu::BufferBindingType::Uniform,
                    _ => wgpu::BufferBindingType::Storage { read_only: binding < 3 },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = (0..6).map(entry).collect();
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let resources = (0..).zip(&buffers);
        let entries: Vec<_> = resources
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries });
        let source = wgpu::ShaderSource::Wgsl(SHADER.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipelines = ["shade", "gradient", "step"].map(|name| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(name),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        });
        Self { width, height, row, picture, pipelines, group }
    }

    pub(crate) fn record(&self, encoder: &mut wgpu::CommandEncoder, texture: &wgpu::Texture) {
        let [shade, gradient, step] = &self.pipelines;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_bind_group(0, &self.group, &[]);
        for (pipeline, [x, y]) in
            [(shade, [(self.row / 4).div_ceil(64), self.height]), (gradient, [64, 1]), (step, [1, 1])]
        {
            pass.set_pipeline(pipeline);
            pass.dispatch_workgroups(x, y, 1);
        }
        drop(pass);
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(self.row), rows_per_image: None };
        let from = wgpu::TexelCopyBufferInfo { buffer: &self.picture, layout };
        let size = wgpu::Extent3d { width: self.width, height: self.height, depth_or_array_layers: 1 };
        encoder.copy_buffer_to_texture(from, texture.as_image_copy(), size);
    }
}
