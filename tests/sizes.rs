//! Sizes at, below and above every limit a device has, and far beyond them.
//!
//! A device made with tight limits reaches its boundaries with little memory; the large tensors are for the limits
//! that adapters really have. Values are whole numbers, so that every answer is exact.
#![cfg(feature = "gpu")]

mod devices;

use devices::{failures_on_each, limited};
use hadamard::{DType, Device, Error, Expr, Scan, ScanOp, Tensor, einsum, eval_all, reference};

/// Bytes of a binding on the tight devices.
const BINDING: usize = 64 << 10;

/// A device of each GPU adapter with small limits.
fn tight(device: &Device) -> Option<Device> {
    device.is_gpu().then(|| {
        limited(device, |limits| {
            limits.max_storage_buffer_binding_size = BINDING as u64;
            limits.max_storage_buffers_per_shader_stage = 4;
            limits.max_compute_workgroups_per_dimension = 16;
            limits.max_buffer_size = 1 << 20;
        })
    })
}

/// Whole numbers from -50 to 50, or 0 to 100 for u8, that do not repeat with any power of two.
fn numbers(shape: &[usize], dtype: DType, device: &Device) -> Tensor {
    let n: usize = shape.iter().product();
    let low = if dtype == DType::U8 { 0 } else { -50 };
    let values: Vec<i32> = (0..n).map(|i| (i * 7 % 101) as i32 + low).collect();
    Tensor::from_slice(&values, shape, device).unwrap().to_dtype(dtype).unwrap()
}

/// What differs from the reference, if anything does.
fn wrong(what: &str, expr: &Expr, got: &Tensor) -> Option<String> {
    let want = reference::eval(expr).unwrap();
    let comparison = reference::compare(got, &want).unwrap();
    (!comparison.passed()).then(|| format!("{what} of {expr:?} on {}: {comparison}", got.device()))
}

