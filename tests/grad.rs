//! Gradients: every rule against central differences in f64, of first and second order; views of memory, kinks,
//! errors, and how few passes a loss and its gradient take. PyTorch's answers are in tests/golden.rs.

mod choices;
mod devices;

use choices::Random;
use devices::{devices, failures_on_each, note};
use hadamard::{
    BinaryOp, DType, Device, Error, Expr, ReduceOp, ScalarCell, Shape, Tensor, UnaryOp, einsum, eval_all, explain_all,
    reference,
};

/// How far a difference reaches to either side.
const STEP: f64 = 1e-5;

/// Numbers between 0.3 and 2.4, none of them whole, and no two alike or a whole number apart.
fn numbers(n: usize) -> Vec<f64> {
    (0..n).map(|i| 0.3 + (i as f64 * 0.618_034).fract() * 0.9 + if i % 2 == 0 { 0.0 } else { 1.05 }).collect()
}

/// The same with signs.
fn signed(n: usize) -> Vec<f64> {
    numbers(n).into_iter().enumerate().map(|(i, x)| if i % 3 == 1 { -x } else { x }).collect()
}

fn cpu(values: &[f64], shape: impl Into<Shape>) -> Tensor {
    Tensor::from_slice(values, shape, &Device::cpu()).unwrap()
}

/// A weight for each element, so that no gradient is right by symmetry.
fn weigh(x: &Expr) -> Expr {
    let weights: Vec<f64> = (0..x.shape().numel()).map(|i| 0.7 + (i as f64 * 0.37).sin()).collect();
    (x * cpu(&weights, x.shape())).sum(..)
}

/// What memory holds at first, and its shape.
type Memory = (Vec<f64>, Vec<usize>);

/// Compares the gradients of a loss by some views of memory with central differences of that memory. `views` takes the
/// memory as tensors and gives what is asked about, each with the buffer it is a view of.
fn differ(
    name: &str,
    memory: &[Memory],
    views: impl Fn(&[Tensor]) -> Vec<(usize, Tensor)>,
    loss: impl Fn(&[Tensor]) -> Expr,
) {
    let upload = |memory: &[Memory]| -> Vec<Tensor> { memory.iter().map(|(v, s)| cpu(v, &s[..])).collect() };
    let value = |memory: &[Memory]| loss(&upload(memory)).eval().unwrap().item::<f64>().unwrap();
    let tensors = upload(memory);
    let wrt = views(&tensors);
    let loss_here = loss(&tensors);
    let grads = loss_here.grad(&wrt.iter().map(|(_, t)| t).collect::<Vec<_>>());
    let grads = grads.unwrap_or_else(|error| panic!("{name}: {error}"));
    let got = eval_all(&grads).unwrap_or_else(|error| panic!("{name}: {error}"));

    let mut slopes: Vec<Tensor> = Vec::new();
    for (b, (values, shape)) in memory.iter().enumerate() {
        let slope = (0..values.len()).map(|i| {
            let at = |x: f64| {
                let mut moved = memory.to_vec();
                moved[b].0[i] = x;
                value(&moved)
            };
            (at(values[i] + STEP) - at(values[i] - STEP)) / (2.0 * STEP)
        });
        slopes.push(cpu(&slope.collect::<Vec<_>>(), &shape[..]));
    }
    let scale = value(memory).abs() + 1.0;
    for (((_, tensor), grad), (_, want)) in wrt.iter().zip(&got).zip(views(&slopes)) {
        assert_eq!((grad.shape(), grad.dtype()), (tensor.shape(), tensor.dtype()), "{name}");
        let (got, want) = (grad.to_vec::<f64>().unwrap(), want.to_vec::<f64>().unwrap());
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            // A difference is off by the third derivative times STEP² / 6, and by rounding divided by STEP: both are
            // some 1e-10 of the size of things.
            let bound = 1e-7 * (scale + want.abs());
            assert!((got - want).abs() <= bound, "{name}: element {i} is {got}, want {want}, of {loss_here:?}");
        }
    }
}

/// The first and the second derivatives of a function of tensors, each by all of them.
fn twice(name: &str, memory: &[Memory], f: impl Fn(&[Tensor]) -> Expr) {
    let all = |tensors: &[Tensor]| tensors.iter().cloned().enumerate().collect();
    differ(name, memory, all, |tensors| weigh(&f(tensors)));
    differ(&format!("{name}, again"), memory, all, |tensors| {
        let y = f(tensors);
        let grads = weigh(&y.cast(DType::F64)).grad(&tensors.iter().collect::<Vec<_>>()).unwrap();
        grads.iter().map(weigh).reduce(|a, b| a + b).unwrap()
    });
}

/// Whether an operation is defined from some number on.
fn is_half_line((low, high): (f64, f64)) -> bool {
    low.is_finite() && high.is_infinite()
}

/// `x`, brought to where an operation has a value and no steep slope.
fn within(x: &Expr, domain: (f64, f64)) -> Expr {
    match domain {
        (low, _) if is_half_line(domain) => x.abs() + (low + 0.3),
        (low, high) if high < 100.0 => x.clamp(low.max(-2.0), high.min(2.0)),
        _ => x.clone(),
    }
}

/// The operations that floats have: bits have no gradients.
fn of_floats() -> Vec<BinaryOp> {
    let x = cpu(&[1.0], [1]);
    BinaryOp::ALL.into_iter().filter(|&op| x.binary(op, &x).error().is_none()).collect()
}

#[test]
fn every_unary_operation() {
    for op in UnaryOp::ALL {
        let (low, high) = op.domain();
        let values = if is_half_line((low, high)) {
            numbers(6).into_iter().map(|x| x + low.max(0.0)).collect()
        } else if high < 1.0 {
            signed(6).into_iter().map(|x| x * 0.4).collect()
        } else {
            signed(6)
        };
        twice(op.name(), &[(values, vec![2, 3])], |x| x[0].unary(op) * 1.0);
    }
}

