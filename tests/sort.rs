//! Order along a dim, against plain loops, and what is found by it.

mod devices;

use std::cmp::Ordering;

use devices::{devices, limited};
use hadamard::{DType, Device, DeviceKind, Error, Expr, Scan, ScanOp, Tensor, eval_all};

fn numbers(n: usize, levels: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + i * i % 31) % 104_729 % levels) as f32 - (levels / 2) as f32).collect()
}

/// NaN last, equal ones as they stand.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn places(row: &[f64], descending: bool) -> Vec<i64> {
    let mut places: Vec<i64> = (0..row.len() as i64).collect();
    let order = |&a: &i64, &b: &i64| compare(row[a as usize], row[b as usize]);
    places.sort_by(|a, b| if descending { order(b, a) } else { order(a, b) });
    places
}

fn long(expr: &Expr) -> Vec<i64> {
    expr.eval().unwrap().to_vec().unwrap()
}

fn float(expr: &Expr) -> Vec<f32> {
    expr.eval().unwrap().to_vec().unwrap()
}

#[test]
fn rows_of_every_length_in_every_dtype() {
    for device in &devices() {
        for (rows, row, levels) in
            [(1, 1, 3), (3, 2, 2), (5, 513, 7), (2, 1023, 104_729), (40, 100, 30), (1, 70_000, 1000)]
        {
            let values = numbers(rows * row, levels);
            let x = Tensor::from_slice(&values, [rows, row], device).unwrap();
            for dtype in [DType::F32, DType::I32, DType::I64, DType::F16, DType::I8, DType::F64] {
                if dtype == DType::F64 && !device.info().f64 || dtype == DType::I8 && levels > 100 {
                    continue;
                }
                let y = x.cast(dtype);
                let kept: Vec<f64> =
                    y.cast(DType::F32).eval().unwrap().to_vec::<f32>().unwrap().iter().map(|&v| v.into()).collect();
                for descending in [false, true] {
                    let want: Vec<i64> = kept.chunks(row).flat_map(|row| places(row, descending)).collect();
                    assert_eq!(long(&y.argsort(1, descending)), want, "{device} {dtype} [{rows}, {row}]");
                }
            }
        }
    }
}

#[test]
fn special_values_and_both_ends_of_the_integers() {
    for device in &devices() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let x = Tensor::from_slice(&[1.0, nan, -inf, 0.0, -0.0, inf, -nan, -1e-30, 0.0], [9], device).unwrap();
        let (values, order) = x.sort(0, false);
        assert_eq!(long(&order), [2, 7, 3, 4, 8, 0, 5, 1, 6], "{device}");
        let values = float(&values);
        assert!(
            values[0] == -inf && values[6] == inf && values[7].is_nan() && values[8].is_nan(),
            "{device} {values:?}"
        );
        assert_eq!(long(&x.argsort(0, true)), [1, 6, 5, 0, 3, 4, 8, 7, 2], "{device}");
        // Subnormals, which some drivers take for 0 where they compute.
        let small = Tensor::from_slice(&[1e-40_f32, -1e-38, 3e-45, -1e-40, 2e-38, -3e-45], [6], device).unwrap();
        assert_eq!(long(&small.argsort(0, false)), [1, 3, 5, 2, 0, 4], "{device}");
        assert_eq!(long(&small.argsort(0, true)), [4, 0, 2, 5, 3, 1], "{device}");
        let small = small.narrow(0, 0, 4).unwrap();
        assert_eq!((long(&small.argmax(0)), long(&small.argmin(0))), (vec![0], vec![1]), "{device}");
        let ints = Tensor::from_slice(&[i32::MAX, 0, i32::MIN, -1, i32::MAX], [5], device).unwrap();
        assert_eq!(long(&ints.argsort(0, false)), [2, 3, 1, 0, 4], "{device}");
        assert_eq!(long(&ints.argsort(0, true)), [0, 4, 1, 3, 2], "{device}");
        let wide = Tensor::from_slice(&[i64::MAX, 1 << 32, i64::MIN, -1, 1], [5], device).unwrap();
        assert_eq!(long(&wide.argsort(0, false)), [2, 3, 4, 1, 0], "{device}");
        let unsigned = Tensor::from_slice(&[u64::MAX, 1, 1 << 63, 0], [4], device).unwrap();
        assert_eq!(long(&unsigned.argsort(0, true)), [0, 2, 1, 3], "{device}");
        let truths = Tensor::from_slice(&[true, false, true, false], [4], device).unwrap();
        assert_eq!(long(&truths.argsort(0, false)), [1, 3, 0, 2], "{device}");
    }
}

