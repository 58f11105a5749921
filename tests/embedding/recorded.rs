//! Work recorded once and added to encoders again and again.

use hadamard::{DType, Device, Error, ScalarCell, Tensor, wgpu};

use super::{Own, owned, request};

fn submit(own: &Own, encoder: wgpu::CommandEncoder) {
    own.queue.submit([encoder.finish()]);
}

#[test]
fn it_runs_as_often_as_it_is_added_and_submitted() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::ones([1000], DType::F32, &device).unwrap();
        let cell = ScalarCell::new(1.0);
        let next = &x * 2.0 + &cell;
        let before = device.counters().kernels;
        let (step, sum) = device.record(|| x.assign(&next).and_then(|()| (&x * 3.0).sum(..).eval())).unwrap();
        assert_eq!(device.counters().kernels, before, "{device}: nothing has run");
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0; 1000], "{device}: not yet");
        // It keeps the number that it was recorded with.
        cell.set(50.0);
        let mut want = 1.0_f32;
        for round in 0..6 {
            let mut encoders = [0, 1, 2].map(|_| own.encoder());
            for encoder in &mut encoders {
                step.add_to(encoder).unwrap();
            }
            step.add_to(&mut encoders[0]).unwrap();
            // Before all of them, since it is handed over first.
            x.assign(&x + 1.0).unwrap();
            device.flush().unwrap();
            let [first, second, dropped] = encoders;
            drop(dropped);
            submit(&own, second);
            submit(&own, first);
            want = (want + 1.0) * 8.0 + 7.0;
            assert_eq!(x.to_vec::<f32>().unwrap(), [want; 1000], "{device}: round {round}");
            assert_eq!(sum.item::<f32>().unwrap(), 3000.0 * want, "{device}: round {round}");
            want = round as f32;
            x.fill(want).unwrap();
            if round == 3 {
                device.trim();
            }
        }
        // Work that was evaluated before it is added runs before.
        let mut encoder = own.encoder();
        x.fill(10.0).unwrap();
        step.add_to(&mut encoder).unwrap();
        submit(&own, encoder);
        assert_eq!(x.to_vec::<f32>().unwrap(), [21.0; 1000], "{device}");
    }
}

/// A sum over the weights that are written: by the last pass, in place, or by a copy where one pass does all.
#[test]
fn weights_learn_in_place() {
    for own in owned() {
        let device = own.open();
        for n in [6_u32, 60_000] {
            let x = Tensor::from_vec((0..n).map(|i| (i % 5) as f32).collect(), [n as usize], &device).unwrap();
            let w = Tensor::ones([], DType::F32, &device).unwrap();
            let step = ((&x * &w) + 2).amax(..) - (&x * &w).sum(..) / (n as f32);
            let (frame, ()) = device.record(|| w.assign(&w * 0.5 + step)).unwrap();
            let mean = x.to_vec::<f32>().unwrap().iter().sum::<f32>() / n as f32;
            let mut want = 1.0_f32;
            for round in 0..3 {
                let mut encoder = own.encoder();
                for _ in 0..2 {
                    frame.add_to(&mut encoder).unwrap();
                    want = want * 0.5 + (4.0 * want + 2.0) - mean * want;
                }
                submit(&own, encoder);
                let found = w.item::<f32>().unwrap();
                assert!((found - want).abs() <= 1e-5 * want.abs(), "{device}: {n}, round {round}: {found}, {want}");
            }
        }
    }
}

#[test]
fn its_memory_is_its_own_until_it_is_dropped_and_done() {
    const N: usize = 100_003;
    for own in owned() {
        let device = own.open();
        let x = Tensor::full([N], 3.0_f32, &device).unwrap();
        device.synchronize().unwrap();
        let used = device.memory().used;
        let work = || (&x * 2.0).eval().and_then(|twice| (&twice + &x).eval());
        let (frame, result) = device.record(work).unwrap();
        let kept = device.memory().used;
        assert!(kept > used + 8 * N as u64 - 1, "{device}: the part and the result");
        for round in 0..4 {
            let others: Vec<Tensor> = (0..6).map(|i| Tensor::full([N], i as f32, &device).unwrap()).collect();
            let mut encoder = own.encoder();
            frame.add_to(&mut encoder).unwrap();
            submit(&own, encoder);
            assert!(result.to_vec::<f32>().unwrap().iter().all(|&x| x == 9.0), "{device}: round {round}");
            for (i, other) in others.iter().enumerate() {
                assert!(other.to_vec::<f32>().unwrap().iter().all(|&x| x == i as f32), "{device}: round {round}");
            }
        }
        // Dropped before what was made of it is submitted.
        let mut encoder = own.encoder();
        frame.add_to(&mut encoder).unwrap();
        drop(frame);
        assert_eq!(device.memory().used, kept, "{device}: an encoder needs it");
        submit(&own, encoder);
        drop(result);
        let settled = || {
            own.wait();
            device.memory().used == used
        };
        // Another thread frees memory on GL.
        let freed = (0..200).any(|_| {
            settled() || {
                std::thread::sleep(std::time::Duration::from_millis(5));
                false
            }
        });
        assert!(freed, "{device}: {} bytes, {used} before", device.memory().used);
    }
}

