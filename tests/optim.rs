//! Optimizers: trajectories against PyTorch's, hooks, groups, and what a step costs.
#![cfg(feature = "io")]

mod devices;

use std::path::Path;

use devices::{failures_on_each, note};
use hadamard::optim::{
    ASGD, Adadelta, Adagrad, Adam, AdamW, Adamax, AnyOptimizer, Lion, NAdam, Optimizer, RAdam, RMSprop, Rprop, Rule,
    SGD, schedule,
};
use hadamard::{DType, Device, Error, Expr, Params, ScalarCell, Tensor, einsum, read_safetensors};
use serde_json::Value;

/// The options of a row, each of which must be taken up by somebody.
struct Options<'a> {
    row: &'a Value,
    left: Vec<String>,
}

impl Options<'_> {
    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.left.iter().position(|left| left == name)?;
        self.left.remove(at);
        Some(self.row["options"][name].clone())
    }

    fn number(&mut self, name: &str, default: f64) -> f64 {
        self.take(name).map_or(default, |value| value.as_f64().unwrap())
    }

    fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some_and(|value| value.as_bool().unwrap())
    }

    fn betas(&mut self) -> (f64, f64) {
        let [a, b] = [0, 1].map(|i| self.row["options"]["betas"][i].as_f64());
        self.take("betas");
        (a.unwrap_or(0.9), b.unwrap_or(0.999))
    }
}

fn optimizer(row: &Value, params: &[Tensor]) -> AnyOptimizer {
    let left = row["options"].as_object().unwrap().keys().cloned().collect();
    let mut o = Options { row, left };
    let lr = o.take("lr").unwrap().as_f64().unwrap();
    let maximize = o.flag("maximize");
    let made: AnyOptimizer = match row["optimizer"].as_str().unwrap() {
        "SGD" => SGD::new(params)
            .lr(lr)
            .momentum(o.number("momentum", 0.0))
            .dampening(o.number("dampening", 0.0))
            .weight_decay(o.number("weight_decay", 0.0))
            .nesterov(o.flag("nesterov"))
            .maximize(maximize)
            .any(),
        "Adam" => Adam::new(params)
            .lr(lr)
            .betas(o.betas())
            .eps(o.number("eps", 1e-8))
            .weight_decay(o.number("weight_decay", 0.0))
            .amsgrad(o.flag("amsgrad"))
            .any(),
        "AdamW" => AdamW::new(params).lr(lr).weight_decay(o.number("weight_decay", 0.01)).any(),
        "NAdam" => NAdam::new(params).lr(lr).any(),
        "RAdam" => RAdam::new(params).lr(lr).any(),
        "Adamax" => Adamax::new(params).lr(lr).any(),
        "RMSprop" => RMSprop::new(params).lr(lr).momentum(o.number("momentum", 0.0)).centered(o.flag("centered")).any(),
        "Adagrad" => Adagrad::new(params)
            .lr(lr)
            .lr_decay(o.number("lr_decay", 0.0))
            .weight_decay(o.number("weight_decay", 0.0))
            .any(),
        "Adadelta" => Adadelta::new(params).lr(lr).any(),
        "Rprop" => Rprop::new(params).lr(lr).any(),
        "ASGD" => ASGD::new(params).lr(lr).any(),
        other => panic!("{other}"),
    };
    assert!(o.left.is_empty(), "options not taken up: {:?} of {row}", o.left);
    made
}

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn rows() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(golden("optimizers.json")).unwrap()).unwrap()
}

/// Compares trajectories with PyTorch's. `start` makes tensors that are to be changed from those of the file.
fn follow(device: &Device, rows: &[Value], start: impl Fn(&Tensor) -> Tensor) -> Vec<String> {
    let file = read_safetensors(golden("optimizers.safetensors"), device).unwrap();
    let find = |name: String| &file.iter().find(|(found, _)| *found == name).unwrap().1;
    let mut failures = Vec::new();
    for row in rows {
        let id = &row["id"];
        let count = row["shapes"].as_array().unwrap().len();
        let params: Vec<Tensor> = (0..count).map(|j| start(find(format!("{id}.init.{j}")))).collect();
        let mut optimizer = optimizer(row, &params);
        let checked: Vec<u64> = row["steps"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let [atol, rtol] = [0, 1].map(|i| row["tol"][i].as_f64().unwrap());
        for t in 1..=*checked.last().unwrap() {
            let grads: Vec<Tensor> = (0..count).map(|j| find(format!("{id}.grad{t}.{j}")).clone()).collect();
            if let Err(error) = optimizer.step(&grads) {
                failures.push(format!("{device}: {row}: {error}"));
                break;
            }
            for (j, param) in params.iter().enumerate().filter(|_| checked.contains(&t)) {
                let got = param.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).unwrap();
                let got = got.to_vec::<f64>().unwrap();
                let want = find(format!("{id}.after{t}.{j}")).to_vec::<f32>().unwrap();
                let far = |(got, want): &(&f64, &f32)| {
                    let want = f64::from(**want);
                    got.is_nan() || (*got - want).abs() > atol + rtol * want.abs()
                };
                if let Some((got, want)) = got.iter().zip(&want).find(far) {
                    let (name, options) = (&row["optimizer"], &row["options"]);
                    failures.push(format!("{device}: {name} {options} after {t}: {got} instead of {want}"));
                }
            }
        }
    }
    failures
}

