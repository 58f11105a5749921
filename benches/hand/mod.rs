//! wgpu by hand, to hold ours against.

#![allow(dead_code, reason = "not every bench does everything by hand")]

use hadamard::Device;

pub(crate) const MULTIPLY: &str = "
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) n: vec3u) {
    let i = id.y * n.x * 64u + id.x;
    if i >= arrayLength(&out) { return; }
    out[i] = a[i] * b[i];
}";

/// wgpu by hand: what anyone would write first.
pub(crate) struct ByHand {
    pub(crate) device: wgpu::Device,
    queue: wgpu::Queue,
}

impl ByHand {
    pub(crate) fn buffer(&self, bytes: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::BufferDescriptor { label: None, size: bytes as u64, usage, mapped_at_creation: false };
        self.device.create_buffer(&descriptor)
    }

    pub(crate) fn storage(&self, bytes: usize) -> wgpu::Buffer {
        self.buffer(bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST)
    }

    pub(crate) fn upload(&self, values: &[f32]) -> wgpu::Buffer {
        let buffer = self.storage(values.len() * 4);
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    }

    pub(crate) fn kernel(&self, source: &str, buffers: &[&wgpu::Buffer]) -> (wgpu::ComputePipeline, wgpu::BindGroup) {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let layout = pipeline.get_bind_group_layout(0);
        let group = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
        let group = self.device.create_bind_group(&group);
        (pipeline, group)
    }

    pub(crate) fn record(
        &self,
        kernels: &[(&(wgpu::ComputePipeline, wgpu::BindGroup), [u32; 2])],
    ) -> wgpu::CommandEncoder {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for ((pipeline, group), [x, y]) in kernels {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
        drop(pass);
        encoder
    }

    pub(crate) fn submit_and_wait(&self, encoder: wgpu::CommandEncoder) {
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    }

    pub(crate) fn read(
        &self,
        mut encoder: wgpu::CommandEncoder,
        from: &wgpu::Buffer,
        staging: &wgpu::Buffer,
    ) -> Vec<f32> {
        encoder.copy_buffer_to_buffer(from, 0, staging, 0, staging.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("the buffer maps"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
        let values = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).expect("it is mapped"));
        staging.unmap();
        values
    }
}

/// The adapter `HADAMARD_DEVICE` names, by hand and as ours, on one wgpu device.
pub(crate) fn open() -> (ByHand, Device) {
    let wanted = std::env::var("HADAMARD_DEVICE").unwrap_or_default().to_lowercase();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter = adapters
        .into_iter()
        .find(|a| format!("{:?}", a.get_info()).to_lowercase().contains(&wanted))
        .expect("a GPU adapter of that name");
    open_adapter(&adapter)
}

/// With the features that a device of ours asks for.
pub(crate) fn open_adapter(adapter: &wgpu::Adapter) -> (ByHand, Device) {
    let features = wgpu::Features::SHADER_F64 | wgpu::Features::SHADER_INT64 | wgpu::Features::SUBGROUP;
    let request = adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: adapter.features() & features,
        // wgpu-core has no room for the bind groups that the backend that does nothing would allow.
        required_limits: wgpu::Limits { max_bind_groups: 4, ..adapter.limits() },
        ..wgpu::DeviceDescriptor::default()
    });
    let (device, queue) = pollster::block_on(request).expect("the adapter opens");
    let ours = Device::from_wgpu(adapter, device.clone(), queue.clone()).expect("the device will do");
    (ByHand { device, queue }, ours)
}
