//! One wgpu device, a program and this library: who hears of errors and of the device's loss, and what stays behind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hadamard::wgpu::BufferUsages;
use hadamard::{DType, Device, Error, Tensor, WgpuOptions};

use super::{Own, owned, request};

fn left_alone() -> WgpuOptions {
    WgpuOptions { leave_handlers: true, ..WgpuOptions::default() }
}

/// A call of the program's that wgpu refuses.
fn err(own: &Own) {
    drop(own.buffer(4, BufferUsages::empty()));
}

#[test]
fn the_program_s_errors_go_to_the_program_alone() {
    for own in owned() {
        let seen = Arc::new(AtomicUsize::new(0));
        let handler = seen.clone();
        own.device.on_uncaptured_error(Arc::new(move |_| {
            handler.fetch_add(1, Ordering::Relaxed);
        }));
        let device = own.open_with(left_alone()).unwrap();
        let w = Tensor::zeros([100], DType::F32, &device).unwrap();
        for i in 1..=20 {
            err(&own);
            w.assign(&w + 1.0).unwrap();
            assert_eq!(seen.load(Ordering::Relaxed), i, "{device}");
        }
        // Beside our calls, on another thread.
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let erring = scope.spawn(|| {
                let mut n = 0;
                while !done.load(Ordering::Relaxed) || n == 0 {
                    if device.info().backend == "gl" {
                        // The lock that a program shares on GL is another test's.
                        return 0;
                    }
                    err(&own);
                    n += 1;
                }
                n
            });
            for _ in 0..200 {
                w.assign(&w + 1.0).unwrap();
                device.flush().unwrap();
            }
            done.store(true, Ordering::Relaxed);
            let n = erring.join().unwrap();
            assert_eq!(seen.load(Ordering::Relaxed), 20 + n, "{device}");
        });
        assert_eq!(w.to_vec::<f32>().unwrap(), [220.0; 100], "{device}");
        // An error of ours comes back from the call, and the program does not hear of it.
        let before = seen.load(Ordering::Relaxed);
        let buffer = own.holding(&[0; 64]);
        let x = Tensor::from_wgpu(&buffer, 0, [4], DType::F32, &device).unwrap();
        buffer.destroy();
        assert!(matches!((&x + 1.0).to_vec::<f32>(), Err(Error::Gpu { .. })), "{device}");
        assert_eq!(seen.load(Ordering::Relaxed), before, "{device}");
    }
}

#[test]
fn a_loss_is_found_without_the_callback() {
    type Look = fn(&Device, &Tensor) -> hadamard::Result<()>;
    let looks: [(&str, Look); 4] = [
        ("flush", |device, w| w.assign(w + 1.0).and_then(|()| device.flush().map(drop))),
        ("synchronize", |device, w| w.assign(w + 1.0).and_then(|()| device.synchronize())),
        ("idle", |device, _| device.synchronize()),
        ("read", |_, w| w.to_vec::<f32>().map(drop)),
    ];
    for (name, look) in looks {
        for own in owned() {
            let told = Arc::new(AtomicBool::new(false));
            let callback = told.clone();
            own.device.set_device_lost_callback(move |_, _| callback.store(true, Ordering::Relaxed));
            let device = own.open_with(left_alone()).unwrap();
            let w = Tensor::zeros([100], DType::F32, &device).unwrap();
            w.assign(&w + 1.0).unwrap();
            assert!(!device.is_lost(), "{device}");
            own.device.destroy();
            let error = look(&device, &w).unwrap_err();
            assert!(matches!(error, Error::DeviceLost { .. }), "{device}: {name}: {error:?}");
            assert!(device.is_lost() && told.load(Ordering::Relaxed), "{device}: {name}");
        }
    }
}

