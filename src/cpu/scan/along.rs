//! The loops that scan along rows: by blocks, or by rows and pieces of rows side by side.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::blocks::{BLOCK, blocks};
use crate::cpu::arch::Arch;
use crate::cpu::fold::Join;
use crate::cpu::strip::Strip;
use crate::expr::scan::Scan;

/// Rows that are scanned side by side.
pub(super) const ROWS: usize = 8;
/// Elements from which on one row is scanned in pieces.
const LONG: usize = 16 * ROWS;

/// [`along`](super::loops::ScanLoops::along) of any elements.
pub(super) fn along<'a, T: Pod, R: Join<T>, S: Sides<T, R>, const BY_BLOCKS: bool>(
    arch: Arch,
    x: Strip<'a>,
    out: Strip<'a>,
    acc: Strip<'a>,
    start: Strip<'a>,
    scan: Scan,
) {
    let (acc, start) = (acc.cells::<R::Acc>(), start.cells::<R::Acc>()[0].get());
    let work = (x.cells::<T>(), out.cells::<T>(), acc, start, scan.reverse);
    if scan.exclusive {
        arch.dispatch(Scanned::<T, R, S, BY_BLOCKS, true>(work, PhantomData));
    } else {
        arch.dispatch(Scanned::<T, R, S, BY_BLOCKS, false>(work, PhantomData));
    }
}

/// [`total_along`](super::loops::ScanLoops::total_along) of any elements.
pub(super) fn total_along<T: Pod, R: Join<T>, S: Sides<T, R>, const BY_BLOCKS: bool>(
    arch: Arch,
    x: Strip<'_>,
    acc: Strip<'_>,
    scan: Scan,
) {
    arch.dispatch(Totals::<T, R, S, BY_BLOCKS>(x.cells(), acc.cells(), scan.reverse, PhantomData));
}

struct Totals<'a, T, R: Join<T>, S, const BY_BLOCKS: bool>(&'a [Cell<T>], &'a [Cell<R::Acc>], bool, PhantomData<S>);

impl<T: Pod, R: Join<T>, S: Sides<T, R>, const BY_BLOCKS: bool> NullaryFnOnce for Totals<'_, T, R, S, BY_BLOCKS> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self(x, acc, reverse, _) = self;
        for (row, acc) in x.chunks_exact(x.len() / acc.len()).zip(acc) {
            if BY_BLOCKS {
                row_by_blocks::<T, R, false, false>(row, &[], acc, R::NONE, reverse);
            } else {
                acc.set(R::join(acc.get(), S::total(row)));
            }
        }
    }
}

#[inline(always)]
fn row_by_blocks<T: Pod, R: Join<T>, const EXCLUSIVE: bool, const WRITE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &Cell<R::Acc>,
    start: R::Acc,
    reverse: bool,
) {
    if reverse {
        blocks::<T, R, EXCLUSIVE, true, WRITE>(x, out, acc, start);
    } else {
        blocks::<T, R, EXCLUSIVE, false, WRITE>(x, out, acc, start);
    }
}

/// Rows, their results, their accumulators, what each result is joined to, and whether rows are reversed.
type Work<'a, T, A> = (&'a [Cell<T>], &'a [Cell<T>], &'a [Cell<A>], A, bool);

struct Scanned<'a, T, R: Join<T>, S, const BY_BLOCKS: bool, const EXCLUSIVE: bool>(Work<'a, T, R::Acc>, PhantomData<S>);

impl<T: Pod, R: Join<T>, S: Sides<T, R>, const BY_BLOCKS: bool, const EXCLUSIVE: bool> NullaryFnOnce
    for Scanned<'_, T, R, S, BY_BLOCKS, EXCLUSIVE>
{
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let (x, out, acc, start, reverse) = self.0;
        let len = x.len() / acc.len();
        if BY_BLOCKS && (len >= BLOCK || acc.len() == 1) {
            for ((x, out), acc) in x.chunks_exact(len).zip(out.chunks_exact(len)).zip(acc) {
                row_by_blocks::<T, R, EXCLUSIVE, true>(x, out, acc, start, reverse);
            }
            return;
        }
        if let [acc] = acc
            && len >= LONG
        {
            return in_pieces::<T, R, S, EXCLUSIVE>(x, out, acc, reverse);
        }
        let (groups, rest) = acc.as_chunks::<ROWS>();
        let mut first = 0;
        for acc in groups {
            let row = |i: usize| (first + i) * len;
            let rows = (std::array::from_fn(|i| &x[row(i)..][..len]), std::array::from_fn(|i| &out[row(i)..][..len]));
            let carry = std::array::from_fn(|i| acc[i].get());
            let carry = S::beside::<EXCLUSIVE>(rows, carry, len, reverse);
            acc.iter().zip(carry).for_each(|(acc, carry)| acc.set(carry));
            first += ROWS;
        }
        for acc in rest {
            let (x, out) = (&x[first * len..][..len], &out[first * len..][..len]);
            let [carry] = beside::<T, R, 1, EXCLUSIVE>(([x], [out]), [acc.get()], len, reverse);
            acc.set(carry);
            first += 1;
        }
    }
}

