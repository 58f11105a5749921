//! Where the smallest element is, by a key that has its order: the key and the element's number are the words of an i64,
//! of which the smallest is wanted.
//!
//! Elements of 64 bits have no room beside their number: of those, both are words of 64 bits (`long/`).
//!
//! To make an i64 of every element takes longer than to fetch it. So elements are compared first, in vectors and as they lie
//! in memory; keys and numbers are made of those alone that come before others.

mod keys;
mod long;
mod numbers;
mod row;
mod rows;

use std::marker::PhantomData;

use pulp::Simd;

use super::products::products;
use super::terms::Product;
use super::{Amin, Factors, FoldLoops, Kind, ProductLoops, ROWS, Run, loops};
use crate::UnaryOp;
use crate::cpu::arch::Arch;
use crate::cpu::loops::{Body, Loop};
use crate::cpu::math::words;
use crate::cpu::strip::Strip;
use crate::expr::graph::{Graph, Id, Step};
use keys::{Key, Largest, Smallest, Whole};
use numbers::{Numbers, rows_of};
use row::Row;
use rows::{Rows, by_ones};

/// Makes an i64 of an element's key and its number.
struct Placed<K>(K);

impl<K: Key> Product<i64> for Placed<K> {
    type Factor = u32;
    #[inline(always)]
    fn of(element: u32, number: u32) -> i64 {
        words(K::of(element), number as i32)
    }
}

impl FoldLoops {
    /// Those of the smallest i64 of two words, and the values that these loops make the words of: the upper one may be an
    /// element whose key they compute.
    pub(in crate::cpu) fn smallest_of_words(graph: &Graph, [upper, lower]: [Id; 2]) -> (Self, ProductLoops, [Id; 2]) {
        let (products, terms) = match graph.values[upper].step {
            Step::Order(x) => (placed::<Smallest>(), [x, lower]),
            Step::Unary(UnaryOp::Neg, order) => match graph.values[order].step {
                Step::Order(x) => (placed::<Largest>(), [x, lower]),
                _ => (placed::<Whole>(), [upper, lower]),
            },
            _ => (placed::<Whole>(), [upper, lower]),
        };
        (Self { kind: Kind::Place, ..loops::<i64, Amin>() }, products, terms)
    }
}

fn placed<K: Key>() -> ProductLoops {
    ProductLoops {
        accumulate: accumulate::<K>,
        accumulate_rows: accumulate_rows::<K>,
        total: total::<K>,
        middle: middle::<K>,
        multiply: Loop::new(Body::Compiled(write::<K>)),
        ..products::<i64, Amin, Placed<K>>()
    }
}

fn row<K: Key>(arch: Arch, acc: i64, x: Strip<'_>, numbers: Numbers<'_>) -> i64 {
    arch.dispatch(Row::<K> { acc, x, numbers, key: PhantomData })
}

fn total<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let acc = &acc.cells::<i64>()[0];
    acc.set(row::<K>(arch, acc.get(), x, Numbers::new(numbers, x.len())));
}

fn middle<'a, K: Key>(arch: Arch, out: Strip<'a>, [x, numbers]: Factors<'a>, reduced: usize) {
    let numbers = Numbers::new(numbers, x.len());
    for (i, out) in out.cells().iter().enumerate() {
        let start = i * reduced;
        out.set(row::<K>(arch, i64::MAX, x.part(start, reduced), numbers.part(start, reduced)));
    }
}

fn accumulate<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let (acc, numbers, x) = (acc.cells(), Numbers::new(numbers, x.len()), x.cells());
    arch.dispatch(Run(move || by_ones::<K>(acc, x, numbers)));
}

fn accumulate_rows<'a, K: Key>(arch: Arch, acc: Strip<'a>, rows: [Factors<'a>; ROWS]) {
    let acc = acc.cells::<i64>();
    let (x, numbers) = rows_of(rows, acc.len());
    arch.dispatch(Rows::<K> { acc, x, numbers, key: PhantomData });
}

/// The words themselves. One element may stand for all.
fn write<K: Key>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
    let numbers = Numbers::new(args[1], out.len());
    let (x, out) = (args[0].cells::<u32>(), out.cells());
    arch.dispatch(Run(move || match x {
        [x] => numbers.with(out, |_, out, number| out.set(Placed::<K>::of(x.get(), number))),
        x => numbers.with(x, |i, x, number| out[i].set(Placed::<K>::of(x.get(), number))),
    }));
}

#[inline(always)]
fn lanes<S: Simd>(x: &S::u32s) -> &[u32] {
    bytemuck::cast_slice(std::slice::from_ref(x))
}

/// Whether a lane is not 0.
#[inline(always)]
fn any<S: Simd>(x: S::u32s) -> bool {
    lanes::<S>(&x).iter().fold(0, |any, x| any | x) != 0
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pulp::{Scalar, WithSimd};

    use super::*;

    /// Lengths that end in a group, in a vector, and behind both.
    #[test]
    fn vectors_find_what_single_elements_do() {
        for n in [1, 2, 7, 8, 63, 64, 65, 127, 128, 129, 300, 4095, 4096, 4097, 9000] {
            for kind in 0..4 {
                let element = |i: usize| match (kind, (i * 7919 + n) % 101) {
                    (1, 5) => f32::NAN,
                    (2, 5) => f32::INFINITY,
                    (2, 6) => f32::NEG_INFINITY,
                    (3, _) => 0.0,
                    (_, x) => (x % 13) as f32 - 6.0,
                };
                let mut x: Vec<u32> = (0..n).map(|i| element(i).to_bits()).collect();
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut x);
                let x = Strip::of(Cell::from_mut(bytes).as_slice_of_cells()).carve(0, n, 4);
                let each: Vec<Cell<u32>> = (0..n).map(|i| Cell::new((n - i) as u32)).collect();
                agree::<Smallest>(x, Numbers::Each(&each));
                for numbers in [Numbers::Even { first: 3, step: 2 }, Numbers::Even { first: 9, step: 0 }] {
                    agree::<Smallest>(x, numbers);
                    agree::<Largest>(x, numbers);
                    agree::<Whole>(x, numbers);
                }
            }
        }
    }

    fn agree<K: Key>(x: Strip<'_>, numbers: Numbers<'_>) {
        let words = |(i, x): (usize, &Cell<u32>)| words(K::of(x.get()), numbers.at(i) as i32);
        let expected = x.cells().iter().enumerate().map(words).min();
        let row = || Row::<K> { acc: i64::MAX, x, numbers, key: PhantomData };
        assert_eq!(Some(Arch::new().dispatch(row())), expected, "{} elements", x.len());
        assert_eq!(Some(row().with_simd(Scalar::new())), expected, "{} elements, one by one", x.len());
    }
}
