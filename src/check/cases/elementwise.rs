//! Every elementwise operation on every dtype, with ordinary, special and mixed operands.

use super::super::inputs::{EXTREMES, Fill, Inputs, SPECIAL};
use super::{EVERY, FLOATS, Table};
use crate::base::dtype::integers;
use crate::expr::op::{DTypeRule, Integers};
use crate::expr::unsigned;
use crate::{BinaryOp, DType, Expr, Result, Tensor, UnaryOp};

/// A prime a little above 4 workgroups of 64.
const N: usize = 263;

pub(super) fn add(table: &mut Table) {
    for op in UnaryOp::ALL {
        unary(table, op);
    }
    for op in BinaryOp::ALL {
        binary(table, op);
    }
    promotion(table);
    select(table);
    cast(table);
    compositions(table);
}

/// What integers of `dtype` that are computed with as such are drawn from: all there are, and few.
fn all_and_few(dtype: DType) -> [Fill; 2] {
    match dtype {
        DType::Bool | DType::U8 => [Fill::Whole(0, 255), Fill::Whole(0, 5)],
        DType::U16 => [Fill::Whole(0, u16::MAX.into()), Fill::Whole(0, 5)],
        DType::I8 => [Fill::Whole(i8::MIN.into(), i8::MAX.into()), Fill::Whole(-3, 3)],
        DType::I16 => [Fill::Whole(i16::MIN.into(), i16::MAX.into()), Fill::Whole(-3, 3)],
        // Their products are still told apart by f64, and so by the reference.
        DType::I64 => [Fill::Whole(-90_000_000, 90_000_000), Fill::Whole(-3, 3)],
        DType::U32 | DType::U64 => [Fill::Whole(0, 90_000_000), Fill::Whole(0, 5)],
        DType::I32 | DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
            [Fill::Whole(i32::MIN, i32::MAX), Fill::Whole(-3, 3)]
        }
    }
}

/// Inputs on which a function is worth testing.
fn domain(op: UnaryOp, dtype: DType) -> Vec<Fill> {
    let row = op.row();
    let floats = || row.draws.iter().map(|&[draw]| draw.into()).collect();
    match dtype {
        DType::Bool => vec![Fill::Whole(0, 1)],
        DType::U8 => vec![Fill::Whole(0, 255)],
        DType::U16 | DType::U32 | DType::U64 if row.rule == DTypeRule::Float => vec![Fill::Whole(0, 255)],
        // A function of floats, of the same numbers cut to whole ones.
        DType::I8 | DType::I16 | DType::I32 | DType::I64 if row.rule == DTypeRule::Float => floats(),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 | DType::U16 | DType::U32 | DType::U64 => {
            all_and_few(dtype).to_vec()
        }
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => floats(),
    }
}

fn unary(table: &mut Table, op: UnaryOp) {
    for dtype in EVERY {
        if op.row().rule.dtypes(op.name(), dtype).is_err() {
            continue;
        }
        for fill in domain(op, dtype) {
            table.expr(op.name(), format!("{dtype} {fill:?}"), &[dtype], move |inputs| {
                Ok(inputs.tensor([N], dtype, fill)?.unary(op))
            });
        }
        if dtype.is_float() {
            table.expr(op.name(), format!("{dtype} special values"), &[dtype], move |inputs| {
                Ok(inputs.tensor([SPECIAL.len() * 2], dtype, Fill::Special)?.unary(op))
            });
        }
    }
}

/// Pairs of inputs on which an operation is worth testing.
fn operands(op: BinaryOp, dtype: DType) -> Vec<[Fill; 2]> {
    let row = op.row();
    let whole = |low, high| [Fill::Whole(low, high); 2];
    match dtype {
        DType::Bool => vec![whole(0, 1)],
        integers!() => {
            let [all, few] = all_and_few(dtype);
            match row.integers {
                // Large powers of i64 are beyond what f64, and so the reference, tells apart.
                Integers::Wraps(_) if op == BinaryOp::Pow && dtype.compute() == DType::I64 => {
                    vec![[few; 2], [Fill::Whole(0, 7), Fill::Whole(0, 13)]]
                }
                Integers::Wraps(_) => vec![[all; 2], [few; 2], [Fill::Whole(0, 7), Fill::Whole(0, 13)]],
                // Small enough that many pairs are equal.
                Integers::Itself | Integers::Stays(_) | Integers::Truth => vec![[few; 2]],
                Integers::Converted if row.rule == DTypeRule::Logical => vec![whole(0, 1)],
                Integers::Converted => vec![[Fill::Whole(0, 200), Fill::Whole(1, 9)]],
            }
        }
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => {
            row.draws.iter().map(|&draws| draws.map(Into::into)).collect()
        }
    }
}

