//! Losses built anew for each batch: to the bit what they would be if all were derived each time, whatever they share.

mod devices;

use hadamard::optim::{Adam, LossScale, Optimizer, Rule, SGD};
use hadamard::{DType, Device, Expr, Params, Tensor, random};

fn normal(shape: &[usize], seed: u64, device: &Device) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, DType::F32, seed, device).unwrap()
}

/// Weights of two layers and a batch for them.
struct Model {
    device: Device,
    parameters: [Tensor; 4],
}

impl Model {
    fn new(device: &Device) -> Self {
        let normal = |shape: &[usize], seed| normal(shape, seed, device);
        let parameters = [normal(&[5, 3], 1), normal(&[5], 2), normal(&[2, 5], 3), normal(&[2], 4)];
        Self { device: device.clone(), parameters }
    }

    /// `n` samples.
    fn batch(&self, n: usize, seed: u64) -> (Tensor, Tensor) {
        (normal(&[n, 3], 100 + seed, &self.device), normal(&[n, 2], 200 + seed, &self.device))
    }

    fn forward(&self, x: &Tensor) -> Expr {
        let [w1, b1, w2, b2] = &self.parameters;
        x.linear(w1, b1).tanh().linear(w2, b2)
    }

    fn loss(&self, (x, y): &(Tensor, Tensor)) -> Expr {
        (self.forward(x) - y).square().mean(..)
    }

    fn bits(&self) -> Vec<u32> {
        self.parameters.iter().flat_map(|w| w.to_vec::<f32>().unwrap()).map(f32::to_bits).collect()
    }
}

/// What weights and losses are after a loss for each step; `forget` has each derived as if it were the first.
fn trained<R: Rule>(
    device: &Device,
    new: impl Fn(&Model) -> Optimizer<R>,
    losses: &dyn Fn(&Model, usize) -> Expr,
    steps: usize,
    forget: bool,
) -> (Vec<u32>, Vec<u32>) {
    let model = Model::new(device);
    let mut optimizer = new(&model);
    let mut told = Vec::new();
    for step in 0..steps {
        if forget {
            optimizer.freeze(false, |_| false);
        }
        let loss = optimizer.minimize(&losses(&model, step)).unwrap();
        told.push(loss.item::<f32>().unwrap().to_bits());
    }
    (model.bits(), told)
}

/// Holds a loss for each step against itself, derived anew for each.
fn same_as_derived(what: &str, losses: &dyn Fn(&Model, usize) -> Expr) {
    for device in devices::devices() {
        let adam = |model: &Model| Adam::new(&model.parameters).lr(0.05);
        let clipped = |model: &Model| SGD::new(&model.parameters).lr(0.1).momentum(0.9).clip_grad_norm(0.5);
        let [kept, derived] = [false, true].map(|forget| trained(&device, adam, losses, 9, forget));
        assert_eq!(kept, derived, "{what}, Adam, {device}");
        let [kept, derived] = [false, true].map(|forget| trained(&device, clipped, losses, 9, forget));
        assert_eq!(kept, derived, "{what}, clipped, {device}");
    }
}

#[test]
fn a_new_batch_each_step() {
    same_as_derived("new batches", &|model, step| model.loss(&model.batch(7, step as u64)));
}

#[test]
fn a_loss_built_anew_is_one_built_once() {
    for device in devices::devices() {
        let new = |model: &Model| Adam::new(&model.parameters).lr(0.05);
        let anew = trained(&device, new, &|model, step| model.loss(&model.batch(7, step as u64)), 6, false);
        // Batches copied into the tensors that one loss reads.
        let model = Model::new(&device);
        let room = model.batch(7, 0);
        let loss = model.loss(&room);
        let mut adam = new(&model);
        let mut told = Vec::new();
        for step in 0..6 {
            let (x, y) = model.batch(7, step);
            room.0.assign(&x).unwrap();
            room.1.assign(&y).unwrap();
            told.push(adam.minimize(&loss).unwrap().item::<f32>().unwrap().to_bits());
        }
        assert_eq!(anew, (model.bits(), told), "{device}");
    }
}

#[test]
fn losses_by_turns_and_a_smaller_last_batch() {
    same_as_derived("by turns", &|model, step| {
        let n = if step % 4 == 3 { 5 } else { 7 };
        let (x, y) = model.batch(n, step as u64);
        match step % 2 {
            0 => model.loss(&(x, y)),
            _ => (model.forward(&x) - y).abs().sum(..),
        }
    });
    // More forms than are kept.
    same_as_derived("many forms", &|model, step| model.loss(&model.batch(2 + step % 6, step as u64)));
}

