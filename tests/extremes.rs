//! Where the largest and the smallest elements are.

mod devices;

use devices::devices;
use hadamard::{DType, Device, Error, Expr, Tensor, eval_all};

fn indices(expr: &Expr) -> Vec<i64> {
    expr.eval().unwrap().to_vec().unwrap()
}

#[test]
fn the_first_of_equals_and_nan_before_numbers() {
    for device in &devices() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let rows = [
            [1.0, 3.0, 3.0, 2.0],
            [-0.0, 0.0, -0.0, 0.0],
            [0.0, -0.0, 0.0, -0.0],
            [inf, nan, 5.0, nan],
            [-inf, -1.0, -inf, -2.0],
            [-nan, 1.0, nan, 2.0],
        ];
        let x = Tensor::from_slice(rows.as_flattened(), [6, 4], device).unwrap();
        assert_eq!(indices(&x.argmax(1)), [1, 0, 0, 1, 1, 0], "{device}");
        assert_eq!(indices(&x.argmin(1)), [0, 0, 0, 1, 0, 0], "{device}");
        assert_eq!(indices(&x.argmax(0)), [5, 3, 5, 3], "{device}");
        assert_eq!(indices(&x.argmin(..)), [13], "{device}");
        let ints = Tensor::from_slice(&[i32::MIN, 7, i32::MAX, i32::MAX, i32::MIN], [5], device).unwrap();
        assert_eq!((indices(&ints.argmax(0)), indices(&ints.argmin(0))), (vec![2], vec![0]), "{device}");
        let truths = Tensor::from_slice(&[false, true, true, false], [2, 2], device).unwrap();
        assert_eq!((indices(&truths.argmax(..)), indices(&truths.argmin(0))), (vec![1], vec![0, 1]), "{device}");
        let long = Tensor::from_slice(&[5, i64::MAX - 1, i64::MAX, i64::MIN, i64::MIN + 1], [5], device).unwrap();
        assert_eq!((indices(&long.argmax(0)), indices(&long.argmin(0))), (vec![2], vec![3]), "{device}");
        let unsigned = Tensor::from_slice(&[5_u64, u64::MAX - 1, u64::MAX, 0], [4], device).unwrap();
        assert_eq!((indices(&unsigned.argmax(0)), indices(&unsigned.argmin(0))), (vec![2], vec![3]), "{device}");
    }
}

/// Against a plain loop, in shapes that take every way of walking: rows and columns, long and short, views that turn them.
#[test]
fn every_walk_finds_the_first() {
    for device in &devices() {
        for (shape, levels) in
            [([3, 5000], 40), ([5000, 3], 40), ([700, 130], 5), ([130, 700], 1 << 20), ([2, 33], 3), ([1, 70_000], 9)]
        {
            let [rows, columns] = shape;
            let numbers: Vec<i32> = (0..rows * columns).map(|i| (i * 7919 % 104_729 % levels) as i32).collect();
            let x = Tensor::from_slice(&numbers, shape, device).unwrap();
            let turned = x.transpose(0, 1).unwrap();
            let at = |r: usize, c: usize| numbers[r * columns + c];
            let largest = |of: &mut dyn Iterator<Item = i32>| {
                let of: Vec<i32> = of.collect();
                let most = *of.iter().max().unwrap();
                of.iter().position(|&v| v == most).unwrap() as i64
            };
            let in_rows: Vec<i64> = (0..rows).map(|r| largest(&mut (0..columns).map(|c| at(r, c)))).collect();
            let in_columns: Vec<i64> = (0..columns).map(|c| largest(&mut (0..rows).map(|r| at(r, c)))).collect();
            let in_turned =
                largest(&mut (0..columns).flat_map(|c| (0..rows).map(move |r| (r, c))).map(|(r, c)| at(r, c)));
            for y in [Expr::from(&x), x.cast(DType::F32), x.cast(DType::I64), -x.cast(DType::F32) * -0.5] {
                assert_eq!(indices(&y.argmax(1)), in_rows, "{device} {shape:?}");
                assert_eq!(indices(&y.argmax(0)), in_columns, "{device} {shape:?}");
                assert_eq!(indices(&(-&y).argmin(0)), in_columns, "{device} {shape:?}");
                assert_eq!(indices(&y.argmax(..)), [largest(&mut numbers.iter().copied())], "{device} {shape:?}");
            }
            assert_eq!(indices(&turned.cast(DType::F32).argmax(..)), [in_turned], "{device} {shape:?}");
            assert_eq!(indices(&turned.argmax(0)), in_rows, "{device} {shape:?}");
        }
    }
}