fn binary(table: &mut Table, op: BinaryOp) {
    for dtype in EVERY {
        // The reference, in f64, does not tell apart what u64s are put in order by. `tests/unsigned.rs` has that.
        let is_left_out = dtype == DType::U64 && (unsigned::is_refused(op) || unsigned::is_order(op));
        if is_left_out || op.row().rule.dtypes(op.name(), dtype).is_err() {
            continue;
        }
        let operands = operands(op, dtype);
        for &[a, b] in &operands {
            table.expr(op.name(), format!("{dtype} {a:?} and {b:?}"), &[dtype], move |inputs| {
                Ok(inputs.tensor([N], dtype, a)?.binary(op, inputs.tensor([N], dtype, b)?))
            });
        }
        let [a, b] = operands[0];
        table.expr(op.name(), format!("{dtype} with itself"), &[dtype], move |inputs| {
            let x = inputs.tensor([N], dtype, b)?;
            Ok(x.binary(op, &x))
        });
        table.expr(op.name(), format!("{dtype} and a number on the right"), &[dtype], move |inputs| {
            let x = inputs.tensor([N], dtype, a)?;
            Ok(if dtype.is_float() { x.binary(op, 2.5) } else { x.binary(op, 3) })
        });
        table.expr(op.name(), format!("{dtype} and a number on the left"), &[dtype], move |inputs| {
            let x = inputs.tensor([N], dtype, b)?;
            Ok(if dtype.is_float() { Expr::from(0.5).binary(op, x) } else { Expr::from(2).binary(op, x) })
        });
        table.expr(op.name(), format!("{dtype} and a tensor of rank 0"), &[dtype], move |inputs| {
            Ok(inputs.tensor([N], dtype, a)?.binary(op, inputs.tensor((), dtype, b)?))
        });
        if dtype.is_float() {
            table.expr(op.name(), format!("{dtype} special values with themselves"), &[dtype], move |inputs| {
                let x = inputs.tensor([SPECIAL.len() * 2], dtype, Fill::Special)?;
                Ok(x.binary(op, &x))
            });
            table.expr(op.name(), format!("{dtype} every pair of special values"), &[dtype], move |inputs| {
                let n = SPECIAL.len() * SPECIAL.len();
                let slow = inputs.tensor([n], dtype, Fill::SpecialSlow)?;
                Ok(slow.binary(op, inputs.tensor([n], dtype, Fill::Special)?))
            });
        }
    }
    if op.row().rule.dtypes(op.name(), DType::I32).is_ok() {
        extremes(table, op);
    }
    if op == BinaryOp::Pow {
        powers(table);
    }
}

fn extremes(table: &mut Table, op: BinaryOp) {
    table.expr(op.name(), "i32 every pair of extremes", &[DType::I32], move |inputs| {
        let n = EXTREMES.len() * EXTREMES.len();
        let slow = inputs.tensor([n], DType::I32, Fill::ExtremesSlow)?;
        Ok(slow.binary(op, inputs.tensor([n], DType::I32, Fill::Extremes)?))
    });
}

fn powers(table: &mut Table) {
    let op = BinaryOp::Pow;
    table.expr(op.name(), "i32 negative exponents", &[DType::I32], |inputs| {
        let base = inputs.tensor([N], DType::I32, Fill::Whole(-3, 3))?;
        Ok(base.pow(inputs.tensor([N], DType::I32, Fill::Whole(-3, 40))?))
    });
    for exponent in [0.0, 0.5, 1.0, 2.0, 3.0, -1.0, -2.0, 7.0, 0.7] {
        table.expr(op.name(), format!("f32 to the power {exponent}"), &[DType::F32], move |inputs| {
            Ok(inputs.f32([N], Fill::Uniform(-3.0, 3.0))?.pow(exponent))
        });
    }
}

