//! The loop that scans rows down into accumulators, one for each column.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::loops::from;
use crate::cpu::fold::Join;
use crate::cpu::lines::{fetch, set_past_cache};
use crate::cpu::strip::{Strip, set_each};
use crate::expr::scan::Scan;

/// Columns computed at a time: a cache line of f32s.
const STEP: usize = 16;
/// Rows that columns are taken down before their accumulators are written. Past the cache it is one: written to eight places
/// by turns, what goes there takes an EPYC five times as long.
pub(super) const ROWS: usize = 8;
/// Rows ahead for which memory is asked where results go past the cache.
const AHEAD: usize = 2;

/// Rows, each so many elements after the one before; of the last there is no more than is scanned.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) strip: Strip<'a>,
    pub(super) step: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn cells<T: Pod>(self) -> RowCells<'a, T> {
        (self.strip.cells(), self.step)
    }
}

type RowCells<'a, T> = (&'a [Cell<T>], usize);

/// Scans the rows of `x` into those of `out`, or only takes accumulators on where `out` is empty. Past the cache rows of `out`
/// begin a cache line and are whole ones.
pub(super) struct Down<'a, T, R: Join<T>, const PAST_CACHE: bool> {
    pub(super) x: RowCells<'a, T>,
    pub(super) out: RowCells<'a, T>,
    pub(super) acc: &'a [Cell<R::Acc>],
    pub(super) start: &'a [Cell<R::Acc>],
    pub(super) scan: Scan,
}

impl<T: Pod, R: Join<T>, const PAST_CACHE: bool> NullaryFnOnce for Down<'_, T, R, PAST_CACHE> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        if self.out.0.is_empty() {
            self.rows::<false, false>();
        } else if self.scan.exclusive {
            self.rows::<true, true>();
        } else {
            self.rows::<false, true>();
        }
    }
}

impl<T: Pod, R: Join<T>, const PAST_CACHE: bool> Down<'_, T, R, PAST_CACHE> {
    #[inline(always)]
    fn rows<const EXCLUSIVE: bool, const WRITE: bool>(self) {
        let ((x, x_step), width) = (self.x, self.acc.len());
        let n = (x.len() - width) / x_step + 1;
        match width {
            1 => return self.columns::<1, EXCLUSIVE, WRITE>(0, 0..n, n),
            2 => return self.columns::<2, EXCLUSIVE, WRITE>(0, 0..n, n),
            3 => return self.columns::<3, EXCLUSIVE, WRITE>(0, 0..n, n),
            4 => return self.columns::<4, EXCLUSIVE, WRITE>(0, 0..n, n),
            _ => {}
        }
        let at_once = if PAST_CACHE { 1 } else { ROWS };
        for first in (0..n).step_by(at_once) {
            let rows = first..n.min(first + at_once);
            let steps = width / STEP * STEP;
            for column in (0..steps).step_by(STEP) {
                if PAST_CACHE {
                    let (row, next) = (first * x_step + column, AHEAD * x_step);
                    let last = (n - 1) * x_step + 2 * column;
                    fetch(x, if self.scan.reverse { (last - row).wrapping_sub(next) } else { row + next }, STEP);
                }
                self.columns::<STEP, EXCLUSIVE, WRITE>(column, rows.clone(), n);
            }
            for column in steps..width {
                self.columns::<1, EXCLUSIVE, WRITE>(column, rows.clone(), n);
            }
        }
    }

    /// Takes `N` columns down some of `n` rows, counted in the order of the scan.
    #[inline(always)]
    fn columns<const N: usize, const EXCLUSIVE: bool, const WRITE: bool>(
        &self,
        column: usize,
        rows: std::ops::Range<usize>,
        n: usize,
    ) {
        let Self { x: (x, x_step), out: (out, out_step), acc, start, scan } = self;
        let Some(acc) = acc[column..].first_chunk::<N>() else { return };
        let mut carry: [R::Acc; N] = std::array::from_fn(|i| acc[i].get());
        let mut before = [R::NONE; N];
        if WRITE {
            let Some(start) = start[column..].first_chunk::<N>() else { return };
            before = std::array::from_fn(|i| start[i].get());
        }
        for row in rows {
            let row = if scan.reverse { n - 1 - row } else { row };
            let Some(x) = x[row * x_step + column..].first_chunk::<N>() else { return };
            let last = carry;
            for i in 0..N {
                carry[i] = R::with(carry[i], x[i].get());
            }
            if WRITE {
                let Some(out) = out[row * out_step + column..].first_chunk::<N>() else { return };
                let mut y = [T::zeroed(); N];
                for i in 0..N {
                    y[i] = R::narrow(from::<T, R>(before[i], if EXCLUSIVE { last[i] } else { carry[i] }));
                }
                if PAST_CACHE {
                    set_past_cache(out, y);
                } else {
                    set_each(out, y);
                }
            }
        }
        for i in 0..N {
            acc[i].set(carry[i]);
        }
    }
}
