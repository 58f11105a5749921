//! Multiply two matrices element by element and sum along the first dim: three ways to write it, and what each takes.
//!
//! `cargo run --release --example multiply_sum`

use hadamard::{Device, Expr, Result, Tensor, einsum};

const SHAPE: [usize; 2] = [512, 768];

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}, two f32{SHAPE:?}");
    let [n, k] = SHAPE;
    // Whole numbers, so that every order of adding gives the same sums.
    let a: Vec<f32> = (0..n * k).map(|i| (i % 7) as f32 - 3.0).collect();
    let b: Vec<f32> = (0..n * k).map(|i| (i % 5) as f32 - 2.0).collect();
    let want: Vec<f32> = (0..k).map(|j| (0..n).map(|i| a[i * k + j] * b[i * k + j]).sum()).collect();
    let a = Tensor::from_slice(&a, SHAPE, &device)?;
    let b = Tensor::from_slice(&b, SHAPE, &device)?;

    // 1. Two steps, as eager libraries take them: the product is written to memory and read again.
    let product = (&a * &b).eval()?;
    let two_steps = [cost(&(&a * &b))?, cost(&product.sum(0))?];
    let first = product.sum(0).eval()?;
    let (passes, bytes) = (two_steps[0].0 + two_steps[1].0, two_steps[0].1 + two_steps[1].1);
    println!("product, then sum          {passes} passes {:>6.2} MB", bytes as f64 / 1e6);

    // 2. One expression: the product is never stored.
    let second = (&a * &b).sum(0);
    let fused = cost(&second)?;
    println!("(&a * &b).sum(0)           {} passes {:>6.2} MB", fused.0, fused.1 as f64 / 1e6);

    // 3. The same by Einstein's convention.
    let third = einsum("ik,ik->k", &[&a, &b]);
    let summed = cost(&third)?;
    println!("einsum(\"ik,ik->k\")         {} passes {:>6.2} MB", summed.0, summed.1 as f64 / 1e6);

    for sums in [first, second.eval()?, third.eval()?] {
        assert_eq!(sums.to_vec::<f32>()?, want);
    }
    let (matrix, row) = ((n * k * 4) as u64, (k * 4) as u64);
    assert_eq!(fused, summed);
    assert_eq!((passes, bytes), (fused.0 + 1, fused.1 + 2 * matrix), "the product, written and read");
    // Long sums are split over workgroups, whose partial results are a few rows more.
    assert!(fused.1 >= 2 * matrix + row && fused.1 < 2 * matrix + 300 * row);
    Ok(())
}

/// Passes over memory, and the bytes they move, on a GPU.
fn cost(expr: &Expr) -> Result<(usize, u64)> {
    let explanation = expr.explain()?;
    Ok((explanation.passes.len(), explanation.bytes()))
}
