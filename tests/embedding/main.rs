//! Programs that have a wgpu device of their own: their buffers and textures as tensors, their encoders, their handlers.
#![cfg(feature = "gpu")]

mod buffers;
mod handlers;
mod order;
mod program;
mod recorded;
mod recording;
mod refusals;
mod textures;

#[path = "../devices/mod.rs"]
mod devices;

use hadamard::wgpu;
use program::{Own, own, own_with, request};

/// One for each GPU that is tested.
fn owned() -> Vec<Own> {
    owned_with(|_| ())
}

/// The same, with other limits.
fn owned_with(limit: impl Fn(&mut wgpu::Limits)) -> Vec<Own> {
    devices::devices().iter().filter(|device| device.is_gpu()).map(|device| own_with(device, &limit)).collect()
}
