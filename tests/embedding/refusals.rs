//! Buffers that cannot be tensors: each a clear error, after which all goes on.

use hadamard::wgpu::{self, BufferUsages};
use hadamard::{DType, Device, Error, Tensor};

use super::{Own, own, owned, request};

/// The words of the error that importing 8 floats from `byte_offset` on gives.
fn refused(own: &Own, device: &Device, buffer: &wgpu::Buffer, byte_offset: u64) -> String {
    let error = Tensor::from_wgpu(buffer, byte_offset, [8], DType::F32, device).unwrap_err();
    assert!(matches!(error, Error::Argument { op: "from_wgpu", .. }), "{device}: {error:?}");
    let x = Tensor::from_wgpu(&own.holding(&[0; 32]), 0, [8], DType::F32, device).unwrap();
    assert_eq!((&x + 1.0).to_vec::<f32>().unwrap(), [1.0; 8], "{device}: afterwards");
    error.to_string()
}

#[test]
fn a_buffer_that_does_not_do_is_refused_in_words() {
    for own in owned() {
        let device = own.open();
        let storage = |size| own.buffer(size, BufferUsages::STORAGE | BufferUsages::COPY_DST);
        let says = |buffer: &wgpu::Buffer, offset, words: &str| {
            let text = refused(&own, &device, buffer, offset);
            assert!(text.contains(words), "{device}: {text}");
        };
        says(&storage(64), 2, "a byte offset that is a multiple of 4, the size of a f32, found 2");
        says(&storage(16), 0, "a buffer of at least 32 bytes: 32 of f32 after byte 0, found 16 bytes");
        says(&storage(64), 40, "at least 72 bytes");
        says(
            &storage(36),
            4,
            "a buffer of at least 48 bytes, since kernels read f32s in whole groups of four (16 bytes)",
        );
        says(&own.buffer(64, BufferUsages::VERTEX | BufferUsages::COPY_DST), 0, "BufferUsages::STORAGE");
        let descriptor = |mapped_at_creation| {
            let usage = BufferUsages::STORAGE;
            wgpu::BufferDescriptor { label: None, size: 64, usage, mapped_at_creation }
        };
        let mapped = own.device.create_buffer(&descriptor(true));
        says(&mapped, 0, "a buffer that is not mapped");
        mapped.unmap();
        Tensor::from_wgpu(&mapped, 0, [8], DType::F32, &device).unwrap();
        let destroyed = storage(64);
        destroyed.destroy();
        says(&destroyed, 0, "destroyed");
        let (other, _queue) = request(&own.adapter);
        says(&other.create_buffer(&descriptor(false)), 0, "a live buffer of");
        let error = Tensor::from_wgpu(&storage(64), 0, [8], DType::F32, &Device::cpu()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { op: "from_wgpu", .. }), "{error}");
        let error = Tensor::zeros([2], DType::F32, &Device::cpu()).unwrap().to_wgpu().unwrap_err();
        assert!(matches!(error, Error::Unsupported { op: "to_wgpu", .. }), "{error}");
        let error = Tensor::from_wgpu(&storage(64), 8, [1 << 40, 1 << 20], DType::F32, &device).unwrap_err();
        assert!(matches!(error, Error::Argument { op: "from_wgpu", .. }), "{error}");
    }
}

/// wgpu knows buffers by numbers, of which each instance has its own.
#[test]
fn a_buffer_of_another_instance_is_refused() {
    for ours in owned() {
        let device = ours.open();
        let theirs = own(&device);
        // As many as there are of ours and more, of a size that none of ours has.
        let buffers: Vec<_> = (0..40).map(|_| theirs.buffer(4240, BufferUsages::STORAGE)).collect();
        for buffer in &buffers {
            let text = refused(&ours, &device, buffer, 0);
            assert!(text.contains("buffer of"), "{device}: {text}");
        }
    }
}

#[test]
fn a_buffer_that_is_mapped_or_destroyed_later_is_an_error_then() {
    for own in owned() {
        let device = own.open();
        let y = Tensor::from_slice(&[1.0_f32; 8], [8], &device).unwrap();
        let buffer = own.holding(&[0; 64]);
        let x = Tensor::from_wgpu(&buffer, 0, [8], DType::F32, &device).unwrap();
        assert_eq!((&x + &y).to_vec::<f32>().unwrap(), [1.0; 8], "{device}");
        buffer.destroy();
        let error = (&x + &y).eval().and_then(|sum| sum.to_vec::<f32>()).unwrap_err();
        assert!(matches!(error, Error::Gpu { .. }), "{device}: {error:?}");
        assert_eq!((&y + &y).to_vec::<f32>().unwrap(), [2.0; 8], "{device}");
        let error = Tensor::from_wgpu(&buffer, 0, [8], DType::F32, &device).unwrap().to_vec::<f32>().unwrap_err();
        assert!(matches!(error, Error::Gpu { .. }), "{device}: {error:?}");
    }
}

#[test]
fn a_lost_device_takes_no_buffers() {
    for own in owned() {
        let device = own.open();
        let buffer = own.holding(&[0; 64]);
        let x = Tensor::from_wgpu(&buffer, 0, [8], DType::F32, &device).unwrap();
        own.device.destroy();
        let error = x.to_vec::<f32>().unwrap_err();
        assert!(matches!(error, Error::DeviceLost { op: "to_vec", .. }), "{device}: {error:?}");
        for error in [
            Tensor::from_wgpu(&buffer, 0, [8], DType::F32, &device).unwrap_err(),
            x.to_wgpu().unwrap_err(),
            device.flush().unwrap_err(),
            Device::from_wgpu(&own.adapter, own.device.clone(), own.queue.clone()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::DeviceLost { .. }), "{device}: {error:?}");
        }
    }
}