#[test]
fn some_ranks_of_many_equal_elements() {
    for device in &devices() {
        for (n, k) in [(262, 257), (262, 3), (1000, 300), (5000, 4000)] {
            for levels in [1, 3, 20] {
                let values = numbers(2 * n, levels);
                let x = Tensor::from_slice(&values, [2, n], device).unwrap();
                for largest in [false, true] {
                    let (top, at) = x.topk(k, 1, largest);
                    let (top, at) = (float(&top), long(&at));
                    for row in 0..2 {
                        let of_row: Vec<f64> = values[row * n..][..n].iter().map(|&v| v.into()).collect();
                        let want = &places(&of_row, largest)[..k];
                        assert_eq!(&at[row * k..][..k], want, "{device}, {k} of {n}, {levels} levels, {largest}");
                        let elements = want.iter().map(|&place| values[row * n + place as usize]);
                        assert!(elements.eq(top[row * k..][..k].iter().copied()), "{device}, {k} of {n}, elements");
                    }
                }
                let (value, at) = x.kthvalue(k, 1);
                let (value, at) = (float(&value), long(&at));
                for row in 0..2 {
                    let of_row: Vec<f64> = values[row * n..][..n].iter().map(|&v| v.into()).collect();
                    let want = places(&of_row, false)[k - 1];
                    assert_eq!((at[row], value[row]), (want, values[row * n + want as usize]), "{device}, {k} of {n}");
                }
            }
        }
    }
}

/// Long rows, whose keys lie together, apart, or nearly all at one place: elements and places, alone and in one pass.
#[test]
fn long_rows_however_their_keys_are_spread() {
    let spread: [(&str, fn(usize) -> f32); 8] = [
        ("even", |i| (i * 7919 % 104_729) as f32),
        ("small and large", |i| ((i * 7919 % 104_729) as f32 / 1e3).exp2() * if i % 3 == 0 { -1.0 } else { 1.0 }),
        ("equal", |_| 7.0),
        ("few levels", |i| (i * i % 5) as f32),
        ("one far away", |i| if i == 77_777 { 1e30 } else { 1.0 + (i * 7919 % 104_729) as f32 * 1e-7 }),
        ("one period", |i| if i % 8 == 0 { 3.0 } else { (i * 7919 % 104_729) as f32 }),
        ("rising", |i| i as f32),
        ("zeros and NaN", |i| [0.0, -0.0, f32::NAN, -f32::NAN, 1.0, -1.0][i * 7919 % 104_729 % 6]),
    ];
    for device in &devices() {
        for (name, f) in spread {
            let n = if device.info().kind == DeviceKind::Cpu { 300_000 } else { 20_000 };
            let values: Vec<f32> = (0..n).map(f).collect();
            let x = Tensor::from_slice(&values, [n], device).unwrap();
            let wide: Vec<f64> = values.iter().map(|&v| v.into()).collect();
            for descending in [false, true] {
                let want = places(&wide, descending);
                let (sorted, order) = x.sort(0, descending);
                let together = eval_all(&[&sorted, &order]).unwrap();
                let of = |place: &i64| values[*place as usize].to_bits();
                let bits: Vec<u32> = want.iter().map(of).collect();
                let in_bits = |x: Tensor| x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>();
                assert!(together[1].to_vec::<i64>().unwrap() == want, "{device} {name}");
                assert!(in_bits(sorted.eval().unwrap()) == bits, "{device} {name}: elements alone");
                assert!(in_bits(together[0].clone()) == bits, "{device} {name}: elements with places");
                assert!(long(&x.argsort(0, descending)) == want, "{device} {name}: places alone");
                let wide = x.cast(DType::I64);
                let kept: Vec<f64> = long(&wide).iter().map(|&v| v as f64).collect();
                assert!(long(&wide.argsort(0, descending)) == places(&kept, descending), "{device} {name}: i64");
            }
        }
    }
}

