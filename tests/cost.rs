//! What evaluations and training steps cost, by the devices' counters. Those of the CPU count what all threads do, so each test here waits
//! for the others.

mod devices;

use std::sync::{Mutex, PoisonError};

use hadamard::optim::{Adam, AdamW, SGD};
use hadamard::{DType, Device, Function, Params, Tensor, assign, eval_all, init, prepare};

static ALONE: Mutex<()> = Mutex::new(());

fn tensor(values: &[f32], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

/// Counts what `steps` cost after the first.
fn costs_nothing_again(device: &Device, mut step: impl FnMut(usize)) {
    step(0);
    device.synchronize().unwrap();
    let before = device.counters();
    for i in 1..10 {
        step(i);
    }
    device.synchronize().unwrap();
    let after = device.counters();
    assert_eq!((after.compiled, after.planned), (before.compiled, before.planned), "{device}");
}

#[test]
fn several_results_come_in_one_pass() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let numbers: Vec<f32> = (0..600).map(|i| (i % 251) as f32 - 125.0).collect();
    for device in devices::devices() {
        let x = tensor(&numbers, &device).reshape([20, 30]).unwrap();
        let y = x.square();
        let before = device.counters().kernels;
        let results = eval_all(&[y.clone(), &y + 1.0, &y - 1.0]).unwrap();
        assert_eq!(device.counters().kernels - before, 1, "{device}");
        let [a, b, c] = [0, 1, 2].map(|i| results[i].to_vec::<f32>().unwrap());
        assert!(a.iter().zip(&b).zip(&c).all(|((a, b), c)| a + 1.0 == *b && a - 1.0 == *c), "{device}");
    }
}

#[test]
fn a_kept_expression_is_planned_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let numbers: Vec<f32> = (0..1000).map(|i| i as f32 / 250.0 - 2.0).collect();
    for device in devices::devices() {
        let expr = tensor(&numbers, &device).exp() + 1.0;
        let before = device.counters().planned;
        let first = expr.eval().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(device.counters().planned - before, 1, "{device}: what is counted is counted");
        costs_nothing_again(&device, |_| assert_eq!(expr.eval().unwrap().to_vec::<f32>().unwrap(), first, "{device}"));
    }
}

/// On the CPU: plans of a GPU depend on shapes.
#[test]
fn a_text_for_other_sizes_plans_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::cpu();
    for text in ["w * a + (1 - w) * b", "where(a > b, a, b).clamp(-1, 1) / 2", "mean(a * b, 1) * w", "softmax(a, 1)"] {
        let function = Function::new(text).unwrap();
        let call = |n: usize| {
            // Uploaded, so that no tensor has to be planned.
            let a = Tensor::from_vec((0..3 * n).map(|i| (i % 19) as f32 - 9.0).collect(), [3, n], &device).unwrap();
            let b = Tensor::from_vec((0..n).map(|i| (i % 17) as f32 - 8.0).collect(), [n], &device).unwrap();
            let operands = function.names().iter().map(|name| match name.as_str() {
                "a" => (&a).into(),
                "b" => (&b).into(),
                _ => 0.25.into(),
            });
            function.call(&operands.collect::<Vec<_>>()).unwrap();
        };
        let before = device.counters().planned;
        call(1000);
        assert_eq!(device.counters().planned - before, 1, "{text}: what is counted is counted");
        costs_nothing_again(&device, |i| call(500 + i));
        (2..400).for_each(call);
        costs_nothing_again(&device, |i| call(2000 + i));
        // Another form, where a dim is 1.
        let before = device.counters().planned;
        call(1);
        assert_eq!(device.counters().planned - before, 1, "{text}");
    }
}

/// On the CPU: a GPU finds plans by the form of their graph.
#[test]
fn an_expression_built_anew_plans_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let device = Device::cpu();
    let tensors: Vec<Tensor> = (0..12).map(|i| tensor(&[i as f32; 40], &device).reshape([4, 10]).unwrap()).collect();
    let build = |i: usize| ((&tensors[i] * 2.0 + &tensors[i + 1]) * &tensors[i + 2] - 0.5).abs();
    let expected = |i: usize| vec![((3 * i + 1) as f32 * (i + 2) as f32 - 0.5).abs(); 40];
    let before = device.counters().planned;
    let found = |i: usize| build(i).eval().unwrap().to_vec::<f32>().unwrap();
    assert_eq!((found(0), found(1)), (expected(0), expected(1)));
    assert_eq!(device.counters().planned - before, 2, "what is counted is counted");
    costs_nothing_again(&device, |i| assert_eq!(found(i), expected(i)));
    // Into targets, of which one is read.
    let target = Tensor::zeros([4, 10], DType::F32, &device).unwrap();
    let assigned = |i: usize| {
        assign(&[(&target, build(i))]).unwrap();
        assert_eq!(target.to_vec::<f32>().unwrap(), expected(i));
    };
    (0..2).for_each(assigned);
    costs_nothing_again(&device, assigned);
    let mut sum = expected(9);
    let mut count = |_| {
        assign(&[(&target, &target + 1.0)]).unwrap();
        sum.iter_mut().for_each(|x| *x += 1.0);
        assert_eq!(target.to_vec::<f32>().unwrap(), sum);
    };
    (0..2).for_each(&mut count);
    costs_nothing_again(&device, count);
}

