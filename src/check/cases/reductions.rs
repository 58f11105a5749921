//! Reductions over any dims, what feeds them and what follows.
//!
//! Whole numbers add without rounding, so a missing or doubled element shows however many there are; the same
//! shapes with ordinary numbers show the rounding.

use super::super::Work;
use super::super::inputs::{Fill, Inputs, SPECIAL};
use super::{EVERY, FLOATS, Part, Table};
use crate::{DType, Expr, ReduceOp, einsum};

const SHAPES: [(&[usize], &[isize]); 42] = [
    (&[5], &[0]),
    (&[1], &[0]),
    (&[], &[]),
    (&[1, 7], &[0]),
    (&[7, 1], &[0]),
    (&[7, 1], &[1]),
    (&[64], &[0]),
    (&[65], &[0]),
    (&[256], &[0]),
    (&[257], &[0]),
    (&[1025], &[0]),
    (&[4099], &[0]),
    (&[300_000], &[0]),
    (&[65, 19], &[0]),
    (&[65, 19], &[1]),
    (&[65, 19], &[0, 1]),
    (&[64, 64], &[0]),
    (&[64, 64], &[1]),
    (&[257, 255], &[0]),
    (&[257, 255], &[1]),
    (&[700, 3], &[0]),
    (&[700, 3], &[1]),
    (&[3, 700], &[0]),
    (&[3, 700], &[1]),
    (&[1000, 4], &[0]),
    (&[4, 1000], &[1]),
    (&[70_000, 4], &[0]),
    (&[70_000, 4], &[1]),
    (&[4, 70_000], &[0]),
    (&[4, 70_000], &[1]),
    (&[2, 70_001], &[0]),
    (&[67, 2500], &[0]),
    (&[4, 5, 6], &[1]),
    (&[4, 5, 6], &[0, 2]),
    (&[4, 5, 6], &[1, 2]),
    (&[2, 300, 5], &[1]),
    (&[33, 1, 65], &[0, 1]),
    (&[2, 3, 4, 5], &[0, 2]),
    (&[2, 3, 4, 5], &[1, 3]),
    (&[9, 8, 7, 6], &[0, 3]),
    (&[0, 3], &[0]),
    (&[3, 0], &[0]),
];

pub(super) fn add(table: &mut Table) {
    operations(table);
    multiply_reduce(table);
    around(table);
    several(table);
    contractions(table);
}

