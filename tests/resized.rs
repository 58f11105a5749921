//! A function that is called with one shape after another, and expressions built anew, against a function that is new for each
//! call: to the bit the same results, and the same mistakes.

mod choices;
mod devices;

use choices::Random;
use devices::{failures_on_each, note};
use hadamard::{DType, Device, DeviceKind, Expr, Function, Operand, Tensor, assign, eval_all};

/// Texts on each device, and calls of each.
const TEXTS: usize = 120;
const CALLS: usize = 14;
/// Texts on a software adapter, which compiles a shader for each and more.
const SOFTWARE_TEXTS: usize = 12;

const NAMES: [&str; 4] = ["a", "b", "c", "w"];

/// A text of the names, most of them elementwise.
fn text(random: &mut Random, depth: usize) -> String {
    let part = |random: &mut Random| text(random, depth - 1);
    if depth == 0 || random.below(6) == 0 {
        return match random.below(8) {
            0 => random.pick(&["2", "0.5", "-1", "3.0"]).to_owned(),
            _ => random.pick(&NAMES).to_owned(),
        };
    }
    match random.below(16) {
        0..8 => {
            let op = random.pick(&["+", "-", "*", "/", "*", "+", "==", "<"]);
            format!("({} {op} {})", part(random), part(random))
        }
        8 => format!("where({} > {}, {}, {})", part(random), part(random), part(random), part(random)),
        9 => format!("{}.clamp(-1, 1.5)", part(random)),
        10 => format!("maximum({}, {})", part(random), part(random)),
        11 => format!("abs({})", part(random)),
        12 => format!("relu({}.float())", part(random)),
        13 => format!("{}.to({})", part(random), random.pick(&["f16", "i32", "torch.uint8", "bool"])),
        // What asks for sizes.
        14 => format!("{}({})", random.pick(&["sum", "mean", "amax"]), part(random)),
        _ => {
            format!("({} + 0.0){}", part(random), random.pick(&["[..., :2]", "[..., -1:]", ".mean(-1, keepdim=True)"]))
        }
    }
}

/// How an operand broadcasts and lies: for each dim whether it has size 1, and a view.
#[derive(Clone)]
struct Pattern {
    ones: Vec<bool>,
    dtype: DType,
    view: usize,
}

impl Pattern {
    fn new(random: &mut Random) -> Self {
        let ones = (0..random.below(4)).map(|_| random.below(4) == 0).collect();
        let dtype = random.pick(&[DType::F32, DType::F32, DType::F32, DType::I32, DType::U8, DType::F16]);
        Self { ones, dtype, view: random.below(8) }
    }

    /// A tensor of this pattern; `sizes` are of dims, counted from the last.
    fn tensor(&self, random: &mut Random, sizes: &[usize; 3], device: &Device) -> Tensor {
        let rank = self.ones.len();
        let shape: Vec<usize> =
            self.ones.iter().enumerate().map(|(d, &one)| if one { 1 } else { sizes[rank - 1 - d] }).collect();
        let filled = |shape: &[usize], random: &mut Random| {
            let values = (0..shape.iter().product::<usize>()).map(|_| random.below(9) as f32 * 0.75 - 2.0);
            let x = Tensor::from_vec(values.collect(), shape, device).unwrap();
            x.abs().cast(self.dtype).eval().unwrap()
        };
        match (self.view, shape.last().copied()) {
            (0, Some(n)) => {
                let mut wider = shape.clone();
                wider[rank - 1] = n + 3;
                filled(&wider, random).narrow(-1, random.below(4), n).unwrap()
            }
            (1, Some(_)) => filled(&shape, random).flip(0).unwrap(),
            (2, Some(_)) => {
                let mut turned = shape.clone();
                turned.swap(0, rank - 1);
                filled(&turned, random).transpose(0, -1).unwrap()
            }
            (3, Some(_)) => {
                let mut narrow = shape.clone();
                narrow[0] = 1;
                filled(&narrow, random).broadcast_to(&shape[..]).unwrap()
            }
            _ => filled(&shape, random),
        }
    }
}

/// The elements as numbers, NaN as one, exactly.
fn bits(x: &Tensor) -> (Vec<usize>, DType, Vec<u64>) {
    let bit = |x: f32| if x.is_nan() { u64::MAX } else { u64::from(x.to_bits()) };
    let values = match x.dtype() {
        DType::I64 | DType::U64 => {
            x.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap().iter().map(|&x| x as u64).collect()
        }
        DType::I32 => x.to_vec::<i32>().unwrap().iter().map(|&x| x as u64).collect(),
        _ => x.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap().into_iter().map(bit).collect(),
    };
    (x.shape().to_vec(), x.dtype(), values)
}