#[test]
fn every_binary_operation() {
    for op in of_floats() {
        let [first, second] = op.domain();
        let drawn = |domain, n| if is_half_line(domain) { numbers(n) } else { signed(n) };
        let a = || drawn(first, 6);
        let b = |n: usize| drawn(second, n).into_iter().map(|x| x * 0.83).collect::<Vec<_>>();
        let name = op.name();
        twice(name, &[(a(), vec![2, 3]), (b(6), vec![2, 3])], |x| x[0].binary(op, &x[1]) * 1.0);
        for other in [vec![3], vec![2, 1], vec![1, 1], vec![], vec![1, 2, 3]] {
            let n = other.iter().product();
            let name = format!("{name} with {other:?}");
            twice(&name, &[(a(), vec![2, 3]), (b(n), other)], |x| x[0].binary(op, &x[1]) * 1.0);
        }
        twice(&format!("{name} with itself"), &[(numbers(6), vec![6])], |x| {
            // No two alike, or it would be a kink.
            if matches!(op, BinaryOp::Maximum | BinaryOp::Minimum) {
                x[0].binary(op, x[0].flip(0).unwrap() * 1.5)
            } else {
                x[0].binary(op, &x[0]) * 1.0
            }
        });
        twice(&format!("{name} and a number"), &[(numbers(6), vec![6])], |x| x[0].binary(op, 1.3) * 1.0);
        twice(&format!("a number {name}"), &[(drawn(second, 6), vec![6])], |x| Expr::from(1.3).binary(op, &x[0]) * 1.0);
    }
    for exponent in [-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 2.7] {
        twice(&format!("to the power {exponent}"), &[(numbers(5), vec![5])], |x| x[0].pow(exponent) * 1.0);
    }
}

#[test]
fn every_reduction() {
    for op in ReduceOp::ALL {
        for dims in [&[0_isize][..], &[1], &[2], &[0, 2], &[1, 2], &[]] {
            let name = format!("{} over {dims:?}", op.name());
            twice(&name, &[(signed(24), vec![2, 3, 4])], |x| x[0].reduce(op, dims) * 1.0);
            // Of an expression, used again at full size.
            twice(&name, &[(numbers(12), vec![2, 2, 3]), (signed(3), vec![3])], |x| {
                let y = (&x[0] * &x[1]).sin();
                y.reduce(op, dims).keepdim() * &y
            });
        }
    }
}

