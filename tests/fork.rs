//! What becomes of the library in a forked child: the CPU path works, GPUs are a clear error, nothing hangs.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "forks")]

use std::sync::atomic::{AtomicBool, Ordering};

use hadamard::{DType, Device, Error, Expr, Result, Tensor};

mod devices;

/// Seconds after which a child that hangs is ended by the system.
const PATIENCE: u32 = 120;

/// Calls `work` in a forked child; whether it returned true there.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child works on what it is given, and leaves without running anything of the parent's.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "no child");
        if child == 0 {
            libc::alarm(PATIENCE);
            let right = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(false);
            libc::_exit(i32::from(!right));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
    }
}

/// Enough elements for all threads.
fn large() -> Tensor {
    Tensor::full([1 << 20], 0.5_f32, &Device::cpu()).unwrap()
}

fn halves(x: &Tensor) -> Result<f32> {
    (x * 2.0).sum(..).item()
}

#[test]
fn a_child_evaluates_after_its_parent_has() {
    let x = large();
    assert_eq!(halves(&x).unwrap(), 1_048_576.0);
    let right = in_child(|| {
        let grandchild = || in_child(|| halves(&large()).is_ok_and(|sum| sum == 1_048_576.0));
        halves(&x).is_ok_and(|sum| sum == 1_048_576.0)
            && x.sort(0, false).0.amax(..).item::<f32>().is_ok()
            && grandchild()
    });
    assert!(right);
    assert_eq!(halves(&x).unwrap(), 1_048_576.0);
}

#[test]
fn children_evaluate_whatever_other_threads_do_meanwhile() {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(halves(&Tensor::full([1 << 16], 0.5_f32, &Device::cpu()).unwrap()).unwrap(), 65_536.0);
                }
            });
        }
        let right = (0..50).all(|_| in_child(|| halves(&large()).is_ok_and(|sum| sum == 1_048_576.0)));
        stop.store(true, Ordering::Relaxed);
        assert!(right);
    });
}

#[test]
fn a_child_is_told_that_its_parents_gpu_is_not_there() {
    let Some(device) = devices::devices().into_iter().find(Device::is_gpu) else { return };
    let x = Tensor::full([64], 0.5_f32, &device).unwrap();
    assert_eq!(halves(&x).unwrap(), 64.0);
    let pending = (&x * 3.0).eval().unwrap();
    let right = in_child(|| {
        let lost = |result: Result<()>| match result {
            Err(error @ Error::DeviceLost { .. }) => error.to_string().contains("forked"),
            _ => false,
        };
        let fresh = Device::gpu().err().is_some_and(|error| error.to_string().contains("forked"));
        let right = lost((&x + 1.0).eval().map(drop))
            && lost(x.to_vec::<f32>().map(drop))
            && lost(x.fill(1.0))
            && lost(device.synchronize())
            && lost(Tensor::zeros([4], DType::F32, &device).map(drop))
            && fresh
            && Device::best().is_ok_and(|best| !best.is_gpu() || std::env::var_os("HADAMARD_DEVICE").is_some())
            && Expr::arange(4).sum(..).item::<i64>().is_ok_and(|sum| sum == 6);
        drop(pending);
        right
    });
    assert!(right);
    assert_eq!(halves(&x).unwrap(), 64.0);
}