#[test]
fn kept_expressions_are_planned_once_together() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let numbers: Vec<f32> = (0..1000).map(|i| i as f32 / 250.0 - 2.0).collect();
    for device in devices::devices() {
        let x = tensor(&numbers, &device);
        let (y, z) = (x.exp() + 1.0, (&x * 3.0).sum(..));
        let all = || [y.clone(), z.clone()];
        let before = device.counters().planned;
        let first = eval_all(&all()).unwrap();
        assert!(device.counters().planned > before, "{device}: what is counted is counted");
        costs_nothing_again(&device, |_| {
            let again = eval_all(&all()).unwrap();
            assert_eq!(again[0].to_vec::<f32>().unwrap(), first[0].to_vec::<f32>().unwrap(), "{device}");
        });
        let both = prepare(&all()).unwrap();
        for i in 0..2 {
            x.fill(i as f32).unwrap();
            costs_nothing_again(&device, |_| {
                assert_eq!(both.run().unwrap()[1].item::<f32>().unwrap(), 3000.0 * i as f32, "{device}");
            });
        }
        // Targets of other shapes and dtypes than the values; other targets of the same kind.
        let rooms = [0; 2].map(|_| Tensor::zeros([2, 1000], DType::F16, &device).unwrap());
        let sums = Tensor::zeros([3], DType::F32, &device).unwrap();
        x.fill(0.0).unwrap();
        costs_nothing_again(&device, |i| assign(&[(&rooms[i % 2], y.clone()), (&sums, z.clone())]).unwrap());
        assert_eq!(rooms[1].to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap(), [2.0; 2000], "{device}");
        // The same values for targets of another kind are another plan, and come out right.
        let wide = Tensor::zeros([1000], DType::F32, &device).unwrap();
        assign(&[(&wide, y.clone()), (&sums, &z + 1.0)]).unwrap();
        assert_eq!((wide.to_vec::<f32>().unwrap()[7], sums.to_vec::<f32>().unwrap()), (2.0, vec![1.0; 3]), "{device}");
        assert_eq!(eval_all(&[y.clone(), z.clone(), y.clone()]).unwrap().len(), 3);
    }
}

#[test]
fn a_step_plans_and_compiles_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        let (a, b) = (tensor(&[1.0, 2.0, 3.0], &device), Tensor::zeros([2, 5], DType::F32, &device).unwrap());
        let mut adam = AdamW::new(&[&a, &b]).clip_grad_norm(1.0);
        let (ga, gb) = (2.0 * &a, &b - 1.0);
        costs_nothing_again(&device, |i| {
            // Numbers that would simplify if they were known as the update is built.
            adam.set_lr([0.1, 1.0, 0.0, 2.0, 0.001][i % 5]);
            adam.step(&[ga.clone(), gb.clone()]).unwrap();
        });
        // Gradients built anew, in other memory.
        let mut sgd = SGD::new(&[&a, &b]).momentum(0.9).dampening(0.5);
        costs_nothing_again(&device, |i| {
            let new = [tensor(&[i as f32; 3], &device), tensor(&[0.5; 10], &device).reshape([2, 5]).unwrap()];
            sgd.step(&new).unwrap();
        });
        let mut adam = Adam::new(&[&a]);
        costs_nothing_again(&device, |i| adam.step(&[&a * 3.25 - (i as f64 + 7.5)]).unwrap());
    }
}

