//! Rows folded into those that an index names.

use super::approx::Approx;
use super::reduce::reduce;
use crate::expr::graph::Fold;
use crate::{DType, ReduceOp};

/// The elements of `base` with rows of `values` folded in, one list of terms for each.
pub(super) fn folded(fold: Fold, row: usize, [keys, values, base]: [&[Approx]; 3], dtype: DType) -> Vec<Approx> {
    let mut terms: Vec<Vec<Approx>> = base.iter().map(|&x| vec![x]).collect();
    for (place, key) in keys.iter().enumerate() {
        for column in 0..row {
            terms[key.v as usize * row + column].push(values[place * row + column]);
        }
    }
    let one = |terms: Vec<Approx>| match fold {
        _ if terms.len() == 1 => terms[0],
        Fold::Sum => reduce(ReduceOp::Sum, &terms, dtype, dtype),
        Fold::Prod => reduce(ReduceOp::Prod, &terms, dtype, dtype),
        Fold::Amax => reduce(ReduceOp::Amax, &terms, dtype, dtype),
        Fold::Amin => reduce(ReduceOp::Amin, &terms, dtype, dtype),
        Fold::Last | Fold::Logaddexp => terms[terms.len() - 1],
    };
    // Nobody knows where rows go whose index is in doubt.
    let known = keys.iter().all(|key| key.is_exact());
    terms.into_iter().map(one).map(|x| if known { x } else { Approx::unknown(x.v) }).collect()
}
