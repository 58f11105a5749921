//! Assignment in place: onto the operands themselves, onto views, several targets at once.
//!
//! What lies outside a target must stay as it was, which matters most where several elements share a word.

use super::super::Work;
use super::super::inputs::{Fill, Inputs, poison, upload};
use super::{EVERY, Part, Table};
use crate::{DType, Expr, Result, Shape, Tensor};

pub(super) fn add(table: &mut Table) {
    onto_itself(table);
    onto_views(table);
    converting(table);
    several(table);
    fill(table);
}

/// A buffer of poison to be written to in part.
fn poisoned(inputs: &Inputs<'_>, shape: impl Into<Shape>, dtype: DType) -> Result<Tensor> {
    let shape = shape.into();
    upload(&vec![poison(dtype); shape.numel()], dtype, shape, inputs.device)
}

#[allow(clippy::unnecessary_wraps, reason = "it is the last line of every closure that builds a case")]
fn one(target: Tensor, buffer: &Tensor, value: Expr) -> Result<Work> {
    Ok(Work::Assign(vec![(target, buffer.clone(), value)]))
}

/// A part of a tensor to write to, and what to write.
type Moved = fn(&Tensor) -> Result<(Tensor, Expr)>;

fn onto_itself(table: &mut Table) {
    const OP: &str = "in place";
    for dtype in EVERY.into_iter().filter(|&d| d != DType::Bool) {
        for n in [1, 3, 64, 1025] {
            table.add(OP, format!("{dtype} w * 3 + g of {n}"), &[dtype], move |inputs| {
                let (w, g) =
                    (inputs.tensor([n], dtype, Fill::Whole(0, 9))?, inputs.tensor([n], dtype, Fill::Whole(0, 9))?);
                one(w.clone(), &w, &w * 3 + g)
            });
        }
        // The reference, in f64, does not tell apart what u64s are put in order by.
        if dtype == DType::U64 {
            continue;
        }
        table.add(OP, format!("{dtype} clamp of a part"), &[dtype], move |inputs| {
            let w = inputs.tensor([40, 9], dtype, Fill::Whole(0, 9))?;
            let part = w.narrow(0, 3, 30)?;
            one(part.clone(), &w, part.clamp(2, 5))
        });
    }
    table.add(OP, "not of bools", &[DType::Bool], |inputs| {
        let w = inputs.tensor([263], DType::Bool, Fill::Whole(0, 1))?;
        one(w.clone(), &w, !&w)
    });
    let moved: [(&str, Moved); 9] = [
        ("shifted up", |x| Ok((x.narrow(0, 1, 66)?, x.narrow(0, 0, 66)? * 2))),
        ("shifted down", |x| Ok((x.narrow(0, 0, 66)?, x.narrow(0, 1, 66)? + 1))),
        ("its transpose", |x| Ok((x.clone(), x.transpose(0, 1)?.into()))),
        ("plus its transpose", |x| Ok((x.clone(), x + x.transpose(0, 1)?))),
        ("backwards", |x| Ok((x.clone(), x.flip(0)? * 2))),
        ("one row from all", |x| Ok((x.narrow(0, 5, 1)?, x.sum(0).reshape([1, 67])))),
        ("all minus a row of it", |x| Ok((x.clone(), x - x.narrow(0, 0, 1)?))),
        ("all minus its mean over rows", |x| Ok((x.clone(), x - x.sum(1).keepdim()))),
        ("upper half from lower", |x| Ok((x.narrow(0, 0, 33)?, x.narrow(0, 34, 33)? - 1))),
    ];
    for (name, moved) in moved {
        for dtype in [DType::F32, DType::F16, DType::I32] {
            table.add(OP, format!("{dtype} {name}"), &[dtype], move |inputs| {
                let x = inputs.tensor([67, 67], dtype, Fill::Whole(-9, 9))?;
                let (target, value) = moved(&x)?;
                one(target, &x, value)
            });
        }
    }
}

