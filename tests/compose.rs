//! Norms, variances and softmax: what they give, at the edges too, and how many passes they take.

mod devices;

use devices::failures_on_each;
use hadamard::{DType, Device, Expr, Tensor, reference};

fn wave(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| ((i * 37 % 101) as f32 - 40.0) / 16.0).collect();
    Tensor::from_slice(&values, shape, device).unwrap().to_dtype(dtype).unwrap()
}

/// Rows of a `[rows, columns]` tensor in f64.
fn rows(x: &Tensor) -> Vec<Vec<f64>> {
    let values = x.to_dtype(DType::F64).unwrap().to_vec::<f64>().unwrap();
    values.chunks(x.shape()[1]).map(<[f64]>::to_vec).collect()
}

type Reduction<'a> = (Expr, &'a dyn Fn(&[f64]) -> f64);
type Map<'a> = (Expr, &'a dyn Fn(&[f64], f64) -> f64);

/// The formulas as they are defined, in plain loops, against what the expressions mean.
#[test]
fn the_formulas_are_those_of_the_definitions() {
    let x = wave(&[5, 33], DType::F64, &Device::cpu());
    let sum = |row: &[f64], f: &dyn Fn(f64) -> f64| row.iter().map(|&v| f(v)).sum::<f64>();
    let variance = |row: &[f64], correction: f64| {
        let mean = sum(row, &|v| v) / 33.0;
        sum(row, &|v| (v - mean) * (v - mean)) / (33.0 - correction)
    };
    let lse = |row: &[f64]| sum(row, &f64::exp).ln();
    let reductions: [Reduction<'_>; 12] = [
        (x.norm(2, 1), &|r| sum(r, &|v| v * v).sqrt()),
        (x.norm(1, 1), &|r| sum(r, &f64::abs)),
        (x.norm(3.0, 1), &|r| sum(r, &|v| v.abs().powi(3)).cbrt()),
        (x.norm(0, 1), &|r| sum(r, &|v| f64::from(u8::from(v != 0.0)))),
        (x.norm(f64::INFINITY, 1), &|r| r.iter().fold(0.0, |m: f64, v| m.max(v.abs()))),
        (x.norm(f64::NEG_INFINITY, 1), &|r| r.iter().fold(f64::MAX, |m, v| m.min(v.abs()))),
        (x.var(1, 1), &|r| variance(r, 1.0)),
        (x.var(-1, 0), &|r| variance(r, 0.0)),
        (x.std(1, 1.5), &|r| variance(r, 1.5).sqrt()),
        (x.logsumexp(1), &lse),
        (x.cosine_similarity(&x * -2.0, 1, 1e-8), &|_| -1.0),
        (x.cosine_similarity(&x * 0.0 + 1.0, 1, 1e-8), &|r| sum(r, &|v| v) / (sum(r, &|v| v * v) * 33.0).sqrt()),
    ];
    for (expr, want) in &reductions {
        let got = expr.eval().unwrap().to_vec::<f64>().unwrap();
        for (got, row) in got.iter().zip(rows(&x)) {
            assert!((got - want(&row)).abs() < 1e-12 * want(&row).abs().max(1.0), "{expr:?}: {got}, {}", want(&row));
        }
    }
    let maps: [Map<'_>; 3] = [
        (x.softmax(1), &|r, v| v.exp() / sum(r, &f64::exp)),
        (x.log_softmax(-1), &|r, v| v - lse(r)),
        (x.layer_norm(1, 1e-5), &|r, v| (v - sum(r, &|v| v) / 33.0) / (variance(r, 0.0) + 1e-5).sqrt()),
    ];
    for (expr, want) in &maps {
        for (got, row) in rows(&expr.eval().unwrap()).iter().zip(rows(&x)) {
            for (got, &v) in got.iter().zip(&row) {
                assert!((got - want(&row, v)).abs() < 1e-12, "{expr:?}: {got}, {}", want(&row, v));
            }
        }
    }
}

