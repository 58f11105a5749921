//! Programs that have a wgpu device of their own: their buffers and textures as tensors, their encoders, their handlers.
#![cfg(feature = "gpu")]

mod buffers;
mod handlers;
mod order;
mod recording;
mod refusals;
mod textures;

#[path = "../devices/mod.rs"]
mod devices;

use hadamard::wgpu::{self, BufferUsages};
use hadamard::{Device, Result, WgpuOptions};

/// A program's own wgpu device.
struct Own {
    instance: wgpu::Instance,
    adapter: wgpu::Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
}

/// One for each GPU that is tested.
fn owned() -> Vec<Own> {
    owned_with(|_| ())
}

/// The same, with other limits.
fn owned_with(limit: impl Fn(&mut wgpu::Limits)) -> Vec<Own> {
    devices::devices().iter().filter(|device| device.is_gpu()).map(|device| own_with(device, &limit)).collect()
}

/// One of the same adapter.
fn own(device: &Device) -> Own {
    own_with(device, &|_| ())
}

fn own_with(device: &Device, limit: &dyn Fn(&mut wgpu::Limits)) -> Own {
    let info = device.info();
    let backends = if info.backend == "gl" { wgpu::Backends::GL } else { wgpu::Backends::PRIMARY };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(backends));
    let same = |a: &wgpu::Adapter| a.get_info().name == info.name && a.get_info().backend.to_str() == info.backend;
    let adapter = adapters.into_iter().find(same).expect("the adapter is there");
    let (device, queue) = request_with(&adapter, limit);
    Own { instance, adapter, device, queue }
}

/// Another device of an adapter.
fn request(adapter: &wgpu::Adapter) -> (wgpu::Device, wgpu::Queue) {
    request_with(adapter, &|_| ())
}

fn request_with(adapter: &wgpu::Adapter, limit: &dyn Fn(&mut wgpu::Limits)) -> (wgpu::Device, wgpu::Queue) {
    let mut required_limits = adapter.limits();
    limit(&mut required_limits);
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..wgpu::DeviceDescriptor::default() };
    pollster::block_on(adapter.request_device(&descriptor)).expect("a device")
}

impl Own {
    fn open(&self) -> Device {
        Device::from_wgpu(&self.adapter, self.device.clone(), self.queue.clone()).unwrap()
    }

    fn open_with(&self, options: WgpuOptions) -> Result<Device> {
        Device::from_wgpu_with(&self.adapter, self.device.clone(), self.queue.clone(), options)
    }

    fn buffer(&self, size: u64, usage: BufferUsages) -> wgpu::Buffer {
        let label = Some("the caller's");
        self.device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
    }

    /// A storage buffer of these bytes, which can be copied.
    fn holding(&self, bytes: &[u8]) -> wgpu::Buffer {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = self.buffer(bytes.len() as u64, usage);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// A buffer's bytes, read as the caller would.
    fn read(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        let staging = self.buffer(buffer.size(), BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |outcome| outcome.expect("it maps"));
        self.wait();
        staging.get_mapped_range(..).expect("it is mapped").to_vec()
    }

    fn floats(&self, buffer: &wgpu::Buffer) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.read(buffer))
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    }
}
