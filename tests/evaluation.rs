//! What evaluation promises beyond its values: nothing is planned or compiled twice, reads are futures, memory comes
//! back, and threads may share a device.

mod devices;

use hadamard::{DType, Device, Error, Expr, Tensor, assign, einsum};

fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i % 251) as f32 - 125.0).collect()
}

#[test]
fn a_loop_compiles_and_plans_once() {
    for device in devices::devices() {
        let w = Tensor::from_slice(&numbers(1000), [10, 100], &device).unwrap();
        let g = Tensor::from_slice(&numbers(100), [100], &device).unwrap();
        let loss = (&w * &g).square().sum(1);
        let step = |lr: f64| w.assign(&w - lr * &g).unwrap();
        step(0.5);
        loss.eval().unwrap();
        let before = device.counters();
        for i in 0..20 {
            // The update is built anew each time, with another number; the loss is kept.
            step(0.01 * f64::from(i) + 0.003);
            loss.eval().unwrap();
        }
        device.synchronize().unwrap();
        let after = device.counters();
        assert_eq!(after.compiled, before.compiled, "{device}");
        if device.is_gpu() {
            assert_eq!(after.planned, before.planned, "{device}");
            assert!(after.submits - before.submits <= 2, "{device}: forty kernels go in a batch");
        }
    }
}

#[test]
fn a_chain_of_a_thousand_is_submitted_a_handful_of_times() {
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        let (a, b) =
            (Tensor::zeros([1000], DType::F32, &device).unwrap(), Tensor::zeros([1000], DType::F32, &device).unwrap());
        device.synchronize().unwrap();
        let before = device.counters();
        for i in 0..1000 {
            let (from, to) = if i % 2 == 0 { (&a, &b) } else { (&b, &a) };
            to.assign(from + 1.0).unwrap();
        }
        assert_eq!(a.to_vec::<f32>().unwrap(), vec![1000.0; 1000], "{device}");
        let after = device.counters();
        let (kernels, submits) = (after.kernels - before.kernels, after.submits - before.submits);
        assert!(kernels == 1000 && submits <= 5, "{device}: {kernels} kernels in {submits} submissions");
    }
}

#[test]
fn an_expression_reads_its_tensors_when_it_is_evaluated() {
    for device in devices::devices() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device).unwrap();
        let double = &x * 2.0;
        assert_eq!(double.eval().unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0]);
        x.fill(5.0).unwrap();
        assert_eq!(double.eval().unwrap().to_vec::<f32>().unwrap(), [10.0, 10.0]);
    }
}

#[test]
fn a_read_is_a_future() {
    for device in devices::devices() {
        let x = Tensor::from_slice(&numbers(777), [777], &device).unwrap();
        let y = (&x + 1.0).eval().unwrap();
        let got = pollster::block_on(y.to_vec_async::<f32>()).unwrap();
        assert_eq!(got, numbers(777).iter().map(|v| v + 1.0).collect::<Vec<_>>(), "{device}");
        // A future that is dropped half-way harms nothing.
        drop(y.to_vec_async::<f32>());
        assert_eq!(y.narrow(0, 3, 2).unwrap().to_vec::<f32>().unwrap(), got[3..5]);
    }
}

#[test]
fn memory_comes_back() {
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        let used = device.memory().used;
        {
            let x = Tensor::zeros([1000, 100], DType::F32, &device).unwrap();
            let y = (&x + 1.0).sum(0).eval().unwrap();
            assert!(device.memory().used > used);
            assert_eq!(y.to_vec::<f32>().unwrap(), vec![1000.0; 100]);
        }
        assert_eq!(device.memory().used, used, "{device}");
        let allocations = device.memory().allocations;
        for _ in 0..50 {
            let x = Tensor::zeros([1000, 100], DType::F32, &device).unwrap();
            (&x + 1.0).sum(0).eval().unwrap();
        }
        assert_eq!(device.memory().allocations, allocations, "{device}: buffers are used again");
        device.trim();
        assert_eq!(device.memory().pooled, 0, "{device}");
    }
}

#[test]
fn an_upload_does_not_overtake_recorded_work() {
    for device in devices::devices() {
        let mut sums = Vec::new();
        for i in 0..50 {
            // Each tensor is dropped while the sum that reads it is only recorded; the next upload gets its memory.
            let x = Tensor::full([4096], i as f32, &device).unwrap();
            let y = Tensor::from_slice(&vec![i as f32; 4096], [4096], &device).unwrap();
            sums.push((&x + &y).sum(..).eval().unwrap());
        }
        for (i, sum) in sums.iter().enumerate() {
            assert_eq!(sum.item::<f32>().unwrap(), 8192.0 * i as f32, "{device}");
        }
    }
}