/// Ranks from the start, the middle and the end, of rows of any length.
#[test]
fn the_few_that_are_wanted() {
    for device in &devices() {
        let long_row = if device.info().kind == DeviceKind::Cpu { 200_000 } else { 3000 };
        for (rows, row) in [(1, 1), (3, 20), (2, 300), (2, 1025), (1, long_row)] {
            let values = numbers(rows * row, 1000);
            let x = Tensor::from_slice(&values, [rows, row], device).unwrap();
            let wide: Vec<f64> = values.iter().map(|&v| v.into()).collect();
            for k in [1, 2, 5, 60, 130].into_iter().filter(|&k| k <= row) {
                for largest in [false, true] {
                    let order = |row: &[f64]| places(row, largest)[..k].to_vec();
                    let want: Vec<i64> = wide.chunks(row).flat_map(order).collect();
                    let of =
                        |(row, places): (&[f32], &[i64])| places.iter().map(|&p| row[p as usize]).collect::<Vec<_>>();
                    let elements: Vec<f32> = values.chunks(row).zip(want.chunks(k)).flat_map(of).collect();
                    let (top, at) = x.topk(k, 1, largest);
                    assert_eq!(float(&top), elements, "{device} [{rows}, {row}] {k}");
                    assert_eq!(long(&at), want, "{device} [{rows}, {row}] {k}");
                    let both = eval_all(&[&at, &top]).unwrap();
                    assert_eq!(both[0].to_vec::<i64>().unwrap(), want, "{device} [{rows}, {row}] {k}");
                    assert_eq!(both[1].to_vec::<f32>().unwrap(), elements, "{device} [{rows}, {row}] {k}");
                }
            }
            for k in [1, row / 2 + 1, row] {
                let want: Vec<i64> = wide.chunks(row).map(|row| places(row, false)[k - 1]).collect();
                let (value, at) = x.kthvalue(k, 1);
                assert_eq!(long(&at), want, "{device} [{rows}, {row}] {k}");
                let of = |(row, &place): (&[f32], &i64)| row[place as usize];
                let elements: Vec<f32> = values.chunks(row).zip(&want).map(of).collect();
                assert_eq!(float(&value), elements, "{device} [{rows}, {row}] {k}");
            }
        }
    }
}

/// What is sorted is computed in the pass before, and read through views; what follows reads the places through views.
#[test]
fn expressions_before_and_behind() {
    for device in &devices() {
        let values = numbers(6 * 7 * 5, 50);
        let x = Tensor::from_slice(&values, [6, 7, 5], device).unwrap();
        let y = (&x * -2.0 + 1.0).transpose(0, 2);
        let order = y.argsort(1, false);
        let sorted = float(&y.take_along_dim(&order, 1));
        let flat = float(&y.sort(1, false).0);
        assert_eq!(sorted, flat, "{device}");
        // Sorted along dim 1 of [5, 7, 6].
        for i in 0..5 {
            for k in 0..6 {
                let column: Vec<f32> = (0..7).map(|j| flat[(i * 7 + j) * 6 + k]).collect();
                assert!(column.is_sorted(), "{device} {column:?}");
            }
        }
        let sums = float(&(x.sort(-1, true).0 * 2.0).sum(0));
        let want = float(&(x.sort(-1, true).0.sum(0) * 2.0));
        assert_eq!(sums, want, "{device}");
        // Of reductions and scans, which are stored.
        let means = x.sum([1, 2]);
        assert!(float(&means.sort(0, false).0).is_sorted(), "{device}");
        let scanned = (&x * 0.0 + 1.0).scan(ScanOp::Cumsum, 1, Scan::default());
        assert_eq!(long(&scanned.argsort(1, true).narrow(0, 0, 1).narrow(2, 0, 1)), [6, 5, 4, 3, 2, 1, 0], "{device}");
    }
}

