//! Frame after frame: what a renderer does all day leaves nothing behind. One test alone, since it looks at the memory of the
//! whole process.
#![cfg(feature = "gpu")]

mod devices;
#[path = "embedding/program.rs"]
mod program;

use hadamard::wgpu::{self, TextureFormat, TextureUsages};
use hadamard::{DType, Device, Tensor, WgpuOptions, assign};
use program::{Own, own};

/// Bytes of memory that the process has, where the system says.
fn resident() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

/// wgpu's objects that are alive.
fn alive(own: &Own) -> [usize; 6] {
    own.wait();
    let hub = own.instance.generate_report().unwrap().hub;
    let kinds =
        [hub.buffers, hub.bind_groups, hub.compute_pipelines, hub.command_encoders, hub.textures, hub.texture_views];
    kinds.map(|kind| kind.num_allocated)
}

/// The example's frame, small: a picture, its copy to a texture, a step of what it is made with; and a part of the work
/// outside of the encoder.
fn frames(own: &Own, device: &Device, texture: &wgpu::Texture, mut each: impl FnMut(usize)) -> Vec<f32> {
    let planes = Tensor::from_slice(&[0.5_f32; 3 * 4 * 256], [3, 4, 256], device).unwrap();
    let [weights, speeds, slope] = [0; 3].map(|_| Tensor::zeros([3, 1, 1], DType::F32, device).unwrap());
    let picture = Tensor::zeros([4, 256, 1], DType::U8, device).unwrap();
    let grey = (&planes * &weights).sum(0);
    let loss = (&grey - 0.75).square().mean(..);
    let gradient = loss.grad(&[&weights]).unwrap().remove(0);
    let shade = (grey.clamp(0.0, 1.0) * 255.0 + 0.5).reshape([4, 256, 1]);
    let speed = &speeds * 0.9 + &slope;
    let step = &weights - &speed * 0.1;
    let (again, ()) = device.record(|| slope.assign(&gradient)).unwrap();
    for frame in 0..10_000 {
        let mut encoder = own.encoder();
        device
            .record_into(&mut encoder, || {
                picture.assign(&shade)?;
                picture.to_wgpu_texture(texture)
            })
            .unwrap();
        again.add_to(&mut encoder).unwrap();
        own.queue.submit([encoder.finish()]);
        assign(&[(&speeds, speed.clone()), (&weights, step.clone())]).unwrap();
        device.flush().unwrap();
        if frame % 8 == 0 {
            own.wait();
        }
        each(frame);
    }
    weights.to_vec().unwrap()
}

#[test]
fn ten_thousand_frames_take_no_more_than_a_thousand() {
    for own in devices::devices().iter().filter(|device| device.is_gpu()).map(own) {
        let options = WgpuOptions { leave_handlers: true, ..WgpuOptions::default() };
        let device = own.open_with(options).unwrap();
        let texture = own.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: 256, height: 4, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: TextureFormat::R8Unorm,
            usage: TextureUsages::COPY_DST | TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        let mut seen = Vec::new();
        let weights = frames(&own, &device, &texture, |frame| {
            if frame == 999 || frame == 9_999 {
                let alive = alive(&own);
                let (memory, counters) = (device.memory(), device.counters());
                let kept = [memory.used + memory.pooled, memory.allocations];
                seen.push((alive, kept, [counters.planned, counters.compiled], resident()));
            }
        });
        assert!((weights[0] - 0.5).abs() < 1e-3, "{device}: {weights:?}");
        let [early, late] = seen.try_into().unwrap();
        assert_eq!(early.2, late.2, "{device}: plans and pipelines");
        // How many frames are under way at once, and on GL how soon a thread frees their memory, differs from time to time; what
        // one frame in twenty left behind would be more than this.
        let more = |early: u64, late: u64| late.saturating_sub(early) > 450;
        assert!(
            !early.0.iter().zip(late.0).any(|(&early, late)| more(early as u64, late as u64)),
            "{device}: {early:?}, {late:?}"
        );
        assert!(late.1[0] <= early.1[0] + (1 << 20) && !more(early.1[1], late.1[1]), "{device}: {early:?}, {late:?}");
        if let (Some(early), Some(late)) = (early.3, late.3) {
            // 930 bytes a frame.
            assert!(late < early + (8 << 20), "{device}: {early} bytes after 1,000 frames, {late} after 10,000");
        }
    }
}