/// Every pair of dtypes, as tensors and with a tensor of rank 0.
fn promotion(table: &mut Table) {
    for a in EVERY {
        for b in EVERY.into_iter().filter(|&b| a.promote(b).is_some()) {
            let fill = |dtype: DType| if dtype.is_float() { Fill::Quarters(-5, 5) } else { Fill::Whole(0, 100) };
            for op in [BinaryOp::Mul, BinaryOp::Lt, BinaryOp::Div] {
                if (a, b) == (DType::U64, DType::U64) && unsigned::is_order(op) {
                    continue;
                }
                table.expr("promotion", format!("{a} {} {b}", op.name()), &[a, b], move |inputs| {
                    Ok(inputs.tensor([67], a, fill(a))?.binary(op, inputs.tensor([67], b, fill(b))?))
                });
            }
            table.expr("promotion", format!("{a} add {b} of rank 0"), &[a, b], move |inputs| {
                Ok(inputs.tensor([67], a, fill(a))? + inputs.tensor((), b, fill(b))?)
            });
        }
        if a.is_float() {
            for op in [BinaryOp::Mul, BinaryOp::Div] {
                table.expr("promotion", format!("bool {} special {a}", op.name()), &[a], move |inputs| {
                    let truth = inputs.tensor([SPECIAL.len() * 4], DType::Bool, Fill::Whole(0, 1))?;
                    Ok(truth.binary(op, inputs.tensor([SPECIAL.len() * 4], a, Fill::Special)?))
                });
            }
        }
        table.expr("promotion", format!("{a} and numbers"), &[a], move |inputs| {
            let x = inputs.tensor([67], a, Fill::Whole(0, 100))?;
            Ok((&x * 2 + 1.5) * true)
        });
    }
}

fn select(table: &mut Table) {
    for dtype in EVERY {
        table.expr("where", format!("{dtype}"), &[dtype], move |inputs| {
            let c = inputs.tensor([N], DType::Bool, Fill::Whole(0, 1))?;
            let (a, b) =
                (inputs.tensor([N], dtype, Fill::Whole(0, 9))?, inputs.tensor([N], dtype, Fill::Whole(90, 99))?);
            Ok(Expr::select(c, a, b))
        });
        table.expr("where", format!("{dtype} broadcast, with a number"), &[dtype], move |inputs| {
            let c = inputs.tensor([5, 1], DType::Bool, Fill::Whole(0, 1))?;
            Ok(Expr::select(c, inputs.tensor([1, 67], dtype, Fill::Whole(0, 9))?, 1))
        });
    }
    table.expr("where", "NaN in the branch not taken", &[DType::F32], |inputs| {
        let x = inputs.f32([SPECIAL.len() * 3], Fill::Special)?;
        Ok(Expr::select(x.isnan(), 0.0, &x))
    });
    for dtype in FLOATS {
        let pairs = move |inputs: &mut Inputs<'_>| -> Result<(Tensor, Tensor)> {
            let n = SPECIAL.len() * SPECIAL.len();
            Ok((inputs.tensor([n], dtype, Fill::SpecialSlow)?, inputs.tensor([n], dtype, Fill::Special)?))
        };
        for op in [BinaryOp::Lt, BinaryOp::Le, BinaryOp::Gt, BinaryOp::Ge] {
            table.expr("where", format!("{dtype} {} of special values", op.name()), &[dtype], move |inputs| {
                let (a, b) = pairs(inputs)?;
                Ok(Expr::select(a.binary(op, &b), &a, &b))
            });
            table.expr("logical_not", format!("{dtype} {} of special values", op.name()), &[dtype], move |inputs| {
                let (a, b) = pairs(inputs)?;
                Ok(a.binary(op, &b).logical_not())
            });
        }
    }
    table.expr("where", "bools of bools", &[DType::Bool], |inputs| {
        let mut next = || inputs.tensor([N], DType::Bool, Fill::Whole(0, 1));
        Ok(Expr::select(next()?, next()?, !next()?))
    });
    table.expr("clamp", "f32 special values", &[DType::F32], |inputs| {
        Ok(inputs.f32([SPECIAL.len()], Fill::Special)?.clamp(-1.0, 1.0))
    });
    for dtype in FLOATS {
        table.expr("lerp", format!("{dtype}"), &[dtype], move |inputs| {
            let mut next = || inputs.tensor([N], dtype, Fill::Uniform(-1.0, 2.0));
            Ok(next()?.lerp(next()?, next()?))
        });
    }
}

