use super::{check, first_mismatch, naive, noise, random, tensor};
use crate::{DType, Device, Expr, ReduceOp, Tensor};

/// `2 · n · ε · Σ|terms|` for sums, element by element, and exactly otherwise.
#[track_caller]
fn check_sum(what: &str, product: &Expr, dims: &[isize]) {
    let sum = product.sum(dims);
    let got = naive::elements(&sum.eval().unwrap());
    let want = naive::evaluate(&[(&sum.cast(DType::F64), DType::F64)]).remove(0);
    let size = naive::evaluate(&[(&product.cast(DType::F64).abs().sum(dims), DType::F64)]).remove(0);
    let n = product.shape().numel() as f64 / size.len().max(1) as f64;
    for i in 0..want.len() {
        let bound = 2.0 * n * product.dtype().epsilon() * size[i];
        assert!((got[i] - want[i]).abs() <= bound, "{what} {dims:?}: element {i}: {} not {}", got[i], want[i]);
    }
    assert_eq!(got.len(), want.len());
}

#[test]
fn every_aspect_ratio() {
    for (rows, columns) in [
        (1, 1),
        (1, 70_000),
        (70_000, 1),
        (2, 35_001),
        (35_001, 2),
        (4, 20_000),
        (20_000, 4),
        (300, 300),
        (37, 4099),
        (4099, 37),
        (5000, 64),
        (64, 5000),
        (255, 256),
    ] {
        let (a, b) = (random(1, &[rows, columns], DType::F32), random(2, &[rows, columns], DType::F32));
        for dims in [&[0][..], &[1], &[0, 1]] {
            check_sum(&format!("[{rows}, {columns}]"), &(&a * &b), dims);
            let turned = &a.transpose(0, 1).unwrap() * &b.transpose(0, 1).unwrap();
            check_sum(&format!("[{columns}, {rows}], transposed"), &turned, dims);
        }
    }
}

/// Factors of which one lies row by row and the other column by column, also of more columns than a window shows.
#[test]
fn of_leaves_that_lie_column_by_column() {
    for (rows, columns) in [(8, 256), (33, 257), (300, 520), (9, 9000), (2100, 300)] {
        for dtype in [DType::F32, DType::F64] {
            let a = random(80, &[2, rows, columns], dtype);
            let [b, c] = [81, 82].map(|seed| random(seed, &[2, columns, rows], dtype).transpose(1, 2).unwrap());
            let narrow = random(83, &[columns, rows], DType::U8).transpose(0, 1).unwrap();
            for dims in [&[1][..], &[2], &[0, 1], &[1, 2], &[0, 1, 2]] {
                check_sum(&format!("[2, {rows}, {columns}]"), &(&a * &b), dims);
                check_sum(&format!("[2, {rows}, {columns}] and more"), &(&a * (&b + &c) - &narrow), dims);
            }
            check("largest", &(&a + &b).amax([0, 2]), 1e-6);
        }
    }
}

/// Of two tensors, of a tensor and what is one element for a row, a column or all, either way round, and of two folds.
#[test]
fn differences_and_their_squares() {
    for shape in [[1, 70_000], [37, 4099], [300, 700], [4099, 37], [5, 20]] {
        for dtype in [DType::F32, DType::F64] {
            let random = |seed, shape: [usize; 2]| Expr::from(random(seed, &shape, dtype));
            let a = random(1, shape);
            let others = [
                random(2, shape),
                random(3, [1, shape[1]]),
                random(4, [shape[0], 1]),
                random(5, [1, 1]),
                random(6, [1, 1]).exp() + random(7, [1, 1]),
                0.25.into(),
            ];
            for (i, other) in others.iter().enumerate() {
                for dims in [&[0][..], &[1], &[0, 1]] {
                    let what = format!("{dtype} {shape:?}, {i}");
                    for d in [&a - other, other - &a] {
                        check_sum(&what, &d, dims);
                        check_sum(&what, &d.square(), dims);
                        check(&what, &(d.sum(dims) + d.square().sum(dims)), 1e-3);
                    }
                    check_sum(&what, &(&a * other), dims);
                }
            }
        }
    }
}

#[test]
fn largest_magnitudes() {
    for dtype in [DType::F32, DType::F64] {
        for shape in [[1, 70_000], [300, 700], [4099, 37]] {
            let mut values = noise(1, shape[0] * shape[1]);
            for dims in [&[0][..], &[1], &[0, 1]] {
                let largest = |values: &[f64]| Expr::from(tensor(values, &shape, dtype)).abs().amax(dims);
                check("the largest magnitude", &largest(&values), 0.0);
                let (at, len) = (values.len() / 2, values.len());
                for (odd, then) in [(-0.0, -0.0), (f64::NEG_INFINITY, 1.0), (f64::NAN, 1.0), (-f64::NAN, f64::INFINITY)]
                {
                    (values[at], values[len - 1]) = (odd, then);
                    check(&format!("{odd} and {then}"), &largest(&values), 0.0);
                }
            }
        }
    }
}

