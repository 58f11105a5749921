//! A renderer with a wgpu device of its own draws a tensor, frame after frame. Between frames the tensor's weights learn
//! how much red, green and blue a grey picture is made of. Nothing is read back in the loop: the picture goes from the
//! tensor to a texture to the screen on the GPU, all in the renderer's own encoder.
//!
//! `cargo run --release --features cli --example embed -- FOLDER` writes a few frames to a folder. With `--measure` in its
//! place it times the host's work for a frame beside the same by hand, and a frame's way in and out.

mod hand;
mod learner;
mod measure;
mod stage;

use std::path::PathBuf;

use hadamard::{Device, WgpuOptions, wgpu};
use learner::{Learner, Photograph};
use stage::Stage;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const FRAMES: usize = 120;
/// Those that are kept.
const SHOWN: [usize; 4] = [0, 4, 16, FRAMES - 1];

fn main() -> Result<()> {
    let (adapter, device, queue) = open()?;
    let options = WgpuOptions { leave_handlers: true, ..WgpuOptions::default() };
    let ours = Device::from_wgpu_with(&adapter, device.clone(), queue.clone(), options)?;
    let photo = Photograph::load()?;
    let argument = std::env::args_os().nth(1);
    if argument.as_ref().is_some_and(|argument| argument == "--measure") {
        return measure::all(&device, &queue, &ours, &photo);
    }
    let folder = argument.map_or_else(|| std::env::temp_dir().join("hadamard-embed"), PathBuf::from);
    println!("on {ours}, a photograph of {} x {}", photo.width, photo.height);

    let stage = Stage::new(&device, &photo);
    let learner = Learner::new(&photo, &ours, &stage.picture)?;
    let targets: Vec<wgpu::Texture> = SHOWN.iter().map(|_| stage.target(&device)).collect();
    let before = learner.loss()?;
    for frame in 0..FRAMES {
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        learner.add_to(&mut encoder)?;
        // A window's surface would be drawn to here; a frame that is not kept is drawn over.
        let shown = SHOWN.iter().position(|&shown| shown >= frame).unwrap_or(SHOWN.len() - 1);
        stage.draw(&mut encoder, &targets[shown]);
        queue.submit([encoder.finish()]);
    }

    let (after, found) = (learner.loss()?, learner.weights()?);
    println!("found {found:.3?}, sought {:.3?}; loss {before:.2e}, then {after:.2e}", learner::SHARES);
    std::fs::create_dir_all(&folder)?;
    let mut last = Vec::new();
    for (number, target) in SHOWN.iter().zip(&targets) {
        last = stage::read(&device, &queue, target)?;
        let path = folder.join(format!("frame-{number:03}.png"));
        stage.write(&path, &last)?;
        println!("wrote {}", path.display());
    }
    // What is on the screen at last is the grey picture, but for what the weights are still off: 6 levels of 255 at most, as
    // measured on lavapipe.
    assert!(after < before / 1000.0, "nothing was learned");
    let furthest = stage::furthest(&last, &photo.grey());
    println!("the last frame is within {furthest} levels of the grey picture");
    assert!(furthest <= 8, "the last frame is not the grey picture");
    Ok(())
}

/// The program's own device: of the adapter that `HADAMARD_DEVICE` names, or the first.
fn open() -> Result<(wgpu::Adapter, wgpu::Device, wgpu::Queue)> {
    let wanted = std::env::var(hadamard::DEVICE_VARIABLE).unwrap_or_default().to_lowercase();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let named = |adapter: &wgpu::Adapter| format!("{:?}", adapter.get_info()).to_lowercase().contains(&wanted);
    let adapter = adapters.into_iter().find(named).ok_or("no GPU adapter of that name")?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))?;
    Ok((adapter, device, queue))
}
