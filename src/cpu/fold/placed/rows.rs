//! The first element of each column whose key is smallest, of several rows at once.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::super::ROWS;
use super::any;
use super::keys::Key;
use super::numbers::Numbers;
use crate::cpu::math::words;

/// Columns whose accumulators are joined at once.
const COLUMNS: usize = 64;

/// So many columns of each row.
type Columns<'a> = [&'a [Cell<u32>; COLUMNS]; ROWS];

/// Several rows, joined with an accumulator for each column.
pub(super) struct Rows<'a, K> {
    pub(super) acc: &'a [Cell<i64>],
    pub(super) x: [&'a [Cell<u32>]; ROWS],
    pub(super) numbers: [Numbers<'a>; ROWS],
    pub(super) key: PhantomData<K>,
}

impl<K: Key> WithSimd for Rows<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { acc, x, numbers, .. } = self;
        let names = Names::new(&numbers).filter(|_| acc.len() >= COLUMNS);
        let Some(names) = names else {
            for row in 0..ROWS {
                by_ones::<K>(acc, x[row], numbers[row]);
            }
            return;
        };
        for start in (0..acc.len()).step_by(COLUMNS) {
            // The last columns may be joined twice, which changes nothing.
            let start = start.min(acc.len() - COLUMNS);
            let (acc, x) = (part(acc, start), columns(&x, start));
            let joined = match &names {
                Names::Rows(rows) => join::<K, S>(simd, acc, x, None, *rows),
                Names::Each(names) => {
                    let names = columns(names, start);
                    rise::<S>(simd, names) && join::<K, S>(simd, acc, x, Some(names), [0, 1])
                }
            };
            if !joined {
                odd::<K>(acc, x, &numbers, start);
            }
        }
    }
}

/// What elements are called, where they are compared in vectors.
pub(super) enum Names<'a> {
    /// Each by its row: the number of the first, and how far the next is from it.
    Rows([u32; 2]),
    /// Each by its own number.
    Each([&'a [Cell<u32>]; ROWS]),
}

impl<'a> Names<'a> {
    /// `None` where rows are numbered in some other way.
    #[inline(always)]
    pub(super) fn new(numbers: &[Numbers<'a>; ROWS]) -> Option<Self> {
        let (mut each, mut many) = ([&[][..]; ROWS], 0);
        for row in 0..ROWS {
            if let Numbers::Each(numbers) = numbers[row] {
                each[row] = numbers;
                many += 1;
            }
        }
        if many == ROWS {
            return Some(Self::Each(each));
        }
        let of_row = |row: usize| match numbers[row] {
            Numbers::Even { first, step: 0 } => Some(first),
            _ => None,
        };
        let first = of_row(0)?;
        let step = of_row(1)?.checked_sub(first)?;
        let number = |row: usize| step.checked_mul(row as u32)?.checked_add(first);
        let is_next = |row: usize| of_row(row).is_some_and(|of_row| number(row) == Some(of_row));
        (1..ROWS).all(is_next).then_some(Self::Rows([first, step]))
    }
}

/// So many columns of each row from `start` on.
#[inline(always)]
fn columns<'a>(x: &[&'a [Cell<u32>]; ROWS], start: usize) -> Columns<'a> {
    let mut columns = [part(x[0], start); ROWS];
    for row in 1..ROWS {
        columns[row] = part(x[row], start);
    }
    columns
}

#[inline(always)]
fn part<T>(x: &[T], start: usize) -> &[T; COLUMNS] {
    x[start..].first_chunk().expect("no columns beyond the last")
}

#[inline(always)]
fn load<S: Simd>(simd: S, from: &[Cell<u32>]) -> S::u32s {
    let mut x = simd.splat_u32s(0);
    let lanes: &mut [u32] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
    for (lane, from) in lanes.iter_mut().zip(&from[..S::U32_LANES]) {
        *lane = from.get();
    }
    x
}