#[test]
fn one_below_at_and_above_what_a_binding_reaches() {
    let failures = failures_on_each(|device| {
        let Some(device) = tight(device) else { return vec![] };
        let mut failures = Vec::new();
        let dtypes = [DType::F32, DType::U8, DType::F16, DType::F64];
        for dtype in dtypes.into_iter().filter(|&d| d != DType::F64 || device.info().f64) {
            let full = BINDING / dtype.size();
            let sizes =
                [1, 2].into_iter().flat_map(|k| [-5, -1, 0, 1, 3].map(|by| (k * full).saturating_add_signed(by)));
            for n in sizes {
                let x = numbers(&[n], dtype, &device);
                let map = &x * 1.0 + 1.0;
                let exprs =
                    [map.cast(dtype), map.flip(0), map.sum(..), map.amax(..), x.narrow(0, n - 9, 7).unwrap() + 0];
                let results = eval_all(&exprs).unwrap();
                failures.extend(exprs.iter().zip(&results).filter_map(|(e, r)| wrong(&format!("{n} elements"), e, r)));
                // In place, whole and every third element, which for u8 and f16 shares words with its neighbours.
                let old = x.to_vec_f64();
                x.assign(&x + 1.0).unwrap();
                x.slice(0, 1, n, 3).unwrap().assign(&x.slice(0, 1, n, 3).unwrap() + 1.0).unwrap();
                let want: Vec<f64> =
                    old.iter().enumerate().map(|(i, v)| v + if i % 3 == 1 { 2.0 } else { 1.0 }).collect();
                if x.to_vec_f64() != want {
                    failures.push(format!("{n} {dtype} in place on {device}"));
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

trait Values {
    fn to_vec_f64(&self) -> Vec<f64>;
}

impl Values for Tensor {
    fn to_vec_f64(&self) -> Vec<f64> {
        let cpu = self.to_device(&Device::cpu()).unwrap();
        cpu.to_dtype(DType::F64).unwrap().to_vec().unwrap()
    }
}

#[test]
fn views_that_reach_too_far_are_read_in_pieces() {
    let failures = failures_on_each(|device| {
        let Some(device) = tight(device) else { return vec![] };
        let mut failures = Vec::new();
        for dtype in [DType::F32, DType::U8] {
            let x = numbers(&[301, 303], dtype, &device);
            let (a, b) = (numbers(&[303, 301], dtype, &device), numbers(&[303], dtype, &device));
            let t = x.transpose(0, 1).unwrap();
            let flat = x.reshape([301 * 303]).unwrap();
            let half = 301 * 303 / 2;
            let exprs = [
                &t + &a,
                (&x + &b).cast(dtype),
                (Expr::from(&t) + 0).reshape([301 * 303]).flip(0),
                flat.narrow(0, 0, half).unwrap().maximum(flat.narrow(0, half, half).unwrap()),
                x.maximum(x.flip(0).unwrap()).maximum(x.flip(1).unwrap()).maximum(a.transpose(0, 1).unwrap()),
                x.sum(0),
                x.sum(1),
                (&t * &a).sum(0),
                (&t * &a).sum(1) + &b.amax(0),
                (&t * &a).amin(..),
                (x.sum(1).keepdim() - &x).cast(DType::I32),
                a.sum(0) + x.sum(1),
                // More places of one buffer than a kernel has bindings.
                (1..6).fold(flat.narrow(0, 0, 9000).unwrap() + 0, |sum, i| {
                    sum + flat.narrow(0, i * 16_400, 9000).unwrap()
                }),
                (1..6)
                    .fold(flat.narrow(0, 0, 9000).unwrap() + 0, |sum, i| {
                        sum + flat.narrow(0, i * 16_400, 9000).unwrap()
                    })
                    .sum(..),
            ];
            for expr in &exprs {
                match expr.eval() {
                    Ok(got) => failures.extend(wrong("the value", expr, &got)),
                    Err(error) => failures.push(format!("{expr:?}: {error}")),
                }
            }
            // A target of which other parts are read, far from it.
            let want = reference::eval(&(flat.narrow(0, half, half).unwrap() + 0).flip(0)).unwrap();
            let target = flat.narrow(0, 0, half).unwrap();
            target.assign((flat.narrow(0, half, half).unwrap() + 0).flip(0)).unwrap();
            let comparison = reference::compare(&target, &want).unwrap();
            if !comparison.passed() {
                failures.push(format!("a shifted copy of {dtype} on {device}: {comparison}"));
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Here rows are cut first, in halves that reach less far by half, and columns when rows would gain less.
#[test]
fn rows_and_columns_that_reach_too_far_are_cut_both() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return vec![];
        }
        let device = limited(device, |limits| limits.max_storage_buffer_binding_size = 2048);
        let (x, y) = (numbers(&[2500, 1], DType::F32, &device), numbers(&[720], DType::F32, &device));
        let spread = y.slice(0, 0, 720, 4).unwrap();
        let exprs = [(&x - &spread).amax(0), (&spread - &x).amax(0) * 2, (&x - &spread).square().sum(0)];
        exprs.iter().filter_map(|e| wrong("the value", e, &e.eval().unwrap())).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn workgroups_beyond_one_axis_and_beyond_the_grid() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return vec![];
        }
        let device = limited(device, |limits| limits.max_compute_workgroups_per_dimension = 4);
        let mut failures = Vec::new();
        let group = device.info().max_workgroup_size.min(256) as usize;
        // Software adapters have 64 invocations in a workgroup, others up to 256, of one element or four each.
        for group in [64, group] {
            for (workgroups, width) in [(4, 1), (4, 4), (16, 1), (16, 4)] {
                for by in [-1, 0, 1] {
                    let n = (workgroups * group * width).saturating_add_signed(by);
                    let x = numbers(&[n], DType::F32, &device);
                    let rows = numbers(&[n, 3], DType::F32, &device);
                    let exprs = [&x + 1.0, rows.sum(1), rows.sum(0), rows.amax(..)];
                    let results = eval_all(&exprs).unwrap();
                    failures.extend(exprs.iter().zip(&results).filter_map(|(e, r)| wrong(&format!("{n}"), e, r)));
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn more_workgroups_than_an_axis_has() {
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        let axis = 65_535;
        for n in [axis * 256 - 1, axis * 256, axis * 256 + 1] {
            let x = Tensor::full([n], 41_u8, device).unwrap();
            if (&x + 1).eval().unwrap().to_vec::<u8>().unwrap().iter().any(|&v| v != 42) {
                failures.push(format!("{n} elements on {device}"));
            }
        }
        // Eight rows a workgroup on a software adapter.
        for n in [axis * 8 - 1, axis * 8, axis * 8 + 1] {
            let x = Tensor::full([n, 16], 3_u8, device).unwrap();
            if x.sum(1).eval().unwrap().to_vec::<i64>().unwrap().iter().any(|&v| v != 48) {
                failures.push(format!("{n} rows on {device}"));
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_tensor_beyond_a_buffer_is_refused_by_name() {
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        if let Some(tight) = tight(device) {
            let most = 1 << 20;
            for (bytes, fits) in [(most - 1, true), (most, true), (most + 1, false)] {
                let result = Tensor::full([bytes], 7_u8, &tight).and_then(|x| x.to_vec::<u8>());
                match result {
                    Ok(values) if fits && values.iter().all(|&v| v == 7) && values.len() == bytes => {}
                    Err(Error::Limit { limit: "max_buffer_size", max, found, .. })
                        if !fits && max == most as u64 && found == bytes as u64 => {}
                    other => failures.push(format!("{bytes} bytes on {tight}: {other:?}")),
                }
            }
        }
        // More than there is, whatever the device says of buffers.
        match Tensor::zeros([1 << 50], DType::F64, device).map(|x| x.numel()) {
            Err(Error::Limit { .. } | Error::OutOfMemory { .. } | Error::Unsupported { .. }) => {}
            other => failures.push(format!("2^53 bytes on {device}: {other:?}")),
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Long rows are split, and each part of each reduction has to be bound again.
#[test]
fn more_reductions_than_bindings() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return vec![];
        }
        let mut failures = Vec::new();
        for bindings in [4, 5, 8].into_iter().filter(|&n| n <= device.info().max_bindings) {
            let device = limited(device, |limits| limits.max_storage_buffers_per_shader_stage = bindings);
            let x = numbers(&[40_000, 6], DType::F32, &device);
            let of = |x: &Tensor| {
                let (sum, largest) = (x.sum(0), x.amax(0));
                let squares = (x * 0.25).square().sum(0);
                [&sum + &largest, x.amin(0) * &sum, x.any(0).cast(DType::F32) - &squares, x.all(0), squares, largest]
            };
            let exprs = of(&x);
            match eval_all(&exprs) {
                Ok(got) => {
                    let what = format!("with {bindings} bindings, the value");
                    failures.extend(exprs.iter().zip(&got).filter_map(|(e, r)| wrong(&what, e, r)));
                }
                Err(error) => failures.push(format!("{bindings} bindings: {error}")),
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Rows that are scanned in parts, because they or all of them are more than can be bound, and from either end.
#[test]
fn scans_beyond_the_limits() {
    let failures = failures_on_each(|device| {
        let Some(device) = tight(device) else { return vec![] };
        let mut failures = Vec::new();
        let full = BINDING / 4;
        let shapes: Vec<Vec<usize>> = [1, 2, 5]
            .into_iter()
            .flat_map(|k| [-5, -1, 0, 1, 3].map(|by| vec![(k * full).saturating_add_signed(by)]))
            .chain([vec![301, 303], vec![40_001, 2], vec![2, 40_001], vec![3, 90, 301], vec![4, 4099, 5]])
            .collect();
        for shape in &shapes {
            let x = numbers(shape, DType::I32, &device);
            for dim in 0..shape.len() as isize {
                let backwards = x.scan(ScanOp::Cumsum, dim, Scan::exclusive().reversed());
                let exprs = [x.cumsum(dim), backwards, (&x * 2 + 1).cummax(dim) - &x, x.cast(DType::F16).cumsum(dim)];
                for expr in &exprs {
                    match expr.eval() {
                        Ok(got) => failures.extend(wrong(&format!("{shape:?}"), expr, &got)),
                        Err(error) => failures.push(format!("{expr:?} on {device}: {error}")),
                    }
                }
            }
        }
        let turned = numbers(&[301, 303], DType::F32, &device).transpose(0, 1).unwrap();
        for dim in [0, 1] {
            let expr = turned.cumsum(dim);
            failures.extend(wrong("turned", &expr, &expr.eval().unwrap()));
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Rows, and what they are folded into, are more than can be bound.
#[test]
fn segments_beyond_the_limits() {
    let failures = failures_on_each(|device| {
        let Some(device) = tight(device) else { return vec![] };
        let mut failures = Vec::new();
        for [m, n, row] in [[40_000, 9, 1], [9000, 30_000, 1], [700, 40, 61], [90, 3000, 33], [2000, 1, 40]] {
            let (x, values) = (numbers(&[n, row], DType::I32, &device), numbers(&[m, row], DType::I32, &device));
            let index = (Expr::arange(m) * 7919).remainder(n as i64).eval_on(&device).unwrap();
            let sum = x.index_add(0, &index, &values);
            let exprs = [
                sum.clone(),
                (&x * 2).index_copy(0, &index, &values + 1),
                x.cast(DType::I64).index_add(0, &index, &values),
            ];
            for expr in &exprs {
                match expr.eval() {
                    Ok(got) => failures.extend(wrong(&format!("{m} into {n} by {row}"), expr, &got)),
                    Err(error) => failures.push(format!("{m} into {n} by {row}: {expr:?} on {device}: {error}")),
                }
            }
            let want = sum.eval().unwrap().to_vec::<i32>().unwrap();
            x.assign(sum).unwrap();
            if x.to_vec::<i32>().unwrap() != want {
                failures.push(format!("{m} into {n} by {row} in place on {device}"));
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn nothing_and_one_thing() {
    let failures = failures_on_each(|device| {
        let empty = Tensor::zeros([0, 3], DType::F32, device).unwrap();
        let one = Tensor::full((), 5.0_f32, device).unwrap();
        let mut failures = Vec::new();
        let exprs = [
            &empty + 1.0,
            empty.sum(0),
            empty.sum(1),
            empty.sum(..),
            empty.prod(0),
            &one * 2.0,
            one.sum(..),
            one.amax(0),
        ];
        for expr in &exprs {
            failures.extend(wrong("the value", expr, &expr.eval().unwrap()));
        }
        empty.assign(&empty * 2.0).unwrap();
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `[rows, columns]` of `row number % 97 + column number % 89 - 90`, made on the device.
fn table(rows: usize, columns: usize, dtype: DType, device: &Device) -> Tensor {
    let count = |n: usize, by: usize| (0..n).map(|i| (i % by) as i32).collect::<Vec<_>>();
    let row = Tensor::from_slice(&count(rows, 97), [rows, 1], device).unwrap();
    let column = Tensor::from_slice(&count(columns, 89), [columns], device).unwrap();
    (&row + &column - 90).cast(dtype).eval().unwrap()
}

fn cell(row: usize, column: usize) -> i32 {
    (row % 97) as i32 + (column % 89) as i32 - 90
}

/// 300 MiB, more than twice what a binding reaches on most adapters.
#[test]
fn tensors_larger_than_a_binding() {
    let failures = failures_on_each(|device| {
        let (rows, columns) = (19_200_000, 4);
        if device.info().max_buffer < 4 * (rows * columns) as u64 {
            return vec![];
        }
        let mut failures = Vec::new();
        let mut expect = |what: &str, right: bool| {
            if !right {
                failures.push(format!("{what} on {device}"));
            }
        };
        let x = table(rows, columns, DType::I32, device);
        let of_column = |c: usize| (0..rows).fold(0_i64, |sum, r| sum + i64::from(cell(r, c)));
        let sums: Vec<i64> = (0..columns).map(of_column).collect();
        expect("[N, 4].sum(0)", x.sum(0).eval().unwrap().to_vec::<i64>().unwrap() == sums);
        let so_far = x.cumsum(0).eval().unwrap();
        let last = so_far.narrow(0, rows - 1, 1).unwrap().to_vec::<i64>().unwrap();
        expect("the end of [N, 4].cumsum(0)", last == sums);
        let at = rows / 2 + 12_345;
        let half: Vec<i64> = (0..columns).map(|c| (0..=at).fold(0, |sum, r| sum + i64::from(cell(r, c)))).collect();
        expect("the middle of [N, 4].cumsum(0)", so_far.narrow(0, at, 1).unwrap().to_vec::<i64>().unwrap() == half);
        drop(so_far);
        let total: i64 = sums.iter().sum();
        expect("the sum of all", x.sum(..).eval().unwrap().item::<i64>().unwrap() == total);
        x.assign(&x * 2 + 1).unwrap();
        let values = x.to_vec::<i32>().unwrap();
        let right = |(i, &v): (usize, &i32)| v == 2 * cell(i / columns, i % columns) + 1;
        expect("an update in place", values.iter().enumerate().all(right));
        let t = x.transpose(0, 1).unwrap();
        let last = t.narrow(1, rows - 3, 3).unwrap().to_vec::<i32>().unwrap();
        let want: Vec<i32> = (0..4).flat_map(|c| (rows - 3..rows).map(move |r| 2 * cell(r, c) + 1)).collect();
        expect("the end of a transposed view", last == want);
        let half = rows / 2;
        let halves = x.narrow(0, 0, half).unwrap() + x.narrow(0, half, half).unwrap();
        let got = halves.amax(0).eval().unwrap().to_vec::<i32>().unwrap();
        let largest = |c: usize| (0..half).map(|r| 2 * (cell(r, c) + cell(r + half, c)) + 2).max().unwrap_or(0);
        expect("one half and the other", got == (0..4).map(largest).collect::<Vec<_>>());
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Counts that 32 bits do not hold, without memory for them, on one GPU.
#[test]
#[ignore = "takes ten seconds or more: .ci/run names it"]
fn more_than_two_to_the_31_elements_of_a_broadcast() {
    let device = devices::devices().into_iter().find(Device::is_gpu).expect("a GPU adapter");
    let (rows, columns) = (1 << 16, (1 << 15) + 1);
    let count = |n: usize, by: usize| (0..n).map(|i| (i % by) as i32).collect::<Vec<_>>();
    let column = Tensor::from_slice(&count(rows, 5), [rows, 1], &device).unwrap();
    let row = Tensor::from_slice(&count(columns, 3), [columns], &device).unwrap();
    assert_eq!((&column + 10 * &row).amax(..).eval().unwrap().item::<i32>().unwrap(), 24, "{device}");
}

/// Takes 2 GiB, and a minute on two cores.
#[test]
#[ignore = "takes 2 GiB and a minute: .ci/run names it"]
fn more_than_two_to_the_31_elements_in_memory() {
    let device = Device::cpu();
    let n = (1 << 31) + 5;
    let x = Tensor::full([n], 1_u8, &device).unwrap();
    x.narrow(0, n - 2, 1).unwrap().fill(7).unwrap();
    let results = eval_all(&[x.sum(..), (&x * 3).amax(..).cast(DType::I64), x.eq(7).sum(0)]).unwrap();
    let got: Vec<i64> = results.iter().map(|r| r.item().unwrap()).collect();
    assert_eq!(got, [n as i64 + 6, 21, 1]);
    x.assign(&x * 3).unwrap();
    assert_eq!(x.narrow(0, n - 4, 4).unwrap().to_vec::<u8>().unwrap(), [3, 3, 21, 3]);
    let rows = x.narrow(0, 0, n - 1).unwrap().reshape([2, n / 2]).unwrap();
    assert_eq!(rows.amax(1).eval().unwrap().to_vec::<u8>().unwrap(), [3, 21]);
    device.trim();
}

#[test]
fn matrix_products_beyond_the_limits() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return vec![];
        }
        // Factors and results at, below and beyond what a binding reaches.
        let tight = limited(device, |limits| limits.max_storage_buffer_binding_size = 16 << 10);
        let mut failures = Vec::new();
        let sizes = [(64, 64, 64), (40, 300, 40), (130, 20, 120), (130, 50, 120), (20, 700, 200), (17, 5000, 19)];
        for (rows, terms, columns) in sizes {
            let (a, b) = (numbers(&[rows, terms], DType::F32, &tight), numbers(&[columns, terms], DType::F32, &tight));
            let b = b.transpose(0, 1).unwrap();
            for expr in [einsum("ij,jk->ik", &[&a, &b]), einsum("ij,jk->ki", &[&a, &b]) * 0.5 + 1] {
                match expr.eval() {
                    Ok(got) => failures.extend(wrong(&format!("{rows} by {terms} by {columns}"), &expr, &got)),
                    Err(error) => failures.push(format!("{rows} by {terms} by {columns} on {tight}: {error}")),
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
