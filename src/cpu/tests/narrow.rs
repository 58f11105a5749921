//! Integers computed as they are stored.

use super::{check, naive, region, tensor};
use crate::{DType, Expr, Tensor};

/// Integers of 8 and 16 bits are computed as they are stored where low bits decide, and have the bits of wider ones.
#[test]
fn narrow_integers() {
    type Op = fn(&Tensor, &Tensor) -> Expr;
    // With the instructions of each as they are computed narrow; `None`: they are not.
    let cases: [(Op, Option<usize>); 14] = [
        (|p, q| p + q, Some(1)),
        (|p, q| p - q * p, Some(2)),
        (|p, q| p.bitwise_and(q).bitwise_or(p.bitwise_xor(q)), Some(3)),
        (|p, _| p * 77 + 3, Some(2)),
        (|p, q| (p + q).maximum(q), Some(2)),
        (|p, q| p.maximum(q).minimum(p), Some(2)),
        (|p, q| (p * q) * (p * q), Some(2)),
        (|p, q| p.maximum(p.bitwise_and(q)), Some(2)),
        (|p, _| p.maximum(5), None),
        (|p, q| p.floor_divide(q), None),
        (|p, q| p + q.floor_divide(p), None),
        (|p, _| p.abs(), None),
        (|p, q| p.bitwise_right_shift(q), None),
        (|p, q| (p + q).bitwise_left_shift(1), None),
    ];
    for dtype in [DType::U8, DType::I8, DType::U16, DType::I16] {
        let ends = [0, 1, 127, 128, 255, 32767, 32768, 65535];
        let numbers: Vec<f64> = (0..997).map(|i| dtype.wrap(ends[i % 8] + (i as i64 / 8) * 7919) as f64).collect();
        let turned: Vec<f64> = numbers.iter().rev().copied().collect();
        let [p, q] = [&numbers, &turned].map(|x| tensor(x, &[x.len()], dtype));
        let wide = [&numbers, &turned].map(|x| tensor(x, &[x.len()], DType::I64));
        for (i, (op, narrow)) in cases.iter().enumerate() {
            let expr = op(&p, &q);
            if expr.error().is_some() {
                continue;
            }
            let code = &region(&[&expr]).code;
            let is_narrow = code.iter().all(|instruction| instruction.size == dtype.size());
            assert_eq!(is_narrow, narrow.is_some(), "{dtype} case {i}");
            if let Some(narrow) = narrow {
                assert_eq!(code.len(), *narrow, "{dtype} case {i}");
                // The larger of two that were rounded is not that of two that were not.
                if ![4, 5, 7].contains(&i) {
                    let want = op(&wide[0], &wide[1]).cast(dtype).eval().unwrap();
                    assert_eq!(naive::elements(&expr.eval().unwrap()), naive::elements(&want), "{dtype} case {i}");
                }
            }
            check(&format!("{dtype} case {i}"), &expr, 0.0);
        }
    }
}
