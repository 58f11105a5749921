//! Scans along any dim, inclusive, exclusive and reversed, what feeds them and what follows.

use super::super::inputs::Fill;
use super::{EVERY, Table};
use crate::{DType, Scan, ScanOp};

const SHAPES: [(&[usize], isize); 16] = [
    (&[1], 0),
    (&[65], 0),
    (&[4099], 0),
    (&[300_000], 0),
    (&[65, 19], 0),
    (&[65, 19], 1),
    (&[64, 64], 1),
    (&[700, 3], 0),
    (&[3, 700], 1),
    (&[70_000, 4], 0),
    (&[4, 70_000], 1),
    (&[257, 255], 0),
    (&[2, 300, 5], 1),
    (&[4, 5, 6], -1),
    (&[0, 3], 0),
    (&[3, 0], 0),
];

const OPTIONS: [(&str, Scan); 4] = [
    ("", Scan { exclusive: false, reverse: false }),
    (", reversed", Scan { exclusive: false, reverse: true }),
    (", exclusive", Scan { exclusive: true, reverse: false }),
    (", exclusive and reversed", Scan { exclusive: true, reverse: true }),
];

pub(super) fn add(table: &mut Table) {
    for op in ScanOp::ALL {
        let fill = move |dtype: DType| match op {
            // Few factors above 1, so that the product stays in range.
            ScanOp::Cumprod if dtype.is_float() => Fill::Uniform(0.93, 1.07),
            ScanOp::Cumprod => Fill::Whole(-1, 1),
            _ if dtype == DType::U8 => Fill::Whole(0, 255),
            _ => Fill::Whole(-99, 99),
        };
        for dtype in EVERY {
            // The order of u64s is held by `tests/unsigned.rs`: f64 does not tell apart what it is found by.
            let is_order = dtype == DType::U64 && matches!(op, ScanOp::Cummax | ScanOp::Cummin);
            if is_order || op.dtype(dtype).is_none() {
                continue;
            }
            // A scan walks alike whatever it does: one of them goes every way.
            let every_way = op == ScanOp::Cumsum;
            let shapes = [(&[17, 33][..], 1), (&[17, 33], 0), (&[41, 3, 5], 1)];
            for (shape, dim) in shapes.into_iter().take(if every_way { 3 } else { 1 }) {
                table.expr(op.name(), format!("{dtype} {shape:?} along {dim}"), &[dtype], move |inputs| {
                    Ok(inputs.tensor(shape, dtype, fill(dtype))?.scan(op, dim, Scan::default()))
                });
            }
        }
        for (shape, dim) in SHAPES {
            // Of more factors, every bound is infinite.
            if op == ScanOp::Cumprod && shape.iter().product::<usize>() > 100_000 {
                continue;
            }
            let is_tried = |scan: Scan| op == ScanOp::Cumsum || scan.exclusive == scan.reverse;
            let options = OPTIONS.into_iter().filter(|&(_, scan)| is_tried(scan));
            for (how, scan) in options.filter(|(_, scan)| !scan.exclusive || op.has_identity()) {
                table.expr(op.name(), format!("{shape:?} along {dim}{how}"), &[DType::F32], move |inputs| {
                    Ok(inputs.tensor(shape, DType::F32, fill(DType::F32))?.scan(op, dim, scan))
                });
            }
        }
    }
    table.expr("cumsum", "of ordinary numbers, [300_000]", &[DType::F32], |inputs| {
        Ok(inputs.f32([300_000], Fill::Uniform(-1.0, 1.0))?.cumsum(0))
    });
    table.expr("cumsum", "of products, scaled, of a transposed view", &[DType::F32], |inputs| {
        let (x, row) = (inputs.f32([70, 90], Fill::Uniform(-1.0, 1.0))?, inputs.f32([70], Fill::Whole(-3, 3))?);
        Ok((x.transpose(0, 1)? * row).cumsum(0) * 0.5 + x.transpose(0, 1)?)
    });
    table.expr("cumsum", "of a cumsum, summed", &[DType::F32], |inputs| {
        Ok(inputs.f32([90, 70], Fill::Whole(-3, 3))?.cumsum(0).cumsum(1).sum(0))
    });
}
