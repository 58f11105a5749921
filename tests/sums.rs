//! How far sums, means and variances are from the exact ones, on each device.

mod devices;

use devices::{failures_on_each, note};
use hadamard::{DType, Device, Expr, Tensor};

const N: usize = 1 << 24;

/// Numbers spread evenly over 0 to 1 (Steele, Lea and Flood's splitmix64).
fn random(seed: u64) -> impl Fn(usize) -> f32 {
    move |i: usize| {
        let z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    }
}

/// Counts of equal terms, about every place where the work is cut up in another way.
const COUNTS: [usize; 22] =
    [1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 33, 63, 64, 65, 100, 255, 300, 1000, 1024, 1025, 3001, 4096];

/// Sums of `n` equal terms in one layout after the other, with the number of elements of each.
fn layouts(n: usize, value: f32, device: &Device) -> Vec<(&'static str, Expr)> {
    let full = |shape: &[usize]| Tensor::full(shape, value, device).unwrap();
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, device).unwrap();
    let wide = full(&[n, 5]);
    vec![
        ("all", full(&[n]).sum(..)),
        ("dim 0 of [n, 3]", full(&[n, 3]).sum(0)),
        ("dim 0 of [n, 70]", full(&[n, 70]).sum(0)),
        ("the last dim of [9, n]", full(&[9, n]).sum(1)),
        ("the last dim of [70, n]", full(&[70, n]).sum(1)),
        ("the middle dim of [3, n, 5]", full(&[3, n, 5]).sum(1)),
        ("dims 0 and 2 of [n, 6, 1]", full(&[n, 6, 1]).sum([0, 2])),
        ("products, all", (full(&[n]) * ones(&[n])).sum(..)),
        ("products, dim 0", (full(&[n, 4]) * ones(&[n, 4])).sum(0)),
        ("products, dim 1", (full(&[4, n]) * ones(&[4, n])).sum(1)),
        ("computed, dim 0", (full(&[n, 4]) - 0.0 * ones(&[n, 4])).sum(0)),
        ("every fifth", wide.narrow(1, 2, 1).unwrap().sum(..)),
        ("transposed", wide.transpose(0, 1).unwrap().sum(1)),
        ("backwards", wide.flip(0).unwrap().sum(0)),
    ]
}

/// Terms of one size are the worst case: each addition rounds the same way as the one before it.
#[test]
fn equal_terms_add_up_to_two_units_in_the_last_place() {
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        let mut worst = 0.0_f64;
        let mut judge = |what: &str, expr: &Expr, exact: f64| {
            // A unit in the last place of the exact sum.
            let ulp = 2_f64.powi(exact.abs().log2().floor() as i32 - 23);
            for got in expr.eval().unwrap().to_vec::<f32>().unwrap() {
                let off = (f64::from(got) - exact).abs() / ulp;
                worst = worst.max(off);
                if off.is_nan() || off > 2.0 {
                    failures.push(format!("{what} on {device}: {got}, {off:.1} units from {exact}"));
                    break;
                }
            }
        };
        for value in [0.1_f32, 0.7, -1.000_000_1, 1.999_999_9, 16_777_213.0, 3.3e-30] {
            for n in COUNTS {
                let exact = f64::from(value) * n as f64;
                for (layout, sum) in layouts(n, value, device) {
                    judge(&format!("{n} x {value}, {layout}"), &sum, exact);
                }
                let mean = Tensor::full([3, n], value, device).unwrap().mean(1);
                judge(&format!("the mean of {n} x {value}"), &mean, f64::from(value));
            }
        }
        note(&format!("{device}: sums and means of up to 4,096 equal terms are at most {worst:.2} units off"));
        failures
    });
    assert!(
        failures.is_empty(),
        "{} failures, the first of them:\n{}",
        failures.len(),
        failures[..failures.len().min(20)].join("\n")
    );
}

/// Σ (x - mean)² / n.
fn variance(x: &[f32]) -> f64 {
    let n = x.len() as f64;
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n
}