/// What is one element for all strips, made of what lies in memory, of a sum and of numbers.
#[test]
fn what_is_the_same_for_all_strips() {
    for shape in [[3, 5000], [5000, 3], [1, 1], [2, 1]] {
        let x = random(1, &shape, DType::F32);
        let [s, t] = [2, 3].map(|seed| random(seed, &[1, 1], DType::F32));
        let single = (s.exp() * &t + x.sum(&[0, 1][..]) / 7.0).cast(DType::F64).cast(DType::F32) * 0.5;
        check("used by all", &(&x * &single * &single), 1e-5);
        check("used by itself", &(single.broadcast_to(shape) * 2.0), 1e-5);
        check("in columns", &((&x.transpose(0, 1).unwrap()) * &single), 1e-5);
    }
}

/// As many results as a strip has elements.
#[test]
fn dims_of_one() {
    for (shape, dtype) in
        [([70, 1, 90], DType::F32), ([70, 1, 90], DType::F64), ([5, 1, 3000], DType::F64), ([9, 2, 900], DType::F64)]
    {
        let x = random(1, &shape, dtype);
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let x = x.permute(&order).unwrap();
            let dim = order.iter().position(|&d| d == 1).unwrap() as isize;
            check_sum(&format!("{shape:?} as {order:?}"), &(&x).into(), &[dim]);
            check_sum(&format!("{shape:?} as {order:?}, computed"), &(x.abs() + 1), &[dim]);
        }
    }
}

#[test]
fn every_choice_of_dims() {
    for shape in [[6, 7, 8, 9], [2, 300, 3, 40], [70, 1, 90, 2], [3, 2, 2, 1500]] {
        let a = random(3, &shape, DType::F32);
        let turned = a.permute(&[2, 0, 3, 1]).unwrap().flip(1).unwrap();
        let b = random(4, &[shape[1], 1, 1], DType::F32);
        for mask in 1..16_u32 {
            let dims: Vec<isize> = (0..4).filter(|d| mask >> d & 1 == 1).collect();
            check_sum("as it is", &Expr::from(&a), &dims);
            check_sum("permuted", &Expr::from(&turned), &dims);
            check_sum("broadcast", &(&a * &b), &dims);
        }
    }
}

/// Down the columns, of terms that are computed, that lie in memory, and that are one number for a whole row.
#[test]
fn rows_that_are_computed_together() {
    for (shape, dtype) in [([70, 5000], DType::F32), ([531, 300], DType::F32), ([70, 3000], DType::F64)] {
        let [x, y] = [1, 2].map(|seed| random(seed, &shape, dtype));
        let row = random(3, &[1, shape[1]], dtype);
        let column = random(4, &[shape[0], 1], dtype);
        check_sum("computed", &(x.abs() + 1), &[0]);
        check_sum("in memory and computed", &(&x * y.abs()), &[0]);
        check_sum("computed and in memory", &(x.abs() * &y), &[0]);
        check_sum("in memory, of one row", &(&row * x.abs()), &[0]);
        check_sum("a number for each row", &(column.abs() * x.abs()), &[0]);
        check_sum("nothing but numbers for rows", &column.abs().broadcast_to(shape), &[0]);
        check_sum("in memory and a number", &(&x * column.abs()), &[0]);
        check("the smallest", &(&x - &row).amin(0), 0.0);
        // Of two folds of the same rows, either first.
        let (d, positive) = (&x - &row, (&x - &row).abs());
        check_sum("squares", &d.square(), &[0]);
        check("two folds", &(d.square().sum(0) + positive.sum(0)), 1e-5);
        check("two folds", &(positive.sum(0) + positive.square().sum(0)), 1e-5);
        check("two folds", &(d.square().sum(0) + (d * &y).square().sum(0)), 1e-5);
    }
}

