//! Gradients of parts of a batch added up before a step: the step of the whole batch, in the memory of a part.
//!
//! `cargo run --release --example accumulate`

use hadamard::optim::AdamW;
use hadamard::{DType, Device, Expr, Result, Tensor};

const BATCH: usize = 64;
const PARTS: usize = 4;

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let x = Tensor::normal([BATCH, 10], 0.0, 1.0, DType::F32, 1, &device)?;
    let y = x.sum(1).tanh().eval()?;
    let new = || Tensor::normal([10], 0.0, 0.1, DType::F32, 2, &device);
    let (whole, summed) = (new()?, new()?);

    let loss = |w: &Tensor, rows: &Expr| (x.index(0, rows).matmul(w) - y.index(0, rows)).square().mean(..);
    let of_batch = loss(&whole, &Expr::arange(BATCH));

    // The part that is meant is a number that changes, so one gradient serves all parts.
    let part = Tensor::zeros([BATCH / PARTS], DType::I64, &device)?;
    let of_part = loss(&summed, &Expr::from(&part)) / PARTS as f64;
    let grad = of_part.grad(&[&summed])?.remove(0);
    let sum = Tensor::zeros([10], DType::F32, &device)?;
    let more = &sum + &grad;

    let (mut one, mut other) = (AdamW::new(&[&whole]).lr(0.01), AdamW::new(&[&summed]).lr(0.01));
    for _ in 0..100 {
        one.descend(&of_batch)?;
        for k in 0..PARTS {
            part.assign(Expr::arange(BATCH / PARTS) + k * BATCH / PARTS)?;
            sum.assign(if k == 0 { &grad } else { &more })?;
        }
        other.step(&[&sum])?;
    }
    let apart = (&whole - &summed).abs().amax(..).item::<f32>()?;
    println!("after 100 steps the two differ by at most {apart:e}");
    assert!(apart < 1e-4 && of_batch.item::<f32>()? < 0.2);
    Ok(())
}