#[test]
fn medians_quantiles_and_the_largest_few() {
    for device in &devices() {
        let nan = f32::NAN;
        let x = Tensor::from_slice(&[5.0, 1.0, 4.0, 2.0, 3.0, nan, 7.0, 6.0], [2, 4], device).unwrap();
        let (value, place) = x.median(1);
        let value = float(&value);
        assert!(value[0] == 2.0 && value[1].is_nan(), "{device} {value:?}");
        assert_eq!(long(&place), [3, 1], "{device}");
        let (value, place) = x.nanmedian(1);
        assert_eq!((float(&value), long(&place)), (vec![2.0, 6.0], vec![3, 3]), "{device}");
        let (value, place) = x.kthvalue(3, 1);
        assert_eq!((float(&value), long(&place)), (vec![4.0, 7.0], vec![2, 2]), "{device}");
        let (values, places) = x.topk(2, 1, false);
        assert_eq!((float(&values), long(&places)), (vec![1.0, 2.0, 3.0, 6.0], vec![1, 3, 0, 3]), "{device}");
        let quantile = float(&x.quantile(0.5, 1));
        assert!(quantile[0] == 3.0 && quantile[1].is_nan(), "{device} {quantile:?}");
        assert_eq!(float(&x.narrow(0, 0, 1).unwrap().quantile(1.0, 1)), [5.0], "{device}");
    }
}

#[test]
fn search_finds_where_to_put_a_value() {
    for device in &devices() {
        for n in [1_usize, 2, 3, 7, 8, 100] {
            let mut sorted = numbers(n, 20);
            sorted.sort_by(f32::total_cmp);
            let values: Vec<f32> = (-12..12).map(|v| v as f32 * 0.9).chain([f32::NAN]).collect();
            let of = Tensor::from_slice(&sorted, [n], device).unwrap();
            let at = Tensor::from_slice(&values, [5, 5], device).unwrap();
            for right in [false, true] {
                let before = |v: f32| sorted.partition_point(|&s| v.is_nan() || if right { s <= v } else { s < v });
                let want: Vec<i64> = values.iter().map(|&v| before(v) as i64).collect();
                assert_eq!(long(&of.searchsorted(&at, right)), want, "{device} {n}");
                assert_eq!(long(&at.bucketize(&of, right)), want, "{device} {n}");
            }
        }
        let of = Tensor::from_slice(&[1, 3, 5, 2, 4, 6], [2, 3], device).unwrap();
        let at = Tensor::from_slice(&[3, 6, 3, 6], [2, 2], device).unwrap();
        assert_eq!(long(&of.searchsorted(&at, false)), [1, 3, 1, 2], "{device}");
        let x = Tensor::from_slice(&[0.0_f32, 0.24, 0.25, 1.0, 1.01, -0.1, f32::NAN], [7], device).unwrap();
        assert_eq!(float(&x.histc(4, 0.0, 1.0)), [2.0, 1.0, 0.0, 1.0], "{device}");
    }
}

#[test]
fn gradients_go_back_to_where_elements_came_from() {
    for device in &devices() {
        let x = Tensor::from_slice(&[3.0_f32, 1.0, 2.0], [3], device).unwrap();
        let weights = Tensor::from_slice(&[10.0_f32, 20.0, 30.0], [3], device).unwrap();
        let loss = (x.sort(0, false).0 * &weights).sum(..);
        assert_eq!(float(&loss.grad(&[&x]).unwrap()[0]), [30.0, 10.0, 20.0], "{device}");
        let loss = x.topk(2, 0, true).0.sum(..);
        assert_eq!(float(&loss.grad(&[&x]).unwrap()[0]), [1.0, 0.0, 1.0], "{device}");
    }
}

