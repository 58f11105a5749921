//! Tables of which each step reads some rows, by PyTorch's trajectories.
#![cfg(feature = "io")]

mod devices;

use std::path::Path;

use devices::devices;
use hadamard::optim::{Adam, SGD, SparseAdam};
use hadamard::{DType, Device, Expr, Tensor};

const STEPS: usize = 5;

struct Golden {
    path: std::path::PathBuf,
    device: Device,
}

impl Golden {
    fn new(device: &Device) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sparse.safetensors");
        Self { path, device: device.clone() }
    }

    fn get(&self, name: &str) -> Tensor {
        Tensor::read_safetensors(&self.path, name, &self.device).unwrap()
    }

    /// Takes all steps, and holds the losses and the table after them to PyTorch's.
    fn follow(&self, name: &str, table: &Tensor, mut step: impl FnMut(&Tensor, &Tensor) -> Tensor) {
        let wanted = self.get(&format!("{name}.losses")).to_vec::<f32>().unwrap();
        for (i, want) in wanted.into_iter().enumerate() {
            let got = step(&self.get(&format!("rows.{i}")), &self.get(&format!("targets.{i}")));
            let got = got.item::<f32>().unwrap();
            assert!((got - want).abs() <= 1e-5 * want, "{} {name}: loss {i} is {got}, want {want}", self.device);
        }
        let (got, want) = (table.to_vec::<f32>().unwrap(), self.get(&format!("{name}.table")).to_vec::<f32>().unwrap());
        for (i, (got, want)) in got.into_iter().zip(want).enumerate() {
            // A few roundings a step of numbers below 4.
            assert!((got - want).abs() <= 4e-6, "{} {name}: element {i} is {got}, want {want}", self.device);
        }
    }
}

fn loss_of(table: &Tensor, rows: &Tensor, targets: &Tensor) -> Expr {
    (table.embedding(rows) - targets).square().sum(1).mean(..)
}

#[test]
fn trajectories_are_pytorchs() {
    for device in &devices() {
        let golden = Golden::new(device);
        let n = |rows: &Tensor| rows.numel() as f64;

        let table = golden.get("table");
        golden.follow("sgd", &table, |rows, targets| {
            let loss = loss_of(&table, rows, targets).eval().unwrap();
            let grad = (table.embedding(rows) - targets) * (2.0 / n(rows));
            table.assign(table.index_add(0, rows, grad * -0.5)).unwrap();
            loss
        });

        let table = golden.get("table");
        let mut sgd = SGD::new(&[&table]).lr(0.5);
        golden.follow("sgd", &table, |rows, targets| sgd.minimize(&loss_of(&table, rows, targets)).unwrap());

        let table = golden.get("table");
        let mut adam = Adam::new(&[&table]).lr(0.01);
        golden.follow("adam", &table, |rows, targets| adam.minimize(&loss_of(&table, rows, targets)).unwrap());

        let table = golden.get("table");
        let mut adam = SparseAdam::new(&[&table]).lr(0.01);
        golden.follow("sparse_adam", &table, |rows, targets| adam.minimize(&loss_of(&table, rows, targets)).unwrap());

        // One loss for all steps, whose tensors change; state that is saved and loaded half-way.
        let table = golden.get("table");
        let options = || SparseAdam::new(&[&table]).lr(0.02).betas(0.8, 0.99).eps(1e-4).maximize(true);
        let (rows, targets) = (golden.get("rows.0"), golden.get("targets.0"));
        let loss = loss_of(&table, &rows, &targets);
        let (mut adam, mut steps) = (options(), 0);
        golden.follow("sparse_adam_options", &table, |new_rows, new_targets| {
            rows.assign(new_rows).unwrap();
            targets.assign(new_targets).unwrap();
            let value = adam.minimize(&loss).unwrap();
            steps += 1;
            if steps == 3 {
                let state = adam.state().unwrap();
                adam = options();
                adam.load_state(&state).unwrap();
            }
            value
        });
        assert_eq!(steps, STEPS);
    }
}

#[test]
fn rows_that_are_not_read_keep_their_bits() {
    for device in &devices() {
        let golden = Golden::new(device);
        let table = golden.get("table");
        let before = table.to_vec::<f32>().unwrap();
        let mut adam = SparseAdam::new(&[&table]);
        let (rows, targets) = (golden.get("rows.0"), golden.get("targets.0"));
        for _ in 0..2 {
            adam.minimize(&loss_of(&table, &rows, &targets)).unwrap();
        }
        let read = rows.to_vec::<i64>().unwrap();
        let (after, state) = (table.to_vec::<f32>().unwrap(), adam.state().unwrap());
        let moments = state[0].1.to_vec::<f32>().unwrap();
        for row in 0..500 {
            let elements = row * 16..row * 16 + 16;
            let same = after[elements.clone()] == before[elements.clone()];
            let none = moments[elements].iter().all(|&m| m == 0.0);
            assert_eq!((same, none), (!read.contains(&(row as i64)), !read.contains(&(row as i64))), "{device} {row}");
        }
    }
}

