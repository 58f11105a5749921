//! Times: the host's work for a frame beside the same by hand, and a frame's way in and out.

use std::time::{Duration, Instant};

use hadamard::wgpu::{self, TextureFormat, TextureUsages};
use hadamard::{Device, Tensor};

use super::Result;
use super::hand::Hand;
use super::learner::{Learner, Photograph};
use super::stage::{Stage, read, texture};

const ROUNDS: usize = 1000;

pub(crate) fn all(device: &wgpu::Device, queue: &wgpu::Queue, ours: &Device, photo: &Photograph) -> Result<()> {
    println!("on {ours}");
    frames(device, queue, ours, photo)?;
    ways(device, queue, ours)
}

fn median(times: Vec<Duration>) -> Duration {
    least_and_median(times)[1]
}

fn least_and_median(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    [times[0], times[times.len() / 2]]
}

/// The host's time from an empty encoder to the end of the submission; the GPU is idle meanwhile.
fn frames(device: &wgpu::Device, queue: &wgpu::Queue, ours: &Device, photo: &Photograph) -> Result<()> {
    let stage = Stage::new(device, photo);
    let target = stage.target(device);
    let learner = Learner::new(photo, ours, &stage.picture)?;
    let hand = Hand::new(device, queue, photo);
    let mut times = [Vec::new(), Vec::new()];
    let mut pictures = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 20 {
        for by_hand in [false, true] {
            let start = Instant::now();
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            if by_hand {
                hand.record(&mut encoder, &stage.picture);
            } else {
                learner.add_to(&mut encoder)?;
            }
            stage.draw(&mut encoder, &target);
            queue.submit([encoder.finish()]);
            let time = start.elapsed();
            device.poll(wgpu::PollType::wait_indefinitely())?;
            // The first ones compile.
            if round >= 20 {
                times[usize::from(by_hand)].push(time);
            }
            if round == ROUNDS {
                pictures[usize::from(by_hand)] = read(device, queue, &target)?;
            }
        }
    }
    let [ours, hand] = &pictures;
    assert!(ours.iter().zip(hand).all(|(a, b)| a.abs_diff(*b) <= 1), "both draw the same picture");
    let [ours, hand] = times.map(least_and_median);
    for (i, name) in ["least", "median"].into_iter().enumerate() {
        let ratio = ours[i].as_secs_f64() / hand[i].as_secs_f64();
        println!("host time of a frame, {name}: {:.1?}, by hand {:.1?}: {ratio:.2} times as long", ours[i], hand[i]);
    }
    Ok(())
}

/// A 1080p RGBA frame: from a texture to a tensor, and back, on the GPU and by way of the host's memory.
fn ways(device: &wgpu::Device, queue: &wgpu::Queue, ours: &Device) -> Result<()> {
    let size = [1920, 1080];
    let shape = [1080, 1920, 4];
    let usage = TextureUsages::COPY_SRC | TextureUsages::COPY_DST;
    let frame = texture(device, size, TextureFormat::Rgba8Unorm, usage);
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(1920 * 4), rows_per_image: None };
    let bytes: Vec<u8> = (0..1920 * 1080 * 4).map(|i| (i % 251) as u8).collect();
    queue.write_texture(frame.as_image_copy(), &bytes, layout, frame.size());
    let wait = || -> Result<()> {
        queue.submit(None);
        device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(())
    };
    wait()?;
    let mut times = [const { Vec::new() }; 6];
    for round in 0..22 {
        let mut timed = |which: usize, start: Instant| {
            if round >= 2 {
                times[which].push(start.elapsed());
            }
        };
        let start = Instant::now();
        let image = Tensor::from_wgpu_texture(&frame, ours)?;
        ours.flush()?;
        wait()?;
        timed(0, start);

        let start = Instant::now();
        let inverse = (255 - &image).eval()?;
        ours.flush()?;
        wait()?;
        timed(1, start);

        let start = Instant::now();
        inverse.to_wgpu_texture(&frame)?;
        ours.flush()?;
        wait()?;
        timed(2, start);

        let start = Instant::now();
        let image = Tensor::from_slice(&read(device, queue, &frame)?, shape, ours)?;
        wait()?;
        timed(3, start);

        let inverse = (255 - &image).eval()?;
        ours.synchronize()?;
        let start = Instant::now();
        let pixels = inverse.to_vec::<u8>()?;
        timed(4, start);
        queue.write_texture(frame.as_image_copy(), &pixels, layout, frame.size());
        wait()?;
        timed(5, start);
    }
    let [in_gpu, product, out_gpu, in_host, read_host, out_host] = times.map(median);
    println!("a 1080p RGBA frame, texture to tensor: {in_gpu:.1?} by a copy on the GPU, {in_host:.1?} by the host");
    println!(
        "tensor to texture: {out_gpu:.1?} by a copy on the GPU, {out_host:.1?} by the host ({read_host:.1?} to read it)"
    );
    println!("255 minus the frame: {product:.1?}");
    Ok(())
}
