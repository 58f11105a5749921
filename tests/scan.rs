//! Scans against the reference, against sums worked out otherwise, and against PyTorch's rules for ties and NaN.
#![cfg(feature = "check")]

mod devices;

use devices::{failures_on_each, note};
use hadamard::{DType, Device, Expr, Scan, ScanOp, Tensor, eval_all, reference};

/// Numbers spread evenly over -1 to 1 (a linear congruential generator).
fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..n).map(next).collect()
}

/// Whole numbers for integers, fractions near 1 for floats, so that products stay in range.
fn tensor(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
    let scale = |x: f64| match dtype {
        DType::Bool => f64::from(u8::from(x > 0.0)),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => (x.abs() * 9.0).floor(),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => (x * 9.0).floor(),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => 1.0 + x / 8.0,
    };
    let values: Vec<f64> = noise(shape.iter().product(), 7).into_iter().map(scale).collect();
    Tensor::from_slice(&values, shape, &Device::cpu()).unwrap().to_dtype(dtype).unwrap().to_device(device).unwrap()
}

const OPTIONS: [Scan; 4] = [
    Scan { exclusive: false, reverse: false },
    Scan { exclusive: false, reverse: true },
    Scan { exclusive: true, reverse: false },
    Scan { exclusive: true, reverse: true },
];

/// What differs from the reference, if anything does.
fn wrong(expr: &Expr, device: &Device) -> Option<String> {
    let compare = || reference::compare(&expr.eval()?, &reference::eval(expr)?);
    match compare() {
        Ok(comparison) if comparison.passed() => None,
        Ok(comparison) => Some(format!("{expr:?} on {device}: {comparison}")),
        Err(error) => Some(format!("{expr:?} on {device}: {error}")),
    }
}

fn report(failures: &[String]) {
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
}

/// Every scan of a dtype along every dim with all options, where it is defined.
fn all_of(x: &Expr) -> impl Iterator<Item = Expr> + '_ {
    let ops = ScanOp::ALL.into_iter().flat_map(|op| OPTIONS.map(|scan| (op, scan)));
    let scans = move |dim: isize| ops.clone().map(move |(op, scan)| x.scan(op, dim, scan));
    (0..x.shape().rank() as isize).flat_map(scans).filter(|expr| expr.error().is_none())
}

/// About every place where the work is cut up in another way; no elements, one, and dims of one.
const SHAPES: [&[usize]; 22] = [
    &[0],
    &[1],
    &[2],
    &[5],
    &[63],
    &[64],
    &[257],
    &[1000],
    &[4099],
    &[0, 3],
    &[3, 0],
    &[1, 7],
    &[7, 1],
    &[4, 4],
    &[5, 9],
    &[33, 70],
    &[70, 33],
    &[300, 3],
    &[3, 300],
    &[2, 3, 4],
    &[3, 65, 2],
    &[2, 1, 9],
];

#[test]
fn every_scan_is_what_the_reference_says() {
    report(&failures_on_each(|device| {
        let mut failures = Vec::new();
        for shape in SHAPES {
            failures.extend(all_of(&tensor(shape, DType::F32, device).into()).filter_map(|expr| wrong(&expr, device)));
        }
        for dtype in DType::ALL.into_iter().filter(|&d| d != DType::F64 || device.info().f64) {
            for shape in [&[37, 21][..], &[130], &[2, 3, 5]] {
                failures.extend(all_of(&tensor(shape, dtype, device).into()).filter_map(|expr| wrong(&expr, device)));
            }
        }
        failures
    }));
}

#[test]
fn long_rows_and_columns_are_cut_up() {
    report(&failures_on_each(|device| {
        let cumsum = |x: &Expr, dim| OPTIONS.map(|scan| x.scan(ScanOp::Cumsum, dim, scan));
        let shapes: &[&[usize]] = &[
            &[300_001],
            &[3, 90_000],
            &[90_000, 3],
            &[70_000, 5],
            &[600, 1100],
            &[2, 700, 300],
            &[40_000, 7],
            &[1200, 600],
        ];
        let mut failures = Vec::new();
        for shape in shapes {
            let x = tensor(shape, DType::F32, device);
            for dim in 0..shape.len() as isize {
                failures.extend(cumsum(&Expr::from(&x), dim).iter().filter_map(|expr| wrong(expr, device)));
                failures.extend(cumsum(&(&x * 2.0 - 1.5), dim).iter().filter_map(|expr| wrong(expr, device)));
                failures.extend([x.cummax(dim), x.logcumsumexp(dim)].iter().filter_map(|expr| wrong(expr, device)));
            }
        }
        failures
    }));
}

