//! Integers of every width, exactly as Rust computes them, on every device: those of 64 bits are beyond what f64, and so
//! the reference, tells apart.

mod devices;

use devices::devices;
use hadamard::{DType, Device, Element, Expr, Tensor, eval_all};

/// Numbers at which words carry, borrow, change sign or lose digits as floats.
fn long() -> Vec<i64> {
    let mut values = vec![0];
    for shift in [0, 1, 7, 8, 15, 16, 24, 31, 32, 33, 47, 48, 52, 53, 54, 62] {
        let power = 1_i64 << shift;
        values.extend([power - 1, power, power + 1, 3_i64.wrapping_mul(power)]);
    }
    values.extend([i64::MAX, 0x0123_4567_89ab_cdef, 0x7fff_ffff_8000_0000, 0x00ff_ffff_7fff_ffff]);
    let negative: Vec<i64> = values.iter().map(|x| x.wrapping_neg()).collect();
    values.extend(negative);
    values.push(i64::MIN);
    values.extend([5, 17, 40, 63, 64, -40]);
    values
}

/// What is left of `a` divided by `b`, with the sign of `b`.
fn rest(a: i64, b: i64) -> i64 {
    let left = if b == 0 { 0 } else { a.wrapping_rem(b) };
    if left != 0 && (left < 0) != (b < 0) { left + b } else { left }
}

/// Every pair of the numbers, as two columns.
fn pairs(values: &[i64]) -> [Vec<i64>; 2] {
    let of_each = |f: &dyn Fn(usize, usize) -> i64| {
        (0..values.len()).flat_map(|i| (0..values.len()).map(move |j| (i, j))).map(|(i, j)| f(i, j)).collect()
    };
    [of_each(&|i, _| values[i]), of_each(&|_, j| values[j])]
}

fn tensor<T: Element>(values: &[T], device: &Device) -> Tensor {
    Tensor::from_slice(values, [values.len()], device).unwrap()
}

