//! A device that is lost says so to every call, and leaves others alone.
#![cfg(feature = "gpu")]

mod devices;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use devices::limited_raw;
use hadamard::optim::Adam;
use hadamard::{DType, Device, Error, Params, Result, Tensor, assign, eval_all};

/// As [`devices::in_time`], for what may wait for a device that is gone.
fn in_time(test: impl FnOnce() + Send + 'static) {
    devices::in_time("a call on a lost device", Duration::from_secs(120), test);
}

fn is_lost<T>(what: &str, result: Result<T>) {
    match result {
        Err(Error::DeviceLost { .. }) => {}
        Err(other) => panic!("{what}: {other:?}"),
        Ok(_) => panic!("{what}: went on"),
    }
}

#[test]
fn every_later_call_says_so_and_a_new_device_works() {
    for healthy in devices::devices().into_iter().filter(Device::is_gpu) {
        in_time(move || {
            let (raw, device) = limited_raw(&healthy, |_| {});
            let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device).unwrap();
            let kept = x.to_device(&Device::cpu()).unwrap();
            let recorded = (&x * 2.0).eval().unwrap();
            let y = Tensor::zeros([3], DType::F32, &device).unwrap();
            let mut adam = Adam::new(&[&y]);
            let params = Params::pack(&[("x", &x)]).unwrap();
            let expr = &x + 1.0;
            assert!(!device.is_lost());

            raw.destroy();
            is_lost("eval", expr.eval());
            is_lost("a new expression", (&x - &recorded).sum(..).eval());
            is_lost("eval_all", eval_all(&[&x + 1.0, &x + 2.0]));
            is_lost("assign", assign(&[(&x, &x + 1.0), (&y, &y + 1.0)]));
            is_lost("fill", x.fill(1.0));
            is_lost("to_vec", x.to_vec::<f32>());
            is_lost("to_vec of recorded work", recorded.to_vec::<f32>());
            is_lost("to_vec_async", pollster::block_on(recorded.to_vec_async::<f32>()));
            is_lost("item", x.sum(..).eval().and_then(|sum| sum.item::<f32>()));
            is_lost("from_slice", Tensor::from_slice(&[1.0_f32], [1], &device));
            is_lost("full", Tensor::full([3], 1.0_f32, &device));
            is_lost("to_device", x.to_device(&Device::cpu()));
            is_lost("onto it", kept.to_device(&device));
            is_lost("contiguous", x.flip(0).and_then(|x| x.contiguous()));
            is_lost("step", adam.step(&[&x * 1.0]));
            is_lost("synchronize", device.synchronize());
            is_lost("profile", device.profile(|| expr.eval()));
            is_lost("bandwidth", device.bandwidth());
            is_lost("params", params.zeros_like());
            assert!(device.is_lost());
            device.trim();

            assert!(!healthy.is_lost());
            let (_, again) = limited_raw(&healthy, |_| {});
            for device in [&healthy, &again] {
                let moved = kept.to_device(device).unwrap();
                assert_eq!((&moved * &moved).sum(..).eval().unwrap().item::<f32>().unwrap(), 14.0, "{device}");
            }
            // What is left of the lost one goes without a word.
            drop((x, y, adam, params, recorded, expr));
            assert_eq!(device.memory().used, 0);
        });
    }
}

#[test]
fn reads_on_their_way_end() {
    for healthy in devices::devices().into_iter().filter(Device::is_gpu) {
        in_time(move || {
            for round in 0..20 {
                let (raw, device) = limited_raw(&healthy, |_| {});
                let x = Tensor::full([1 << 16], 3.0_f32, &device).unwrap();
                let y = (&x * &x).sum(..).eval().unwrap();
                let mut reads: Vec<_> = (0..4).map(|_| Box::pin(y.to_vec_async::<f32>())).collect();
                let mut context = Context::from_waker(Waker::noop());
                let early: Vec<_> = reads.iter_mut().map(|read| read.as_mut().poll(&mut context)).collect();
                // A thread that reads by itself meanwhile.
                let z = y.clone();
                let blocked = std::thread::spawn(move || (0..50).map(|_| z.to_vec::<f32>()).find_map(Result::err));
                raw.destroy();
                for (read, early) in reads.into_iter().zip(early) {
                    let result = match early {
                        Poll::Ready(result) => result,
                        Poll::Pending => pollster::block_on(pin!(read)),
                    };
                    match result {
                        Ok(values) => assert_eq!(values, [9.0 * 65536.0], "{healthy}"),
                        Err(Error::DeviceLost { .. }) => {}
                        Err(other) => panic!("round {round} on {healthy}: {other:?}"),
                    }
                }
                match blocked.join().unwrap() {
                    None | Some(Error::DeviceLost { .. }) => {}
                    Some(other) => panic!("round {round} on {healthy}: {other:?}"),
                }
                is_lost("afterwards", y.to_vec::<f32>());
            }
        });
    }
}
