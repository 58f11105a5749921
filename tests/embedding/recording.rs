//! Work recorded into the caller's encoder: it runs when the caller submits it, and nothing done meanwhile disturbs it.

use std::sync::Barrier;
use std::thread;

use hadamard::{DType, Device, Error, Expr, Result, Tensor, wgpu};

use super::{Own, owned};

/// A call that waits.
type Waits = fn(&Device, &Tensor) -> Result<()>;

fn submit(own: &Own, encoder: wgpu::CommandEncoder) {
    own.queue.submit([encoder.finish()]);
}

#[test]
fn it_runs_when_the_caller_submits_it() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device).unwrap();
        let mut encoder = own.encoder();
        device.flush().unwrap();
        let before = device.counters();
        let sum = device.record_into(&mut encoder, || {
            x.assign(&x * 2.0)?;
            x.sum(..).eval()
        });
        let sum = sum.unwrap();
        let after = device.counters();
        assert!(after.kernels > before.kernels && after.submits == before.submits, "{device}");
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0], "{device}: not yet");
        submit(&own, encoder);
        assert_eq!(x.to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0], "{device}");
        assert_eq!(sum.item::<f32>().unwrap(), 12.0, "{device}");
    }
    let cpu = Device::cpu();
    for own in owned() {
        let error = cpu.record_into(&mut own.encoder(), || Ok(())).unwrap_err();
        assert!(matches!(error, Error::Unsupported { op: "record_into", .. }), "{error}");
    }
}

#[test]
fn numbers_are_those_it_was_recorded_with() {
    for own in owned() {
        let device = own.open();
        let [a, b, c] = [0, 1, 2].map(|_| Tensor::zeros([1000], DType::F32, &device).unwrap());
        for round in 0..10 {
            let add = |x: &Tensor, number: f32| x.assign(x + number);
            let (mut first, mut second) = (own.encoder(), own.encoder());
            device.record_into(&mut first, || add(&a, 2.0)).unwrap();
            add(&c, 100.0).unwrap();
            device.record_into(&mut second, || add(&b, 5.0).and_then(|()| add(&a, 0.5))).unwrap();
            add(&c, 200.0).unwrap();
            device.flush().unwrap();
            submit(&own, first);
            add(&c, 300.0).unwrap();
            device.flush().unwrap();
            submit(&own, second);
            let n = round as f32 + 1.0;
            for (x, expected) in [(&a, 2.5 * n), (&b, 5.0 * n), (&c, 600.0 * n)] {
                assert_eq!(x.to_vec::<f32>().unwrap(), [expected; 1000], "{device}: {round}");
            }
        }
    }
}

/// What runs again is recorded as it was before: in several encoders at once, which are submitted in any order or dropped, and
/// outside of them.
#[test]
fn what_runs_again_stands_in_any_number_of_encoders() {
    for own in owned() {
        let device = own.open();
        let [x, y] = [0, 1].map(|_| Tensor::zeros([1000], DType::F32, &device).unwrap());
        let cell = hadamard::ScalarCell::new(1.0);
        let (step, total) = (&x * 2.0 + &cell, (&x * 3.0).sum(..) + 0.0 * &x);
        let frame = |number: f64| {
            let mut encoder = own.encoder();
            cell.set(number);
            device.record_into(&mut encoder, || x.assign(&step).and_then(|()| y.assign(&total))).unwrap();
            encoder
        };
        let mut want = 0.0_f32;
        for round in 0..12 {
            let [first, dropped, second, third] = [1.0, 1.0, 1.0, f64::from(round % 3)].map(frame);
            drop(dropped);
            // Runs before all of them.
            cell.set(1.0);
            x.assign(&step).unwrap();
            device.flush().unwrap();
            for encoder in [third, first, second] {
                submit(&own, encoder);
            }
            for number in [1.0, (round % 3) as f32, 1.0, 1.0] {
                want = (want * 2.0 + number) % 4096.0;
            }
            let found = x.to_vec::<f32>().unwrap();
            assert_eq!(found.iter().map(|x| x % 4096.0).collect::<Vec<_>>(), [want; 1000], "{device}: round {round}");
            assert_eq!(y.to_vec::<f32>().unwrap(), [found[0] * 3000.0; 1000], "{device}: round {round}");
            // Small enough for sums without rounding.
            x.fill(want % 64.0).unwrap();
            want %= 64.0;
            if round == 7 {
                device.trim();
            }
        }
    }
}

