//! Sizes round the widths that kernels are built in, broadcasting, and views.

use super::super::Work;
use super::super::inputs::{Fill, Inputs};
use super::{EVERY, Part, Table};
use crate::{DType, Expr, Index, cat, random};

pub(super) fn add(table: &mut Table) {
    sizes(table);
    broadcasts(table);
    views(table);
    indices(table);
    random_numbers(table);
    large(table);
}

fn sizes(table: &mut Table) {
    let around = |n: usize| [n - 1, n, n + 1];
    let sizes =
        (0..10).chain([64, 128, 256, 512, 1024, 4096, 65_536].into_iter().flat_map(around)).chain([31, 997, 100_003]);
    for n in sizes {
        for dtype in [DType::F32, DType::F16, DType::U8] {
            table.expr("sizes", format!("{dtype} {n}"), &[dtype], move |inputs| {
                let (x, y) =
                    (inputs.tensor([n], dtype, Fill::Whole(0, 9))?, inputs.tensor([n], dtype, Fill::Whole(0, 9))?);
                Ok(&x * y + x)
            });
        }
    }
    for n in [1, 3, 66, 257] {
        for dtype in EVERY {
            table.expr("sizes", format!("{dtype} {n} to bool"), &[dtype], move |inputs| {
                Ok(inputs.tensor([n], dtype, Fill::Whole(0, 2))?.ne(1))
            });
        }
    }
    for shape in [vec![], vec![1], vec![1, 1, 1], vec![0], vec![3, 0], vec![0, 4], vec![2, 3, 2, 3, 2, 3, 2, 3]] {
        table.expr("sizes", format!("shape {shape:?}"), &[DType::F32], move |inputs| {
            let mut next = || inputs.f32(shape.clone(), Fill::Whole(-9, 9));
            Ok(next()? * next()? - 1)
        });
    }
}

fn broadcasts(table: &mut Table) {
    let pairs: [(&[usize], &[usize]); 27] = [
        (&[], &[]),
        (&[], &[7]),
        (&[1], &[7]),
        (&[3, 9, 8], &[]),
        (&[3, 9, 8], &[3, 1, 1]),
        (&[3, 9, 8], &[9, 1]),
        (&[3, 9, 8], &[8]),
        (&[3, 9, 8], &[3, 1, 8]),
        (&[3, 32, 32], &[3, 1, 1]),
        (&[6, 1, 5], &[1, 7, 1]),
        (&[1, 9], &[9, 1]),
        (&[2, 3, 4, 5], &[4, 1]),
        (&[2, 3, 4, 5], &[3, 1, 5]),
        (&[2, 1, 3, 1, 5], &[4, 1, 2, 1]),
        (&[65, 19], &[19]),
        (&[65, 19], &[65, 1]),
        (&[65, 129], &[129]),
        (&[65, 129], &[65, 1]),
        (&[129, 64], &[64]),
        (&[129, 64], &[129, 1]),
        (&[2, 33, 67], &[2, 1, 67]),
        (&[1, 1000], &[7, 1]),
        (&[4, 70_000], &[70_000]),
        (&[70_000, 4], &[4]),
        (&[0, 4], &[4]),
        (&[3, 0], &[1]),
        (&[5, 1, 0], &[3, 1]),
    ];
    for (a, b) in pairs {
        for dtype in [DType::F32, DType::F16, DType::U8] {
            table.expr("broadcast", format!("{dtype} {a:?} and {b:?}"), &[dtype], move |inputs| {
                let (x, y) = (inputs.tensor(a, dtype, Fill::Whole(0, 9))?, inputs.tensor(b, dtype, Fill::Whole(0, 9))?);
                Ok(&x * &y + &y)
            });
        }
        table.expr("broadcast", format!("turned round {a:?} and {b:?}"), &[DType::F32], move |inputs| {
            let (x, y) = (inputs.f32(a, Fill::Whole(-9, 9))?, inputs.f32(b, Fill::Whole(-9, 9))?);
            Ok(&y - &x)
        });
    }
    table.expr("broadcast", "three ways", &[DType::F32], |inputs| {
        let (a, b) = (inputs.f32([5, 1, 1], Fill::Whole(-9, 9))?, inputs.f32([1, 7, 1], Fill::Whole(-9, 9))?);
        Ok(a * b + inputs.f32([67], Fill::Whole(-9, 9))?)
    });
    table.expr("broadcast", "an expression", &[DType::F32], |inputs| {
        let row = inputs.f32([1, 67], Fill::Uniform(-1.0, 1.0))?.exp();
        Ok(row.broadcast_to([9, 67]) * inputs.f32([9, 67], Fill::Uniform(-1.0, 1.0))?)
    });
}

type View = fn(&Expr) -> Expr;

