//! Schedules against `torch.optim.lr_scheduler`, and options that follow them against PyTorch's optimizers.
#![cfg(feature = "io")]

use std::path::Path;

use hadamard::optim::schedule::{self, OneCycle, Plateau};
use hadamard::optim::{
    ASGD, Adadelta, Adagrad, Adam, AdamW, Adamax, Lion, NAdam, Optimizer, RAdam, RMSprop, Rule, SGD,
};
use hadamard::{Device, Result, Tensor};
use serde_json::Value;

fn rows(kind: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/schedules.json");
    let all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    all[kind].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn close(got: &[f64], want: &[f64], what: &Value) {
    assert_eq!(got.len(), want.len());
    for (t, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-12 + 1e-11 * want.abs(), "{what} at {t}: {got} instead of {want}");
    }
}

fn weights() -> Tensor {
    Tensor::from_slice(&[1.0_f64, -2.0, 0.5], [3], &Device::cpu()).unwrap()
}

type Factor = Box<dyn Fn(u64) -> f64 + Send + Sync>;

fn one_cycle(options: &Value) -> OneCycle {
    let mut cycle = OneCycle::new(options["total_steps"].as_u64().unwrap());
    if let Some(part) = options["pct_start"].as_f64() {
        cycle = cycle.pct_start(part);
    }
    if options["anneal_strategy"] == "linear" {
        cycle = cycle.linear();
    }
    if let Some(div) = options["div_factor"].as_f64() {
        cycle = cycle.div_factor(div);
    }
    if let Some(div) = options["final_div_factor"].as_f64() {
        cycle = cycle.final_div_factor(div);
    }
    cycle.three_phase(options["three_phase"].as_bool().unwrap_or(false))
}

#[test]
fn rates_are_pytorchs() {
    let rows = rows("rates");
    assert_eq!(rows.len(), 15);
    for row in &rows {
        let (o, lr) = (&row["options"], row["lr"].as_f64().unwrap());
        let (number, whole) = (|name: &str| o[name].as_f64().unwrap(), |name: &str| o[name].as_u64().unwrap());
        let factor: Factor = match row["scheduler"].as_str().unwrap() {
            "ConstantLR" => Box::new(schedule::constant(number("factor"), whole("total_iters"))),
            "LinearLR" => {
                Box::new(schedule::linear(number("start_factor"), number("end_factor"), whole("total_iters")))
            }
            "CosineAnnealingLR" => Box::new(schedule::cosine(whole("T_max"), number("eta_min") / lr)),
            "StepLR" => Box::new(schedule::step(whole("step_size"), number("gamma"))),
            "ExponentialLR" => Box::new(schedule::exponential(number("gamma"))),
            "MultiStepLR" => {
                let milestones: Vec<u64> = numbers(&o["milestones"]).iter().map(|&t| t as u64).collect();
                Box::new(schedule::multi_step(&milestones, number("gamma")))
            }
            "PolynomialLR" => Box::new(schedule::polynomial(whole("total_iters"), number("power"))),
            "CosineAnnealingWarmRestarts" => {
                Box::new(schedule::warm_restarts(whole("T_0"), whole("T_mult"), number("eta_min") / lr))
            }
            "OneCycleLR" => {
                let cycle = one_cycle(o);
                let (base, max) =
                    (o["base_momentum"].as_f64().unwrap_or(0.85), o["max_momentum"].as_f64().unwrap_or(0.95));
                let momentum = cycle.momentum(base, max);
                let want = numbers(&row["momenta"]);
                close(&(0..want.len() as u64).map(momentum).collect::<Vec<_>>(), &want, row);
                Box::new(cycle.lr())
            }
            other => panic!("{other}"),
        };
        let want = numbers(&row["lrs"]);
        let w = weights();
        let mut sgd = SGD::new(&w).lr(lr).schedule(factor);
        let got: Vec<f64> = (0..want.len())
            .map(|_| {
                let lr = sgd.learning_rates()[0];
                sgd.step(&[0.0 * &w]).unwrap();
                lr
            })
            .collect();
        close(&got, &want, row);
    }
}

