//! Many threads on one device, in thread pools and async runtimes of the caller's: right answers, and an end.

mod devices;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use devices::{failures_on_each, in_time};
use hadamard::{DType, Device, Expr, ScalarCell, Tensor, assign, eval_all, optim, reference};
use rayon::prelude::*;

/// What threads may share and pass on.
const _: () = {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<(Device, hadamard::DeviceInfo, hadamard::MemoryStats, hadamard::Counters)>();
    shared::<(Tensor, Expr, ScalarCell, hadamard::Params, hadamard::random::Seed)>();
    shared::<(hadamard::Shape, hadamard::Dims, DType, hadamard::Scalar, hadamard::Error)>();
    shared::<(hadamard::Explanation, hadamard::Pass, hadamard::Profile, hadamard::Bandwidth, hadamard::KernelTime)>();
    shared::<(reference::Reference, reference::Comparison)>();
    shared::<(optim::SGD, optim::Adam, optim::AdamW, optim::NAdam, optim::RAdam, optim::Adamax)>();
    shared::<(optim::RMSprop, optim::Adagrad, optim::Adadelta, optim::Rprop, optim::ASGD, optim::Lion)>();
};

/// Far longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// One below, and one above, what the CPU path shares among its threads.
const SIZES: [usize; 2] = [1000, 100_000];

/// Calls `body` with every device. One that never returns is a failure.
fn on_each(body: fn(&Device)) {
    failures_on_each(|device| {
        let of_thread = device.clone();
        in_time(&format!("dead-locked on {device}"), PATIENCE, move || body(&of_thread));
        vec![]
    });
}

