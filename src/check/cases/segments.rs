//! Rows folded into those that an index names.

use super::super::inputs::Fill;
use super::Table;
use crate::{DType, Expr, ReduceOp};

/// Rows, destinations and columns.
const SIZES: [[usize; 3]; 4] = [[33, 20, 5], [3000, 700, 3], [700, 40_000, 2], [5000, 1, 33]];

pub(super) fn add(table: &mut Table) {
    for [m, n, row] in SIZES {
        for op in [ReduceOp::Sum, ReduceOp::Amax] {
            let name = format!("{op:?} of [{m}, {row}] into [{n}, {row}]");
            table.expr("index_reduce", name, &[DType::F32], move |inputs| {
                let (x, values) =
                    (inputs.f32([n, row], Fill::Uniform(-1.0, 1.0))?, inputs.f32([m, row], Fill::Uniform(-1.0, 1.0))?);
                let index = (Expr::arange(m) * 7919).remainder(n as i64);
                Ok(x.index_reduce(0, index, values, op, true))
            });
        }
    }
    for (op, dtype, fill) in [
        (ReduceOp::Prod, DType::F32, Fill::Uniform(0.9, 1.1)),
        (ReduceOp::Amin, DType::I64, Fill::Whole(-99, 99)),
        (ReduceOp::Sum, DType::F16, Fill::Whole(-9, 9)),
        (ReduceOp::Sum, DType::I8, Fill::Whole(-99, 99)),
    ] {
        table.expr("scatter_reduce", format!("{op:?} of {dtype}"), &[dtype], move |inputs| {
            let (x, values) = (inputs.tensor([90, 4], dtype, fill)?, inputs.tensor([300, 4], dtype, fill)?);
            let index = (Expr::arange(1200) * 31).remainder(90).reshape([300, 4]);
            // The reference, in f64, does not hold the largest i64, which a reduction of nothing gives.
            Ok(x.scatter_reduce(0, index, values, op, dtype == DType::I64))
        });
    }
}
