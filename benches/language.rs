//! Integers and indices: each text of `language.txt` by itself, as a share of what a copy of as many bytes takes, to hold
//! against PyTorch's, JAX's and numexpr's by `benches/peers/language.py`, which reads the same table.
//!
//! `cargo bench --bench language -- [SIDE] [ROUNDS]`; `HADAMARD_NUM_THREADS` says how many threads.

mod random;
mod timed;

use hadamard::{DType, Device, Result, Tensor};
use timed::Timed;

const TABLE: &str = include_str!("language.txt");
const RUNS: usize = 5;

fn random(n: usize, below: u64) -> Vec<i64> {
    let mut next = random::random(0);
    (0..n).map(|_| (next() % below) as i64).collect()
}

fn operands(side: usize, device: &Device) -> Result<Vec<(&'static str, Tensor)>> {
    let n = side * side;
    let square = |below: u64, first: i64, dtype: DType| {
        let numbers: Vec<i64> = random(n, below).into_iter().map(|x| x + first).collect();
        Tensor::from_slice(&numbers, [side, side], device)?.cast(dtype).eval()
    };
    let table = |width: usize| (square(1 << 20, 1, DType::F32)? / 1e6).reshape([n / width, width]).eval();
    let rows = |width: usize| Tensor::from_slice(&random(n / width, (n / width) as u64), [n / width], device);
    let below = |bins: usize| Tensor::from_slice(&random(n / 8, bins as u64), [n / 8], device);
    let bins = |bins: usize| Tensor::zeros([bins], DType::F32, device);
    Ok(vec![
        ("a", square(1 << 20, 1, DType::F32)?),
        ("b", square(1 << 19, 7, DType::F32)?),
        ("i", square(1 << 31, -(1 << 30), DType::I32)?),
        ("j", square(1000, 1, DType::I32)?),
        ("k", square(1 << 40, -(1 << 39), DType::I64)?),
        ("m", square(100_000, 1, DType::I64)?),
        ("p", square(200, 0, DType::U8)?),
        ("q", square(50, 0, DType::U8)?),
        ("r64", table(64)?),
        ("v64", table(64)?),
        ("r1024", table(1024)?),
        ("x64", rows(64)?),
        ("x1024", rows(1024)?),
        ("y", below(1000)?),
        ("z", below(100_000)?),
        ("w", square(1 << 20, 1, DType::F32)?.reshape([n])?.narrow(0, 0, n / 8)?.contiguous()?),
        ("c", bins(1000)?),
        ("d", bins(100_000)?),
    ])
}

fn bytes(x: &Tensor) -> usize {
    x.numel() * x.dtype().size()
}

/// A text, and the bytes of its operands and its result.
fn case(text: &'static str, operands: &[(&str, Tensor)]) -> Result<(Timed, usize)> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    let used: Vec<(&str, &Tensor)> =
        operands.iter().filter(|x| words.contains(&x.0)).map(|(name, x)| (*name, x)).collect();
    let timed = Timed::new(text, &used)?;
    let bytes = used.iter().map(|x| bytes(x.1)).sum::<usize>() + bytes(&timed.out);
    Ok((timed, bytes))
}

fn main() -> Result<()> {
    let numbers: Vec<usize> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let (side, rounds) = (numbers.first().copied().unwrap_or(4096), numbers.get(1).copied().unwrap_or(6));
    let operands = operands(side, &Device::cpu())?;
    let texts = TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(';').next());
    let mut cases = texts.map(|text| case(text, &operands)).collect::<Result<Vec<_>>>()?;
    for _ in 0..rounds {
        cases.iter_mut().try_for_each(|case| case.0.time(RUNS))?;
    }
    let mut copy = None;
    for (case, bytes) in &mut cases {
        let [least, median] = case.least_and_median();
        let rate = *bytes as f64 / median;
        let share = rate / *copy.get_or_insert(rate);
        println!("{:28} {least:8.3} {median:8.3} ms, {share:.2} of a copy", case.text);
    }
    Ok(())
}
