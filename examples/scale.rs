//! Scaling weights: all by one number, and each channel by its own.
//!
//! `cargo run --release --example scale`

use hadamard::{Device, Result, Tensor};

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");

    // The weights of a convolution: 3 output channels, 2 input channels, kernels of 2 by 2.
    let values: Vec<f32> = (0..24).map(|i| i as f32 - 12.0).collect();
    let weight = Tensor::from_slice(&values, [3, 2, 2, 2], &device)?;

    // By a scalar, in place: PyTorch's `weight.mul_(0.5)`.
    weight.assign(&weight * 0.5)?;
    let want: Vec<f32> = values.iter().map(|x| x * 0.5).collect();
    assert_eq!(weight.to_vec::<f32>()?, want);

    // By a number for each output channel: `weight.mul_(scale.view(-1, 1, 1, 1))`. The scale is read by the kernel as
    // it is; nothing is expanded.
    let scale = Tensor::from_slice(&[1.0_f32, 10.0, -2.0], [3], &device)?;
    let scaled = &weight * scale.reshape([3, 1, 1, 1])?;
    let explanation = scaled.explain()?;
    println!("per channel, on a GPU: passes {}, bytes {}", explanation.passes.len(), explanation.bytes());
    assert_eq!((explanation.passes.len(), explanation.bytes()), (1, (24 + 3 + 24) * 4));
    weight.assign(&scaled)?;

    let want: Vec<f32> = want.iter().enumerate().map(|(i, x)| x * [1.0, 10.0, -2.0][i / 8]).collect();
    assert_eq!(weight.to_vec::<f32>()?, want);

    // So that each output channel has norm 1: the norms are a multiply-reduce, and the division broadcasts them.
    let norms = weight.square().sum([1, 2, 3]).sqrt().reshape([3, 1, 1, 1]);
    weight.assign(&weight / norms)?;
    let norms = weight.square().sum([1, 2, 3]).eval()?.to_vec::<f32>()?;
    println!("squared norms of the channels: {norms:?}");
    assert!(norms.iter().all(|norm| (norm - 1.0).abs() < 1e-6));
    Ok(())
}
