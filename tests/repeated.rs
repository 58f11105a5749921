//! An expression that runs again finds what it found before, and only where everything is as it was.

mod devices;

use devices::devices;
use hadamard::{DType, Device, Error, Expr, ScalarCell, Tensor, assign, prepare};

fn counting(n: usize, device: &Device) -> Tensor {
    Tensor::from_vec((0..n).map(|i| i as f32).collect(), [n], device).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().to_vec().unwrap()
}

#[test]
fn it_is_planned_once_and_keeps_no_target() {
    for device in devices() {
        let x = counting(1000, &device);
        let (scaled, both) = (&x * 3.0, [&x + 1.0, &x - 1.0]);
        let y = Tensor::zeros([1000], DType::F32, &device).unwrap();
        let z = Tensor::zeros([1000], DType::F32, &device).unwrap();
        let all = || {
            y.assign(&scaled).unwrap();
            assign(&[(&y, both[0].clone()), (&z, both[1].clone())]).unwrap();
        };
        all();
        let before = (device.counters(), device.memory());
        for _ in 0..20 {
            all();
        }
        device.synchronize().unwrap();
        let after = (device.counters(), device.memory());
        assert_eq!((floats(&y)[999], floats(&z)[999]), (1000.0, 998.0), "{device}");
        // The CPU's memory is other tests', too.
        if device.is_gpu() {
            assert_eq!(after.0.planned, before.0.planned, "{device}");
            assert_eq!((after.1.used, after.1.allocations), (before.1.used, before.1.allocations), "{device}");
            drop((y, z));
            assert_eq!(device.memory().used, before.1.used - 2 * 4096, "{device}: the targets' memory is free");
        }
    }
}

/// Targets of one expression by turns: other memory, other layouts, other dtypes, in memory that another target had before.
#[test]
fn targets_by_turns() {
    for device in devices() {
        let x = counting(64, &device);
        let expr = &x * 2.0;
        let want: Vec<f32> = (0..64).map(|i| 2.0 * i as f32).collect();
        for round in 0..12 {
            let wide = Tensor::zeros([128], DType::F32, &device).unwrap();
            let views = [
                wide.narrow(0, 0, 64).unwrap(),
                wide.narrow(0, 64, 64).unwrap(),
                wide.slice(0, 1, 128, 2).unwrap(),
                wide.narrow(0, 5, 64).unwrap().flip(0).unwrap(),
            ];
            // Each of them twice in a row and more.
            let view = &views[round / 3];
            view.assign(&expr).unwrap();
            assert_eq!(floats(view), want, "{device}: round {round}");
            drop((views, wide));
            let dtype = [DType::I32, DType::F32, DType::U32][round % 3];
            let narrow = Tensor::zeros([64], dtype, &device).unwrap();
            narrow.assign(&expr).unwrap();
            narrow.assign(&expr).unwrap();
            narrow.assign(&expr).unwrap();
            assert_eq!(floats(&narrow), want, "{device}: round {round} as {dtype}");
        }
    }
}

/// What reads a target elsewhere than at the element being written is computed beside it, each time.
#[test]
fn a_target_that_is_read() {
    for device in devices() {
        let x = counting(101, &device);
        let other = Tensor::zeros([100], DType::F32, &device).unwrap();
        let shifted = x.narrow(0, 0, 100).unwrap() + 0.0;
        let target = x.narrow(0, 1, 100).unwrap();
        let mut want: Vec<f32> = (0..101).map(|i| i as f32).collect();
        for round in 0..9 {
            if round % 3 == 0 {
                other.assign(&shifted).unwrap();
                assert_eq!(floats(&other), want[..100], "{device}: round {round}");
            }
            target.assign(&shifted).unwrap();
            want.copy_within(..100, 1);
            assert_eq!(floats(&x), want, "{device}: round {round}");
        }
        let (a, b) = (counting(7, &device), counting(7, &device) * 10.0);
        let b = b.eval().unwrap();
        let swap = [(&a, &b + 0.0), (&b, &a + 0.0)];
        for round in 1..=5 {
            assign(&swap).unwrap();
            assert_eq!(floats(&a)[6], if round % 2 == 1 { 60.0 } else { 6.0 }, "{device}: round {round}");
        }
    }
}