#[test]
fn nothing_and_mistakes() {
    for device in &devices() {
        let empty = Tensor::zeros([0, 3], DType::F32, device).unwrap();
        assert_eq!(long(&empty.argsort(0, false)), [0_i64; 0], "{device}");
        assert_eq!(long(&empty.argsort(1, false)), [0_i64; 0], "{device}");
        assert!(matches!(empty.median(0).0.eval(), Err(Error::Argument { op: "median", .. })), "{device}");
        let scalar = Tensor::from_slice(&[2.5_f32], [], device).unwrap();
        let (value, place) = scalar.sort(0, false);
        assert_eq!((float(&value), long(&place)), (vec![2.5], vec![0]), "{device}");
        assert_eq!(float(&scalar.median(0).0), [2.5], "{device}");
        assert_eq!(long(&empty.reshape([0]).unwrap().searchsorted(&scalar, false)), [0], "{device}");
        let x = Tensor::ones([2, 3], DType::F32, device).unwrap();
        for error in [
            x.argsort(2, false),
            x.topk(4, 1, true).0,
            x.kthvalue(0, 1).1,
            x.quantile(1.5, 0),
            x.cast(DType::I32).quantile(0.5, 0),
            x.searchsorted(&scalar, false),
            x.histc(0, 0.0, 1.0),
        ] {
            let error = error.eval().unwrap_err();
            assert!(matches!(error, Error::Argument { .. } | Error::DType { .. } | Error::Dim { .. }), "{error:?}");
        }
    }
}

/// Rows that one binding does not show together, and lengths about the blocks of a workgroup.
#[test]
fn many_rows() {
    for device in &devices() {
        let x = Expr::arange(3000 * 33).cast(DType::F32).reshape([3000, 33]);
        let y = (&x * 7919.0).sin();
        let y = y.eval_on(device).unwrap();
        let sorted = y.sort(1, false).0.eval().unwrap();
        let steps = sorted.narrow(1, 1, 32).unwrap() - sorted.narrow(1, 0, 32).unwrap();
        assert!(steps.ge(0.0).all(..).eval().unwrap().item::<bool>().unwrap(), "{device}");
        let sums = (y.sum(1) - sorted.sum(1)).abs().amax(..).eval().unwrap().item::<f32>().unwrap();
        assert!(sums < 1e-4, "{device} {sums}");
    }
}

#[test]
fn different_elements_and_how_often_they_are_there() {
    for device in &devices() {
        let values = numbers(3000, 40);
        let x = Tensor::from_slice(&values, [30, 100], device).unwrap();
        let unique = x.unique().unwrap();
        let mut want: Vec<f32> = values.clone();
        want.sort_by(f32::total_cmp);
        want.dedup();
        let found = unique.values.to_vec::<f32>().unwrap();
        assert_eq!(found, want, "{device}");
        assert_eq!(unique.inverse.shape().dims(), [30, 100], "{device}");
        let inverse = unique.inverse.to_vec::<i64>().unwrap();
        assert!(inverse.iter().zip(&values).all(|(&at, &value)| found[at as usize] == value), "{device}");
        let counts = want.iter().map(|w| values.iter().filter(|v| *v == w).count() as i64).collect::<Vec<_>>();
        assert_eq!(unique.counts.to_vec::<i64>().unwrap(), counts, "{device}");
        let whole = (x.cast(DType::I32) + 20).reshape([3000]);
        assert_eq!(whole.bincount(50).unwrap().to_vec::<i64>().unwrap()[..40], counts, "{device}");
        assert_eq!(whole.bincount(50).unwrap().numel(), 50, "{device}");
        assert!(matches!((&whole - 1).bincount(0), Err(Error::Argument { op: "bincount", .. })), "{device}");
        let nan = Tensor::from_slice(&[f32::NAN, 1.0, f32::NAN, 1.0], [4], device).unwrap().unique().unwrap();
        assert_eq!(nan.counts.to_vec::<i64>().unwrap(), [2, 1, 1], "{device}");
        let empty = Tensor::zeros([0], DType::I64, device).unwrap();
        assert_eq!(empty.unique().unwrap().counts.numel(), 0, "{device}");
        assert_eq!(empty.bincount(3).unwrap().to_vec::<i64>().unwrap(), [0, 0, 0], "{device}");
        let x = Tensor::from_slice(&[0, 5, 0, 7, 0, 9], [1, 2, 3], device).unwrap();
        assert_eq!(x.nonzero().unwrap().to_vec::<i64>().unwrap(), [0, 0, 1, 0, 1, 0, 0, 1, 2], "{device}");
    }
}