#[test]
fn arithmetic_on_i64_is_exact_and_wraps() {
    type Case = (&'static str, fn(&Expr, &Expr) -> Expr, fn(i64, i64) -> i64);
    let [x, y] = pairs(&long());
    // A rounded quotient; divided by 0, everything gives 0.
    let floored =
        |a: i64, b: i64| if b == 0 { 0 } else { a.wrapping_div(b) - i64::from(rest(a, b) != a.wrapping_rem(b)) };
    let cases: [Case; 17] = [
        ("a // b", |a, b| a.floor_divide(b), floored),
        ("a % b", |a, b| a.remainder(b), rest),
        ("fmod(a, b)", |a, b| a.fmod(b), |a, b| if b == 0 { 0 } else { a.wrapping_rem(b) }),
        ("a & b", |a, b| a.bitwise_and(b), |a, b| a & b),
        ("a | b", |a, b| a.bitwise_or(b), |a, b| a | b),
        ("a ^ b", |a, b| a.bitwise_xor(b), |a, b| a ^ b),
        ("a << b", |a, b| a.bitwise_left_shift(b), |a, b| if (0..64).contains(&b) { a << b } else { 0 }),
        ("a >> b", |a, b| a.bitwise_right_shift(b), |a, b| a >> if (0..64).contains(&b) { b } else { 63 }),
        ("a + b", |a, b| a + b, i64::wrapping_add),
        ("a - b", |a, b| a - b, i64::wrapping_sub),
        ("a * b", |a, b| a * b, i64::wrapping_mul),
        ("-a", |a, _| -a, |a, _| a.wrapping_neg()),
        ("abs(a)", |a, _| a.abs(), |a, _| a.wrapping_abs()),
        ("sign(a)", |a, _| a.sign(), |a, _| a.signum()),
        ("maximum(a, b)", |a, b| a.maximum(b), |a, b| a.max(b)),
        ("minimum(a, b)", |a, b| a.minimum(b), |a, b| a.min(b)),
        (
            "where(a > b, a * 3, b)",
            |a, b| Expr::select(a.gt(b), a * 3, b),
            |a, b| if a > b { a.wrapping_mul(3) } else { b },
        ),
    ];
    for device in devices() {
        let (a, b) = (Expr::from(tensor(&x, &device)), Expr::from(tensor(&y, &device)));
        let exprs: Vec<Expr> = cases.iter().map(|(_, expr, _)| expr(&a, &b)).collect();
        for ((name, _, exact), got) in cases.iter().zip(eval_all(&exprs).unwrap()) {
            let got = got.to_vec::<i64>().unwrap();
            for (i, (&x, &y)) in x.iter().zip(&y).enumerate() {
                assert_eq!(got[i], exact(x, y), "{device}: {name} of {x} and {y}");
            }
        }
        let exponents = [0, 1, 2, 3, 31, 63, 64, 1_i64 << 62];
        let (bases, exponents) = (long(), tensor(&exponents, &device).unsqueeze(1).unwrap());
        let powers = tensor(&bases, &device).pow(&exponents).eval().unwrap().to_vec::<i64>().unwrap();
        for (i, &exponent) in exponents.to_vec::<i64>().unwrap().iter().enumerate() {
            for (j, &base) in bases.iter().enumerate() {
                let power = (0..exponent.min(64)).fold(1_i64, |power, _| power.wrapping_mul(base));
                // From 64 on, a power of two is 0, and an odd number to the power of 2^62 is 1.
                let power = if exponent > 64 { i64::from(base & 1 == 1) } else { power };
                assert_eq!(powers[i * bases.len() + j], power, "{device}: {base} ** {exponent}");
            }
        }
    }
}

#[test]
fn comparisons_of_i64_are_exact() {
    type Case = (&'static str, fn(&Expr, &Expr) -> Expr, fn(&i64, &i64) -> bool);
    let [x, y] = pairs(&long());
    let cases: [Case; 6] = [
        ("a < b", |a, b| a.lt(b), i64::lt),
        ("a <= b", |a, b| a.le(b), i64::le),
        ("a > b", |a, b| a.gt(b), i64::gt),
        ("a >= b", |a, b| a.ge(b), i64::ge),
        ("a == b", |a, b| a.eq(b), i64::eq),
        ("a != b", |a, b| a.ne(b), i64::ne),
    ];
    for device in devices() {
        let (a, b) = (Expr::from(tensor(&x, &device)), Expr::from(tensor(&y, &device)));
        let exprs: Vec<Expr> = cases.iter().map(|(_, expr, _)| expr(&a, &b)).collect();
        for ((name, _, exact), got) in cases.iter().zip(eval_all(&exprs).unwrap()) {
            let got = got.to_vec::<bool>().unwrap();
            for (i, (x, y)) in x.iter().zip(&y).enumerate() {
                assert_eq!(got[i], exact(x, y), "{device}: {name} of {x} and {y}");
            }
        }
    }
}

#[test]
fn i64_converts_exactly_or_rounded_once() {
    let x = long();
    let floats = [
        0.0,
        -0.0,
        0.9,
        -0.9,
        1.5,
        -1.5,
        1e9,
        -3e9,
        4_294_967_296.0,
        1.5e10,
        -1e18,
        9.2e18,
        9.3e18,
        -9.3e18,
        1e30,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        16_777_217.0,
        -2_147_483_648.0,
        9.223_372e18,
        -9.223_372e18,
    ];
    for device in devices() {
        let a = Expr::from(tensor(&x, &device));
        let f32s = a.cast(DType::F32).eval().unwrap().to_vec::<f32>().unwrap();
        assert_eq!(f32s, x.iter().map(|&x| x as f32).collect::<Vec<_>>(), "{device}: f32");
        let i32s = a.cast(DType::I32).eval().unwrap().to_vec::<i32>().unwrap();
        assert_eq!(i32s, x.iter().map(|&x| x as i32).collect::<Vec<_>>(), "{device}: i32");
        let i16s = a.cast(DType::I16).eval().unwrap().to_vec::<i16>().unwrap();
        assert_eq!(i16s, x.iter().map(|&x| x as i16).collect::<Vec<_>>(), "{device}: i16");
        let i8s = a.cast(DType::I8).eval().unwrap().to_vec::<i8>().unwrap();
        assert_eq!(i8s, x.iter().map(|&x| x as i8).collect::<Vec<_>>(), "{device}: i8");
        let bools = a.cast(DType::Bool).eval().unwrap().to_vec::<bool>().unwrap();
        assert_eq!(bools, x.iter().map(|&x| x != 0).collect::<Vec<_>>(), "{device}: bool");
        let wide = tensor(&i32s, &device).cast(DType::I64).eval().unwrap().to_vec::<i64>().unwrap();
        assert_eq!(wide, i32s.iter().map(|&x| x.into()).collect::<Vec<i64>>(), "{device}: i32 to i64");
        let whole = tensor(&floats, &device).cast(DType::I64).eval().unwrap().to_vec::<i64>().unwrap();
        assert_eq!(whole, floats.map(|x| x as i64), "{device}: f32 to i64");
        let f64s = a.cast(DType::F64).eval().unwrap();
        assert_eq!(f64s.to_vec::<f64>().unwrap(), x.iter().map(|&x| x as f64).collect::<Vec<_>>(), "{device}: f64");
        let whole = f64s.cast(DType::I64).eval().unwrap().to_vec::<i64>().unwrap();
        assert_eq!(whole, x.iter().map(|&x| x as f64 as i64).collect::<Vec<_>>(), "{device}: f64 to i64");
    }
}

#[test]
fn sums_of_integers_are_i64() {
    for device in devices() {
        // In every shape of reduction.
        for (rows, columns) in [(1, 5000), (3, 700), (700, 3), (64, 64), (2000, 1), (9, 16)] {
            let values: Vec<i64> =
                (0..rows * columns).map(|i| (i as i64 - 77).wrapping_mul(0x0123_4567_89ab_cdef)).collect();
            let x = tensor(&values, &device).reshape([rows, columns]).unwrap();
            let of = |f: &dyn Fn(i64, i64) -> i64, first: i64| {
                let down = (0..columns).map(|j| (0..rows).fold(first, |s, i| f(s, values[i * columns + j])));
                let along = (0..rows).map(|i| (0..columns).fold(first, |s, j| f(s, values[i * columns + j])));
                [down.collect::<Vec<_>>(), along.collect::<Vec<_>>()]
            };
            let sums = of(&i64::wrapping_add, 0);
            let products = of(&i64::wrapping_mul, 1);
            let largest = of(&i64::max, i64::MIN);
            let least = of(&i64::min, i64::MAX);
            for dim in [0, 1] {
                let exprs = [x.sum(dim as isize), x.prod(dim as isize), x.amax(dim as isize), x.amin(dim as isize)];
                let got: Vec<Vec<i64>> = eval_all(&exprs).unwrap().iter().map(|x| x.to_vec().unwrap()).collect();
                let want = [&sums[dim], &products[dim], &largest[dim], &least[dim]].map(Clone::clone);
                assert_eq!(got, want, "{device}: {rows} by {columns} over dim {dim}");
            }
            let i32s: Vec<i32> = values.iter().map(|&x| x as i32).collect();
            let want: i64 = i32s.iter().map(|&x| i64::from(x)).sum();
            let x = tensor(&i32s, &device);
            assert_eq!(x.sum(..).eval().unwrap().item::<i64>().unwrap(), want, "{device}: i32");
            let want = i32s.iter().filter(|&&x| x > 0).count() as i64;
            assert_eq!(x.gt(0).sum(..).eval().unwrap().item::<i64>().unwrap(), want, "{device}: bool");
        }
    }
}

/// Parts of words are written without touching their neighbours.
#[test]
fn narrow_integers_wrap_and_leave_their_neighbours() {
    for device in devices() {
        let bytes: Vec<i8> = (0..=255).map(|x| x as u8 as i8).collect();
        let shorts: Vec<i16> = (0..600).map(|x: i32| x.wrapping_mul(12_345) as i16).collect();
        let (x, y) = (tensor(&bytes, &device), tensor(&shorts, &device));
        let got = (&x * &x + 100).eval().unwrap().to_vec::<i8>().unwrap();
        assert_eq!(got, bytes.iter().map(|x| x.wrapping_mul(*x).wrapping_add(100)).collect::<Vec<_>>(), "{device}");
        let got = (&y * 7 - 1).eval().unwrap().to_vec::<i16>().unwrap();
        assert_eq!(got, shorts.iter().map(|x| x.wrapping_mul(7).wrapping_sub(1)).collect::<Vec<_>>(), "{device}");
        x.narrow(0, 3, 58).unwrap().assign(-&x.narrow(0, 3, 58).unwrap()).unwrap();
        let want: Vec<i8> =
            bytes.iter().enumerate().map(|(i, x)| if (3..61).contains(&i) { x.wrapping_neg() } else { *x }).collect();
        assert_eq!(x.to_vec::<i8>().unwrap(), want, "{device}");
        let every = y.slice(0, 1, 600, 2).unwrap();
        every.assign(&every + 1).unwrap();
        let want: Vec<i16> = shorts.iter().enumerate().map(|(i, x)| x.wrapping_add((i % 2) as i16)).collect();
        assert_eq!(y.to_vec::<i16>().unwrap(), want, "{device}");
        let x = tensor(&[3_000_000_000_i64, -5, 0], &device);
        assert_eq!((&x * 0.5).dtype(), DType::F32);
        let clamped = x.clamp(-1, 4_000_000_000_i64).eval().unwrap().to_vec::<i64>().unwrap();
        assert_eq!(clamped, [3_000_000_000, -1, 0], "{device}");
        assert!((tensor(&bytes, &device) + 200).error().is_some());
    }
}