#[test]
fn what_changes_between_runs_is_seen() {
    for device in devices() {
        let x = counting(50, &device);
        let y = Tensor::zeros([50], DType::F32, &device).unwrap();
        let cell = ScalarCell::new(1.0);
        let scaled = &x * &cell;
        let exact = (&x * 0.1).exp();
        let prepared = prepare(std::slice::from_ref(&exact)).unwrap();
        for round in 1..=6 {
            cell.set(f64::from(round));
            y.assign(&scaled).unwrap();
            assert_eq!(floats(&y)[49], 49.0 * round as f32, "{device}: a number");
            x.assign(&x + 0.0).unwrap();
            device.set_fast_math(round % 2 == 0);
            let value = prepared.run().unwrap()[0].to_vec::<f32>().unwrap()[49];
            y.assign(&exact).unwrap();
            assert!((value / 4.9_f32.exp() - 1.0).abs() < 1e-4 && floats(&y)[49] == value, "{device}: {value}");
            if round == 4 {
                // Plans and pipelines go.
                device.trim();
            }
        }
        device.set_fast_math(false);
    }
}

/// A number that stands for some runs, then changes, and comes back: also one that differs in a bit alone.
#[test]
fn a_number_that_changes_now_and_then() {
    for device in devices() {
        let (x, cell) = (counting(50, &device), ScalarCell::new(0.0));
        let [y, z] = [0, 1].map(|_| Tensor::zeros([50], DType::F32, &device).unwrap());
        let (scaled, sum) = (&x * &cell, (&x * &cell).sum(..));
        for (round, number) in [0.0, -0.0, 2.0, f64::NAN, 3.0, 2.0].into_iter().cycle().take(18).enumerate() {
            cell.set(number);
            for _ in 0..=round % 7 {
                y.assign(&scaled).unwrap();
                z.assign(&sum).unwrap();
            }
            let expected = 49.0 * number as f32;
            let same = |found: f32, want: f32| found.to_bits() == want.to_bits() || found.is_nan() && want.is_nan();
            assert!(same(floats(&y)[49], expected), "{device}: round {round}: {:?}", floats(&y)[49]);
            assert!(same(floats(&z)[0] + 0.0, 25.0 * expected + 0.0), "{device}: round {round}: {:?}", floats(&z)[0]);
        }
    }
}

/// More runs than any number of launches that are recorded at once, none of them read: all are done, and many are handed over
/// meanwhile.
#[test]
fn many_runs_without_a_read() {
    for device in devices() {
        let x = Tensor::zeros([64], DType::F32, &device).unwrap();
        let next = &x + 1.0;
        let before = device.counters();
        for _ in 0..5000 {
            x.assign(&next).unwrap();
        }
        let after = device.counters();
        if device.is_gpu() {
            assert_eq!(after.kernels - before.kernels, 5000, "{device}");
            assert!(after.submits - before.submits >= 4, "{device}: {} submissions", after.submits - before.submits);
        }
        assert_eq!(floats(&x), [5000.0; 64], "{device}");
    }
}

#[test]
fn an_index_out_of_range_is_told_each_time() {
    for device in devices() {
        let x = counting(5, &device);
        let at = Tensor::from_slice(&[1_i64], [1], &device).unwrap();
        let y = Tensor::zeros([1], DType::F32, &device).unwrap();
        let chosen = x.index_select(0, &at);
        for index in [1, 9, 9, 2, 7, 3] {
            at.write_from(&[index]).unwrap();
            let found = y.assign(&chosen).and_then(|()| y.item::<f32>());
            match found {
                Ok(value) if index < 5 => assert_eq!(value, index as f32, "{device}"),
                Err(Error::Index { index: told, .. }) if index >= 5 => assert_eq!(told, index, "{device}"),
                other => panic!("{device}: {index}: {other:?}"),
            }
        }
    }
}

/// An expression without tensors runs on any device.
#[test]
fn devices_by_turns() {
    let expr = Expr::arange(300) * 2;
    let devices = devices();
    let targets: Vec<Tensor> = devices.iter().map(|d| Tensor::zeros([300], DType::I64, d).unwrap()).collect();
    for round in 0..4 {
        for (device, target) in devices.iter().zip(&targets) {
            target.fill(round).unwrap();
            target.assign(&expr).unwrap();
            assert_eq!(target.to_vec::<i64>().unwrap()[299], 598, "{device}: round {round}");
            assert_eq!(expr.eval_on(device).unwrap().to_vec::<i64>().unwrap()[1], 2, "{device}: round {round}");
        }
    }
}
