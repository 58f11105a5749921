//! Initialising a linear layer's weight, and scaling it so that what goes through keeps its variance.
//!
//! `cargo run --release --example linear_init`

use hadamard::init::{self, Fan, Nonlinearity};
use hadamard::{DType, Device, Expr, Result, Tensor, einsum};

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let (inputs, outputs) = (512, 256);
    let weight = Tensor::zeros([outputs, inputs], DType::F32, &device)?;
    let x = Tensor::normal([64, inputs], 0.0, 1.0, DType::F32, 1, &device)?;
    // The layer's output on x, before and after its ReLU.
    let y = einsum("bi,oi->bo", &[&x, &weight]);
    let variance = |e: &Expr| -> Result<f32> { (e.square().mean(..) - e.mean(..).square()).eval()?.item() };

    // As torch.nn.Linear does: evenly, up to 1 / √inputs. Three times too little variance for what follows.
    init::kaiming_uniform(&weight, Fan::In, Nonlinearity::LeakyRelu(5_f64.sqrt()), 7)?;
    let bound = (1.0 / inputs as f32).sqrt();
    let largest = weight.abs().amax(..).eval()?.item::<f32>()?;
    let default = variance(&y)?;
    println!("torch.nn.Linear's: up to {largest:.5}, variance of the output {default:.3}");
    assert!(largest <= bound * 1.000_001 && largest > 0.999 * bound);
    assert!((default - 1.0 / 3.0).abs() < 0.03);

    // Scaled in place by √3, it is kept. The expression of y reads the new weight.
    weight.assign(&weight * 3_f64.sqrt())?;
    let scaled = variance(&y)?;
    println!("times √3: variance of the output {scaled:.3}");
    assert!((scaled - 1.0).abs() < 0.08);

    // For a layer with a ReLU behind it: the mean square stays 1.
    init::kaiming_normal(&weight, Fan::In, Nonlinearity::Relu, 7)?;
    let square = y.relu().square().mean(..).eval()?.item::<f32>()?;
    println!("kaiming_normal for a ReLU: mean square behind it {square:.3}");
    assert!((square - 1.0).abs() < 0.08);

    // A seed gives the same numbers on every device.
    let cpu = Tensor::zeros([outputs, inputs], DType::F32, &Device::cpu())?;
    init::xavier_uniform(&weight, 1.0, 42)?;
    init::xavier_uniform(&cpu, 1.0, 42)?;
    assert_eq!(weight.to_vec::<f32>()?, cpu.to_vec::<f32>()?);
    Ok(())
}
