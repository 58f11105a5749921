//! The CPU path against one-element-at-a-time evaluation.

mod beside;
mod in_place;
mod maps;
mod naive;
mod narrow;
mod reductions;

use super::region::Region;
use crate::base::element::for_dtype;
use crate::expr::graph::Graph;
use crate::{DType, Device, Expr, Shape, Tensor, assign};

/// Deterministic numbers, small enough that integers do not overflow: the same for the same seed.
pub(super) fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5) * 8.0
        })
        .collect()
}

/// A tensor of `dtype` with these elements, fitted to it.
pub(super) fn tensor(values: &[f64], shape: &[usize], dtype: DType) -> Tensor {
    fn make<T: crate::Element>(values: &[f64], shape: &[usize], device: &Device) -> Tensor {
        let values: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
        Tensor::from_slice(&values, Shape::from(shape), device).unwrap()
    }
    let device = Device::cpu();
    let wide = |v: &f64| naive::fit(if dtype == DType::U8 { v.abs().trunc() } else { *v }, dtype);
    let values: Vec<f64> = values.iter().map(wide).collect();
    for_dtype!(dtype, T => make::<T>(&values, shape, &device))
}

pub(super) fn random(seed: u64, shape: &[usize], dtype: DType) -> Tensor {
    tensor(&noise(seed, shape.iter().product()), shape, dtype)
}

/// A tensor of a value that no test computes.
pub(super) fn poison(shape: &Shape, dtype: DType) -> Tensor {
    tensor(&vec![113.0; shape.numel()], shape, dtype)
}

/// The first element that is further from `want` than `relative` of it, and not NaN where it should be.
pub(super) fn first_mismatch(got: &[f64], want: &[f64], relative: f64) -> Option<usize> {
    if got.len() != want.len() {
        return Some(got.len().min(want.len()));
    }
    got.iter().zip(want).position(|(&g, &w)| {
        let same = g == w || g.is_nan() && w.is_nan();
        !(same || (g - w).abs() <= relative * w.abs().max(f64::MIN_POSITIVE))
    })
}

/// Evaluates into poisoned memory and compares with the plain meaning.
#[track_caller]
pub(super) fn check(what: &str, expr: &Expr, relative: f64) {
    let dtype = expr.dtype();
    let want = naive::evaluate(&[(expr, dtype)]).remove(0);
    let out = poison(expr.shape(), dtype);
    assign(&[(&out, expr.clone())]).unwrap();
    let got = naive::elements(&out);
    if let Some(i) = first_mismatch(&got, &want, relative) {
        panic!("{what}: element {i} of {} {}: {:?}, not {:?}", expr.dtype(), expr.shape(), got.get(i), want.get(i));
    }
}

/// What computes expressions of one shape, none of which has a reduction in it.
pub(super) fn region(exprs: &[&Expr]) -> Region {
    let outputs: Vec<_> = exprs.iter().map(|&e| (e, e.dtype())).collect();
    let graph = Graph::new(&outputs).unwrap();
    let outputs: Vec<_> = graph.roots.iter().map(|root| (root.value, root.dtype)).collect();
    Region::new("test", &graph, exprs[0].shape(), &outputs, &rustc_hash::FxHashMap::default(), true).unwrap()
}

#[test]
fn a_wrong_element_is_noticed() {
    let want = vec![1.0; 1000];
    let mut got = want.clone();
    assert_eq!(first_mismatch(&got, &want, 0.0), None);
    got[777] = 1.0 + 1e-6;
    assert_eq!(first_mismatch(&got, &want, 1e-7), Some(777));
    got[777] = f64::NAN;
    assert_eq!(first_mismatch(&got, &want, 1e-7), Some(777));
    assert_eq!(first_mismatch(&got[..999], &want, 1e-7), Some(999));
}
