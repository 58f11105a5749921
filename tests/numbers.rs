//! Numbers beside tensors of integers: what a dtype has no room for is refused, and what is only compared is compared by
//! value. Where PyTorch gives a number, so does every device.

mod devices;
mod elements;

use devices::failures_on_each;
use elements::values;
use hadamard::{BinaryOp, DType, Device, Expr, Result, Scalar, ScalarCell, Tensor, assign, eval_all, init};
use half::f16;

const LARGE: i64 = 3_000_000_000;

fn tensors(device: &Device) -> Result<Vec<(&'static str, Tensor)>> {
    Ok(vec![
        ("u", Tensor::from_slice(&[0_u8, 5, 200], [3], device)?),
        ("i", Tensor::from_slice(&[-1, 2, i32::MAX], [3], device)?),
        ("b", Tensor::from_slice(&[true, false, true], [3], device)?),
        ("h", Tensor::from_slice(&[1.0, 2.0, f32::INFINITY].map(f16::from_f32), [3], device)?),
        ("f", Tensor::from_slice(&[1.0_f32, 2.0, f32::INFINITY], [3], device)?),
    ])
}

fn parse(text: &str, tensors: &[(&'static str, Tensor)]) -> Result<Expr> {
    let names: Vec<_> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    Expr::parse(text, &names)
}

#[test]
fn numbers_meet_integers_as_in_pytorch_or_by_value() {
    use DType::{Bool, F16, F32, I32, I64, U8};
    const MAX: f64 = i32::MAX as f64;
    const INF: f64 = f64::INFINITY;
    let failures = failures_on_each(|device| {
        let tensors = tensors(device).unwrap();
        let mut failures = Vec::new();
        for (text, dtype, want) in [
            // PyTorch's values.
            ("u - 1", U8, [255.0, 4.0, 199.0]),
            ("u + -1", U8, [255.0, 4.0, 199.0]),
            ("u * -1", U8, [0.0, 251.0, 56.0]),
            ("-1 - u", U8, [255.0, 250.0, 55.0]),
            ("u + 255", U8, [255.0, 4.0, 199.0]),
            ("u - 255", U8, [1.0, 6.0, 201.0]),
            ("(-2) ** u", U8, [1.0, 224.0, 0.0]),
            ("where(u > 1, u, -1)", U8, [255.0, 5.0, 200.0]),
            ("where(u > 1, u, -255)", U8, [1.0, 5.0, 200.0]),
            ("u / 300", F32, [0.0, f64::from(5_f32 / 300.0), f64::from(200_f32 / 300.0)]),
            ("i ** 0", I32, [1.0; 3]),
            ("b * 300", I64, [300.0, 0.0, 300.0]),
            ("square(b)", I64, [1.0, 0.0, 1.0]),
            ("b ** 2", I64, [1.0, 0.0, 1.0]),
            ("i + 2147483647", I32, [MAX - 1.0, -MAX, -2.0]),
            ("i * -2147483648", I32, [-MAX - 1.0, 0.0, -MAX - 1.0]),
            ("clamp(u, -1, 300)", U8, [0.0, 5.0, 200.0]),
            ("clamp(u, -5, 3)", U8, [0.0, 3.0, 3.0]),
            ("clamp(i, 0, 3000000000)", I32, [0.0, 2.0, MAX]),
            ("clamp(i, -(2 ** 40), 0)", I32, [-1.0, 0.0, 0.0]),
            ("clamp(b, 0, 3000000000)", I64, [1.0, 0.0, 1.0]),
            ("i < 3000000000", Bool, [1.0; 3]),
            ("i <= 2 ** 40", Bool, [1.0; 3]),
            ("i == 3000000000", Bool, [0.0; 3]),
            ("u < 300", Bool, [1.0; 3]),
            ("u != 256", Bool, [1.0; 3]),
            ("b < 3000000000", Bool, [1.0; 3]),
            ("i < 3e9", Bool, [1.0; 3]),
            ("u < 0.5", Bool, [1.0, 0.0, 0.0]),
            // By value, where PyTorch wraps the number first.
            ("i > -3000000000", Bool, [1.0; 3]),
            ("i >= 3000000000", Bool, [0.0; 3]),
            ("i != -3000000000", Bool, [1.0; 3]),
            ("3000000000 > i", Bool, [1.0; 3]),
            ("-3000000000 >= i", Bool, [0.0; 3]),
            ("9223372036854775807 == i", Bool, [0.0; 3]),
            ("u > -1", Bool, [1.0; 3]),
            ("u == -1", Bool, [0.0; 3]),
            ("u >= 256", Bool, [0.0; 3]),
            ("u < 3000000000", Bool, [1.0; 3]),
            ("maximum(u, -1)", U8, [0.0, 5.0, 200.0]),
            ("maximum(-300, u)", U8, [0.0, 5.0, 200.0]),
            ("minimum(u, 300)", U8, [0.0, 5.0, 200.0]),
            ("minimum(i, 2 ** 31)", I32, [-1.0, 2.0, MAX]),
            ("maximum(-(2 ** 31) - 1, i)", I32, [-1.0, 2.0, MAX]),
            // Floats become infinities, as in PyTorch.
            ("h + 1e6", F16, [INF; 3]),
            ("h + 10 ** 6", F16, [INF; 3]),
            ("h * 65504", F16, [65504.0, INF, INF]),
            ("h < 70000", Bool, [1.0, 1.0, 0.0]),
            ("f + 1e300", F32, [INF; 3]),
            ("f + 10 ** 18", F32, [f64::from(1e18_f32), f64::from(1e18_f32), INF]),
            ("where(h > 1, h, 1e6)", F16, [INF, 2.0, INF]),
            // Numbers alone are exact.
            ("where(i > 1, 0, 2 ** 40 - 2 ** 40 + 7)", I64, [7.0, 0.0, 0.0]),
            ("where(2 ** 53 + 1 == 2 ** 53, 1, i)", I32, [-1.0, 2.0, MAX]),
            ("i * (True + 9007199254740992 - 9007199254740991)", I32, [-2.0, 4.0, -2.0]),
            ("f * 2 ** -1", F32, [0.5, 1.0, INF]),
            ("i * (1 ** 5000000000 + (-1) ** 5000000001)", I32, [0.0; 3]),
        ] {
            let found = parse(text, &tensors).and_then(|expr| {
                let tensor = expr.eval()?;
                Ok((tensor.dtype(), values(&tensor)))
            });
            match found {
                Ok((d, v)) if d == dtype && v == want => {}
                other => failures.push(format!("{device}: {text}: {other:?}, not {dtype} {want:?}")),
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn numbers_that_a_dtype_has_no_room_for_are_named_with_it() {
    let tensors = tensors(&Device::cpu()).unwrap();
    for (text, number, dtype) in [
        ("u + 300", "300", "u8"),
        ("u + 256", "256", "u8"),
        ("u - 300", "300", "u8"),
        ("u * 300", "300", "u8"),
        ("300 - u", "300", "u8"),
        ("u + -256", "-256", "u8"),
        ("u ** 300", "300", "u8"),
        ("300 ** u", "300", "u8"),
        ("u + 2 ** 40", "1099511627776", "u8"),
        ("i + 3000000000", "3000000000", "i32"),
        ("i + 2 ** 31", "2147483648", "i32"),
        ("i - 2 ** 31", "2147483648", "i32"),
        ("i * -2147483649", "-2147483649", "i32"),
        ("3000000000 - i", "3000000000", "i32"),
        ("i ** 3000000000", "3000000000", "i32"),
        ("3000000000 ** i", "3000000000", "i32"),
        ("where(u > 1, u, 300)", "300", "u8"),
        ("where(u > 1, 256, u)", "256", "u8"),
        ("where(u > 1, u, -256)", "-256", "u8"),
        ("where(i > 1, i, 3000000000)", "3000000000", "i32"),
        ("where(f > 1, f, 1e300)", "1e300", "f32"),
        ("maximum(u, 300)", "300", "u8"),
        ("minimum(u, -1)", "-1", "u8"),
        ("clamp(u, 300, 400)", "300", "u8"),
        ("clamp(u, 0, -1)", "-1", "u8"),
        ("clamp(u, max=-1)", "-1", "u8"),
        ("clamp(i, 3000000000, 2 ** 40)", "3000000000", "i32"),
        ("minimum(-3000000000, i)", "-3000000000", "i32"),
        ("u ** -1", "-1", "u8"),
        ("i ** -2", "-2", "i32"),
        ("b ** -2", "-2", "i64"),
        ("2 ** 70", "2 and 70", "64 bits"),
        ("9223372036854775807 + True", "9223372036854775807 and 1", "64 bits"),
        ("abs(-9223372036854775807 - 1)", "-9223372036854775808", "64 bits"),
        ("-(-9223372036854775807 - 1)", "-9223372036854775808", "64 bits"),
        ("3 ** 5000000000", "3 and 5000000000", "64 bits"),
    ] {
        let error = parse(text, &tensors).map(|expr| expr.eval()).err();
        let error = error.unwrap_or_else(|| panic!("{text} is no error")).to_string();
        assert!(error.contains(&format!("found {number}")) || error.contains(&format!("that of {number}")), "{error}");
        assert!(error.contains(dtype), "{text}: {error}");
    }
}

/// The same through every other way to an operation.
#[test]
fn no_path_goes_round_the_check() {
    let device = Device::cpu();
    let u = Tensor::from_slice(&[0_u8, 5, 200], [3], &device).unwrap();
    let i = Tensor::from_slice(&[-1, 2, i32::MAX], [3], &device).unwrap();
    let h = Tensor::zeros([3], DType::F16, &device).unwrap();
    let f = Tensor::zeros([3], DType::F32, &device).unwrap();
    let one = Tensor::zeros([], DType::I32, &device).unwrap();
    let zero_dim = Tensor::full([], 7_u8, &device).unwrap();
    let number = || Expr::from(LARGE);
    let refused: Vec<(&str, Result<()>)> = vec![
        ("operator", (&i + LARGE).eval().map(drop)),
        ("operator on the left", (LARGE * &i).eval().map(drop)),
        ("of an expression", (&i * 2 - LARGE).eval().map(drop)),
        ("operator on u8", (&u * 300).eval().map(drop)),
        ("a tensor of rank 0", (&zero_dim + 300).eval().map(drop)),
        ("method", i.pow(LARGE).eval().map(drop)),
        ("binary", i.binary(BinaryOp::Maximum, LARGE).eval().map(drop)),
        ("clamp", i.clamp(LARGE, LARGE + 1).eval().map(drop)),
        ("select", Expr::select(i.gt(0), &i, LARGE).eval().map(drop)),
        ("folded", (number() * i64::MAX).eval().map(drop)),
        ("negated", (-(Expr::from(i64::MIN))).eval().map(drop)),
        ("fill", u.fill(300)),
        ("fill below", u.fill(-256)),
        ("fill with a float", u.fill(300.5)),
        ("fill with NaN", i.fill(f64::NAN)),
        ("fill with infinity", i.fill(f64::INFINITY)),
        ("fill of i32", i.fill(LARGE)),
        ("fill of i32 with a float", i.fill(3e9)),
        ("fill of f16", h.fill(1e6)),
        ("fill of f16 with an integer", h.fill(1_000_000)),
        ("fill of f32", f.fill(1e300)),
        ("assign", u.assign(300)),
        ("assign of rank 0", one.assign(LARGE)),
        ("assign together", assign(&[(&i, 1.into()), (&u, 300.into())])),
        ("init", init::constant(&u, 300)),
        ("a view of a target", u.narrow(0, 0, 1).and_then(|part| part.fill(300))),
    ];
    for (what, result) in refused {
        assert!(matches!(result, Err(hadamard::Error::Argument { .. })), "{what}: {result:?}");
    }
    // A number alone is an i64, which holds it.
    let alone = [number(), number().broadcast_to([]), number().sum(..)];
    assert!(eval_all(&alone).unwrap().iter().all(|x| x.item::<i64>().unwrap() == LARGE));
    assert_eq!(u.to_vec::<u8>().unwrap(), [0, 5, 200], "nothing was written");
    assert_eq!(i.to_vec::<i32>().unwrap(), [-1, 2, i32::MAX]);
}

#[test]
fn a_fill_takes_what_its_dtype_holds() {
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        for (dtype, value, want) in [
            (DType::U8, Scalar::Int(255), 255.0),
            (DType::U8, Scalar::Int(-1), 255.0),
            (DType::U8, Scalar::Int(-255), 1.0),
            (DType::U8, Scalar::Float(1.5), 1.0),
            (DType::I32, Scalar::Int(i64::from(i32::MIN)), f64::from(i32::MIN)),
            (DType::I32, Scalar::Float(-2.75), -2.0),
            (DType::Bool, Scalar::Int(LARGE), 1.0),
            (DType::Bool, Scalar::Float(0.5), 1.0),
            (DType::F16, Scalar::Float(65504.0), 65504.0),
            (DType::F16, Scalar::Float(f64::NEG_INFINITY), f64::NEG_INFINITY),
            (DType::F32, Scalar::Int(LARGE), 3e9),
            (DType::F32, Scalar::Float(f64::from(f32::MAX)), f64::from(f32::MAX)),
        ] {
            for shape in [&[][..], &[3]] {
                let tensor = Tensor::zeros(shape, dtype, device).unwrap();
                let found = tensor.fill(value).map(|()| values(&tensor));
                if !found.as_ref().is_ok_and(|found| found.iter().all(|&v| v == want)) {
                    failures.push(format!("{device}: {dtype} {shape:?} filled with {value:?}: {found:?}"));
                }
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What PyTorch converts without a word when it is asked to: a tensor copied, a number cast.
#[test]
fn what_is_converted_on_purpose_wraps_or_saturates() {
    let device = Device::cpu();
    let u = Tensor::zeros([1], DType::U8, &device).unwrap();
    u.assign(Tensor::from_slice(&[300], [1], &device).unwrap()).unwrap();
    assert_eq!(u.to_vec::<u8>().unwrap(), [44]);
    let cast = |number: i64, dtype| values(&Expr::from(number).cast(dtype).eval().unwrap())[0];
    assert_eq!(cast(300, DType::U8), 44.0);
    assert_eq!(cast(LARGE, DType::I32), -1_294_967_296.0);
    assert_eq!(cast(LARGE, DType::F64), 3e9);
    u.assign(ScalarCell::new(300.0)).unwrap();
    assert_eq!(u.to_vec::<u8>().unwrap(), [44]);
    // A tensor of exponents is no number.
    let exponents = Tensor::from_slice(&[-1, -2, -3], [3], &device).unwrap();
    let base = Tensor::from_slice(&[-1, 2, 1], [3], &device).unwrap();
    assert_eq!(base.pow(&exponents).eval().unwrap().to_vec::<i32>().unwrap(), [-1, 0, 1]);
}

/// The way from one integer to another may be longer than their dtype has numbers for.
#[test]
fn integers_are_not_interpolated() {
    let (a, b) =
        (Tensor::full([2], 200_u8, &Device::cpu()).unwrap(), Tensor::full([2], 100_u8, &Device::cpu()).unwrap());
    let error = a.lerp(&b, 0.5).eval().unwrap_err();
    assert!(matches!(error, hadamard::Error::DType { op: "lerp", found: DType::U8, .. }), "{error}");
    let floats = a.cast(DType::F32).lerp(&b, 0.5).eval().unwrap();
    assert_eq!(floats.to_vec::<f32>().unwrap(), [150.0, 150.0]);
}
