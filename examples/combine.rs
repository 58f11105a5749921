//! The weighted combination `w * a + (1 - w) * b` with a learnable `w`: one number, one for each channel, one for each
//! instance. Adam finds the weights that made the target.
//!
//! `cargo run --release --example combine`

use hadamard::optim::{Adam, schedule};
use hadamard::{DType, Device, Result, Tensor};

/// Instances, channels, height, width.
const SHAPE: [usize; 4] = [4, 3, 32, 32];

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}, a and b f32{SHAPE:?}");
    let a = Tensor::uniform(SHAPE, 0.0..1.0, DType::F32, 1, &device)?;
    let b = Tensor::uniform(SHAPE, 0.0..1.0, DType::F32, 2, &device)?;
    learn("a scalar", &[], &[0.3], &a, &b)?;
    learn("channels", &[3, 1, 1], &[0.2, 0.5, 0.9], &a, &b)?;
    learn("instances", &[4, 1, 1, 1], &[0.1, 0.4, 0.6, 0.95], &a, &b)
}

fn learn(name: &str, shape: &[usize], truth: &[f32], a: &Tensor, b: &Tensor) -> Result<()> {
    let device = a.device();
    let known = Tensor::from_slice(truth, shape, &device)?;
    let target = (&known * a + (1.0 - &known) * b).eval()?;

    let w = Tensor::full(shape, 0.5_f32, &device)?;
    let loss = (&w * a + (1.0 - &w) * b - &target).square().mean(..);
    println!("{name}: passes of the loss on a GPU: {}", loss.explain()?.passes.len());
    let mut adam = Adam::new(&[&w]).lr(0.05).schedule(schedule::cosine(200, 0.0));
    for _ in 0..200 {
        adam.minimize(&loss)?;
    }
    let got = w.to_vec::<f32>()?;
    println!("  {got:.4?}, loss {:.1e}", loss.eval()?.item::<f32>()?);
    assert!(got.iter().zip(truth).all(|(w, truth)| (w - truth).abs() < 1e-3), "{name}: {truth:?}");
    Ok(())
}
