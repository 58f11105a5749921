//! What a step tells: its loss, its norm, whether its gradients are finite; and what is done where they are not.

mod devices;

use hadamard::optim::{Adam, AdamW, LossScale, Optimizer, Rule, SGD};
use hadamard::{DType, Device, Expr, Params, Tensor, einsum};

const NAN: f32 = f32::NAN;

fn tensor(values: &[f32], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect()
}

fn all_bits<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<Vec<u32>> {
    tensors.into_iter().map(bits).collect()
}

/// A weight, a bias and a number, and a loss of all three.
fn model(device: &Device) -> ([Tensor; 3], impl Fn(&[&Tensor]) -> Expr) {
    let weight: Vec<f32> = (0..6).map(|i| (i as f32).cos()).collect();
    let weight = Tensor::from_slice(&weight, [2, 3], device).unwrap();
    let x: Vec<f32> = (0..12).map(|i| (i as f32 * 0.7).sin()).collect();
    let x = Tensor::from_slice(&x, [4, 3], device).unwrap();
    let scale = Tensor::full([], 0.75_f32, device).unwrap();
    let loss = move |w: &[&Tensor]| {
        let y = einsum("bi,oi->bo", &[&x, w[0]]) + w[1];
        (w[2] * y.tanh() - 0.25).square().mean(..)
    };
    ([weight, tensor(&[0.1, -0.1], device), scale], loss)
}

fn pack(tensors: &[Tensor]) -> Params {
    Params::pack(&["weight", "bias", "scale"].into_iter().zip(tensors).collect::<Vec<_>>()).unwrap()
}

#[test]
fn minimizing_returns_the_loss_of_before() {
    for device in devices::devices() {
        let (single, loss) = model(&device);
        let packed = pack(&single);
        let of_single = loss(&single.each_ref());
        let of_packed = loss(&packed.iter().map(|(_, w)| w).collect::<Vec<_>>());
        let mut alone = Adam::new(&single[..]).lr(0.1).clip_grad_norm(0.5);
        let mut together = Adam::new(&packed).lr(0.1).clip_grad_norm(0.5);
        let mut told = Vec::new();
        for _ in 0..5 {
            let before = of_single.eval().unwrap().item::<f32>().unwrap();
            told.push((before, alone.minimize(&of_single).unwrap(), together.minimize(&of_packed).unwrap()));
        }
        // Each step's is a tensor of its own.
        for (before, a, b) in &told {
            assert!((a.item::<f32>().unwrap() - before).abs() <= 1e-6 * before.abs(), "{device}: {a} after {before}");
            assert_eq!(bits(a), bits(b), "{device}");
        }
        assert!(told[4].0 < told[0].0, "{device}");
        // Without reductions, in f16, with all frozen, of one element and rank 1.
        let w = tensor(&[2.0, 3.0], &device);
        let loss = w.square().sum(..).cast(DType::F16).reshape([1]);
        let mut sgd = SGD::new(&w).lr(0.25);
        let value = sgd.minimize(&loss).unwrap();
        assert_eq!((value.dtype(), value.shape().to_vec()), (DType::F16, vec![1]), "{device}");
        assert_eq!(value.to_dtype(DType::F32).unwrap().item::<f32>().unwrap(), 13.0, "{device}");
        assert_eq!(w.to_vec::<f32>().unwrap(), [1.0, 1.5], "{device}");
        sgd.descend(&loss).unwrap();
        assert_eq!(w.to_vec::<f32>().unwrap(), [0.5, 0.75], "{device}");
        sgd.freeze(true, |_| true);
        assert_eq!(sgd.minimize(&loss).unwrap().to_dtype(DType::F32).unwrap().item::<f32>().unwrap(), 0.8125);
        // Gradients that read each other's parameters.
        let (a, b) = (tensor(&[1.0, 2.0], &device), tensor(&[10.0, 20.0], &device));
        let loss = (&a * &b).sum(..);
        let value = SGD::new(&[&a, &b]).lr(1.0).minimize(&loss).unwrap();
        assert_eq!(value.item::<f32>().unwrap(), 50.0, "{device}");
        assert_eq!((a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap()), (vec![-9.0, -18.0], vec![9.0, 18.0]));
    }
}

