//! Functions at the ends of what their formulas reach, and wherever an element lies among others.

mod devices;

use devices::devices;
use hadamard::{BinaryOp, DType, Device, Expr, Tensor, UnaryOp};

fn numbers(expr: &Expr) -> Vec<f64> {
    expr.cast(DType::F64).eval().unwrap().to_vec().unwrap()
}

/// Next to 0 the reflected function would be that of infinity, and far below 0 every number is whole.
#[test]
fn gamma_functions_below_0() {
    for device in &devices() {
        let x = Tensor::from_slice(&[-1e-20_f32, -1e-17, -0.5, -16_318_845.0, -8_388_609.0], [5], device).unwrap();
        let logs = x.lgamma().eval().unwrap().to_vec::<f32>().unwrap();
        for (&got, want) in logs.iter().zip([46.051_7_f32, 39.143_947, 1.265_512_1]) {
            assert!((got - want).abs() < 1e-5 * want, "{device}: {got} not {want}");
        }
        assert_eq!(logs[3..], [f32::INFINITY; 2], "{device}");
        let slopes = x.digamma().eval().unwrap().to_vec::<f32>().unwrap();
        assert!(slopes[3].is_nan() && slopes[4].is_nan(), "{device}: {slopes:?}");
        if device.info().f64 {
            let x = Tensor::from_slice(&[-4e-163, -6_745_599_633_274_555.0_f64], [2], device).unwrap();
            let logs = numbers(&x.lgamma());
            assert!((logs[0] - 373.935_075_796_91).abs() < 1e-8 && logs[1] == f64::INFINITY, "{device}: {logs:?}");
            assert!(numbers(&x.digamma())[1].is_nan(), "{device}");
        }
    }
}

/// The CPU has all digits, whatever the size: few large numbers among others, and nothing else.
#[test]
fn circular_functions_of_large_numbers_on_the_cpu() {
    let device = Device::cpu();
    for n in [1, 7, 63, 64, 65, 200, 5000] {
        for every in [1, 7, 97] {
            let at = |i: usize| {
                let x = (i as f64 * 0.618_034).fract() * 20.0 - 10.0;
                if i.is_multiple_of(every) { x * 10f64.powi((i % 36) as i32) } else { x }
            };
            let singles: Vec<f32> = (0..n).map(|i| at(i) as f32).collect();
            let doubles: Vec<f64> = (0..n).map(at).collect();
            let (x, y) = (
                Tensor::from_slice(&singles, [n], &device).unwrap(),
                Tensor::from_slice(&doubles, [n], &device).unwrap(),
            );
            for (op, exact) in
                [(UnaryOp::Sin, f64::sin as fn(f64) -> f64), (UnaryOp::Cos, f64::cos), (UnaryOp::Tan, f64::tan)]
            {
                let got = x.unary(op).eval().unwrap().to_vec::<f32>().unwrap();
                for (&x, got) in singles.iter().zip(got) {
                    let want = exact(x.into()) as f32;
                    assert!(
                        (got - want).abs() <= 4.0 * (want.abs().next_up() - want.abs()),
                        "{op:?}({x:e}): {got} not {want}"
                    );
                }
                let got = numbers(&y.unary(op));
                for (&x, got) in doubles.iter().zip(got) {
                    let want = exact(x);
                    assert!(
                        (got - want).abs() <= 4.0 * (want.abs().next_up() - want.abs()),
                        "{op:?}({x:e}): {got} not {want}"
                    );
                }
                let place = Tensor::from_slice(&singles, [n], &device).unwrap();
                place.assign(place.unary(op)).unwrap();
                assert_eq!(place.to_vec::<f32>().unwrap(), x.unary(op).eval().unwrap().to_vec::<f32>().unwrap());
            }
        }
    }
}

/// Vectors and the elements after the last of them give the same bits.
#[test]
fn an_element_has_one_result_wherever_it_lies() {
    let device = Device::cpu();
    let at = |i: usize, salt: f64| (i as f64 * salt).fract() * 6.0 - 2.0;
    let bits = |x: &Expr| numbers(x).into_iter().map(f64::to_bits).collect::<Vec<_>>();
    for dtype in [DType::F32, DType::F64] {
        let [a, b] = [0.618_034, 0.414_213].map(|salt| {
            let values: Vec<f64> = (0..300).map(|i| at(i, salt)).collect();
            Tensor::from_slice(&values, [300], &device).unwrap().cast(dtype).eval().unwrap()
        });
        let mut all: Vec<(String, Box<dyn Fn(&Tensor, &Tensor) -> Expr>)> = Vec::new();
        for op in UnaryOp::ALL.into_iter().filter(|op| op.ulp() > 0.0) {
            all.push((format!("{op:?}"), Box::new(move |a, _| a.unary(op))));
        }
        for op in [
            BinaryOp::Pow,
            BinaryOp::Atan2,
            BinaryOp::Hypot,
            BinaryOp::Fmod,
            BinaryOp::Remainder,
            BinaryOp::FloorDivide,
        ] {
            all.push((format!("{op:?}"), Box::new(move |a, b| a.binary(op, b))));
        }
        for (name, of) in &all {
            let whole = bits(&of(&a, &b));
            for (start, n) in [(0, 1), (3, 17), (5, 64), (1, 131), (299, 1), (37, 200)] {
                let part = |x: &Tensor| x.narrow(0, start, n).unwrap();
                let got = bits(&of(&part(&a), &part(&b)));
                assert!(got == whole[start..start + n], "{name} of {dtype}, {n} from {start}");
            }
        }
    }
}
