//! Losses with their gradients, evaluated together.

use super::super::Work;
use super::super::inputs::{Fill, Inputs};
use super::{Part, Table};
use crate::{DType, Expr, Result, Tensor, einsum};

const OP: &str = "gradient";

pub(super) fn add(table: &mut Table) {
    combinations(table);
    models(table);
    views(table);
}

/// A loss and its gradients.
fn with_gradients(loss: Expr, wrt: &[&Tensor]) -> Result<Work> {
    let mut all = loss.grad(wrt)?;
    all.push(loss);
    Ok(Work::Eval(all))
}

/// `w * a + (1 - w) * b` against a target, with a weight for all, for each channel, for each row.
fn combinations(table: &mut Table) {
    let shapes: [(&[usize], &[usize]); 8] = [
        (&[3, 5, 5], &[]),
        (&[3, 9, 8], &[1]),
        (&[3, 9, 8], &[3, 1, 1]),
        (&[3, 96, 97], &[3, 1, 1]),
        (&[65, 19], &[65, 1]),
        (&[65, 19], &[19]),
        (&[5, 3000], &[5, 1]),
        (&[0, 4], &[4]),
    ];
    for (shape, weight) in shapes {
        for dtype in [DType::F32, DType::F16] {
            let name = format!("{dtype} combination of {shape:?} by {weight:?}");
            table.add(OP, name, &[dtype], move |inputs: &mut Inputs<'_>| {
                let mut next = |shape: &[usize]| inputs.tensor(shape, dtype, Fill::Uniform(-1.0, 1.0));
                let (a, b, target, w) = (next(shape)?, next(shape)?, next(shape)?, next(weight)?);
                with_gradients((&w * &a + (1 - &w) * &b - target).square().sum(..), &[&w])
            });
        }
    }
}

fn models(table: &mut Table) {
    for [batch, width, out] in [[3, 4, 5], [33, 65, 17]] {
        let name = format!("a layer of {width} by {out} on {batch}");
        table.add(OP, name, &[DType::F32], move |inputs: &mut Inputs<'_>| {
            let mut next = |shape: &[usize]| inputs.f32(shape, Fill::Uniform(-1.0, 1.0));
            let (x, w, c) = (next(&[batch, width])?, next(&[out, width])?, next(&[out])?);
            let y = (einsum("bi,oi->bo", &[&x, &w]) + &c).tanh();
            with_gradients(y.square().mean(..), &[&x, &w, &c])
        });
    }
    table.add(OP, "cross-entropy of a softmax", &[DType::F32], |inputs: &mut Inputs<'_>| {
        let (a, t) = (inputs.f32([65, 33], Fill::Uniform(-4.0, 4.0))?, inputs.f32([65, 33], Fill::Uniform(0.0, 1.0))?);
        let shifted = &a - a.amax(1).keepdim();
        let logs = &shifted - shifted.exp().sum(1).keepdim().log();
        with_gradients(-(&t * logs).sum(..), &[&a, &t])
    });
    table.add(OP, "products of rows, some with zeros", &[DType::F32], |inputs: &mut Inputs<'_>| {
        let x = inputs.f32([40, 5], Fill::Whole(-2, 3))?;
        with_gradients(x.prod(1).sum(..), &[&x])
    });
    table.add(OP, "of a gradient", &[DType::F32], |inputs: &mut Inputs<'_>| {
        let x = inputs.f32([67], Fill::Uniform(-1.0, 1.0))?;
        let first = (x.square() * x.sin()).sum(..).grad(&[&x])?.remove(0);
        with_gradients((first * 2.0).sum(..), &[&x])
    });
}

/// A part of a [20, 66] read, with respect to another.
fn views(table: &mut Table) {
    let parts: [(&str, Part); 8] = [
        ("all", |x| Ok(x.clone())),
        ("the transpose", |x| x.transpose(0, 1)),
        ("columns", |x| x.narrow(1, 3, 40)),
        ("rows, backwards", |x| x.narrow(0, 2, 9)?.flip(0)),
        ("every third column", |x| x.slice(1, 1, 66, 3)),
        ("a run across rows", |x| x.reshape([1320])?.narrow(0, 50, 300)),
        ("a row, repeated", |x| x.narrow(0, 7, 1)?.broadcast_to([5, 66])),
        ("every seventh", |x| x.reshape([1320])?.slice(0, 5, 1320, 7)),
    ];
    for (read, part) in parts {
        for (asked, wrt) in [parts[0], parts[2], parts[3], parts[5]] {
            for dtype in [DType::F32, DType::F16] {
                table.add(OP, format!("{dtype} {read}, by {asked}"), &[dtype], move |inputs: &mut Inputs<'_>| {
                    let x = inputs.tensor([20, 66], dtype, Fill::Whole(-9, 9))?;
                    let view = part(&x)?;
                    let weights = inputs.tensor(view.shape(), dtype, Fill::Whole(-2, 2))?;
                    let grad = (view.square() * weights).sum(..).grad(&[&wrt(&x)?])?.remove(0);
                    Ok(Work::Eval(vec![grad.sum(0), grad]))
                });
            }
        }
    }
}