#[test]
fn a_clip_tells_the_norm_it_found() {
    for device in devices::devices() {
        let zeros = || [1, 2].map(|n| Tensor::zeros([n], DType::F32, &device).unwrap());
        let grads = [tensor(&[2.0], &device), tensor(&[3.0, 6.0], &device)];
        let single = zeros();
        let packed = Params::pack(&[("a", &single[0]), ("b", &single[1])]).unwrap();
        let mut alone = SGD::new(&single[..]).clip_grad_norm(f64::INFINITY);
        let mut together = SGD::new(&packed).grad_hook(|g| 2.0 * g).clip_grad_norm(1.0);
        assert!(alone.grad_norm().is_none());
        alone.step(&grads).unwrap();
        together.step(&grads).unwrap();
        assert_eq!(alone.grad_norm().unwrap().item::<f32>().unwrap(), 7.0, "{device}");
        assert_eq!(together.grad_norm().unwrap().item::<f32>().unwrap(), 14.0, "{device}");
        assert!(SGD::new(&single[..]).grad_norm().is_none());
    }
}

#[test]
fn a_step_that_is_not_finite_is_an_error_on_request() {
    for device in devices::devices() {
        let (w, b) = (tensor(&[1.0, -2.0, 3.0], &device), tensor(&[0.5], &device));
        let packed = Params::pack(&[("w", &w), ("b", &b)]).unwrap();
        let mut adam = Adam::new(&packed).lr(0.1).clip_grad_norm(1.0).error_if_nonfinite(true);
        let (good, bad) = ([tensor(&[0.1, 0.2, 0.3], &device), tensor(&[1.0], &device)], tensor(&[NAN], &device));
        adam.step(&good).unwrap();
        let before = (all_bits(packed.iter().map(|(_, w)| w)), state_bits(&adam));
        for bad in [&bad, &tensor(&[f32::NEG_INFINITY], &device)] {
            let message = adam.step(&[&good[0], bad]).unwrap_err().to_string();
            assert_eq!(message, "Adam: expected finite gradients, found NaN or infinities", "{device}");
            assert_eq!((all_bits(packed.iter().map(|(_, w)| w)), state_bits(&adam)), before, "{device}");
        }
        adam.step(&good).unwrap();
        assert_ne!(all_bits(packed.iter().map(|(_, w)| w)), before.0, "{device}");
        assert_eq!(adam.skipped().unwrap(), 0);
    }
}

fn state_bits<R: Rule>(optimizer: &Optimizer<R>) -> Vec<(String, Vec<u64>)> {
    let bits = |t: &Tensor| t.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    let state = optimizer.state().unwrap();
    let state = state.into_iter().map(|(name, t)| {
        let t = t.to_device(&Device::cpu()).unwrap();
        (name, bits(&t).iter().map(|x| x.to_bits()).collect())
    });
    state.collect()
}

/// Steps with the good gradients alone are what steps with good and bad ones come to.
#[test]
fn a_step_that_is_not_finite_is_skipped_and_counted() {
    for device in devices::devices() {
        let start = || {
            [tensor(&[1.0, -2.0, 3.0], &device), tensor(&[0.5], &device), Tensor::full([], 2.0_f32, &device).unwrap()]
        };
        let grads = |i: usize| {
            let g = |n: usize| (0..n).map(|j| ((i * 7 + j * 3) % 11) as f32 / 5.0 - 1.0).collect::<Vec<_>>();
            [tensor(&g(3), &device), tensor(&g(1), &device), tensor(&g(1), &device).reshape(()).unwrap()]
        };
        let new = |w: &[Tensor]| SGD::new(w).lr(0.1).momentum(0.9).weight_hook(|w| w.clamp(-2.5, 2.5));
        let (clean, dirty, packed) = (start(), start(), pack(&start()));
        let mut plain = new(&clean);
        let mut skipping = new(&dirty).skip_nonfinite(true);
        let mut together =
            SGD::new(&packed).lr(0.1).momentum(0.9).weight_hook(|w| w.clamp(-2.5, 2.5)).skip_nonfinite(true);
        for i in 0..6 {
            if i % 2 == 1 {
                let mut bad = grads(i);
                bad[i / 2] = (&bad[i / 2] * [NAN, f32::INFINITY, f32::NEG_INFINITY][i / 2]).eval().unwrap();
                skipping.step(&bad).unwrap();
                together.step(&bad).unwrap();
            } else {
                let good = grads(i);
                plain.step(&good).unwrap();
                skipping.step(&good).unwrap();
                together.step(&good).unwrap();
            }
            assert_eq!(all_bits(&clean), all_bits(&dirty), "{device}: {i}");
            assert_eq!(all_bits(&clean), all_bits(packed.iter().map(|(_, w)| w)), "{device}: {i}");
        }
        assert_eq!((plain.skipped().unwrap(), skipping.skipped().unwrap(), together.skipped().unwrap()), (0, 3, 3));
        // A loss that overflows, with a norm of all: nothing moves, states neither.
        let w = tensor(&[1e20, 1.0], &device);
        let mut adam = AdamW::new(&w).lr(0.1).clip_grad_norm(1.0).skip_nonfinite(true);
        let before = bits(&w);
        adam.minimize(&(w.square().square()).sum(..)).unwrap();
        assert_eq!((bits(&w), adam.skipped().unwrap()), (before, 1), "{device}");
        let states = adam.state().unwrap();
        assert!(
            states.iter().filter(|(name, _)| name.contains("exp")).all(|(_, s)| s.to_vec::<f32>().unwrap() == [0.0; 2])
        );
    }
}

