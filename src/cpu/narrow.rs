//! Integers of 8 and 16 bits computed as they are stored.
//!
//! They are computed in i32 and rounded to their width. Of sums, differences, products and bits of integers, the low bits
//! of a result depend on the low bits of the arguments alone, so what is made of such, to be stored, is as well computed
//! without the rest: two or four times as many elements in a vector.

use rustc_hash::{FxHashMap, FxHashSet};

use super::loops::{Loop, map2_in_place};
use super::region::Temps;
use super::strips::arithmetic;
use crate::expr::graph::{self, Graph, Id, Step, Take};
use crate::{BinaryOp, DType};

/// What is known of a value's bits as a narrow dtype has them.
#[derive(Clone, Copy, Default)]
struct Narrow {
    /// Whether they can be computed from elements of the dtype that are stored, and from numbers.
    low: bool,
    /// Whether they are all that the value is.
    whole: bool,
}

/// Which of `ids`, arguments first, can be computed in `dtype` where that is what is stored of them.
pub(super) fn narrow(graph: &Graph, ids: &[Id], dtype: DType, temps: &Temps) -> FxHashSet<Id> {
    if !matches!(dtype, DType::U8 | DType::I8 | DType::U16 | DType::I16) {
        return FxHashSet::default();
    }
    let mut known: FxHashMap<Id, Narrow> = FxHashMap::default();
    for &id in ids {
        let value = &graph.values[id];
        if value.dtype != DType::I32 || temps.contains_key(&id) {
            continue;
        }
        let of = |id: Id| known.get(&id).copied().unwrap_or_default();
        let both = |a: Id, b: Id| Narrow { low: of(a).low && of(b).low, whole: of(a).whole && of(b).whole };
        let found = match value.step {
            Step::Load { buffer, .. } | Step::Take(Take { from: graph::Source::Buffer(buffer), .. }) => {
                let is_stored = graph.buffers[buffer].1 == dtype;
                Narrow { low: is_stored, whole: is_stored }
            }
            Step::Scalar { .. } => Narrow { low: true, whole: false },
            Step::Round(to, a) if to == dtype => Narrow { low: of(a).low, whole: of(a).low },
            Step::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, a, b) => Narrow { whole: false, ..both(a, b) },
            Step::Binary(BinaryOp::BitwiseAnd | BinaryOp::BitwiseOr | BinaryOp::BitwiseXor, a, b) => both(a, b),
            Step::Binary(BinaryOp::Maximum | BinaryOp::Minimum, a, b) => {
                let whole = both(a, b).whole;
                Narrow { low: whole, whole }
            }
            _ => continue,
        };
        known.insert(id, found);
    }
    known.into_iter().filter(|(_, narrow)| narrow.low).map(|(id, _)| id).collect()
}

/// The loop of one of those operations on elements of `dtype`.
pub(super) fn binary(op: BinaryOp, dtype: DType) -> Option<Loop> {
    Some(match dtype {
        DType::U8 => arithmetic!(op, u8, return None),
        DType::I8 => arithmetic!(op, i8, return None),
        DType::U16 => arithmetic!(op, u16, return None),
        DType::I16 => arithmetic!(op, i16, return None),
        _ => return None,
    })
}