#[test]
fn what_is_scanned_may_be_any_expression_and_what_follows_too() {
    report(&failures_on_each(|device| {
        let f32 = |shape: &[usize]| tensor(shape, DType::F32, device);
        let (x, row, column) = (f32(&[40, 36]), f32(&[36]), f32(&[40, 1]));
        let cube = f32(&[6, 70, 10]);
        let index = Tensor::from_slice(&[3_i64, 0, -1, 7], [4], device).unwrap();
        let turned = x.transpose(0, 1).unwrap();
        let exprs = [
            (&x * &row).cumsum(0),
            (&x * &row).cumsum(1) * 2.0 + &row,
            (&x - &column).exp().cumsum(1).sum(1),
            turned.cumsum(0),
            turned.cumsum(1),
            x.flip(0).unwrap().cumsum(0),
            x.flip(1).unwrap().cumsum(1),
            x.narrow(1, 3, 30).unwrap().cumsum(1),
            x.narrow(0, 3, 30).unwrap().cumsum(0).transpose(0, 1),
            x.slice(1, 0, 36, 3).unwrap().cumsum(1),
            row.broadcast_to([40, 36]).unwrap().cumsum(0),
            Expr::from(&column).broadcast_to([40, 36]).cumsum(1),
            cube.permute(&[2, 0, 1]).unwrap().cumsum(1),
            Expr::from(&cube).permute(&[2, 0, 1]).reshape([60, 70]).cumsum(0),
            Expr::from(&cube).permute(&[2, 0, 1]).reshape([60, 70]).cumsum(1),
            cube.cumsum(1).permute(&[1, 2, 0]).reshape([700, 6]) + 1,
            cube.cumsum(1).cumsum(0).cumsum(2),
            x.cumsum(0).cumsum(0),
            x.cumsum(0) + x.cumsum(1),
            x.cumsum(0).narrow(0, 39, 1).squeeze(0) - x.sum(0),
            x.sum(0).cumsum(0),
            (&x - x.mean(1).keepdim()).cumsum(1) / x.std(1, 1).keepdim(),
            x.cumsum(0).index(1, &index),
            x.index(1, &index).cumsum(1),
            x.cumsum(1).cast(DType::F16),
            x.cumsum(0).cast(DType::I32),
            (x.cumsum(0).gt(3.0)).cast(DType::U8),
            Expr::arange(100).cumsum(0),
            Expr::from(2).cumsum(0),
            Tensor::full([], 2.5_f32, device).unwrap().cumsum(-1) + &row,
            x.cast(DType::F16).cumsum(0),
            x.gt(1).cumsum(1),
            x.cummax(0) - x.cummin(0),
            x.cumsum(0).diff(1, 0),
        ];
        assert!(exprs.iter().all(|e| e.error().is_none()), "{exprs:?}");
        let mut failures: Vec<String> = exprs.iter().filter_map(|expr| wrong(expr, device)).collect();
        // All of them together are what they are alone.
        let like = |expr: &&Expr| expr.shape().rank() == 2;
        let together: Vec<Expr> = exprs.iter().filter(like).cloned().collect();
        for (expr, got) in together.iter().zip(eval_all(&together).unwrap()) {
            let comparison = reference::compare(&got, &reference::eval(expr).unwrap()).unwrap();
            failures
                .extend((!comparison.passed()).then(|| format!("{expr:?} beside others on {device}: {comparison}")));
        }
        failures
    }));
}