fn operations(table: &mut Table) {
    let shapes: [(&[usize], isize); 6] =
        [(&[17, 33], 0), (&[17, 33], 1), (&[41, 3, 5], 1), (&[300], 0), (&[6, 130], -1), (&[13, 8], 1)];
    for op in ReduceOp::ALL {
        for dtype in EVERY {
            // The order of u64s is held by `tests/unsigned.rs`: f64 does not tell apart what it is found by.
            let is_order =
                dtype == DType::U64 && !matches!(op, ReduceOp::Sum | ReduceOp::Prod | ReduceOp::Any | ReduceOp::All);
            if is_order || op.dtype(dtype).is_none() {
                continue;
            }
            // Two reductions that differ in one sign; of integers of fewer bits they are those of i32.
            let is_place = matches!(op, ReduceOp::Argmax | ReduceOp::Argmin);
            if is_place && matches!(dtype, DType::I8 | DType::I16 | DType::U16 | DType::U32 | DType::BF16) {
                continue;
            }
            for (shape, dim) in shapes.into_iter().take(if is_place { 3 } else { shapes.len() }) {
                let fill = match op {
                    // Few factors above 1, so that the product stays in range.
                    ReduceOp::Prod if dtype.is_float() => Fill::Uniform(0.93, 1.07),
                    // Nor one of integers beyond what f64, and so the reference, tells apart.
                    ReduceOp::Prod => Fill::Whole(-1, 1),
                    ReduceOp::All => Fill::Whole(0, 40),
                    ReduceOp::Any => Fill::Whole(0, 0),
                    _ if dtype == DType::U8 => Fill::Whole(0, 255),
                    _ => Fill::Whole(-99, 99),
                };
                table.expr(op.name(), format!("{dtype} {shape:?} over {dim}"), &[dtype], move |inputs| {
                    let x = inputs.tensor(shape, dtype, fill)?;
                    // One odd element for `any` and `all` to find.
                    Ok(if op == ReduceOp::Any { x.logical_or(x.shape().numel() == 300) } else { x.into() }
                        .reduce(op, dim))
                });
            }
            table.expr(op.name(), format!("{dtype} all of [3, 50, 7]"), &[dtype], move |inputs| {
                let fill = if op == ReduceOp::Prod { Fill::Whole(1, 1) } else { Fill::Whole(0, 1) };
                Ok(inputs.tensor([3, 50, 7], dtype, fill)?.reduce(op, ..))
            });
            if op.has_identity() {
                table.expr(op.name(), format!("{dtype} of nothing"), &[dtype], move |inputs| {
                    Ok(inputs.tensor([3, 0], dtype, Fill::Whole(0, 1))?.reduce(op, 1))
                });
                table.expr(op.name(), format!("{dtype} of rows of which nothing is left"), &[dtype], move |inputs| {
                    Ok(inputs.tensor([8, 16], dtype, Fill::Whole(2, 3))?.narrow(1, 4, 0)?.reduce(op, 1))
                });
            }
            if dtype.is_float() && op != ReduceOp::Prod {
                table.expr(op.name(), format!("{dtype} special values in each row"), &[dtype], move |inputs| {
                    let n = SPECIAL.len();
                    let slow = inputs.tensor([n * n], dtype, Fill::SpecialSlow)?.reshape([n, n])?;
                    let plain = inputs.tensor([n, 37], dtype, Fill::Whole(-3, 3))?;
                    // A special value somewhere in each row of ordinary ones.
                    let row = inputs.tensor([37], DType::I32, Fill::Whole(0, 12))?;
                    Ok(Expr::select(row.eq(5), slow.narrow(1, 0, 1)?, plain).reduce(op, 1))
                });
            }
        }
    }
    for (op, last) in
        [(ReduceOp::Amax, 1e30), (ReduceOp::Amin, -1e30), (ReduceOp::Sum, f64::NAN), (ReduceOp::Amax, f64::NAN)]
    {
        table.expr(op.name(), format!("{last} as the last of 5003"), &[DType::F32], move |inputs| {
            let index = inputs.f32([5003], Fill::Whole(-3, 3))?;
            index.narrow(0, 5002, 1)?.fill(last)?;
            Ok(index.reduce(op, 0))
        });
    }
}

/// Long, as a table is.
fn multiply_reduce(table: &mut Table) {
    for (shape, dims) in SHAPES {
        let over = move |x: Expr, op: ReduceOp| if dims.is_empty() { x.reduce(op, ..) } else { x.reduce(op, dims) };
        let small = shape.iter().product::<usize>() < 20_000;
        for dtype in EVERY.into_iter().filter(|&d| d != DType::Bool && (small || d == DType::F32 || d == DType::F16)) {
            table.expr(
                "multiply-reduce",
                format!("{dtype} {shape:?} over {dims:?}, whole numbers"),
                &[dtype],
                move |inputs| {
                    let mut next = || inputs.tensor(shape, dtype, Fill::Whole(-5, 5));
                    Ok(over(next()? * next()?, ReduceOp::Sum))
                },
            );
        }
        for dtype in FLOATS {
            table.expr("multiply-reduce", format!("{dtype} {shape:?} over {dims:?}"), &[dtype], move |inputs| {
                let mut next = || inputs.tensor(shape, dtype, Fill::Uniform(-1.0, 1.0));
                Ok(over(next()? * next()?, ReduceOp::Sum))
            });
        }
        table.expr("mean", format!("squared difference of {shape:?} over {dims:?}"), &[DType::F32], move |inputs| {
            let mut next = || inputs.f32(shape, Fill::Whole(-5, 5));
            Ok(over((next()? - next()?).square(), ReduceOp::Mean))
        });
        if !shape.contains(&0) {
            table.expr("amax", format!("of a product of {shape:?} over {dims:?}"), &[DType::F32], move |inputs| {
                let mut next = || inputs.f32(shape, Fill::Uniform(-1.0, 1.0));
                Ok(over(next()? * next()?, ReduceOp::Amax))
            });
        }
    }
    table.expr("multiply-reduce", "with a broadcast operand", &[DType::F32], |inputs| {
        let (a, w) = (inputs.f32([3, 17, 19], Fill::Whole(-5, 5))?, inputs.f32([3, 1, 1], Fill::Whole(-5, 5))?);
        Ok((a * w).sum([1, 2]))
    });
    table.expr("multiply-reduce", "over the broadcast dim", &[DType::F32], |inputs| {
        let (a, b) = (inputs.f32([1, 67], Fill::Whole(-5, 5))?, inputs.f32([300, 1], Fill::Whole(-5, 5))?);
        Ok((a * b).sum(0))
    });
    table.expr("multiply-reduce", "of an operand and itself", &[DType::F32], |inputs| {
        let x = inputs.f32([130, 67], Fill::Whole(-5, 5))?;
        Ok((&x * &x).sum(0))
    });
    for dtype in [DType::F32, DType::F16, DType::U8] {
        let parts: [(&str, Part); 5] = [
            ("transposed", |x| x.transpose(0, 1)),
            ("every second column, backwards", |x| x.slice(1, 1, 70, 2)?.flip(1)),
            ("rows and columns from odd offsets", |x| x.narrow(0, 3, 80)?.narrow(1, 5, 61)),
            ("one row repeated", |x| x.narrow(0, 7, 1)?.broadcast_to([90, 70])),
            ("one column repeated", |x| x.narrow(1, 7, 1)?.broadcast_to([90, 70])),
        ];
        for (name, part) in parts {
            for dim in [0, 1] {
                table.expr("multiply-reduce", format!("{dtype} {name} over {dim}"), &[dtype], move |inputs| {
                    let x = part(&inputs.tensor([90, 70], dtype, Fill::Whole(0, 7))?)?;
                    let y = inputs.tensor(x.shape(), dtype, Fill::Whole(0, 7))?;
                    Ok((x * y).sum(dim))
                });
            }
        }
    }
}

