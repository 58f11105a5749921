//! Where the smallest element is, by a key that has its order: the key and the element's number are put together, and the
//! smallest of that is wanted. Of 32 bits each they are the words of an i64; of elements of 64 bits both are words of so many.
//!
//! To put together both of every element takes longer than to fetch it. So elements are compared first, in vectors and as
//! they lie in memory; keys and numbers are made of those alone that come before others.

mod keys;
mod numbers;
mod row;
mod rows;
mod words;

use std::marker::PhantomData;

use super::{Factors, FoldLoops, Join, Kind, PlaneLoops, Planes, ProductLoops, ROWS, RowLoops, Run, loops, spread};
use crate::cpu::arch::Arch;
use crate::cpu::loops::{Body, Loop};
use crate::cpu::strip::Strip;
use crate::expr::graph::{Graph, Id, Step};
use crate::{DType, UnaryOp};
use keys::{Found, Key, Largest, LargestWhole, Smallest, SmallestWhole};
use numbers::{Numbers, rows_of};
use row::Row;
use rows::{Rows, by_ones, from_planes};
use words::{First, Pair, Word};

impl FoldLoops {
    /// Those of the smallest i64 of two words, and the values that these loops make the words of: the upper one may be an
    /// element whose key they compute.
    pub(in crate::cpu) fn smallest_of_words(graph: &Graph, [upper, lower]: [Id; 2]) -> (Self, ProductLoops, [Id; 2]) {
        let (products, terms) = match graph.values[upper].step {
            Step::Order(x) => (placed::<Smallest<u32>>(), [x, lower]),
            Step::Unary(UnaryOp::Neg, order) => match graph.values[order].step {
                Step::Order(x) => (placed::<Largest<u32>>(), [x, lower]),
                _ => (placed::<SmallestWhole<u32>>(), [upper, lower]),
            },
            _ => (placed::<SmallestWhole<u32>>(), [upper, lower]),
        };
        (Self { kind: Kind::Place, ..loops::<i64, First>() }, products, terms)
    }

    /// Those of where the largest or the smallest element is: of elements of 64 bits and their numbers, i32s as the results are.
    pub(in crate::cpu) fn place(dtype: DType, largest: bool) -> Option<(Self, ProductLoops)> {
        let products = match (dtype, largest) {
            (DType::I64, false) => placed::<SmallestWhole<u64>>(),
            (DType::I64, true) => placed::<LargestWhole<u64>>(),
            (DType::F64, false) => placed::<Smallest<u64>>(),
            (DType::F64, true) => placed::<Largest<u64>>(),
            _ => return None,
        };
        let of_pairs = loops::<Pair, First>();
        let fold = Self { size: size_of::<i32>(), kind: Kind::Place, middle: middle_of_pairs, narrow, ..of_pairs };
        Some((fold, products))
    }
}

fn placed<K: Key>() -> ProductLoops {
    ProductLoops {
        accumulate: accumulate::<K>,
        accumulate_rows: RowLoops::Planes(PlaneLoops { accumulate: accumulate_planes::<K>, join: join_planes::<K> }),
        total: total::<K>,
        middle: middle::<K>,
        multiply: Loop::new(Body::Compiled(write::<K>)),
        spread: spread::<K::Word>,
    }
}

/// The first of two that were found.
#[inline(always)]
fn first<K: Key>(a: Found<K>, b: Found<K>) -> Found<K> {
    <K::Word as Word>::First::pair(a, b)
}

fn narrow(_: Arch, out: Strip<'_>, acc: Strip<'_>) {
    out.cells().iter().zip(acc.cells()).for_each(|(out, acc)| out.set(u64::out(acc.get())));
}

fn middle_of_pairs(_: Arch, out: Strip<'_>, x: Strip<'_>, [_, reduced, inner]: [usize; 3]) {
    let (out, x) = (out.cells(), x.cells::<Pair>());
    for (i, out) in out.iter().enumerate() {
        let start = i / inner * inner * reduced + i % inner;
        let of_column = (0..reduced).map(|row| x[start + row * inner].get());
        out.set(u64::out(of_column.fold(<First as Join<Pair>>::NONE, <First as Join<Pair>>::join)));
    }
}