#[test]
fn rows_of_a_tensor_wherever_they_begin() {
    same_as_derived("rows", &|model, step| {
        let (x, y) = model.batch(40, 0);
        let at = [0, 7, 14, 3, 33, 0, 21, 1, 28][step];
        model.loss(&(x.narrow(0, at, 7).unwrap(), y.narrow(0, at, 7).unwrap()))
    });
    // Two views of one memory, at distances of each other that change.
    same_as_derived("two views", &|model, step| {
        let (x, y) = model.batch(40, 0);
        let rows = |at: usize| x.narrow(0, at, 7).unwrap();
        let (a, b) = [(0, 7), (10, 17), (7, 0), (3, 3), (0, 7), (17, 10), (5, 6), (12, 13), (1, 1)][step];
        (model.forward(&rows(a)) - model.forward(&rows(b)) + y.narrow(0, a, 7).unwrap()).square().sum(..)
    });
}

#[test]
fn tensors_that_are_one_or_two() {
    same_as_derived("aliases", &|model, step| {
        let (x, _) = model.batch(7, step as u64);
        let (other, _) = model.batch(7, step as u64 + 50);
        // The same, a copy, another, a view in another order.
        let second = match step % 4 {
            0 => x.clone(),
            1 => Expr::from(&x).eval().unwrap(),
            2 => other,
            _ => x.flip(0).unwrap(),
        };
        (model.forward(&x) * model.forward(&second) - 1.0).square().mean(..)
    });
}

#[test]
fn a_parameter_where_a_batch_was() {
    same_as_derived("parameters", &|model, step| {
        let like = normal(&[5, 3], 300 + step as u64, &model.device);
        let [w, ..] = &model.parameters;
        let second = if step % 3 == 1 { w } else { &like };
        (w * second - 1.0).square().sum(..) + model.loss(&model.batch(7, step as u64))
    });
}

#[test]
fn strides_dtypes_and_numbers_are_of_the_form() {
    same_as_derived("strides", &|model, step| {
        let (x, y) = model.batch(7, step as u64);
        let turned = x.transpose(0, 1).unwrap().contiguous().unwrap().transpose(0, 1).unwrap();
        model.loss(&(if step % 2 == 0 { x } else { turned }, y))
    });
    same_as_derived("dtypes", &|model, step| {
        let (x, y) = model.batch(7, step as u64);
        let y = if step % 2 == 0 { y } else { y.to_dtype(DType::F16).unwrap() };
        model.loss(&(x, y))
    });
    // Some that simplify.
    same_as_derived("numbers", &|model, step| {
        let number = [1.0, 0.0, 0.5, 2.0, 1.0, -1.0, 0.25, 1.0, 0.0][step];
        model.loss(&model.batch(7, step as u64)) * (number + 1.0) + model.parameters[0].square().sum(..) * number
    });
}

#[test]
fn what_is_shared_inside_is_of_the_form() {
    same_as_derived("sharing", &|model, step| {
        let (x, y) = model.batch(7, step as u64);
        let y1 = model.forward(&x);
        let y2 = if step % 2 == 0 { y1.clone() } else { model.forward(&x) };
        (y1 * y2 - y).square().mean(..)
    });
}

#[test]
fn seeds_are_no_part_of_the_form() {
    same_as_derived("seeds", &|model, step| {
        let (x, y) = model.batch(7, step as u64);
        // Seeds of 64 bits, and equal words.
        let seed = [1, 2, 1 << 40, u64::MAX, 0, 5, 5 << 32 | 5, 1, 3_000_000_000][step];
        let mask = random::bernoulli([7, 2], 0.5, seed);
        ((model.forward(&x) - y) * mask).square().mean(..)
    });
    for device in devices::devices() {
        let model = Model::new(&device);
        let (x, y) = model.batch(7, 0);
        let masked = |seed: u64| ((model.forward(&x) - &y) * random::bernoulli([7, 2], 0.5, seed)).square().sum(..);
        let mut sgd = SGD::new(&model.parameters).lr(0.0);
        let told: Vec<f32> = (0..5).map(|seed| sgd.minimize(&masked(seed)).unwrap().item().unwrap()).collect();
        let want: Vec<f32> = (0..5).map(|seed| masked(seed).item().unwrap()).collect();
        assert_eq!(told, want, "{device}");
        assert_ne!(told[0], told[1], "{device}");
    }
}