#[test]
fn every_reduction_of_every_dtype() {
    // f64 does not tell apart the u64s that negative numbers become.
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::U64) {
        for shape in [[13, 700], [700, 13], [3, 5000]] {
            let x = random(5, &shape, dtype);
            // Products that neither vanish nor overflow.
            let near_one = tensor(&noise(6, shape[0] * shape[1]), &shape, DType::F32) * 0.01 + 1.0;
            // Indices are held by the reference: f64 does not hold what they are found by.
            let in_f64 = |op: &ReduceOp| !matches!(op, ReduceOp::Argmax | ReduceOp::Argmin);
            for op in ReduceOp::ALL.into_iter().filter(in_f64) {
                for dims in [&[0][..], &[1], &[0, 1]] {
                    let what = format!("{} of {dtype} {shape:?} over {dims:?}", op.name());
                    let x = match op {
                        ReduceOp::Prod if dtype.is_float() => near_one.cast(dtype),
                        ReduceOp::Prod if matches!(dtype, DType::U16 | DType::U32) => x.minimum(1),
                        _ => Expr::from(&x),
                    };
                    let y = x.reduce(op, dims);
                    if y.error().is_some() {
                        continue;
                    }
                    match op {
                        ReduceOp::Sum | ReduceOp::Mean if dtype.is_float() => check_sum(&what, &x, dims),
                        ReduceOp::Prod => check(&what, &y, if dtype == DType::F64 { 1e-11 } else { 2e-2 }),
                        _ => check(&what, &y, 0.0),
                    }
                }
            }
        }
    }
}

#[test]
fn nan_wins_and_infinities_order() {
    for n in [1_usize, 5, 33, 5000, 100_000] {
        for at in [0, n / 2, n - 1] {
            let mut values = noise(7, n);
            values[at] = f64::NAN;
            let x = tensor(&values, &[n], DType::F32);
            for op in [ReduceOp::Amax, ReduceOp::Amin, ReduceOp::Sum, ReduceOp::Prod] {
                assert!(x.reduce(op, 0).eval().unwrap().item::<f32>().unwrap().is_nan(), "{} of {n}", op.name());
                let rows = x.reshape([1, n]).unwrap();
                assert!(naive::elements(&rows.reduce(op, 0).eval().unwrap())[at].is_nan());
            }
            values[at] = f64::NEG_INFINITY;
            let x = tensor(&values, &[n], DType::F32);
            assert_eq!(x.amin(0).eval().unwrap().item::<f32>().unwrap(), f32::NEG_INFINITY);
        }
    }
}

#[test]
fn of_nothing() {
    let device = Device::cpu();
    for (shape, dim, want) in [([0, 3], 0, 3), ([3, 0], 1, 3), ([0, 3], 1, 0)] {
        for dtype in [DType::F32, DType::I32, DType::F64, DType::F16] {
            let x = Tensor::zeros(shape, dtype, &device).unwrap();
            assert_eq!(naive::elements(&x.sum(dim).eval().unwrap()), vec![0.0; want]);
            assert_eq!(naive::elements(&x.prod(dim).eval().unwrap()), vec![1.0; want]);
        }
    }
    assert_eq!(Tensor::zeros([0], DType::F32, &device).unwrap().sum(..).eval().unwrap().item::<f32>().unwrap(), 0.0);
    // Dims of size 1, and none at all.
    let x = random(8, &[1, 5, 1], DType::F32);
    check("dims of one", &x.sum([0, 2]), 0.0);
    check("dims of one", &x.amax([0]), 0.0);
    check("rank 0", &tensor(&[2.0], &[], DType::F32).sum(..), 0.0);
}

#[test]
fn sums_of_integers_are_i64_and_wrap() {
    let x = tensor(&vec![2e9; 1001], &[1001], DType::I32);
    assert_eq!(x.sum(0).eval().unwrap().item::<i64>().unwrap(), 1001 * 2_000_000_000);
    let x = tensor(&vec![3.0; 1000], &[1000], DType::I32);
    assert_eq!(x.prod(0).eval().unwrap().item::<i64>().unwrap(), 3_i64.wrapping_pow(1000));
}

#[test]
fn what_follows_and_what_is_reduced_again() {
    let x = random(9, &[50, 60], DType::F32);
    let shifted = &x - x.amax(1).keepdim();
    let e = shifted.exp();
    check("softmax", &(&e / e.sum(1).keepdim()), 1e-5);
    let centered = &x - x.mean(0);
    check("variance", &centered.square().mean(0), 1e-5);
    check("standard score", &(&centered / centered.square().mean(0).sqrt() + 9.0), 1e-5);
    check("of a reduction", &x.amax(0).amin(..), 0.0);
    check("of a permuted reduction", &(x.amax(0).reshape([6, 10]).transpose(0, 1) + 1.0).amin(0), 0.0);
    check("spread out", &Expr::from(&x).sum(0).broadcast_to([3, 60]).sum(0), 1e-4);
    check("folded alike", &(x.amax(0) - x.amin(0)), 0.0);
}