/// What follows a reduction, and reductions of reductions. Long, as a table is.
fn around(table: &mut Table) {
    const OP: &str = "fused reduction";
    for dtype in FLOATS {
        for dim in [0, 1] {
            table.expr(OP, format!("{dtype} sum(a * b, {dim}) * 2 + 1"), &[dtype], move |inputs| {
                let mut next = || inputs.tensor([65, 33], dtype, Fill::Uniform(-1.0, 1.0));
                Ok((next()? * next()?).sum(dim) * 2 + 1)
            });
            table.expr(OP, format!("{dtype} softmax over {dim}"), &[dtype], move |inputs| {
                let x = inputs.tensor([65, 33], dtype, Fill::Uniform(-4.0, 4.0))?;
                let e = (&x - x.amax(dim).keepdim()).exp();
                Ok(&e / e.sum(dim).keepdim())
            });
            table.expr(OP, format!("{dtype} variance over {dim}"), &[dtype], move |inputs| {
                let x = inputs.tensor([65, 33], dtype, Fill::Uniform(-4.0, 4.0))?;
                Ok((&x - x.mean(dim).keepdim()).square().mean(dim))
            });
        }
        table.expr(OP, format!("{dtype} norm"), &[dtype], move |inputs| {
            let x = inputs.tensor([5003], dtype, Fill::Uniform(-1.0, 1.0))?;
            Ok(&x / x.square().sum(..).sqrt())
        });
    }
    table.expr(OP, "log-sum-exp of a large [3, 700]", &[DType::F32], |inputs| {
        let x = inputs.f32([3, 700], Fill::Uniform(-4.0, 4.0))?;
        let max = x.amax(1).keepdim();
        Ok((&x - &max).exp().sum(1).log() + max.reshape([3]))
    });
    table.expr(OP, "a sum of sums", &[DType::F32], |inputs| {
        let (a, c) = (inputs.f32([65, 33], Fill::Whole(-5, 5))?, inputs.f32([65], Fill::Whole(-5, 5))?);
        Ok((a.sum(1) * c).sum(0))
    });
    table.expr(OP, "sums over both dims of one product", &[DType::F32], |inputs| {
        let p = inputs.f32([33, 33], Fill::Whole(-5, 5))? * inputs.f32([33, 33], Fill::Whole(-5, 5))?;
        Ok(p.sum(0) - p.sum(1))
    });
    table.expr(OP, "a sum transposed against itself", &[DType::F32], |inputs| {
        let s = inputs.f32([5, 33, 33], Fill::Whole(-5, 5))?.sum(0);
        Ok(&s - s.transpose(0, 1) * 2)
    });
    table.expr(OP, "a sum flipped, sliced and broadcast", &[DType::F32], |inputs| {
        let s = inputs.f32([7, 40], Fill::Whole(-5, 5))?.sum(0) + 1;
        Ok(s.flip(0).slice(0, 1, 40, 3).reshape([13, 1]).broadcast_to([13, 9]))
    });
    table.expr(OP, "a mean read through views", &[DType::F32], |inputs| {
        let m = inputs.f32([8, 6, 10], Fill::Whole(-5, 5))?.mean(0);
        Ok(m.permute(&[1, 0]).narrow(0, 2, 7).flip(1) - 1)
    });
    table.expr(OP, "where the largest is", &[DType::F32], |inputs| {
        let x = inputs.f32([65, 33], Fill::Quarters(-9, 9))?;
        Ok(x.eq(x.amax(1).keepdim()).sum(1))
    });
    table.expr(OP, "of a cast", &[DType::F32, DType::I32], |inputs| {
        Ok(inputs.f32([65, 33], Fill::Uniform(-99.0, 99.0))?.cast(DType::I32).sum(0))
    });
    table.expr(OP, "of a comparison, counted", &[DType::F32], |inputs| {
        Ok(inputs.f32([1025], Fill::Quarters(-9, 9))?.gt(0.5).sum(..))
    });
    table.expr(OP, "f16 largest sum", &[DType::F16], |inputs| {
        // 60,000 fits in f16, its double does not: the accumulator must be wider, and the store overflow.
        let x = inputs.tensor([2, 60_000], DType::F16, Fill::Whole(1, 1))?;
        Ok(x.sum(1) * inputs.tensor([2], DType::F16, Fill::Whole(1, 2))?)
    });
    table.expr(OP, "of dims of size 1", &[DType::F32], |inputs| {
        Ok(inputs.f32([1, 5, 1, 7], Fill::Whole(-5, 5))?.sum([0, 2]))
    });
    table.expr(OP, "of a number broadcast", &[DType::F32], |_| Ok(Expr::from(0.5).broadcast_to([40, 30]).sum(0)));
    for chunks in [2, 3, 4] {
        table.expr(OP, format!("{chunks} means in a row"), &[DType::F32], move |inputs| {
            let mut x = Expr::from(inputs.f32([9, 9, 9, 9], Fill::Uniform(-1.0, 1.0))?);
            for _ in 0..chunks {
                x = (&x - x.mean(0).keepdim()).tanh().mean(-1);
            }
            Ok(x)
        });
    }
}

