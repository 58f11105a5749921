//! Group lasso: inputs that a layer does not need lose all their weights at once, by a projection after each step.
//! Yuan and Lin, "Model selection and estimation in regression with grouped variables", 2006; the projection is the
//! proximal step of their penalty.
//!
//! `cargo run --release --example group_lasso`

use hadamard::optim::SGD;
use hadamard::{DType, Device, Expr, Result, Tensor};

const LR: f64 = 0.1;
const PENALTY: f64 = 0.2;

/// `w max(0, 1 - lr penalty / |w|)` for each row: rows that are short become 0.
fn shrink(w: &Expr) -> Expr {
    let length = w.norm(2, 1).keepdim();
    // Where the length is 0 the quotient is infinite, and the row stays 0.
    w * (1.0 - LR * PENALTY / length).clamp(0.0, 1.0)
}

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    // Eight inputs, of which the first three matter to the four outputs.
    let x = Tensor::normal([500, 8], 0.0, 1.0, DType::F32, 1, &device)?;
    let truth = Tensor::normal([8, 4], 0.0, 1.0, DType::F32, 2, &device)?;
    truth.narrow(0, 3, 5)?.fill(0.0)?;
    let y =
        (x.matmul(&truth) + 0.1 * Expr::from(&Tensor::normal([500, 4], 0.0, 1.0, DType::F32, 3, &device)?)).eval()?;

    let w = Tensor::normal([8, 4], 0.0, 0.1, DType::F32, 4, &device)?;
    let loss = (x.matmul(&w) - &y).square().sum(1).mean(..) * 0.5;
    let mut sgd = SGD::new(&[&w]).lr(LR).weight_hook(shrink);
    for _ in 0..300 {
        sgd.descend(&loss)?;
    }
    let lengths = w.norm(2, 1).to_vec::<f32>()?;
    println!("lengths of the rows: {lengths:.3?}");
    assert!(lengths[..3].iter().all(|&length| length > 0.3) && lengths[3..].iter().all(|&length| length == 0.0));
    Ok(())
}
