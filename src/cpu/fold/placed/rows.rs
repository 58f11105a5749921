//! The first element of each column whose key is smallest, of several rows at once.
//!
//! What is found first is kept in two planes, elements and their numbers, each as wide as an element: vectors of both are
//! compared and chosen without a look at any of them. Keys are made of the planes when all rows were seen.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::super::{Planes, ROWS};
use super::first;
use super::keys::{Found, Key, Vector};
use super::numbers::Numbers;
use super::words::{Word, all, lanes_of, splat};
use crate::cpu::strip::Strip;

/// Columns joined with planes at least: a whole number of vectors, whatever they are.
const COLUMNS: usize = 64;
/// Columns after which it is asked whether an element was odd: then those are looked at again, one by one.
const STRETCH: usize = 512;

/// Several rows, joined with planes of as many columns, or, where that does not go, with the accumulators of these.
pub(super) struct Rows<'a, K: Key> {
    pub(super) acc: &'a [Cell<Found<K>>],
    pub(super) planes: Planes<'a>,
    pub(super) x: [Strip<'a>; ROWS],
    pub(super) numbers: [Numbers<'a>; ROWS],
    pub(super) key: PhantomData<K>,
}

impl<K: Key> WithSimd for Rows<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.acc.len();
        let Some(names) = Names::new(&self.numbers).filter(|_| n >= COLUMNS) else {
            if self.planes.are_new {
                clear::<K>(self.planes);
            }
            self.by_ones(0, n);
            return;
        };
        let mut done = 0;
        while done < n {
            // The last columns may be joined twice, which changes nothing.
            let start = done.min(n - COLUMNS);
            let len = STRETCH.min((n - start) / COLUMNS * COLUMNS);
            let joined = match &names {
                Names::Rows(names) => self.join(simd, start, len, *names, None),
                Names::Each(names) => self.join(simd, start, len, [0, 0], Some(names)),
            };
            if !joined {
                self.by_ones(start, len);
            }
            done = start + len;
        }
    }
}

impl<'a, K: Key> Rows<'a, K> {
    /// Joins columns with their planes. An element's number is its own, or `first` and `step` times the rows before it. Whether
    /// there is no odd element, and all numbers come after those in the planes and rise from row to row: if not, the planes
    /// hold only what is there, but maybe not the first.
    #[inline(always)]
    fn join<S: Simd>(
        &self,
        simd: S,
        start: usize,
        len: usize,
        [first, step]: [u32; 2],
        each: Option<&[&'a [Cell<u32>]; ROWS]>,
    ) -> bool {
        let (elements, numbers) =
            (vectors::<K, S>(self.planes.elements, start, len), vectors::<K, S>(self.planes.numbers, start, len));
        let zero = splat::<K::Word, S>(simd, 0);
        let (mut rows, mut names) = ([elements; ROWS], [zero; ROWS]);
        for row in 0..ROWS {
            rows[row] = vectors::<K, S>(self.x[row], start, len);
            names[row] = splat::<K::Word, S>(simd, first + step * row as u32);
        }
        let mut fine = K::is_even(simd, zero);
        for i in 0..len / lanes_of::<K::Word, S>() {
            let mut x = [zero; ROWS];
            for row in 0..ROWS {
                x[row] = rows[row][i].get();
            }
            let mut sum = x[0];
            for row in 1..ROWS {
                sum = K::sum(simd, sum, x[row]);
            }
            fine = K::Word::and(simd, fine, K::is_even(simd, sum));
            let mut names = names;
            if let Some(each) = each {
                for row in 0..ROWS {
                    names[row] = load::<K, S>(simd, &each[row][start + i * lanes_of::<K::Word, S>()..]);
                }
                for row in 1..ROWS {
                    fine = K::Word::and(simd, fine, K::Word::less(simd, names[row - 1], names[row]));
                }
            }
            let (mut element, mut number) = (x[0], names[0]);
            if !self.planes.are_new {
                (element, number) = (elements[i].get(), numbers[i].get());
                if each.is_some() || !self.planes.rise {
                    fine = K::Word::and(simd, fine, K::Word::less(simd, number, names[0]));
                }
            }
            for row in 0..ROWS {
                number = K::Word::select(simd, K::precedes(simd, x[row], element), names[row], number);
                element = K::first(simd, x[row], element);
            }
            elements[i].set(element);
            numbers[i].set(number);
        }
        all::<K::Word, S>(simd, fine)
    }

    /// Joins `n` columns with their accumulators, of whatever elements and numbers.
    #[cold]
    #[inline(never)]
    fn by_ones(&self, start: usize, n: usize) {
        for row in 0..ROWS {
            by_ones::<K>(&self.acc[start..][..n], self.x[row].part(start, n).cells(), self.numbers[row].part(start, n));
        }
    }
}

/// What elements are called, where they are compared in vectors.
enum Names<'a> {
    /// Each by its row: the number of the first, and how far the next is from it.
    Rows([u32; 2]),
    /// Each by its own number.
    Each([&'a [Cell<u32>]; ROWS]),
}

impl<'a> Names<'a> {
    /// `None` where rows are numbered in some other way.
    #[inline(always)]
    fn new(numbers: &[Numbers<'a>; ROWS]) -> Option<Self> {
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

/// So many columns from `start` on.
#[inline(always)]
fn vectors<K: Key, S: Simd>(row: Strip<'_>, start: usize, len: usize) -> &[Cell<Vector<K, S>>] {
    &row.part(start, len).vectors::<K::Word, _>()[..len / lanes_of::<K::Word, S>()]
}

#[inline(always)]
fn load<K: Key, S: Simd>(simd: S, from: &[Cell<u32>]) -> Vector<K, S> {
    let mut x = splat::<K::Word, S>(simd, 0);
    let lanes: &mut [K::Word] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
    for (lane, from) in lanes.iter_mut().zip(&from[..lanes_of::<K::Word, S>()]) {
        *lane = from.get().into();
    }
    x
}

/// Has planes hold what comes before nothing.
fn clear<K: Key>(planes: Planes<'_>) {
    planes.elements.cells().iter().for_each(|element| element.set(K::LAST));
    planes.numbers.cells::<K::Word>().iter().for_each(|number| number.set(u32::MAX.into()));
}

/// Joins what planes hold with the accumulators of their columns. What is odd there was joined by itself.
#[inline(always)]
pub(super) fn from_planes<K: Key>(acc: &[Cell<Found<K>>], planes: Planes<'_>) {
    let planes = planes.elements.cells::<K::Word>().iter().zip(planes.numbers.cells::<K::Word>());
    for (acc, (element, number)) in acc.iter().zip(planes) {
        let key = if K::is_odd(element.get()) { K::Word::MOST } else { K::of(element.get()) };
        acc.set(first::<K>(acc.get(), K::Word::found(key, number.get().number())));
    }
}

/// Joins a row of whatever elements and numbers with its accumulators.
#[inline(always)]
pub(super) fn by_ones<K: Key>(acc: &[Cell<Found<K>>], x: &[Cell<K::Word>], numbers: Numbers<'_>) {
    let acc = &acc[..x.len()];
    numbers.with(x, |i, x, number| acc[i].set(first::<K>(acc[i].get(), K::Word::found(K::of(x.get()), number))));
}
