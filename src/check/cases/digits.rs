//! Sums and moments where digits are lost first: of equal terms, whose roundings all go one way, and far from zero.

use super::super::accuracy::ulp;
use super::super::inputs::{Fill, Inputs};
use super::{Table, Work};
use crate::reference::{Reference, elements};
use crate::{DType, Expr, Result, Tensor};

/// Terms added, about where kernels cut rows up in another way.
const COUNTS: [usize; 5] = [13, 255, 1025, 3001, 4096];
const TERMS: [f64; 3] = [0.1, -1.000_000_1, 16_777_213.0];

pub(super) fn add(table: &mut Table) {
    for n in COUNTS {
        for term in TERMS {
            table.add("digits", format!("{n} terms of {term}"), &[DType::F32], move |inputs| equal(inputs, n, term));
        }
    }
    table.add("digits", "functions made of others", &[DType::F32], composed);
    for (offset, width) in [(170_000.0, 1.0), (1e6, 1.0), (-3e7, 1000.0), (0.0, 1.0)] {
        table.add("digits", format!("moments of {offset} + {width} u"), &[DType::F32], move |inputs| {
            moments(inputs, offset, width)
        });
    }
}

/// What reductions and functions make together, of numbers from -1 to 1, where no digit need be lost: within so many units
/// in the last place of what is exact.
fn composed(inputs: &mut Inputs<'_>) -> Result<Work> {
    const ROWS: usize = 7;
    const N: usize = 300;
    let x = inputs.f32([ROWS, N], Fill::Uniform(-1.0, 1.0))?;
    let values = elements(&x)?;
    let of_rows = |expr: Expr, units: f64, row: &dyn Fn(&[f64]) -> Vec<f64>| {
        within(expr, values.chunks(N).flat_map(row).collect(), |v| units * ulp::<f32>(v))
    };
    let sum = |row: &[f64], f: &dyn Fn(f64) -> f64| row.iter().map(|&v| f(v)).sum::<f64>();
    Ok(Work::Given(vec![
        of_rows(x.softmax(1), 6.0, &|row| row.iter().map(|v| v.exp() / sum(row, &f64::exp)).collect()),
        of_rows(x.log_softmax(1), 4.0, &|row| row.iter().map(|v| v - sum(row, &f64::exp).ln()).collect()),
        of_rows(x.logsumexp(1), 4.0, &|row| vec![sum(row, &f64::exp).ln()]),
        of_rows(x.norm(2, 1), 4.0, &|row| vec![sum(row, &|v| v * v).sqrt()]),
        of_rows(x.norm(3, 1), 4.0, &|row| vec![sum(row, &|v| v.abs().powi(3)).cbrt()]),
        of_rows(x.norm(1, 1), 1.0, &|row| vec![sum(row, &f64::abs)]),
    ]))
}

/// What an expression must give, each element within the bound of its value.
fn within(expr: Expr, values: Vec<f64>, bound: impl Fn(f64) -> f64) -> (Expr, Reference) {
    let bounds = values.iter().map(|&v| bound(v)).collect();
    let (shape, dtype) = (expr.shape().clone(), expr.dtype());
    (expr, Reference { shape, dtype, values, bounds })
}

/// The same where every element has one value.
fn constant(expr: Expr, value: f64, bound: f64) -> (Expr, Reference) {
    let n = expr.shape().numel();
    within(expr, vec![value; n], |_| bound)
}

/// Sums of equal terms, within two units in the last place.
fn equal(inputs: &Inputs<'_>, n: usize, term: f64) -> Result<Work> {
    let full = |shape: &[usize]| Tensor::full(shape, term as f32, inputs.device);
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, inputs.device);
    let exact = f64::from(term as f32) * n as f64;
    let sums = vec![
        full(&[n])?.sum(..),
        full(&[n, 3])?.sum(0),
        full(&[n, 64])?.sum(0),
        full(&[9, n])?.sum(1),
        full(&[3, n, 5])?.sum(1),
        full(&[n, 5])?.transpose(0, 1)?.sum(1),
        (full(&[n, 4])? * ones(&[n, 4])?).sum(0),
        (full(&[4, n])? * ones(&[4, n])?).sum(1),
    ];
    Ok(Work::Given(sums.into_iter().map(|sum| constant(sum, exact, 2.0 * ulp::<f32>(exact))).collect()))
}

/// Moments of numbers around `offset`, within a millionth.
fn moments(inputs: &mut Inputs<'_>, offset: f64, width: f64) -> Result<Work> {
    let n = 20_000;
    let x = inputs.f32([n], Fill::Uniform(offset, offset + width))?;
    let values = elements(&x)?;
    let mean = values.iter().sum::<f64>() / n as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
    let near = |expr: Expr, value: f64| constant(expr, value, 1e-6 * value);
    let (columns, rows) = (x.reshape([n, 1])?.broadcast_to([n, 3])?, x.reshape([1, n])?);
    Ok(Work::Given(vec![
        near(x.var(.., 0), variance),
        near(x.std(.., 0), variance.sqrt()),
        near(columns.var(0, 0), variance),
        near(rows.std(1, 0), variance.sqrt()),
        near(x.layer_norm(0, 0.0).square().mean(..), 1.0),
    ]))
}