#[test]
fn an_elementwise_step_is_one_launch() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // With fewer bindings than WebGPU promises, a step may have to be cut.
    for device in devices::devices().into_iter().filter(|d| d.info().max_bindings >= 8) {
        let w = Tensor::ones([300, 7], DType::F32, &device).unwrap();
        let g = Tensor::ones([300, 7], DType::F32, &device).unwrap();
        let mask = g.gt(0.0).eval().unwrap();
        let mut adam = Adam::new(&[&w])
            .amsgrad(true)
            .weight_decay(0.1)
            .grad_hook(|g| g.clamp(-1.0, 1.0))
            .weight_hook(move |w| w * &mask);
        adam.step(&[&g]).unwrap();
        let before = device.counters().kernels;
        adam.step(&[&g]).unwrap();
        device.synchronize().unwrap();
        assert_eq!(device.counters().kernels - before, 1, "{device}");
    }
}

#[test]
fn a_thousand_packed_tensors_are_one_launch() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        let shapes = [vec![3], vec![2, 5], vec![], vec![4, 1, 3], vec![7, 7], vec![1, 128]];
        let tensors: Vec<(String, Tensor)> = (0..1000)
            .map(|i| (format!("p{i}"), Tensor::ones(&shapes[i % 6][..], DType::F32, &device).unwrap()))
            .collect();
        let named: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let params = Params::pack(&named).unwrap();
        let grads = params.zeros_like().unwrap();
        for (_, grad) in grads.iter().skip(1) {
            grad.fill(1.0).unwrap();
        }
        let mut adam = Adam::new(&params).lr(0.5);
        adam.step(&[grads.flat()]).unwrap();
        let before = device.counters();
        adam.step(&[grads.flat()]).unwrap();
        device.synchronize().unwrap();
        let after = device.counters();
        assert_eq!(after.kernels - before.kernels, 1, "{device}");
        assert_eq!((after.compiled, after.planned), (before.compiled, before.planned), "{device}");
        let values = |name: &str| params.get(name).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(values("p0"), [1.0; 3], "{device}");
        assert!(["p1", "p2", "p999"].iter().all(|name| values(name).iter().all(|x| x.abs() < 1e-6)), "{device}");
    }
}

/// A norm of all, a hook that moves the gaps and a projection: the norm is one launch, or two, and all else is one.
#[test]
fn a_thousand_packed_tensors_with_clip_and_projection_are_three_launches() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices().into_iter().filter(|d| d.info().max_bindings >= 8) {
        let shapes = [vec![3], vec![2, 5], vec![], vec![4, 1, 3], vec![7, 7], vec![1, 128]];
        let tensors: Vec<Tensor> =
            (0..1000).map(|i| Tensor::ones(&shapes[i % 6][..], DType::F32, &device).unwrap()).collect();
        let names: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        let named: Vec<(&str, &Tensor)> = names.iter().map(String::as_str).zip(&tensors).collect();
        let params = Params::pack(&named).unwrap();
        let grads = params.zeros_like().unwrap();
        let mut adam =
            Adam::new(&params).grad_hook(|g| g + 1.0).clip_grad_norm(1.0).weight_hook(|w| w.clamp(0.25, 2.0));
        adam.step(&[grads.flat()]).unwrap();
        device.synchronize().unwrap();
        let before = device.counters();
        adam.step(&[grads.flat()]).unwrap();
        device.synchronize().unwrap();
        let after = device.counters();
        assert!(after.kernels - before.kernels <= 3, "{device}: {}", after.kernels - before.kernels);
        assert_eq!((after.compiled, after.planned), (before.compiled, before.planned), "{device}");
    }
}

#[test]
fn minimizing_differentiates_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        let x = Tensor::ones([30, 40], DType::F32, &device).unwrap();
        let w = Tensor::zeros([30, 40], DType::F32, &device).unwrap();
        let s = Tensor::zeros([40], DType::F32, &device).unwrap();
        let (elementwise, summed) = ((&w * &x - 1.0).square().sum(..), (&s * &x - 1.0).square().mean(..));
        let (mut of_w, mut of_s) = (Adam::new(&[&w]), Adam::new(&[&s]));
        costs_nothing_again(&device, |_| drop(of_w.minimize(&elementwise).unwrap()));
        costs_nothing_again(&device, |_| drop(of_s.minimize(&summed).unwrap()));
        // A gradient by all elements and the loss come out of one pass, and the update is another.
        let n = Tensor::zeros((), DType::F32, &device).unwrap();
        let loss = (&n * &x - 1.0).square().sum(..);
        let mut of_n = Adam::new(&n);
        of_n.minimize(&loss).unwrap();
        device.synchronize().unwrap();
        let before = device.counters().kernels;
        of_n.minimize(&loss).unwrap();
        device.synchronize().unwrap();
        assert_eq!(device.counters().kernels - before, 2, "{device}");
        // The gradient of an elementwise loss is computed in the update's own pass.
        costs_nothing_again(&device, |_| of_w.descend(&elementwise).unwrap());
        let before = device.counters().kernels;
        of_w.descend(&elementwise).unwrap();
        device.synchronize().unwrap();
        assert_eq!(device.counters().kernels - before, 1, "{device}");
    }
}