#[test]
fn a_plateau_is_pytorchs() {
    let rows = rows("plateaus");
    assert_eq!(rows.len(), 7);
    for row in &rows {
        let o = &row["options"];
        let mut plateau = Plateau::new().factor(o["factor"].as_f64().unwrap()).maximize(o["mode"] == "max");
        if let Some(patience) = o["patience"].as_u64() {
            plateau = plateau.patience(patience);
        }
        if let Some(threshold) = o["threshold"].as_f64() {
            let absolute = o["threshold_mode"] == "abs";
            plateau = if absolute { plateau.absolute_threshold(threshold) } else { plateau.threshold(threshold) };
        }
        if let Some(cooldown) = o["cooldown"].as_u64() {
            plateau = plateau.cooldown(cooldown);
        }
        if let Some(min) = o["min_lr"].as_f64() {
            plateau = plateau.min_lr(min);
        }
        if let Some(eps) = o["eps"].as_f64() {
            plateau = plateau.eps(eps);
        }
        let w = weights();
        // Two groups keep their ratio.
        let lr = row["lr"].as_f64().unwrap();
        let other = weights();
        let mut sgd = SGD::new(&w).lr(lr).group(&other).lr(lr * 64.0);
        let mut seen = Vec::new();
        for metric in numbers(&row["metrics"]) {
            plateau.step(metric, &mut sgd);
            seen.push(sgd.learning_rates());
        }
        let first: Vec<f64> = seen.iter().map(|rates| rates[0]).collect();
        close(&first, &numbers(&row["lrs"]), row);
        if o["min_lr"].is_null() && o["eps"].is_null() {
            assert!(seen.iter().all(|rates| (rates[1] / rates[0] - 64.0).abs() < 1e-9), "{row}");
        }
    }
}

/// An optimizer whose rule is not known.
trait AnyOptimizer {
    fn step(&mut self, grad: &Tensor) -> Result<()>;
}

impl<R: Rule> AnyOptimizer for Optimizer<R> {
    fn step(&mut self, grad: &Tensor) -> Result<()> {
        Self::step(self, &[grad])
    }
}

fn decay(t: u64) -> f64 {
    0.8_f64.powf(t as f64)
}

fn betas(t: u64) -> (f64, f64) {
    (0.85 - 0.1 * (t as f64).sin(), 0.9 + 0.005 * t as f64)
}

fn momentum(t: u64) -> f64 {
    0.9 - 0.05 * t as f64
}

fn following(row: &Value, w: &Tensor) -> Box<dyn AnyOptimizer> {
    let follows: Vec<&str> = row["follows"].as_array().unwrap().iter().map(|x| x.as_str().unwrap()).collect();
    let (lr, wd) = (row["options"]["lr"].as_f64().unwrap(), 0.1);
    match (row["optimizer"].as_str().unwrap(), &follows[..]) {
        ("SGD", ["weight_decay"]) => {
            Box::new(SGD::new(w).lr(lr).momentum(0.9).weight_decay(wd).weight_decay_schedule(decay))
        }
        ("SGD", ["momentum"]) => Box::new(SGD::new(w).lr(lr).momentum(0.9).nesterov(true).momentum_schedule(momentum)),
        ("Adam", ["weight_decay", "betas"]) => {
            Box::new(Adam::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay).betas_schedule(betas))
        }
        ("AdamW", ["weight_decay"]) => Box::new(AdamW::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay)),
        ("NAdam", ["weight_decay"]) => Box::new(NAdam::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay)),
        ("RAdam", ["weight_decay", "betas"]) => {
            Box::new(RAdam::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay).betas_schedule(betas))
        }
        ("Adamax", ["weight_decay", "betas"]) => {
            Box::new(Adamax::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay).betas_schedule(betas))
        }
        ("RMSprop", ["weight_decay", "momentum"]) => Box::new(
            RMSprop::new(w)
                .lr(lr)
                .momentum(0.9)
                .weight_decay(wd)
                .weight_decay_schedule(decay)
                .momentum_schedule(momentum),
        ),
        ("Adagrad", ["weight_decay"]) => Box::new(Adagrad::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay)),
        ("Adadelta", ["weight_decay"]) => {
            Box::new(Adadelta::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay))
        }
        ("ASGD", ["weight_decay"]) => Box::new(ASGD::new(w).lr(lr).weight_decay(wd).weight_decay_schedule(decay)),
        (name, follows) => panic!("{name} {follows:?}"),
    }
}