#[test]
fn what_the_program_was_told_of_a_loss_is_the_reason() {
    for own in owned() {
        let device = own.open_with(left_alone()).unwrap();
        let x = Tensor::zeros([4], DType::F32, &device).unwrap();
        device.notify_lost("the cable was pulled");
        let error = x.to_vec::<f32>().unwrap_err();
        assert!(matches!(&error, Error::DeviceLost { reason, .. } if reason.contains("cable")), "{device}: {error:?}");
        assert!(device.is_lost());
    }
    let cpu = Device::cpu();
    cpu.notify_lost("never");
    assert!(!cpu.is_lost());
}

#[test]
fn nothing_stays_behind() {
    for own in owned() {
        let count = || {
            own.wait();
            let hub = own.instance.generate_report().unwrap().hub;
            let kinds = [hub.buffers, hub.bind_groups, hub.compute_pipelines, hub.shader_modules, hub.pipeline_layouts];
            (kinds.map(|kind| kind.num_allocated), hub.devices.num_allocated, hub.bind_group_layouts.num_allocated)
        };
        let buffer = own.holding(&[0; 64]);
        let before = count();
        let device = own.open_with(left_alone()).unwrap();
        let x = Tensor::from_wgpu(&buffer, 0, [16], DType::F32, &device).unwrap();
        x.assign(&x + 1.0).unwrap();
        let read = pollster::block_on((&x * 2.0).eval().unwrap().to_vec_async::<f32>()).unwrap();
        assert_eq!(read, [2.0; 16], "{device}");
        let name = device.to_string();
        drop((x, device));
        // The thread that woke the read may be the last to let go of the device.
        let start = Instant::now();
        while count() != before && start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(count(), before, "{name}");
        assert_eq!(own.floats(&buffer), [1.0; 16], "{name}");
    }
}

#[test]
fn one_wgpu_device_is_one_device() {
    for own in owned() {
        let (a, b) = (own.open(), own.open());
        assert_eq!(a, b);
        let (x, y) = (Tensor::ones([3], DType::F32, &a).unwrap(), Tensor::ones([3], DType::F32, &b).unwrap());
        assert_eq!((&x + &y).to_vec::<f32>().unwrap(), [2.0; 3], "{a}");
        let (raw, queue) = a.wgpu().unwrap();
        assert_eq!((raw, queue), (&own.device, &own.queue));
        // Another device of the adapter, and one of another instance, whose numbers are the same, are others.
        let (other, other_queue) = request(&own.adapter);
        assert!(Device::from_wgpu(&own.adapter, other, other_queue).unwrap() != a);
        assert!(super::own(&a).open() != a);
        let error = own.open_with(left_alone()).unwrap_err();
        assert!(error.to_string().contains("handlers installed, found handlers left alone"), "{error}");
        // Opened anew when nobody has it any more.
        drop((x, y, a, b));
        assert!(own.open_with(left_alone()).is_ok());
    }
    assert!(Device::cpu().wgpu().is_none());
}

/// On GL wgpu panics where a call waits for six seconds; with the lock, it waits outside of wgpu.
#[test]
fn a_lock_is_shared_on_gl() {
    for own in owned() {
        let lock = Arc::new(Mutex::new(()));
        let device = own.open_with(WgpuOptions { lock: Some(lock.clone()), ..left_alone() }).unwrap();
        let gl = device.info().backend == "gl";
        let x = Tensor::zeros([4], DType::F32, &device).unwrap();
        let (done, held) = (AtomicBool::new(false), lock.lock().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!((&x + 1.0).to_vec::<f32>().unwrap(), [1.0; 4]);
                done.store(true, Ordering::Relaxed);
            });
            thread::sleep(Duration::from_millis(300));
            assert!(!(gl && done.load(Ordering::Relaxed)), "{device}: the lock was not waited for");
            drop(held);
        });
        assert!(done.load(Ordering::Relaxed), "{device}");
        if gl {
            let other = WgpuOptions { lock: Some(Arc::default()), ..left_alone() };
            assert!(own.open_with(other).unwrap_err().to_string().contains("another lock"));
        }
    }
}