#[test]
fn into_a_view() {
    let x = random(10, &[40, 30], DType::F32);
    let whole = tensor(&[0.0; 120], &[30, 4], DType::F32);
    let column = whole.narrow(1, 2, 1).unwrap();
    column.assign(x.amax(0).reshape([30, 1])).unwrap();
    let want = naive::elements(&x.amax(0).eval().unwrap());
    assert_eq!(naive::elements(&column), want);
    assert_eq!(naive::elements(&whole).iter().filter(|&&x| x == 0.0).count(), 90);
    let part = tensor(&[0.0; 100], &[100], DType::F32).narrow(0, 7, 30).unwrap();
    part.assign(x.amax(0)).unwrap();
    assert_eq!(naive::elements(&part), want);
}

#[test]
fn errors_do_not_grow_with_the_number_of_terms() {
    let n = 3_000_000;
    let x = tensor(&vec![0.1; n], &[n], DType::F32);
    let want = f64::from(0.1_f32) * n as f64;
    for y in [x.sum(..), x.reshape([n, 1]).unwrap().sum(0).reshape(()), x.reshape([n / 4, 4]).unwrap().sum(..)] {
        let got = f64::from(y.eval().unwrap().item::<f32>().unwrap());
        assert!((got - want).abs() <= 16.0 * DType::F32.epsilon() * want, "{got} {want}");
    }
    let columns = naive::elements(&x.reshape([n / 4, 4]).unwrap().sum(0).eval().unwrap());
    assert_eq!(first_mismatch(&columns, &[want / 4.0; 4], 16.0 * DType::F32.epsilon()), None);
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let x = random(11, &[1000, 700], DType::F32);
    let alone = |e: &Expr| super::super::threads::alone(|| naive::elements(&e.eval().unwrap()));
    for dims in [&[0][..], &[1], &[0, 1]] {
        let sum = (&x * &x).sum(dims);
        assert_eq!(naive::elements(&sum.eval().unwrap()), alone(&sum));
    }
}

#[test]
fn a_number_spread_out_and_folded() {
    check("spread", &Expr::from(2.0).broadcast_to([3, 4]).sum(0), 0.0);
    check("spread", &(Expr::from(2.0).broadcast_to([3, 4]) + 1).mean(..), 0.0);
    check("spread", &Expr::from(2.0).sum(..), 0.0);
}

/// Many rows go through all passes band by band, a single row through one pass after the other.
#[test]
fn rows_together_are_as_each_alone() {
    type Form = fn(&Tensor, &Tensor, &Tensor) -> Vec<Expr>;
    let forms: [Form; 5] = [
        |x, by_column, by_row| vec![x.layer_norm(1, 1e-5) * by_column + by_row],
        |x, _, by_row| vec![(x * by_row).softmax(1), x.var(1, 1)],
        |x, _, by_row| vec![x.std(1, 0), x.mean(1), x.gt(x.mean(1).keepdim() + by_row)],
        |x, by_column, _| vec![(x.log_softmax(1) * by_column).sum(1), x.amax(1)],
        // Not what belongs to the row.
        |x, by_column, _| vec![x - x.amax(1).keepdim() * (by_column * by_column).sum(0)],
    ];
    for [rows, width] in [[40, 1024], [300, 256], [2000, 40], [33, 4099], [9, 5000]] {
        let x = random(1, &[rows, width], DType::F32);
        let by_column = random(2, &[width], DType::F32);
        let by_row = random(3, &[rows, 1], DType::F32);
        for (i, form) in forms.iter().enumerate() {
            let exprs = form(&x, &by_column, &by_row);
            let together = crate::eval_all(&exprs).unwrap();
            for row in [0, 1, rows / 2, rows - 1] {
                let one = |x: &Tensor| x.narrow(0, row, 1).unwrap();
                let alone = crate::eval_all(&form(&one(&x), &by_column, &one(&by_row))).unwrap();
                for (together, alone) in together.iter().zip(&alone) {
                    let (got, want) = (naive::elements(&one(together)), naive::elements(alone));
                    assert_eq!(got, want, "row {row} of form {i} of {rows} by {width}");
                }
            }
            // Where it goes decides nothing but the order of the walk.
            let straight = exprs[0].eval().unwrap();
            let turned = Tensor::zeros([straight.shape().numel() / rows, rows], straight.dtype(), &Device::cpu());
            let target = turned.unwrap().transpose(0, 1).unwrap().reshape(straight.shape().clone()).unwrap();
            target.assign(exprs[0].clone()).unwrap();
            assert_eq!(naive::elements(&target), naive::elements(&straight), "form {i} of {rows} by {width}, turned");
        }
    }
}
