//! Steps of training: of losses that are built once, built anew for each batch, and passed by turns; of the digits; of many
//! small parameters. `benches/peers/training.py` times the last two in PyTorch.
//!
//! `cargo bench --bench training`

use std::time::Instant;

use hadamard::optim::{Adam, SGD};
use hadamard::{DType, Device, Expr, Params, Result, Tensor};

const STEPS: usize = 200;
const ROUNDS: usize = 20;

/// A network of two layers, and batches for it.
struct Model {
    parameters: [Tensor; 4],
    batches: Vec<(Tensor, Tensor)>,
}

impl Model {
    fn new(device: &Device, batches: usize) -> Result<Self> {
        let normal = |shape: &[usize], seed| Tensor::normal(shape, 0.0, 0.1, DType::F32, seed, device);
        let parameters = [normal(&[16, 16], 1)?, normal(&[16], 2)?, normal(&[1, 16], 3)?, normal(&[1], 4)?];
        let batch = |seed| Ok((normal(&[32, 16], seed)?, normal(&[32, 1], seed + 1000)?));
        Ok(Self { parameters, batches: (10..10 + batches as u64).map(batch).collect::<Result<_>>()? })
    }

    fn loss(&self, x: &Tensor, y: &Tensor) -> Expr {
        let [w1, b1, w2, b2] = &self.parameters;
        (x.linear(w1, b1).tanh().linear(w2, b2) - y).square().mean(..)
    }

    fn optimizer(&self) -> SGD {
        SGD::new(&self.parameters).lr(0.01)
    }
}

/// The least time of a step, in µs.
fn least(mut step: impl FnMut(usize) -> Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        (0..STEPS).try_for_each(&mut step)?;
        least = least.min(start.elapsed().as_secs_f64() / STEPS as f64 * 1e6);
    }
    Ok(least)
}

fn rebuilt(device: &Device) -> Result<()> {
    let model = Model::new(device, 4)?;
    let (x, y) = &model.batches[0];
    show(
        "two layers, the expression alone",
        least(|_| {
            drop(model.loss(x, y));
            Ok(())
        })?,
    );
    let once = model.loss(x, y);
    let mut optimizer = model.optimizer();
    show("two layers, a loss built once", least(|_| optimizer.minimize(&once).map(drop))?);
    let mut optimizer = model.optimizer();
    let mut anew = |i: usize| {
        let (x, y) = &model.batches[i % 4];
        optimizer.minimize(&model.loss(x, y)).map(drop)
    };
    show("two layers, built anew", least(&mut anew)?);
    let losses: Vec<Expr> = model.batches.iter().map(|(x, y)| model.loss(x, y)).collect();
    let mut optimizer = model.optimizer();
    show("two layers, built once, by turns", least(|i| optimizer.minimize(&losses[i % 4]).map(drop))?);
    Ok(())
}

/// The step of `examples/digits.rs`, on numbers as large as the digits.
fn digits(device: &Device) -> Result<()> {
    let normal = |shape: &[usize], seed| Tensor::normal(shape, 0.0, 0.1, DType::F32, seed, device);
    let x = normal(&[1500, 64], 1)?;
    let y = Tensor::from_vec((0..1500_i64).map(|i| i % 10).collect(), [1500], device)?;
    let parameters = [normal(&[64, 64], 2)?, normal(&[64], 3)?, normal(&[10, 64], 4)?, normal(&[10], 5)?];
    let [w1, b1, w2, b2] = &parameters;
    let loss = |batch: &Tensor| x.index(0, batch).linear(w1, b1).relu().linear(w2, b2).cross_entropy(y.index(0, batch));
    let batches: Vec<Tensor> = (0..30)
        .map(|k| Tensor::from_vec((0..50).map(|i| (i * 29 + k * 50) % 1500).collect::<Vec<i64>>(), [50], device))
        .collect::<Result<_>>()?;
    let batch = batches[0].contiguous()?;
    let once = loss(&batch);
    let mut adam = Adam::new(&parameters).lr(3e-3);
    show(
        "digits, a loss built once",
        least(|i| {
            batch.assign(&batches[i % 30])?;
            adam.minimize(&once).map(drop)
        })?,
    );
    let mut adam = Adam::new(&parameters).lr(3e-3);
    show("digits, built anew", least(|i| adam.minimize(&loss(&batches[i % 30])).map(drop))?);
    Ok(())
}

/// Adam on 1,000 parameters whose gradients are there, their norm together clipped and the weights projected.
fn thousand(device: &Device) -> Result<()> {
    let shapes = [vec![3], vec![2, 5], vec![], vec![4, 1, 3], vec![7, 7], vec![1, 128]];
    let tensors = |seed: u64| -> Result<Vec<Tensor>> {
        (0..1000).map(|i| Tensor::normal(&shapes[i % 6][..], 0.0, 1.0, DType::F32, seed + i as u64, device)).collect()
    };
    let (weights, grads) = (tensors(0)?, tensors(1000)?);
    let names: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
    let pack = |tensors: &[Tensor]| Params::pack(&names.iter().map(String::as_str).zip(tensors).collect::<Vec<_>>());
    let (packed, flat) = (pack(&weights)?, pack(&grads)?);
    let with_hooks = |adam: Adam| adam.clip_grad_norm(1.0).weight_hook(|w| w.clamp(-2.0, 2.0));
    let mut adam = with_hooks(Adam::new(&packed));
    show("1,000 parameters, packed", least(|_| adam.step(&[flat.flat()]))?);
    let mut adam = with_hooks(Adam::new(&weights));
    show("1,000 parameters, apart", least(|_| adam.step(&grads))?);
    Ok(())
}

fn show(what: &str, us: f64) {
    println!("{what:<40} {us:9.2} µs");
}

fn main() -> Result<()> {
    let device = Device::cpu();
    rebuilt(&device)?;
    digits(&device)?;
    thousand(&device)
}