/// What is wrong with expressions built anew for each evaluation, or assigned to a tensor that they read.
fn wrong_anew(text: &str, names: &[String], operands: &[Operand]) -> Option<&'static str> {
    let expr = |operands: &[Operand]| {
        let exprs: Vec<(&str, Expr)> = names.iter().map(String::as_str).zip(operands.iter().map(Expr::from)).collect();
        Expr::parse_with(text, &exprs).unwrap()
    };
    // What is evaluated together with others is not looked for by its form.
    let expected = eval_all(&[expr(operands)]).unwrap().remove(0);
    if (0..3).any(|_| bits(&expr(operands).eval().unwrap()) != bits(&expected)) {
        return Some("evaluated");
    }
    let Some(Operand::Tensor(first)) = operands.first() else { return None };
    let mut operands = operands.to_vec();
    for _ in 0..3 {
        let x = (Expr::from(first) + 0).eval().unwrap();
        if x.shape() != expected.shape() {
            return None;
        }
        operands[0] = (&x).into();
        let expected = eval_all(&[expr(&operands).cast(x.dtype())]).unwrap().remove(0);
        assign(&[(&x, expr(&operands))]).unwrap();
        if bits(&x) != bits(&expected) {
            return Some("assigned to what is read");
        }
    }
    None
}

#[test]
fn other_sizes_give_what_a_new_function_gives() {
    let failures = failures_on_each(|device| {
        let software = device.info().kind != DeviceKind::Cpu && device.info().kind == DeviceKind::Software;
        let texts = if software { SOFTWARE_TEXTS } else { TEXTS };
        let (mut failures, mut fine, mut mistakes) = (Vec::new(), 0, 0);
        for seed in 0..texts as u64 {
            let mut random = Random(seed * 77 + 5);
            let text = text(&mut random, 3);
            let kept = Function::new(&text).unwrap();
            let mut patterns: Vec<Pattern> = NAMES.iter().map(|_| Pattern::new(&mut random)).collect();
            for call in 0..CALLS {
                if random.below(4) == 0 {
                    let one = random.below(4);
                    patterns[one] = Pattern::new(&mut random);
                }
                let mut sizes = [0; 3].map(|_| 2 + random.below(7));
                sizes[0] = random.pick(&[1, 3, 5, 64, 65, 300, 301, 1000]);
                if random.below(10) == 0 {
                    sizes[random.below(3)] = 0;
                }
                let operand = |name: &String, random: &mut Random| -> Operand {
                    let at = NAMES.iter().position(|known| known == name).unwrap();
                    if at == 3 {
                        return (random.below(5) as f64 * 0.5).into();
                    }
                    let mut sizes = sizes;
                    if random.below(40) == 0 {
                        sizes[0] += 1;
                    }
                    patterns[at].tensor(random, &sizes, device).into()
                };
                let operands: Vec<Operand> = kept.names().iter().map(|name| operand(name, &mut random)).collect();
                let new = Function::new(&text).unwrap();
                let what = format!("{device}: {text}, seed {seed}, call {call}: {operands:?}");
                match (kept.call(&operands), new.call(&operands)) {
                    (Ok(found), Ok(expected)) => {
                        fine += 1;
                        if bits(&found) != bits(&expected) {
                            failures.push(what);
                        } else if let Some(wrong) = wrong_anew(&text, kept.names(), &operands) {
                            failures.push(format!("{wrong}, {what}"));
                        } else if random.below(3) == 0 {
                            // Into a target, which now and then is broadcast to.
                            let mut shape = found.shape().to_vec();
                            if random.below(2) == 0 && shape.len() < 3 {
                                shape.insert(0, sizes[shape.len()].max(1));
                            }
                            let [target, other] =
                                [0; 2].map(|_| Tensor::zeros(&shape[..], DType::F32, device).unwrap());
                            kept.assign(&[&target], &operands).unwrap();
                            new.assign(&[&other], &operands).unwrap();
                            if bits(&target) != bits(&other) {
                                failures.push(format!("assigned, {what}"));
                            }
                        }
                    }
                    (Err(found), Err(expected)) => {
                        mistakes += 1;
                        if found.to_string() != expected.to_string() {
                            failures.push(format!("{found} instead of {expected}, {what}"));
                        }
                    }
                    (found, expected) => failures.push(format!("{found:?} instead of {expected:?}, {what}")),
                }
            }
        }
        if fine < texts * CALLS / 2 || mistakes == 0 {
            failures.push(format!("{device}: only {fine} calls were in order, and {mistakes} were not"));
        }
        note(&format!("{device}: {fine} calls, {mistakes} mistakes"));
        failures
    });
    assert!(
        failures.is_empty(),
        "{} failures, of which\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
}

#[test]
fn operands_are_targets_at_any_size() {
    failures_on_each(|device| {
        let step = Function::new("w * a + b").unwrap();
        for n in (1..40).chain([1000, 3, 1001]) {
            let values: Vec<f32> = (0..n * 2).map(|i| i as f32).collect();
            let a = Tensor::from_slice(&values, [2, n], device).unwrap();
            let b = Tensor::from_slice(&values[..n], [n], device).unwrap();
            let expected: Vec<f32> = (0..n * 2).map(|i| 0.5 * i as f32 + (i % n) as f32).collect();
            step.assign(&[&a], &[0.5.into(), (&a).into(), (&b).into()]).unwrap();
            assert_eq!(a.to_vec::<f32>().unwrap(), expected, "{device}, {n}");
            // What is read elsewhere than it is written.
            let flipped = a.flip(1).unwrap();
            let want = (&flipped * 2.0 + &b).to_vec::<f32>().unwrap();
            step.assign(&[&a], &[2.0.into(), flipped.into(), (&b).into()]).unwrap();
            assert_eq!(a.to_vec::<f32>().unwrap(), want, "{device}, {n}");
            assign(&[(&b, &b + 1.0)]).unwrap();
        }
        vec![]
    });
}

#[test]
fn threads_resize_at_once() {
    let device = Device::cpu();
    let function = Function::new("a * w - b").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (function, device) = (&function, &device);
            scope.spawn(move || {
                for i in 0..600 {
                    let (n, w) = (1 + (thread * 7 + i * 13) % 200, (thread * 1000 + i) as f64);
                    let values: Vec<f32> = (0..n).map(|k| (k + i) as f32).collect();
                    let a = Tensor::from_slice(&values, [n], device).unwrap();
                    let found = function.call(&[(&a).into(), w.into(), (&a).into()]).unwrap().to_vec::<f32>().unwrap();
                    let expected: Vec<f32> = values.iter().map(|x| x * w as f32 - x).collect();
                    assert_eq!(found, expected);
                }
            });
        }
    });
}

