//! The numbers of the elements of a strip.

use std::cell::Cell;

use super::super::{Factors, ROWS};
use crate::cpu::strip::Strip;

/// Each a number of its own, or numbers in even steps, which may be 0.
#[derive(Clone, Copy)]
pub(super) enum Numbers<'a> {
    Each(&'a [Cell<u32>]),
    Even { first: u32, step: u32 },
}

impl<'a> Numbers<'a> {
    /// Those of `n` elements: one for each, one for all, or the first two of even steps.
    pub(super) fn new(strip: Strip<'a>, n: usize) -> Self {
        match strip.cells::<u32>() {
            [one] => Self::Even { first: one.get(), step: 0 },
            each if each.len() == n => Self::Each(each),
            [first, second] => Self::Even { first: first.get(), step: second.get().wrapping_sub(first.get()) },
            numbers => unreachable!("{} numbers of {n} elements", numbers.len()),
        }
    }

    #[inline(always)]
    pub(super) fn at(self, i: usize) -> u32 {
        match self {
            Self::Each(numbers) => numbers[i].get(),
            Self::Even { first, step } => first.wrapping_add(step.wrapping_mul(i as u32)),
        }
    }

    /// Those of `n` elements from `start` on.
    #[inline(always)]
    pub(super) fn part(self, start: usize, n: usize) -> Self {
        match self {
            Self::Each(numbers) => Self::Each(&numbers[start..][..n]),
            Self::Even { step, .. } => Self::Even { first: self.at(start), step },
        }
    }

    /// Calls `f` with each of `x` and its number.
    #[inline(always)]
    pub(super) fn with<T>(self, x: &[T], mut f: impl FnMut(usize, &T, u32)) {
        // Loops that know what numbers they have are made vectors of.
        match self {
            Self::Each(numbers) => {
                for (i, (x, number)) in x.iter().zip(numbers).enumerate() {
                    f(i, x, number.get());
                }
            }
            Self::Even { first, step } => {
                for (i, x) in x.iter().enumerate() {
                    f(i, x, first.wrapping_add(step.wrapping_mul(i as u32)));
                }
            }
        }
    }

    /// Whether the numbers of later elements are known to be no smaller.
    #[inline(always)]
    pub(super) fn rise(self) -> bool {
        matches!(self, Self::Even { .. })
    }
}

/// Rows of `n` elements, and the numbers of each.
pub(super) fn rows_of(rows: [Factors<'_>; ROWS], n: usize) -> ([Strip<'_>; ROWS], [Numbers<'_>; ROWS]) {
    let (mut x, mut numbers) = ([Strip::EMPTY; ROWS], [Numbers::Each(&[]); ROWS]);
    for (row, [elements, of_row]) in rows.into_iter().enumerate() {
        x[row] = elements;
        numbers[row] = Numbers::new(of_row, n);
    }
    (x, numbers)
}