#[test]
fn two_reads_and_two_tables() {
    let device = Device::cpu();
    let make =
        || [Tensor::ones([300, 80], DType::F32, &device).unwrap(), Tensor::full([70, 3], 2.0_f32, &device).unwrap()];
    let index = |values: &[i64]| Tensor::from_slice(values, [values.len()], &device).unwrap();
    let (i, j, k) = (index(&[1, 2, 2]), index(&[2, 5]), index(&[0, 0, 9]));
    let loss = |[a, b]: &[Tensor; 2]| {
        let both = a.embedding(&i).square().sum(..) + (a.index(0, &j) * 3.0).sum(..);
        both * 0.5 + b.embedding(&k).square().sum(..)
    };
    let (ours, theirs) = (make(), make());
    let mut sparse = SparseAdam::new(&ours).lr(0.1);
    let mut dense = Adam::new(&theirs).lr(0.1);
    // The first step of both is the same for rows that are read.
    let values = (sparse.minimize(&loss(&ours)).unwrap(), dense.minimize(&loss(&theirs)).unwrap());
    assert_eq!(values.0.item::<f32>().unwrap(), values.1.item::<f32>().unwrap());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let (a, b) = (ours.to_vec::<f32>().unwrap(), theirs.to_vec::<f32>().unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

/// Two tables and a layer, of which the first table is read at two places, rows several times.
struct Model {
    tables: [Tensor; 2],
    layer: Tensor,
}

impl Model {
    fn new(device: &Device) -> Self {
        let normal = |shape: [usize; 2], seed| Tensor::normal(shape, 0.0, 1.0, DType::F32, seed, device).unwrap();
        Self { tables: [normal([700, 24], 1), normal([900, 24], 2)], layer: normal([24, 3], 3) }
    }

    fn loss(&self, step: usize) -> Expr {
        let device = self.layer.device();
        let index = |n: usize, rows: usize, by: usize| {
            let each: Vec<i64> = (0..n).map(|i| (((i + step) * by) % 97 * 7 % rows) as i64).collect();
            Tensor::from_slice(&each, [n], &device).unwrap()
        };
        let [a, b] = &self.tables;
        let first = a.embedding(index(200, 700, 5)) + b.index(0, index(200, 900, 11));
        let second = a.embedding(index(60, 700, 1).reshape([30, 2]).unwrap()).sum(1);
        first.matmul(&self.layer).square().mean(..) + second.square().mean(..) + 0.125
    }

    fn train(&self, dense: bool) -> Vec<f32> {
        let [a, b] = &self.tables;
        // A hook that does nothing asks for the whole gradient.
        let hook = |sgd: SGD| if dense { sgd.grad_hook(Expr::clone) } else { sgd };
        let sgd = hook(SGD::new(&[a, &self.layer]).lr(0.5).schedule(|steps| 1.0 / (steps as f64 + 1.0)));
        let mut sgd = hook(sgd.group(&[b]).lr(0.25).maximize(true));
        (0..4).map(|step| sgd.minimize(&self.loss(step)).unwrap().item().unwrap()).collect()
    }

    fn weights(&self) -> Vec<f32> {
        let [a, b] = &self.tables;
        [a, b, &self.layer].iter().flat_map(|tensor| tensor.to_vec::<f32>().unwrap()).collect()
    }
}

#[test]
fn sgd_by_rows_is_sgd() {
    for device in &devices() {
        let [by_rows, again, dense] = [0; 3].map(|_| Model::new(device));
        let before = by_rows.weights();
        let losses = by_rows.train(false);
        assert_eq!((losses.clone(), by_rows.weights()), (again.train(false), again.weights()), "{device}: same bits");
        for (i, (got, want)) in losses.into_iter().zip(dense.train(true)).enumerate() {
            assert!((got - want).abs() <= 1e-5 * want, "{device}: loss {i} is {got}, want {want}");
        }
        let mut changed = 0;
        for (i, ((before, got), want)) in before.iter().zip(by_rows.weights()).zip(dense.weights()).enumerate() {
            // A few roundings a step of numbers below 8.
            assert!((got - want).abs() <= 8e-6, "{device}: element {i} is {got}, want {want}");
            assert_eq!(got == *before, want == *before, "{device}: element {i}");
            changed += usize::from(got != *before);
        }
        assert!(changed > 24 * 97, "{device}: {changed} elements are other ones");
    }
}

/// A gradient for each place of the index besides would take 10 GB.
#[test]
fn the_gradient_of_a_table_is_no_larger_than_it() {
    for device in &devices() {
        let table = Tensor::zeros([50_000, 16], DType::F32, device).unwrap();
        let rows: Vec<i64> = (0..3000).map(|i| i * i % 50_000).collect();
        let weights: Vec<f32> = (0..3000 * 16).map(|i| (i % 7 - 3) as f32).collect();
        let mut expected = vec![0.0_f32; 50_000 * 16];
        for (i, weight) in weights.iter().enumerate() {
            expected[rows[i / 16] as usize * 16 + i % 16] += weight;
        }
        let index = Tensor::from_slice(&rows, [30, 100], device).unwrap();
        let weights = Tensor::from_slice(&weights, [30, 100, 16], device).unwrap();
        for chosen in [table.embedding(&index), table.index(0, &index)] {
            let grad = (chosen * &weights).sum(..).grad(&[&table]).unwrap().remove(0).eval().unwrap();
            assert!(grad.to_vec::<f32>().unwrap() == expected, "{device}");
        }
    }
}

/// What is repeated before an index chooses of it gets what all repetitions are handed, whichever dims these are.
#[test]
fn gradients_of_repetitions_are_added_up() {
    let number = |i: usize| (i * 7919 % 23) as f32 - 11.0;
    for device in &devices() {
        for ([small, whole, chosen], dim) in [
            ([[5, 1, 3], [5, 6, 3], [7, 6, 3]], 0),
            ([[1, 5, 1], [4, 5, 6], [4, 9, 6]], 1),
            ([[4, 1, 1], [4, 300, 50], [4, 300, 50]], 0),
            ([[1, 1, 90], [20, 30, 90], [20, 30, 11]], 2),
            ([[1, 6, 90], [20, 6, 90], [20, 6, 11]], 2),
        ] {
            let n = |shape: [usize; 3]| shape.iter().product::<usize>();
            let places: Vec<i64> = (0..n(chosen)).map(|i| (i * i % 101 % whole[dim]) as i64).collect();
            let weights: Vec<f32> = (0..n(chosen)).map(number).collect();
            let mut expected = vec![0.0_f32; n(small)];
            for (i, weight) in weights.iter().enumerate() {
                let mut at = [i / chosen[2] / chosen[1], i / chosen[2] % chosen[1], i % chosen[2]];
                at[dim] = places[i] as usize;
                let of = |d: usize| if small[d] == 1 { 0 } else { at[d] };
                expected[(of(0) * small[1] + of(1)) * small[2] + of(2)] += weight;
            }
            let x = Tensor::zeros(small, DType::F32, device).unwrap();
            let index = Tensor::from_slice(&places, chosen, device).unwrap();
            let weights = Tensor::from_slice(&weights, chosen, device).unwrap();
            let read = Expr::from(&x).broadcast_to(whole).take_along_dim(&index, dim as isize);
            let grad = (read * &weights).sum(..).grad(&[&x]).unwrap().remove(0).eval().unwrap();
            assert_eq!(grad.to_vec::<f32>().unwrap(), expected, "{device} {small:?} {whole:?} {chosen:?}");
        }
    }
}

#[test]
fn an_index_out_of_range_changes_nothing() {
    let device = Device::cpu();
    let model = Model::new(&device);
    let before = model.weights();
    let far = Tensor::from_slice(&[3_i64, 700], [2], &device).unwrap();
    let loss = (model.tables[0].embedding(&far).sum(1).mean(..) + model.layer.sum(..)).square();
    let error = SGD::new(&[&model.tables[0], &model.layer]).minimize(&loss).unwrap_err().to_string();
    assert!(error.contains("index 700"), "{error}");
    assert_eq!(model.weights(), before);
}

#[test]
fn mistakes_are_named() {
    let device = Device::cpu();
    let table = Tensor::ones([4, 2], DType::F32, &device).unwrap();
    let rows = Tensor::from_slice(&[1_i64], [1], &device).unwrap();
    let read = table.embedding(&rows).sum(..);
    let error = |mut adam: SparseAdam, loss: &Expr| adam.minimize(loss).unwrap_err().to_string();
    let of = || SparseAdam::new(&[&table]);
    assert!(error(of().lr(0.0), &read).contains("learning rate"));
    assert!(error(of().betas(1.0, 0.9), &read).contains("betas"));
    assert!(error(of(), &(&read + table.sum(..))).contains("otherwise"));
    assert!(error(of(), &rows.cast(DType::F32).sum(..)).contains("reads none"));
    let whole = Tensor::ones([4], DType::I32, &device).unwrap();
    assert!(error(SparseAdam::new(&[&whole]), &read).contains("floats"));
    assert!(error(SparseAdam::new(&[&table, &table]), &read).contains("share"));
    let far = Tensor::from_slice(&[4_i64], [1], &device).unwrap();
    assert!(error(of(), &table.embedding(&far).sum(..)).contains("index 4"));
    assert!(table.to_vec::<f32>().unwrap().iter().all(|&x| x == 1.0));
    let mut adam = of();
    assert!(adam.load_state(&[]).unwrap_err().to_string().contains("steps"));
    adam.minimize(&read).unwrap();
    let mut state = adam.state().unwrap();
    state.push(("more".to_owned(), table.clone()));
    assert!(of().load_state(&state).unwrap_err().to_string().contains("SparseAdam"));
}
