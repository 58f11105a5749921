//! The same device, the same input, the same bits: run after run, on a busy machine, with a warm or a cold pool, and
//! on any number of threads.
#![cfg(feature = "gpu")]

mod devices;

use std::hash::{DefaultHasher, Hasher};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use devices::{failures_on_each, limited};
use hadamard::{DType, Device, Expr, Tensor, einsum};

/// Set where this very program is run again with another number of threads.
const CHILD: &str = "HADAMARD_DETERMINISM_CHILD";

/// Numbers of all magnitudes and signs, so that nearly every other order of adding rounds differently.
fn noise(shape: &[usize], seed: u64, dtype: DType, device: &Device) -> Tensor {
    let n: usize = shape.iter().product();
    let mut state = seed;
    let values: Vec<f32> = (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            unit * ((state >> 20 & 7) as f32).exp2()
        })
        .collect();
    Tensor::from_slice(&values, shape, device).unwrap().to_dtype(dtype).unwrap()
}

/// An expression for each way a kernel works: wide and narrow, along rows and down columns, whole and split, short
/// and long, with one result and several.
fn cases(device: &Device) -> Vec<(&'static str, Expr)> {
    let f32 = |shape: &[usize], seed| noise(shape, seed, DType::F32, device);
    let (long, square) = (f32(&[300_001], 1), f32(&[512, 516], 2));
    let (tall, thin, odd) = (f32(&[40_000, 4], 3), f32(&[4, 40_000], 4), f32(&[777, 333], 5));
    let (half, brain) = (noise(&[70_000], 6, DType::F16, device), noise(&[300, 300], 7, DType::BF16, device));
    let (a, b) = (f32(&[64, 96], 8), f32(&[96, 48], 9));
    let row = f32(&[516], 10);
    let mut cases = vec![
        ("map", &square * &row + square.exp()),
        ("map of a transposed view", odd.transpose(0, 1).unwrap().sin() * 2.0),
        ("sum of all", long.sum(..)),
        ("dot product", long.dot(long.flip(0).unwrap())),
        ("sum of rows", square.sum(1)),
        ("sum of columns", (&square * &row).sum(0)),
        ("sum of few columns", tall.sum(0)),
        ("sum of few rows", thin.sum(1)),
        ("sum of short rows", tall.sum(1)),
        ("sum of odd columns", odd.sum(0)),
        ("sum of odd rows", odd.sum(1)),
        ("sum through a transposed view", odd.transpose(0, 1).unwrap().sum(0)),
        ("sum over the middle", long.narrow(0, 0, 300_000).unwrap().reshape([20, 3000, 5]).unwrap().sum(1)),
        ("product", (1.0 + 0.001 * tall.sin()).prod(0)),
        ("norm with what follows", square.norm(2, 0) * 0.5 + &row),
        ("mean and variance", square.mean(1).sqrt() + square.var(1, 1)),
        ("softmax", square.softmax(0)),
        ("f16", half.sum(..)),
        ("bf16", brain.mean(0)),
        ("matrix product", einsum("ij,jk->ik", &[&a, &b])),
        ("scan of all", long.cumsum(0)),
        ("scan of computed elements", (&long * 2.0 - 1.0).cumsum(0)),
        ("scan along rows", odd.cumsum(1)),
        ("scan down columns", odd.cumsum(0)),
        ("scan down few columns", tall.cumsum(0)),
        ("scan along few rows", thin.logcumsumexp(1)),
    ];
    if device.info().f64 {
        // With all digits of an f64: sums of f32 in f64 are exact, whatever the order, and the CPU adds them so.
        let wide = |shape: &[usize], seed| noise(shape, seed, DType::F64, device) / 3.0;
        cases.extend([
            ("f64 sum of all", wide(&[50_000], 11).sum(..)),
            ("f64 sum of rows", wide(&[70, 3001], 12).sum(1)),
            ("f64 sum of columns", wide(&[3001, 70], 13).sum(0)),
            ("f64 sum of short rows", wide(&[40_000, 4], 14).sum(1)),
            ("f64 sum over the middle", wide(&[20, 3000, 5], 15).sum(1)),
        ]);
    }
    cases
}

/// The bits of an expression's value, drawn together.
fn bits(expr: &Expr) -> u64 {
    let value = expr.eval().unwrap();
    let mut hasher = DefaultHasher::new();
    if value.dtype() == DType::F64 {
        value.to_vec::<f64>().unwrap().iter().for_each(|v| hasher.write_u64(v.to_bits()));
    } else {
        // f16 and bf16 convert without loss.
        let values = value.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap();
        values.iter().for_each(|v| hasher.write_u32(v.to_bits()));
    }
    hasher.finish()
}

