//! What a profile counts: each kernel that ran, how often, its bytes; and what it leaves alone.

mod devices;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use hadamard::{Clock, DType, Device, Error, MemoryStats, Profile, Result, Tensor, assign, eval_all};

/// The devices, for one test at a time: a device has one profile at a time, and each measures its limits once.
fn devices() -> MutexGuard<'static, Vec<Device>> {
    static DEVICES: LazyLock<Mutex<Vec<Device>>> = LazyLock::new(|| Mutex::new(devices::devices()));
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn profiled<R>(device: &Device, work: impl FnOnce() -> Result<R>) -> Profile {
    device.profile(work).unwrap().1
}

#[test]
fn every_kernel_is_counted_with_its_bytes() {
    const N: usize = 300;
    for device in devices().iter() {
        let a = Tensor::ones([N, N], DType::F32, device).unwrap();
        let b = Tensor::ones([N], DType::F32, device).unwrap();
        let out = Tensor::zeros([N, N], DType::F32, device).unwrap();
        let before = device.counters().kernels;
        let profile = profiled(device, || {
            for _ in 0..5 {
                assign(&[(&out, &a * &b)])?;
            }
            (&a * &b).sum(1).eval()
        });
        let ran = device.counters().kernels - before;
        let runs: u64 = profile.kernels.iter().map(|k| k.runs).sum();
        assert_eq!(runs, ran, "{device}:\n{profile}");
        let map = profile.kernels.iter().find(|k| k.name.starts_with("map") && k.runs >= 5);
        let map = map.unwrap_or_else(|| panic!("no map on {device}:\n{profile}"));
        let bytes = (N * N * 2 + N) as u64 * 4;
        assert!(map.bytes == 5 * bytes && !map.reduces, "{} bytes on {device}:\n{profile}", 5 * bytes);
        let sum = profile.kernels.iter().find(|k| k.reduces);
        let sum = sum.unwrap_or_else(|| panic!("no reduction on {device}:\n{profile}"));
        assert!(sum.bytes >= (N * N + 2 * N) as u64 * 4, "{profile}");
        assert!(profile.kernels.iter().all(|k| !k.time.is_zero() && k.time <= profile.elapsed), "{profile}");
        assert!(profile.bandwidth.copy > 1e6 && profile.bandwidth.read > 1e6, "{profile}");
        let text = profile.to_string();
        assert!(text.contains(&map.name) && text.contains("GB/s"), "{text}");
    }
}

/// The CPU reads once what a sum and a map are computed of.
#[test]
fn a_map_beside_a_sum_counts_its_bytes() {
    const N: usize = 64;
    let (_devices, cpu) = (devices(), Device::cpu());
    let [a, b] = [1, 2].map(|n| (Tensor::ones([N, N], DType::F32, &cpu).unwrap() * n).eval().unwrap());
    let profile = profiled(&cpu, || eval_all(&[(&a * &b).sum(..), &a - &b]));
    let kernels: Vec<_> = profile.kernels.iter().map(|k| (&k.name[..6], k.runs, k.bytes)).collect();
    assert_eq!(kernels, [("reduce", 1, (3 * N * N + 1) as u64 * 4)], "{profile}");
}

#[test]
fn an_answer_is_the_same_while_profiling() {
    for device in devices().iter() {
        let values: Vec<f32> = (0..10_000).map(|i| (i as f32).sin()).collect();
        let x = Tensor::from_slice(&values, [100, 100], device).unwrap();
        let loss = (&x * 3.0 - 1.0).square().mean(0);
        let plain = loss.eval().unwrap().to_vec::<f32>().unwrap();
        let (seen, _) = device.profile(|| loss.eval()?.to_vec::<f32>()).unwrap();
        assert_eq!(seen, plain, "{device}");
        assert_eq!(loss.eval().unwrap().to_vec::<f32>().unwrap(), plain, "{device}");
    }
}

#[test]
fn more_launches_than_one_query_set_holds() {
    let stamps = |device: &&Device| profiled(device, || Ok(())).clock == Clock::Timestamps;
    for device in devices().iter().filter(stamps) {
        let x = Tensor::zeros([8], DType::F32, device).unwrap();
        let profile = profiled(device, || (0..2500).try_for_each(|_| x.assign(&x + 1.0)));
        assert_eq!(profile.kernels.iter().map(|k| k.runs).collect::<Vec<_>>(), [2500], "{profile}");
        assert_eq!(x.to_vec::<f32>().unwrap(), [2500.0; 8]);
    }
}

#[test]
fn a_profile_ends_with_its_work_whatever_becomes_of_it() {
    for device in devices().iter().filter(|device| device.is_gpu()) {
        let inner = device.profile(|| device.profile(|| Ok(())));
        assert!(matches!(inner, Err(Error::Argument { op: "profile", .. })), "{device}: {inner:?}");
        let panics = std::panic::AssertUnwindSafe(|| device.profile(|| -> Result<()> { panic!("the work's own") }));
        assert!(std::panic::catch_unwind(panics).is_err());
        assert!(profiled(device, || Ok(())).kernels.is_empty());
    }
}

#[test]
fn the_memory_report_reads_as_a_sentence() {
    // The CPU is one device, whose kernels other tests count.
    let _alone = devices();
    let device = Device::cpu();
    let _held = Tensor::ones([1 << 20], DType::F32, &device).unwrap();
    let stats: MemoryStats = device.memory();
    let text = stats.to_string();
    assert!(text.contains("MB in use") && text.contains("kept for reuse"), "{text}");
}