#[test]
fn variances_far_from_zero_keep_their_digits() {
    let n = 300_000;
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        let mut judge = |what: String, got: f32, want: f64| {
            let off = (f64::from(got) / want - 1.0).abs();
            if off.is_nan() || off > 1e-6 {
                failures.push(format!("{what} on {device}: {got}, not {want}"));
            }
        };
        for (offset, width) in [(0.0, 1.0), (170_000.0, 1.0), (1e6, 1.0), (-3e7, 1000.0), (1e6, 1e6)] {
            let of = random(5);
            let x: Vec<f32> = (0..n).map(|i| offset + width * of(i)).collect();
            let want = variance(&x);
            let tensor = Tensor::from_slice(&x, [n], device).unwrap();
            for (layout, tensor, dim) in [
                ("all", tensor.clone(), 0),
                ("dim 0", tensor.reshape([n, 1]).unwrap().broadcast_to([n, 3]).unwrap(), 0),
                ("dim 1", tensor.reshape([1, n]).unwrap(), 1),
            ] {
                let first = |expr: Expr| expr.eval().unwrap().to_vec::<f32>().unwrap()[0];
                let what = |name: &str| format!("{name} of {offset} + {width} u, {layout}");
                judge(what("var"), first(tensor.var(dim, 0)), want);
                judge(what("std"), first(tensor.std(dim, 0)), want.sqrt());
            }
            let normed = tensor.layer_norm(0, 0.0).eval().unwrap().to_vec::<f32>().unwrap();
            let mean = normed.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
            judge(format!("the variance of layer_norm of {offset} + {width} u"), variance(&normed) as f32, 1.0);
            judge(format!("1 + the mean of layer_norm of {offset} + {width} u"), 1.0 + mean as f32, 1.0);
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Squares of f32 overflow above 1.8e19 and vanish below 1e-23.
#[test]
fn deviations_whose_squares_leave_the_range() {
    let n = 10_000;
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        for (offset, width) in [(1e20, 1e19), (0.0, 1e30), (1e25, 1e19), (0.0, 1e-25), (1e-26, 1e-27)] {
            let of = random(6);
            let x: Vec<f32> = (0..n).map(|i| offset + width * of(i)).collect();
            // Scaled, since the squares have room in f64 but the variance has none in f32.
            let want = variance(&x).sqrt();
            let tensor = Tensor::from_slice(&x, [n], device).unwrap();
            let is_off = |got: f32, want: f64| {
                let error = (f64::from(got) / want - 1.0).abs();
                error.is_nan() || error > 1e-6
            };
            let got = tensor.std(0, 0).eval().unwrap().item::<f32>().unwrap();
            if is_off(got, want) {
                failures.push(format!("std of {offset} + {width} u on {device}: {got}, not {want}"));
            }
            // The same as one column among usual ones, and as one row.
            let usual: Vec<f32> = (0..n).map(|i| 3.0 + of(i)).collect();
            let columns: Vec<f32> = (0..70 * n).map(|i| if i % 70 == 33 { x[i / 70] } else { usual[i / 70] }).collect();
            let columns = Tensor::from_slice(&columns, [n, 70], device).unwrap();
            let want: Vec<f64> = (0..70).map(|i| if i == 33 { want } else { variance(&usual).sqrt() }).collect();
            let rows = columns.transpose(0, 1).unwrap().contiguous().unwrap();
            for (what, std) in [("column", columns.std(0, 0)), ("row", rows.std(1, 0))] {
                let got = std.eval().unwrap().to_vec::<f32>().unwrap();
                if let Some(i) = got.iter().zip(&want).position(|(&got, &want)| is_off(got, want)) {
                    let (got, want) = (got[i], want[i]);
                    failures
                        .push(format!("std of {what} {i}, of {offset} + {width} u, on {device}: {got}, not {want}"));
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// In f32, halves first, down to runs of 128 in eight sums: as NumPy and, about so, PyTorch add.
fn pairwise(terms: &[f32]) -> f32 {
    if terms.len() > 128 {
        let (a, b) = terms.split_at(terms.len() / 2);
        return pairwise(a) + pairwise(b);
    }
    let mut sums = [0.0_f32; 8];
    for (i, term) in terms.iter().enumerate() {
        sums[i % 8] += term;
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}

#[test]
#[ignore = "takes seconds, and prints the figures of docs/accuracy.md: .ci/run names it"]
fn sixteen_million_products() {
    let failures = [("0 to 1", 0.0), ("-1 to 1", 1.0)].map(|(range, centre)| {
        // 2x - 1 is exact.
        let spread = |seed| (0..N).map(random(seed)).map(|x| x * (1.0 + centre) - centre).collect::<Vec<f32>>();
        judge(range, &spread(1), &spread(2))
    });
    let failures = failures.concat();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with the dot products of two vectors.
fn judge(range: &str, a: &[f32], b: &[f32]) -> Vec<String> {
    let products = || a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    // A product of two f32 is exact in f64, and adding 2^24 of them there is 2^29 times finer than in f32.
    let (exact, size): (f64, f64) = (products().sum(), products().map(f64::abs).sum());
    let epsilon = f64::from(f32::EPSILON) / 2.0;
    let error = |sum: f32| (f64::from(sum) - exact).abs() / size;
    let rounded: Vec<f32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
    let (pairs, in_a_row) = (error(pairwise(&rounded)), error(rounded.iter().fold(0.0, |sum, term| sum + term)));
    note(&format!("2^24 products of numbers from {range}, error of their sum beside the sum of their magnitudes:"));
    note(&format!("pairwise in f32 {pairs:.1e}, one after the other {in_a_row:.1e}"));
    failures_on_each(|device| {
        let (x, y) = (Tensor::from_slice(a, [N], device).unwrap(), Tensor::from_slice(b, [N], device).unwrap());
        let found = error(x.dot(&y).eval().unwrap().item::<f32>().unwrap());
        note(&format!("{device} {found:.1e}"));
        // The documented bound, and better than adding one after the other.
        let right = found <= 2.0 * N as f64 * epsilon && found < in_a_row;
        if right { vec![] } else { vec![format!("{found} on {device}, {in_a_row} one after the other")] }
    })
}
