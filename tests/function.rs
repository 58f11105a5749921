//! Texts as functions, against the same texts read anew for every call.

mod devices;

use std::sync::Arc;

use devices::{devices, failures_on_each};
use hadamard::{DType, Device, Error, Expr, Function, Operand, Scalar, Tensor};

fn matrix(device: &Device, rows: usize, columns: usize, seed: usize) -> Tensor {
    let values: Vec<f32> = (0..rows * columns).map(|i| ((i * 37 + seed * 11) % 19) as f32 * 0.25 - 2.0).collect();
    Tensor::from_slice(&values, [rows, columns], device).unwrap()
}

fn anew(text: &str, names: &[String], operands: &[Operand]) -> Tensor {
    let exprs = operands.iter().map(|operand| match operand {
        Operand::Tensor(tensor) => Expr::from(tensor),
        Operand::Number(number) => Expr::from(*number),
    });
    let named: Vec<(&str, Expr)> = names.iter().map(String::as_str).zip(exprs).collect();
    Expr::parse_with(text, &named).unwrap().eval().unwrap()
}

#[test]
fn calls_give_what_the_text_read_anew_gives() {
    const TEXTS: [&str; 8] = [
        "w * a + (1 - w) * b",
        "sum(a * b, 0) * w",
        "where(a > b, a, w)",
        "a ** 2 + w * b.T.T",
        "softmax(a * w, 1) - b",
        "cumsum(a, 1) + sort(b, 0)[0]",
        "(a - mean(a, 1, keepdim=True)) * w + var(b)",
        "a[0] * w + b[-1, ::2].sum()",
    ];
    failures_on_each(|device| {
        for text in TEXTS {
            let function = Function::new(text).unwrap();
            for round in 0..3 {
                for (rows, columns) in [(3, 4), (5, 8), (40, 1000)] {
                    let (a, b) = (matrix(device, rows, columns, round), matrix(device, rows + 2, columns, round + 5));
                    let views: [(Tensor, Tensor); 3] = [
                        (a.clone(), b.narrow(0, 0, rows).unwrap()),
                        (a.flip(1).unwrap(), b.narrow(0, 2, rows).unwrap()),
                        (a.clone(), a.flip(0).unwrap()),
                    ];
                    for (a, b) in views {
                        let weight = 0.25 + round as f64;
                        let operands: Vec<Operand> = function
                            .names()
                            .iter()
                            .map(|name| match name.as_str() {
                                "a" => Operand::from(&a),
                                "b" => Operand::from(&b),
                                _ => weight.into(),
                            })
                            .collect();
                        let (found, expected) =
                            (function.call(&operands).unwrap(), anew(text, function.names(), &operands));
                        assert_eq!(found.shape(), expected.shape(), "{text}");
                        assert_eq!(found.dtype(), expected.dtype(), "{text}");
                        let (found, expected) = (found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
                        assert_eq!(found, expected, "{text} on {device}, {rows} x {columns}, round {round}");
                    }
                }
            }
        }
        vec![]
    });
}

#[test]
fn a_form_that_is_known_is_not_planned_again() {
    let device = Device::cpu();
    let function = Function::new("sum(a * w, 1)").unwrap();
    let call = |rows, seed, w: f64| function.call(&[matrix(&device, rows, 8, seed).into(), w.into()]).unwrap();
    call(4, 0, 0.5);
    let view = matrix(&device, 12, 8, 1).narrow(0, 5, 4).unwrap();
    let planned = device.counters().planned;
    for seed in 0..20 {
        call(4, seed, seed as f64);
    }
    function.call(&[view.into(), 2.0.into()]).unwrap();
    // Other tests plan meanwhile; what is here would be 21.
    let others = 15;
    assert!(device.counters().planned - planned < 21 + others);
    let right = |rows| {
        let a = matrix(&device, rows, 8, rows);
        assert_eq!(call(rows, rows, 2.0).to_vec::<f32>().unwrap(), (&a * 2.0).sum(1).to_vec::<f32>().unwrap());
    };
    (1..=100).for_each(right);
    let planned = device.counters().planned;
    for _ in 0..10 {
        for rows in 1..=100 {
            call(rows, rows, 2.0);
        }
    }
    // What is here would be 1000.
    assert!(device.counters().planned - planned < 500);
    // Of more forms than are kept, all are right.
    (1..300).chain(1..300).for_each(right);
}

#[test]
fn threads_may_call_with_different_forms_at_once() {
    let device = Device::cpu();
    let function = Function::new("sum(a * w, 1)").unwrap();
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (function, device) = (&function, &device);
            scope.spawn(move || {
                for i in 0..600 {
                    let (rows, w) = (1 + (first + i) % 7, i as f64);
                    let a = matrix(device, rows, 8, i);
                    let found = function.call(&[(&a).into(), w.into()]).unwrap();
                    assert_eq!(
                        found.to_vec::<f32>().unwrap(),
                        (&a * w).sum(1).eval().unwrap().to_vec::<f32>().unwrap()
                    );
                }
            });
        }
    });
}

