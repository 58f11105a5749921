//! The GPU path beside plain WGSL written by hand, on one wgpu device.
//!
//! `HADAMARD_DEVICE` chooses the adapter, by any part of its name, driver or backend; otherwise the first there is.
//! Answers are checked once, then timed with the wait inside.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hadamard::{Expr, Tensor, einsum};

mod hand;

use hand::{MULTIPLY, open};

const SIDE: usize = 4096;
const SPLITS: usize = 16;

const PARTIAL_SUMS: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    var sum = 0.0;
    for (var row = id.y * 256u; row < id.y * 256u + 256u; row++) {
        sum += a[row * 4096u + id.x] * b[row * 4096u + id.x];
    }
    out[id.y * 4096u + id.x] = sum;
}";

const FINISH: &str = "
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    var sum = 0.0;
    for (var row = 0u; row < 16u; row++) { sum += a[row * 4096u + id.x]; }
    out[id.x] = sum;
}";

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-4 * b.abs() + 1e-2)
}

fn large(c: &mut Criterion) {
    let (hand, device) = open();
    println!("adapter: {device}");
    let n = SIDE * SIDE;
    let values = |seed: usize| (0..n).map(|i| ((i * 7 + seed) % 1013) as f32 / 1013.0).collect::<Vec<f32>>();
    let (va, vb) = (values(0), values(5));
    let (a, b) = (hand.upload(&va), hand.upload(&vb));
    let out = hand.storage(n * 4);
    let multiply = hand.kernel(MULTIPLY, &[&a, &b, &out]);
    let groups = (n / 4 / 64) as u32;
    let run_multiply = || hand.submit_and_wait(hand.record(&[(&multiply, [groups / 2, 2])]));

    let tensor = |v: &[f32]| Tensor::from_slice(v, [SIDE, SIDE], &device).expect("it uploads");
    let (x, y, z) = (tensor(&va), tensor(&vb), tensor(&va));
    let product = &x * &y;
    z.assign(&product).expect("it evaluates");
    run_multiply();
    let staging = hand.buffer(n * 4, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let by_hand = hand.read(hand.record(&[]), &out, &staging);
    assert!(close(&z.to_vec::<f32>().expect("it reads"), &by_hand), "the products agree");

    let mut group = c.benchmark_group("a * b [4096, 4096]");
    group.throughput(Throughput::Bytes(3 * 4 * n as u64));
    group.bench_function("by hand", |bench| bench.iter(run_multiply));
    group.bench_function("hadamard", |bench| {
        bench.iter(|| {
            z.assign(&product).expect("it evaluates");
            device.synchronize().expect("the device answers");
        });
    });
    group.finish();

    let (partial, sums) = (hand.storage(SPLITS * SIDE * 4), hand.storage(SIDE * 4));
    let first = hand.kernel(PARTIAL_SUMS, &[&a, &b, &partial]);
    let second = hand.kernel(FINISH, &[&partial, &sums]);
    let columns = (SIDE / 64) as u32;
    let run_sum = || hand.submit_and_wait(hand.record(&[(&first, [columns, SPLITS as u32]), (&second, [columns, 1])]));
    run_sum();
    let staging = hand.buffer(SIDE * 4, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let by_hand = hand.read(hand.record(&[]), &sums, &staging);
    let sum = product.sum(0);
    assert!(close(&sum.eval().and_then(|t| t.to_vec::<f32>()).expect("it evaluates"), &by_hand), "the sums agree");

    for (name, expr) in
        [("(a * b).sum(0)", sum), ("(a * b).sum(1)", product.sum(1)), ("(a * b).sum()", product.sum(..))]
    {
        let mut group = c.benchmark_group(format!("{name} [4096, 4096]"));
        group.throughput(Throughput::Bytes(2 * 4 * n as u64));
        if name.ends_with("(0)") {
            group.bench_function("by hand", |bench| bench.iter(run_sum));
        }
        group.bench_function("hadamard", |bench| {
            bench.iter(|| {
                black_box(expr.eval().expect("it evaluates"));
                device.synchronize().expect("the device answers");
            });
        });
        group.finish();
    }
}

fn products(c: &mut Criterion) {
    let (_, device) = open();
    let tensor = |shape: [usize; 2]| {
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|i| (i % 1013) as f32 / 1013.0).collect();
        Tensor::from_slice(&values, shape, &device).expect("it uploads")
    };
    let mut bench = |name: &str, expr: Expr, throughput: Throughput| {
        let mut group = c.benchmark_group(name);
        group.throughput(throughput);
        group.bench_function("hadamard", |bench| {
            bench.iter(|| {
                black_box(expr.eval().expect("it evaluates"));
                device.synchronize().expect("the device answers");
            });
        });
        group.finish();
    };
    // Square ones, then few columns, few rows, and many terms.
    for [m, n, k] in [[256; 3], [512; 3], [1024; 3], [4096, 16, 256], [16, 4096, 256], [16, 16, 65_536]] {
        let flops = || Throughput::Elements(2 * (m * n * k) as u64);
        let (a, b) = (tensor([m, k]), tensor([k, n]));
        bench(&format!("ik,kj->ij {m} {n} {k}"), einsum("ik,kj->ij", &[&a, &b]), flops());
        let (a, b) = (tensor([m, k]), tensor([n, k]));
        bench(&format!("ik,jk->ij {m} {n} {k}"), einsum("ik,jk->ij", &[&a, &b]), flops());
    }
    for shape in [[1 << 22, 4], [1 << 18, 64], [64, 1 << 18], [4, 1 << 22]] {
        let (a, b) = (tensor(shape), tensor(shape));
        for dim in [0, 1] {
            let bytes = Throughput::Bytes(2 * 4 * (shape[0] * shape[1]) as u64);
            bench(&format!("(a * b).sum({dim}) {shape:?}"), (&a * &b).sum(dim), bytes);
        }
    }
}

fn small(c: &mut Criterion) {
    let (hand, device) = open();
    let n = 1024;
    let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let (a, b, out) = (hand.upload(&values), hand.upload(&values), hand.storage(n * 4));
    let multiply = hand.kernel(MULTIPLY, &[&a, &b, &out]);
    let staging = hand.buffer(n * 4, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
    let run = || hand.read(hand.record(&[(&multiply, [4, 1])]), &out, &staging);
    let x = Tensor::from_slice(&values, [n], &device).expect("it uploads");
    let y = Tensor::from_slice(&values, [n], &device).expect("it uploads");
    let product = &x * &y;
    let ours = || product.eval().and_then(|t| t.to_vec::<f32>()).expect("it evaluates");
    assert_eq!(run(), ours());

    let mut group = c.benchmark_group("a * b and read back, 1,024 elements");
    group.bench_function("by hand", |bench| bench.iter(|| black_box(run())));
    group.bench_function("hadamard", |bench| bench.iter(|| black_box(ours())));
    group.finish();

    let mut group = c.benchmark_group("100 evaluations of 1,024 elements");
    group.bench_function("by hand", |bench| {
        let kernels = vec![(&multiply, [4, 1]); 100];
        bench.iter(|| hand.submit_and_wait(hand.record(&kernels)));
    });
    group.bench_function("hadamard", |bench| {
        bench.iter(|| {
            for _ in 0..100 {
                black_box(product.eval().expect("it evaluates"));
            }
            device.synchronize().expect("the device answers");
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = large, products, small
}
criterion_main!(benches);