#[test]
fn every_device_gives_what_the_reference_gives() {
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        for dtype in [DType::F32, DType::F16] {
            let x = wave(&[7, 129], dtype, device);
            let v = wave(&[300], dtype, device);
            let mut exprs = vec![v.dot(&v), v.norm(2, ..), v.std(0, 1), v.logsumexp(0), x.layer_norm([0, 1], 1e-5)];
            for dim in [0, 1] {
                exprs.extend([
                    x.norm(2, dim).keepdim() * &x,
                    x.norm(f64::INFINITY, dim),
                    x.var(dim, 1).keepdim() + &x,
                    x.softmax(dim),
                    x.log_softmax(dim),
                    (&x - x.logsumexp(dim).keepdim()).exp(),
                    x.layer_norm(dim, 1e-5),
                ]);
            }
            for expr in &exprs {
                let comparison = reference::compare(&expr.eval().unwrap(), &reference::eval(expr).unwrap()).unwrap();
                if !comparison.passed() {
                    failures.push(format!("{expr:?} on {device}: {comparison}"));
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// PyTorch's answers where numbers end.
#[test]
fn the_edges_are_pytorch_s() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        let mut expect = |what: &str, expr: &Expr, want: &[f32]| {
            let got = expr.eval().unwrap().to_vec::<f32>().unwrap();
            let same = |(g, w): (&f32, &f32)| g == w || g.is_nan() && w.is_nan();
            if got.len() != want.len() || !got.iter().zip(want).all(same) {
                failures.push(format!("{what} on {device}: {got:?}, expected {want:?}"));
            }
        };
        let of = |values: &[f32]| Tensor::from_slice(values, [values.len()], device).unwrap();
        expect("softmax of large numbers", &of(&[3e38, 3e38, -3e38]).softmax(0), &[0.5, 0.5, 0.0]);
        expect("softmax of -inf beside numbers", &of(&[-inf, 0.0]).softmax(0), &[0.0, 1.0]);
        expect("softmax of -inf alone", &of(&[-inf, -inf]).softmax(0), &[nan, nan]);
        expect("log_softmax of large numbers", &of(&[1e38, 0.0]).log_softmax(0), &[0.0, -1e38]);
        expect("logsumexp of -inf alone", &of(&[-inf, -inf]).logsumexp(0), &[-inf]);
        expect("logsumexp with inf", &of(&[inf, 1.0]).logsumexp(0), &[inf]);
        expect("logsumexp with NaN", &of(&[nan, 1.0]).logsumexp(0), &[nan]);
        expect("var of one", &of(&[4.0]).var(0, 1), &[nan]);
        expect("var of one, not corrected", &of(&[4.0]).var(0, 0), &[0.0]);
        expect("var about a large mean", &of(&[1e8, 1e8 + 16.0]).var(0, 1), &[128.0]);
        let none = Tensor::zeros([0, 2], DType::F32, device).unwrap();
        expect("norm of nothing", &none.norm(2, 0), &[0.0, 0.0]);
        expect("var of nothing", &none.var(0, 1), &[nan, nan]);
        expect("logsumexp of nothing", &none.logsumexp(0), &[-inf, -inf]);
        expect("softmax of nothing", &none.softmax(0), &[]);
        expect("layer norm of nothing", &none.layer_norm(0, 1e-5), &[]);
        expect("dot of nothing", &of(&[]).dot(of(&[])), &[0.0]);
        expect("softmax of a scalar", &Tensor::full((), 3.0_f32, device).unwrap().softmax(0), &[1.0]);
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn mistakes_are_named() {
    let device = Device::cpu();
    let (x, i) = (wave(&[2, 3], DType::F32, &device), Tensor::zeros([3], DType::I32, &device).unwrap());
    let none = Tensor::zeros([0], DType::F32, &device).unwrap();
    for (expr, op, words) in [
        (i.norm(2, ..), "norm", "a float (cast it first), found i32"),
        (i.softmax(0), "softmax", "a float"),
        (i.var(0, 1), "var", "a float"),
        (x.dot(&x), "dot", "two tensors of one dim and one size, found [2, 3] and [2, 3]"),
        (none.norm(f64::INFINITY, ..), "amax", "at least one element"),
        (x.softmax(2), "amax", "dim 2 is out of range"),
        (none.softmax(1), "softmax", "dim 1 is out of range"),
        (Expr::from(&x).keepdim(), "keepdim", "a reduction"),
        ((x.sum(1) + x.sum(1).flip(0)).keepdim(), "keepdim", "a reduction"),
        ((x.sum(..) + x.sum(1)).keepdim(), "keepdim", "a reduction"),
        ((&i + &x).norm(2, 9), "sum", "dim 9"),
    ] {
        let error = expr.eval().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{op}: ")) && error.contains(words), "{error}");
    }
}

/// As few passes as the data allows: each reduction needs what the one before it found.
#[test]
fn passes_are_as_few_as_can_be() {
    let failures = failures_on_each(|device| {
        // With fewer bindings than WebGPU promises, passes may have to be cut.
        if !device.is_gpu() || device.info().max_bindings < 8 {
            return vec![];
        }
        let mut failures = Vec::new();
        let x = wave(&[64, 64], DType::F32, device);
        let v = wave(&[64], DType::F32, device);
        for (what, expr, most) in [
            ("norm over dim 0", x.norm(2, 0), 1),
            ("norm over all", x.norm(2, ..), 2),
            ("dot", v.dot(&v), 1),
            ("norm over dim 1 of a product", (&x * &v).norm(1, 1) * 0.5, 1),
            ("var over dim 0", x.var(0, 1), 2),
            ("std over dim 1", x.std(1, 0), 2),
            ("softmax over dim 0", x.softmax(0), 3),
            ("softmax over dim 1", x.softmax(-1), 3),
            ("log_softmax", x.log_softmax(1), 3),
            ("logsumexp", x.logsumexp(1), 2),
            ("layer_norm", x.layer_norm(-1, 1e-5) * &v + &v, 3),
        ] {
            let planned = expr.explain().unwrap().passes.len() as u64;
            let before = device.counters().kernels;
            expr.eval().unwrap();
            let kernels = device.counters().kernels - before;
            if kernels != planned || kernels > most {
                failures.push(format!("{what} on {device}: {kernels} kernels, {planned} planned, {most} expected"));
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
