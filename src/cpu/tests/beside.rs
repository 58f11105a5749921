//! Maps that are written by a pass which folds what is computed of the same elements.

use super::{first_mismatch, naive, poison, random, tensor};
use crate::cpu::program::Program;
use crate::expr::graph::Graph;
use crate::{DType, Expr, Tensor, assign};

/// A sum over some dims of what is computed of three tensors, and what else is.
type Case = fn([&Tensor; 3]) -> Vec<Expr>;

/// A loss and its gradient by a weight of every element, sums over rows and over columns beside maps, converted and plain.
const CASES: [(&str, Case); 8] = [
    ("loss and gradient", |[w, a, t]| {
        let loss = (w * a - t).square().sum(..);
        vec![loss.clone(), loss.grad(&[w]).unwrap().remove(0)]
    }),
    ("rows", |[w, a, t]| vec![w * a + t, (w * a).sum(1)]),
    ("columns", |[w, a, t]| vec![(w * a + t).sum(0), w * a - t]),
    ("first dim and last", |[w, a, t]| vec![(w * a + t).sum([0, 2]), (w - a).abs() * t]),
    ("what is folded is written", |[w, a, t]| vec![w * a * t, (w * a * t).sum(2)]),
    ("the largest", |[w, a, _]| vec![(w * a).amax([1, 2]), (w * a).cast(DType::F64)]),
    ("where the largest is", |[w, a, _]| vec![(w + a).argmax(1), w + a]),
    ("turned", |[w, a, _]| {
        let turned = |x: &Tensor| Expr::from(x).transpose(1, 2).eval().unwrap().transpose(1, 2).unwrap();
        vec![turned(w) * a, (turned(w) - a).square().sum(..)]
    }),
];

fn passes(exprs: &[Expr]) -> usize {
    let graph = Graph::new(&exprs.iter().map(|e| (e, e.dtype())).collect::<Vec<_>>()).unwrap();
    Program::new("test", &graph).unwrap().n_passes()
}

#[test]
fn maps_beside_folds_are_what_they_are_alone() {
    for shape in [[3, 5, 7], [1, 1, 1], [2, 3, 5000], [70, 40, 33], [5, 4097, 1], [600, 9, 65]] {
        for dtype in [DType::F32, DType::F64, DType::I32] {
            let [w, a, t] = [40, 41, 42].map(|seed| random(seed, &shape, dtype));
            for (name, case) in CASES {
                if dtype == DType::I32 && name == "loss and gradient" {
                    continue;
                }
                let exprs = case([&w, &a, &t]);
                let alone: Vec<Vec<f64>> = exprs.iter().map(|e| naive::elements(&e.eval().unwrap())).collect();
                // Contiguous targets, and such as lie in steps of two.
                for step in [1, 2] {
                    let targets: Vec<Tensor> = exprs
                        .iter()
                        .map(|e| {
                            let room: Vec<usize> = e.shape().iter().map(|n| n * step).collect();
                            let whole = poison(&crate::Shape::from(&room[..]), e.dtype());
                            (0..room.len()).fold(whole, |t, d| t.slice(d as isize, 0, room[d], step).unwrap())
                        })
                        .collect();
                    let pairs: Vec<(&Tensor, Expr)> = targets.iter().zip(exprs.iter().cloned()).collect();
                    assign(&pairs).unwrap();
                    for ((target, want), e) in targets.iter().zip(&alone).zip(&exprs) {
                        let got = naive::elements(target);
                        // Sums may be taken in another order than alone; what is not reduced may not.
                        let relative = if e.shape()[..] == shape { 0.0 } else { 1e-5 };
                        let wrong = first_mismatch(&got, want, relative);
                        let found = wrong.map(|i| (i, got.get(i), want.get(i)));
                        assert_eq!(found, None, "{name} of {dtype} {shape:?}, steps of {step}: {}", e.shape());
                    }
                }
            }
        }
    }
}

#[test]
fn what_reads_the_same_is_one_pass() {
    let [w, a, t] = [40, 41, 42].map(|seed| random(seed, &[70, 40, 33], DType::F32));
    for (name, case) in CASES.into_iter().filter(|case| case.0 != "turned") {
        // A place is made of the smallest words by a map of its own.
        let more = usize::from(name == "where the largest is");
        assert_eq!(passes(&case([&w, &a, &t])), 1 + more, "{name}");
    }
    // Of other tensors, of what is folded first, and of another shape.
    for apart in [
        vec![(&w * &a).sum(..), &t * 2],
        vec![(&w * &a).sum(2), &w / (&w * &a).sum(2).keepdim()],
        vec![(&w * &a).sum(..), &w.narrow(0, 0, 35).unwrap() * 2],
    ] {
        assert_eq!(passes(&apart), 2, "{apart:?}");
    }
}

#[test]
fn nothing_is_written_before_indices_were_looked_at() {
    let [w, a] = [40, 41].map(|seed| random(seed, &[70, 40], DType::F32));
    let out = poison(w.shape(), DType::F32);
    let before = naive::elements(&out);
    let places = tensor(&[70.0], &[1], DType::I64);
    let chosen = &w.index_select(0, &places) * (&w * &a).sum(..).cast(DType::F32);
    let other = poison(chosen.shape(), DType::F32);
    assign(&[(&out, &w - &a), (&other, chosen)]).unwrap_err();
    assert_eq!(naive::elements(&out), before);
}