/// Several results of one evaluation.
fn several(table: &mut Table) {
    const OP: &str = "several results";
    table.add(OP, "map and reductions of one product", &[DType::F32], |inputs: &mut Inputs<'_>| {
        let p = inputs.f32([65, 33], Fill::Whole(-5, 5))? * inputs.f32([65, 33], Fill::Whole(-5, 5))?;
        Ok(Work::Eval(vec![p.clone(), p.sum(0), p.sum(1), p.sum(..), p.amax(0), &p + 1]))
    });
    table.expr(OP, "a sum of sums of nothing", &[DType::F32], |inputs| {
        Ok((inputs.f32([8, 0], Fill::Whole(-5, 5))?.sum(0) + 1).sum(0))
    });
    let views: [(&str, fn(&Expr) -> Expr); 2] =
        [("read backwards", |sum| sum.flip(0)), ("transposed", |sum| sum.transpose(0, 1))];
    for (name, view) in views {
        table.expr(OP, format!("a sum and itself {name}"), &[DType::F32], move |inputs| {
            let sum = inputs.f32([65, 9, 9], Fill::Whole(-5, 5))?.sum(0);
            Ok(&sum + view(&sum))
        });
    }
    let staged: [(&[usize], &[isize]); 6] = [
        (&[3, 64, 65], &[1, 2]),
        (&[300, 70], &[1]),
        (&[70, 300], &[0]),
        (&[2, 70_000], &[1]),
        (&[9, 4, 5], &[0, 2]),
        (&[8, 0], &[0]),
    ];
    for (shape, dims) in staged {
        table.add(
            OP,
            format!("over all of {shape:?} and over {dims:?}"),
            &[DType::F32],
            move |inputs: &mut Inputs<'_>| {
                let p = inputs.f32(shape, Fill::Whole(-5, 5))? * inputs.f32(shape, Fill::Whole(-5, 5))?;
                let mut all = vec![p.sum(..), p.mean(..), p.sum(dims), p.square().any(..)];
                if p.shape().numel() > 0 {
                    all.extend([p.amax(..), p.amin(dims)]);
                }
                Ok(Work::Eval(all))
            },
        );
    }
    table.add(OP, "of different shapes and dtypes", &[DType::F32, DType::F16, DType::U8], |inputs: &mut Inputs<'_>| {
        let a = inputs.f32([40], Fill::Whole(-5, 5))?;
        let b = inputs.tensor([3, 7], DType::F16, Fill::Whole(-5, 5))?;
        let c = inputs.tensor([], DType::U8, Fill::Whole(0, 99))?;
        Ok(Work::Eval(vec![&a * 2, &b + 1, &c + 1, &b * &c, a.gt(0)]))
    });
    table.add(OP, "the same twice, and a tensor itself", &[DType::F32], |inputs: &mut Inputs<'_>| {
        let a = inputs.f32([40], Fill::Whole(-5, 5))?;
        Ok(Work::Eval(vec![&a * 2, &a * 2, Expr::from(&a), a.sum(0), a.sum(0)]))
    });
    for n in [9, 20] {
        table.add(OP, format!("{n} sums"), &[DType::F32], move |inputs: &mut Inputs<'_>| {
            let x = inputs.f32([130, 5], Fill::Whole(-5, 5))?;
            let sums = (0..n).map(|i| Ok((&x * inputs.f32([130, 5], Fill::Whole(-5, 5))? + i).sum(0)));
            Ok(Work::Eval(sums.collect::<crate::Result<Vec<_>>>()?))
        });
    }
}

