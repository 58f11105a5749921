//! What an index sends to the same place, reduced: against the reference, in place, and the same bits each time.
#![cfg(feature = "check")]

mod devices;

use devices::{devices, failures_on_each};
use hadamard::{DType, Device, Expr, ReduceOp, Tensor, assign, reference};

/// Numbers below `below` (a linear congruential generator).
fn numbers(n: usize, below: usize, seed: u64) -> Vec<i64> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % below as u64) as i64
    };
    (0..n).map(next).collect()
}

fn floats(shape: &[usize], around: f32, seed: u64, device: &Device) -> Tensor {
    let of = |x: i64| around + x as f32 / 4096.0 - 0.125;
    let values: Vec<f32> = numbers(shape.iter().product(), 1024, seed).into_iter().map(of).collect();
    Tensor::from_slice(&values, shape, device).unwrap()
}

fn index(values: &[i64], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

fn bits(x: &Tensor) -> Vec<u32> {
    x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// Rows, destinations and columns, about every place where the work is cut up in another way.
const SIZES: [[usize; 3]; 17] = [
    [1, 1, 1],
    [2, 1, 1],
    [31, 40, 3],
    [32, 40, 3],
    [33, 40, 3],
    [512, 90, 2],
    [513, 90, 2],
    [1025, 7, 9],
    [600, 600, 41],
    [2500, 2, 33],
    [300, 20_000, 2],
    [300, 20_000, 17],
    [5000, 3000, 9],
    [5000, 3000, 8],
    [70_000, 300, 1],
    [70_000, 50_000, 1],
    [70_000, 1, 2],
];

#[test]
fn every_reduction_is_that_of_the_reference() {
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        for [m, n, row] in SIZES {
            let (x, s) = (floats(&[n, row], 1.0, 1, device), floats(&[m, row], 1.0, 2, device));
            let (even, one) = (numbers(m, n, 3), vec![n as i64 / 2; m]);
            for (how, i) in [("even", even), ("one", one)] {
                let i = index(&i, device);
                let ops = [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Amax, ReduceOp::Amin, ReduceOp::Mean];
                let reduced = |op: ReduceOp| Expr::from(&x).index_reduce(0, &i, &s, op, op != ReduceOp::Mean);
                let mut exprs: Vec<(String, Expr)> = ops.map(|op| (op.name().to_owned(), reduced(op))).into();
                // Of many factors, every bound is infinite.
                exprs.retain(|(name, _)| name != "prod" || m / n < 100 && how == "even");
                exprs.push(("copy".to_owned(), x.index_copy(0, &i, &s)));
                exprs.push((
                    "i32".to_owned(),
                    (&x * 256).cast(DType::I32).index_add(0, &i, (&s * 256).cast(DType::I32)),
                ));
                exprs.push((
                    "i64".to_owned(),
                    (&x * 256).cast(DType::I64).index_add(0, &i, (&s * 256).cast(DType::I64)),
                ));
                exprs.push(("expressions".to_owned(), (&x * 2).index_add(0, &i, s.square()) + 1));
                for (name, expr) in exprs {
                    let compare = || reference::compare(&expr.eval()?, &reference::eval(&expr)?);
                    match compare() {
                        Ok(comparison) if comparison.passed() => {}
                        Ok(comparison) => {
                            failures.push(format!("{device}: {name} of {m} into {n} by {row}, {how}: {comparison}"));
                        }
                        Err(error) => failures.push(format!("{device}: {name} of {m} into {n} by {row}: {error}")),
                    }
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
}

#[test]
fn an_update_in_place_is_that_beside() {
    for device in &devices() {
        for [m, n, row] in [[300, 20_000, 5], [5000, 3000, 9], [70_000, 300, 1], [900, 40, 64]] {
            let x = floats(&[n, row], 1.0, 4, device);
            let i = index(&numbers(m, n, 5), device);
            let s = floats(&[m, row], 1.0, 6, device);
            let sums = |x: &Tensor| x.index_add(0, &i, &s);
            // What is added reads what is written.
            let step = |x: &Tensor| x.index_add(0, &i, (x.embedding(&i) - &s) * -0.5);
            let copies = |x: &Tensor| x.index_copy(0, &i, x.embedding(&i) * 2);
            for update in [&sums as &dyn Fn(&Tensor) -> Expr, &step, &copies] {
                let beside = update(&x).eval().unwrap();
                let own = Expr::from(&x).eval().unwrap();
                own.assign(update(&own)).unwrap();
                assert_eq!(bits(&own), bits(&beside), "{device} {m} {n} {row}");
                // A part of a tensor, and of two targets at once.
                let whole = Tensor::zeros([n + 3, row], DType::F32, device).unwrap();
                let part = whole.narrow(0, 2, n).unwrap();
                part.assign(&x).unwrap();
                part.assign(update(&part)).unwrap();
                assert_eq!(bits(&Expr::from(&part).eval().unwrap()), bits(&beside), "{device} {m} {n} {row}");
                let around = [whole.narrow(0, 0, 2).unwrap(), whole.narrow(0, n + 2, 1).unwrap()];
                assert!(around.iter().all(|rows| rows.abs().sum(..).item::<f32>().unwrap() == 0.0), "{device}");
                let (a, b) = (Expr::from(&x).eval().unwrap(), Expr::from(&x).eval().unwrap());
                assign(&[(&a, update(&b)), (&b, update(&a))]).unwrap();
                assert_eq!((bits(&a), bits(&b)), (bits(&beside), bits(&beside)), "{device} {m} {n} {row}");
            }
        }
    }
}

#[test]
fn the_same_bits_every_time() {
    for device in &devices() {
        for [m, n, row] in [[70_000, 300, 1], [5000, 3000, 9], [5000, 1, 40]] {
            let (x, s) = (floats(&[n, row], 0.0, 1, device), floats(&[m, row], 0.3, 2, device));
            let i = index(&numbers(m, n, 7), device);
            let sum = x.index_add(0, &i, &s);
            let first = bits(&sum.eval().unwrap());
            for _ in 0..4 {
                assert_eq!(bits(&sum.eval().unwrap()), first, "{device}");
            }
        }
    }
}

#[test]
fn nothing_is_written_by_an_index_out_of_range() {
    let device = Device::cpu();
    for row in [1, 16] {
        let x = floats(&[500, row], 0.0, 1, &device);
        let before = bits(&x);
        let mut i = numbers(900, 500, 2);
        i[700] = 500;
        let error = x.assign(x.index_add(0, index(&i, &device), floats(&[900, row], 0.0, 3, &device))).unwrap_err();
        assert!(error.to_string().contains("index_add"), "{error}");
        assert_eq!(bits(&x), before);
    }
}

#[test]
fn mistakes_are_named() {
    let device = Device::cpu();
    let (x, i) = (floats(&[4], 0.0, 1, &device), index(&[0, 1], &device));
    let s = floats(&[2], 0.0, 1, &device);
    let error = |expr: Expr| expr.error().unwrap().to_string();
    let refused = error(x.scatter_reduce(0, &i, &s, ReduceOp::Argmax, true));
    assert!(refused.contains("scatter_reduce") && refused.contains("argmax"), "{refused}");
    let refused = error(x.index_reduce(0, &i, &x, ReduceOp::Sum, true));
    assert!(refused.contains("index_reduce") && refused.contains("[2]"), "{refused}");
    let refused = error(x.segment_reduce(ReduceOp::Sum, &i, 3));
    assert!(refused.contains("segment_reduce"), "{refused}");
    let whole = x.cast(DType::I32).segment_reduce(ReduceOp::Mean, index(&[0, 1, 1, 0], &device), 2);
    assert!(error(whole).contains("float"));
}

#[test]
fn segments_without_elements_have_what_reductions_of_nothing_give() {
    for device in &devices() {
        let (x, i) = (Tensor::from_slice(&[2.0_f32, 3.0, 5.0], [3], device).unwrap(), index(&[2, 0, 2], device));
        let of = |op| x.segment_reduce(op, &i, 4).eval().unwrap().to_vec::<f32>().unwrap();
        let inf = f32::INFINITY;
        assert_eq!(of(ReduceOp::Sum), [3.0, 0.0, 7.0, 0.0], "{device}");
        assert_eq!(of(ReduceOp::Prod), [3.0, 1.0, 10.0, 1.0], "{device}");
        assert_eq!(of(ReduceOp::Amax), [3.0, -inf, 5.0, -inf], "{device}");
        assert_eq!(of(ReduceOp::Amin), [3.0, inf, 2.0, inf], "{device}");
        let mean = of(ReduceOp::Mean);
        assert!(mean[0] == 3.0 && mean[1].is_nan() && mean[2] == 3.5 && mean[3].is_nan(), "{device} {mean:?}");
    }
}
