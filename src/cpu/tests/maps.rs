use super::{check, naive, noise, random, region, tensor};
use crate::cpu::region::Call;
use crate::{BinaryOp, DType, Device, Expr, Scalar, Shape, Tensor, UnaryOp, assign, eval_all};

const SPECIAL: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    3e9,
    -3e9,
    1e-8,
    88.0,
];

/// The dtypes whose values, and products of two, f64 tells apart. `tests/integers.rs` and `tests/unsigned.rs` hold the
/// others against Rust's own.
fn told_apart() -> impl Iterator<Item = DType> {
    DType::ALL.into_iter().filter(|&dtype| dtype.compute() != DType::I64)
}

/// Unit in the last place of what results are rounded to, with room for formulas that are a few off.
fn few_ulp(dtype: DType) -> f64 {
    8.0 * if dtype == DType::F64 { f64::EPSILON } else { dtype.epsilon() }
}

#[test]
fn every_unary_operation_on_every_dtype() {
    let mut values = noise(1, 1037);
    values.extend(SPECIAL);
    for dtype in told_apart() {
        let x = tensor(&values, &[values.len()], dtype);
        for op in UnaryOp::ALL {
            // Below 0 these are differences, whose errors are last places of their terms.
            let is_difference = matches!(op, UnaryOp::Lgamma | UnaryOp::Digamma);
            let y = if is_difference { x.abs().unary(op) } else { x.unary(op) };
            if y.error().is_none() {
                check(&format!("{} of {dtype}", op.name()), &y, few_ulp(y.dtype()));
            }
        }
    }
}

