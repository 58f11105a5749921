//! The loop of operations that have no SIMD loop of their own: element by element, by the meaning in their row.
//!
//! It is right at once, and slow. All operations share it, so that one costs nothing to compile before it earns a loop
//! in `strips.rs`.

use std::cell::Cell;

use bytemuck::Pod;

use super::strip::Strip;
use crate::base::dtype::only_stored;
use crate::expr::op::{DTypeRule, Row};
use crate::{BinaryOp, DType, UnaryOp};

/// An operation on elements of a compute dtype.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    Unary(UnaryOp, DType),
    Binary(BinaryOp, DType),
}

impl Plain {
    /// Computes the elements of `out`. They may lie where those of an argument of the same size do: each element is read
    /// before it is written.
    pub(super) fn run(self, args: &[Strip<'_>], out: Strip<'_>) {
        match self {
            Self::Unary(op, dtype) => by_row(op.row(), dtype, [args[0]], out),
            Self::Binary(op, dtype) => by_row(op.row(), dtype, [args[0], args[1]], out),
        }
    }
}

fn by_row<const N: usize, B>(row: &Row<N, B>, dtype: DType, args: [Strip<'_>; N], out: Strip<'_>) {
    let to_bool = matches!(row.rule, DTypeRule::Predicate | DTypeRule::Logical);
    let meaning = row.meaning;
    match (dtype.compute(), to_bool) {
        (DType::F32, false) => each(|x: [f32; N]| meaning(x.map(f64::from)) as f32, args, out),
        (DType::F32, true) => each(|x: [f32; N]| u8::from(meaning(x.map(f64::from)) != 0.0), args, out),
        (DType::F64, false) => each(meaning, args, out),
        (DType::F64, true) => each(|x: [f64; N]| u8::from(meaning(x) != 0.0), args, out),
        (DType::I32, false) => each(|x: [i32; N]| row.on_i32(x), args, out),
        (DType::I32, true) => each(|x: [i32; N]| u8::from(row.on_i32(x) != 0), args, out),
        (DType::I64, false) => each(|x: [i64; N]| row.on_i64(x), args, out),
        (DType::I64, true) => each(|x: [i64; N]| u8::from(row.on_i64(x) != 0), args, out),
        (DType::Bool, _) => each(|x: [u8; N]| u8::from(meaning(x.map(f64::from)) != 0.0), args, out),
        (only_stored!(), _) => {
            unreachable!("nothing is computed in {dtype}")
        }
    }
}

fn each<const N: usize, T: Pod, O: Pod>(f: impl Fn([T; N]) -> O, args: [Strip<'_>; N], out: Strip<'_>) {
    let args: [&[Cell<T>]; N] = args.map(Strip::cells);
    for (i, out) in out.cells::<O>().iter().enumerate() {
        out.set(f(args.map(|arg| arg[if arg.len() == 1 { 0 } else { i }].get())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn strip<T: Pod>(elements: &mut [T]) -> Strip<'_> {
        let n = elements.len();
        Strip::of(Cell::from_mut(bytemuck::cast_slice_mut(elements)).as_slice_of_cells()).carve(0, n, size_of::<T>())
    }

    fn run<T: Pod + Element, O: Pod + Default + Element>(plain: Plain, args: &[&[T]]) -> Vec<f64> {
        let mut args: Vec<Vec<T>> = args.iter().map(|arg| arg.to_vec()).collect();
        let mut out = vec![O::default(); args.iter().map(Vec::len).max().unwrap()];
        plain.run(&args.iter_mut().map(|arg| strip(arg)).collect::<Vec<_>>(), strip(&mut out));
        out.into_iter().map(O::to_f64).collect()
    }

    #[test]
    fn a_loop_is_the_operations_meaning() {
        let x = [0.25_f32, -2.0, 1e10];
        let want: Vec<f64> = x.iter().map(|&x| f64::from((f64::from(x).tanh()) as f32)).collect();
        assert_eq!(run::<f32, f32>(Plain::Unary(UnaryOp::Tanh, DType::F32), &[&x]), want);
        assert_eq!(run::<f32, u8>(Plain::Binary(BinaryOp::Lt, DType::F32), &[&x, &[0.5]]), [1.0, 1.0, 0.0]);
        assert_eq!(run::<f64, f64>(Plain::Binary(BinaryOp::Pow, DType::F64), &[&[2.0], &[3.0, -1.0]]), [8.0, 0.5]);
        let i = [i32::MIN, -3, 7];
        assert_eq!(run::<i32, i32>(Plain::Unary(UnaryOp::Neg, DType::I32), &[&i]), [-2_147_483_648.0, 3.0, -7.0]);
        assert_eq!(run::<i32, u8>(Plain::Binary(BinaryOp::Ge, DType::I32), &[&i, &[-3]]), [0.0, 1.0, 1.0]);
        assert_eq!(
            run::<u8, u8>(Plain::Binary(BinaryOp::And, DType::Bool), &[&[0, 1, 1], &[1, 0, 1]]),
            [0.0, 0.0, 1.0]
        );
    }
}