#[test]
fn threads_share_a_device() {
    for device in devices::devices() {
        std::thread::scope(|scope| {
            for t in 0..4 {
                let device = &device;
                scope.spawn(move || {
                    let x = Tensor::full([5000], t as f32, device).unwrap();
                    for _ in 0..25 {
                        x.assign(&x + 1.0).unwrap();
                    }
                    assert_eq!(x.mean(..).eval().unwrap().item::<f32>().unwrap(), t as f32 + 25.0);
                });
            }
        });
    }
}

#[test]
fn right_sides_see_the_old_values() {
    for device in devices::devices() {
        let a = Tensor::from_slice(&numbers(500), [500], &device).unwrap();
        let b = Tensor::from_slice(&numbers(500), [500], &device).unwrap();
        b.assign(&b * 3.0).unwrap();
        let (old_a, old_b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
        assign(&[(&a, &b + 0.0), (&b, &a + 0.0)]).unwrap();
        assert_eq!((a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap()), (old_b, old_a), "{device}");
        // A target read backwards by its own update.
        let before = a.to_vec::<f32>().unwrap();
        a.assign(Expr::from(&a).flip(0)).unwrap();
        assert_eq!(a.to_vec::<f32>().unwrap(), before.iter().rev().copied().collect::<Vec<_>>(), "{device}");
    }
}

#[test]
fn a_failed_assignment_writes_nothing() {
    for device in devices::devices() {
        let a = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device).unwrap();
        let b = Tensor::from_slice(&[3.0_f32, 4.0, 5.0], [3], &device).unwrap();
        assert!(assign(&[(&a, Expr::from(0.0)), (&b, &a * &b)]).is_err());
        assert!(a.assign(&b).is_err());
        assert!(assign(&[(&a, Expr::from(0.0)), (&a, Expr::from(1.0))]).is_err());
        assert_eq!(a.to_vec::<f32>().unwrap(), [1.0, 2.0], "{device}");
    }
}

#[test]
fn a_long_chain_neither_overflows_the_stack_nor_takes_for_ever() {
    for device in devices::devices() {
        let x = Tensor::from_slice(&[1.0_f32], [1], &device).unwrap();
        let n = if device.is_gpu() { 2_000 } else { 100_000 };
        let chain = (0..n).fold(Expr::from(&x), |e, _| e + 1.0);
        assert_eq!(chain.eval().unwrap().item::<f32>().unwrap(), 1.0 + n as f32, "{device}");
    }
}

#[test]
fn devices_do_not_mix() {
    let cpu = Tensor::from_slice(&[1.0_f32], [1], &Device::cpu()).unwrap();
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        let gpu = cpu.to_device(&device).unwrap();
        let error = (&cpu + &gpu).eval().unwrap_err().to_string();
        assert!(error.contains("cpu") && error.contains("to_device"), "{error}");
        assert_eq!((&gpu + &gpu).eval().unwrap().to_device(&Device::cpu()).unwrap().item::<f32>().unwrap(), 2.0);
    }
}

#[test]
fn a_name_that_matches_nothing_lists_what_there_is() {
    let error = Device::named("no such thing").unwrap_err().to_string();
    assert!(error.contains("'no such thing'") && error.contains("cpu"), "{error}");
}

#[cfg(feature = "gpu")]
#[test]
fn the_caller_s_own_wgpu_device_serves() {
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        let info = device.info();
        let Some(adapter) = adapters.into_iter().find(|a| a.get_info().name == info.name) else { continue };
        let (raw, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            // As little as a renderer may have asked for.
            required_limits: wgpu::Limits::downlevel_defaults(),
            ..wgpu::DeviceDescriptor::default()
        }))
        .unwrap();
        let ours = Device::from_wgpu(&adapter, raw, queue).unwrap();
        let tensors: Vec<Tensor> = (0..9).map(|i| Tensor::full([70, 30], i as f32, &ours).unwrap()).collect();
        let sum = tensors.iter().fold(Expr::from(0.0), |sum, t| sum + t);
        assert_eq!(sum.sum(0).eval().unwrap().to_vec::<f32>().unwrap(), vec![36.0 * 70.0; 30]);
    }
}