#[test]
fn targets_may_lie_anywhere_and_be_what_is_scanned() {
    report(&failures_on_each(|device| {
        let mut failures = Vec::new();
        for dim in [0, 1] {
            let x = tensor(&[50, 60], DType::F32, device);
            let want = x.cumsum(dim).eval().unwrap().to_vec::<f32>().unwrap();
            let turned = Tensor::zeros([60, 50], DType::F32, device).unwrap();
            turned.transpose(0, 1).unwrap().assign(x.cumsum(dim)).unwrap();
            let half = Tensor::zeros([100, 60], DType::F32, device).unwrap();
            half.slice(0, 1, 100, 2).unwrap().assign(x.cumsum(dim)).unwrap();
            let bytes = Tensor::zeros([50, 61], DType::F16, device).unwrap();
            bytes.narrow(1, 1, 60).unwrap().assign(x.cumsum(dim)).unwrap();
            x.assign(x.cumsum(dim)).unwrap();
            let written = [turned.transpose(0, 1).unwrap(), half.slice(0, 1, 100, 2).unwrap(), x];
            let same = |t: &Tensor| t.contiguous().unwrap().to_vec::<f32>().unwrap() == want;
            failures.extend(
                written.iter().filter(|t| !same(t)).map(|t| format!("{:?} along {dim} on {device}", t.strides())),
            );
            let near = bytes.narrow(1, 1, 60).unwrap().cast(DType::F32).eval().unwrap().to_vec::<f32>().unwrap();
            let close = near.iter().zip(&want).all(|(a, b)| (a - b).abs() <= b.abs() / 2000.0);
            failures.extend((!close).then(|| format!("f16 along {dim} on {device}")));
        }
        failures
    }));
}

/// Every line of whole numbers scanned by adding up, in i64.
fn added_up(x: &[i64], [m, n]: [usize; 2], dim: usize, scan: Scan) -> Vec<i64> {
    let (lines, len, between, step) = if dim == 0 { (n, m, 1, n) } else { (m, n, n, 1) };
    let mut out = vec![0; x.len()];
    for line in 0..lines {
        let mut sum = 0;
        for i in 0..len {
            let at = line * between + step * if scan.reverse { len - 1 - i } else { i };
            let before = sum;
            sum += x[at];
            out[at] = if scan.exclusive { before } else { sum };
        }
    }
    out
}

/// Results that the CPU writes past the cache, in whole lines of it and in parts: sums of whole numbers, all of them exact.
#[test]
fn what_is_too_much_for_the_cache_is_scanned_exactly() {
    let device = Device::cpu();
    let f32 = [[1100, 4096], [1030, 4099], [40_000, 112], [70_000, 61], [1, 4_200_000], [3, 1_400_016], [2100, 2000]];
    let wide = [[600, 4096], [520, 4101], [10_000, 220], [1, 2_100_001]];
    let shapes = f32.map(|shape| (DType::F32, shape)).into_iter();
    let shapes = shapes.chain(wide.into_iter().flat_map(|s| [DType::F64, DType::I32, DType::I64].map(|d| (d, s))));
    let mut failures = Vec::new();
    for (dtype, [m, n]) in shapes {
        let numbers: Vec<i64> = (0..m * n).map(|i| (i * 7919 % 17) as i64 - 8).collect();
        let x = Tensor::from_slice(&numbers, [m, n], &device).unwrap().cast(dtype).eval().unwrap();
        let flipped: Vec<i64> = numbers.chunks_exact(n).rev().flatten().copied().collect();
        let more: Vec<i64> = numbers.iter().map(|x| x + 1).collect();
        let turned: Vec<i64> = (0..m * n).map(|i| numbers[i % m * n + i / m]).collect();
        let of = [
            ("itself", Expr::from(&x), [m, n], &numbers, &OPTIONS[..]),
            ("rows from last to first", x.flip(0).unwrap().into(), [m, n], &flipped, &OPTIONS[2..3]),
            ("sums", &x + 1, [m, n], &more, &OPTIONS[1..3]),
            ("columns", x.transpose(0, 1).unwrap().into(), [n, m], &turned, &OPTIONS[3..]),
        ];
        for (name, expr, shape, numbers, options) in of {
            let dims = [0, 1].into_iter().flat_map(|dim| options.iter().map(move |scan| (dim, scan)));
            // Few long rows: one thread takes other ways than several.
            let counts: &[usize] = if m < 8 { &[1, 2] } else { &[2] };
            for ((dim, &scan), &count) in dims.flat_map(|of| counts.iter().map(move |count| (of, count))) {
                hadamard::set_num_threads(count).unwrap();
                let out = expr.scan(ScanOp::Cumsum, dim as isize, scan).eval().unwrap();
                let got: Vec<i64> = match out.dtype() {
                    DType::F32 => out.to_vec::<f32>().unwrap().into_iter().map(|x| x as i64).collect(),
                    DType::F64 => out.to_vec::<f64>().unwrap().into_iter().map(|x| x as i64).collect(),
                    _ => out.to_vec::<i64>().unwrap(),
                };
                let want = added_up(numbers, shape, dim, scan);
                let wrong = got.iter().zip(&want).position(|(got, want)| got != want);
                failures.extend(wrong.map(|i| {
                    let (got, want) = (got[i], want[i]);
                    format!("{name} of {dtype} {shape:?} along {dim} by {scan:?} on {count}: {got} at {i}, want {want}")
                }));
            }
        }
    }
    report(&failures);
}