/// Floats as they lie in memory, which loops compare as they are: zeros of both signs are equal, NaN comes first wherever it
/// is, and infinities of both signs have no sum.
#[test]
fn special_values_are_found_wherever_they_lie() {
    let inf = f32::INFINITY;
    let specials =
        [&[][..], &[-0.0, 0.0], &[inf, -inf], &[f32::NAN, -f32::NAN, 1.0], &[f32::MAX, f32::MIN, inf], &[-inf], &[inf]];
    for device in &devices() {
        for [rows, columns] in [[3, 4500], [40, 1030], [9000, 16], [300, 64], [520, 512], [130, 33], [1, 5000]] {
            for (kind, special) in specials.iter().enumerate() {
                let number = |i: usize| {
                    let random = (i * 7919 + kind).wrapping_mul(2_654_435_761) >> 7;
                    let usual = (random % 23) as f32 - 11.0;
                    if special.is_empty() || random % 97 > 3 { usual } else { special[random % special.len()] }
                };
                let mut numbers: Vec<f32> = (0..rows * columns).map(number).collect();
                if special.len() == 1 {
                    numbers.fill(special[0]);
                }
                let x = Tensor::from_slice(&numbers, [rows, columns], device).unwrap();
                let wide = x.cast(DType::F64).eval();
                // Doubles are as they are on the CPU, and computed by words elsewhere.
                let tensors = [Some(x), wide.ok().filter(|_| !device.is_gpu())].into_iter().flatten();
                for (x, sign) in tensors.flat_map(|x| [(x.clone(), 1.0), (x, -1.0)]) {
                    let finds = |places: &mut dyn Iterator<Item = usize>| {
                        let places: Vec<usize> = places.collect();
                        let is_first = |x: f32, first: f32| !first.is_nan() && (x.is_nan() || sign * x > sign * first);
                        let mut first = 0;
                        for (i, &at) in places.iter().enumerate() {
                            first = if is_first(numbers[at], numbers[places[first]]) { i } else { first };
                        }
                        first as i64
                    };
                    let in_rows: Vec<i64> =
                        (0..rows).map(|r| finds(&mut (0..columns).map(|c| r * columns + c))).collect();
                    let in_columns: Vec<i64> =
                        (0..columns).map(|c| finds(&mut (0..rows).map(|r| r * columns + c))).collect();
                    let of_all = finds(&mut (0..rows * columns));
                    let extreme = |dim: isize| if sign > 0.0 { x.argmax(dim) } else { x.argmin(dim) };
                    let all = if sign > 0.0 { x.argmax(..) } else { x.argmin(..) };
                    let case = format!("{device} {} [{rows}, {columns}] {special:?} {sign}", x.dtype());
                    assert_eq!(indices(&extreme(1)), in_rows, "{case}");
                    assert_eq!(indices(&extreme(0)), in_columns, "{case}");
                    assert_eq!(indices(&all), [of_all], "{case}");
                }
            }
        }
    }
}

