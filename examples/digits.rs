//! Handwritten digits, told apart by a network of two layers. Minibatches are chosen on the device, in the passes of the
//! loss and its gradient.
//!
//! `cargo run --release --features io --example digits`

use std::path::Path;

use hadamard::init::{self, Fan, Nonlinearity};
use hadamard::optim::Adam;
use hadamard::{DType, Device, Expr, Result, Tensor, random, read_npz};

/// Samples to learn from; the others tell how well.
const TRAINING: usize = 1500;
const BATCH: usize = 50;
const EPOCHS: u64 = 20;

/// The numbers below `n` in an order that a seed decides.
fn shuffled(n: usize, seed: u64) -> Result<Vec<i32>> {
    let keys = random::uniform([n], DType::F32, seed).to_vec::<f32>()?;
    let mut order: Vec<i32> = (0..n as i32).collect();
    order.sort_by(|&a, &b| keys[a as usize].total_cmp(&keys[b as usize]));
    Ok(order)
}

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits.npz");
    let file = read_npz(&path, &device)?;
    let part = |name: &str| file.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
    let (Some(images), Some(labels)) = (part("x"), part("y")) else { unreachable!("digits.npz holds x and y") };
    let n = images.shape()[0];
    let pixels = (images.flatten(1, -1)?.cast(DType::F32) / 16.0).eval()?;
    let (x, y) = (pixels.narrow(0, 0, TRAINING)?, labels.narrow(0, 0, TRAINING)?);

    let weights = [Tensor::zeros([64, 64], DType::F32, &device)?, Tensor::zeros([10, 64], DType::F32, &device)?];
    let biases = [Tensor::zeros([64], DType::F32, &device)?, Tensor::zeros([10], DType::F32, &device)?];
    for (seed, weight) in (0_u64..).zip(&weights) {
        init::kaiming_normal(weight, Fan::In, Nonlinearity::Relu, seed)?;
    }
    let network = |x: Expr| x.linear(&weights[0], &biases[0]).relu().linear(&weights[1], &biases[1]);

    // Built once: a step only writes other numbers into `batch`.
    let batch = Tensor::zeros([BATCH], DType::I32, &device)?;
    let loss = network(x.index(0, &batch)).cross_entropy(y.index(0, &batch));
    let mut adam = Adam::new(&[&weights[0], &biases[0], &weights[1], &biases[1]]).lr(3e-3);
    for epoch in 0..EPOCHS {
        let order = Tensor::from_slice(&shuffled(TRAINING, epoch)?, [TRAINING], &device)?;
        let mut last = None;
        for start in (0..TRAINING).step_by(BATCH) {
            batch.assign(&order.narrow(0, start, BATCH)?)?;
            last = Some(adam.minimize(&loss)?);
        }
        if let Some(last) = last.filter(|_| epoch % 5 == 4) {
            println!("epoch {}: loss {:.4}", epoch + 1, last.item::<f32>()?);
        }
    }

    let (x, y) = (pixels.narrow(0, TRAINING, n - TRAINING)?, labels.narrow(0, TRAINING, n - TRAINING)?);
    let right = network(Expr::from(&x)).argmax(1).eq(y.cast(DType::I64));
    let accuracy = right.cast(DType::F32).mean(..).item::<f32>()?;
    println!("{:.1} % of {} digits never seen are told right", 100.0 * accuracy, n - TRAINING);
    assert!(accuracy > 0.9);
    Ok(())
}