fn row<K: Key>(arch: Arch, acc: Found<K>, x: Strip<'_>, numbers: Numbers<'_>) -> Found<K> {
    arch.dispatch(Row::<K> { acc, x, numbers, key: PhantomData })
}

fn total<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let acc = &acc.cells()[0];
    acc.set(row::<K>(arch, acc.get(), x, Numbers::new(numbers, x.len())));
}

fn middle<'a, K: Key>(arch: Arch, out: Strip<'a>, [x, numbers]: Factors<'a>, reduced: usize) {
    let numbers = Numbers::new(numbers, x.len());
    for (i, out) in out.cells().iter().enumerate() {
        let start = i * reduced;
        let none = <K::Word as Word>::First::NONE;
        out.set(K::Word::out(row::<K>(arch, none, x.part(start, reduced), numbers.part(start, reduced))));
    }
}

fn accumulate<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let (acc, numbers, x) = (acc.cells(), Numbers::new(numbers, x.len()), x.cells());
    arch.dispatch(Run(move || by_ones::<K>(acc, x, numbers)));
}

fn accumulate_planes<'a, K: Key>(arch: Arch, acc: Strip<'a>, planes: Planes<'a>, rows: [Factors<'a>; ROWS]) {
    let acc = acc.cells();
    let (x, numbers) = rows_of(rows, acc.len());
    arch.dispatch(Rows::<K> { acc, planes, x, numbers, key: PhantomData });
}

fn join_planes<'a, K: Key>(arch: Arch, acc: Strip<'a>, planes: Planes<'a>) {
    let acc = acc.cells();
    arch.dispatch(Run(move || from_planes::<K>(acc, planes)));
}

/// What is folded, an element's key and its number. One element may stand for all.
fn write<K: Key>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
    let numbers = Numbers::new(args[1], out.len());
    let (x, out) = (args[0].cells(), out.cells());
    arch.dispatch(Run(move || match x {
        [x] => numbers.with(out, |_, out, number| out.set(K::Word::found(K::of(x.get()), number))),
        x => numbers.with(x, |i, x, number| out[i].set(K::Word::found(K::of(x.get()), number))),
    }));
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
                let mut long: Vec<u64> = (0..n).map(|i| f64::from(element(i)).to_bits()).collect();
                let (x, long) = (strip(&mut x), strip(&mut long));
                let each: Vec<Cell<u32>> = (0..n).map(|i| Cell::new((n - i) as u32)).collect();
                let rising = [Numbers::Even { first: 3, step: 2 }, Numbers::Even { first: 9, step: 0 }];
                for numbers in rising.into_iter().chain([Numbers::Each(&each)]) {
                    agree::<Smallest<u32>>(x, numbers);
                    agree::<Largest<u32>>(x, numbers);
                    agree::<SmallestWhole<u32>>(x, numbers);
                    agree::<Smallest<u64>>(long, numbers);
                    agree::<Largest<u64>>(long, numbers);
                    agree::<SmallestWhole<u64>>(long, numbers);
                    agree::<LargestWhole<u64>>(long, numbers);
                }
            }
        }
    }

    fn strip<W: Word>(x: &mut [W]) -> Strip<'_> {
        let n = x.len();
        Strip::of(Cell::from_mut(bytemuck::cast_slice_mut(x)).as_slice_of_cells()).carve(0, n, size_of::<W>())
    }

    fn agree<K: Key>(x: Strip<'_>, numbers: Numbers<'_>) {
        let none = <K::Word as Word>::First::NONE;
        let found = |(i, x): (usize, &Cell<K::Word>)| K::Word::found(K::of(x.get()), numbers.at(i));
        let expected = x.cells().iter().enumerate().map(found).fold(none, first::<K>);
        let row = || Row::<K> { acc: none, x, numbers, key: PhantomData };
        same::<K>(Arch::new().dispatch(row()), expected, x.len());
        same::<K>(row().with_simd(Scalar::new()), expected, x.len());
    }

    fn same<K: Key>(a: Found<K>, b: Found<K>, n: usize) {
        assert_eq!(bytemuck::bytes_of(&a), bytemuck::bytes_of(&b), "{n} elements");
    }
}
