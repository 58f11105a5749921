//! Hooks that change gradients and weights as a model trains. They are expressions, so they join the update's one pass.
//!
//! `cargo run --release --example hooks`

use hadamard::optim::SGD;
use hadamard::{Device, Result, ScalarCell, Tensor};

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let w = Tensor::from_slice(&[4.0_f32, -3.0, 0.5, 8.0], [4], &device)?;
    let target = Tensor::from_slice(&[1.0_f32, -1.0, 0.25, 100.0], [4], &device)?;
    let loss = (&w - &target).square().sum(..);

    // A threshold that changes in training: a cell is read at every step.
    let threshold = ScalarCell::new(5.0);
    let bound = threshold.clone();
    let mut sgd = SGD::new(&[&w])
        .lr(0.25)
        .grad_hook(|g| g.clamp(-2.0, 2.0)) // no step is longer than 0.5
        .weight_hook(move |w| w.clamp(-&bound, &bound)); // no weight is larger than the threshold

    sgd.minimize(&loss)?;
    // 4 goes down by the clipped 0.5 and -3 up by it; 0.5 halves its distance; 8 + 0.5 is drawn in to 5.
    println!("after one step:  {:?}", w.to_vec::<f32>()?);
    assert_eq!(w.to_vec::<f32>()?, [3.5, -2.5, 0.375, 5.0]);

    let before = device.counters();
    for step in 0..30 {
        threshold.set(5.0 - 0.1 * f64::from(step));
        sgd.descend(&loss)?; // as minimize, without evaluating the loss
    }
    device.synchronize()?;
    let after = device.counters();
    println!("after thirty:    {:?}", w.to_vec::<f32>()?);
    let want = [1.0, -1.0, 0.25, 2.1];
    assert!(w.to_vec::<f32>()?.iter().zip(want).all(|(w, want): (&f32, f32)| (w - want).abs() < 1e-4));
    // One pass a step, hooks and gradient included, and nothing compiled for a new threshold.
    println!("{} passes, {} shaders compiled", after.kernels - before.kernels, after.compiled - before.compiled);
    assert_eq!((after.kernels - before.kernels, after.compiled - before.compiled), (30, 0));
    Ok(())
}