#[test]
fn numbers_are_weak_and_may_change() {
    let device = Device::cpu();
    let bytes = Tensor::from_slice(&[250_u8, 3], [2], &device).unwrap();
    let sum = Function::new("x + n").unwrap();
    let call = |n: Scalar| sum.call(&[(&bytes).into(), n.into()]).unwrap();
    assert_eq!(call(Scalar::Int(10)).to_vec::<u8>().unwrap(), [4, 13]);
    assert_eq!(call(Scalar::Int(-1)).to_vec::<u8>().unwrap(), [249, 2]);
    assert_eq!(call(Scalar::Float(0.5)).to_vec::<f32>().unwrap(), [250.5, 3.5]);
    assert_eq!(call(Scalar::Float(1.5)).to_vec::<f32>().unwrap(), [251.5, 4.5]);
    assert_eq!(call(Scalar::Bool(true)).to_vec::<u8>().unwrap(), [251, 4]);
    // Where the text must know the number, each is a form of its own.
    let take = Function::new("sum(x, d)").unwrap();
    let x = matrix(&device, 2, 3, 0);
    for d in [0, 1, -1] {
        let found = take.call(&[(&x).into(), d.into()]).unwrap();
        assert_eq!(found.to_vec::<f32>().unwrap(), x.sum(d as isize).to_vec::<f32>().unwrap());
    }
    // Words that mean something are no operands, unless they are asked for.
    let words = "x * e + where(x > inf, 1, 0) + torch.abs(x) * sum(x, keepdim=True)";
    let function = Function::new(words).unwrap();
    assert_eq!(function.names(), ["x"]);
    let found = function.call(&[(&x).into()]).unwrap().to_vec::<f32>().unwrap();
    let expected = (&x * std::f64::consts::E + x.abs() * x.sum(..)).to_vec::<f32>().unwrap();
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs()), "{found:?} {expected:?}");
    let product = Function::new("d * e").unwrap().of(&["e", "d"]);
    assert_eq!(
        product.call(&[(&x).into(), 3.0.into()]).unwrap().to_vec::<f32>().unwrap()[1],
        3.0 * x.to_vec::<f32>().unwrap()[1]
    );
    let alone = Function::new("n * 2").unwrap();
    assert_eq!(alone.call(&[1.5.into()]).unwrap().item::<f32>().unwrap(), 3.0);
    assert_eq!(alone.call(&[4.into()]).unwrap().item::<i64>().unwrap(), 8);
}

#[test]
fn results_go_where_they_are_to_whoever_reads_there() {
    for device in devices() {
        let (a, b) = (matrix(&device, 30, 40, 1), matrix(&device, 30, 40, 2));
        let copy = |x: &Tensor| x.to_vec::<f32>().unwrap();
        let (old_a, old_b) = (copy(&a), copy(&b));
        let product = Function::new("a * b + 1").unwrap();
        let out = Tensor::zeros([30, 40], DType::F32, &device).unwrap();
        product.assign(&[&out], &[(&a).into(), (&b).into()]).unwrap();
        let expected: Vec<f32> = old_a.iter().zip(&old_b).map(|(a, b)| a * b + 1.0).collect();
        assert_eq!(copy(&out), expected);
        // The target is an operand, twice, and then is read backwards.
        product.assign(&[&a], &[(&a).into(), (&b).into()]).unwrap();
        assert_eq!(copy(&a), expected);
        product.assign(&[&b], &[(&b).into(), (&b).into()]).unwrap();
        assert_eq!(copy(&b), old_b.iter().map(|b| b * b + 1.0).collect::<Vec<_>>());
        let old = copy(&a);
        product.assign(&[&a], &[(&a).into(), a.flip(0).unwrap().flip(1).unwrap().into()]).unwrap();
        assert_eq!(copy(&a), old.iter().zip(old.iter().rev()).map(|(a, b)| a * b + 1.0).collect::<Vec<_>>());
        let old = copy(&a);
        Function::new("a - mean(a)").unwrap().assign(&[&a], &[(&a).into()]).unwrap();
        let mean = old.iter().sum::<f32>() / old.len() as f32;
        assert!(copy(&a).iter().zip(&old).all(|(new, old)| (new - (old - mean)).abs() <= 1e-3 * old.abs().max(1.0)));
        // Two targets by turns: each sees what the other was.
        let swap = Function::all(&["b", "a"]).unwrap();
        assert_eq!(swap.names(), ["b", "a"]);
        let (old_a, old_b) = (copy(&a), copy(&b));
        swap.assign(&[&a, &b], &[(&b).into(), (&a).into()]).unwrap();
        assert_eq!((copy(&a), copy(&b)), (old_b, old_a));
        let error = product.call_into(&[&out.narrow(0, 0, 3).unwrap()], &[(&a).into(), (&b).into()]).unwrap_err();
        assert!(error.to_string().contains("a target of dtype f32 and shape [30, 40]"), "{error}");
        product.call_into(&[&out], &[(&a).into(), (&b).into()]).unwrap();
        assert_eq!(copy(&out)[7], copy(&a)[7] * copy(&b)[7] + 1.0);
        // Converted, broadcast.
        let halves = Tensor::zeros([2, 30, 40], DType::F16, &device).unwrap();
        Function::new("a").unwrap().assign(&[&halves], &[(&a).into()]).unwrap();
        assert_eq!(halves.to_dtype(DType::F32).unwrap().at(1).unwrap().shape().dims(), [30, 40]);
    }
}