#[test]
fn options_that_follow_schedules_train_as_pytorchs() {
    let rows = rows("training");
    assert_eq!(rows.len(), 11);
    for row in &rows {
        let (w, target) = (weights(), Tensor::from_slice(&[0.3, 0.1, -1.0], [3], &Device::cpu()).unwrap());
        let mut optimizer = following(row, &w);
        for (t, want) in row["weights"].as_array().unwrap().iter().enumerate() {
            optimizer.step(&(2.0 * (&w - &target)).eval().unwrap()).unwrap();
            let got = w.to_vec::<f64>().unwrap();
            // PyTorch keeps ASGD's rate and NAdam's product in f32.
            let in_f32 = row["optimizer"] == "ASGD" || row["optimizer"] == "NAdam";
            let tolerance = if in_f32 { 1e-8 } else { 1e-12 };
            let fine = got.iter().zip(numbers(want)).all(|(got, want)| (got - want).abs() <= tolerance);
            assert!(fine, "{} {} at {t}: {got:?} instead of {want}", row["optimizer"], row["follows"]);
        }
    }
}

#[test]
fn schedules_hold_for_all_groups() {
    let [a, b, c] = [0; 3].map(|_| weights());
    let half = |t: u64| 0.5_f64.powf(t as f64);
    let grads = [&a, &b, &c].map(|w| 0.0 * w);
    let mut sgd = SGD::new(&a).lr(1.0).schedule(half).group(&b).lr(0.1).group(&c).lr(0.01).group_schedule(|_| 3.0);
    assert_eq!(sgd.learning_rates(), [1.0, 0.1, 0.03]);
    sgd.step(&grads).unwrap();
    assert_eq!(sgd.learning_rates(), [0.5, 0.05, 0.03]);
    sgd.set_group_lr(1, 4.0).unwrap();
    assert_eq!(sgd.learning_rates(), [0.5, 2.0, 0.03]);
    sgd.scale_lr(2.0);
    assert_eq!(sgd.learning_rates(), [1.0, 4.0, 0.06]);
    sgd.set_lr(1.0);
    assert_eq!(sgd.learning_rates(), [0.5, 0.5, 3.0]);
    let message = sgd.set_group_lr(3, 1.0).unwrap_err().to_string();
    assert_eq!(message, "set_group_lr: expected a group below 3, found 3");
    // After the groups, the same; one that has its own keeps it.
    let mut sgd = SGD::new(&a).lr(1.0).group_schedule(|_| 7.0).group(&b).lr(0.1).schedule(half);
    sgd.step(&grads[..2]).unwrap();
    assert_eq!(sgd.learning_rates(), [7.0, 0.05]);
}

/// Each group's weight decay falls from its own.
#[test]
fn options_of_all_groups_follow() {
    let [a, b] = [0; 2].map(|_| Tensor::from_slice(&[1.0_f64], [1], &Device::cpu()).unwrap());
    let mut sgd = SGD::new(&a).lr(1.0).weight_decay(0.5).weight_decay_schedule(|t| if t == 0 { 1.0 } else { 0.0 });
    sgd = sgd.group(&b).weight_decay(0.25);
    for _ in 0..2 {
        sgd.step(&[0.0 * &a, 0.0 * &b]).unwrap();
    }
    assert_eq!((a.item::<f64>().unwrap(), b.item::<f64>().unwrap()), (0.5, 0.75));
    // What is followed is checked at each step.
    let mut lion = Lion::new(&a).betas_schedule(|t| (0.9, if t < 2 { 0.9 } else { 1.5 }));
    lion.step(&[&a]).unwrap();
    lion.step(&[&a]).unwrap();
    let before = a.item::<f64>().unwrap();
    assert_eq!(lion.step(&[&a]).unwrap_err().to_string(), "Lion: expected betas from 0 to 1, found (0.9, 1.5)");
    assert_eq!(a.item::<f64>().unwrap(), before);
}
