//! What drivers' compilers simplify: operations on the results of others, over values where no simplification is right.
//!
//! A driver that computes each operation right may still compute two of them wrong, as `(a + b) - a`. So expressions are
//! held, bit for bit, against their own operations evaluated one at a time.

use super::super::inputs::{Inputs, upload};
use super::{Table, Work};
use crate::reference::{Reference, elements};
use crate::{BinaryOp, DType, Expr, Result, Shape, UnaryOp};

/// NaN, infinities, zeros, and numbers whose sums round and whose products overflow. No result of three operations is
/// subnormal, which devices may flush or not.
const VALUES: [f64; 23] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    -1.5,
    3.0,
    0.1,
    -0.7,
    1.000_000_1,
    1e-6,
    -3e-5,
    1234.567,
    -8_388_607.5,
    12_582_912.0,
    16_777_216.0,
    1e18,
    -1e18,
    3e18,
];

/// `f` of one expression at a time in between: what it is given, it evaluates.
type Step<'a> = &'a dyn Fn(Expr) -> Result<Expr>;

/// Results of `f`, with and without evaluating each operation by itself. What carries a mistake is left out.
fn given(f: impl Fn(Step<'_>) -> Result<Vec<Expr>>) -> Result<Work> {
    let at_once = f(&Ok)?;
    let one_by_one = f(&|expr| if expr.error().is_some() { Ok(expr) } else { Ok(expr.eval()?.into()) })?;
    let right = |expr: &Expr| {
        let tensor = expr.eval()?;
        let values = elements(&tensor)?;
        let bounds = vec![0.0; values.len()];
        Ok(Reference { shape: tensor.shape().clone(), dtype: tensor.dtype(), values, bounds })
    };
    let pairs = at_once.into_iter().zip(&one_by_one).filter(|(expr, _)| expr.error().is_none());
    Ok(Work::Given(pairs.map(|(expr, steps)| Ok((expr, right(steps)?))).collect::<Result<_>>()?))
}

/// Two tensors that between them hold every pair of the values.
fn operands(inputs: &Inputs<'_>, dtype: DType) -> Result<[Expr; 2]> {
    let n = VALUES.len();
    let of = |value: &dyn Fn(usize) -> f64| {
        let values: Vec<f64> = (0..n * n).map(value).collect();
        upload(&values, dtype, Shape::from([n * n]), inputs.device).map(Expr::from)
    };
    Ok([of(&|i| VALUES[i % n])?, of(&|i| VALUES[i / n])?])
}

/// Operations that round once or not at all, so that nothing but the operation itself decides their bits.
fn unary() -> impl Iterator<Item = UnaryOp> {
    UnaryOp::ALL.into_iter().filter(|op| op.ulp() == 0.0 || *op == UnaryOp::Sqrt)
}

fn binary() -> impl Iterator<Item = BinaryOp> {
    BinaryOp::ALL.into_iter().filter(|op| op.ulp() <= 2.5)
}

const COMPARISONS: [BinaryOp; 6] = [BinaryOp::Eq, BinaryOp::Ne, BinaryOp::Lt, BinaryOp::Le, BinaryOp::Gt, BinaryOp::Ge];
const ARITHMETIC: [BinaryOp; 4] = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div];

pub(super) fn add(table: &mut Table) {
    for dtype in [DType::F32, DType::F64] {
        for op in unary() {
            table.add("pairs", format!("{dtype}: of {}", op.name()), &[dtype], move |inputs| {
                let [a, b] = operands(inputs, dtype)?;
                given(|step| Ok(of_result(&step(a.unary(op))?, &a, &b)))
            });
        }
        for op in binary() {
            table.add("pairs", format!("{dtype}: of {}", op.name()), &[dtype], move |inputs| {
                let [a, b] = operands(inputs, dtype)?;
                given(|step| Ok(of_result(&step(a.binary(op, &b))?, &a, &b)))
            });
        }
        for op in ARITHMETIC {
            triples(table, dtype, op);
        }
        for op in COMPARISONS {
            masks(table, dtype, op);
        }
        numbers(table, dtype);
    }
}

/// Every operation on the result of another, and on what that was of.
fn of_result(result: &Expr, a: &Expr, b: &Expr) -> Vec<Expr> {
    let mut out: Vec<Expr> = unary().map(|op| result.unary(op)).collect();
    for op in binary() {
        out.extend([result.binary(op, a), a.binary(op, result), result.binary(op, b), result.binary(op, result)]);
    }
    out
}

/// Operations on two results of the same two numbers.
fn triples(table: &mut Table, dtype: DType, first: BinaryOp) {
    table.add("pairs", format!("{dtype}: two results, {} first", first.name()), &[dtype], move |inputs| {
        let [a, b] = operands(inputs, dtype)?;
        given(|step| {
            let mut out = Vec::new();
            for second in ARITHMETIC {
                let (x, y) = (step(a.binary(first, &b))?, step(b.binary(second, &a))?);
                for last in ARITHMETIC.into_iter().chain([BinaryOp::Maximum, BinaryOp::Lt, BinaryOp::Eq]) {
                    out.push(x.binary(last, &y));
                }
            }
            Ok(out)
        })
    });
}

/// Logic on two comparisons, and choices by one.
fn masks(table: &mut Table, dtype: DType, first: BinaryOp) {
    table.add("pairs", format!("{dtype}: masks, {} first", first.name()), &[dtype], move |inputs| {
        let [a, b] = operands(inputs, dtype)?;
        given(|step| {
            let (of_a, of_both) = (step(a.binary(first, 0))?, step(a.binary(first, &b))?);
            let mut out = vec![
                Expr::select(&of_both, &a, &b),
                Expr::select(&of_both, &b, &a),
                Expr::select(&of_a, &b, 0.0),
                step(!&of_both)?.any(..),
            ];
            for second in COMPARISONS {
                let (of_b, back) = (step(b.binary(second, 0))?, step(b.binary(second, &a))?);
                for logic in [BinaryOp::And, BinaryOp::Or, BinaryOp::Eq] {
                    out.extend([of_a.binary(logic, &of_b), of_both.binary(logic, &back)]);
                    out.push(step(of_a.binary(logic, &of_b))?.any(..));
                }
            }
            Ok(out)
        })
    });
}

/// Arithmetic with numbers that a compiler could fold.
fn numbers(table: &mut Table, dtype: DType) {
    let magic = if dtype == DType::F32 { 12_582_912.0 } else { 6_755_399_441_055_744.0 };
    table.add("pairs", format!("{dtype}: with numbers"), &[dtype], move |inputs| {
        let [a, b] = operands(inputs, dtype)?;
        given(|step| {
            let zero = step(&a + step(-&a)?)?;
            Ok(vec![
                step(&a + magic)? - magic,
                step(step(2 * &a)? - &a)? - &a,
                1 / step(1 / &a)?,
                1 / &zero,
                -1 / &zero,
                step(1 / step(zero.relu())?)?,
                step(a.binary(BinaryOp::Mul, 0))? + &b,
                step(&a * 0.1)? * 10,
                step(&a / 3)? * 3,
                step(&a - 0.5)? + 0.5,
                step(step(&a * &b)? * 0.5)? + step(&a * 0.5)?,
                step(&a * &b)?.sum(..) - step(&b * &a)?.sum(..),
            ])
        })
    });
}