/// Two devices of one adapter do not mix, and an error says which is which.
#[test]
fn devices_of_one_adapter_have_names_of_their_own() {
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        // Other tests have devices open, too.
        let adapter = device.to_string().split(" #").next().unwrap_or_default().to_owned();
        let other = Device::named(&adapter).unwrap();
        assert!(
            other.to_string().starts_with(&adapter) && other.to_string() != device.to_string(),
            "{other}, {device}"
        );
        // Their limits may differ: some tests ask for a device with smaller ones.
        let [one, two] = [device.info(), other.info()].map(|info| (info.name, info.backend, info.driver));
        assert_eq!(one, two, "{device}, {other}");
        let (a, b) = (Tensor::ones([2], DType::F32, &device).unwrap(), Tensor::ones([2], DType::F32, &other).unwrap());
        let Err(Error::DeviceMismatch { expected, found, .. }) = (&a + &b).eval() else {
            panic!("{device} and {other}")
        };
        let names = [device.to_string(), other.to_string()];
        assert!(
            expected != found && names.contains(&expected) && names.contains(&found),
            "{expected}, {found}: {names:?}"
        );
    }
}

/// What fuzzing found: each was wrong once, or a panic.
#[test]
fn what_fuzzing_found_stays_right() {
    for device in devices::devices() {
        // An i32 of rank 0 among u8s becomes one of them, as in PyTorch.
        let bytes = Tensor::from_slice(&[0_u8, 51, 204], [3], &device).unwrap();
        let minus = Tensor::from_slice(&[-52_i32], [], &device).unwrap();
        assert_eq!(bytes.lt(&minus).eval().unwrap().to_vec::<bool>().unwrap(), [true, true, false], "{device}");
        // A number beyond i32, cast, ends where i32 does.
        let whole = Tensor::from_slice(&[1_i32, 2], [2], &device).unwrap();
        for (value, want) in [(f64::NEG_INFINITY, i32::MIN), (1e300, i32::MAX), (f64::NAN, 0), (-1.5, -1)] {
            whole.assign(Expr::from(value).cast(DType::I32)).unwrap();
            assert_eq!(whole.to_vec::<i32>().unwrap(), [want; 2], "{device}: {value}");
        }
        // A view of nothing begins where its buffer does, however it was cut.
        let nothing = Tensor::zeros([7, 4, 0], DType::U8, &device).unwrap();
        let cut = nothing.narrow(0, 5, 2).unwrap().flip(1).unwrap();
        assert!(cut.to_vec::<u8>().unwrap().is_empty(), "{device}");
        // A ninth dim is refused, and so is a product of more elements than can be counted.
        let deep = Tensor::zeros([1; 8], DType::F32, &device).unwrap();
        assert!(deep.unsqueeze(0).is_err() && deep.unsqueeze(8).is_err());
        let one = Tensor::ones([], DType::F32, &device).unwrap();
        let (column, row) = (one.broadcast_to([1 << 40, 1]).unwrap(), one.broadcast_to([1 << 40]).unwrap());
        assert!((&column * &row).sum(..).eval().is_err() && einsum("ik,j->ij", &[&column, &row]).eval().is_err());
        // Steps and empty shapes of any size.
        assert_eq!(bytes.slice(0, 1, 3, usize::MAX).unwrap().to_vec::<u8>().unwrap(), [51]);
        assert!(Tensor::zeros([0, 1 << 40, 1 << 40], DType::F32, &device).unwrap().is_contiguous());
    }
}

/// A number that is reduced is given a shape first, and no other dtype.
#[test]
fn numbers_of_every_dtype_are_reduced_beside_tensors() {
    for device in devices::devices() {
        let x = Tensor::ones([257], DType::F32, &device).unwrap();
        let of = |number: Expr| number.broadcast_to([257]).amax(0);
        let all = [x.sum(0), of(true.into()), of(false.into()), of(3.into()), of(0.5.into())];
        let found: Vec<f64> = hadamard::eval_all(&all)
            .unwrap_or_else(|error| panic!("{device}: {error}"))
            .iter()
            .map(|y| y.to_dtype(DType::F32).unwrap().item::<f32>().unwrap().into())
            .collect();
        assert_eq!(found, [257.0, 1.0, 0.0, 3.0, 0.5], "{device}");
    }
}