#[test]
fn a_power_of_two_as_scale_changes_no_bit() {
    for device in devices::devices() {
        let (single, loss) = model(&device);
        let (a, b) = (pack(&single), pack(&single));
        let [of_a, of_b] = [&a, &b].map(|params| loss(&params.iter().map(|(_, w)| w).collect::<Vec<_>>()));
        let mut plain = Adam::new(&a).lr(0.1).clip_grad_norm(0.1);
        let mut scaled = Adam::new(&b).lr(0.1).clip_grad_norm(0.1).loss_scale(LossScale::new().growth_interval(2));
        for _ in 0..5 {
            let (told, of_scaled) = (plain.minimize(&of_a).unwrap(), scaled.minimize(&of_b).unwrap());
            assert_eq!(bits(&told), bits(&of_scaled), "{device}");
        }
        assert_eq!(bits(a.flat()), bits(b.flat()), "{device}");
        assert_eq!(scaled.loss_scale_now().unwrap().unwrap().item::<f32>().unwrap(), 65_536.0 * 4.0, "{device}");
        assert!(plain.loss_scale_now().unwrap().is_none());
        // It goes on from a state as it was.
        let state = scaled.state().unwrap();
        let mut again = Adam::new(&b).lr(0.1).loss_scale(LossScale::new().growth_interval(2));
        again.load_state(&state).unwrap();
        again.minimize(&of_b).unwrap();
        assert_eq!(again.loss_scale_now().unwrap().unwrap().item::<f32>().unwrap(), 65_536.0 * 8.0, "{device}");
        let message = again.load_state(&plain.state().unwrap()).unwrap_err().to_string();
        assert!(message.contains("'loss_scale.scale'"), "{message}");
        assert!(plain.load_state(&state).unwrap_err().to_string().contains("'loss_scale.scale'"));
    }
}

#[cfg(feature = "io")]
#[test]
fn scales_are_pytorchs() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schedules.json");
    let all: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let rows = all["scales"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for device in devices::devices() {
        for row in rows {
            let o = &row["options"];
            let mut scale = LossScale::new()
                .init_scale(o["init_scale"].as_f64().unwrap())
                .growth_interval(o["growth_interval"].as_u64().unwrap() as u32);
            if let (Some(growth), Some(backoff)) = (o["growth_factor"].as_f64(), o["backoff_factor"].as_f64()) {
                scale = scale.growth_factor(growth).backoff_factor(backoff);
            }
            let w = tensor(&[1.0], &device);
            let mut sgd = SGD::new(&w).loss_scale(scale);
            let finite = row["finite"].as_array().unwrap();
            for (at, (finite, want)) in finite.iter().zip(row["scales"].as_array().unwrap()).enumerate() {
                let grad = tensor(&[if finite.as_bool().unwrap() { 0.0 } else { f32::INFINITY }], &device);
                sgd.step(&[&grad]).unwrap();
                let got = sgd.loss_scale_now().unwrap().unwrap().item::<f32>().unwrap();
                assert_eq!(f64::from(got), want.as_f64().unwrap(), "{device}: {o} after {at}");
            }
        }
    }
}

#[test]
fn scales_that_cannot_be_are_refused() {
    let w = tensor(&[1.0], &Device::cpu());
    for scale in [
        LossScale::new().init_scale(0.0),
        LossScale::new().growth_factor(1.0),
        LossScale::new().backoff_factor(1.0),
        LossScale::new().growth_interval(0),
    ] {
        let message = SGD::new(&w).loss_scale(scale).step(&[&w]).unwrap_err().to_string();
        assert!(message.starts_with("LossScale: expected a"), "{message}");
    }
}
