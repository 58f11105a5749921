//! Sorts: elements and places, all of them and a few, of rows that take one block, a merge and several, or go by digits.

use super::{EVERY, Table};
use crate::DType;
use crate::check::inputs::Fill;

const SHAPES: [&[usize]; 4] = [&[40, 7], &[3, 700], &[2, 3000], LONG];
/// Rows that software adapters sort by digits.
const LONG: &[usize] = &[2, 9000];

pub(super) fn add(table: &mut Table) {
    let dtypes = EVERY.into_iter().filter(|&dtype| dtype != DType::U64);
    for (dtype, shape) in dtypes.flat_map(|dtype| [(dtype, SHAPES[1]), (dtype, LONG)]) {
        // Few numbers, so that many are equal; subnormal ones leave every place in doubt.
        let fill = if dtype.is_float() { Fill::Special } else { Fill::Whole(0, 99) };
        for descending in [false, true] {
            let name = format!("{dtype} {shape:?}{}", if descending { ", falling" } else { "" });
            table.expr("sort", &name, &[dtype], move |inputs| {
                Ok(inputs.tensor(shape, dtype, fill)?.sort(1, descending).0)
            });
            table.expr("argsort", &name, &[dtype], move |inputs| {
                Ok(inputs.tensor(shape, dtype, Fill::Whole(0, 99))?.argsort(1, descending))
            });
        }
    }
    for shape in SHAPES {
        let fill = Fill::Whole(-99, 99);
        table.expr("sort", format!("{shape:?}"), &[DType::F32], move |inputs| {
            Ok(inputs.tensor(shape, DType::F32, fill)?.sort(1, false).0)
        });
        table.expr("argsort", format!("{shape:?} along 0"), &[DType::I32], move |inputs| {
            Ok(inputs.tensor(shape, DType::I32, fill)?.argsort(0, true))
        });
        table.expr("topk", format!("5 of {shape:?}"), &[DType::F32], move |inputs| {
            Ok(inputs.tensor(shape, DType::F32, fill)?.topk(5, 1, true).0)
        });
        table.expr("topk", format!("places of 5 of {shape:?}"), &[DType::I32], move |inputs| {
            Ok(inputs.tensor(shape, DType::I32, fill)?.topk(5, 1, false).1)
        });
        table.expr("kthvalue", format!("6 of {shape:?}"), &[DType::F32], move |inputs| {
            Ok(inputs.tensor(shape, DType::F32, fill)?.kthvalue(6, 1).0)
        });
        table.expr("kthvalue", format!("place of 6 of {shape:?}"), &[DType::F32], move |inputs| {
            Ok(inputs.tensor(shape, DType::F32, fill)?.kthvalue(6, 1).1)
        });
    }
}
