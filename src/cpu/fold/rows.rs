//! Folding whole rows, and the middle dim of blocks that lie in a strip.

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::NullaryFnOnce;

use super::{Join, Prod, Widen};

/// Accumulators of a row: enough to keep SIMD units busy while each waits for itself.
pub(super) const LANES: usize = 32;

/// Folds a row in interleaved accumulators.
#[inline(always)]
pub(super) fn fold_row<T: Widen, R: Join<T>, const N: usize>(x: &[Cell<T>]) -> T {
    let (chunks, rest) = x.as_chunks::<N>();
    let mut lanes = [R::NONE; N];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = R::join(*lane, x.get());
        }
    }
    // A copy: accumulators whose index is known only later would not stay in registers.
    let mut all = lanes;
    for (lane, x) in all.iter_mut().zip(rest) {
        *lane = R::join(*lane, x.get());
    }
    join_halves::<T, R, _>(&all)
}

/// As [`fold_row`], of the products of the elements of two rows.
#[inline(always)]
pub(super) fn fold_products<T: Widen, R: Join<T>>(a: &[Cell<T>], b: &[Cell<T>]) -> T
where
    Prod: Join<T>,
{
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [R::NONE; LANES];
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane = R::join(*lane, Prod::join(a.get(), b.get()));
        }
    }
    let mut all = lanes;
    for (lane, (a, b)) in all.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = R::join(*lane, Prod::join(a.get(), b.get()));
    }
    join_halves::<T, R, _>(&all)
}

/// Folds accumulators by halves. Apart, so that the loop before it is compiled as if nothing followed.
#[inline(never)]
fn join_halves<T: Widen, R: Join<T>, const N: usize>(lanes: &[T; N]) -> T {
    let mut lanes = *lanes;
    let mut n = N / 2;
    while n > 0 {
        for i in 0..n {
            lanes[i] = R::join(lanes[i], lanes[i + n]);
        }
        n /= 2;
    }
    lanes[0]
}

/// Folds a block of `outer` by `reduced` by `inner` elements over its middle dim.
pub(super) struct Middle<'a, T, R> {
    pub(super) out: &'a [Cell<T>],
    pub(super) x: &'a [Cell<T>],
    pub(super) reduced: usize,
    pub(super) inner: usize,
    pub(super) join: PhantomData<R>,
}

impl<T: Widen, R: Join<T>> NullaryFnOnce for Middle<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { out, x, reduced, inner, .. } = self;
        match (reduced, inner) {
            (0, _) => out.iter().for_each(|out| out.set(<R as Join<T>>::NONE)),
            (2, 1) => fold_short::<T, R, 2>(out, x),
            (3, 1) => fold_short::<T, R, 3>(out, x),
            (4, 1) => fold_short::<T, R, 4>(out, x),
            (8, 1) => fold_short::<T, R, 8>(out, x),
            (_, 1) if reduced < 32 => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(row.iter().fold(<R as Join<T>>::NONE, |sum, x| R::join(sum, x.get())));
                }
            }
            // Joining more lanes takes longer than a short row.
            (_, 1) if reduced < 256 => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(fold_row::<T, R, 8>(row));
                }
            }
            (_, 1) => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(fold_row::<T, R, LANES>(row));
                }
            }
            _ => {
                for (out, block) in out.chunks_exact(inner).zip(x.chunks_exact(reduced * inner)) {
                    out.iter().for_each(|out| out.set(<R as Join<T>>::NONE));
                    for row in block.chunks_exact(inner) {
                        for (out, x) in out.iter().zip(row) {
                            out.set(R::join(out.get(), x.get()));
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn fold_short<T: Widen, R: Join<T>, const N: usize>(out: &[Cell<T>], x: &[Cell<T>]) {
    for (out, row) in out.iter().zip(x.as_chunks::<N>().0) {
        out.set(row.iter().fold(R::NONE, |sum, x| R::join(sum, x.get())));
    }
}