/// What differs from `first` in a round.
fn changed(what: &str, device: &Device, cases: &[(&'static str, Expr)], first: &[u64]) -> Vec<String> {
    let differs = |((name, expr), first): (&(&'static str, Expr), &u64)| {
        (bits(expr) != *first).then(|| format!("{name} {what} on {device}"))
    };
    cases.iter().zip(first).filter_map(differs).collect()
}

/// Runs `work` while other threads keep the processor and the device busy with other things.
fn under_load<R>(device: &Device, work: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let done = &done;
            scope.spawn(move || {
                let x = noise(&[200, 300], 20 + seed, DType::F32, device);
                while !done.load(Ordering::Relaxed) {
                    (&x * 2.0).sum(0).eval().unwrap().to_vec::<f32>().unwrap();
                    x.softmax(1).eval().unwrap();
                }
            });
            scope.spawn(move || {
                let mut n = 1_u64;
                while !done.load(Ordering::Relaxed) {
                    n = std::hint::black_box(n.wrapping_mul(3));
                }
            });
        }
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn failures_on(device: &Device, rounds: usize) -> Vec<String> {
    let cases_here = cases(device);
    let first: Vec<u64> = cases_here.iter().map(|(_, expr)| bits(expr)).collect();
    let mut failures = Vec::new();
    for round in 0..rounds {
        failures.extend(changed(&format!("in round {round}"), device, &cases_here, &first));
    }
    failures.extend(under_load(device, || changed("under load", device, &cases_here, &first)));
    // Nothing pooled, then memory that held something else, elsewhere.
    device.trim();
    failures.extend(changed("with a cold pool", device, &cases_here, &first));
    let _elsewhere = Tensor::full([100_000], f32::NAN, device).unwrap();
    failures.extend(changed("in other memory", device, &cases(device), &first));
    failures
}

#[test]
fn the_same_bits_every_time() {
    let failures = failures_on_each(|device| failures_on(device, 6));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_same_bits_in_pieces() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return vec![];
        }
        failures_on(&limited(device, |limits| limits.max_storage_buffer_binding_size = 256 << 10), 1)
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// If another order gave the same bits, the tests above would show nothing.
#[test]
fn the_order_of_adding_shows() {
    for device in devices::devices() {
        let dtypes = [DType::F32, DType::F64].into_iter().filter(|&dtype| dtype != DType::F64 || device.info().f64);
        let shows = |dtype| {
            let x = (noise(&[300_001], 1, dtype, &device) / 3.0).eval().unwrap();
            let rolled = [0, 1, 2, 3].map(|by| {
                bits(&(x.narrow(0, by, 300_000 - by).unwrap().sum(..) + x.narrow(0, 0, by).unwrap().sum(..)))
            });
            rolled.iter().any(|&sum| sum != rolled[0])
        };
        // The CPU adds f32 in f64, so there the order shows in sums of f64 alone.
        assert!(dtypes.into_iter().any(shows), "{device}");
    }
}

/// The CPU path on one thread, two and three, each in a process of its own; and from within a pool of the caller's.
#[test]
fn the_same_bits_on_any_number_of_threads() {
    let device = Device::cpu();
    if std::env::var_os(CHILD).is_some() {
        for (name, expr) in cases(&device) {
            println!("bits of {name}: {:016x}", bits(&expr));
        }
        println!("threads: {}", device.info().threads);
        return;
    }
    let program = std::env::current_exe().unwrap();
    let run = |threads: usize| {
        let mut command = Command::new(&program);
        command.args(["--exact", "the_same_bits_on_any_number_of_threads", "--nocapture"]);
        let output = command.env(CHILD, "1").env("HADAMARD_NUM_THREADS", threads.to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("threads: {threads}\n")), "{text}");
        text.lines().filter(|line| line.starts_with("bits of")).map(str::to_owned).collect::<Vec<_>>()
    };
    let one = run(1);
    assert!(one.len() >= 20, "{one:?}");
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
    let cases = cases(&device);
    let here: Vec<String> = cases.iter().map(|(name, expr)| format!("bits of {name}: {:016x}", bits(expr))).collect();
    assert_eq!(here, one);
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let first: Vec<u64> = cases.iter().map(|(_, expr)| bits(expr)).collect();
        let failures = pool.install(|| changed("in the caller's pool", &device, &cases, &first));
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}