#[test]
fn an_index_out_of_range_is_told_each_time() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], &device).unwrap();
        let at = Tensor::from_slice(&[0_i64], [1], &device).unwrap();
        let (frame, y) = device.record(|| x.index_select(0, &at).eval()).unwrap();
        for (index, wrong) in [(2_i64, false), (5, true), (5, true), (1, false)] {
            at.write_from(&[index]).unwrap();
            let mut encoder = own.encoder();
            frame.add_to(&mut encoder).unwrap();
            submit(&own, encoder);
            own.wait();
            match device.synchronize() {
                Err(Error::Index { index: 5, size: 3, .. }) if wrong => {}
                Ok(()) if !wrong => assert_eq!(y.item::<f32>().unwrap(), index as f32 + 1.0, "{device}"),
                other => panic!("{device}: {index}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_recorded_is_an_error() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::ones([4], DType::F32, &device).unwrap();
        let (frame, ()) = device.record(|| x.assign(&x + 1.0)).unwrap();
        let within = device.record(|| frame.add_to(&mut own.encoder())).unwrap_err();
        assert!(matches!(within, Error::Argument { op: "add_to", .. }), "{device}: {within:?}");
        let twice = device.record(|| device.record(|| Ok(()))).unwrap_err();
        assert!(matches!(twice, Error::Argument { op: "record", .. }), "{device}: {twice:?}");
        let read = device.record(|| x.to_vec::<f32>()).unwrap_err();
        assert!(matches!(read, Error::Argument { op: "to_vec", .. }), "{device}: {read:?}");
        assert_eq!(x.to_vec::<f32>().unwrap(), [1.0; 4], "{device}");
    }
    let cpu = Device::cpu().record(|| Ok(())).unwrap_err();
    assert!(matches!(cpu, Error::Unsupported { op: "record", .. }), "{cpu:?}");
}

#[test]
fn what_reads_a_tensor_that_was_never_written_is_an_error() {
    for own in owned() {
        let device = own.open();
        let [x, y] = [1.0_f32, 5.0].map(|value| Tensor::full([4], value, &device).unwrap());
        let (reads, ()) = device.record(|| x.assign(&y + 1.0)).unwrap();
        let (writes, ()) = device.record(|| y.assign(2.0).and_then(|()| x.assign(&y * 4.0))).unwrap();
        device.synchronize().unwrap();
        let buffer = own.holding(&[0; 16]);
        let broken = Tensor::from_wgpu(&buffer, 0, [4], DType::F32, &device).unwrap();
        y.assign(&y + &broken).unwrap();
        buffer.destroy();
        assert!(matches!(device.flush(), Err(Error::Gpu { .. })), "{device}");
        let error = reads.add_to(&mut own.encoder()).unwrap_err();
        assert!(matches!(error, Error::Gpu { op: "add_to", .. }), "{device}: {error:?}");
        for frame in [&writes, &reads] {
            let mut encoder = own.encoder();
            frame.add_to(&mut encoder).unwrap();
            submit(&own, encoder);
        }
        assert_eq!(x.to_vec::<f32>().unwrap(), [3.0; 4], "{device}");
        assert_eq!(y.to_vec::<f32>().unwrap(), [2.0; 4], "{device}");
    }
}

#[test]
fn what_is_wrong_with_an_encoder_is_told_to_who_finishes_it() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::ones([4], DType::F32, &device).unwrap();
        let (frame, ()) = device.record(|| x.assign(&x + 1.0)).unwrap();
        let told = |owner: &wgpu::Device, finish: &dyn Fn(wgpu::CommandEncoder)| {
            let scope = owner.push_error_scope(wgpu::ErrorFilter::Validation);
            finish(owner.create_command_encoder(&wgpu::CommandEncoderDescriptor::default()));
            pollster::block_on(scope.pop())
        };
        let (other, _queue) = request(&own.adapter);
        let of_another = told(&other, &|mut encoder| {
            frame.add_to(&mut encoder).unwrap();
            drop(encoder.finish());
        });
        assert!(of_another.is_some(), "{device}");
        let within_a_pass = told(&own.device, &|mut encoder| {
            let pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime();
            frame.add_to(&mut encoder).unwrap();
            drop((encoder.finish(), pass));
        });
        assert!(within_a_pass.is_some(), "{device}");
        let mut encoder = own.encoder();
        frame.add_to(&mut encoder).unwrap();
        submit(&own, encoder);
        assert_eq!(x.to_vec::<f32>().unwrap(), [2.0; 4], "{device}");
    }
}