fn contractions(table: &mut Table) {
    let two: [(&str, &[usize], &[usize]); 16] = [
        ("ik,ik->k", &[700, 3], &[700, 3]),
        ("ik,ik->k", &[3, 700], &[3, 700]),
        ("ik,ik->i", &[5, 129], &[5, 129]),
        ("ik,kj->ij", &[17, 33], &[33, 9]),
        ("ik,kj->ij", &[64, 64], &[64, 64]),
        ("ik,kj->ij", &[65, 130], &[130, 67]),
        ("ki,kj->ij", &[130, 33], &[130, 35]),
        ("ik,kj->ij", &[20, 1100], &[1100, 18]),
        ("bi,oi->bo", &[6, 10], &[5, 10]),
        ("bij,bjk->bik", &[3, 7, 11], &[3, 11, 5]),
        ("bhqd,bhkd->bhqk", &[2, 3, 5, 8], &[2, 3, 7, 8]),
        ("i,j->ij", &[13], &[7]),
        ("ij,ij->", &[65, 64], &[65, 64]),
        ("ij,j->i", &[65, 64], &[64]),
        ("ijk,k->ji", &[3, 4, 5], &[5]),
        ("...k,k->...", &[2, 3, 65], &[65]),
    ];
    for (equation, a, b) in two {
        for dtype in [DType::F32, DType::F16, DType::I32] {
            let name = format!("{dtype} {equation} of {a:?} and {b:?}");
            table.expr("einsum", name, &[dtype], move |inputs| {
                let (a, b) =
                    (inputs.tensor(a, dtype, Fill::Whole(-5, 5))?, inputs.tensor(b, dtype, Fill::Whole(-5, 5))?);
                Ok(einsum(equation, &[a, b]))
            });
        }
        table.expr("einsum", format!("{equation} of {a:?} and {b:?}, then relu"), &[DType::F32], move |inputs| {
            let (a, b) = (inputs.f32(a, Fill::Uniform(-1.0, 1.0))?, inputs.f32(b, Fill::Uniform(-1.0, 1.0))?);
            Ok((einsum(equation, &[a, b]) + 0.5).relu())
        });
    }
    let one: [(&str, &[usize]); 6] = [
        ("ij->ji", &[65, 33]),
        ("ij->j", &[7, 5]),
        ("ii->i", &[33, 33]),
        ("ii->", &[33, 33]),
        ("ijk->ki", &[2, 3, 4]),
        ("iij->j", &[9, 9, 5]),
    ];
    for (equation, a) in one {
        table.expr("einsum", format!("{equation} of {a:?}"), &[DType::F32], move |inputs| {
            Ok(einsum(equation, &[inputs.f32(a, Fill::Whole(-5, 5))?]))
        });
    }
    table.expr("einsum", "three operands", &[DType::F32], |inputs| {
        let shapes = [[5, 7], [7, 9], [9, 3]];
        let parts = shapes.into_iter().map(|s| inputs.f32(s, Fill::Whole(-3, 3))).collect::<crate::Result<Vec<_>>>()?;
        Ok(einsum("ij,jk,kl->il", &parts))
    });
}
