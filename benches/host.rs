//! What the host does for a kernel, beside wgpu by hand: on wgpu's backend that does nothing, so that no device is waited
//! for; and the first result of a program, on the adapter `HADAMARD_DEVICE` names.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hadamard::{DType, Tensor};

mod hand;

use hand::{MULTIPLY, open, open_adapter};

const KERNELS: usize = 1000;
const N: usize = 1024;

fn nothing() -> wgpu::Adapter {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop.enable = true;
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::NOOP));
    adapters.into_iter().next().expect("the backend that does nothing")
}

fn kernels(c: &mut Criterion) {
    let (hand, device) = open_adapter(&nothing());
    let buffers = [(); 3].map(|()| hand.storage(N * 4));
    let multiply = hand.kernel(MULTIPLY, &buffers.each_ref());
    let tensor = || Tensor::zeros([N], DType::F32, &device).expect("it is made");
    let (x, y, out) = (tensor(), tensor(), tensor());
    let product = &x * &y;

    let mut group = c.benchmark_group("1,000 kernels, host alone");
    group.throughput(Throughput::Elements(KERNELS as u64));
    group.bench_function("by hand", |bench| {
        let kernels = vec![(&multiply, [4, 1]); KERNELS];
        bench.iter(|| hand.submit_and_wait(hand.record(&kernels)));
    });
    group.bench_function("hadamard, into a tensor", |bench| {
        bench.iter(|| {
            for _ in 0..KERNELS {
                out.assign(&product).expect("it evaluates");
            }
            device.synchronize().expect("the device answers");
        });
    });
    group.bench_function("hadamard, into a new tensor", |bench| {
        bench.iter(|| {
            for _ in 0..KERNELS {
                black_box(product.eval().expect("it evaluates"));
            }
            device.synchronize().expect("the device answers");
        });
    });
    group.bench_function("hadamard, built anew", |bench| {
        bench.iter(|| {
            for _ in 0..KERNELS {
                out.assign(&x * &y).expect("it evaluates");
            }
            device.synchronize().expect("the device answers");
        });
    });
    group.finish();
}

fn first_result(c: &mut Criterion) {
    let values: Vec<f32> = (0..N).map(|i| i as f32).collect();
    let mut group = c.benchmark_group("open a device, multiply and read back 1,024 elements");
    group.bench_function("by hand", |bench| {
        bench.iter(|| {
            let (hand, _) = open();
            let (a, b, out) = (hand.upload(&values), hand.upload(&values), hand.storage(N * 4));
            let multiply = hand.kernel(MULTIPLY, &[&a, &b, &out]);
            let staging = hand.buffer(N * 4, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
            hand.read(hand.record(&[(&multiply, [4, 1])]), &out, &staging)
        });
    });
    group.bench_function("hadamard", |bench| {
        bench.iter(|| {
            let (_, device) = open();
            let tensor = || Tensor::from_slice(&values, [N], &device).expect("it uploads");
            let product = (&tensor() * &tensor()).eval().expect("it evaluates");
            product.to_vec::<f32>().expect("it reads")
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    targets = kernels, first_result
}
criterion_main!(benches);
