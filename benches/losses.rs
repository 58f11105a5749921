//! Losses and their gradients on the CPU, to hold against PyTorch's and JAX's by `benches/peers/losses.py`, which has the same
//! cases.
//!
//! `cargo bench --bench losses -- [ROUNDS]`; `HADAMARD_NUM_THREADS` says how many threads. Prints for each case least time
//! and median in ms.

mod random;

use std::time::Instant;

use hadamard::{Device, Expr, Result, Tensor, eval_all};

const RUNS: usize = 3;
const IMAGES: [usize; 4] = [16, 64, 128, 128];
const ROWS: [usize; 2] = [8192, 1024];

/// Numbers from 0 to 1.
fn random(seed: u64, shape: &[usize]) -> Result<Tensor> {
    let mut next = random::random(seed);
    let numbers = (0..shape.iter().product()).map(|_| (next() >> 40) as f32 / (1_u64 << 24) as f32);
    Tensor::from_vec(numbers.collect::<Vec<f32>>(), shape, &Device::cpu())
}

/// The squared distance of a weighted combination from a target, and its gradient by the weights.
fn combinations() -> Result<Vec<(&'static str, Vec<Expr>)>> {
    let [a, b, target] = [random(1, &IMAGES)?, random(2, &IMAGES)?, random(3, &IMAGES)?];
    let combined = |w: &Tensor| w * &a + (1.0 - w) * &b;
    let mut cases = Vec::new();
    for (name, shape) in
        [("every weight", IMAGES), ("one weight", [1; 4]), ("channels", [1, 64, 1, 1]), ("instances", [16, 1, 1, 1])]
    {
        let w = random(4, &shape)?;
        let loss = (combined(&w) - &target).square().sum(..);
        let gradient = loss.grad(&[&w])?.remove(0);
        cases.push((name, vec![loss, gradient]));
    }
    let (w, gain) = (random(5, &[1, 64, 1, 1])?, random(6, &[16, 1, 1, 1])?);
    let loss = (combined(&w) * &gain - &target).square().sum(..);
    let gradients = loss.grad(&[&w, &gain])?;
    cases.push(("channels and instances", [vec![loss], gradients].concat()));
    Ok(cases)
}

/// What goes along rows, forward and backward.
fn rows() -> Result<Vec<(&'static str, Vec<Expr>)>> {
    let (x, up) = (random(7, &ROWS)?, random(8, &ROWS)?);
    let (gain, bias) = (random(9, &[ROWS[1]])?, random(10, &[ROWS[1]])?);
    let labels: Vec<i64> = (0..ROWS[0] as i64).map(|i| i * 37 % ROWS[1] as i64).collect();
    let labels = Tensor::from_slice(&labels, [ROWS[0]], &Device::cpu())?;
    let (softmax, norm, entropy) = (x.softmax(1), x.layer_norm(1, 1e-5) * &gain + &bias, x.cross_entropy(&labels));
    let back = |y: &Expr, by: &[&Tensor]| (y * &up).sum(..).grad(by);
    Ok(vec![
        ("softmax", vec![softmax.clone()]),
        ("softmax, gradient", back(&softmax, &[&x])?),
        ("layer norm", vec![norm.clone()]),
        ("layer norm, gradients", back(&norm, &[&x, &gain, &bias])?),
        ("cross-entropy", vec![entropy.clone()]),
        ("cross-entropy and gradient", [vec![entropy.clone()], entropy.grad(&[&x])?].concat()),
    ])
}

fn main() -> Result<()> {
    let rounds = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(5);
    let cases = [combinations()?, rows()?].concat();
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        for ((_, exprs), times) in cases.iter().zip(&mut times) {
            for _ in 0..RUNS {
                let start = Instant::now();
                eval_all(exprs)?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    for ((name, _), mut times) in cases.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        println!("{name:28} {:8.2} {:8.2}", times[0], times[times.len() / 2]);
    }
    Ok(())
}