/// Where no tensor says which device, the caller does.
#[test]
fn an_expression_is_evaluated_where_it_is_said() {
    for device in devices::devices() {
        let x = Expr::arange(5).eval_on(&device).unwrap();
        assert_eq!(x.device().to_string(), device.to_string());
        assert_eq!(x.to_vec::<i64>().unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!((&x + 1).eval_on(&device).unwrap().to_vec::<i64>().unwrap(), [1, 2, 3, 4, 5]);
        let explained = Expr::arange(5).explain_on(&device).unwrap();
        if device.is_gpu() {
            assert_eq!(explained.device, device.to_string());
            let elsewhere = [(&x + 1).eval_on(&Device::cpu()).map(drop), (&x + 1).explain_on(&Device::cpu()).map(drop)];
            for result in elsewhere {
                assert!(matches!(result, Err(Error::DeviceMismatch { .. })), "{result:?}");
            }
        }
    }
}

/// On the CPU such targets are written past the cache: they hold what the same expressions give by parts, which are not.
#[test]
fn targets_too_large_for_the_cache() {
    let device = Device::cpu();
    // 3 rows of 2,000,003 floats are 23 MiB, and no row but the first begins at a cache line.
    let x = ((Expr::arange(6_000_009) * 7919) % 1013).cast(DType::F32).reshape([3, 2_000_003]);
    let x = x.eval_on(&device).unwrap();
    let table = Expr::from(&x).reshape([6_000_009]).narrow(0, 5, 96_000).eval().unwrap();
    let index = ((Expr::arange(60_000) * 631) % 960).eval_on(&device).unwrap();
    let many = (Expr::arange(18_000_001) % 251).eval_on(&device).unwrap();
    let bytes = many.cast(DType::U8).eval().unwrap();
    let shorts = many.cast(DType::I16).eval().unwrap();
    let ints = many.cast(DType::I32).eval().unwrap();
    for (what, expr) in [
        ("a map", &x * 2.0 + 1.0),
        ("a copy", Expr::from(&x).transpose(0, 1)),
        ("a copy in order", Expr::from(&x) + 0.0),
        ("one loop", &x * &x),
        ("one loop of one number", 3.0 - &x),
        ("one loop of doubles", &x.cast(DType::F64) / 3.0),
        ("one loop of integers", &many + &many),
        ("one loop of bits", ints.bitwise_xor(&ints)),
        ("a result that another reads", (&x + 1.0) * (&x + 1.0) - &x),
        ("bytes", (&many + 3).cast(DType::U8)),
        ("sums of bytes", &bytes + &bytes),
        ("products of shorts", &shorts * &shorts - &shorts),
        ("halves", (&many * 0.5).cast(DType::F16)),
        ("doubles", x.cast(DType::F64)),
        ("a broadcast", &x * x.narrow(0, 1, 1).unwrap()),
        ("one number", &x * 0.0),
        ("rows that an index chooses", Expr::from(&table).reshape([1000, 96]).index_select(0, &index)),
        ("rows of broken lines", Expr::from(&table).reshape([960, 100]).index_select(0, &index)),
    ] {
        let got = expr.eval_on(&device).unwrap();
        let (rows, part) = (expr.shape()[0], expr.shape()[0].div_ceil(8));
        for start in (0..rows).step_by(part) {
            let len = part.min(rows - start);
            let want = expr.narrow(0, start, len).eval_on(&device).unwrap();
            let same = want.eq(got.narrow(0, start, len).unwrap()).all(..).eval().unwrap();
            assert!(same.item::<bool>().unwrap(), "{what}, rows from {start} on");
        }
    }
    // A target that begins within a line and has gaps, and two of one pass.
    let whole = Tensor::zeros([3, 2_000_010], DType::F32, &device).unwrap();
    let target = whole.narrow(1, 3, 2_000_003).unwrap();
    let other = Tensor::zeros([3, 2_000_003], DType::F64, &device).unwrap();
    assign(&[(&target, &x + 1.0), (&other, &x - 1.0)]).unwrap();
    let all = |truths: Expr| truths.all(..).eval().unwrap().item::<bool>().unwrap();
    assert!(all((&target - &x).eq(1.0)) && all((&other - &x).eq(-1.0)));
    assert!(all(whole.narrow(1, 0, 3).unwrap().eq(0.0)) && all(whole.narrow(1, 2_000_006, 4).unwrap().eq(0.0)));
}