fn onto_views(table: &mut Table) {
    const OP: &str = "into a view";
    let parts: [(&str, Part); 11] = [
        ("one column", |x| x.narrow(1, 5, 1)),
        ("columns from 1", |x| x.narrow(1, 1, 30)),
        ("columns from 4", |x| x.narrow(1, 4, 8)),
        ("every second column", |x| x.slice(1, 1, 37, 2)),
        ("every third row", |x| x.slice(0, 2, 23, 3)),
        ("rows from 3", |x| x.narrow(0, 3, 11)),
        ("one element", |x| x.narrow(0, 3, 1)?.narrow(1, 7, 1)),
        ("transposed", |x| x.transpose(0, 1)),
        ("backwards", |x| x.flip(1)),
        ("both backwards and thinned", |x| x.flip(0)?.flip(1)?.slice(1, 0, 37, 3)),
        ("nothing", |x| x.narrow(0, 4, 0)),
    ];
    for (name, part) in parts {
        for dtype in EVERY {
            table.add(OP, format!("{dtype} {name}"), &[dtype], move |inputs| {
                let buffer = poisoned(inputs, [23, 37], dtype)?;
                let target = part(&buffer)?;
                let value = inputs.tensor(target.shape(), dtype, Fill::Whole(0, 1))?;
                one(target, &buffer, &value * &value)
            });
        }
        table.add(OP, format!("{name}, reading itself"), &[DType::F32], move |inputs| {
            let buffer = inputs.f32([23, 37], Fill::Whole(-9, 9))?;
            let target = part(&buffer)?;
            let row = inputs.f32(target.shape()[1], Fill::Whole(-9, 9))?;
            one(target.clone(), &buffer, target * 2 + row)
        });
        table.add(OP, format!("{name}, of a sum"), &[DType::F32], move |inputs| {
            let buffer = poisoned(inputs, [23, 37], DType::F32)?;
            let target = part(&buffer)?;
            let shape: Shape = std::iter::once(19).chain(target.shape().iter().copied()).collect();
            one(target, &buffer, inputs.f32(shape, Fill::Whole(-9, 9))?.sum(0))
        });
    }
    for dtype in [DType::F16, DType::U8] {
        for front in 0..9 {
            table.add(OP, format!("{dtype} 5 from {front}"), &[dtype], move |inputs| {
                let buffer = poisoned(inputs, [20], dtype)?;
                one(buffer.narrow(0, front, 5)?, &buffer, inputs.tensor([5], dtype, Fill::Whole(1, 9))? + 1)
            });
        }
    }
}

fn converting(table: &mut Table) {
    for from in EVERY {
        for to in EVERY {
            table.add("assign", format!("{from} into {to}"), &[from, to], move |inputs| {
                let target = poisoned(inputs, [263], to)?;
                let fill = if from.is_float() { Fill::Uniform(0.0, 200.0) } else { Fill::Whole(0, 255) };
                let x = inputs.tensor([263], from, fill)?;
                one(target.clone(), &target, if from == DType::Bool { x.into() } else { &x + &x })
            });
        }
    }
    let fits: [(&[usize], &[usize]); 6] = [
        (&[], &[23, 37]),
        (&[37], &[23, 37]),
        (&[23, 1], &[23, 37]),
        (&[1, 1], &[5]),
        (&[1, 37], &[4, 23, 37]),
        (&[], &[]),
    ];
    for (value, target) in fits.into_iter().filter(|(v, t)| v.len() <= t.len()) {
        for dtype in [DType::F32, DType::BF16, DType::U8] {
            table.add("assign", format!("{dtype} {value:?} into {target:?}"), &[dtype], move |inputs| {
                let target = poisoned(inputs, target, dtype)?;
                one(target.clone(), &target, inputs.tensor(value, dtype, Fill::Whole(0, 9))? * 2)
            });
        }
    }
}