/// Terms of one size are the worst case: each addition rounds the same way as the one before it.
#[test]
fn sums_do_not_lose_more_with_each_step() {
    report(&failures_on_each(|device| {
        let mut failures = Vec::new();
        let mut worst = 0.0_f64;
        for value in [0.1_f32, 0.7, -1.000_000_1, 1.999_999_9, 3.3e-30] {
            for (shape, dim) in [(vec![300_000], 0), (vec![50_000, 3], 0), (vec![3, 50_000], 1), (vec![4099, 70], 0)] {
                let got = Tensor::full(&shape[..], value, device)
                    .unwrap()
                    .cumsum(dim)
                    .eval()
                    .unwrap()
                    .to_vec::<f32>()
                    .unwrap();
                let step: usize = shape[dim as usize + 1..].iter().product();
                for (i, got) in got.into_iter().enumerate() {
                    let exact = f64::from(value) * (i / step % shape[dim as usize] + 1) as f64;
                    let ulp = 2_f64.powi(exact.abs().log2().floor() as i32 - 23);
                    let off = (f64::from(got) - exact).abs() / ulp;
                    worst = worst.max(off);
                    if off.is_nan() || off > 2.0 {
                        failures.push(format!("{value} in {shape:?} on {device}: {got}, {off:.1} units from {exact}"));
                        break;
                    }
                }
            }
        }
        note(&format!("{device}: sums so far of up to 300,000 equal terms are at most {worst:.2} units off"));
        failures
    }));
}

/// Of equals the last, and of NaNs, as in PyTorch.
#[test]
fn the_extreme_so_far_is_where_pytorch_says() {
    report(&failures_on_each(|device| {
        let nan = f32::NAN;
        let x = Tensor::from_slice(&[2.0, 1.0, 2.0, 3.0, 0.0, nan, 9.0, nan, 3.0_f32], [9], device).unwrap();
        let of = |e: Expr| e.eval().unwrap().to_vec::<i64>().unwrap();
        let mut failures = Vec::new();
        if of(x.cummax_indices(0)) != [0, 0, 2, 3, 3, 5, 5, 7, 7] {
            failures.push(format!("cummax on {device}: {:?}", of(x.cummax_indices(0))));
        }
        if of(x.cummin_indices(0)) != [0, 1, 1, 1, 4, 5, 5, 7, 7] {
            failures.push(format!("cummin on {device}: {:?}", of(x.cummin_indices(0))));
        }
        let y = tensor(&[90, 40], DType::I8, device);
        for dim in [0, 1] {
            let chosen = y.take_along_dim(y.cummax_indices(dim), dim);
            let same = (chosen.eq(y.cummax(dim))).all(..).eval().unwrap().to_vec::<bool>().unwrap();
            failures.extend((same != [true]).then(|| format!("what indices choose along {dim} on {device}")));
        }
        failures
    }));
}