fn cast(table: &mut Table) {
    for from in EVERY {
        for to in EVERY {
            let mut fills = vec![if from.is_float() { Fill::Uniform(-300.0, 300.0) } else { Fill::Whole(0, 255) }];
            if from == DType::I32 {
                fills.push(Fill::Whole(i32::MIN, i32::MAX));
            }
            if from.is_float() {
                fills.extend([Fill::Special, Fill::Uniform(-1e-7, 1e-7), Fill::Quarters(-9, 9)]);
            }
            for fill in fills {
                table.expr("cast", format!("{from} to {to} {fill:?}"), &[from, to], move |inputs| {
                    Ok(inputs.tensor([N], from, fill)?.cast(to))
                });
            }
            if from != to {
                table.expr("cast", format!("{from} to {to} and back"), &[from, to], move |inputs| {
                    let fill = if from.is_float() { Fill::Uniform(-3.0, 200.0) } else { Fill::Whole(0, 255) };
                    let x = inputs.tensor([N], from, fill)?;
                    Ok(x.cast(to).cast(from) + &x)
                });
            }
        }
    }
}

/// Several operations fused.
fn compositions(table: &mut Table) {
    const OP: &str = "fused map";
    for dtype in FLOATS {
        table.expr(OP, format!("{dtype} w * a + (1 - w) * b"), &[dtype], move |inputs| {
            let w = inputs.tensor((), dtype, Fill::Uniform(0.0, 1.0))?;
            let mut next = || inputs.tensor([3, N], dtype, Fill::Uniform(-4.0, 4.0));
            Ok(&w * next()? + (1 - &w) * next()?)
        });
        table.expr(OP, format!("{dtype} rounds once"), &[dtype], move |inputs| {
            let mut next = || inputs.tensor([N], dtype, Fill::Uniform(-4.0, 4.0));
            Ok((next()? * next()? + next()?) * next()? - next()?)
        });
    }
    table.expr(OP, "u8 wraps at every step", &[DType::U8], |inputs| {
        let mut next = || inputs.tensor([N], DType::U8, Fill::Whole(0, 255));
        let (a, b, c) = (next()?, next()?, next()?);
        Ok((&a * &b).maximum(&c + &a) - (&b - &c))
    });
    table.expr(OP, "a part used twice", &[DType::F32], |inputs| {
        let x = inputs.f32([N], Fill::Uniform(-2.0, 2.0))?;
        let y = (&x * 3.0).tanh();
        Ok(&y * &y + y.abs() * &x)
    });
    table.expr(OP, "a thousand additions in a row", &[DType::F32], |inputs| {
        let x = inputs.f32([N], Fill::Whole(-9, 9))?;
        Ok((0..1000).fold(Expr::from(&x), |sum, i| if i % 2 == 0 { sum + &x } else { sum - 1 }))
    });
    for n in [5, 9, 20, 40] {
        table.expr(OP, format!("{n} tensors"), &[DType::F32], move |inputs| {
            let mut sum = Expr::from(inputs.f32([N], Fill::Whole(-9, 9))?);
            for i in 1..n {
                let next = inputs.f32([N], Fill::Whole(-9, 9))?;
                sum = if i % 3 == 0 { sum.maximum(next) } else { sum + next };
            }
            Ok(sum)
        });
    }
    table.expr(OP, "u8 and numbers beyond it", &[DType::U8], |inputs| {
        let x = inputs.tensor([N], DType::U8, Fill::Whole(0, 255))?;
        let picked = Expr::select(x.gt(100), -2, &x).maximum(&x) / 2;
        Ok(picked + x.minimum(300) / 2 + x.clamp(-1, 300) / 4 + (x.gt(-1) & x.lt(300)))
    });
    table.expr(OP, "a number cast, then used as f64", &[DType::F64], |inputs| {
        let x = inputs.tensor([N], DType::F64, Fill::Whole(0, 9))?;
        Ok(&x * Expr::from(0.1).cast(DType::F32) + Expr::from(0.1).cast(DType::F16).broadcast_to([N]) + x * 0.1)
    });
    table.expr(OP, "a number cast, then broadcast", &[DType::I32], |inputs| {
        Ok(inputs.tensor([N], DType::I32, Fill::Whole(0, 9))? + Expr::from(300.7).cast(DType::U8).broadcast_to([N]))
    });
    table.expr(OP, "numbers alone", &[DType::F32], |_| Ok((Expr::from(2.0) * 3).cast(DType::F32)));
    table.expr(OP, "a number broadcast", &[DType::I32], |_| Ok(Expr::from(7).broadcast_to([5, 3])));
    for dtype in EVERY {
        table.expr(OP, format!("{dtype} copy"), &[dtype], move |inputs| {
            Ok(inputs.tensor([N], dtype, Fill::Whole(0, 200))?.into())
        });
    }
}