#[test]
fn a_loss_built_anew_derives_and_plans_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        // Uploaded, so that no tensor has to be planned.
        let tensor = |shape: &[usize], seed: u64| {
            let values = (0..shape.iter().product::<usize>()).map(|i| ((i as u64 * 31 + seed * 7) % 41) as f32 / 41.0);
            Tensor::from_vec(values.collect(), shape, &device).unwrap()
        };
        let (w, b) = (tensor(&[8, 8], 1), tensor(&[8], 2));
        let (all, like) = (tensor(&[200, 8], 3), tensor(&[200, 8], 4));
        let loss = |x: &Tensor, y: &Tensor| (x.linear(&w, &b) - y).square().mean(..);
        let (mut sgd, mut turns) = (SGD::new(&[&w, &b]).lr(0.01), SGD::new(&[&w, &b]).lr(0.01));
        // Batches in memory of their own, then rows of one tensor, 256 bytes apart, as far as a plan of a GPU is the same.
        costs_nothing_again(&device, |i| {
            sgd.minimize(&loss(&tensor(&[20, 8], 10 + i as u64), &tensor(&[20, 8], 30 + i as u64))).unwrap();
        });
        costs_nothing_again(&device, |i| {
            let rows = |x: &Tensor| x.narrow(0, 60 + 8 * i, 20).unwrap();
            sgd.minimize(&loss(&rows(&all), &rows(&like))).unwrap();
        });
        // Two losses, each with a smaller batch, by turns.
        let mut by_turns = |i: usize| {
            let n = if i % 4 < 2 { 20 } else { 13 };
            let (x, y) = (tensor(&[n, 8], 50 + i as u64), tensor(&[n, 8], 70 + i as u64));
            let other = (x.linear(&w, &b) - &y).abs().sum(..);
            turns.minimize(&if i.is_multiple_of(2) { loss(&x, &y) } else { other }).unwrap();
        };
        (0..3).for_each(&mut by_turns);
        costs_nothing_again(&device, |i| by_turns(3 + i));
    }
}

#[test]
fn a_batch_is_let_go_of() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        let w = Tensor::zeros([1000], DType::F32, &device).unwrap();
        let mut sgd = SGD::new(&[&w]);
        let mut step = |rows: usize| {
            let x = Tensor::ones([rows, 1000], DType::F32, &device).unwrap();
            sgd.minimize(&(x * &w - 1.0).square().mean(..)).unwrap();
            device.synchronize().unwrap();
            device.memory().used
        };
        let used: Vec<u64> = [2, 300, 2, 300, 2].into_iter().map(&mut step).collect();
        // 300 rows are 1.2 MB: while they are the last batch, they may be held, and no longer.
        assert!(used[1] > used[0] + 1_000_000, "{device}: {used:?}");
        assert!(used[2] < used[0] + 100_000 && used[4] < used[0] + 100_000, "{device}: {used:?}");
    }
}

#[test]
fn a_new_seed_compiles_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        let w = Tensor::zeros([100, 30], DType::F32, &device).unwrap();
        costs_nothing_again(&device, |i| {
            init::kaiming_normal(&w, init::Fan::In, init::Nonlinearity::Relu, (i as u64 + 7) << 20).unwrap();
        });
    }
}

#[test]
fn a_loss_of_hundreds_of_packed_tensors_is_planned_once() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for device in devices::devices() {
        let shapes = [vec![3], vec![2, 5], vec![], vec![4, 1, 3]];
        let tensors: Vec<(String, Tensor)> = (0..300)
            .map(|i| (format!("p{i}"), Tensor::ones(&shapes[i % 4][..], DType::F32, &device).unwrap()))
            .collect();
        let named: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let params = Params::pack(&named).unwrap();
        let terms = params.iter().map(|(_, w)| w.square().sum(..));
        let loss = terms.reduce(|a, b| a + b).unwrap();
        let mut sgd = SGD::new(&params).lr(0.25);
        costs_nothing_again(&device, |_| drop(sgd.minimize(&loss).unwrap()));
        let half_ten_times = 0.5_f32.powi(10);
        assert!(
            params.iter().all(|(_, w)| w.to_vec::<f32>().unwrap().iter().all(|&w| w == half_ten_times)),
            "{device}"
        );
    }
}
