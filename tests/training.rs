//! Training against PyTorch: optimizers of matrices, and the losses of two models step by step, each built anew.
#![cfg(feature = "io")]

mod devices;

use std::path::{Path, PathBuf};

use devices::{failures_on_each, note};
use hadamard::optim::{Adafactor, Adam, AdamW, Muon, MuonLr, Optimizer, Rule};
use hadamard::{DType, Device, Error, Expr, Params, Tensor, einsum, exprs, read_npz, read_safetensors};
use serde_json::Value;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn rows(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_slice(&std::fs::read(at("tests/golden/training.json")).unwrap()).unwrap();
    file[kind].as_array().unwrap().clone()
}

/// Tensors of a file, by name.
struct Stored(Vec<(String, Tensor)>);

impl Stored {
    fn new(device: &Device) -> Self {
        Self(read_safetensors(at("tests/golden/training.safetensors"), device).unwrap())
    }

    fn find(&self, name: &str) -> &Tensor {
        &self.0.iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("{name}")).1
    }
}

/// An option of a row, if it has it.
fn number(row: &Value, name: &str, default: f64) -> f64 {
    row["options"].get(name).map_or(default, |value| value.as_f64().unwrap())
}

/// The second entry of an option that has several, and so on.
fn entry(row: &Value, name: &str, i: usize) -> Option<f64> {
    row["options"].get(name)?[i].as_f64()
}

fn adafactor(row: &Value, optimizer: Adafactor) -> Adafactor {
    let eps = (entry(row, "eps", 0), entry(row, "eps", 1).unwrap_or(1e-3));
    optimizer
        .lr(number(row, "lr", 1e-2))
        .beta2_decay(number(row, "beta2_decay", -0.8))
        .eps(eps)
        .d(number(row, "d", 1.0))
        .weight_decay(number(row, "weight_decay", 0.0))
        .maximize(row["options"].get("maximize").is_some())
}

fn muon(row: &Value, optimizer: Muon) -> Muon {
    let coefficient = |i, default| entry(row, "ns_coefficients", i).unwrap_or(default);
    let adjust = match row["options"].get("adjust_lr_fn").and_then(Value::as_str) {
        None => MuonLr::Original,
        Some("match_rms_adamw") => MuonLr::MatchRmsAdamw,
        Some("spectral_unclamped") => MuonLr::SpectralUnclamped,
        Some(other) => panic!("{other}"),
    };
    optimizer
        .lr(number(row, "lr", 1e-3))
        .momentum(number(row, "momentum", 0.95))
        .weight_decay(number(row, "weight_decay", 0.1))
        .nesterov(row["options"].get("nesterov").is_none())
        .ns_coefficients((coefficient(0, 3.4445), coefficient(1, -4.7750), coefficient(2, 2.0315)))
        .ns_steps(number(row, "ns_steps", 5.0) as usize)
        .adjust_lr(adjust)
}

