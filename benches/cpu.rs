//! The CPU path beside what the machine can do: plain parallel loops over the same slices.
//!
//! Each group is one kind of work; what counts is the ratio to its hand-written loop within one run.
//! `cargo bench --bench cpu`; a part of a name after `--` selects.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hadamard::optim::Adam;
use hadamard::{DType, Device, Expr, Params, Tensor, einsum};
use rayon::prelude::*;

const N: usize = 4096;
/// Elements a thread takes at a time.
const CHUNK: usize = 1 << 18;

fn values(seed: usize, n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn tensor(seed: usize, shape: [usize; 2]) -> Tensor {
    Tensor::from_slice(&values(seed, shape[0] * shape[1]), shape, &Device::cpu()).unwrap()
}

fn zeros(shape: [usize; 2]) -> Tensor {
    Tensor::zeros(shape, DType::F32, &Device::cpu()).unwrap()
}

fn multiply(a: &[f32], b: &[f32], out: &mut [f32]) {
    out.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK))).for_each(|(out, (a, b))| {
        for (out, (a, b)) in out.iter_mut().zip(a.iter().zip(b)) {
            *out = a * b;
        }
    });
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let part = |(a, b): (&[f32], &[f32])| {
        let mut lanes = [0.0_f32; 32];
        for (a, b) in a.as_chunks::<32>().0.iter().zip(b.as_chunks::<32>().0) {
            for i in 0..32 {
                lanes[i] += a[i] * b[i];
            }
        }
        lanes.iter().sum::<f32>()
    };
    a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK)).map(part).sum()
}

fn maps(c: &mut Criterion) {
    let mut group = c.benchmark_group("map 4096x4096 f32");
    let (a, b) = (values(1, N * N), values(2, N * N));
    let mut out = vec![0.0; N * N];
    group.throughput(Throughput::Bytes(12 * (N * N) as u64));
    group.bench_function("a*b, by hand", |bench| bench.iter(|| multiply(&a, &b, black_box(&mut out))));
    drop((a, b, out));
    let (a, b, w, out) = (tensor(1, [N, N]), tensor(2, [N, N]), tensor(3, [N, N]), zeros([N, N]));
    let mut bench = |name: &str, bytes: usize, expr: Expr| {
        group.throughput(Throughput::Bytes((bytes * N * N) as u64));
        group.bench_function(name, |bench| bench.iter(|| out.assign(&expr).unwrap()));
    };
    bench("a*b", 12, &a * &b);
    bench("a*row", 8, &a * a.narrow(0, 0, 1).unwrap());
    bench("a*column", 8, &a * a.narrow(1, 0, 1).unwrap());
    bench("a*b transposed", 12, &a * b.transpose(0, 1).unwrap());
    bench("w*a + (1-w)*b", 16, &w * &a + (1.0 - &w) * &b);
    bench("exp(a)", 8, a.exp());
    bench("sigmoid(a)", 8, a.sigmoid());
    bench("tanh(a)", 8, a.tanh());
    bench("gelu(a)", 8, a.gelu());
    bench("sin(a)", 8, a.sin());
}

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("train f32");
    let device = Device::cpu();
    let (w, g) = (tensor(1, [N, N]), tensor(2, [N, N]));
    let mut adam = Adam::new(&[&w]);
    group.throughput(Throughput::Bytes(28 * (N * N) as u64));
    group.bench_function("adam 16M", |bench| bench.iter(|| adam.step(&[&g]).unwrap()));
    drop((adam, w, g));

    let (a, mut out) = (values(1, N * N), values(2, N * N));
    group.throughput(Throughput::Bytes(8 * (N * N) as u64));
    group.bench_function("copy, by hand", |bench| {
        bench.iter(|| {
            let chunks = out.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK));
            chunks.for_each(|(out, a)| out.copy_from_slice(a));
        });
    });
    drop((a, out));

    let names: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
    let weights: Vec<Tensor> = (0..1000).map(|i| tensor(i, [1, 4096])).collect();
    let named: Vec<(&str, &Tensor)> = names.iter().map(String::as_str).zip(&weights).collect();
    let params = Params::pack(&named).unwrap();
    let grads = params.zeros_like().unwrap();
    grads.flat().fill(0.1).unwrap();
    let mut adam = Adam::new(&params);
    group.throughput(Throughput::Bytes(28 * 4_096_000));
    group.bench_function("adam 1,000 of 4,096", |bench| bench.iter(|| adam.step(&[grads.flat()]).unwrap()));

    let image = |seed| tensor(seed, [3, 512 * 512]).reshape([3, 512, 512]).unwrap();
    let (a, b, target) = (image(1), image(2), image(3));
    let w = Tensor::full([3, 1, 1], 0.5_f32, &device).unwrap();
    let loss = (&w * &a + (1.0 - &w) * &b - &target).square().mean(..);
    let mut adam = Adam::new(&[&w]);
    group.throughput(Throughput::Bytes(3 * 4 * 3 * 512 * 512));
    group.bench_function("channel weights [3, 512, 512]", |bench| bench.iter(|| adam.minimize(&loss).unwrap()));
}

