//! A linear layer whose weights are kept within a threshold: in what it computes, and as it learns.
//!
//! `cargo run --release --example threshold`

use hadamard::optim::SGD;
use hadamard::{DType, Device, Expr, Result, Tensor, einsum};

const THRESHOLD: f64 = 0.1;

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let weight = Tensor::from_slice(&[0.5_f32, -0.05, 0.08, -2.0, 0.02, 0.1], [2, 3], &device)?;
    let bias = Tensor::from_slice(&[1.0_f32, -1.0], [2], &device)?;
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, -1.0, 0.0, 10.0], [2, 3], &device)?;

    // y = x clamp(weight)ᵀ + bias: the weights are clamped as they are read, and stay as they are.
    let y = einsum("bi,oi->bo", &[Expr::from(&x), weight.clamp(-THRESHOLD, THRESHOLD)]) + &bias;
    let got = y.eval()?.to_vec::<f32>()?;
    println!("y = {got:?}");
    let want = [
        1.0 + 0.1 - 2.0 * 0.05 + 3.0 * 0.08,
        -1.0 - 0.1 + 2.0 * 0.02 + 3.0 * 0.1,
        1.0 - 0.1 + 10.0 * 0.08,
        -1.0 + 0.1 + 10.0 * 0.1,
    ];
    assert!(got.iter().zip(want).all(|(got, want): (&f32, f32)| (got - want).abs() < 1e-6));

    // A weight beyond the threshold has no gradient here: it would not change the output.
    let grad = y.square().sum(..).grad(&[&weight])?.remove(0).eval()?.to_vec::<f32>()?;
    println!("gradient = {grad:?}");
    assert!(grad[0] == 0.0 && grad[3] == 0.0 && grad[1] != 0.0);

    // Learning with the weights kept within the threshold: a projection, after every step. The target asks for a
    // weight of 1 where 0.1 is the most it can have.
    let learned = Tensor::zeros([2, 3], DType::F32, &device)?;
    let truth = Tensor::from_slice(&[1.0_f32, -0.05, 0.08, -1.0, 0.02, 0.03], [2, 3], &device)?;
    let samples = Tensor::normal([200, 3], 0.0, 1.0, DType::F32, 3, &device)?;
    let wanted = einsum("bi,oi->bo", &[&samples, &truth]).eval()?;
    let loss = (einsum("bi,oi->bo", &[&samples, &learned]) - &wanted).square().mean(..);
    let mut sgd = SGD::new(&[&learned]).lr(0.3).weight_hook(|w| w.clamp(-THRESHOLD, THRESHOLD));
    for _ in 0..200 {
        sgd.minimize(&loss)?;
    }
    let got = learned.to_vec::<f32>()?;
    println!("learned = {got:?}");
    assert!(got[0] == 0.1 && got[3] == -0.1 && got.iter().all(|w| w.abs() <= 0.1));
    Ok(())
}