#[test]
fn trajectories_are_pytorchs() {
    let rows = rows();
    assert_eq!(rows.len(), 20);
    let failures = failures_on_each(|device| {
        note(&format!("{device}: {} trajectories", rows.len()));
        follow(device, &rows, |init| (Expr::from(init) + 0.0).eval().unwrap())
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// In f64 the only error left is that the stored answers are rounded to f32; and that PyTorch keeps NAdam's product of
/// `μ` and ASGD's `η` in f32.
#[test]
fn trajectories_in_f64_are_pytorchs() {
    let mut rows = rows();
    for row in &mut rows {
        let in_f32 = row["optimizer"] == "NAdam" || row["optimizer"] == "ASGD";
        row["tol"] = serde_json::json!([if in_f32 { 1e-8 } else { 1e-12 }, 6e-8]);
    }
    let failures = follow(&Device::cpu(), &rows, |init| init.to_dtype(DType::F64).unwrap());
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn lion_is_its_papers() {
    // Algorithm 2 of Chen et al., 2023, in f64.
    let (beta1, beta2, lr, decay) = (0.9, 0.99, 0.01, 0.1);
    for device in devices::devices() {
        let init: Vec<f32> = (0..37).map(|i| (i as f32 - 18.0) / 7.0).collect();
        let w = Tensor::from_slice(&init, [37], &device).unwrap();
        let mut lion = Lion::new(&[&w]).lr(lr).weight_decay(decay);
        let mut want: Vec<(f64, f64)> = init.iter().map(|&w| (f64::from(w), 0.0)).collect();
        for t in 0..25 {
            let g: Vec<f32> = (0..37).map(|i| ((i * 31 + t * 17) % 41) as f32 / 20.0 - 1.03).collect();
            lion.step(&[&Tensor::from_slice(&g, [37], &device).unwrap()]).unwrap();
            for ((w, m), g) in want.iter_mut().zip(&g) {
                let g = f64::from(*g);
                let c = beta1 * *m + (1.0 - beta1) * g;
                *w -= lr * (c.signum() + decay * *w);
                *m = beta2 * *m + (1.0 - beta2) * g;
            }
        }
        let close = |(got, (want, _)): (f32, &(f64, f64))| (f64::from(got) - want).abs() <= 2e-5 * (1.0 + want.abs());
        assert!(w.to_vec::<f32>().unwrap().into_iter().zip(&want).all(close), "{device}");
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().unwrap()
}

fn tensor(values: &[f32], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

#[test]
fn hooks_change_gradients_and_weights() {
    for device in devices::devices() {
        let w = tensor(&[1.0, 2.0, 3.0, 4.0], &device);
        let g = tensor(&[10.0, -10.0, 0.25, 0.5], &device);
        let mask = Tensor::from_slice(&[true, true, false, true], [4], &device).unwrap();
        let mut sgd = SGD::new(&[&w])
            .lr(1.0)
            .grad_hook(|g| g.clamp(-1.0, 1.0))
            .grad_hook(|g| g * 2.0)
            .weight_hook(move |w| w * &mask)
            .weight_hook(|w| w.clamp(-3.5, 3.5));
        sgd.step(&[&g]).unwrap();
        assert_eq!(values(&w), [-1.0, 3.5, 0.0, 3.0], "{device}");
        // L1, as a term of the gradient that reads the weight.
        let w = tensor(&[1.0, -2.0, 0.0], &device);
        let l1 = w.clone();
        let mut sgd = SGD::new(&[&w]).lr(0.5).grad_hook(move |g| g + 0.5 * l1.sign());
        sgd.step(&[0.0 * &w]).unwrap();
        assert_eq!(values(&w), [0.75, -1.75, 0.0], "{device}");
    }
}

#[test]
fn gradients_are_clipped_by_their_norm_together() {
    for device in devices::devices() {
        let (a, b) = (tensor(&[0.0, 0.0], &device), tensor(&[0.0], &device));
        let (ga, gb) = (tensor(&[2.0, 3.0], &device), tensor(&[6.0], &device));
        let mut sgd = SGD::new(&[&a, &b]).lr(1.0).clip_grad_norm(3.5);
        sgd.step(&[&ga, &gb]).unwrap();
        // The norm is 7; PyTorch adds 1e-6 to it.
        let close = |got: f32, want: f64| (f64::from(got) - want).abs() < 1e-6;
        let factor = 3.5 / (7.0 + 1e-6);
        assert!(close(values(&a)[0], -2.0 * factor) && close(values(&a)[1], -3.0 * factor), "{device}");
        assert!(close(values(&b)[0], -6.0 * factor), "{device}");
        // Below the norm nothing changes.
        let (a, b) = (tensor(&[0.0, 0.0], &device), tensor(&[0.0], &device));
        SGD::new(&[&a, &b]).lr(1.0).clip_grad_norm(7.5).step(&[&ga, &gb]).unwrap();
        assert_eq!((values(&a), values(&b)), (vec![-2.0, -3.0], vec![-6.0]), "{device}");
        // f16 gradients whose squares f16 cannot hold.
        let h = Tensor::zeros([2], DType::F16, &device).unwrap();
        let g = tensor(&[3000.0, 4000.0], &device).to_dtype(DType::F16).unwrap();
        SGD::new(&[&h]).lr(1.0).clip_grad_norm(5.0).step(&[&g]).unwrap();
        assert_eq!(values(&h.to_dtype(DType::F32).unwrap()), [-3.0, -4.0], "{device}");
    }
}

#[test]
fn every_gradient_sees_the_old_parameters() {
    for device in devices::devices() {
        // Two parameters, each the other's gradient; of unequal shapes, so that they are two updates.
        let (a, b) = (tensor(&[1.0, 2.0], &device), tensor(&[10.0], &device));
        let mut sgd = SGD::new(&[&a, &b]).lr(1.0);
        let grads = [&a * 0.0 + &b, a.sum(..).reshape([1])];
        sgd.step(&grads).unwrap();
        assert_eq!((values(&a), values(&b)), (vec![-9.0, -8.0], vec![7.0]), "{device}");
        sgd.step(&grads).unwrap();
        assert_eq!((values(&a), values(&b)), (vec![-16.0, -15.0], vec![24.0]), "{device}");
        // A gradient that reads other elements of its own parameter.
        let w = tensor(&[1.0, 2.0, 4.0], &device);
        SGD::new(&[&w]).lr(1.0).step(&[w.flip(0).unwrap()]).unwrap();
        assert_eq!(values(&w), [-3.0, 0.0, 3.0], "{device}");
    }
}

#[test]
fn groups_have_their_own_options_and_freezing_stops_some() {
    for device in devices::devices() {
        let (a, b, c) = (tensor(&[1.0], &device), tensor(&[1.0], &device), tensor(&[1.0], &device));
        let mut sgd =
            SGD::new(&[&a, &c]).lr(0.5).group(&[&b]).lr(0.25).maximize(true).group_schedule(|t| 1.0 + t as f64);
        let ones = [&a, &c, &b].map(|x| 0.0 * x + 1.0);
        sgd.step(&ones).unwrap();
        assert_eq!((values(&a)[0], values(&b)[0], values(&c)[0]), (0.5, 1.25, 0.5), "{device}");
        assert_eq!(sgd.learning_rates(), [0.5, 0.5]);
        sgd.freeze(true, |name| name == "1");
        sgd.step(&ones).unwrap();
        assert_eq!((values(&a)[0], values(&b)[0], values(&c)[0]), (0.0, 1.75, 0.5), "{device}");
        sgd.freeze(false, |_| true);
        sgd.step(&ones).unwrap();
        assert_eq!((values(&a)[0], values(&b)[0], values(&c)[0]), (-0.5, 2.5, 0.0), "{device}");
    }
}

#[test]
fn a_schedule_is_a_factor_of_the_learning_rate() {
    let w = tensor(&[0.0], &Device::cpu());
    let mut sgd = SGD::new(&[&w]).lr(1.0).schedule(schedule::step(2, 0.5));
    let seen: Vec<f32> = (0..5)
        .map(|_| {
            w.fill(0.0).unwrap();
            sgd.step(&[0.0 * &w - 1.0]).unwrap();
            values(&w)[0]
        })
        .collect();
    assert_eq!(seen, [1.0, 1.0, 0.5, 0.5, 0.25]);
}

#[test]
fn an_optimizer_of_any_rule_keeps_its_groups_hooks_and_schedules() {
    fn made([w, b]: &[Tensor; 2]) -> SGD {
        SGD::new(&[w])
            .lr(0.5)
            .momentum(0.9)
            .momentum_schedule(|steps| 0.9 - 0.1 * steps as f64)
            .schedule(schedule::step(2, 0.5))
            .grad_hook(|g| g.clamp(-1.0, 1.0))
            .group(&[b])
            .lr(0.25)
            .weight_hook(|w| w.clamp(-0.5, 0.5))
    }
    fn end<R: Rule>(mut optimizer: Optimizer<R>, [w, b]: &[Tensor; 2]) -> [Vec<f32>; 2] {
        for _ in 0..5 {
            optimizer.step(&[3.0 * w, b - 1.0]).unwrap();
        }
        [values(w), values(b)]
    }
    let device = Device::cpu();
    let new = || [tensor(&[1.0, -2.0], &device), tensor(&[0.25, -0.125, 4.0], &device)];
    let (typed, any) = (new(), new());
    let ends = [end(made(&typed), &typed), end(made(&any).any(), &any)];
    assert_eq!(ends[0], ends[1]);
    assert!(ends[0][1].iter().all(|b| b.abs() <= 0.5));
}

#[test]
fn a_parameter_may_be_any_view() {
    for device in devices::devices() {
        let whole = Tensor::zeros([3, 4], DType::F32, &device).unwrap();
        let column = whole.narrow(1, 1, 1).unwrap();
        let turned = whole.transpose(0, 1).unwrap().narrow(0, 2, 2).unwrap();
        for (view, step) in [(&column, 1.0), (&turned, 2.0)] {
            let mut sgd = SGD::new(view).lr(1.0).momentum(0.5);
            for _ in 0..2 {
                sgd.step(&[view * 0.0 - step]).unwrap();
            }
        }
        assert_eq!(values(&whole), [0.0, 2.5, 5.0, 5.0].repeat(3), "{device}");
    }
}

/// What the first step of an optimizer says.
fn refusal<R: Rule>(mut optimizer: Optimizer<R>) -> String {
    let grad = Tensor::zeros([1], DType::F32, &Device::cpu()).unwrap();
    optimizer.step(&[&grad]).expect_err("PyTorch refuses these options").to_string()
}

#[test]
fn options_that_pytorch_refuses_are_refused() {
    let w = Tensor::zeros([1], DType::F32, &Device::cpu()).unwrap();
    let w = &[&w];
    let nan = f64::NAN;
    for message in [
        refusal(SGD::new(w).lr(-1.0)),
        refusal(SGD::new(w).lr(nan)),
        refusal(SGD::new(w).momentum(-0.1)),
        refusal(SGD::new(w).weight_decay(-0.1)),
        refusal(SGD::new(w).nesterov(true)),
        refusal(SGD::new(w).momentum(0.9).dampening(0.1).nesterov(true)),
        refusal(Adam::new(w).lr(-1e-3)),
        refusal(Adam::new(w).eps(-1.0)),
        refusal(Adam::new(w).betas((1.0, 0.9))),
        refusal(Adam::new(w).betas((0.9, -0.1))),
        refusal(AdamW::new(w).weight_decay(nan)),
        refusal(NAdam::new(w).momentum_decay(-1.0)),
        refusal(RAdam::new(w).betas((0.9, 1.0))),
        refusal(Adamax::new(w).eps(-1.0)),
        refusal(RMSprop::new(w).alpha(-0.5)),
        refusal(RMSprop::new(w).momentum(-0.5)),
        refusal(Adagrad::new(w).lr_decay(-1.0)),
        refusal(Adagrad::new(w).initial_accumulator_value(-1.0)),
        refusal(Adadelta::new(w).rho(1.5)),
        refusal(Rprop::new(w).etas((1.5, 1.2))),
        refusal(Rprop::new(w).etas((0.5, 1.0))),
        refusal(ASGD::new(w).weight_decay(-1.0)),
        refusal(Lion::new(w).betas((0.9, 1.1))),
        refusal(SGD::new(w).clip_grad_norm(-1.0)),
    ] {
        assert!(message.contains("expected") && message.contains("found"), "{message}");
    }
    assert_eq!(refusal(Adam::new(w).lr(-1.0)), "Adam: expected an lr of at least 0, found -1.0");
    assert_eq!(refusal(Adam::new(w).lr(-1.0).any()), "Adam: expected an lr of at least 0, found -1.0");
}

#[test]
fn gradients_that_do_not_fit_are_refused() {
    let device = Device::cpu();
    let (a, b) = (tensor(&[1.0, 2.0], &device), tensor(&[3.0], &device));
    let mut sgd = SGD::new(&[&a, &b]).lr(1.0);
    assert_eq!(sgd.step(&[&a]).unwrap_err().to_string(), "SGD: expected 2 gradients, one for each parameter, found 1");
    assert_eq!(
        sgd.step(&[&b, &b]).unwrap_err().to_string(),
        "SGD: expected a gradient of shape [2] for '0', found [1]"
    );
    let mistake = &a + tensor(&[1.0, 2.0, 3.0], &device);
    assert!(matches!(sgd.step(&[mistake, &b + 0.0]), Err(Error::Broadcast { .. })));
    assert_eq!((values(&a), values(&b)), (vec![1.0, 2.0], vec![3.0]), "nothing has changed");
    let ints = Tensor::zeros([1], DType::I32, &device).unwrap();
    assert!(matches!(SGD::new(&[&ints]).step(&[&b]), Err(Error::DType { .. })));
    assert_eq!(
        SGD::new(&[&b, &a, &a.flip(0).unwrap()]).step(&[&b, &a, &a]).unwrap_err().to_string(),
        "SGD: expected parameters with memory of their own, found '1' and '2' that share it \
         (tied weights are one parameter: list it once)"
    );
    let params = Params::pack(&[("a", &a), ("b", &b)]).unwrap();
    let twice = SGD::new(&params).group(params.select(|name| name == "b").unwrap()).step(&[&a, &b, &b]);
    assert!(twice.unwrap_err().to_string().contains("'b' and 'b' that share it"));
}

#[test]
fn a_loss_that_trains_nothing_is_refused() {
    let device = Device::cpu();
    let (a, b) = (tensor(&[1.0, 2.0], &device), tensor(&[3.0], &device));
    let params = Params::pack(&[("a", &a), ("b", &b)]).unwrap();
    let (pa, pb) = (params.get("a").unwrap(), params.get("b").unwrap());
    let before = values(params.flat());
    let mut sgd = SGD::new(&params).lr(0.25);
    let message = sgd.minimize(&(a.square().sum(..) + b.sum(..))).unwrap_err().to_string();
    assert_eq!(
        message,
        "minimize: expected a loss that depends on a parameter of SGD: 'a', 'b', found one that depends on none \
         (Params::pack copies: build the loss of what Params::get returns)"
    );
    // Nor does it depend on what no gradient passes through.
    for loss in [pa.gt(0.0).sum(..) * 1.0, Expr::from(2.0)] {
        assert!(sgd.minimize(&loss).unwrap_err().to_string().contains("depends on none"), "{loss:?}");
    }
    assert_eq!(values(params.flat()), before);
    // One that reads some of them trains those.
    sgd.minimize(&pa.square().sum(..)).unwrap();
    assert_eq!((values(pa), values(pb)), (vec![0.5, 1.0], vec![3.0]));
    // Frozen ones do not count, and where all are frozen nothing is to be trained.
    sgd.freeze(true, |name| name == "a");
    assert!(sgd.minimize(&pa.square().sum(..)).unwrap_err().to_string().contains("of SGD: 'b', found"));
    sgd.freeze(true, |_| true);
    sgd.minimize(&pa.square().sum(..)).unwrap();
    // The mistake a loss carries comes first.
    sgd.freeze(false, |_| true);
    assert!(matches!(sgd.minimize(&(&a + tensor(&[0.0; 3], &device)).sum(..)), Err(Error::Broadcast { .. })));
}

#[test]
fn a_cell_is_read_at_every_evaluation_in_any_dtype() {
    for device in devices::devices() {
        let cell = ScalarCell::new(2.75);
        let x = tensor(&[1.0, 2.0], &device);
        let ints = Tensor::from_slice(&[1, 2], [2], &device).unwrap();
        let exprs = [
            &x * &cell,
            &cell * &x + &cell,
            &ints * &cell,
            Expr::from(&cell).cast(DType::I32) + &ints,
            Expr::from(&cell).cast(DType::Bool).cast(DType::F32) + &x,
            Expr::from(&cell).cast(DType::F16).cast(DType::F32) + &x,
            Expr::from(&cell).cast(DType::U8) + &ints,
            (1.0 - &cell) * &x,
            Expr::select(x.gt(1.5), &cell, -&cell),
            Expr::select(Expr::from(&cell).gt(2.0), &x, 0.0),
            Expr::from(&cell).broadcast_to([2]).sum(..) + &x,
            x.pow(&cell),
            x.clamp(0.0, &cell),
            Expr::from(&cell).mean(..),
        ];
        for value in [2.75, 1.0, 0.0, -3.5, 2.0] {
            cell.set(value);
            for expr in &exprs {
                let want = hadamard::reference::eval(expr).unwrap();
                let comparison = hadamard::reference::compare(&expr.eval().unwrap(), &want).unwrap();
                assert!(comparison.passed(), "{device}: {value}: {expr:?}: {comparison}");
            }
        }
        cell.set(7.9);
        ints.assign(&cell).unwrap();
        assert_eq!(ints.to_vec::<i32>().unwrap(), [7, 7], "{device}");
        let halves = Tensor::zeros([3], DType::F16, &device).unwrap();
        halves.assign(&cell).unwrap();
        assert_eq!(halves.to_vec::<half::f16>().unwrap(), [half::f16::from_f64(7.9); 3], "{device}");
    }
    // In f64 a cell has all its digits.
    let x = Tensor::from_slice(&[1.0_f64], [1], &Device::cpu()).unwrap();
    assert_eq!((&x * ScalarCell::new(0.1)).eval().unwrap().item::<f64>().unwrap(), 0.1);
}

/// The weighted combination of two images: a scalar weight, one for each channel, one for each instance.
#[test]
fn minimizing_finds_the_weights_that_made_the_target() {
    for device in devices::devices() {
        let noise = |seed: usize, n: usize| -> Vec<f32> {
            (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 / 504.5 - 1.0).collect()
        };
        for shape in [vec![], vec![3, 1, 1], vec![5, 1, 1, 1]] {
            let a = Tensor::from_slice(&noise(1, 5 * 3 * 8 * 8), [5, 3, 8, 8], &device).unwrap();
            let b = Tensor::from_slice(&noise(2, 5 * 3 * 8 * 8), [5, 3, 8, 8], &device).unwrap();
            let n = shape.iter().product();
            let truth: Vec<f32> = (0..n).map(|i| 0.3 + 0.1 * i as f32).collect();
            let wanted = Tensor::from_slice(&truth, &shape[..], &device).unwrap();
            let target = (&wanted * &a + (1.0 - &wanted) * &b).eval().unwrap();
            let w = Tensor::zeros(&shape[..], DType::F32, &device).unwrap();
            let loss = (&w * &a + (1.0 - &w) * &b - &target).square().mean(..);
            let mut adam = Adam::new(&[&w]).lr(0.05).schedule(schedule::exponential(0.99));
            for _ in 0..300 {
                adam.minimize(&loss).unwrap();
            }
            let far = values(&w).iter().zip(&truth).any(|(w, t)| (w - t).abs() > 1e-3);
            assert!(!far, "{device}: {w:?} {:?} instead of {truth:?}", values(&w));
        }
    }
}

#[test]
fn regularisers_are_terms_of_the_loss() {
    for device in devices::devices() {
        // The minimum of (w - t)² + 2 λ |w| is t drawn λ towards 0; of (w - t)² + λ w², t / (1 + λ).
        let t = tensor(&[2.0, -1.0, 0.05], &device);
        let lasso = tensor(&[1.0, 1.0, 1.0], &device);
        let loss = (&lasso - &t).square().sum(..) + 2.0 * 0.5 * lasso.abs().sum(..);
        let mut sgd = SGD::new(&[&lasso]).lr(0.1).schedule(schedule::exponential(0.985));
        let ridge = tensor(&[1.0, 1.0, 1.0], &device);
        let other = (&ridge - &t).square().sum(..) + 0.25 * ridge.square().sum(..);
        let mut plain = SGD::new(&[&ridge]).lr(0.05);
        for _ in 0..300 {
            sgd.minimize(&loss).unwrap();
            plain.minimize(&other).unwrap();
        }
        let near = |w: &Tensor, want: [f32; 3]| values(w).iter().zip(want).all(|(w, want)| (w - want).abs() < 2e-3);
        assert!(near(&lasso, [1.5, -0.5, 0.0]), "{device}: {:?}", values(&lasso));
        assert!(near(&ridge, [1.6, -0.8, 0.04]), "{device}: {:?}", values(&ridge));
    }
}

/// A norm is no obstacle where it is 0: a row that starts there moves if the loss draws it, and stays if it does not.
#[test]
fn a_group_lasso_trains_with_rows_of_zeros() {
    for device in devices::devices() {
        // The minimum of |w - t|² + 2 λ |w| is t drawn λ towards 0, row by row.
        let t = Tensor::from_slice(&[3.0_f32, 4.0, 0.3, 0.4, 0.0, 0.0], [3, 2], &device).unwrap();
        let w = Tensor::from_slice(&[0.0_f32, 0.0, 1.0, 1.0, 0.0, 0.0], [3, 2], &device).unwrap();
        let loss = (&w - &t).square().sum(..) + 2.0 * 1.0 * w.norm(2, 1).sum(..);
        let mut sgd = SGD::new(&[&w]).lr(0.1).schedule(schedule::exponential(0.985));
        for _ in 0..300 {
            sgd.minimize(&loss).unwrap();
        }
        let want = [2.4, 3.2, 0.0, 0.0, 0.0, 0.0];
        let near = values(&w).iter().zip(want).all(|(w, want)| (w - want).abs() < 4e-3);
        assert!(near, "{device}: {:?}", values(&w));
    }
}

/// Two parameters of unlike shapes, a loss of both, and an optimizer with everything on.
fn model(device: &Device) -> (Params, Expr) {
    let x = Tensor::from_slice(&(0..12).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>(), [4, 3], device).unwrap();
    let weight = Tensor::from_slice(&(0..6).map(|i| (i as f32).cos()).collect::<Vec<_>>(), [2, 3], device).unwrap();
    let bias = Tensor::from_slice(&[0.1_f32, -0.1], [2], device).unwrap();
    let params = Params::pack(&[("layer.weight", &weight), ("layer.bias", &bias)]).unwrap();
    let (w, b) = (params.get("layer.weight").unwrap(), params.get("layer.bias").unwrap());
    let loss = (einsum("bi,oi->bo", &[&x, w]) + b).tanh().square().mean(..);
    (params, loss)
}

fn training_goes_on<R: Rule>(device: &Device, new: impl Fn(&Params) -> Optimizer<R>) {
    let folder = tempfile::tempdir().unwrap();
    let (at_once, loss) = model(device);
    let mut optimizer = new(&at_once);
    for _ in 0..10 {
        optimizer.minimize(&loss).unwrap();
    }
    let (first, loss) = model(device);
    let mut optimizer = new(&first);
    for _ in 0..5 {
        optimizer.minimize(&loss).unwrap();
    }
    let (weights, state) = (folder.path().join("weights.safetensors"), folder.path().join("state.safetensors"));
    first.save(&weights).unwrap();
    optimizer.save(&state).unwrap();
    let (second, loss) = model(device);
    let mut optimizer = new(&second);
    second.load(&weights).unwrap();
    optimizer.load(&state).unwrap();
    for _ in 0..5 {
        optimizer.minimize(&loss).unwrap();
    }
    let bits = |params: &Params| values(params.flat()).iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&at_once), bits(&second), "{device}: {}", R::NAME);
    assert_ne!(bits(&first), bits(&second), "{device}: {}", R::NAME);
}

#[test]
fn training_is_resumed_bit_for_bit() {
    for device in devices::devices() {
        training_goes_on(&device, |p| SGD::new(p).lr(0.1).momentum(0.9).dampening(0.5));
        training_goes_on(&device, |p| Adam::new(p).lr(0.1).amsgrad(true).schedule(schedule::cosine(10, 0.1)));
        training_goes_on(&device, |p| NAdam::new(p).lr(0.1));
        training_goes_on(&device, |p| ASGD::new(p).lr(0.1).t0(3.0));
        training_goes_on(&device, |p| Rprop::new(p).lr(0.1));
        training_goes_on(&device, |p| NAdam::new(p).lr(0.1).any());
    }
}

/// The bits of the weights after four steps, a change of the learning rate before the first, and whatever `before` does.
fn after_a_late_rate<R: Rule>(
    device: &Device,
    new: impl Fn(&Params) -> Optimizer<R>,
    before: impl Fn(&mut Optimizer<R>),
) -> Vec<u32> {
    let (params, loss) = model(device);
    let mut optimizer = new(&params);
    before(&mut optimizer);
    optimizer.set_lr(0.3);
    for _ in 0..4 {
        optimizer.minimize(&loss).unwrap();
    }
    values(params.flat()).iter().map(|x| x.to_bits()).collect()
}

#[test]
fn looking_at_a_state_changes_nothing() {
    fn holds<R: Rule>(device: &Device, new: impl Fn(&Params) -> Optimizer<R> + Copy) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.safetensors");
        let want = after_a_late_rate(device, new, |_| {});
        let name = format!("{device}: {}", R::NAME);
        assert_eq!(want, after_a_late_rate(device, new, |optimizer| drop(optimizer.state().unwrap())), "{name}");
        assert_eq!(want, after_a_late_rate(device, new, |optimizer| optimizer.save(&path).unwrap()), "{name}");
        // Nor does loading a state from before the first step.
        assert_eq!(want, after_a_late_rate(device, new, |optimizer| optimizer.load(&path).unwrap()), "{name}");
        // A step that is refused is none.
        let refused = |optimizer: &mut Optimizer<R>| {
            optimizer.set_lr(-1.0);
            let grads = [vec![2, 3], vec![2]].map(|shape| Tensor::zeros(shape, DType::F32, device).unwrap());
            assert!(optimizer.step(&grads).unwrap_err().to_string().contains("an lr of at least 0"));
        };
        assert_eq!(want, after_a_late_rate(device, new, refused), "{name}");
    }
    for device in devices::devices() {
        holds(&device, |p| Rprop::new(p).lr(0.05));
        holds(&device, |p| ASGD::new(p).lr(0.05).t0(1.0));
        holds(&device, |p| NAdam::new(p).lr(0.05));
        holds(&device, |p| Adam::new(p).lr(0.05).schedule(schedule::linear(0.5, 1.0, 3)));
        // What it tells is how it would begin.
        let (params, _) = model(&device);
        let mut rprop = Rprop::new(&params).lr(0.05);
        rprop.set_lr(0.25);
        let state = rprop.state().unwrap();
        let step_size = &state.iter().find(|(name, _)| name == "layer.bias.step_size").unwrap().1;
        assert_eq!(values(step_size), [0.25, 0.25], "{device}");
    }
}

#[test]
fn a_state_of_something_else_is_refused() {
    let (params, loss) = model(&Device::cpu());
    let mut adam = Adam::new(&params);
    adam.minimize(&loss).unwrap();
    let names: Vec<String> = adam.state().unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["layer.weight.exp_avg", "layer.weight.exp_avg_sq", "layer.bias.exp_avg", "layer.bias.exp_avg_sq", "group.0"]
    );
    let state = adam.state().unwrap();
    let mut without = state.clone();
    without.remove(1);
    assert!(adam.load_state(&without).unwrap_err().to_string().contains("'layer.weight.exp_avg_sq'"));
    let mut more = state.clone();
    more.push(("other".to_owned(), state[0].1.clone()));
    assert!(adam.load_state(&more).unwrap_err().to_string().contains("'other'"));
    let mut another = state.clone();
    another[0].1 = state[2].1.clone();
    assert_eq!(
        adam.load_state(&another).unwrap_err().to_string(),
        "load_state: expected f32[2, 3] for 'layer.weight.exp_avg' of Adam, group 0, found f32[2]"
    );
    let mut sgd = SGD::new(&params).momentum(0.5);
    assert_eq!(
        sgd.load_state(&state).unwrap_err().to_string(),
        "load_state: expected the state of SGD, group 0, with 'layer.weight.momentum_buffer', \
         'layer.bias.momentum_buffer', found 5 tensors without, but 'layer.weight.exp_avg', 'layer.weight.exp_avg_sq', \
         'layer.bias.exp_avg', 'layer.bias.exp_avg_sq'"
    );
    let mut sgd = SGD::new(&params);
    assert_eq!(
        sgd.load_state(&state).unwrap_err().to_string(),
        "load_state: expected the 1 tensors of SGD's 1 group, found 'layer.weight.exp_avg', 'layer.weight.exp_avg_sq', \
         'layer.bias.exp_avg', 'layer.bias.exp_avg_sq' besides"
    );
    // A second group that the state knows nothing of.
    let other = tensor(&[1.0], &Device::cpu());
    let mut two = Adam::new(&params).group(&other);
    let message = two.load_state(&state).unwrap_err().to_string();
    assert!(message.contains("Adam, group 1, with '2.exp_avg', '2.exp_avg_sq', 'group.1'"), "{message}");
    adam.load_state(&state).unwrap();
}

#[test]
fn packed_parameters_train_as_single_ones_do() {
    for device in devices::devices() {
        let (params, loss) = model(&device);
        let (weight, bias) = (params.get("layer.weight").unwrap(), params.get("layer.bias").unwrap());
        let grads = loss.grad(&[weight, bias]).unwrap();
        let single = [weight, bias].map(|t| (Expr::from(t) + 0.0).eval().unwrap());
        let mut alone = AdamW::new(&single[..]).lr(0.05).clip_grad_norm(0.1);
        let mut packed = AdamW::new(&params).lr(0.05).clip_grad_norm(0.1);
        for _ in 0..5 {
            let now: Vec<Tensor> = grads.iter().map(|g| g.eval().unwrap()).collect();
            alone.step(&now).unwrap();
            packed.minimize(&loss).unwrap();
        }
        // The norm is summed in another order.
        let close = |a: &Tensor, b: &Tensor| values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(&single[0], weight) && close(&single[1], bias), "{device}");
        // Groups of one buffer, and a part of it frozen.
        let (params, loss) = model(&device);
        let before = values(params.get("layer.bias").unwrap());
        let mut sgd = SGD::new(params.select(|name| name.ends_with("weight")).unwrap())
            .lr(0.1)
            .group(params.select(|name| name.ends_with("bias")).unwrap())
            .lr(0.0);
        sgd.minimize(&loss).unwrap();
        assert_eq!(values(params.get("layer.bias").unwrap()), before, "{device}");
        let mut sgd = SGD::new(&params).lr(0.1);
        sgd.freeze(true, |name| name == "layer.bias");
        let weight = values(params.get("layer.weight").unwrap());
        sgd.minimize(&loss).unwrap();
        assert_eq!(values(params.get("layer.bias").unwrap()), before, "{device}");
        assert_ne!(values(params.get("layer.weight").unwrap()), weight, "{device}");
    }
}

#[test]
fn what_cannot_be_packed_is_refused() {
    let device = Device::cpu();
    let (a, b) = (tensor(&[1.0], &device), Tensor::zeros([1], DType::F16, &device).unwrap());
    let message = |named: &[(&str, &Tensor)]| Params::pack(named).unwrap_err().to_string();
    assert_eq!(message(&[]), "Params::pack: expected at least one parameter, found none");
    assert_eq!(message(&[("a", &a), ("a", &a)]), "Params::pack: expected a name for each parameter, found 'a' twice");
    assert_eq!(
        message(&[("a", &a), ("b", &b)]),
        "Params::pack: expected parameters of one dtype, f32 as 'a' has, found f16 of 'b'"
    );
    let whole = tensor(&[1.0, 2.0, 3.0, 4.0], &device);
    let rows = [0, 2, 1].map(|start| whole.narrow(0, start, 2).unwrap());
    assert_eq!(
        message(&[("embed", &rows[0]), ("bias", &rows[1]), ("head", &rows[2])]),
        "Params::pack: expected parameters with memory of their own, found 'embed' and 'head' that share it \
         (tied weights are one parameter: list it once)"
    );
    assert!(Params::pack(&[("first", &rows[0]), ("second", &rows[1])]).is_ok(), "parts of one buffer lie apart");
    let params = Params::pack(&[("a", &a)]).unwrap();
    assert!(params.get("b").unwrap_err().to_string().contains("'b'"));
    assert!(params.select(|_| false).is_err());
}

#[test]
fn parameters_of_sixteen_bits_keep_state_of_their_dtype() {
    for device in devices::devices() {
        for dtype in [DType::F16, DType::BF16] {
            let (a, b) = (Tensor::ones([3], dtype, &device).unwrap(), Tensor::ones([5, 3], dtype, &device).unwrap());
            let params = Params::pack(&[("a", &a), ("b", &b)]).unwrap();
            let loss = params.get("a").unwrap().sum(..) + params.get("b").unwrap().cast(DType::F32).square().sum(..);
            let mut adam = Adam::new(&params).lr(0.25);
            adam.minimize(&loss).unwrap();
            assert!(adam.state().unwrap().iter().filter(|(n, _)| n.contains("exp")).all(|(_, s)| s.dtype() == dtype));
            // Adam's first step is as long as its learning rate, whatever the gradient.
            for (_, w) in params.iter() {
                let got = values(&w.to_dtype(DType::F32).unwrap());
                assert!(got.iter().all(|w| (w - 0.75).abs() <= 0.75 * dtype.epsilon() as f32), "{device}: {got:?}");
            }
        }
    }
}
