//! Correcting and pruning the weights of a transformer's layer by a mask, and keeping what is pruned at zero in training.
//!
//! `cargo run --release --features io --example prune`

use hadamard::optim::SGD;
use hadamard::{DType, Device, Expr, Result, Tensor};

/// One layer of all-MiniLM-L6-v2, Apache-2.0; see `data/README.md`.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/minilm-layer0.safetensors");

fn main() -> Result<()> {
    let device = Device::best()?;
    println!("on {device}");
    let weight = Tensor::read_safetensors(FILE, "encoder.layer.0.intermediate.dense.weight", &device)?;
    let original = weight.to_vec::<f32>()?;
    println!("{weight:?}");

    // Correct: what lies further than three standard deviations from the mean is drawn in to there.
    let (mean, square) = (weight.mean(..), weight.square().mean(..));
    let reach = 3.0 * (square - mean.square()).sqrt();
    let corrected = weight.clamp(&mean - &reach, &mean + &reach);
    let outliers = corrected.ne(&weight).sum(..).eval()?.item::<i64>()?;
    println!("{outliers} of {} weights are outliers", weight.numel());
    weight.assign(corrected)?;

    // Prune: a mask of the weights to be kept.
    let mask = weight.abs().ge(0.02).eval()?;
    weight.assign(&weight * &mask)?;
    let kept = mask.cast(DType::F32).mean(..).eval()?.item::<f32>()?;
    println!("{:.1} % of the weights are kept", 100.0 * kept);

    // Train: the hook joins the update's one pass, so what is pruned stays at zero.
    let target = Tensor::full(weight.shape(), 0.01_f32, &device)?;
    let loss = (&weight - &target).square().sum(..);
    let kept_at_zero = mask.clone();
    let mut sgd = SGD::new(&[&weight]).lr(0.1).weight_hook(move |w| w * &kept_at_zero);
    let before = loss.eval()?.item::<f32>()?;
    for _ in 0..5 {
        sgd.minimize(&loss)?;
    }
    let after = loss.eval()?.item::<f32>()?;
    let strays = Expr::select(&mask, 0.0, &weight).ne(0.0).any(..).eval()?.item::<bool>()?;
    println!("loss {before:.1} before, {after:.1} after five steps; pruned weights that moved: {strays}");

    // All of it once more, by plain loops.
    let n = original.len() as f64;
    let mean = original.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
    let square = original.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>() / n;
    let reach = 3.0 * (square - mean * mean).sqrt();
    let (low, high) = (mean - reach, mean + reach);
    let want = original.iter().map(|&w| f64::from(w).clamp(low, high)).map(|w| {
        let kept = w.abs() >= 0.02;
        (0..5).fold(if kept { w } else { 0.0 }, |w, _| if kept { w - 0.1 * 2.0 * (w - 0.01) } else { 0.0 })
    });
    // A weight that lies at the threshold, but for rounding, may be kept here and not there.
    let differ =
        weight.to_vec::<f32>()?.into_iter().zip(want).filter(|(got, want)| (f64::from(*got) - want).abs() > 1e-6);
    assert!(differ.count() <= 2);
    assert!(outliers > 1000 && !strays && after < before);
    Ok(())
}