fn several(table: &mut Table) {
    const OP: &str = "several targets";
    for dtype in [DType::F32, DType::F16, DType::U8] {
        table.add(OP, format!("{dtype} swap"), &[dtype], move |inputs| {
            let (a, b) =
                (inputs.tensor([1025], dtype, Fill::Whole(0, 9))?, inputs.tensor([1025], dtype, Fill::Whole(20, 29))?);
            Ok(Work::Assign(vec![(a.clone(), a.clone(), Expr::from(&b)), (b.clone(), b.clone(), Expr::from(&a))]))
        });
        table.add(OP, format!("{dtype} halves of one buffer swapped"), &[dtype], move |inputs| {
            let x = inputs.tensor([130], dtype, Fill::Whole(0, 99))?;
            let (a, b) = (x.narrow(0, 0, 64)?, x.narrow(0, 65, 64)?);
            Ok(Work::Assign(vec![(a.clone(), x.clone(), Expr::from(&b)), (b, x, Expr::from(&a))]))
        });
        table.add(OP, format!("{dtype} even and odd columns"), &[dtype], move |inputs| {
            let x = inputs.tensor([20, 30], dtype, Fill::Whole(0, 9))?;
            let (even, odd) = (x.slice(1, 0, 30, 2)?, x.slice(1, 1, 30, 2)?);
            Ok(Work::Assign(vec![(even.clone(), x.clone(), &even + &odd), (odd.clone(), x, &odd * 2 + &even)]))
        });
    }
    table.add(OP, "Adam", &[DType::F32], |inputs| {
        let mut next = |low, high| inputs.f32([1031], Fill::Uniform(low, high));
        let (w, g, m, v) = (next(-1.0, 1.0)?, next(-1.0, 1.0)?, next(-1.0, 1.0)?, next(0.1, 1.0)?);
        let (new_m, new_v) = (0.9 * &m + 0.1 * &g, 0.999 * &v + 0.001 * (&g * &g));
        let step = &new_m / (new_v.sqrt() + 1e-8) * 0.01;
        Ok(Work::Assign(vec![(w.clone(), w.clone(), &w - step), (m.clone(), m, new_m), (v.clone(), v, new_v)]))
    });
    table.add(OP, "f32 master and f16 copy", &[DType::F32, DType::F16], |inputs| {
        let (w, g) =
            (inputs.f32([263], Fill::Uniform(-1.0, 1.0))?, inputs.tensor([263], DType::F16, Fill::Uniform(-1.0, 1.0))?);
        let half = poisoned(inputs, [263], DType::F16)?;
        let new = &w - &g * 0.1;
        Ok(Work::Assign(vec![(w.clone(), w.clone(), new.clone()), (half.clone(), half, new)]))
    });
    table.add(OP, "of different shapes", &[DType::F32], |inputs| {
        let (a, b) = (inputs.f32([5], Fill::Whole(-9, 9))?, inputs.f32([3, 5], Fill::Whole(-9, 9))?);
        Ok(Work::Assign(vec![(a.clone(), a.clone(), b.sum(0)), (b.clone(), b.clone(), &b - &a)]))
    });
    table.add(OP, "one of them empty", &[DType::F32], |inputs| {
        let (a, b) = (inputs.f32([0, 3], Fill::Whole(-9, 9))?, inputs.f32([7], Fill::Whole(-9, 9))?);
        Ok(Work::Assign(vec![(a.clone(), a.clone(), &a * 2), (b.clone(), b.clone(), &b * 2)]))
    });
    for n in [9, 20] {
        table.add(OP, format!("{n} of them"), &[DType::F32], move |inputs| {
            let all = (0..n).map(|_| inputs.f32([65], Fill::Whole(-9, 9))).collect::<Result<Vec<_>>>()?;
            let next = |i: usize| &all[(i + 1) % n];
            Ok(Work::Assign(all.iter().enumerate().map(|(i, x)| (x.clone(), x.clone(), x * 2 - next(i))).collect()))
        });
    }
}

fn fill(table: &mut Table) {
    for dtype in EVERY {
        for n in [0, 1, 5, 64, 1025] {
            table.add("fill", format!("{dtype} {n}"), &[dtype], move |inputs| {
                let target = inputs.tensor([n], dtype, Fill::Whole(2, 3))?;
                one(target.clone(), &target, Expr::from(0))
            });
        }
        table.add("fill", format!("{dtype} every second column"), &[dtype], move |inputs| {
            let buffer = poisoned(inputs, [9, 21], dtype)?;
            one(buffer.slice(1, 0, 21, 2)?, &buffer, Expr::from(0.5))
        });
    }
}
