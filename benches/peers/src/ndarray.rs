//! ndarray on all cores: loops that a user writes with `Zip` and `par_for_each`, in place, no temporary.

use std::hint::black_box;

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis, Zip};

use crate::timing::{median, numbers};

pub(crate) fn run(case: &str, n: usize) -> Option<f64> {
    let random = |seed, shape: (usize, usize)| {
        Array2::from_shape_vec(shape, numbers(seed, shape.0 * shape.1)).expect("as many numbers as elements")
    };
    let (a, b, w) = (random(1, (n, n)), random(2, (n, n)), random(3, (n, n)));
    let mut out = random(4, (n, n));
    let (row, column) = (random(5, (1, n)), random(6, (n, 1)));
    Some(match case {
        "copy" => median(|| Zip::from(&mut out).and(&a).par_for_each(|out, &a| *out = a)),
        "a*b" => median(|| Zip::from(&mut out).and(&a).and(&b).par_for_each(|out, &a, &b| *out = a * b)),
        "a*row" => median(|| Zip::from(&mut out).and(&a).and_broadcast(&row).par_for_each(|out, &a, &b| *out = a * b)),
        "a*column" => {
            median(|| Zip::from(&mut out).and(&a).and_broadcast(&column).par_for_each(|out, &a, &b| *out = a * b))
        }
        "a*0.7" => median(|| Zip::from(&mut out).and(&a).par_for_each(|out, &a| *out = a * 0.7)),
        "w*a+(1-w)*b" => median(|| {
            Zip::from(&mut out).and(&w).and(&a).and(&b).par_for_each(|out, &w, &a, &b| *out = w * a + (1.0 - w) * b);
        }),
        // What its methods do, product first, on one core.
        "(a*b).sum(0)" => median(|| drop(black_box((&a * &b).sum_axis(Axis(0))))),
        "(a*b).sum(1)" => median(|| {
            let sums: Vec<f32> = (a.outer_iter().into_par_iter()).zip(b.outer_iter()).map(|(a, b)| a.dot(&b)).collect();
            black_box(sums);
        }),
        "(a*b).sum()" => median(|| {
            let sum: f32 = (a.outer_iter().into_par_iter()).zip(b.outer_iter()).map(|(a, b)| a.dot(&b)).sum();
            black_box(sum);
        }),
        "adam" => {
            let (mut m, mut v) = (Array2::<f32>::zeros((n, n)), Array2::<f32>::zeros((n, n)));
            median(|| {
                Zip::from(&mut out).and(&mut m).and(&mut v).and(&b).par_for_each(|w, m, v, &g| {
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    *w -= 0.01 * *m / (1.2 * v.sqrt() + 1e-8);
                });
            })
        }
        _ => return None,
    })
}
