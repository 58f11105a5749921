//! Matrix products: every layout, size and dtype against the reference, on every device.

mod devices;

use hadamard::{DType, Device, Element, Expr, Tensor, einsum, reference};

fn noise(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn tensor(seed: u32, shape: &[usize], device: &Device) -> Tensor {
    Tensor::from_slice(&noise(seed, shape.iter().product()), shape, device).unwrap()
}

/// What differs from the reference, in words.
fn wrong(what: &str, expr: &Expr, device: &Device) -> Option<String> {
    let compared = expr.eval().and_then(|got| reference::compare(&got, &reference::eval(expr)?));
    match compared {
        Ok(comparison) if comparison.passed() => None,
        Ok(comparison) => Some(format!("{device}: {what}: {comparison}")),
        Err(error) => Some(format!("{device}: {what}: {error}")),
    }
}

#[track_caller]
fn none(failures: &[String]) {
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_size_round_a_tile() {
    none(&devices::failures_on_each(|device| {
        let sizes = [1, 5, 16, 17, 20, 31, 36, 63, 64, 65, 130];
        let mut failures = Vec::new();
        for (i, &m) in sizes.iter().enumerate() {
            for (j, &n) in sizes.iter().enumerate() {
                let k = sizes[(i * 3 + j * 5) % sizes.len()];
                let (a, b) = (tensor(1, &[m, k], device), tensor(2, &[k, n], device));
                failures.extend(wrong(&format!("{m} {n} {k}"), &einsum("ik,kj->ij", &[&a, &b]), device));
            }
        }
        failures
    }));
}

/// One step further and one step less than eight rows, eight columns and four terms of a tile in registers, and vectors of
/// four along every dim: each factor lies by rows or by columns, and so does the result.
#[test]
fn every_border_of_a_tile_in_registers() {
    const EQUATIONS: [&str; 8] =
        ["ik,kj->ij", "ik,jk->ij", "ki,kj->ij", "ki,jk->ij", "ik,kj->ji", "ik,jk->ji", "ki,kj->ji", "ki,jk->ji"];
    none(&devices::failures_on_each(|device| {
        let mut failures = Vec::new();
        for (i, [m, n, k]) in [[16, 16, 16], [20, 44, 17], [24, 23, 20], [28, 100, 24], [25, 36, 19], [132, 16, 18]]
            .into_iter()
            .enumerate()
        {
            for (j, equation) in EQUATIONS.into_iter().enumerate() {
                let sides = equation.split("->").next().unwrap().split(',');
                let size = |label| [m, n, k]["ijk".find(label).unwrap()];
                let [a, b]: [Vec<usize>; 2] =
                    sides.map(|side| side.chars().map(size).collect()).collect::<Vec<_>>().try_into().unwrap();
                let seed = (8 * i + j) as u32;
                let (a, b) = (tensor(2 * seed, &a, device), tensor(2 * seed + 1, &b, device));
                failures.extend(wrong(&format!("{equation} {m} {n} {k}"), &einsum(equation, &[&a, &b]), device));
            }
        }
        failures
    }));
}

/// What is read beyond the last row or column does not reach the result, nor do infinities pass from row to row.
#[test]
fn infinities_stay_in_their_rows() {
    none(&devices::failures_on_each(|device| {
        let (m, n, k) = (18, 20, 17);
        let mut values = noise(30, m * k);
        values[17 * k + 16] = f32::INFINITY;
        values[3 * k] = f32::NAN;
        let a = Tensor::from_slice(&values, [m, k], device).unwrap();
        let product = einsum("ik,kj->ij", &[&a, &tensor(31, &[k, n], device)]);
        let got = product.eval().unwrap().to_vec::<f32>().unwrap();
        let finite = |i: usize| got[i * n..(i + 1) * n].iter().filter(|x| x.is_finite()).count();
        let wrong = (0..m).filter(|&i| finite(i) != if i == 3 || i == 17 { 0 } else { n });
        wrong.map(|i| format!("{device}: row {i}: {} of {n} are finite", finite(i))).collect()
    }));
}

#[test]
fn no_terms_are_zeros_and_no_rows_are_nothing() {
    none(&devices::failures_on_each(|device| {
        let of = |m: usize, n: usize, k: usize| {
            let (a, b) = (tensor(32, &[m, k], device), tensor(33, &[k, n], device));
            einsum("ik,kj->ij", &[&a, &b]).eval().unwrap().to_vec::<f32>().unwrap()
        };
        let zeros = of(20, 24, 0) == vec![0.0; 480];
        let nothing = of(0, 24, 20).is_empty() && of(20, 0, 24).is_empty();
        [(zeros, "no terms"), (nothing, "no rows or columns")]
            .into_iter()
            .filter(|(right, _)| !right)
            .map(|(_, what)| format!("{device}: {what}"))
            .collect()
    }));
}

/// Factors, results or both that a binding of 16 KiB does not show: cut along rows, columns, terms and the batch, into
/// pieces of sizes that no tile divides.
#[cfg(feature = "gpu")]
#[test]
fn factors_beyond_a_binding() {
    const CASES: [(&str, &[usize], &[usize]); 9] = [
        ("ik,kj->ij", &[190, 50], &[50, 30]),
        ("ik,kj->ij", &[20, 50], &[50, 390]),
        ("ik,kj->ij", &[17, 4100], &[4100, 18]),
        ("ki,kj->ij", &[4100, 17], &[4100, 18]),
        ("ik,jk->ij", &[130, 140], &[141, 140]),
        ("ikl,lkj->ij", &[16, 7, 90], &[90, 7, 41]),
        ("ikl,klj->ij", &[18, 37, 9], &[37, 9, 41]),
        ("bik,bkj->bij", &[9, 33, 34], &[9, 34, 40]),
        ("bik,kbj->jbi", &[3, 19, 700], &[700, 3, 20]),
    ];
    none(&devices::failures_on_each(|device| {
        if !device.is_gpu() {
            return Vec::new();
        }
        let device = &devices::limited(device, |limits| limits.max_storage_buffer_binding_size = 16 << 10);
        let mut failures = Vec::new();
        for (equation, a, b) in CASES {
            let (a, b) = (tensor(34, a, device), tensor(35, b, device));
            let product = einsum(equation, &[&a, &b]);
            failures.extend(wrong(equation, &product, device));
            failures.extend(wrong(&format!("{equation}, then more"), &(&product * 2.0 + 1.0).relu(), device));
            let scaled = einsum(equation, &[&a * 0.5, b.exp()]);
            failures.extend(wrong(&format!("{equation} of expressions"), &scaled, device));
        }
        failures
    }));
}

#[test]
fn every_layout() {
    const SHAPES: [(&str, &[usize], &[usize]); 16] = [
        ("ik,kj->ij", &[70, 33], &[33, 41]),
        ("ik,jk->ij", &[70, 33], &[41, 33]),
        ("ki,kj->ij", &[33, 70], &[33, 41]),
        ("ki,jk->ji", &[33, 70], &[41, 33]),
        ("bik,bkj->bij", &[5, 20, 33], &[5, 33, 41]),
        ("bik,bjk->jbi", &[5, 20, 33], &[5, 41, 33]),
        ("ibk,kbj->ijb", &[20, 5, 33], &[33, 5, 41]),
        ("ik,bkj->bij", &[20, 33], &[5, 33, 41]),
        ("abik,kj->abij", &[2, 3, 20, 33], &[33, 41]),
        ("ikl,lkj->ij", &[20, 7, 9], &[9, 7, 41]),
        ("ikl,klj->ij", &[20, 7, 9], &[7, 9, 41]),
        ("aibk,bkaj->bija", &[3, 20, 2, 33], &[2, 33, 3, 19]),
        ("...ik,...kj->...ij", &[2, 1, 20, 33], &[3, 33, 18]),
        ("iik,kj->ij", &[24, 24, 33], &[33, 19]),
        ("ik,kj->", &[24, 33], &[33, 19]),
        ("bik,bkj->ij", &[6, 24, 8], &[6, 8, 19]),
    ];
    none(&devices::failures_on_each(|device| {
        let mut failures = Vec::new();
        for (equation, a, b) in SHAPES {
            let (a, b) = (tensor(3, a, device), tensor(4, b, device));
            failures.extend(wrong(equation, &einsum(equation, &[&a, &b]), device));
        }
        failures
    }));
}

#[test]
fn factors_that_are_views_expressions_and_other_dtypes() {
    none(&devices::failures_on_each(|device| {
        let x = tensor(5, &[60, 90], device);
        let y = tensor(6, &[40, 90], device);
        let v = tensor(7, &[90], device);
        let (wide, tall) = (Expr::from(&x), Expr::from(&y));
        let product = |a: &Expr, b: &Expr| einsum("ik,jk->ij", &[a, b]);
        let mut cases = vec![
            ("views", product(&wide.slice(0, 3, 60, 2).flip(1), &tall.flip(0))),
            ("a window", product(&wide.narrow(1, 7, 50), &tall.narrow(1, 40, 50))),
            ("a reshaped transpose", product(&wide.transpose(0, 1).reshape([60, 90]), &tall)),
            ("expressions", product(&(wide.exp() * &v), &(&tall - 0.5))),
            ("a factor of a factor", product(&(&wide * &v.reshape([1, 90]).unwrap()), &tall)),
            ("an epilogue", (product(&wide, &tall) + 1.0).relu() * 0.5),
            ("reduced again", product(&wide, &tall).square().sum(1)),
            ("a product of a product", einsum("ij,jk->ik", &[&product(&wide, &tall), &tall])),
            ("a product of sums", einsum("ik,jk->ij", &[&wide.reshape([4, 15, 90]).sum(0), &tall])),
            ("to f16", product(&wide, &tall).cast(DType::F16)),
            ("of f16", product(&wide.cast(DType::F16), &tall.cast(DType::BF16))),
            ("a mean", (wide.unsqueeze(1) * tall.unsqueeze(0)).mean(2)),
            ("written out", (wide.unsqueeze(1) * tall.unsqueeze(0)).sum(2)),
        ];
        if device.info().f64 {
            cases.push(("f64", product(&wide.cast(DType::F64), &tall.cast(DType::F64))));
        }
        cases.iter().filter_map(|(what, expr)| wrong(what, expr, device)).collect()
    }));
}

#[test]
fn long_sums_of_small_products_are_split() {
    none(&devices::failures_on_each(|device| {
        let (a, b) = (tensor(8, &[8, 70_001], device), tensor(9, &[6, 70_001], device));
        let batch = (tensor(10, &[3, 9, 5000], device), tensor(11, &[5000, 3, 7], device));
        [
            wrong("8 6 70001", &einsum("ik,jk->ij", &[&a, &b]), device),
            wrong("batched", &einsum("bik,kbj->bij", &[&batch.0, &batch.1]), device),
        ]
        .into_iter()
        .flatten()
        .collect()
    }));
}

#[test]
fn into_views_and_several_at_once() {
    none(&devices::failures_on_each(|device| {
        let (a, b) = (tensor(12, &[20, 30], device), tensor(13, &[30, 24], device));
        let product = einsum("ik,kj->ij", &[&a, &b]);
        let want = reference::eval(&product).unwrap();
        let target = Tensor::zeros([24, 40], DType::F32, device).unwrap();
        let view = target.slice(1, 0, 40, 2).unwrap().transpose(0, 1).unwrap();
        view.assign(&product).unwrap();
        let mut failures = Vec::new();
        let comparison = reference::compare(&view, &want).unwrap();
        if !comparison.passed() {
            failures.push(format!("{device}: a view: {comparison}"));
        }
        let odd = target.slice(1, 1, 40, 2).unwrap().to_vec::<f32>().unwrap();
        if odd.iter().any(|&x| x != 0.0) {
            failures.push(format!("{device}: wrote beside the view"));
        }
        let both = hadamard::eval_all(&[product.clone(), &product * 2.0]).unwrap();
        let (one, two) = (both[0].to_vec::<f32>().unwrap(), both[1].to_vec::<f32>().unwrap());
        if one.iter().zip(&two).any(|(x, y)| x * 2.0 != *y) {
            failures.push(format!("{device}: two at once differ"));
        }
        failures
    }));
}

/// `einsum` of many operands by the definition: a loop over every label.
fn plain(labels: &[&str], out: &str, operands: &[(Vec<f32>, Vec<usize>)]) -> Vec<f64> {
    let mut sizes = std::collections::BTreeMap::new();
    for (term, (_, shape)) in labels.iter().zip(operands) {
        sizes.extend(term.chars().zip(shape.iter().copied()));
    }
    let rest: String = sizes.keys().filter(|c| !out.contains(**c)).collect();
    let order: Vec<char> = out.chars().chain(rest.chars()).collect();
    let n_out: usize = out.chars().map(|c| sizes[&c]).product();
    let n_rest: usize = rest.chars().map(|c| sizes[&c]).product();
    let mut result = vec![0.0; n_out];
    for index in 0..n_out * n_rest {
        let mut at = std::collections::BTreeMap::new();
        let mut left = index;
        for c in order.iter().rev() {
            at.insert(*c, left % sizes[c]);
            left /= sizes[c];
        }
        let factor = |(term, (values, shape)): (&&str, &(Vec<f32>, Vec<usize>))| {
            let place = term.chars().zip(shape).fold(0, |place, (c, size)| place * size + at[&c]);
            f64::from(values[place])
        };
        result[index / n_rest] += labels.iter().zip(operands).map(factor).product::<f64>();
    }
    result
}

#[test]
fn many_operands_in_any_order_of_contraction() {
    let cases: [(&[&str], &str, &[&[usize]]); 9] = [
        (&["ij", "jk", "kl"], "il", &[&[10, 12], &[12, 9], &[9, 11]]),
        (&["ij", "jk", "kl", "lm"], "im", &[&[5, 30], &[30, 4], &[4, 20], &[20, 6]]),
        (&["ik", "ik", "ik"], "k", &[&[30, 9], &[30, 9], &[30, 9]]),
        (&["i", "j", "k"], "ijk", &[&[4], &[5], &[6]]),
        (&["i", "j", "k"], "", &[&[40], &[50], &[60]]),
        (&["bi", "oi", "b", "o"], "", &[&[12, 30], &[8, 30], &[12], &[8]]),
        (&["aij", "bjk", "cki"], "abc", &[&[4, 8, 9], &[5, 9, 7], &[3, 7, 8]]),
        (&["ij", "j"], "i", &[&[20, 30], &[30]]),
        (&["ij", "kl"], "", &[&[20, 30], &[13, 17]]),
    ];
    none(&devices::failures_on_each(|device| {
        let mut failures = Vec::new();
        for (labels, out, shapes) in cases {
            let operands: Vec<(Vec<f32>, Vec<usize>)> = shapes
                .iter()
                .enumerate()
                .map(|(i, shape)| {
                    // Whole numbers: no order of adding rounds.
                    let whole =
                        noise(i as u32 + 20, shape.iter().product()).iter().map(|x| (x * 3.0).round()).collect();
                    (whole, shape.to_vec())
                })
                .collect();
            let tensors: Vec<Tensor> =
                operands.iter().map(|(v, s)| Tensor::from_slice(v, &s[..], device).unwrap()).collect();
            let refs: Vec<&Tensor> = tensors.iter().collect();
            let equation = format!("{}->{out}", labels.join(","));
            let got = einsum(&equation, &refs).eval().unwrap().to_vec::<f32>().unwrap();
            let want = plain(labels, out, &operands);
            if got.len() != want.len() || got.iter().zip(&want).any(|(g, w)| g.to_f64() != *w) {
                failures.push(format!("{device}: {equation}: {:?}…, not {:?}…", got.first(), want.first()));
            }
        }
        failures
    }));
}

#[test]
fn a_matrix_product_is_one_tiled_pass() {
    let device = Device::cpu();
    let (a, b) = (tensor(14, &[1280, 600], &device), tensor(15, &[600, 1440], &device));
    let kernels = |expr: &Expr| {
        let explained = expr.explain().unwrap();
        explained.passes.iter().map(|pass| pass.kernel).collect::<Vec<_>>()
    };
    let product = einsum("ik,kj->ij", &[&a, &b]);
    assert_eq!(kernels(&product), ["contract"]);
    assert_eq!(kernels(&einsum("ik,kj->ji", &[&a, &b])), ["contract"]);
    // A factor that is an expression is computed once, not once for every row of the other.
    assert_eq!(kernels(&einsum("ik,kj->ij", &[a.exp(), Expr::from(&b)])), ["map", "contract"]);
    // What reads each element once is the fused pass that it is written out.
    assert_eq!(kernels(&einsum("ik,ik->k", &[&a, &a])), kernels(&(&a * &a).sum(0)));
    assert_eq!(kernels(&einsum("ik,k->i", &[Expr::from(&a), b.sum(1)])).last(), Some(&"reduce_inner"));
}