#[test]
fn gradients_are_by_name() {
    for device in devices() {
        let (x, w) = (matrix(&device, 4, 6, 3), matrix(&device, 1, 6, 4));
        let function = Function::new("mean((x * w - 1) ** 2)").unwrap().grad(&["w", "x"]).unwrap();
        assert_eq!((function.results(), function.names()), (2, &["x".to_owned(), "w".to_owned()][..]));
        for _ in 0..2 {
            let found = function.call_all(&[(&x).into(), (&w).into()], None).unwrap();
            let expected = (&x * &w - 1.0).square().mean(..).grad(&[&w, &x]).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                let (found, expected) = (found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
                assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-6), "{found:?} {expected:?}");
            }
        }
        let both = Function::new("mean((x * w - 1) ** 2)").unwrap().value_and_grad(&["w"]).unwrap();
        let found = both.call_all(&[(&x).into(), (&w).into()], None).unwrap();
        let loss = (&x * &w - 1.0).square().mean(..).item::<f32>().unwrap();
        assert!((found[0].item::<f32>().unwrap() - loss).abs() < 1e-6 && found[1].shape() == w.shape());
        // The same memory under two names: each name has its own.
        let found = Function::new("sum(a * b)").unwrap().grad(&["a"]).unwrap().call(&[(&x).into(), (&x).into()]);
        assert_eq!(found.unwrap().to_vec::<f32>().unwrap(), x.to_vec::<f32>().unwrap());
    }
}

#[test]
fn threads_share_a_function() {
    let function = Arc::new(Function::new("sum(a * s) + t").unwrap());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let function = function.clone();
            scope.spawn(move || {
                let a = Tensor::full([100], 1.0_f32, &Device::cpu()).unwrap();
                for i in 0..200 {
                    let (s, t) = (f64::from(thread * 1000 + i), f64::from(i));
                    let found = function.call(&[(&a).into(), s.into(), t.into()]).unwrap().item::<f32>().unwrap();
                    assert_eq!(f64::from(found), 100.0 * s + t);
                }
            });
        }
    });
}

#[test]
fn nothing_of_a_call_is_kept() {
    let memory: Arc<[f32]> = Arc::from([1.0, 2.0]);
    let function = Function::new("x * 2").unwrap();
    let x = Tensor::from_owner(memory.clone(), [2]).unwrap();
    assert_eq!(function.call(&[x.into()]).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0]);
    assert_eq!(Arc::strong_count(&memory), 1);
}

#[test]
fn mistakes_name_the_operation() {
    let device = Device::cpu();
    let x = matrix(&device, 2, 3, 0);
    assert!(matches!(Function::new("  "), Err(Error::Parse { .. })));
    let function = Function::new("x + y").unwrap();
    let error = function.call(&[(&x).into()]).unwrap_err().to_string();
    assert_eq!(error, "call: expected 2 operands (x, y), found 1");
    let error = function.call(&[(&x).into(), matrix(&device, 4, 4, 0).into()]).unwrap_err();
    assert!(matches!(error, Error::Parse { .. }), "{error}");
    let error = Function::new("x +").unwrap().call(&[(&x).into()]).unwrap_err().to_string();
    assert!(error.contains("column 4"), "{error}");
    let error = function.grad(&["z"]).unwrap_err().to_string();
    assert_eq!(error, "grad: expected a name of the text (x, y), found 'z'");
    assert!(function.grad(&[]).is_err());
    let slope = function.grad(&["y"]).unwrap();
    assert!(slope.call(&[(&x).into(), (&x).into()]).unwrap_err().to_string().contains("one element"));
    let error = Function::new("sum(x) + y").unwrap().grad(&["y"]).unwrap().call(&[(&x).into(), 1.0.into()]);
    assert_eq!(error.unwrap_err().to_string(), "grad: expected a tensor for 'y', found a number");
    let error = function.assign(&[], &[(&x).into(), 1.0.into()]).unwrap_err().to_string();
    assert_eq!(error, "assign: expected 1 targets, one for each result, found 0");
    let wrong = matrix(&device, 3, 3, 0);
    assert!(function.assign(&[&wrong], &[(&x).into(), 1.0.into()]).is_err());
    if let Some(gpu) = devices().into_iter().find(Device::is_gpu) {
        let error = function.call(&[(&x).into(), matrix(&gpu, 2, 3, 0).into()]).unwrap_err();
        assert!(matches!(error, Error::DeviceMismatch { op: "call", .. }), "{error}");
        let on_gpu = Function::new("arange(4) * n").unwrap().call_all(&[2.0.into()], Some(&gpu)).unwrap();
        assert!(on_gpu[0].device() == gpu);
    }
}