/// Views of a [6, 10, 14], by name.
const VIEWS: [(&str, View); 27] = [
    ("itself", Clone::clone),
    ("transposed", |x| x.permute(&[2, 1, 0])),
    ("last two exchanged", |x| x.transpose(1, 2)),
    ("first two exchanged", |x| x.transpose(0, 1)),
    ("turned", |x| x.permute(&[1, 2, 0])),
    ("rows from 2", |x| x.narrow(0, 2, 3)),
    ("columns from 3", |x| x.narrow(2, 3, 7)),
    ("middle from 1", |x| x.narrow(1, 1, 8)),
    ("one column", |x| x.narrow(2, 5, 1)),
    ("every third column", |x| x.slice(2, 1, 14, 3)),
    ("every second row", |x| x.slice(0, 0, 6, 2)),
    ("last dim backwards", |x| x.flip(2)),
    ("first dim backwards", |x| x.flip(0)),
    ("all backwards", |x| x.flip(0).flip(1).flip(2)),
    ("backwards from an offset", |x| x.narrow(2, 2, 9).flip(2)),
    ("merged", |x| x.reshape([60, 14])),
    ("flat", |x| x.reshape([840])),
    ("split", |x| x.reshape([2, 3, 5, 2, 7, 2])),
    ("transposed, then flat", |x| x.permute(&[2, 1, 0]).reshape([840])),
    ("columns, then merged", |x| x.narrow(2, 3, 7).reshape([60, 7]).transpose(0, 1).reshape([7, 4, 15])),
    ("diagonal", |x| x.narrow(1, 0, 6).square_diagonal(0, 1)),
    ("an index", |x| x.at((-2, Index::NewAxis, Index::step(1.., 3), Index::slice(1, -1)))),
    ("another diagonal", |x| x.diagonal(-2, 2, 1)),
    ("rolled", |x| x.roll(-3, 2).roll(1, 0)),
    ("tiled", |x| x.at((1..3, .., ..5)).tile(&[2, 1, 3]).repeat_interleave(3, 0)),
    ("joined", |x| cat(&[x.at((.., 3..)), x.at((.., 5..6)), x.flip(1)], 1)),
    ("nothing of it", |x| x.narrow(1, 4, 0)),
];

fn views(table: &mut Table) {
    for (name, view) in VIEWS {
        for dtype in EVERY {
            table.expr("view", format!("{dtype} {name}"), &[dtype], move |inputs| {
                Ok(view(&inputs.tensor([6, 10, 14], dtype, Fill::Whole(0, 200))?.into()))
            });
        }
        table.expr("view", format!("{name} of a product, times whole"), &[DType::F32], move |inputs| {
            let (a, b) = (inputs.f32([6, 10, 14], Fill::Whole(-9, 9))?, inputs.f32([6, 1, 14], Fill::Whole(-9, 9))?);
            let x = view(&(&a * b));
            let y = inputs.f32(x.shape(), Fill::Whole(-9, 9))?;
            Ok(x * y + view(&a.into()))
        });
    }
    let parts: [(&str, Part); 6] = [
        ("transposed", |x| x.transpose(0, 1)),
        ("rows from an odd offset", |x| x.narrow(0, 3, 20)),
        ("columns from an odd offset", |x| x.narrow(1, 1, 33)),
        ("every second, backwards", |x| x.slice(1, 1, 67, 2)?.flip(1)),
        ("one row repeated", |x| x.narrow(0, 5, 1)?.broadcast_to([40, 67])),
        ("a copy in another shape", |x| x.transpose(0, 1)?.reshape([40, 67])),
    ];
    for (name, part) in parts {
        for dtype in EVERY {
            table.expr("view", format!("{dtype} tensor, {name}"), &[dtype], move |inputs| {
                let x = part(&inputs.tensor([40, 67], dtype, Fill::Whole(0, 1))?)?;
                let y = inputs.tensor(x.shape(), dtype, Fill::Whole(0, 1))?;
                Ok(x * y)
            });
        }
    }
    table.expr("view", "a matrix plus its transpose", &[DType::F32], |inputs| {
        let x = inputs.f32([65, 65], Fill::Whole(-9, 9))?;
        Ok(&x + x.transpose(0, 1)?)
    });
}