#[test]
fn every_binary_operation_on_every_dtype() {
    let (mut a, mut b) = (noise(2, 515), noise(3, 515));
    for x in SPECIAL {
        for y in SPECIAL {
            a.push(x);
            b.push(y);
        }
    }
    for dtype in told_apart() {
        let (a, b) = (tensor(&a, &[a.len()], dtype), tensor(&b, &[b.len()], dtype));
        for op in BinaryOp::ALL {
            let y = a.binary(op, &b);
            if y.error().is_some() {
                continue;
            }
            let what = format!("{} of {dtype}", op.name());
            let is_formula = matches!(op, BinaryOp::Pow | BinaryOp::Atan2 | BinaryOp::Hypot);
            let tolerance = if is_formula { few_ulp(y.dtype()) } else { 0.0 };
            check(&what, &y, tolerance);
            for number in [Scalar::Int(3), Scalar::Float(-1.25)] {
                for y in [a.binary(op, Expr::from(number)), Expr::from(number).binary(op, &a)] {
                    // A float among integers may be what the operation refuses.
                    if y.error().is_none() {
                        check(&what, &y, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn every_conversion() {
    let mut values = noise(4, 333);
    values.extend(SPECIAL);
    values.extend([65519.0, 65520.0, 70000.0, 1e-7, f64::from(i32::MAX), f64::from(i32::MIN), 0.1, 300.0, -1.5]);
    for from in told_apart() {
        let x = tensor(&values, &[values.len()], from);
        for to in told_apart() {
            check(&format!("{from} to {to}"), &x.cast(to), 0.0);
        }
    }
    // Rounded once: just above the middle of two halves, where a detour by way of f32 would say the middle.
    let x = tensor(&[1.0 + 2f64.powi(-11) + 2f64.powi(-40)], &[1], DType::F64);
    assert_eq!(naive::elements(&x.cast(DType::F16).eval().unwrap()), [1.0 + 2f64.powi(-10)]);
}

#[test]
fn selection_takes_either_side_from_anything() {
    for dtype in DType::ALL {
        let c = random(5, &[7, 301], DType::F32).gt(0.0);
        let (a, b) = (random(6, &[7, 301], dtype), random(7, &[301], dtype));
        check("where", &Expr::select(c.clone(), &a, &b), 0.0);
        check("where", &Expr::select(c.clone(), &a, 1), 0.0);
        check("where", &Expr::select(true, &b, &a), 0.0);
    }
}

/// Views of one buffer that have shape `[5, 6, 37]`.
fn views(dtype: DType) -> Vec<(&'static str, Tensor)> {
    let shape = [5, 6, 37];
    let whole = random(8, &[11, 12, 80], dtype);
    let window = whole.narrow(0, 3, 5).unwrap().narrow(1, 2, 6).unwrap().narrow(2, 9, 37).unwrap();
    let turned = random(9, &[37, 6, 5], dtype).permute(&[2, 1, 0]).unwrap();
    let turned_too = random(9, &[6, 37, 5], dtype).permute(&[2, 0, 1]).unwrap();
    let row = random(10, &[37], dtype).broadcast_to(shape).unwrap();
    let column = random(11, &[5, 1, 1], dtype).broadcast_to(shape).unwrap();
    let middle = random(12, &[1, 6, 1], dtype).broadcast_to(shape).unwrap();
    let one = random(13, &[], dtype).broadcast_to(shape).unwrap();
    let every_other = whole.slice(0, 0, 10, 2).unwrap().slice(1, 0, 12, 2).unwrap().slice(2, 1, 75, 2).unwrap();
    vec![
        ("contiguous", random(14, &shape, dtype)),
        ("window", window.clone()),
        ("flipped", window.flip(2).unwrap()),
        ("flipped thrice", window.flip(0).unwrap().flip(1).unwrap().flip(2).unwrap()),
        ("permuted", turned),
        ("permuted too", turned_too),
        ("row", row),
        ("column", column),
        ("middle", middle),
        ("one", one),
        ("every other", every_other),
    ]
}

#[test]
fn every_view_with_every_other() {
    for dtype in [DType::F32, DType::F16, DType::U8, DType::F64] {
        let views = views(dtype);
        for (a_name, a) in &views {
            for (b_name, b) in &views {
                check(&format!("{a_name} + {b_name}"), &(a + b), 0.0);
            }
        }
    }
}

#[test]
fn chains_of_views_that_strides_cannot_say() {
    let x = random(15, &[6, 8, 10], DType::F32);
    let flat = Expr::from(&x).permute(&[2, 0, 1]).reshape([480]);
    check("flat", &flat, 0.0);
    check("reshaped again", &(flat.reshape([16, 30]).transpose(0, 1) * 2.0), 0.0);
    check("thrice", &flat.reshape([16, 30]).transpose(0, 1).reshape([20, 24]).flip(1).permute(&[1, 0]), 0.0);
    check("broadcast", &(flat.reshape([1, 480]).broadcast_to([3, 480]) + random(16, &[3, 480], DType::F32)), 0.0);
    check("summed", &flat.reshape([16, 30]).transpose(0, 1).reshape([20, 24]).sum(0), 1e-6);
    check("summed", &flat.reshape([16, 30]).transpose(0, 1).reshape([20, 24]).sum(1), 1e-6);
}

#[test]
fn rows_of_every_length_about_a_strip() {
    for (rows, columns) in [
        (1, 1),
        (3, 1),
        (1, 3),
        (700, 3),
        (3, 255),
        (3, 256),
        (5, 257),
        (2, 1023),
        (3, 4097),
        (2, 9001),
        (9001, 2),
        (70, 600),
    ] {
        let a = random(17, &[rows, columns], DType::F32);
        let (row, column) = (random(18, &[columns], DType::F32), random(19, &[rows, 1], DType::F16));
        check("rows", &(&a * &row + &column), 1e-7);
        check("scaled", &(&column * 2.0 - &row), 1e-7);
    }
}

#[test]
fn leaves_that_lie_column_by_column() {
    for (rows, columns) in [(8, 256), (33, 257), (70, 1000), (300, 300)] {
        for dtype in [DType::F32, DType::F16, DType::U8, DType::F64] {
            let a = random(60, &[2, rows, columns], dtype);
            let turned = random(61, &[2, columns, rows], dtype).transpose(1, 2).unwrap();
            check("turned", &(&a - &turned), 0.0);
            check("both turned", &(&turned + turned.flip(2).unwrap()), 0.0);
            check("turned, and a row", &(&turned * a.narrow(1, 3, 1).unwrap() + a.narrow(2, 5, 1).unwrap()), 0.0);
            // In place, seen turned.
            let target = random(62, &[2, columns, rows], dtype);
            let view = target.transpose(1, 2).unwrap();
            let want = naive::elements(&(&view + &a).eval().unwrap());
            view.assign(&view + &a).unwrap();
            assert_eq!(naive::elements(&view), want);
        }
    }
}

#[test]
fn eight_dims() {
    let x = random(20, &[2, 3, 2, 3, 2, 3, 2, 3], DType::F32);
    let y = x.permute(&[7, 2, 5, 0, 3, 6, 1, 4]).unwrap().flip(3).unwrap();
    let z = random(21, &[3, 1, 3, 1, 3, 1, 3, 1], DType::F32);
    check("eight dims", &(&y - &z), 0.0);
    check("eight dims, summed", &(&y - &z).sum([1, 3, 4]), 1e-5);
    check("eight dims, summed", &(&y - &z).sum([0, 2, 7]), 1e-5);
}

#[test]
fn nothing_and_one() {
    let device = Device::cpu();
    for shape in [&[0][..], &[3, 0], &[0, 3], &[2, 0, 5]] {
        let x = Tensor::zeros(Shape::from(shape), DType::F32, &device).unwrap();
        assert_eq!((&x + 1.0).eval().unwrap().to_vec::<f32>().unwrap(), [0.0_f32; 0]);
    }
    let one = tensor(&[3.0], &[], DType::F32);
    check("rank 0", &(&one * &one + 1.0), 0.0);
    assert_eq!((Expr::from(2.0) * Expr::from(3.0)).eval().unwrap().item::<f32>().unwrap(), 6.0);
    check("numbers", &(Expr::from(2.0) + 1).broadcast_to([4, 3]), 0.0);
}

#[test]
fn targets_may_be_any_view() {
    for dtype in DType::ALL {
        for (name, view) in views(dtype) {
            if view.layout().overlaps_itself() || name == "contiguous" {
                continue;
            }
            let value = random(40, &[5, 6, 37], dtype);
            assign(&[(&view, (&value).into())]).unwrap();
            assert_eq!(naive::elements(&view), naive::elements(&value), "{dtype} {name}");
            assign(&[(&view, Expr::from(1))]).unwrap();
            assert_eq!(naive::elements(&view), vec![1.0; 5 * 6 * 37], "{dtype} {name}");
        }
    }
    // Around a window nothing changes.
    let whole = tensor(&[0.0; 20], &[4, 5], DType::F32);
    whole.narrow(0, 1, 2).unwrap().narrow(1, 2, 2).unwrap().fill(7.0).unwrap();
    let want: Vec<f64> =
        (0..20).map(|i| if (1..3).contains(&(i / 5)) && (2..4).contains(&(i % 5)) { 7.0 } else { 0.0 }).collect();
    assert_eq!(naive::elements(&whole), want);
}

#[test]
fn a_long_chain_needs_few_strips() {
    let x = random(50, &[100], DType::F32);
    let mut y: Expr = (&x).into();
    for i in 0..20_000 {
        y = if i % 2 == 0 { y + 1.0 } else { y - 1.0 };
    }
    let region = region(&[&y]);
    assert!(region.code.len() >= 10_000 && region.registers <= 2, "{} registers", region.registers);
    assert!(y.eval().is_ok());
}

#[test]
fn several_results_of_several_shapes() {
    let (a, b) = (random(51, &[40, 50], DType::F32), random(52, &[50], DType::F16));
    let exprs = [&a + &b, &a * 2.0, Expr::from(&b) * 3, (&a * &b).sum(0), (&a + &b), a.sum(0)];
    let pairs: Vec<_> = exprs.iter().map(|e| (e, e.dtype())).collect();
    let want = naive::evaluate(&pairs);
    for (got, want) in eval_all(&exprs).unwrap().iter().zip(&want) {
        assert_eq!(super::first_mismatch(&naive::elements(got), want, 1e-5), None);
    }
}

#[test]
fn a_foreign_pool_may_evaluate_too() {
    use rayon::prelude::*;
    let x = random(53, &[200_000], DType::F32);
    let y = tensor(&vec![0.0; 200_000], &[200_000], DType::F32);
    (0..16).into_par_iter().for_each(|_| y.assign(&x * 2.0).unwrap());
    assert_eq!(y.to_vec::<f32>().unwrap(), (&x * 2.0).eval().unwrap().to_vec::<f32>().unwrap());
}

#[test]
fn a_step_of_adam_in_one_loop_has_the_bits_of_its_parts() {
    let step = |w: &Expr, g: &Expr, m: &Expr, v: &Expr, form: usize| {
        let (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + (g * g) * 0.001);
        let w = match form {
            0 => w - 0.01 * &m / (v.sqrt() * 1.5 + 1e-8),
            1 => w * 0.99 - 0.01 * &m / (v.sqrt() / 1.5 + 1e-8),
            2 => w - 0.01 * (&m / (v.sqrt() + 1e-8)),
            _ => w - 0.01 * (&m / (v.sqrt() / 1.5 + 1e-8)),
        };
        [m, v, w]
    };
    for form in 0..4 {
        for (shape, gradient) in
            [([1, 1], [1, 1]), ([3, 7], [3, 7]), ([5, 300], [5, 300]), ([70, 999], [1, 999]), ([9, 64], [1, 1])]
        {
            let fill = |seed| random(seed, &shape, DType::F32);
            let (w, m, v, g) = (fill(1), fill(2), fill(3), random(4, &gradient, DType::F32));
            v.assign(v.abs()).unwrap();
            let [m2, v2, w2] = step(&Expr::from(&w), &Expr::from(&g), &Expr::from(&m), &Expr::from(&v), form);
            let code = region(&[&m2, &v2, &w2]).code;
            let calls = code.iter().filter(|i| !matches!(i.call, Call::Placeholder)).count();
            assert!(
                matches!(code[0].call, Call::Moments(_)) && calls == 1,
                "form {form} of {shape:?} takes {calls} loops"
            );
            let wide = |e: &Expr| e.broadcast_to(shape).eval().unwrap().to_vec::<f32>().unwrap();
            // One by one, each into memory of its own.
            let want = [wide(&m2), wide(&v2), wide(&w2)];
            assign(&[(&m, m2.clone()), (&v, v2.clone()), (&w, w2.clone())]).unwrap();
            for (got, want) in [&m, &v, &w].into_iter().zip(&want) {
                let got = got.to_vec::<f32>().unwrap();
                assert!(got.iter().zip(want).all(|(g, w)| g.to_bits() == w.to_bits()), "form {form} of {shape:?}");
            }
        }
    }
}