fn reductions(c: &mut Criterion) {
    let mut group = c.benchmark_group("reduce 16M f32");
    group.throughput(Throughput::Bytes(8 * (N * N) as u64));
    let (a, b) = (values(1, N * N), values(2, N * N));
    group.bench_function("dot, by hand", |bench| bench.iter(|| dot(black_box(&a), &b)));
    drop((a, b));
    for shape in [[1 << 22, 4], [1 << 18, 64], [N, N], [64, 1 << 18], [4, 1 << 22]] {
        let (a, b) = (tensor(1, shape), tensor(2, shape));
        for (name, dims) in [("0", &[0][..]), ("1", &[1]), ("..", &[0, 1])] {
            let sum = (&a * &b).sum(dims);
            group.bench_function(format!("(a*b).sum({name}) {shape:?}"), |bench| bench.iter(|| sum.eval().unwrap()));
        }
    }
    let (a, b) = (tensor(1, [N, N]), tensor(2, [N, N]));
    let sum = (&a * &b).transpose(0, 1).sum(0);
    group.bench_function("(a*b).T.sum(0)", |bench| bench.iter(|| sum.eval().unwrap()));
}

fn contractions(c: &mut Criterion) {
    let mut group = c.benchmark_group("einsum f32");
    let mut bench = |name: &str, equation: &str, a: [usize; 2], b: [usize; 2], flops: usize| {
        let product = einsum(equation, &[&tensor(1, a), &tensor(2, b)]);
        group.throughput(Throughput::Elements(flops as u64));
        group.bench_function(name, |bench| bench.iter(|| product.eval().unwrap()));
    };
    bench("ik,kj->ij 1024", "ik,kj->ij", [1024, 1024], [1024, 1024], 2 << 30);
    bench("ik,jk->ij 1024", "ik,jk->ij", [1024, 1024], [1024, 1024], 2 << 30);
    bench("ki,kj->ij 1024", "ki,kj->ij", [1024, 1024], [1024, 1024], 2 << 30);
    bench("ik,kj->ij [4096, 4096] [4096, 64]", "ik,kj->ij", [4096, 4096], [4096, 64], 2 << 30);
    bench("ik,jk->ij [64, 262144]", "ik,jk->ij", [64, 1 << 18], [64, 1 << 18], 2 << 30);
    bench("ik,kj->ij 128", "ik,kj->ij", [128, 128], [128, 128], 2 << 21);
    bench("ik,ik->k 4096", "ik,ik->k", [N, N], [N, N], 2 * N * N);
}

fn overhead(c: &mut Criterion) {
    let mut group = c.benchmark_group("1024 f32");
    let (a, b, out) = (tensor(1, [1, 1024]), tensor(2, [1, 1024]), zeros([1, 1024]));
    let product = &a * &b;
    group.bench_function("a*b into a tensor", |bench| bench.iter(|| out.assign(&product).unwrap()));
    group.bench_function("a*b into a new tensor", |bench| bench.iter(|| product.eval().unwrap()));
    group.bench_function("a*b built and evaluated", |bench| bench.iter(|| (&a * &b).eval().unwrap()));
    let sum = product.sum(..);
    group.bench_function("(a*b).sum(..)", |bench| bench.iter(|| sum.eval().unwrap()));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = overhead, maps, training, reductions, contractions
}
criterion_main!(benches);