/// Takes the steps of a row, and tells what is further from PyTorch's weights than the row allows.
fn follow<R: Rule>(row: &Value, stored: &Stored, params: &[Tensor], mut optimizer: Optimizer<R>) -> Vec<String> {
    let (id, device) = (&row["id"], params[0].device());
    let [atol, rtol] = [0, 1].map(|i| row["tol"][i].as_f64().unwrap());
    let checked: Vec<u64> = row["steps"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let mut failures = Vec::new();
    for t in 1..=*checked.last().unwrap() {
        let grads: Vec<&Tensor> = (0..params.len()).map(|j| stored.find(&format!("o{id}.grad{t}.{j}"))).collect();
        optimizer.step(&grads).unwrap();
        if !checked.contains(&t) {
            continue;
        }
        for (j, param) in params.iter().enumerate() {
            let want = stored.find(&format!("o{id}.after{t}.{j}")).to_vec::<f32>().unwrap();
            let got = param.to_vec::<f32>().unwrap();
            let wrong = got.iter().zip(&want).find(|(got, want)| {
                let fits = f64::from((*got - *want).abs()) <= atol + rtol * f64::from(want.abs());
                !fits
            });
            if let Some(wrong) = wrong {
                failures.push(format!("{device}: row {row}, step {t}, parameter {j}: {wrong:?}"));
            }
        }
    }
    failures
}

#[test]
fn optimizers_of_matrices_follow_pytorch() {
    let failures = failures_on_each(|device| {
        let stored = Stored::new(device);
        let mut failures = Vec::new();
        let rows = rows("optimizers");
        for row in &rows {
            let count = row["shapes"].as_array().unwrap().len();
            let fresh = || {
                let copy = |j| Expr::from(stored.find(&format!("o{}.init.{j}", row["id"]))).eval().unwrap();
                (0..count).map(copy).collect::<Vec<Tensor>>()
            };
            let names: Vec<String> = (0..count).map(|j| j.to_string()).collect();
            let start = fresh();
            let packed = Params::pack(&names.iter().map(String::as_str).zip(&start).collect::<Vec<_>>()).unwrap();
            let parts: Vec<Tensor> = packed.iter().map(|(_, tensor)| tensor.clone()).collect();
            let single = fresh();
            let found = match row["optimizer"].as_str().unwrap() {
                "Adafactor" => [
                    follow(row, &stored, &single, adafactor(row, Adafactor::new(&single))),
                    follow(row, &stored, &parts, adafactor(row, Adafactor::new(&packed))),
                ],
                "Muon" => [
                    follow(row, &stored, &single, muon(row, Muon::new(&single))),
                    follow(row, &stored, &parts, muon(row, Muon::new(&packed))),
                ],
                other => panic!("{other}"),
            };
            failures.extend(found.into_iter().flatten());
            for (single, part) in single.iter().zip(&parts) {
                if single.to_vec::<f32>().unwrap() != part.to_vec::<f32>().unwrap() {
                    failures.push(format!("{device}: row {row} packed is another"));
                }
            }
        }
        note(&format!("{device}: {} trajectories", rows.len()));
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn adafactor_keeps_rows_and_columns_and_resumes() {
    for device in devices::devices() {
        let new = || {
            let normal = |shape: &[usize], seed| Tensor::normal(shape, 0.0, 1.0, DType::F32, seed, &device).unwrap();
            [normal(&[3, 4, 5], 1), normal(&[6], 2)]
        };
        let (w, other) = (new(), new());
        let loss = |w: &[Tensor; 2]| w[0].square().sum(..) + (&w[1] - 1.0).square().sum(..);
        let mut adafactor = Adafactor::new(&w);
        adafactor.minimize(&loss(&w)).unwrap();
        let state = adafactor.state().unwrap();
        let shape = |name: &str| state.iter().find(|(found, _)| found == name).map(|(_, t)| t.shape().to_vec());
        assert_eq!(shape("0.row_var"), Some(vec![3, 4, 1]));
        assert_eq!(shape("0.col_var"), Some(vec![3, 1, 5]));
        assert_eq!((shape("0.variance"), shape("1.row_var"), shape("1.variance")), (None, None, Some(vec![6])));
        let mut resumed = Adafactor::new(&other);
        resumed.load_state(&state).unwrap();
        w.iter().zip(&other).for_each(|(from, to)| to.assign(from).unwrap());
        for _ in 0..3 {
            adafactor.minimize(&loss(&w)).unwrap();
            resumed.minimize(&loss(&other)).unwrap();
        }
        for (a, b) in w.iter().zip(&other) {
            assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap(), "{device}");
        }
        // A step that is skipped changes no state of any shape.
        let mut skipping = Adafactor::new(&w).skip_nonfinite(true);
        skipping.minimize(&loss(&w)).unwrap();
        let numbers = |optimizer: &Adafactor| -> Vec<Vec<f32>> {
            let state = optimizer.state().unwrap();
            state.iter().filter(|(name, _)| !name.starts_with("group")).map(|(_, t)| t.to_vec().unwrap()).collect()
        };
        let before = (numbers(&skipping), w[0].to_vec::<f32>().unwrap());
        skipping.minimize(&(loss(&w) / 0.0)).unwrap();
        assert_eq!((numbers(&skipping), w[0].to_vec::<f32>().unwrap()), before, "{device}");
    }
}

#[test]
fn options_and_shapes_that_do_not_fit_are_errors() {
    let device = Device::cpu();
    let (w, b) = (Tensor::ones([2, 3], DType::F32, &device).unwrap(), Tensor::ones([3], DType::F32, &device).unwrap());
    let error = Muon::new(&[&w, &b]).step(&[&w, &b]).unwrap_err();
    assert!(error.to_string().contains("'1' of shape [3]"), "{error}");
    let refused = [
        Muon::new(&[&w]).ns_steps(100).step(&[&w]),
        Muon::new(&[&w]).momentum(-0.1).step(&[&w]),
        Muon::new(&[&w]).weight_decay(-0.1).step(&[&w]),
        Adafactor::new(&[&w]).beta2_decay(0.1).step(&[&w]),
        Adafactor::new(&[&w]).d(0.5).step(&[&w]),
        Adafactor::new(&[&w]).eps((Some(-1.0), 1e-3)).step(&[&w]),
        Adafactor::new(&[&w]).weight_decay(-1.0).step(&[&w]),
    ];
    for result in refused {
        assert!(matches!(result, Err(Error::Argument { op: "Muon" | "Adafactor", .. })), "{result:?}");
    }
    assert_eq!(w.to_vec::<f32>().unwrap(), [1.0; 6]);
}

/// A tensor of its own with the elements of a stored one.
fn parameter(stored: &Stored, name: &str) -> Tensor {
    Expr::from(stored.find(name)).eval().unwrap()
}

/// What losses are step by step, held against PyTorch's.
fn compare(model: &str, device: &Device, mut step: impl FnMut(usize) -> Tensor) -> Vec<String> {
    let row = rows("curves").into_iter().find(|row| row["model"] == model).unwrap();
    let (losses, tol) = (row["losses"].as_array().unwrap(), row["tol"].as_f64().unwrap());
    let mut worst = (0.0, 0);
    for (t, want) in losses.iter().enumerate() {
        let (got, want) = (f64::from(step(t).item::<f32>().unwrap()), want.as_f64().unwrap());
        let off = ((got - want) / want).abs();
        if off.is_nan() || off > worst.0 {
            worst = (off, t);
        }
    }
    note(&format!("{device}: {model}, {} steps, {:.1e} of {tol:.1e} at step {}", losses.len(), worst.0, worst.1));
    if worst.0 <= tol {
        Vec::new()
    } else {
        vec![format!("{device}: {model} is {:.1e} off at step {}", worst.0, worst.1)]
    }
}

#[test]
fn digits_are_learnt_as_by_pytorch() {
    let failures = failures_on_each(|device| {
        let stored = Stored::new(device);
        let file = read_npz(at("data/digits.npz"), device).unwrap();
        let part = |name: &str| file.iter().find(|(found, _)| found == name).unwrap().1.clone();
        let x = (part("x").flatten(1, -1).unwrap().cast(DType::F32) / 16.0).eval().unwrap();
        let y = part("y");
        let parameters = ["w1", "b1", "w2", "b2"].map(|name| parameter(&stored, &format!("digits.{name}")));
        let [w1, b1, w2, b2] = &parameters;
        let mut adam = Adam::new(&parameters).lr(3e-3);
        compare("digits", device, |t| {
            let batch: Vec<i64> = (0..50).map(|i| (i * 29 + 50 * 31 * t as i64) % 1500).collect();
            let batch = Tensor::from_vec(batch, [50], device).unwrap();
            let scores = x.index(0, &batch).linear(w1, b1).relu().linear(w2, b2);
            adam.minimize(&scores.cross_entropy(y.index(0, &batch))).unwrap()
        })
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_image_is_lit_as_by_pytorch() {
    let failures = failures_on_each(|device| {
        let stored = Stored::new(device);
        let (x, y) = (stored.find("image.x"), stored.find("image.y"));
        let [colours, offset, gain] =
            ["colours", "offset", "gain"].map(|name| parameter(&stored, &format!("image.{name}")));
        let mut adam = AdamW::new(&[&colours, &offset])
            .lr(0.02)
            .clip_grad_norm(0.05)
            .group(&[&gain])
            .weight_hook(|gain| gain.clamp(0.0, 2.0));
        compare("image", device, |_| {
            let seen = einsum("oc,chw->ohw", &exprs![&colours, x]) + offset.reshape([3, 1, 1]).unwrap();
            let rough = gain.diff(1, 0).square().mean(..) + gain.diff(1, 1).square().mean(..);
            adam.minimize(&((seen.sigmoid() * &gain - y).square().mean(..) + 0.01 * rough)).unwrap()
        })
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
