//! The loop of operations that have no SIMD loop of their own: element by element, by the meaning in their row.
//!
//! It is right at once, and slow. All operations share it, so that one costs nothing to compile before it earns a loop
//! in `strips.rs`.

use bytemuck::Pod;

use super::kernel::Src;
use crate::expr::op::{DTypeRule, Row};
use crate::{BinaryOp, DType, UnaryOp};

/// An operation on elements of a compute dtype.
#[derive(Clone, Copy)]
pub(super) enum Plain {
    Unary(UnaryOp, DType),
    Binary(BinaryOp, DType),
}

impl Plain {
    /// Writes `n` elements. The result may lie where an argument of the same size does: each element is read before it
    /// is written.
    ///
    /// # Safety
    ///
    /// As [`Run`](super::kernel::Run) demands, of one argument or two, of the dtype.
    pub(super) unsafe fn run(self, args: &[Src], out: *mut u8, n: usize) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Unary(op, dtype) => by_row(op.row(), dtype, [args[0]], out, n),
                Self::Binary(op, dtype) => by_row(op.row(), dtype, [args[0], args[1]], out, n),
            }
        }
    }
}

/// # Safety
///
/// As [`Plain::run`].
unsafe fn by_row<const N: usize, B>(row: &Row<N, B>, dtype: DType, args: [Src; N], out: *mut u8, n: usize) {
    let to_bool = matches!(row.rule, DTypeRule::Predicate | DTypeRule::Logical);
    let meaning = row.meaning;
    // SAFETY: the caller's: arguments are of `dtype`, and so is the result if it is no bool.
    unsafe {
        match (dtype.compute(), to_bool) {
            (DType::F32, false) => each(|x: [f32; N]| meaning(x.map(f64::from)) as f32, args, out, n),
            (DType::F32, true) => each(|x: [f32; N]| u8::from(meaning(x.map(f64::from)) != 0.0), args, out, n),
            (DType::F64, false) => each(meaning, args, out, n),
            (DType::F64, true) => each(|x: [f64; N]| u8::from(meaning(x) != 0.0), args, out, n),
            (DType::I32, false) => each(|x: [i32; N]| row.on_i32(x), args, out, n),
            (DType::I32, true) => each(|x: [i32; N]| u8::from(row.on_i32(x) != 0), args, out, n),
            (DType::Bool, _) => each(|x: [u8; N]| u8::from(meaning(x.map(f64::from)) != 0.0), args, out, n),
            (DType::U8 | DType::F16 | DType::BF16, _) => unreachable!("nothing is computed in {dtype}"),
        }
    }
}

/// # Safety
///
/// As [`Plain::run`], for arguments of `T` and a result of `O`.
unsafe fn each<const N: usize, T: Pod, O: Pod>(f: impl Fn([T; N]) -> O, args: [Src; N], out: *mut u8, n: usize) {
    for i in 0..n {
        let x = args.map(|arg| {
            // SAFETY: the caller vouches for `n` reads, or for one of a splat, aligned; any bits are a `T`.
            unsafe { arg.at.cast::<T>().add(if arg.splat { 0 } else { i }).read() }
        });
        // SAFETY: the caller vouches for `n` writes, aligned.
        unsafe { out.cast::<O>().add(i).write(f(x)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    fn run<T: Pod + Element, O: Pod + Default + Element>(plain: Plain, args: &[&[T]]) -> Vec<f64> {
        let n = args.iter().map(|arg| arg.len()).max().unwrap();
        let sources: Vec<Src> = args.iter().map(|arg| Src { at: arg.as_ptr().cast(), splat: arg.len() == 1 }).collect();
        let mut out = vec![O::default(); n];
        // SAFETY: slices of `n` elements, or of one.
        unsafe { plain.run(&sources, out.as_mut_ptr().cast(), n) };
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
