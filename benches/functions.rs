//! Every function of the table, each alone over one tensor or two: least times and medians, to hold against PyTorch's by
//! `benches/peers/functions.py`, which reads the same table of arguments.
//!
//! `cargo bench --bench functions -- [f32|f64] [SIDE] [NAME...]`; `HADAMARD_NUM_THREADS` says how many threads.

mod timed;

use hadamard::{DType, Device, Result, Tensor};
use timed::Timed;

const TABLE: &str = include_str!("functions.txt");
/// Rounds over all functions, which are minutes apart on a machine whose speed swings.
const ROUNDS: usize = 5;
const RUNS: usize = 8;

/// Numbers all over an interval, in no order.
fn argument(interval: &[f64], salt: f64, side: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let at = |i: usize| interval[0] + (i as f64 * salt).fract() * (interval[1] - interval[0]);
    let values: Vec<f64> = (0..side * side).map(at).collect();
    Tensor::from_slice(&values, [side, side], device)?.cast(dtype).eval()
}

fn case(line: &'static str, side: usize, dtype: DType, device: &Device) -> Result<Timed> {
    let mut words = line.split_whitespace();
    let text = words.next().unwrap_or("");
    let ends: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    let a = argument(&ends[..2], 0.618_033_988_749_894_9, side, dtype, device)?;
    let b = argument(&ends[ends.len() - 2..], 0.414_213_562_373_095, side, dtype, device)?;
    Timed::new(text, &[("a", &a), ("b", &b)])
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let dtype = if words.iter().any(|word| word == "f64") { DType::F64 } else { DType::F32 };
    let side = words.iter().find_map(|word| word.parse().ok()).unwrap_or(1024);
    let is_name = |word: &&String| !["f32", "f64"].contains(&word.as_str()) && word.parse::<usize>().is_err();
    let names: Vec<&String> = words.iter().filter(is_name).collect();
    let wanted = |line: &&str| {
        let name = line.split('(').next().unwrap_or("");
        !line.starts_with('#') && (names.is_empty() || names.iter().any(|wanted| *wanted == name))
    };
    let device = Device::cpu();
    let lines: Vec<&str> = TABLE.lines().filter(wanted).collect();
    let mut cases = lines.into_iter().map(|line| case(line, side, dtype, &device)).collect::<Result<Vec<_>>>()?;
    for _ in 0..ROUNDS {
        cases.iter_mut().try_for_each(|case| case.time(RUNS))?;
    }
    for case in &mut cases {
        let [least, median] = case.least_and_median();
        println!("{} {dtype} {least:.4} {median:.4}", case.text);
    }
    Ok(())
}