#[test]
fn its_memory_serves_nothing_else_until_it_is_done() {
    const N: usize = 100_003;
    for own in owned() {
        let device = own.open();
        let x = Tensor::from_vec((0..N).map(|i| (i % 100) as f32).collect(), [N], &device).unwrap();
        for round in 0..5 {
            let mut encoder = own.encoder();
            let result = device
                .record_into(&mut encoder, || {
                    // Each of these is gone before the caller submits.
                    let parts = (1..6).map(|i| (&x * i as f32).eval()).collect::<Result<Vec<_>>>()?;
                    let total = parts.iter().fold(Expr::from(0.0), |sum, part| sum + part);
                    total.eval()
                })
                .unwrap();
            // Work of the same sizes, before and after the submission.
            let ours: Vec<Tensor> = (0..8).map(|i| Tensor::full([N], i as f32, &device).unwrap()).collect();
            device.flush().unwrap();
            submit(&own, encoder);
            let more: Vec<Tensor> = (0..8).map(|i| Tensor::full([N], i as f32, &device).unwrap()).collect();
            for (i, tensor) in ours.iter().enumerate().chain(more.iter().enumerate()) {
                assert!(tensor.to_vec::<f32>().unwrap().iter().all(|&x| x == i as f32), "{device}: {round}");
            }
            let found = result.to_vec::<f32>().unwrap();
            assert!((0..N).all(|i| found[i] == 15.0 * (i % 100) as f32), "{device}: {round}");
        }
        drop(x);
        own.wait();
    }
}

#[test]
fn what_it_used_is_let_go_of_when_it_is_done_or_dropped() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::ones([1 << 16], DType::F32, &device).unwrap();
        let used = device.memory().used;
        let record = |encoder: &mut wgpu::CommandEncoder| {
            device.record_into(encoder, || (&x + 1.0).eval().and_then(|y| x.assign(&y * 2.0))).unwrap();
        };
        let settled = || {
            // Another thread frees memory on GL.
            for _ in 0..200 {
                own.wait();
                if device.memory().used == used {
                    return true;
                }
                thread::sleep(std::time::Duration::from_millis(5));
            }
            false
        };
        let mut dropped = own.encoder();
        record(&mut dropped);
        assert!(device.memory().used > used, "{device}: in use");
        drop(dropped);
        assert!(settled(), "{device}: dropped");
        assert_eq!(x.to_vec::<f32>().unwrap()[..3], [1.0; 3], "{device}: what was dropped did not happen");
        for _ in 0..5 {
            let mut encoder = own.encoder();
            record(&mut encoder);
            submit(&own, encoder);
            assert!(settled(), "{device}: done");
        }
        assert_eq!(x.to_vec::<f32>().unwrap()[..3], [94.0; 3], "{device}");
    }
}

#[test]
fn what_waits_is_an_error_within_and_nothing_is_recorded_then() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::ones([4], DType::F32, &device).unwrap();
        let waits: [(&str, Waits); 6] = [
            ("to_vec", |_, x| x.to_vec::<f32>().map(drop)),
            ("to_vec", |_, x| x.sum(..).item::<f32>().map(drop)),
            ("synchronize", |device, _| device.synchronize()),
            ("flush", |device, _| device.flush().map(drop)),
            ("to_wgpu", |_, x| x.to_wgpu().map(drop)),
            ("record_into", |device, _| {
                let (raw, _) = device.wgpu().unwrap();
                let mut other = raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                device.record_into(&mut other, || Ok(()))
            }),
        ];
        for (name, wait) in waits {
            let mut encoder = own.encoder();
            let error = device.record_into(&mut encoder, || x.fill(7.0).and_then(|()| wait(&device, &x))).unwrap_err();
            assert!(matches!(&error, Error::Argument { op, .. } if *op == name), "{device}: {name}: {error:?}");
            submit(&own, encoder);
            assert_eq!(x.to_vec::<f32>().unwrap(), [1.0; 4], "{device}: {name}: nothing was recorded");
        }
        // A panic leaves nothing behind, either.
        let panics = || -> Result<()> { panic!("on purpose") };
        let mut encoder = own.encoder();
        let caught =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| device.record_into(&mut encoder, panics)));
        assert!(caught.is_err());
        x.assign(&x + 1.0).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), [2.0; 4], "{device}");
    }
}

#[test]
fn an_index_out_of_range_is_told_after_the_submission() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device).unwrap();
        for (index, wrong) in [(2_i64, false), (5, true), (1, false)] {
            let at = Tensor::from_slice(&[index], [1], &device).unwrap();
            let mut encoder = own.encoder();
            let y = device.record_into(&mut encoder, || x.index_select(0, &at).eval()).unwrap();
            device.synchronize().unwrap();
            submit(&own, encoder);
            own.wait();
            let told = device.synchronize();
            match told {
                Err(Error::Index { index: 5, size: 3, .. }) if wrong => {}
                Ok(()) if !wrong => assert_eq!(y.item::<f32>().unwrap(), index as f32 + 1.0),
                other => panic!("{device}: {index}: {other:?}"),
            }
        }
        // Of what was never submitted, nobody hears.
        let at = Tensor::from_slice(&[9_i64], [1], &device).unwrap();
        let mut encoder = own.encoder();
        device.record_into(&mut encoder, || x.index_select(0, &at).eval().map(drop)).unwrap();
        drop(encoder);
        own.wait();
        device.synchronize().unwrap();
    }
}

