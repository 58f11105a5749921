//! The GPU path beside plain WGSL written by hand, on one wgpu device.
//!
//! `HADAMARD_DEVICE` chooses the adapter, by any part of its name, driver or backend; otherwise the first there is.
//! Answers are checked once, then timed with the wait inside.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hadamard::{Device, Expr, Tensor, einsum};

const SIDE: usize = 4096;
const SPLITS: usize = 16;

const MULTIPLY: &str = "
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) n: vec3u) {
    let i = id.y * n.x * 64u + id.x;
    if i >= arrayLength(&out) { return; }
    out[i] = a[i] * b[i];
}";

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

/// wgpu by hand: what anyone would write first.
struct ByHand {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl ByHand {
    fn buffer(&self, bytes: usize, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor = wgpu::BufferDescriptor { label: None, size: bytes as u64, usage, mapped_at_creation: false };
        self.device.create_buffer(&descriptor)
    }

    fn storage(&self, bytes: usize) -> wgpu::Buffer {
        self.buffer(bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST)
    }

    fn upload(&self, values: &[f32]) -> wgpu::Buffer {
        let buffer = self.storage(values.len() * 4);
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(values));
        buffer
    }

    fn kernel(&self, source: &str, buffers: &[&wgpu::Buffer]) -> (wgpu::ComputePipeline, wgpu::BindGroup) {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let layout = pipeline.get_bind_group_layout(0);
        let group = wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &entries };
        let group = self.device.create_bind_group(&group);
        (pipeline, group)
    }

    fn record(&self, kernels: &[(&(wgpu::ComputePipeline, wgpu::BindGroup), [u32; 2])]) -> wgpu::CommandEncoder {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for ((pipeline, group), [x, y]) in kernels {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, 1);
        }
        drop(pass);
        encoder
    }

    fn submit_and_wait(&self, encoder: wgpu::CommandEncoder) {
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    }

    fn read(&self, mut encoder: wgpu::CommandEncoder, from: &wgpu::Buffer, staging: &wgpu::Buffer) -> Vec<f32> {
        encoder.copy_buffer_to_buffer(from, 0, staging, 0, staging.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("the buffer maps"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
        let values = bytemuck::pod_collect_to_vec(&staging.get_mapped_range(..).expect("it is mapped"));
        staging.unmap();
        values
    }
}

fn open() -> (ByHand, Device) {
    let wanted = std::env::var("HADAMARD_DEVICE").unwrap_or_default().to_lowercase();
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter = adapters
        .into_iter()
        .find(|a| format!("{:?}", a.get_info()).to_lowercase().contains(&wanted))
        .expect("a GPU adapter of that name");
    let request = adapter.request_device(&wgpu::DeviceDescriptor {
        required_limits: adapter.limits(),
        ..wgpu::DeviceDescriptor::default()
    });
    let (device, queue) = pollster::block_on(request).expect("the adapter opens");
    let ours = Device::from_wgpu(&adapter, device.clone(), queue.clone()).expect("the device will do");
    (ByHand { device, queue }, ours)
}

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
    for n in [256, 1024] {
        let (a, b) = (tensor([n, n]), tensor([n, n]));
        let flops = Throughput::Elements(2 * (n * n * n) as u64);
        bench(&format!("ik,kj->ij [{n}, {n}]"), einsum("ik,kj->ij", &[&a, &b]), flops);
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
