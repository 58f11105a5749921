//! Memory: limits are kept, running out is an error that changes nothing, and everything comes back.

mod choices;
mod devices;

use std::sync::{Mutex, PoisonError};

use choices::Random;
use hadamard::{DType, Device, Error, Expr, Tensor, assign, eval_all};

/// The CPU's memory is the whole process', so each test here waits for the others.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: u64 = 1 << 20;

fn each_device(mut test: impl FnMut(&Device)) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        device.trim();
        test(&device);
        device.set_memory_limit(None);
    }
}

fn limit_to(device: &Device, mib: u64) {
    device.trim();
    device.set_memory_limit(Some(device.memory().used + mib * MIB));
}

fn mebibytes(mib: usize, device: &Device) -> hadamard::Result<Tensor> {
    Tensor::full([mib << 18], 1.0_f32, device)
}

fn is_refused<T: std::fmt::Debug>(result: hadamard::Result<T>, device: &Device) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{device}: {error:?}");
}

#[test]
fn a_limit_is_an_error_and_the_device_goes_on() {
    each_device(|device| {
        limit_to(device, 16);
        let kept = mebibytes(8, device).unwrap();
        is_refused(mebibytes(12, device), device);
        is_refused((&kept + &Tensor::ones([2, 1], DType::F32, device).unwrap()).eval(), device);
        assert_eq!(kept.sum(..).eval().unwrap().item::<f32>().unwrap(), 2_097_152.0, "{device}");
        // What is only kept for reuse makes way: three buffers of another size each.
        drop(kept);
        for mib in [6, 12, 3, 8] {
            let x = mebibytes(mib, device).unwrap();
            assert_eq!(x.narrow(0, 7, 2).unwrap().to_vec::<f32>().unwrap(), [1.0; 2], "{device}");
        }
        let stats = device.memory();
        assert!(stats.used + stats.pooled <= stats.limit.unwrap(), "{device}: {stats:?}");
    });
}