/// The bits of a tensor.
fn bits(result: &Tensor) -> Vec<u8> {
    match result.dtype() {
        DType::I64 => bytemuck::cast_slice(&result.to_vec::<i64>().unwrap()).to_vec(),
        DType::F64 => bytemuck::cast_slice(&result.to_vec::<f64>().unwrap()).to_vec(),
        _ => bytemuck::cast_slice(&result.cast(DType::F32).eval().unwrap().to_vec::<f32>().unwrap()).to_vec(),
    }
}

fn of_both((values, places): (Expr, Expr)) -> Vec<Expr> {
    vec![values, places]
}

/// A row that no binding shows, and so long that no binding shows the counts of all its tiles.
#[test]
fn a_row_of_many_bindings_is_sorted_as_any_other() {
    let row = 90_003;
    let mut values = numbers(row, 70_000);
    (values[17], values[70_000], values[89_000]) = (f32::NAN, f32::INFINITY, -0.0);
    let whole: Vec<f32> = values.iter().map(|x| if x.is_finite() { *x } else { 3.0 }).collect();
    let cases: [(DType, fn(&Tensor) -> Vec<Expr>); 7] = [
        (DType::F32, |x| of_both(x.sort(0, false))),
        (DType::I64, |x| of_both(x.sort(0, true))),
        (DType::F64, |x| vec![x.sort(0, false).0]),
        (DType::F16, |x| vec![x.sort(0, true).1]),
        (DType::F32, |x| of_both(x.kthvalue(50_000, 0))),
        (DType::I32, |x| of_both(x.topk(5, 0, true))),
        (DType::F32, |x| vec![x.topk(100, 0, false).1]),
    ];
    for device in devices().into_iter().filter(Device::is_gpu) {
        let tight = limited(&device, |limits| limits.max_storage_buffer_binding_size = 40 << 10);
        let sorts = |dtype| dtype != DType::F64 || tight.info().f64;
        for (i, (dtype, of)) in cases.iter().enumerate().filter(|case| sorts(case.1.0)) {
            let values = if dtype.is_float() { &values } else { &whole };
            let [found, want] = [&tight, &Device::cpu()].map(|device| {
                let x = Tensor::from_slice(values, [row], device).unwrap().cast(*dtype).eval().unwrap();
                eval_all(&of(&x)).unwrap()
            });
            for (found, want) in found.iter().zip(&want) {
                assert!(bits(found) == bits(want), "{device} {dtype}: case {i}");
            }
        }
    }
}

#[test]
fn a_tile_that_no_binding_shows_is_refused() {
    for device in devices().into_iter().filter(Device::is_gpu) {
        let device = limited(&device, |limits| limits.max_storage_buffer_binding_size = 2048);
        let x = Tensor::zeros([32 << 10], DType::F32, &device).unwrap();
        let error = x.sort(0, false).0.eval().unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, Error::Limit { .. }) && text.contains("max_storage_buffer_binding_size = 2048"),
            "{text}"
        );
    }
}