/// Whether in each column the numbers rise from row to row.
#[inline(always)]
fn rise<S: Simd>(simd: S, numbers: Columns<'_>) -> bool {
    let mut falls = simd.splat_u32s(0);
    for column in (0..COLUMNS).step_by(S::U32_LANES) {
        for row in 1..ROWS {
            let (before, number) = (load(simd, &numbers[row - 1][column..]), load(simd, &numbers[row][column..]));
            let rises = simd.less_than_u32s(before, number);
            falls = simd.or_u32s(falls, simd.select_u32s(rises, simd.splat_u32s(0), simd.splat_u32s(1)));
        }
    }
    !any::<S>(falls)
}

/// Joins columns of [`ROWS`] rows with their accumulators. An element's number is `first` and `step` times its name, or its row,
/// which rises from row to row. If there may be a key that has not its order, nothing is written; whether it was.
#[inline(always)]
fn join<K: Key, S: Simd>(
    simd: S,
    acc: &[Cell<i64>; COLUMNS],
    x: Columns<'_>,
    names: Option<Columns<'_>>,
    [first, step]: [u32; 2],
) -> bool {
    let (mut least, mut numbers) = ([0_u32; COLUMNS], [0_u32; COLUMNS]);
    let mut odd = simd.splat_u32s(0);
    {
        let least: &mut [S::u32s] = bytemuck::cast_slice_mut(&mut least);
        let numbers: &mut [S::u32s] = bytemuck::cast_slice_mut(&mut numbers);
        for i in 0..COLUMNS / S::U32_LANES {
            let column = i * S::U32_LANES;
            let (mut rows, mut of_rows) = ([simd.splat_u32s(0); ROWS], [simd.splat_u32s(0); ROWS]);
            for row in 0..ROWS {
                rows[row] = load(simd, &x[row][column..]);
                of_rows[row] = match names {
                    Some(names) => load(simd, &names[row][column..]),
                    None => simd.splat_u32s(row as u32),
                };
            }
            (least[i], numbers[i]) = knockout::<K, S>(simd, rows, of_rows);
            odd = simd.or_u32s(odd, K::odd(simd, rows));
        }
    }
    if any::<S>(odd) {
        return false;
    }
    for i in 0..COLUMNS {
        least[i] = K::of(least[i]) as u32;
        numbers[i] = first.wrapping_add(step.wrapping_mul(numbers[i]));
    }
    for i in 0..COLUMNS {
        acc[i].set(acc[i].get().min(words(least[i] as i32, numbers[i] as i32)));
    }
    true
}

/// In each lane the element of the smallest key and the name of the first such row. Rows are compared by pairs, then the
/// winners.
#[inline(always)]
fn knockout<K: Key, S: Simd>(simd: S, x: [S::u32s; ROWS], names: [S::u32s; ROWS]) -> (S::u32s, S::u32s) {
    let (mut x, mut names) = (x, names);
    let mut left = ROWS / 2;
    while left > 0 {
        for i in 0..left {
            let (a, b) = (x[2 * i], x[2 * i + 1]);
            names[i] = simd.select_u32s(K::precedes(simd, b, a), names[2 * i + 1], names[2 * i]);
            x[i] = K::first(simd, b, a);
        }
        left /= 2;
    }
    (x[0], names[0])
}

/// Joins a row of whatever elements and numbers with its accumulators.
#[inline(always)]
pub(super) fn by_ones<K: Key>(acc: &[Cell<i64>], x: &[Cell<u32>], numbers: Numbers<'_>) {
    let acc = &acc[..x.len()];
    numbers.with(x, |i, x, number| acc[i].set(acc[i].get().min(words(K::of(x.get()), number as i32))));
}

/// The same of several rows, among whose elements is NaN, their columns from `start` on.
#[cold]
#[inline(never)]
fn odd<K: Key>(acc: &[Cell<i64>; COLUMNS], x: Columns<'_>, numbers: &[Numbers<'_>; ROWS], start: usize) {
    for (x, numbers) in x.iter().zip(numbers) {
        by_ones::<K>(acc, *x, numbers.part(start, COLUMNS));
    }
}