#[test]
fn variances_and_norms() {
    let of = |name: &str, f: &dyn Fn(&Tensor) -> Expr| twice(name, &[(signed(8), vec![2, 4])], |x| f(&x[0]));
    of("var", &|x| x.var(1, 1));
    of("var of all", &|x| x.var(.., 0) * 1.0);
    of("std", &|x| x.std(0, 0));
    of("std of large numbers", &|x| (x * 1e200).std(1, 1) * 1e-200);
    of("layer_norm", &|x| x.layer_norm(1, 0.1));
    of("norm", &|x| x.norm(2, 1));
    twice("cosine_similarity", &[(signed(8), vec![2, 4]), (signed(4), vec![4])], |x| {
        x[0].cosine_similarity(&x[1], 1, 1e-8)
    });
    let failures = failures_on_each(|device| {
        let x = Tensor::ones([64, 100], DType::F32, device).unwrap();
        let mut failures = Vec::new();
        for (name, y, most) in
            [("var", x.var(1, 1), 3), ("std", x.std(1, 1), 3), ("layer_norm", x.layer_norm(1, 1e-5), 4)]
        {
            // With fewer bindings than WebGPU promises, passes may have to be cut.
            if !device.is_gpu() || device.info().max_bindings < 8 {
                continue;
            }
            let grad = y.grad_with(&[&x], 2.0 * &y).unwrap().remove(0);
            let passes = grad.explain().unwrap().passes.len();
            if passes > most {
                failures.push(format!("the gradient of {name} takes {passes} passes on {device}, not {most}"));
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn choices_and_conversions() {
    let memory = || [(signed(6), vec![2, 3]), (numbers(3).iter().map(|x| x * 0.83).collect(), vec![3])];
    twice("where", &memory(), |x| Expr::select(x[0].gt(&x[1]), x[0].square(), &x[1] * 3.0));
    twice("where, a number", &memory(), |x| Expr::select(x[0].gt(0.0), 2.0, &x[1]) * &x[0]);
    twice("clamp", &memory(), |x| x[0].clamp(-0.5, 0.9) * &x[1]);
    twice("clamp by tensors", &memory(), |x| x[0].clamp(-&x[1], &x[1]));
    twice("lerp", &memory(), |x| x[0].lerp(&x[1], 0.3) + x[0].lerp(&x[1], x[1].square()));
    twice("gelu", &memory(), |x| x[0].gelu());
    twice("ndtr", &memory(), |x| x[0].ndtr());
    twice("to integers and back", &memory(), |x| x[0].cast(DType::I32).cast(DType::F64) * &x[1]);
    twice("to bool and back", &memory(), |x| x[0].cast(DType::Bool) * &x[1]);
}

/// Far below 0, where Φ(x) taken as (1 + erf(x / √2)) / 2 has no digits left. Against 30 digits of mpmath.
#[test]
fn the_gradient_of_gelu_keeps_its_digits() {
    let table: [(f32, f64); 11] = [
        // From here down Φ itself is subnormal soon, which devices may take for 0.
        (-12.5, -5.831_668_554_48e-34),
        (-11.7, -8.722_675_235_88e-30),
        (-9.3, -6.072_025_784_69e-19),
        (-5.1, -4.406_117_246_58e-6),
        (-2.2, -0.064_140_651_944_2),
        (-1.1, -0.103_971_337_893),
        (-0.4, 0.197_270_198_229),
        (0.0, 0.5),
        (0.3, 0.732_327_775_511),
        (1.7, 1.115_317_964_79),
        (6.0, 1.000_000_035_47),
    ];
    let failures = failures_on_each(|device| {
        let x = Tensor::from_slice(&table.map(|row| row.0), [table.len()], device).unwrap();
        let grad = x.gelu().sum(..).grad(&[&x]).unwrap().remove(0).eval().unwrap().to_vec::<f32>().unwrap();
        let off = |(&(x, want), got): (&(f32, f64), f32)| {
            let error = (f64::from(got) / want - 1.0).abs() / f64::from(f32::EPSILON);
            // Two functions within 4 units, and a sum of terms up to twice as large as it.
            (error > 16.0).then(|| format!("{device}: at {x} {got} not {want}"))
        };
        table.iter().zip(grad).filter_map(off).collect()
    });
    assert_eq!(failures, [""; 0]);
}

/// A cast to another float rounds, which differences cannot see through: so against the gradient without it.
#[test]
fn gradients_pass_through_casts_of_floats() {
    let x = Tensor::from_slice(&[0.5_f32, -1.25, 3.0], [3], &Device::cpu()).unwrap();
    for dtype in [DType::F16, DType::BF16, DType::F32, DType::F64] {
        let grad = x.cast(dtype).square().sum(..).cast(DType::F32).grad(&[&x]).unwrap().remove(0);
        assert_eq!(grad.dtype(), DType::F32);
        assert_eq!(grad.eval().unwrap().to_vec::<f32>().unwrap(), [1.0, -2.5, 6.0], "{dtype}");
    }
}

/// A gradient has its tensor's dtype, whatever it met on the way, and is rounded once.
#[test]
fn gradients_have_their_tensors_dtypes() {
    let device = Device::cpu();
    let half = Tensor::from_slice(&[0.5_f32, 1.5], [2], &device).unwrap().to_dtype(DType::F16).unwrap();
    let single = Tensor::from_slice(&[3.0_f32, 5.0], [2], &device).unwrap();
    let double = Tensor::from_slice(&[0.1_f64], [], &device).unwrap();
    let loss = (&half * &single * &double).sum(..);
    let grads = loss.grad(&[&half, &single, &double]).unwrap();
    assert_eq!(grads.iter().map(Expr::dtype).collect::<Vec<_>>(), [DType::F16, DType::F32, DType::F64]);
    let got = eval_all(&grads).unwrap();
    let f16 = |x: f32| half::f16::from_f32(x);
    assert_eq!(got[0].to_vec::<half::f16>().unwrap(), [f16(3.0 * 0.1), f16(5.0 * 0.1)]);
    assert_eq!(got[1].to_vec::<f32>().unwrap(), [0.5 * 0.1, 1.5 * 0.1]);
    assert_eq!(got[2].item::<f64>().unwrap(), 9.0);
}

#[test]
fn every_view() {
    let x24 = || [(signed(24), vec![2, 3, 4])];
    let views: [(&str, fn(&Expr) -> Expr); 19] = [
        ("reshape", |x| x.reshape([4, 6])),
        ("permute", |x| x.permute(&[2, 0, 1])),
        ("permute, then reshape", |x| x.permute(&[2, 0, 1]).reshape([6, 4])),
        ("transpose", |x| x.transpose(0, 2)),
        ("flip", |x| x.flip(1)),
        ("unsqueeze", |x| x.unsqueeze(1)),
        ("broadcast_to", |x| x.reshape([2, 1, 12]).broadcast_to([3, 2, 5, 12])),
        ("narrow from the start", |x| x.narrow(2, 0, 3)),
        ("narrow to the end", |x| x.narrow(2, 2, 2)),
        ("narrow from the middle", |x| x.narrow(1, 1, 1)),
        ("narrow of the outermost", |x| x.narrow(0, 1, 1)),
        ("narrow to nothing", |x| x.narrow(0, 1, 0)),
        ("every second", |x| x.slice(2, 1, 4, 2)),
        ("every third", |x| x.reshape([24]).slice(0, 4, 21, 3)),
        ("every second, backwards, transposed", |x| x.slice(2, 0, 4, 2).flip(2).transpose(0, 1)),
        ("narrow twice", |x| x.reshape([24]).narrow(0, 2, 17).narrow(0, 3, 7)),
        ("two dims narrowed", |x| x.narrow(1, 1, 2).narrow(2, 1, 2)),
        ("diagonal", |x| einsum("bii->bi", &[x.narrow(2, 0, 3)])),
        ("diagonal of a short dim", |x| einsum("iji->ij", &[x.narrow(2, 1, 2)])),
    ];
    for (name, view) in views {
        twice(name, &x24(), |x| view(&x[0].square()));
        // What is handed to it is the same everywhere, or along some dims.
        let all = |tensors: &[Tensor]| tensors.iter().cloned().enumerate().collect();
        differ(&format!("sum of {name}"), &x24(), all, |x| view(&(&x[0] * 2.0)).sum(..));
        if name != "narrow to nothing" {
            differ(&format!("sum over a dim of {name}"), &x24(), all, |x| weigh(&view(&(&x[0] * 2.0)).sum(0)));
            differ(&format!("amax of {name}"), &x24(), all, |x| weigh(&view(&(&x[0] * 2.0)).amax(-1)));
        }
    }
}

#[test]
fn every_form_of_einsum() {
    let (a, b) = (|| (signed(6), vec![2, 3]), || (numbers(6), vec![3, 2]));
    for equation in
        ["ij,jk->ik", "ij,ji->", "ij,jk->", "ij,kl->ijkl", "ij,ji->j", "ij,jk->ki", "ij,jk", "...j,j...->..."]
    {
        twice(equation, &[a(), b()], |x| einsum(equation, &[&x[0], &x[1]]));
    }
    for equation in ["ii->i", "ii->", "ii,ij->j", "ij,ij->i", "bi,oi->bo"] {
        let square = || (signed(9), vec![3, 3]);
        twice(equation, &[square(), (numbers(9), vec![3, 3])], |x| {
            let both = [&x[0], &x[1]];
            einsum(equation, &both[..=usize::from(equation.contains(','))]) + 0.0 * x[1].sum(..)
        });
    }
    twice("three", &[a(), b(), (numbers(3), vec![3])], |x| einsum("ij,jk,j->ik", &[&x[0], &x[1], &x[2]]));
}

/// A view of memory as a tensor.
type Part = fn(&Tensor) -> Tensor;

/// Of a [4, 6].
const PARTS: [(&str, Part); 16] = [
    ("all", Clone::clone),
    ("transposed", |x| x.transpose(0, 1).unwrap()),
    ("flat", |x| x.reshape([24]).unwrap()),
    ("in another shape", |x| x.reshape([2, 2, 3, 2]).unwrap().permute(&[2, 0, 3, 1]).unwrap()),
    ("columns", |x| x.narrow(1, 1, 3).unwrap()),
    ("rows", |x| x.narrow(0, 1, 2).unwrap()),
    ("the last row", |x| x.narrow(0, 3, 1).unwrap().squeeze(0).unwrap()),
    ("one element", |x| x.narrow(0, 2, 1).unwrap().narrow(1, 4, 1).unwrap().reshape(()).unwrap()),
    ("every second column", |x| x.slice(1, 1, 6, 2).unwrap()),
    ("a corner, backwards", |x| x.narrow(0, 1, 3).unwrap().narrow(1, 2, 4).unwrap().flip(0).unwrap().flip(1).unwrap()),
    ("backwards and transposed", |x| x.flip(1).unwrap().transpose(0, 1).unwrap()),
    ("a column, repeated", |x| x.narrow(1, 2, 1).unwrap().broadcast_to([2, 4, 3]).unwrap()),
    ("a run across rows", |x| x.reshape([24]).unwrap().narrow(0, 4, 11).unwrap()),
    ("nothing", |x| x.narrow(0, 1, 0).unwrap()),
    ("every third of all", |x| x.reshape([24]).unwrap().slice(0, 2, 24, 3).unwrap()),
    ("rows of three, every second", |x| x.reshape([8, 3]).unwrap().slice(0, 1, 8, 2).unwrap()),
];

/// Every view read, with respect to every view.
#[test]
fn gradients_find_every_view_of_a_tensor() {
    for (read, part) in PARTS {
        for (asked, wrt) in PARTS {
            let name = format!("{read}, by {asked}");
            differ(
                &name,
                &[(signed(24), vec![4, 6])],
                |x| vec![(0, wrt(&x[0]))],
                |x| weigh(&(Expr::from(part(&x[0])).square() * 1.0)) + x[0].sum(..) * 0.0,
            );
        }
    }
    // Together: what several views read adds up, and an expression may read the buffer besides.
    differ(
        "all at once",
        &[(signed(24), vec![4, 6])],
        |x| PARTS.iter().map(|(_, wrt)| (0, wrt(&x[0]))).collect(),
        |x| PARTS.iter().map(|(_, part)| weigh(&Expr::from(part(&x[0])).sin())).reduce(|a, b| a + b).unwrap(),
    );
}

/// The gradients of views, as every device computes them.
#[test]
fn gradients_are_right_on_every_device() {
    let failures = failures_on_each(|device| {
        let values: Vec<f32> = signed(24).into_iter().map(|x| x as f32).collect();
        let x = Tensor::from_slice(&values, [4, 6], device).unwrap();
        let half = x.to_dtype(DType::F16).unwrap();
        let mut exprs: Vec<(String, Expr)> = Vec::new();
        for (read, part) in PARTS {
            for (asked, wrt) in [PARTS[0], PARTS[1], PARTS[4], PARTS[12]] {
                let grad = part(&x).sin().sum(..).grad(&[&wrt(&x)]).unwrap().remove(0);
                exprs.push((format!("{read}, by {asked}"), grad));
            }
            let view = Expr::from(part(&half)).square();
            let ramp = Expr::arange(view.shape().numel()).reshape(view.shape());
            let grad = (view * ramp).sum(..).grad(&[&half]).unwrap().remove(0);
            // Summed, so that its views are read by a reduction.
            exprs.push((format!("{read} of f16, summed"), grad.cast(DType::F32).sum(0)));
            exprs.push((format!("{read} of f16"), grad));
        }
        let wrong = |(name, expr): &(String, Expr)| {
            let compare = || reference::compare(&expr.eval()?, &reference::eval(expr)?);
            let comparison = compare().unwrap_or_else(|error| panic!("{device}: {name}: {error}"));
            if comparison.passed() { None } else { Some(format!("{device}: {name}: {comparison}")) }
        };
        exprs.iter().filter_map(wrong).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

impl Random {
    /// A function of the tensors, of shape [3, 4].
    fn expr(&mut self, x: &[Tensor], depth: usize) -> Expr {
        if depth == 0 {
            let tensor = &x[self.below(x.len())];
            return tensor.broadcast_to([3, 4]).unwrap().into();
        }
        let a = self.expr(x, depth - 1);
        match self.below(8) {
            0 | 1 => {
                let op = self.pick(&UnaryOp::ALL);
                within(&a, op.domain()).unary(op) * 1.0
            }
            2 | 3 => {
                let b = self.expr(x, depth - 1);
                match self.pick(&of_floats()) {
                    BinaryOp::Pow => (a.abs() + 0.3).pow(b.clamp(-2.0, 2.0)),
                    BinaryOp::Div => a / (b.square() + 0.5),
                    op => {
                        let [first, second] = op.domain();
                        within(&a, first).binary(op, within(&b, second)) * 1.0
                    }
                }
            }
            4 => Expr::select(a.gt(0.4), self.expr(x, depth - 1), &a * 0.5),
            5 => {
                let op = self.pick(&ReduceOp::ALL);
                let dims: &[isize] = self.pick(&[&[0], &[1], &[0, 1]]);
                a.tanh().reduce(op, dims).keepdim() * a.cos()
            }
            6 => match self.below(5) {
                0 => a.flip(1),
                1 => a.reshape([4, 3]).transpose(0, 1) * &a,
                2 => a.slice(1, 1, 4, 2).reshape([6]).narrow(0, 1, 4).reshape([1, 4]) + a,
                3 => a.narrow(0, 1, 1) * a.narrow(1, 2, 1),
                _ => a.reshape([2, 6]).permute(&[1, 0]).reshape([3, 4]),
            },
            _ => einsum("ij,kj,kl->il", &[&a, &self.expr(x, depth - 1).sin(), &a]) * 0.2,
        }
        .broadcast_to([3, 4])
    }
}

/// A loss of random parts, against differences along random directions.
#[test]
fn random_gradients_are_slopes() {
    const CASES: u64 = 1500;
    let mut skipped = 0;
    for seed in 0..CASES {
        // No two numbers alike: where they are compared there would be a jump.
        let scaled = |values: Vec<f64>, by: f64| values.into_iter().map(|x| x * by).collect::<Vec<_>>();
        let memory = [signed(12), scaled(numbers(4), 0.83), scaled(signed(3), 1.13)];
        let value = |along: f64| -> (Expr, [Tensor; 3]) {
            let mut turn = Random(seed);
            let moved = memory.clone().map(|values| {
                values.iter().map(|x| x + along * (turn.below(2001) as f64 / 1000.0 - 1.0)).collect::<Vec<_>>()
            });
            let x = [cpu(&moved[0], [3, 4]), cpu(&moved[1], [4]), cpu(&moved[2], [3, 1])];
            // Views of memory, too.
            let all = [x[0].clone(), x[1].clone(), x[2].clone(), x[0].flip(0).unwrap(), x[0].narrow(1, 1, 1).unwrap()];
            (weigh(&turn.expr(&all, 1 + (seed % 4) as usize)), x)
        };
        let at = |along: f64| value(along).0.eval().unwrap().item::<f64>().unwrap();
        let slope = |from: f64, to: f64| (at(to) - at(from)) / (to - from);
        let (loss, x) = value(0.0);
        let mut turn = Random(seed);
        let grads = loss.grad(&x.each_ref()).unwrap_or_else(|error| panic!("seed {seed}: {error}: {loss:?}"));
        let mut got = 0.0;
        for grad in eval_all(&grads).unwrap() {
            for g in grad.to_vec::<f64>().unwrap() {
                got += g * (turn.below(2001) as f64 / 1000.0 - 1.0);
            }
        }
        let (near, far) = (slope(-1e-6, 1e-6), slope(-3e-6, 3e-6));
        let scale = 1.0 + near.abs() + at(0.0).abs();
        // By a kink or on it, or where rounding is all there is.
        let bend = (slope(-1e-6, 0.0) - slope(0.0, 1e-6)).abs();
        if (near - far).abs() > 1e-6 * scale || bend > 2e-5 * scale || !near.is_finite() {
            skipped += 1;
            continue;
        }
        assert!((got - near).abs() < 1e-5 * scale, "seed {seed}: {got}, want {near}: {loss:?}");
    }
    note(&format!("{CASES} random losses, {skipped} of them at a kink"));
    assert!(skipped * 50 < CASES, "{skipped} of {CASES} say nothing");
}

/// Evaluates an f32 gradient of `loss` by x, on every device.
fn gradient(x: &[f32], loss: impl Fn(&Tensor) -> Expr) -> Vec<f32> {
    let mut found: Vec<Vec<f32>> = Vec::new();
    for device in devices() {
        let x = Tensor::from_slice(x, [x.len()], &device).unwrap();
        let grad = loss(&x).grad(&[&x]).unwrap().remove(0).eval().unwrap();
        assert_eq!(grad.device(), device);
        found.push(grad.to_vec().unwrap());
    }
    let same = |g: &Vec<f32>| g.iter().zip(&found[0]).all(|(a, b)| a == b || a.is_nan() && b.is_nan());
    assert!(found.iter().all(same), "{found:?}");
    found.remove(0)
}

#[test]
fn kinks_are_pytorchs() {
    const NAN: f32 = f32::NAN;
    let same = |got: Vec<f32>, want: &[f32]| {
        let equal = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan();
        assert!(got.len() == want.len() && got.iter().zip(want).all(equal), "{got:?}, want {want:?}");
    };
    same(gradient(&[-2.0, 0.0, 3.0], |x| x.abs().sum(..)), &[-1.0, 0.0, 1.0]);
    same(gradient(&[-2.0, 0.0, 3.0, NAN], |x| x.relu().sum(..)), &[0.0, 0.0, 1.0, 1.0]);
    same(gradient(&[-2.0, 0.0, 3.0], |x| (x.sign() + x.floor() + x.round() + x.trunc() + x.ceil()).sum(..)), &[0.0; 3]);
    same(gradient(&[0.0, 4.0], |x| x.sqrt().sum(..)), &[f32::INFINITY, 0.25]);
    // A clamp passes nothing at bounds that are numbers, and half at tensors; so does a maximum, also of a number.
    same(gradient(&[-2.0, -1.0, 0.0, 1.0, 2.0, NAN], |x| x.clamp(-1, 1).sum(..)), &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    same(gradient(&[1.0, 1.0, 1.0], |x| (x.clamp(1, 2) + 10 * x.clamp(0, 1)).sum(..)), &[0.0; 3]);
    let (low, high) = (ScalarCell::new(-1.0), ScalarCell::new(1.0));
    same(gradient(&[-1.0, 0.0, 1.0], |x| x.clamp(&low, &high).sum(..)), &[0.0, 1.0, 0.0]);
    same(gradient(&[0.0, 1.0, 2.0], |x| x.maximum(1).sum(..)), &[0.0, 0.5, 1.0]);
    same(gradient(&[0.0, 1.0, 2.0], |x| Expr::from(1.0).minimum(x).sum(..)), &[1.0, 0.5, 0.0]);
    same(gradient(&[0.0, 1.0, 2.0], |x| x.minimum(&high).sum(..)), &[1.0, 0.5, 0.0]);
    // The ends of formulas for one side.
    same(gradient(&[0.0], |x| (x.elu(1.0) + 10 * x.celu(2.0)).sum(..)), &[11.0]);
    same(gradient(&[1.0], |x| x.softplus(1.0, 1.0).sum(..)), &[0.731_058_6]);
    let bounds = |x: &Tensor| x.device().clone();
    let ones = |x: &Tensor| Tensor::ones([1], DType::F32, &bounds(x)).unwrap();
    same(gradient(&[-2.0, -1.0, 0.0, 1.0, 2.0], |x| x.clamp(-ones(x), ones(x)).sum(..)), &[0.0, 0.5, 1.0, 0.5, 0.0]);
    same(gradient(&[-2.0, 1.0, 2.0, NAN], |x| x.clamp(1, -1).sum(..)), &[0.0; 4]);
    same(gradient(&[0.0, 1.0, 2.0], |x| x.maximum(ones(x)).sum(..)), &[0.0, 0.5, 1.0]);
    same(gradient(&[0.0, 1.0, 2.0], |x| ones(x).minimum(x).sum(..)), &[1.0, 0.5, 0.0]);
    // Ties share a largest element.
    same(gradient(&[3.0, 1.0, 3.0, 2.0], |x| x.amax(..) * 4.0), &[2.0, 0.0, 2.0, 0.0]);
    same(gradient(&[3.0, 1.0, 1.0, 1.0], |x| x.amin(..) * 6.0), &[0.0, 2.0, 2.0, 2.0]);
    // One zero gets the product of the others, two leave nothing to anyone.
    same(gradient(&[2.0, 3.0, 4.0], |x| x.prod(..)), &[12.0, 8.0, 6.0]);
    same(gradient(&[2.0, 0.0, 4.0], |x| x.prod(..)), &[0.0, 8.0, 0.0]);
    same(gradient(&[0.0, 3.0, 0.0], |x| x.prod(..)), &[0.0; 3]);
    // Powers of 0, and to the power 0.
    same(gradient(&[0.0, 2.0], |x| x.pow(0).sum(..)), &[0.0, 0.0]);
    same(gradient(&[0.0, 2.0], |x| x.pow(2).sum(..)), &[0.0, 4.0]);
    same(gradient(&[0.0, 2.0], |x| x.pow(ones(x)).sum(..)), &[1.0, 1.0]);
    same(gradient(&[0.0, 2.0], |x| x.pow(x.sign()).sum(..)), &[0.0, 1.0]);
    same(gradient(&[0.0, 2.0, 3.0], |x| Expr::from(0).pow(x).sum(..)), &[0.0; 3]);
    // What is not taken has no say, though its own derivative be NaN.
    same(gradient(&[-1.0, 4.0], |x| Expr::select(x.gt(0), x, x.sqrt().maximum(NAN)).sum(..)), &[NAN, 1.0]);
    same(gradient(&[NAN, 4.0], |x| Expr::select(x.isnan(), 0, x.square()).sum(..)), &[NAN, 8.0]);
    same(gradient(&[f32::INFINITY, 4.0], |x| Expr::select(x.gt(100), 0, 1.0 * x).sum(..)), &[0.0, 1.0]);
}

#[test]
fn what_is_not_read_has_zeros_and_constants_stay_on_the_device() {
    assert_eq!(gradient(&[1.0, 2.0], |x| x.sum(..)), [1.0, 1.0]);
    assert_eq!(gradient(&[1.0, 2.0], |x| Tensor::ones([3], DType::F32, &x.device()).unwrap().sum(..)), [0.0, 0.0]);
    assert_eq!(gradient(&[1.0, 2.0], |x| x.cast(DType::I32).cast(DType::F32).sum(..)), [0.0, 0.0]);
    assert_eq!(gradient(&[5.0, 6.0, 7.0], |x| (x * Expr::arange(3)).sum(..)), [0.0, 1.0, 2.0]);
    assert_eq!(gradient(&[], |x| x.sum(..)), [0.0; 0]);
    assert_eq!(gradient(&[2.0], |x| x.into()), [1.0]);
}

#[test]
fn mistakes_are_errors() {
    let x = cpu(&[1.0, 2.0], [2]);
    let whole = Tensor::from_slice(&[1, 2], [2], &Device::cpu()).unwrap();
    let shown = |result: hadamard::Result<Vec<Expr>>| result.unwrap_err().to_string();
    assert!(matches!(x.square().grad(&[&x]), Err(Error::Argument { op: "grad", .. })));
    assert!(shown(x.square().grad(&[&x])).contains("shape [2]"));
    assert!(matches!(whole.sum(..).grad(&[&x]), Err(Error::DType { op: "grad", found: DType::I64, .. })));
    assert!(matches!((&x * &whole).sum(..).grad(&[&x, &whole]), Err(Error::DType { found: DType::I32, .. })));
    assert!(matches!(x.square().grad_with(&[&x], cpu(&[1.0], [1])), Err(Error::Argument { op: "grad_with", .. })));
    assert!(shown(x.square().grad_with(&[&x], 1.0)).contains("weights of shape [2]"));
    assert!(matches!((&x + cpu(&[1.0; 3], [3])).sum(..).grad(&[&x]), Err(Error::Broadcast { .. })));
    assert!(x.square().grad_with(&[&x], cpu(&[1.0; 3], [3]) + &x).is_err());
}

#[test]
fn weights_make_a_vector_jacobian_product() {
    let (x, v) = (cpu(&[1.0, 2.0, 3.0], [3]), cpu(&[1.0, 0.5, -2.0], [3]));
    let grad = x.exp().grad_with(&[&x], &v).unwrap().remove(0);
    let want = (x.exp() * &v).eval().unwrap().to_vec::<f64>().unwrap();
    assert_eq!(grad.eval().unwrap().to_vec::<f64>().unwrap(), want);
    // Of another dtype, and a function of the tensor itself.
    let whole = Tensor::from_slice(&[1, 0, 3], [3], &Device::cpu()).unwrap();
    let grad = x.square().grad_with(&[&x], &whole).unwrap().remove(0);
    assert_eq!(grad.eval().unwrap().to_vec::<f64>().unwrap(), [2.0, 0.0, 18.0]);
    let grad = x.square().grad_with(&[&x], &x * 1.0).unwrap().remove(0);
    assert_eq!(grad.eval().unwrap().to_vec::<f64>().unwrap(), [2.0, 8.0, 18.0]);
}

#[test]
fn a_long_chain_needs_no_stack() {
    const LENGTH: usize = 100_000;
    let x = cpu(&[0.5, 2.0], [2]);
    let mut chain = Expr::from(&x);
    for i in 0..LENGTH {
        chain = if i % 2 == 0 { chain + 1.0 } else { chain * 1.000_001 };
    }
    let grad = chain.sum(..).grad(&[&x]).unwrap().remove(0);
    let got = grad.eval().unwrap().to_vec::<f64>().unwrap();
    let want = 1.000_001_f64.powi(LENGTH as i32 / 2);
    assert!(got.iter().all(|g| (g / want - 1.0).abs() < 1e-9), "{got:?}, want {want}");
    // Each of whose links is used twice: adjoints are added up, not followed one by one.
    let mut doubled = Expr::from(&x);
    for _ in 0..60 {
        doubled = &doubled + &doubled;
    }
    let grad = doubled.sum(..).grad(&[&x]).unwrap().remove(0);
    assert_eq!(grad.eval().unwrap().to_vec::<f64>().unwrap(), [2f64.powi(60); 2]);
}

/// Derivatives of all orders of sin, x⁵ and exp(-x²).
#[test]
fn higher_derivatives_are_analytic() {
    let x = cpu(&[-0.7, 0.3, 1.9], [3]);
    let values = |e: &Expr| e.eval().unwrap().to_vec::<f64>().unwrap();
    let close = |got: Vec<f64>, want: Expr| {
        let want = values(&want);
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-9 * (1.0 + b.abs())), "{got:?}, want {want:?}");
    };
    let next = |y: &Expr| y.sum(..).grad(&[&x]).unwrap().remove(0);
    let mut y = x.sin();
    for want in [x.cos(), -x.sin(), -x.cos(), x.sin(), x.cos()] {
        y = next(&y);
        close(values(&y), want);
    }
    let mut y = x.pow(5);
    for (factor, power) in [(5.0, 4.0), (20.0, 3.0), (60.0, 2.0), (120.0, 1.0), (120.0, 0.0), (0.0, 0.0)] {
        y = next(&y);
        close(values(&y), factor * x.pow(power));
    }
    let gauss = (-x.square()).exp();
    close(values(&next(&next(&gauss))), &gauss * (4.0 * x.square() - 2.0));
}

/// A weighted combination against a target, its mean squared error and the gradient by the weight.
#[test]
fn a_combination_and_its_gradient_take_three_passes() {
    for device in devices() {
        for (shape, weight) in [
            (vec![3, 32, 32], vec![]),
            (vec![3, 32, 32], vec![1]),
            (vec![3, 32, 32], vec![3, 1, 1]),
            (vec![64, 129], vec![64, 1]),
            (vec![3, 512, 512], vec![1]),
            (vec![3, 512, 512], vec![3, 1, 1]),
            (vec![1024, 700], vec![1024, 1]),
        ] {
            let fill = |shape: &[usize], seed: f64| {
                let n = shape.iter().product::<usize>();
                let values: Vec<f32> = (0..n).map(|i| ((i as f64 * 0.618 + seed).fract() - 0.5) as f32).collect();
                Tensor::from_slice(&values, shape, &device).unwrap()
            };
            let (a, b, target) = (fill(&shape, 0.1), fill(&shape, 0.2), fill(&shape, 0.3));
            let w = fill(&weight, 0.4);
            let loss = (&w * &a + (1 - &w) * &b - &target).square().mean(..);
            let grad = loss.grad(&[&w]).unwrap().remove(0);
            let both = [loss, grad];
            let explanation = explain_all(&both).unwrap();
            // With fewer bindings than WebGPU promises, passes may have to be cut.
            let few = device.info().max_bindings < 8;
            assert!(few || explanation.passes.len() <= 3, "{shape:?} by {weight:?}\n{explanation}");
            let got = eval_all(&both).unwrap();
            if shape.iter().product::<usize>() < 10_000 {
                for (got, expr) in got.iter().zip(&both) {
                    let comparison = reference::compare(got, &reference::eval(expr).unwrap()).unwrap();
                    assert!(comparison.passed(), "{device}: {shape:?} by {weight:?}: {comparison}");
                }
            }
        }
    }
}

/// Functions of x at -3, -1, -1/2, 0, 1/2, 1, 3 and 6, kinks of many of them, and PyTorch 2's gradients there, in f64 (that of
/// `hardsigmoid` it takes from an f32, which is put right).
const PYTORCHS: &[(&str, [f64; 8])] = &[
    (
        "softplus(x)",
        [
            0.047_425_873_177_566_79,
            0.268_941_421_369_995_1,
            0.377_540_668_798_145_46,
            0.5,
            0.622_459_331_201_854_6,
            0.731_058_578_630_004_9,
            0.952_574_126_822_433_3,
            0.997_527_376_843_365_2,
        ],
    ),
    (
        "logsigmoid(x)",
        [
            0.952_574_126_822_433_3,
            0.731_058_578_630_004_9,
            0.622_459_331_201_854_5,
            0.5,
            0.377_540_668_798_145_46,
            0.268_941_421_369_995_1,
            0.047_425_873_177_566_79,
            0.002_472_623_156_634_774_8,
        ],
    ),
    (
        "silu(x)",
        [
            -0.088_104_106_015_169_62,
            0.072_329_488_128_513_25,
            0.260_038_812_697_348_2,
            0.5,
            0.739_961_187_302_651_9,
            0.927_670_511_871_486_9,
            1.088_104_106_015_169_3,
            1.012_326_432_591_524_9,
        ],
    ),
    (
        "mish(x)",
        [
            -0.093_393_114_532_320_84,
            0.059_216_755_877_395_014,
            0.289_510_677_913_512_26,
            0.6,
            0.886_424_375_357_727_2,
            1.049_036_220_099_792_2,
            1.021_106_910_929_443_5,
            1.000_134_140_506_21,
        ],
    ),
    ("elu(x)", [0.049_787_068_367_863_944, 0.367_879_441_171_442_33, 0.606_530_659_712_633_4, 1.0, 1.0, 1.0, 1.0, 1.0]),
    (
        "selu(x)",
        [
            0.087_530_612_080_264_87,
            0.646_768_603_034_814,
            1.066_341_153_044_505_3,
            1.758_099_340_847_376_6,
            1.050_700_987_355_480_5,
            1.050_700_987_355_480_5,
            1.050_700_987_355_480_5,
            1.050_700_987_355_480_5,
        ],
    ),
    (
        "celu(x)",
        [0.049_787_068_367_863_944, 0.367_879_441_171_442_33, 0.606_530_659_712_633_4, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    ("hardtanh(x)", [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]),
    ("relu6(x)", [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]),
    ("hardsigmoid(x)", [0.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0, 0.0, 0.0]),
    (
        "hardswish(x)",
        [
            0.0,
            0.166_666_666_666_666_69,
            0.333_333_333_333_333_37,
            0.5,
            0.666_666_666_666_666_6,
            0.833_333_333_333_333_3,
            1.0,
            1.0,
        ],
    ),
    ("leaky_relu(x)", [0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0, 1.0]),
    (
        "softsign(x)",
        [
            0.062_5,
            0.25,
            0.444_444_444_444_444_4,
            1.0,
            0.444_444_444_444_444_4,
            0.25,
            0.062_5,
            0.020_408_163_265_306_117,
        ],
    ),
    (
        "tanhshrink(x)",
        [
            0.990_133_962_834_559_8,
            0.580_025_658_385_973_9,
            0.213_552_267_034_072_6,
            0.0,
            0.213_552_267_034_072_6,
            0.580_025_658_385_973_9,
            0.990_133_962_834_559_8,
            0.999_975_423_452_594_7,
        ],
    ),
    ("hardshrink(x)", [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    ("softshrink(x)", [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]),
    (
        "gelu(x, approximate=\"tanh\")",
        [
            -0.011_584_166_630_969_648,
            -0.082_964_083_845_782_52,
            0.132_630_096_465_357_64,
            0.5,
            0.867_369_903_534_642_4,
            1.082_964_083_845_782_6,
            1.011_584_166_630_969_5,
            1.000_000_000_770_997_7,
        ],
    ),
    ("nan_to_num(x)", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ("frac(x)", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    (
        "sinc(x)",
        [
            0.333_333_333_333_333_3,
            1.0,
            1.273_239_544_735_162_5,
            0.0,
            -1.273_239_544_735_162_5,
            -1.0,
            -0.333_333_333_333_333_3,
            0.166_666_666_666_666_66,
        ],
    ),
    ("fmax(x, 0.5 + 0 * x)", [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]),
    (
        "xlogy(x, 2.0)",
        [
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
            std::f64::consts::LN_2,
        ],
    ),
    (
        "logaddexp(x, 0.5 + 0 * x)",
        [
            0.029_312_230_751_356_32,
            0.182_425_523_806_356_35,
            0.268_941_421_369_995_1,
            0.377_540_668_798_145_4,
            0.5,
            0.622_459_331_201_854_6,
            0.924_141_819_978_756_6,
            0.995_929_862_284_104,
        ],
    ),
    (
        "logit(sigmoid(x))",
        [
            1.0,
            0.999_999_999_999_999_9,
            0.999_999_999_999_999_9,
            1.0,
            0.999_999_999_999_999_9,
            0.999_999_999_999_999_9,
            1.0,
            1.0,
        ],
    ),
    ("remainder(x, 0.7)", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
    (
        "addcdiv(x, x, exp(x), value=2)",
        [
            161.684_295_385_501_34,
            11.873_127_313_836_18,
            5.946_163_812_100_385,
            3.0,
            1.606_530_659_712_633_4,
            1.0,
            0.800_851_726_528_544_2,
            0.975_212_478_233_336_5,
        ],
    ),
    ("masked_fill(x, x > 0, 2.0)", [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    (
        "i0(x) + lgamma(x + 3.5) + digamma(x + 3.5)",
        [
            -0.982_078_041_350_353_8,
            0.628_355_292_892_578_5,
            1.059_824_096_639_516_3,
            1.433_514_396_797_082,
            1.797_834_929_592_411_9,
            2.202_755_133_412_081,
            5.912_566_083_556_911,
            63.650_671_942_512_886,
        ],
    ),
    (
        "erfinv(x / 7) + asinh(x) + hypot(x, 2.0)",
        [
            -0.367_229_394_294_998_35,
            0.388_565_004_029_635,
            0.779_005_114_230_056_9,
            1.126_603_846_493_251,
            1.264_076_364_302_722_9,
            1.282_992_195_029_550_9,
            1.296_871_194_380_689,
            1.483_457_996_480_868_3,
        ],
    ),
];

#[test]
fn composed_functions_have_pytorchs_gradients() {
    let x = cpu(&[-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 6.0], [8]);
    let mut failures = Vec::new();
    for (text, want) in PYTORCHS {
        let loss = Expr::parse(text, &[("x", &x)]).unwrap_or_else(|error| panic!("{text}: {error}")).sum(..);
        let got = loss.grad(&[&x]).unwrap().remove(0).eval().unwrap().to_vec::<f64>().unwrap();
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            if (got - want).abs() > 1e-9 * (1.0 + want.abs()) {
                failures.push(format!("{text}: element {i} is {got}, want {want}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is not taken, or overflows on the way, must leave no NaN in a gradient.
#[test]
fn gradients_far_out_are_numbers() {
    let far = [-1e30_f64, -1000.0, -100.0, 100.0, 1000.0, 1e30];
    let x = cpu(&far, [6]);
    for name in [
        "softplus",
        "logsigmoid",
        "silu",
        "mish",
        "elu",
        "selu",
        "celu",
        "hardtanh",
        "relu6",
        "hardsigmoid",
        "hardswish",
        "leaky_relu",
        "softsign",
        "hardshrink",
        "softshrink",
        "nan_to_num",
        "tanhshrink",
    ] {
        let loss = Expr::parse(&format!("{name}(x)"), &[("x", &x)]).unwrap().sum(..);
        let got = loss.grad(&[&x]).unwrap().remove(0).eval().unwrap().to_vec::<f64>().unwrap();
        assert!(got.iter().all(|g| g.is_finite()), "{name}: {got:?}");
    }
}
