//! u16, u32 and u64 where PyTorch has no answers: order, sums of two, and the ends of their ranges.
//! `tests/golden.rs` holds the rest against PyTorch.

mod devices;

use devices::devices;
use hadamard::{BinaryOp, DType, Device, Element, Expr, Tensor};

const EDGES: [u64; 9] = [0, 1, 2, 3, 1 << 53, (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX];

fn of<T: Element>(expr: &Expr) -> Vec<T> {
    expr.eval().unwrap().to_vec::<T>().unwrap()
}

/// Every pair of edges.
fn pairs(device: &Device) -> (Tensor, Tensor, Vec<(u64, u64)>) {
    let every: Vec<(u64, u64)> = EDGES.iter().flat_map(|&a| EDGES.iter().map(move |&b| (a, b))).collect();
    let upload = |values: Vec<u64>| Tensor::from_slice(&values, [EDGES.len() * EDGES.len()], device).unwrap();
    (upload(every.iter().map(|p| p.0).collect()), upload(every.iter().map(|p| p.1).collect()), every)
}

#[test]
fn u64s_are_in_order_and_wrap() {
    for device in devices() {
        let (a, b, every) = pairs(&device);
        let truths: [(BinaryOp, fn(&u64, &u64) -> bool); 6] = [
            (BinaryOp::Lt, u64::lt),
            (BinaryOp::Le, u64::le),
            (BinaryOp::Gt, u64::gt),
            (BinaryOp::Ge, u64::ge),
            (BinaryOp::Eq, u64::eq),
            (BinaryOp::Ne, u64::ne),
        ];
        for (op, want) in truths {
            let want: Vec<bool> = every.iter().map(|(a, b)| want(a, b)).collect();
            assert_eq!(of::<bool>(&a.binary(op, &b)), want, "{device}: {}", op.name());
        }
        let numbers: [(BinaryOp, fn(u64, u64) -> u64); 5] = [
            (BinaryOp::Add, u64::wrapping_add),
            (BinaryOp::Sub, u64::wrapping_sub),
            (BinaryOp::Mul, u64::wrapping_mul),
            (BinaryOp::Maximum, u64::max),
            (BinaryOp::Minimum, u64::min),
        ];
        for (op, want) in numbers {
            let want: Vec<u64> = every.iter().map(|&(a, b)| want(a, b)).collect();
            assert_eq!(of::<u64>(&a.binary(op, &b)), want, "{device}: {}", op.name());
        }
    }
}

#[test]
fn u64s_have_no_sign() {
    for device in devices() {
        let x = Tensor::from_slice(&EDGES, [EDGES.len()], &device).unwrap();
        assert_eq!(of::<u64>(&x.abs()), EDGES);
        assert_eq!(of::<u64>(&x.relu()), EDGES);
        assert_eq!(of::<u64>(&x.sign()), EDGES.map(|x| x.min(1)));
        assert_eq!(of::<u64>(&-&x), EDGES.map(u64::wrapping_neg));
        assert_eq!(x.amax(..).eval().unwrap().item::<u64>().unwrap(), u64::MAX);
        assert_eq!(x.slice(0, 5, 9, 1).unwrap().amin(..).eval().unwrap().item::<u64>().unwrap(), (1 << 63) - 1);
        assert_eq!(of::<bool>(&x.lt(-1)), [false; EDGES.len()]);
        assert_eq!(of::<bool>(&x.ge(0)), [true; EDGES.len()]);
        assert_eq!(of::<bool>(&x.eq(-1)), [false; EDGES.len()]);
        assert_eq!(of::<u64>(&x.clamp(2, i64::MAX)), EDGES.map(|x| x.clamp(2, i64::MAX as u64)));
    }
}

/// Floats from u64 and back, where f64 has the digits: by the device's own conversions and by ours.
#[test]
fn u64s_become_floats_in_one_rounding() {
    let mut values = EDGES.to_vec();
    for shift in [24, 25, 40, 53, 54, 63] {
        let half = 1_u64 << (shift - 24);
        values.extend([0, 1].map(|odd| (1_u64 << shift) + half + odd));
        values.extend([0, 1].map(|odd| (1_u64 << shift) + 3 * half - odd));
    }
    for device in devices() {
        let x = Tensor::from_slice(&values, [values.len()], &device).unwrap();
        let got = of::<f32>(&x.cast(DType::F32));
        let want: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        assert_eq!(got, want, "{device}");
        let floats = Tensor::from_slice(&want, [values.len()], &device).unwrap();
        let back: Vec<u64> = want.iter().map(|&x| x as u64).collect();
        assert_eq!(of::<u64>(&floats.cast(DType::U64)), back, "{device}");
        if device.info().f64 {
            assert_eq!(
                of::<f64>(&x.cast(DType::F64)),
                values.iter().map(|&x| x as f64).collect::<Vec<_>>(),
                "{device}"
            );
        }
    }
}

#[test]
fn assigning_casts() {
    for device in devices() {
        let x = Tensor::from_slice(&EDGES, [EDGES.len()], &device).unwrap();
        let y = Tensor::from_slice(&EDGES.map(|x| x as f32), [EDGES.len()], &device).unwrap();
        y.assign(&x).unwrap();
        assert_eq!(y.to_vec::<f32>().unwrap(), EDGES.map(|x| x as f32), "{device}");
        x.assign(&y / 2.0).unwrap();
        assert_eq!(x.to_vec::<u64>().unwrap(), EDGES.map(|x| (x as f32 / 2.0) as u64), "{device}");
    }
}

#[test]
fn what_there_is_not_is_refused_by_name() {
    let device = Device::cpu();
    let x = Tensor::from_slice(&[7_u64, 8], [2], &device).unwrap();
    let y = Tensor::from_slice(&[7_u16, 8], [2], &device).unwrap();
    for (expr, words) in [
        (x.floor_divide(&x), "floor_divide"),
        (x.remainder(3), "remainder"),
        (x.pow(&x), "pow"),
        (x.bitwise_right_shift(1), "cast u64 to i64 or f64"),
        (&x * &y, "found u64 and u16"),
        (hadamard::cat(&[Expr::from(&x), Expr::from(&y)], 0), "cat: expected dtypes that are promoted to a common one"),
        (&y + 70_000, "-65535 to 65535"),
        (y.index(0, &y), "index"),
    ] {
        let error = expr.eval().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn elements_are_shown_whole() {
    let x = Tensor::from_slice(&[7_u64, u64::MAX], [2], &Device::cpu()).unwrap();
    assert_eq!(x.to_string(), "[                   7, 18446744073709551615]\nu64 [2] on cpu");
}
