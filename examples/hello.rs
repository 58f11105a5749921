//! Upload, broadcast multiply, fused multiply-reduce, update in place, read back.
//!
//! `cargo run --release --example hello`

use hadamard::{Device, Result, Tensor};

fn main() -> Result<()> {
    // A hardware GPU if there is one, else the CPU. HADAMARD_DEVICE=llvmpipe would name one.
    let device = Device::best()?;
    println!("on {device}");

    // Upload: three rows of four.
    let values: Vec<f32> = (1..=12).map(|i| i as f32).collect();
    let a = Tensor::from_slice(&values, [3, 4], &device)?;
    let rows = Tensor::from_slice(&[1.0_f32, 10.0, 100.0], [3, 1], &device)?;

    // Broadcast multiply: each row by its own number. Building an expression does nothing; eval runs it, in one pass.
    let scaled = (&a * &rows).eval()?;
    println!("a * rows          = {:?}", scaled.to_vec::<f32>()?);

    // Multiply-reduce along dim 0: the product is never stored.
    let sums = (&a * &rows).sum(0).eval()?;
    println!("(a * rows).sum(0) = {:?}", sums.to_vec::<f32>()?);

    // A weight update in place: a step against a gradient, then clamped, still one pass.
    let w = Tensor::from_slice(&[0.5_f32, -0.5, 1.0, -1.0], [4], &device)?;
    w.assign((&w - 0.01 * &sums).clamp(-4.0, 4.0))?;
    println!("w                 = {:?}", w.to_vec::<f32>()?);

    assert_eq!(sums.to_vec::<f32>()?, [951.0, 1062.0, 1173.0, 1284.0]);
    Ok(())
}