#[test]
fn indices_packed_parameters_and_guards() {
    for device in devices::devices() {
        let run = |forget: bool| {
            let model = Model::new(&device);
            let named: Vec<(&str, &Tensor)> = ["a", "b", "c", "d"].into_iter().zip(&model.parameters).collect();
            let params = Params::pack(&named).unwrap();
            let model = Model {
                device: device.clone(),
                parameters: ["a", "b", "c", "d"].map(|name| params.get(name).unwrap().clone()),
            };
            let (x, y) = model.batch(40, 0);
            let mut adam = Adam::new(&params)
                .lr(0.05)
                .grad_hook(|g| g / (g.norm(2, ..) + 1.0))
                .skip_nonfinite(true)
                .loss_scale(LossScale::new());
            for step in 0..8 {
                if forget {
                    adam.freeze(false, |_| false);
                }
                let chosen = random::uniform([7], DType::F32, step).eval_on(&device).unwrap();
                let chosen = (chosen * 40.0).cast(DType::I64).eval().unwrap();
                let bad = if step == 3 { f64::INFINITY } else { 1.0 };
                let bad = Tensor::full([], bad as f32, &device).unwrap();
                let loss = (x.index(0, &chosen).linear(&model.parameters[0], &model.parameters[1]).tanh())
                    .linear(&model.parameters[2], &model.parameters[3])
                    - y.index(0, &chosen);
                adam.minimize(&(loss.square().mean(..) * bad)).unwrap();
            }
            assert_eq!(adam.skipped().unwrap(), 1, "{device}");
            model.bits()
        };
        assert_eq!(run(false), run(true), "{device}");
    }
}

#[test]
fn what_a_hook_and_the_optimizer_read() {
    for device in devices::devices() {
        let run = |forget: bool| {
            let model = Model::new(&device);
            let first = normal(&[5, 3], 60, &device);
            let mask = first.clone();
            let [w, ..] = &model.parameters;
            let mut adam = Adam::new(w).lr(0.1).grad_hook(move |g| g * &mask);
            for step in 0..8 {
                if forget {
                    adam.freeze(false, |_| false);
                }
                let state = adam.state().unwrap();
                // What the hook reads, too; another; a state of the optimizer; the loss before.
                let x = match step % 4 {
                    0 => first.clone(),
                    1 | 2 => normal(&[5, 3], 70 + step, &device),
                    _ => state[0].1.clone(),
                };
                adam.descend(&(w * x - 1.0).square().sum(..)).unwrap();
            }
            w.to_vec::<f32>().unwrap()
        };
        assert_eq!(run(false), run(true), "{device}");
    }
}

#[test]
fn gradients_built_anew() {
    for device in devices::devices() {
        let run = |forget: bool| {
            let model = Model::new(&device);
            let mut adam = Adam::new(&model.parameters).lr(0.05);
            for step in 0..8 {
                if forget {
                    adam.freeze(false, |_| false);
                }
                let batch = model.batch(if step == 5 { 3 } else { 7 }, step);
                let parameters: Vec<&Tensor> = model.parameters.iter().collect();
                let grads = model.loss(&batch).grad(&parameters).unwrap();
                if step % 2 == 0 {
                    adam.step(&grads).unwrap();
                } else {
                    let grads: Vec<Tensor> = grads.iter().map(|grad| grad.eval().unwrap()).collect();
                    adam.step(&grads).unwrap();
                }
            }
            model.bits()
        };
        assert_eq!(run(false), run(true), "{device}");
    }
}

#[test]
fn a_tensor_of_another_device_is_an_error() {
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        let model = Model::new(&device);
        let mut sgd = SGD::new(&model.parameters);
        sgd.minimize(&model.loss(&model.batch(7, 0))).unwrap();
        let before = model.bits();
        let (x, y) = model.batch(7, 1);
        let elsewhere = y.to_device(&Device::cpu()).unwrap();
        let error = sgd.minimize(&model.loss(&(x, elsewhere))).unwrap_err();
        assert!(matches!(error, hadamard::Error::DeviceMismatch { .. }), "{error}");
        assert_eq!(model.bits(), before, "{device}");
    }
}
