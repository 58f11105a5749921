//! Expressions over NaN, infinities and numbers whose sums round: what one kernel gives is, bit for bit, what their
//! operations give one at a time. A driver that simplifies fails.

use hadamard::{BinaryOp, DType, Device, Expr, Result, Tensor, UnaryOp, eval_all};

use super::Choices;
use crate::choices::Random;

/// Elements of an expression.
pub(crate) const N: usize = 300;
const STEPS: usize = 7;
/// So many of the last values are looked at.
const LAST: usize = 3;

const SPECIAL: [f32; 12] =
    [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 0.1, 1e7, -3.3e-3, 12_582_912.0, 16_777_217.0];

fn tensor(random: &mut Random, device: &Device) -> Result<Tensor> {
    let one = |_| match random.below(3) {
        0 => random.pick(&SPECIAL),
        _ => (random.below(2001) as f32 - 1000.0) / random.pick(&[1.0, 7.0, 1000.0]),
    };
    let values: Vec<f32> = (0..N).map(one).collect();
    Tensor::from_slice(&values, [N], device)
}

/// An operation on two of the values there are, or three; its result has a rounding of its own at most.
fn operation(random: &mut Choices, values: &[Expr]) -> Expr {
    let unary = [UnaryOp::Neg, UnaryOp::Abs, UnaryOp::Sqrt, UnaryOp::Relu, UnaryOp::Floor, UnaryOp::Not];
    let binary: Vec<BinaryOp> = BinaryOp::ALL.into_iter().filter(|op| op.ulp() <= 2.5).collect();
    let arithmetic = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div];
    // The latest values most, so that chains come about; the first ones too, so that operands are shared.
    let mut value = || {
        let back = if random.below(2) == 0 { random.below(values.len()) } else { random.below(values.len().min(3)) };
        values[values.len() - 1 - back].clone()
    };
    let (a, b, c) = (value(), value(), value());
    match random.below(12) {
        0 | 1 => a.unary(random.pick(&unary)),
        2 => a.binary(random.pick(&arithmetic), random.pick(&[0.0, 1.0, 2.0, -1.0, 12_582_912.0])),
        3 => Expr::select(a.gt(0), b, c),
        4..8 => a.binary(random.pick(&arithmetic), b),
        _ => a.binary(random.pick(&binary), b),
    }
}

pub(super) fn run(data: &[u8]) {
    let (_, wrong) = check(super::device(), data).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the expressions of a case; and how many of their elements were judged.
pub(crate) fn check(device: &Device, data: &[u8]) -> Result<(usize, Vec<String>)> {
    let mut choices = Choices(data);
    let mut random = Random(u64::from(choices.byte()));
    let tensors = [tensor(&mut random, device)?, tensor(&mut random, device)?];
    let (mut fused, mut steps) = (tensors.clone().map(Expr::from).to_vec(), tensors.clone().map(Expr::from).to_vec());
    // Devices may flush what is subnormal, and need not when it stays within a kernel.
    let mut judged = [true; N];
    while fused.len() < tensors.len() + STEPS && !choices.is_empty() {
        let here = choices.0;
        let expr = operation(&mut choices, &fused);
        if expr.error().is_some() {
            continue;
        }
        fused.push(expr);
        let step = operation(&mut Choices(here), &steps).eval()?;
        for (judged, value) in judged.iter_mut().zip(step.cast(DType::F32).eval()?.to_vec::<f32>()?) {
            *judged &= value == 0.0 || value.is_nan() || value.abs() > 1e-37;
        }
        steps.push(step.into());
    }
    let mut wrong = Vec::new();
    let first = fused.len().max(LAST) - LAST;
    let results = eval_all(&fused[first..])?;
    for (result, (expr, step)) in results.iter().zip(fused.iter().zip(&steps).skip(first)) {
        let floats = |expr: &Expr| expr.cast(DType::F32).eval()?.to_vec::<f32>();
        let (got, want) = (floats(&result.into())?, floats(step)?);
        let differ = |i: &usize| judged[*i] && got[*i] != want[*i] && !(got[*i].is_nan() && want[*i].is_nan());
        if let Some(i) = (0..N).find(differ) {
            wrong.push(format!("{device}: element {i} of {expr:?} is {:e}, not {:e}", got[i], want[i]));
        }
    }
    Ok((judged.iter().filter(|&&j| j).count(), wrong))
}