#[test]
fn as_much_as_one_likes_goes_into_an_encoder() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::zeros([5], DType::F32, &device).unwrap();
        for _ in 0..2 {
            let mut encoder = own.encoder();
            // More uniforms than a buffer of them holds.
            let all = || (0..1500).try_for_each(|i| x.assign(&x * 0.5 + i as f32));
            device.record_into(&mut encoder, all).unwrap();
            submit(&own, encoder);
        }
        let expected = (0..3000).fold(0.0_f32, |x, i| x * 0.5 + (i % 1500) as f32);
        assert_eq!(x.to_vec::<f32>().unwrap(), [expected; 5], "{device}");
    }
}

#[test]
fn every_kind_of_work_gives_what_it_gives_outside() {
    for own in owned() {
        let device = own.open();
        let values: Vec<f32> = (0..120 * 130).map(|i| ((i * 7919) % 1013) as f32 / 500.0 - 1.0).collect();
        let x = Tensor::from_slice(&values, [120, 130], &device).unwrap();
        let small: Vec<u8> = (0..1001).map(|i| i as u8).collect();
        let small = Tensor::from_slice(&small, [1001], &device).unwrap();
        let works: [&dyn Fn() -> Result<Tensor>; 7] = [
            &|| x.softmax(1).eval(),
            &|| x.square().mean(..).eval(),
            &|| hadamard::einsum("ij,kj->ik", &[&x, &x]).eval(),
            &|| x.sort(1, false).0.eval(),
            &|| x.cumsum(1).eval(),
            &|| x.square().sum(..).grad(&[&x])?[0].eval(),
            &|| (small.slice(0, 1, 1000, 3)? + 1).eval(),
        ];
        for (i, work) in works.iter().enumerate() {
            let bytes = |tensor: &Tensor| match tensor.dtype() {
                DType::U8 => tensor.to_vec::<u8>().unwrap(),
                _ => bytemuck::cast_slice(&tensor.to_vec::<f32>().unwrap()).to_vec(),
            };
            let outside = bytes(&work().unwrap());
            let mut encoder = own.encoder();
            let within = device.record_into(&mut encoder, work).unwrap();
            submit(&own, encoder);
            assert!(bytes(&within) == outside, "{device}: {i}");
        }
    }
}

#[test]
fn the_caller_s_own_commands_stand_where_they_were_recorded() {
    const N: usize = 1 << 16;
    for own in owned() {
        let device = own.open();
        let buffer = own.holding(&vec![0; N * 4]);
        let kept = own.holding(&vec![0; N * 4]);
        let x = Tensor::from_wgpu(&buffer, 0, [N], DType::F32, &device).unwrap();
        for round in 0..10 {
            let mut encoder = own.encoder();
            device.record_into(&mut encoder, || x.assign(&x + 1.0)).unwrap();
            encoder.copy_buffer_to_buffer(&buffer, 0, &kept, 0, (N * 4) as u64);
            encoder.clear_buffer(&buffer, 0, None);
            device.record_into(&mut encoder, || x.assign(&x + round as f32)).unwrap();
            submit(&own, encoder);
            let before = if round == 0 { 1.0 } else { round as f32 };
            assert!(own.floats(&kept).iter().all(|&x| x == before), "{device}: {round}");
            assert!(own.floats(&buffer).iter().all(|&x| x == round as f32), "{device}: {round}");
        }
    }
}

#[test]
fn other_threads_go_their_way() {
    for own in owned() {
        if own.adapter.get_info().backend == wgpu::Backend::Gl {
            // Calls of the caller's from two threads need the lock; another test has it.
            continue;
        }
        let device = own.open();
        let x = Tensor::zeros([1000], DType::F32, &device).unwrap();
        let y = Tensor::zeros([1000], DType::F32, &device).unwrap();
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..50 {
                    barrier.wait();
                    y.assign(&y + 1.0).unwrap();
                    let temporary = (&y * 2.0).eval().unwrap();
                    barrier.wait();
                    assert_eq!(temporary.to_vec::<f32>().unwrap(), [2.0 * (i as f32 + 1.0); 1000], "{device}");
                }
            });
            for _ in 0..50 {
                let mut encoder = own.encoder();
                device
                    .record_into(&mut encoder, || {
                        barrier.wait();
                        let more = (&x + 1.0).eval()?;
                        barrier.wait();
                        x.assign(&more + 0.0)
                    })
                    .unwrap();
                submit(&own, encoder);
            }
        });
        assert_eq!(x.to_vec::<f32>().unwrap(), [50.0; 1000], "{device}");
        assert_eq!(y.to_vec::<f32>().unwrap(), [50.0; 1000], "{device}");
    }
}