/// Whole numbers that differ where an f64 no longer tells, signed and not, in shapes that take every way of walking, also as
/// results of arithmetic and of three dims.
#[test]
fn whole_numbers_of_64_bits_are_told_apart() {
    let near = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    for device in &devices() {
        for [rows, columns] in [[3, 4500], [40, 1030], [9000, 16], [300, 64], [520, 512], [130, 33], [1, 5000]] {
            for few in [2, 7] {
                let number = |i: usize| near[(i.wrapping_mul(2_654_435_761) >> 7) % 1009 % few];
                let numbers: Vec<i64> = (0..rows * columns).map(number).collect();
                let x = Tensor::from_slice(&numbers, [rows, columns], device).unwrap();
                let unsigned: Vec<u64> = numbers.iter().map(|&x| x as u64).collect();
                let unsigned = Tensor::from_slice(&unsigned, [rows, columns], device).unwrap();
                // Each has the order of the numbers, or that order turned round.
                let turned: [(Expr, fn(i64) -> i128); 3] = [
                    (Expr::from(&x), i128::from),
                    (x.bitwise_not(), |x| -1 - i128::from(x)),
                    (Expr::from(&unsigned), |x| i128::from(x as u64)),
                ];
                for (y, value) in turned {
                    let finds = |places: &mut dyn Iterator<Item = usize>, sign: i128| {
                        let of: Vec<i128> = places.map(|at| sign * value(numbers[at])).collect();
                        let most = of.iter().max().unwrap();
                        of.iter().position(|x| x == most).unwrap() as i64
                    };
                    let rows_of = |sign| -> Vec<i64> {
                        (0..rows).map(|r| finds(&mut (0..columns).map(|c| r * columns + c), sign)).collect()
                    };
                    let columns_of = |sign| -> Vec<i64> {
                        (0..columns).map(|c| finds(&mut (0..rows).map(|r| r * columns + c), sign)).collect()
                    };
                    let case = format!("{device} [{rows}, {columns}] {} of {few}", y.dtype());
                    assert_eq!((indices(&y.argmax(1)), indices(&y.argmin(1))), (rows_of(1), rows_of(-1)), "{case}");
                    let both = (indices(&y.argmax(0)), indices(&y.argmin(0)));
                    assert_eq!(both, (columns_of(1), columns_of(-1)), "{case}");
                    let of_all = |sign| vec![finds(&mut (0..rows * columns), sign)];
                    assert_eq!((indices(&y.argmax(..)), indices(&y.argmin(..))), (of_all(1), of_all(-1)), "{case}");
                    if rows % 10 == 0 {
                        let halves = y.reshape([2, rows / 2, columns]).argmax(0);
                        let of = |at: usize| finds(&mut [at, at + rows / 2 * columns].into_iter(), 1);
                        let expected: Vec<i64> = (0..rows / 2 * columns).map(of).collect();
                        assert_eq!(indices(&halves), expected, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn values_and_indices_come_together() {
    for device in &devices() {
        let x = Tensor::from_slice(&[1.0_f32, 4.0, 4.0, f32::NAN, 0.5, 2.0], [2, 3], device).unwrap();
        let (values, indices) = x.max_dim_with_indices(1);
        assert_eq!(indices.eval().unwrap().to_vec::<i64>().unwrap(), [1, 0], "{device}");
        let values = values.eval().unwrap().to_vec::<f32>().unwrap();
        assert!(values[0] == 4.0 && values[1].is_nan(), "{device} {values:?}");
        let (values, indices) = (&x * 2.0).min_dim_with_indices(0);
        assert_eq!(indices.eval().unwrap().to_vec::<i64>().unwrap(), [1, 1, 1], "{device}");
        let values = values.eval().unwrap().to_vec::<f32>().unwrap();
        assert!(values[0].is_nan() && values[1..] == [1.0, 4.0], "{device} {values:?}");
        // The gradient goes to the element that was found, and to no equal one.
        let x = Tensor::from_slice(&[3.0_f32, 3.0, 1.0], [3], device).unwrap();
        let gradient = x.max_dim_with_indices(0).0.grad(&[&x]).unwrap()[0].eval().unwrap();
        assert_eq!(gradient.to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0], "{device}");
    }
}

#[test]
fn there_must_be_something_to_choose_from() {
    let device = Device::cpu();
    let empty = Tensor::zeros([0, 3], DType::F32, &device).unwrap();
    let error = empty.argmax(0).eval().unwrap_err();
    assert!(matches!(error, Error::Argument { op: "argmax", .. }), "{error}");
    assert_eq!(indices(&empty.argmin(1)), [0_i64; 0]);
    let error = empty.max_dim_with_indices(2).0.eval().unwrap_err();
    assert!(error.to_string().contains("max"), "{error}");
    let scalar = Tensor::from_slice(&[2.5_f32], [], &device).unwrap();
    assert_eq!(indices(&scalar.argmax(..)), [0]);
    assert_eq!(indices(&Expr::from(3.5).argmax(..)), [0]);
}

/// Many rows of many columns over several dims, as they lie in memory and turned round, so that rows are not met in the order of
/// their numbers; few numbers, so that most are found more than once; alone and beside a sum.
#[test]
fn the_first_has_the_smallest_number_in_whatever_order_rows_are_met() {
    for device in &devices() {
        for [a, b, columns] in [[19, 9, 130], [16, 8, 64], [3, 70, 700], [40, 5, 7], [2, 4, 4500]] {
            for levels in [1, 2, 50, 1 << 20] {
                let number = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) % 1_048_573 % levels;
                let numbers: Vec<f32> = (0..a * b * columns).map(|i| number(i) as f32 - 3.0).collect();
                let x = Tensor::from_slice(&numbers, [a, b, columns], device).unwrap();
                let at = |i: usize, j: usize, c: usize| numbers[(i * b + j) * columns + c];
                let finds = |of: Vec<f32>| {
                    let most = of.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    of.iter().position(|&x| x == most).unwrap() as i64
                };
                let each =
                    |of: &dyn Fn(usize) -> Vec<f32>| -> Vec<i64> { (0..columns).map(|c| finds(of(c))).collect() };
                let in_order = each(&|c| (0..a).flat_map(|i| (0..b).map(move |j| at(i, j, c))).collect());
                let turned = each(&|c| (0..b).flat_map(|j| (0..a).map(move |i| at(i, j, c))).collect());
                // Doubles are computed with on the CPU, and not on every other device.
                let doubles = Some(DType::F64).filter(|_| !device.is_gpu());
                for dtype in [DType::F32, DType::I32, DType::I64].into_iter().chain(doubles) {
                    let case = format!("{device} {dtype} [{a}, {b}, {columns}] {levels}");
                    let x = Expr::from(x.cast(dtype).eval().unwrap());
                    let rows = x.reshape([a * b, columns]);
                    assert_eq!(indices(&rows.argmax(0)), in_order, "{case}");
                    let of_turned = x.transpose(0, 1).reshape([a * b, columns]);
                    assert_eq!(indices(&of_turned.argmax(0)), turned, "{case}");
                    assert_eq!(indices(&(-&rows).argmin(0)), in_order, "{case}");
                    let both = eval_all(&[rows.argmax(0), rows.sum(0).cast(DType::F32)]).unwrap();
                    assert_eq!(both[0].to_vec::<i64>().unwrap(), in_order, "{case} beside a sum");
                    let sums = both[1].to_vec::<f32>().unwrap();
                    let sum = |c: usize| -> f64 { (0..a * b).map(|r| f64::from(numbers[r * columns + c])).sum() };
                    let near = |(c, &x): (usize, &f32)| (f64::from(x) - sum(c)).abs() <= 1e-4 * sum(c).abs().max(1e3);
                    assert!(sums.iter().enumerate().all(near), "{case} beside a sum");
                }
            }
        }
    }
}