/// A long row: the totals of its pieces, with which each piece begins, then all pieces side by side.
#[inline(always)]
fn in_pieces<T: Pod, R: Join<T>, S: Sides<T, R>, const EXCLUSIVE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &Cell<R::Acc>,
    reverse: bool,
) {
    let len = x.len() / ROWS;
    // The pieces in the order of the scan; what is left over comes last.
    let left = x.len() - ROWS * len;
    let (mut x_pieces, mut out_pieces, mut carries) = ([x; ROWS], [out; ROWS], [R::NONE; ROWS]);
    let mut carry = acc.get();
    for i in 0..ROWS {
        let start = if reverse { left + (ROWS - 1 - i) * len } else { i * len };
        (x_pieces[i], out_pieces[i], carries[i]) = (&x[start..][..len], &out[start..][..len], carry);
        carry = R::join(carry, S::total(x_pieces[i]));
    }
    let carries = S::beside::<EXCLUSIVE>((x_pieces, out_pieces), carries, len, reverse);
    let rest = if reverse { 0..left } else { x.len() - left..x.len() };
    let last = [carries[ROWS - 1]];
    let rest = ([&x[rest.clone()]], [&out[rest]]);
    let [carry] = beside::<T, R, 1, EXCLUSIVE>(rest, last, left, reverse);
    acc.set(carry);
}

/// Rows, and as many results.
pub(super) type SidesOf<'a, T, const N: usize> = ([&'a [Cell<T>]; N], [&'a [Cell<T>]; N]);

/// The loops of rows side by side.
pub(super) trait Sides<T: Pod, R: Join<T>> {
    /// What a row comes to: every eighth element into one of eight accumulators, which are put together in order.
    fn total(x: &[Cell<T>]) -> R::Acc;

    /// Scans rows of `len` elements, and returns their accumulators.
    fn beside<const EXCLUSIVE: bool>(
        sides: SidesOf<'_, T, ROWS>,
        acc: [R::Acc; ROWS],
        len: usize,
        reverse: bool,
    ) -> [R::Acc; ROWS];
}

/// Those of any elements on any CPU.
pub(super) struct Plain;

impl<T: Pod, R: Join<T>> Sides<T, R> for Plain {
    #[inline(always)]
    fn total(x: &[Cell<T>]) -> R::Acc {
        let mut acc = [R::NONE; ROWS];
        let (steps, rest) = x.as_chunks::<ROWS>();
        for step in steps {
            for i in 0..ROWS {
                acc[i] = R::with(acc[i], step[i].get());
            }
        }
        joined::<T, R>(acc, rest)
    }

    #[inline(always)]
    fn beside<const EXCLUSIVE: bool>(
        sides: SidesOf<'_, T, ROWS>,
        acc: [R::Acc; ROWS],
        len: usize,
        reverse: bool,
    ) -> [R::Acc; ROWS] {
        beside::<T, R, ROWS, EXCLUSIVE>(sides, acc, len, reverse)
    }
}

/// Accumulators put together in order, the first few of which take the elements of `rest` before.
#[inline(always)]
pub(super) fn joined<T: Pod, R: Join<T>>(mut acc: [R::Acc; ROWS], rest: &[Cell<T>]) -> R::Acc {
    for (acc, x) in acc.iter_mut().zip(rest) {
        *acc = R::with(*acc, x.get());
    }
    acc.into_iter().fold(R::NONE, R::join)
}

/// Scans `N` rows of `len` elements side by side into as many others, and returns their accumulators.
#[inline(always)]
pub(super) fn beside<T: Pod, R: Join<T>, const N: usize, const EXCLUSIVE: bool>(
    (x, out): SidesOf<'_, T, N>,
    mut acc: [R::Acc; N],
    len: usize,
    reverse: bool,
) -> [R::Acc; N] {
    for i in 0..len {
        let i = if reverse { len - 1 - i } else { i };
        for row in 0..N {
            let after = R::with(acc[row], x[row][i].get());
            out[row][i].set(R::narrow(if EXCLUSIVE { acc[row] } else { after }));
            acc[row] = after;
        }
    }
    acc
}
