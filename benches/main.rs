//! The cases of `hadamard bench` under criterion, on every device: `cargo bench --bench main`.
//!
//! `HADAMARD_DEVICE` names a single device, `HADAMARD_BENCH_SIZE` the side of the square tensors.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

#[allow(dead_code, reason = "what bounds a case is for the tool's tables")]
#[path = "../src/bin/hadamard/bench/cases/mod.rs"]
mod cases;

use std::hint::black_box;
use std::time::Instant;

use cases::{Inputs, Size};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hadamard::{DEVICE_VARIABLE, DType, Device};

fn every_case(criterion: &mut Criterion) {
    let side = std::env::var("HADAMARD_BENCH_SIZE").ok().and_then(|n| n.parse().ok()).unwrap_or(2048);
    let (size, dtype) = (Size::square(side), DType::F32);
    let devices = match std::env::var_os(DEVICE_VARIABLE) {
        Some(_) => vec![Device::best().expect("the device that was asked for")],
        None => Device::all(),
    };
    let inputs = |device: &Device| Inputs::new(device, size, dtype).expect("room for the inputs");
    let mut on_cpu = None;
    for device in devices {
        let mut group = criterion.benchmark_group(device.to_string());
        group.sample_size(20);
        // Made with the first case that is run: listing the benches must be quick.
        let mut on_device = None;
        for case in cases::ALL {
            group.throughput(Throughput::Bytes(case.bytes(size, dtype)));
            group.bench_function(case.name, |bencher| {
                let work = case.prepare(on_device.get_or_insert_with(|| inputs(&device))).expect(case.code);
                let cpu = on_cpu.get_or_insert_with(|| inputs(&Device::cpu()));
                let right = case.prepare(cpu).and_then(|work| work.answers()).expect(case.code);
                let wrong = case.difference(&work.answers().expect(case.code), &right, size, dtype);
                assert_eq!(wrong, None, "{} on {device}", case.code);
                bencher.iter_custom(|runs| {
                    let start = Instant::now();
                    for _ in 0..runs {
                        black_box(work.run()).expect(case.code);
                    }
                    device.synchronize().expect(case.code);
                    start.elapsed()
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, every_case);
criterion_main!(benches);