/// Calls `work` with 0, 1, …, on a thread each, all beginning at once.
fn together<R: Send>(threads: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let (start, work) = (Barrier::new(threads), &work);
    let start = &start;
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|i| {
                scope.spawn(move || {
                    start.wait();
                    work(i)
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Calls `meanwhile` over and over on another thread until `work` is done.
fn during<R>(meanwhile: impl Fn() + Sync, work: impl FnOnce() -> R) -> R {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                meanwhile();
            }
        });
        let result = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn full(n: usize, value: f32, device: &Device) -> Tensor {
    Tensor::full([n], value, device).unwrap()
}

/// The one number that all elements are.
#[track_caller]
fn uniform(values: &[f32]) -> f32 {
    let other = values.iter().position(|v| *v != values[0]);
    assert!(other.is_none(), "{} at 0 and {} at {}", values[0], values[other.unwrap_or(0)], other.unwrap_or(0));
    values[0]
}

/// Something of every kind with tensors of its own; all numbers are whole, so that answers are exact.
fn a_day_of(thread: usize, round: usize, shared: &Tensor, device: &Device) {
    let n = SIZES[round % 2] + thread;
    let start = (thread * 7 + round) % 100;
    let view = shared.narrow(0, start, n).unwrap();
    let own: Vec<f32> = (0..n).map(|i| ((i * (thread + 2) + round) % 5) as f32).collect();
    let x = Tensor::from_slice(&own, [n], device).unwrap();
    let y = (&x * &view + thread as i32).eval().unwrap();
    y.assign(&y + 1).unwrap();
    let even = y.slice(0, 0, n, 2).unwrap();
    even.assign(-&even).unwrap();
    let sums = eval_all(&[(&x * &view).sum(..), x.sum(..)]).unwrap();

    let at = |i: usize| ((start + i) % 10) as f32;
    let products = || (0..n).map(|i| own[i] * at(i));
    let want: Vec<f32> = products()
        .enumerate()
        .map(|(i, p)| {
            let y = p + thread as f32 + 1.0;
            if i.is_multiple_of(2) { -y } else { y }
        })
        .collect();
    // A read that nobody waits for.
    let _ = pin!(y.to_vec_async::<f32>()).poll(&mut Context::from_waker(Waker::noop()));
    let found = if round.is_multiple_of(3) {
        pollster::block_on(y.to_vec_async::<f32>()).unwrap()
    } else {
        y.to_vec::<f32>().unwrap()
    };
    assert!(found == want, "thread {thread}, round {round} on {device}");
    let sums = [0, 1].map(|i| sums[i].item::<f32>().unwrap());
    assert_eq!(sums, [products().sum::<f32>(), own.iter().sum::<f32>()], "thread {thread}, round {round} on {device}");
}

/// Numbers 0 to 9, over and over.
fn digits(device: &Device) -> Tensor {
    let values: Vec<f32> = (0..SIZES[1] + 200).map(|i| (i % 10) as f32).collect();
    Tensor::from_slice(&values, [values.len()], device).unwrap()
}

#[test]
fn each_thread_gets_its_own_answers() {
    on_each(|device| {
        let (shared, rounds) = (digits(device), if device.is_gpu() { 12 } else { 60 });
        let meanwhile = || {
            device.trim();
            device.synchronize().unwrap();
            let memory = device.memory();
            assert!(memory.used <= memory.peak, "{memory:?}");
        };
        during(meanwhile, || {
            together(6, |thread| (0..rounds).for_each(|round| a_day_of(thread, round, &shared, device)))
        });
    });
}

#[test]
fn assignments_that_cross_happen_in_some_order() {
    on_each(|device| {
        for round in 0..30 {
            let n = SIZES[round % 2];
            let (a, b) = (full(n, 1.0, device), full(n, 2.0, device));
            together(2, |i| if i == 0 { a.assign(&b + 10) } else { b.assign(&a + 100) }.unwrap());
            let found = [&a, &b].map(|t| uniform(&t.to_vec::<f32>().unwrap()));
            assert!(found == [12.0, 112.0] || found == [111.0, 101.0], "{found:?} on {device}");
        }
    });
}

#[test]
fn readers_see_one_threads_whole_value() {
    on_each(|device| {
        for n in SIZES {
            // Of two shapes, so that no single kernel writes or reads both.
            let (a, b) = (full(n, 0.0, device), full(n / 2, 0.0, device));
            let ones = full(n, 1.0, device);
            let every_second = a.slice(0, 0, n, 2).unwrap();
            together(6, |i| {
                for round in 0..20 {
                    let value = (i * 100 + round) as f32;
                    match i {
                        0 | 1 => assign(&[(&a, value.into()), (&b, value.into())]).unwrap(),
                        2 => assign(&[(&a, ones.amin(..) * value), (&b, ones.amax(..) * value)]).unwrap(),
                        3 => assert_eq!((a.amax(..) - b.amin(..)).eval().unwrap().item::<f32>().unwrap(), 0.0),
                        4 => drop(uniform(&pollster::block_on(a.to_vec_async::<f32>()).unwrap())),
                        _ => drop(uniform(&every_second.to_vec::<f32>().unwrap())),
                    }
                }
            });
            let last = [&a, &b].map(|t| uniform(&t.to_vec::<f32>().unwrap()));
            assert!(last[0] == last[1] && [19.0, 119.0, 219.0].contains(&last[0]), "{last:?} on {device}");
        }
    });
}

#[test]
fn no_update_in_place_is_lost() {
    on_each(|device| {
        for (n, times) in [(SIZES[0], 100), (SIZES[1], 20)] {
            let (x, y) = (full(n, 0.0, device), full(n, 0.0, device));
            together(4, |_| {
                for _ in 0..times {
                    x.assign(&x + 1).unwrap();
                    assign(&[(&x, &x + 1), (&y, &y + 2)]).unwrap();
                }
            });
            let found = [&x, &y].map(|t| uniform(&t.to_vec::<f32>().unwrap()));
            assert_eq!(found, [8.0 * times as f32; 2], "{device}");
        }
    });
}

#[test]
fn an_evaluation_sees_a_cell_once() {
    on_each(|device| {
        for n in [1024, 1 << 16] {
            let (x, cell) = (full(n, 1.0, device), ScalarCell::new(1.0));
            // One pass for the sum, another for the difference.
            let scaled = &x * &cell;
            let difference = &scaled - scaled.sum(..) / n as f32;
            let rounds = if device.is_gpu() { 100 } else { 2000 };
            let torn = during(
                || [1.0, 2.0, 4.0].iter().for_each(|&value| cell.set(value)),
                || {
                    let found = (0..rounds).map(|_| difference.eval().unwrap().to_vec::<f32>().unwrap());
                    found.filter(|values| values.iter().any(|v| *v != 0.0)).count()
                },
            );
            assert_eq!(torn, 0, "of {rounds} rounds on {device}");
        }
    });
}

#[test]
fn an_expression_is_first_evaluated_by_all_at_once() {
    on_each(|device| {
        let x = digits(device);
        for round in 0..4 {
            let expr = (&x * (round + 1) + x.sum(..)).amax(..) + (&x - round).square().sum(..);
            let threads = 6;
            let found = together(threads, |_| expr.eval().unwrap().item::<f32>().unwrap());
            assert_eq!(uniform(&found), expr.eval().unwrap().item::<f32>().unwrap(), "{device}");
            if device.is_gpu() {
                let before = device.counters();
                together(threads, |_| expr.eval().unwrap());
                let after = device.counters();
                assert_eq!((after.planned, after.compiled), (before.planned, before.compiled), "{device}");
            }
        }
    });
}

/// wgpu waits six seconds for a GL context, then panics; llvmpipe keeps it for as long as a submission computes.
#[test]
#[ignore = "keeps a software adapter busy for a minute"]
fn a_thread_waits_for_a_long_submission_of_another() {
    on_each(|device| {
        let (large, small) = (full(1 << 22, 0.5, device), full(8, 1.0, device));
        let heavy = |steps| (0..steps).fold(Expr::from(&large), |e, _| (e.sin() + 1.5).pow(1.1));
        for steps in (0..).map(|i| 25 << i) {
            let (heavy, next) = (heavy(steps), AtomicUsize::new(0));
            let start = Instant::now();
            let compile = || {
                // Another kernel each time, so that this thread is nearly always about to call wgpu.
                let i = next.fetch_add(1, Ordering::Relaxed);
                let light =
                    (0..10).fold(Expr::from(&small), |e, bit| if i >> bit & 1 == 0 { e.sqrt() } else { e.abs() });
                assert_eq!(uniform(&light.eval().unwrap().to_vec::<f32>().unwrap()), 1.0);
            };
            let wait = || heavy.eval().and_then(|t| t.to_vec::<f32>());
            let result = during(compile, || during(compile, || during(compile, wait)));
            assert_eq!(result.unwrap().len(), 1 << 22, "{device}");
            if start.elapsed() > Duration::from_secs(12) {
                break;
            }
        }
    });
}

/// Tasks that evaluate, and all add to one tensor. A worker that took up another task while it waits for the CPU
/// path's threads would wait for a lock it holds itself.
fn tasks(device: &Device) {
    let (shared, x) = (digits(device), full(SIZES[1], 0.0, device));
    let n = 40_usize;
    (0..n).into_par_iter().for_each(|i| {
        x.assign(&x + 1).unwrap();
        if i.is_multiple_of(10) {
            a_day_of(i, i, &shared, device);
        }
        // Two more of the same pool, while nothing is held.
        rayon::join(|| x.assign(&x + 1).unwrap(), || assert!(x.amax(..).eval().unwrap().item::<f32>().unwrap() > 0.0));
    });
    rayon::scope(|scope| {
        for _ in 0..n {
            scope.spawn(|scope| {
                x.assign(&x + 1).unwrap();
                scope.spawn(|_| x.assign(&x + 1).unwrap());
            });
        }
    });
    assert_eq!(uniform(&x.to_vec::<f32>().unwrap()), 4.0 * n as f32, "{device}");
}

#[test]
fn inside_pools_of_the_callers() {
    on_each(|device| {
        tasks(device);
        let pools = [1, 2, 4].map(|n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap());
        pools.iter().for_each(|pool| pool.install(|| tasks(device)));
        // One pool in another, whose only worker waits.
        pools[0].install(|| pools[1].install(|| tasks(device)));
    });
}

/// Tasks of an async runtime that wait for reads, and block.
async fn reads(device: Device) {
    let shared = digits(&device);
    let x = full(1000, 0.0, &device);
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (device, shared, x) = (device.clone(), shared.clone(), x.clone());
            tokio::spawn(async move {
                // Nobody blocks, so nobody else looks whether the device is done.
                for round in 0..4 {
                    let y = (&x * 0 + round).eval().unwrap();
                    assert_eq!(uniform(&y.to_vec_async::<f32>().await.unwrap()), round as f32, "{device}");
                }
                for round in 0..4 {
                    x.assign(&x + 1).unwrap();
                    let y = (&shared * task + round).eval().unwrap();
                    let found = y.to_vec_async::<f32>().await.unwrap();
                    let want = |i: usize| ((i % 10) as i32 * task + round) as f32;
                    assert!(found.iter().enumerate().all(|(i, v)| *v == want(i)), "task {task} on {device}");
                    // In the middle of a worker, with no `await`.
                    a_day_of(task as usize, round as usize, &shared, &device);
                    uniform(&x.to_vec_async::<f32>().await.unwrap());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(uniform(&x.to_vec_async::<f32>().await.unwrap()), 32.0, "{device}");
}

#[test]
fn inside_async_runtimes() {
    on_each(|device| {
        let runtimes = [
            tokio::runtime::Builder::new_current_thread().build(),
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build(),
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build(),
        ];
        for runtime in runtimes {
            runtime.unwrap().block_on(reads(device.clone()));
        }
        // An executor within a worker of another pool.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let x = full(1000, 7.0, device);
        assert_eq!(pool.install(|| pollster::block_on(x.to_vec_async::<f32>())).unwrap(), [7.0; 1000]);
    });
}
