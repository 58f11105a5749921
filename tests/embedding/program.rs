//! A program that has a wgpu device of its own.
#![allow(dead_code, reason = "each test needs its own part of it")]

use hadamard::wgpu::{self, BufferUsages};
use hadamard::{Device, Result, WgpuOptions};

/// A program's own wgpu device.
pub(crate) struct Own {
    pub(crate) instance: wgpu::Instance,
    pub(crate) adapter: wgpu::Adapter,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
}

/// One of the same adapter.
pub(crate) fn own(device: &Device) -> Own {
    own_with(device, &|_| ())
}

pub(crate) fn own_with(device: &Device, limit: &dyn Fn(&mut wgpu::Limits)) -> Own {
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
pub(crate) fn request(adapter: &wgpu::Adapter) -> (wgpu::Device, wgpu::Queue) {
    request_with(adapter, &|_| ())
}

fn request_with(adapter: &wgpu::Adapter, limit: &dyn Fn(&mut wgpu::Limits)) -> (wgpu::Device, wgpu::Queue) {
    let mut required_limits = adapter.limits();
    limit(&mut required_limits);
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..wgpu::DeviceDescriptor::default() };
    pollster::block_on(adapter.request_device(&descriptor)).expect("a device")
}

impl Own {
    pub(crate) fn open(&self) -> Device {
        Device::from_wgpu(&self.adapter, self.device.clone(), self.queue.clone()).unwrap()
    }

    pub(crate) fn open_with(&self, options: WgpuOptions) -> Result<Device> {
        Device::from_wgpu_with(&self.adapter, self.device.clone(), self.queue.clone(), options)
    }

    pub(crate) fn buffer(&self, size: u64, usage: BufferUsages) -> wgpu::Buffer {
        let label = Some("the caller's");
        self.device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
    }

    /// A storage buffer of these bytes, which can be copied.
    pub(crate) fn holding(&self, bytes: &[u8]) -> wgpu::Buffer {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
        let buffer = self.buffer(bytes.len() as u64, usage);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    /// A buffer's bytes, read as the caller would.
    pub(crate) fn read(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        let staging = self.buffer(buffer.size(), BufferUsages::MAP_READ | BufferUsages::COPY_DST);
        let mut encoder = self.encoder();
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |outcome| outcome.expect("it maps"));
        self.wait();
        staging.get_mapped_range(..).expect("it is mapped").to_vec()
    }

    pub(crate) fn floats(&self, buffer: &wgpu::Buffer) -> Vec<f32> {
        bytemuck::pod_collect_to_vec(&self.read(buffer))
    }

    pub(crate) fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    pub(crate) fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    }
}