#[test]
fn a_text_that_asks_for_sizes_is_not_mistaken() {
    failures_on_each(|device| {
        for (text, result) in [
            ("a[0:100] * 1.5", [100, 100, 7]),
            ("a[:100] + a[-100:]", [100, 100, 7]),
            ("a * a.shape[0]", [100, 200, 7]),
            ("where(a > mean(a), a, 0.0)", [100, 200, 7]),
            ("a.reshape(-1) / sum(a)", [100, 200, 7]),
        ] {
            let function = Function::new(text).unwrap();
            for (n, result) in [100, 200, 7].into_iter().zip(result).chain([(200, result[1]), (100, result[0])]) {
                let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
                let operands = [Operand::from(Tensor::from_slice(&values, [n], device).unwrap())];
                let found = function.call(&operands).unwrap();
                assert_eq!(found.shape().dims(), [result], "{text}");
                assert_eq!(bits(&found), bits(&Function::new(text).unwrap().call(&operands).unwrap()), "{text}");
            }
        }
        vec![]
    });
}

#[test]
fn mistakes_name_the_shapes_of_the_call() {
    let device = Device::cpu();
    let function = Function::new("a + b").unwrap();
    let ones = |n: usize| Operand::from(Tensor::ones([n], DType::F32, &device).unwrap());
    for n in 2..20 {
        function.call(&[ones(n), ones(n)]).unwrap();
    }
    let error = function.call(&[ones(30), ones(31)]).unwrap_err().to_string();
    assert!(error.contains("add") && error.contains("[30]") && error.contains("[31]"), "{error}");
    assert_eq!(function.call(&[ones(31), ones(31)]).unwrap().shape().dims(), [31]);
    assert_eq!(function.call(&[ones(31), ones(1)]).unwrap().shape().dims(), [31]);
    assert_eq!(function.call(&[ones(0), ones(1)]).unwrap().shape().dims(), [0]);
}