/// Numbers that no memory holds: alone, through every view, and in and after reductions.
fn indices(table: &mut Table) {
    for n in [0, 1, 3, 4, 5, 67, 1024, 70_001] {
        table.expr("arange", format!("{n}"), &[DType::I64], move |_| Ok(Expr::arange(n)));
        table.expr("arange", format!("{n} and a tensor"), &[DType::F32], move |inputs| {
            Ok(inputs.f32([n], Fill::Whole(-9, 9))? * Expr::numbers(n) + n as f64)
        });
    }
    for (name, view) in VIEWS {
        for (numel, shape) in [(840, [6, 10, 14]), (60, [6, 10, 1]), (10, [1, 10, 1]), (1, [1, 1, 1])] {
            let index = move || view(&Expr::numbers(numel).reshape(shape).broadcast_to([6, 10, 14]));
            table.expr("arange", format!("{shape:?} {name}"), &[DType::F32], move |inputs| {
                let x = index();
                Ok(inputs.f32(x.shape(), Fill::Whole(-9, 9))? * &x + x)
            });
            table.expr("arange", format!("{shape:?} {name}, summed"), &[DType::F32], move |inputs| {
                let x = index();
                Ok((inputs.f32(x.shape(), Fill::Whole(-9, 9))? * x).sum(0))
            });
        }
    }
    for (rows, columns) in [(7, 5), (129, 64), (3, 4096), (4096, 12), (1, 20_000)] {
        let row = move || Expr::numbers(rows).reshape([rows, 1]);
        for dims in [&[0_isize][..], &[1], &[0, 1]] {
            let name = format!("coordinates of [{rows}, {columns}] in a sum over {dims:?}");
            table.expr("arange", name, &[DType::F32], move |inputs| {
                let x = inputs.f32([rows, columns], Fill::Whole(-3, 3))?;
                Ok(Expr::select(row().lt(Expr::numbers(columns)), x, row() + 2).sum(dims))
            });
        }
        table.expr("arange", format!("[{rows}, {columns}] numbered, summed"), &[DType::I32], move |_| {
            Ok(Expr::numbers(rows * columns).reshape([rows, columns]).sum(1))
        });
        table.expr("arange", format!("after a sum of [{rows}, {columns}]"), &[DType::F32], move |inputs| {
            let x = inputs.f32([rows, columns], Fill::Whole(-3, 3))?;
            Ok(x.sum(0) * Expr::numbers(columns) + Expr::numbers(2 * columns).slice(0, 1, 2 * columns, 2))
        });
        table.expr("arange", format!("after a sum of [{columns}, {rows}] by rows"), &[DType::F32], move |inputs| {
            let x = inputs.f32([columns, rows], Fill::Whole(-3, 3))?;
            Ok(x.sum(1) + Expr::numbers(columns).flip(0))
        });
    }
    table.expr("arange", "one of u8", &[DType::U8], |inputs| {
        Ok(inputs.tensor([9, 67], DType::U8, Fill::Whole(0, 9))? + Expr::numbers(67).cast(DType::U8))
    });
}

/// Random numbers, whose bits the reference works out for itself, by themselves, in views and in reductions.
fn random_numbers(table: &mut Table) {
    for seed in [0, 7, 0x299f_31d0_a409_3822, u64::MAX] {
        for dtype in [DType::F32, DType::F16, DType::BF16, DType::F64] {
            for shape in [vec![1], vec![1023], vec![129, 68], vec![3, 1, 5, 7]] {
                let ones = Fill::Whole(1, 1);
                let like = shape.clone();
                table.expr("random", format!("uniform {dtype}{shape:?}, seed {seed}"), &[dtype], move |inputs| {
                    Ok(inputs.tensor(&like[..], dtype, ones)? * random::uniform(&like[..], dtype, seed))
                });
                table.expr("random", format!("normal {dtype}{shape:?}, seed {seed}"), &[dtype], move |inputs| {
                    Ok(inputs.tensor(&shape[..], dtype, ones)? * random::normal(&shape[..], dtype, seed))
                });
            }
        }
        for (name, view) in VIEWS {
            table.expr("random", format!("{name}, seed {seed}"), &[DType::F32], move |inputs| {
                let x = view(&random::uniform([6, 10, 14], DType::F32, seed));
                Ok((inputs.f32(x.shape(), Fill::Whole(-9, 9))? * x).sum(0))
            });
        }
        table.expr("random", format!("a mask in a sum, seed {seed}"), &[DType::F32], move |inputs| {
            let x = inputs.f32([70, 333], Fill::Whole(-9, 9))?;
            Ok(Expr::select(random::bernoulli([70, 333], 0.25, seed), x, 0).sum(1))
        });
    }
}

/// More workgroups than one axis of a dispatch holds, for workgroups of 64 whose invocations own four elements.
fn large(table: &mut Table) {
    const N: usize = 65_535 * 64 * 4 + 5;
    table.add("large", "u8, more than 65,535 workgroups", &[DType::U8], |inputs: &mut Inputs<'_>| {
        let x = inputs.tensor([N], DType::U8, Fill::Whole(0, 255))?;
        Ok(Work::Assign(vec![(x.clone(), x.clone(), &x * 3 + 1)]))
    });
    table.add("large", "f32 by column, more than 65,535 workgroups", &[DType::F32], |inputs: &mut Inputs<'_>| {
        let (x, row) = (inputs.f32([N / 5, 5], Fill::Whole(-9, 9))?, inputs.f32([5], Fill::Whole(-9, 9))?);
        Ok(Work::Assign(vec![(x.clone(), x.clone(), &x * row)]))
    });
    // A software adapter's workgroup takes 64 rows so short.
    table.expr("large", "u8 summed by row, more than 65,535 workgroups", &[DType::U8], |inputs: &mut Inputs<'_>| {
        Ok(inputs.tensor([65_535 * 64 + 5, 2], DType::U8, Fill::Whole(0, 255))?.sum(1))
    });
}
