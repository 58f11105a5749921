//! The loop that scans a row by blocks.
//!
//! In a block, each element waits for no more than two of its neighbours, and the blocks' totals are what is carried on:
//!
//! ```text
//! four:   p0 = x0, p1 = x0 + x1, p2 = x0 + (x1 + x2), p3 = (x0 + x1) + (x2 + x3)
//! block:  the last of each four: t0, t1, t2, t3
//! before: b0 = start + acc, b1 = b0 + t0, b2 = b0 + (t0 + t1), b3 = b0 + ((t0 + t1) + t2)
//! out:    b + p
//! acc:    acc + ((t0 + t1) + (t2 + t3))
//! ```
//!
//! `sums.rs` does the same for f32 with instructions of its own, to the same bits.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;

use bytemuck::Pod;

use crate::cpu::fold::Join;

/// Elements of a block.
pub(super) const BLOCK: usize = 16;

/// Scans a row into another, from an accumulator on, or only takes that on.
#[inline(always)]
pub(super) fn blocks<T: Pod, R: Join<T>, const EXCLUSIVE: bool, const REVERSE: bool, const WRITE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    acc: &Cell<R::Acc>,
    start: R::Acc,
) {
    let n = x.len();
    let mut carry = acc.get();
    for block in 0..n / BLOCK {
        let at = if REVERSE { n - (block + 1) * BLOCK } else { block * BLOCK };
        let place = |i: usize| if REVERSE { BLOCK - 1 - i } else { i };
        let Some(x) = x[at..].first_chunk::<BLOCK>() else { return };
        let mut p: [R::Acc; BLOCK] = std::array::from_fn(|i| R::widen(x[place(i)].get()));
        for by in [1, 2] {
            let before = p;
            for i in 0..BLOCK {
                if i % 4 >= by {
                    p[i] = R::join(before[i - by], before[i]);
                }
            }
        }
        let [t0, t1, t2, t3] = [p[3], p[7], p[11], p[15]];
        let two = R::join(t0, t1);
        if WRITE {
            let Some(out) = out[at..].first_chunk::<BLOCK>() else { return };
            let first = R::join(start, carry);
            let before = [first, R::join(first, t0), R::join(first, two), R::join(first, R::join(two, t2))];
            for i in 0..BLOCK {
                let before = before[i / 4];
                out[place(i)].set(R::narrow(match (EXCLUSIVE, i % 4) {
                    (false, _) => R::join(before, p[i]),
                    (true, 0) => before,
                    (true, _) => R::join(before, p[i - 1]),
                }));
            }
        }
        carry = R::join(carry, R::join(two, R::join(t2, t3)));
    }
    acc.set(rest::<T, R, EXCLUSIVE, WRITE>(x, out, carry, start, REVERSE));
}

/// Scans what fills no block, the last of the row, and returns the accumulator.
#[inline(always)]
pub(super) fn rest<T: Pod, R: Join<T>, const EXCLUSIVE: bool, const WRITE: bool>(
    x: &[Cell<T>],
    out: &[Cell<T>],
    mut carry: R::Acc,
    start: R::Acc,
    reverse: bool,
) -> R::Acc {
    let n = x.len();
    for i in n / BLOCK * BLOCK..n {
        let i = if reverse { n - 1 - i } else { i };
        let after = R::with(carry, x[i].get());
        if WRITE {
            out[i].set(R::narrow(R::join(start, if EXCLUSIVE { carry } else { after })));
        }
        carry = after;
    }
    carry
}