#[test]
fn targets_of_an_update_that_ran_out_keep_their_values() {
    each_device(|device| {
        let (a, b) = (mebibytes(4, device).unwrap(), mebibytes(4, device).unwrap());
        let n = a.numel();
        let count = Tensor::from_slice(&(0..64).map(|i| i as f32).collect::<Vec<_>>(), [64], device).unwrap();
        let counted = (Expr::from(&count).reshape([64, 1]) + a.reshape([64, n / 64]).unwrap() * 0.0).reshape([n]);
        assign(&[(&a, counted.clone()), (&b, counted * 2)]).unwrap();
        let (old_a, old_b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
        let matrix = |t: &Tensor| Expr::from(&t.reshape([1024, n / 1024]).unwrap());
        let columns = |t: &Tensor| matrix(t).sum(0).reshape([1, n / 1024]);
        limit_to(device, 1);
        let updates: [&[(&Tensor, Expr)]; 4] = [
            // Through memory beside the targets, for one and for two of them.
            &[(&a, a.flip(0).unwrap() + 0.0)],
            &[(&a, b.flip(0).unwrap() + 0.0), (&b, a.flip(0).unwrap() + 0.0)],
            // A sum over a target that does not share its pass, which reads other places of the targets.
            &[(&a, (matrix(&a).flip(1) - columns(&a)).reshape([n]))],
            &[(&a, &a + 1.0), (&b, (matrix(&a).flip(1) - columns(&b)).reshape([n]))],
        ];
        for (i, update) in updates.into_iter().enumerate() {
            is_refused(assign(update), device);
            device.synchronize().unwrap();
            device.set_memory_limit(None);
            assert!(a.to_vec::<f32>().unwrap() == old_a, "update {i} on {device}");
            assert!(b.to_vec::<f32>().unwrap() == old_b, "update {i} on {device}");
            limit_to(device, 1);
        }
        if device.is_gpu() {
            // The last pass reads no other place: the sums alone take memory.
            assign(&[(&a, &a + 0.0), (&b, (matrix(&b) + columns(&a) * 0.0).reshape([n]))]).unwrap();
        }
        device.set_memory_limit(None);
        assign(&[(&a, b.flip(0).unwrap() + 0.0), (&b, a.flip(0).unwrap() + 0.0)]).unwrap();
        let reversed = |values: &[f32]| values.iter().rev().copied().collect::<Vec<_>>();
        assert!(a.to_vec::<f32>().unwrap() == reversed(&old_b) && b.to_vec::<f32>().unwrap() == reversed(&old_a));
    });
}

/// Random shapes through a handful of forms, some read back, some updated in place, some views kept for a while.
fn evaluate(random: &mut Random, device: &Device, kept: &mut Vec<Tensor>) {
    let shape = [1 + random.below(60), 2 + random.below(60)];
    let x = Tensor::full(shape, random.below(9) as f32, device).unwrap();
    let y = Tensor::full([shape[1]], 2.0_f32, device).unwrap();
    match random.below(7) {
        0 => kept.push((&x * &y).eval().unwrap()),
        1 => kept.push((&x * &y).sum(0).eval().unwrap()),
        2 => kept.push(x.transpose(0, 1).unwrap()),
        3 => kept.extend(eval_all(&[&x + 1.0, (&x - &y).amax(1)]).unwrap()),
        4 => x.assign(x.flip(0).unwrap() * &y).unwrap(),
        5 => drop(x.narrow(0, 0, 1).unwrap().to_vec::<f32>().unwrap()),
        _ => drop((&x + &Tensor::zeros([shape[1] + 1], DType::F32, device).unwrap()).eval().unwrap_err()),
    }
    if kept.len() > 40 {
        kept.swap_remove(random.below(kept.len()));
    }
}

#[test]
fn everything_comes_back_after_ten_thousand_evaluations() {
    each_device(|device| {
        let used = device.memory().used;
        let (mut random, mut kept) = (Random(11), Vec::new());
        let mut held = [0; 2];
        for i in 0..10_000 {
            evaluate(&mut random, device, &mut kept);
            let stats = device.memory();
            held[i / 5000] = held[i / 5000].max(stats.used + stats.pooled);
            assert!(stats.used + stats.pooled <= 2 * stats.peak, "{device}: {stats:?}");
        }
        // The second half needs hardly more than the first.
        assert!(held[1] <= held[0] + held[0] / 4, "{device}: {held:?}");
        drop(kept);
        assert_eq!(device.memory().used, used, "{device}");
        device.trim();
        assert_eq!((device.memory().used, device.memory().pooled), (used, 0), "{device}");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_loop_does_not_grow() {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    each_device(|device| {
        let w = Tensor::full([1000], 1.0_f32, device).unwrap();
        let mut sizes = Vec::new();
        for i in 0..6000 {
            // An expression built anew each time, a read back now and then.
            let loss = (&w * &w - f64::from(i % 7)).square().mean(..).eval().unwrap();
            if i % 10 == 0 {
                loss.item::<f32>().unwrap();
            }
            if i % 2000 == 1999 {
                sizes.push(resident());
            }
        }
        assert!(sizes[2] < sizes[0] + (16 << 20), "{device}: {sizes:?}");
    });
}

#[test]
fn a_vector_becomes_a_tensor_without_a_copy() {
    each_device(|device| {
        let (before, host) = (device.memory(), Device::cpu().memory());
        let mut values: Vec<f32> = Vec::with_capacity(3 << 18);
        values.extend((0..2 << 18).map(|i| i as f32));
        let address = values.as_ptr().addr();
        let x = Tensor::from_vec(values, [1 << 18, 2], device).unwrap();
        assert_eq!(x.narrow(0, 1000, 1).unwrap().to_vec::<f32>().unwrap(), [2000.0, 2001.0], "{device}");
        if device.is_gpu() {
            assert_eq!(Device::cpu().memory().used, host.used, "{device}");
        } else {
            // What is in use grows by the elements, and the allocator has the vector's memory back only after the tensor.
            assert_eq!(device.memory().used, before.used + 2 * MIB, "{device}");
            assert!(!(0..100).map(|_| vec![0_f32; 3 << 18]).any(|other| other.as_ptr().addr() == address));
        }
        // It is a tensor as any other: written in place, and let go of.
        x.assign(&x * 2.0 + 1.0).unwrap();
        let sum = x.narrow(0, 0, 3).unwrap().sum(..).eval().unwrap().item::<f32>().unwrap();
        assert_eq!(sum, 36.0, "{device}");
        drop(x);
        assert_eq!(device.memory().used, before.used, "{device}");
        // Every dtype, no elements, and as many as there are not.
        for len in [0, 1, 3, 1000] {
            let bools: Vec<bool> = (0..len).map(|i| i % 3 == 0).collect();
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let longs: Vec<i64> = (0..len).map(|i| i as i64 - 500).collect();
            assert_eq!(Tensor::from_vec(bools.clone(), [len], device).unwrap().to_vec::<bool>().unwrap(), bools);
            assert_eq!(Tensor::from_vec(bytes.clone(), [len], device).unwrap().to_vec::<u8>().unwrap(), bytes);
            assert_eq!(Tensor::from_vec(longs.clone(), [len], device).unwrap().to_vec::<i64>().unwrap(), longs);
            let error = Tensor::from_vec(bools, [len + 1], device).unwrap_err();
            assert!(matches!(error, Error::Argument { op: "from_vec", .. }), "{error:?}");
        }
        // The limit holds for it, too.
        if !device.is_gpu() {
            limit_to(device, 1);
            is_refused(Tensor::from_vec(vec![0.0_f32; 2 << 18], [2 << 18], device), device);
        }
    });
}