#[test]
fn what_cannot_be_scanned_is_an_error_that_says_so() {
    let x = Tensor::ones([2, 3], DType::I32, &Device::cpu()).unwrap();
    let message = |e: Expr| e.error().unwrap().to_string();
    assert!(message(x.cumsum(2)).contains("cumsum"), "{}", message(x.cumsum(2)));
    assert!(message(x.logcumsumexp(0)).contains("logcumsumexp"), "{}", message(x.logcumsumexp(0)));
    let exclusive = x.scan(ScanOp::Cummax, 0, Scan::exclusive());
    assert!(message(exclusive.clone()).contains("cummax"), "{}", message(exclusive));
    assert!(Expr::from(1.5).cumsum(1).error().is_some() && Expr::from(1.5).cumsum(0).error().is_none());
}

/// Σ weights · y by central differences, element by element, in f64.
fn slopes(f: &dyn Fn(&Tensor) -> Expr, x: &[f64], shape: &[usize], weights: &Tensor) -> Vec<f64> {
    let at = |x: &[f64]| {
        let x = Tensor::from_slice(x, shape, &Device::cpu()).unwrap();
        (f(&x) * weights).sum(..).eval().unwrap().item::<f64>().unwrap()
    };
    let moved = |i: usize, by: f64| {
        at(&x.iter().enumerate().map(|(j, &x)| if i == j { x + by } else { x }).collect::<Vec<_>>())
    };
    (0..x.len()).map(|i| (moved(i, 1e-6) - moved(i, -1e-6)) / 2e-6).collect()
}

#[test]
fn gradients_are_the_slopes() {
    let shape = [5, 7];
    let plain = noise(35, 3);
    // Zeros in some lines: one, two, the first and the last.
    let mut zeros = plain.clone();
    [0, 9, 11, 17, 20, 34].into_iter().for_each(|i| zeros[i] = 0.0);
    let weights = Tensor::from_slice(&noise(35, 5), shape, &Device::cpu()).unwrap();
    for op in ScanOp::ALL {
        for scan in OPTIONS.into_iter().filter(|scan| !scan.exclusive || matches!(op, ScanOp::Cumsum | ScanOp::Cumprod))
        {
            for (dim, values) in [(0, &plain), (1, &plain), (0, &zeros), (1, &zeros)] {
                if values == &zeros && matches!(op, ScanOp::Cummax | ScanOp::Cummin) {
                    continue;
                }
                let f = |x: &Tensor| x.scan(op, dim, scan);
                let x = Tensor::from_slice(values, shape, &Device::cpu()).unwrap();
                let grad = f(&x).grad_with(&[&x], &weights).unwrap().remove(0).eval().unwrap().to_vec::<f64>().unwrap();
                let want = slopes(&f, values, &shape, &weights);
                for (i, (got, want)) in grad.iter().zip(&want).enumerate() {
                    assert!(
                        (got - want).abs() < 1e-7,
                        "{op:?} {scan:?} along {dim}: {i}: {got}, want {want}\n{grad:?}"
                    );
                }
            }
        }
    }
}

/// Where exponentials overflow or vanish, nothing does that is made of them.
#[test]
fn logarithms_of_sums_and_their_gradients_stay_in_range() {
    report(&failures_on_each(|device| {
        let inf = f32::INFINITY;
        let x = Tensor::from_slice(&[-inf, 1000.0, 999.0, -1000.0, 3.0_f32], [5], device).unwrap();
        let y = x.logcumsumexp(0);
        let grad = y.narrow(0, 1, 4).sum(..).grad(&[&x]).unwrap().remove(0);
        let all = eval_all(&[y, grad]).unwrap();
        let [y, grad] = [0, 1].map(|i| all[i].to_vec::<f32>().unwrap());
        let part = 1.0 / (1.0 + (-1.0_f32).exp());
        let want = [0.0, 1.0 + 3.0 * part, 3.0 * (1.0 - part), 0.0, 0.0];
        let near = |a: &[f32], b: &[f32], rounding: f32| {
            a.iter().zip(b).all(|(a, b)| a == b || (a - b).abs() <= rounding * f32::EPSILON * b.abs().max(1.0))
        };
        let sum = 1000.0 + (-1.0_f32).exp().ln_1p();
        let mut failures = Vec::new();
        failures.extend((!near(&y, &[-inf, 1000.0, sum, sum, sum], 2.0)).then(|| format!("{y:?} on {device}")));
        failures.extend((!near(&grad, &want, 32.0)).then(|| format!("{grad:?}, want {want:?} on {device}")));
        failures
    }));
}
