//! Where the smallest element of 64 bits is. A key and a number are a pair of words, of which the smallest is wanted.
//!
//! Elements are compared as they lie in memory, in loops that are made vectors of; pairs are made of those alone that come
//! before the others of their part.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

mod keys;

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::super::{Factors, FoldLoops, Join, Kind, ProductLoops, ROWS, Run, loops, spread};
use super::numbers::{Numbers, rows_of};
use super::rows::Names;
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::loops::{Body, Loop};
use crate::cpu::strip::Strip;
use keys::{Key, Largest, LargestWhole, Smallest, SmallestWhole};

/// A key, and the number of the element that it is of.
type Pair = [i64; 2];

/// Elements of a row that are compared before the place of the first of them is looked for.
const PART: usize = 512;
/// Vectors of a row that are compared at once.
const EIGHT: usize = 8;
/// Columns whose accumulators are joined at once.
const COLUMNS: usize = 32;

/// The smaller of two pairs.
struct Pairs;

impl Join<Pair> for Pairs {
    type Acc = Pair;
    /// Comes after all others.
    const NONE: Pair = [i64::MAX, i32::MAX as i64];

    #[inline(always)]
    fn pair(a: Pair, b: Pair) -> Pair {
        if b < a { b } else { a }
    }

    #[inline(always)]
    fn widen(x: Pair) -> Pair {
        x
    }

    #[inline(always)]
    fn join(a: Pair, b: Pair) -> Pair {
        Self::pair(a, b)
    }

    #[inline(always)]
    fn narrow(acc: Pair) -> Pair {
        acc
    }
}

impl FoldLoops {
    /// Those of where the largest or the smallest element is: of elements of 64 bits and their numbers, i32s as the results are.
    pub(in crate::cpu) fn place(dtype: DType, largest: bool) -> Option<(Self, ProductLoops)> {
        Some(match (dtype, largest) {
            (DType::I64, false) => placed::<SmallestWhole>(),
            (DType::I64, true) => placed::<LargestWhole>(),
            (DType::F64, false) => placed::<Smallest>(),
            (DType::F64, true) => placed::<Largest>(),
            _ => return None,
        })
    }
}

fn placed<K: Key>() -> (FoldLoops, ProductLoops) {
    let of_pairs = loops::<Pair, Pairs>();
    let fold = FoldLoops { size: size_of::<i32>(), kind: Kind::Place, middle: middle_of_pairs, narrow, ..of_pairs };
    let products = ProductLoops {
        accumulate: accumulate::<K>,
        accumulate_rows: accumulate_rows::<K>,
        total: total::<K>,
        middle: middle::<K>,
        multiply: Loop::new(Body::Compiled(write::<K>)),
        spread: spread::<u64>,
    };
    (fold, products)
}

/// The number that a fold has found.
fn found(acc: Pair) -> i32 {
    acc[1] as i32
}

fn narrow(_: Arch, out: Strip<'_>, acc: Strip<'_>) {
    out.cells().iter().zip(acc.cells()).for_each(|(out, acc)| out.set(found(acc.get())));
}

fn middle_of_pairs(_: Arch, out: Strip<'_>, x: Strip<'_>, [_, reduced, inner]: [usize; 3]) {
    let (out, x) = (out.cells(), x.cells::<Pair>());
    for (i, out) in out.iter().enumerate() {
        let first = i / inner * inner * reduced + i % inner;
        let of_column = (0..reduced).map(|row| x[first + row * inner].get());
        out.set(found(of_column.fold(Pairs::NONE, Pairs::join)));
    }
}

fn row<K: Key>(arch: Arch, acc: Pair, x: Strip<'_>, numbers: Numbers<'_>) -> Pair {
    arch.dispatch(Row::<K> { acc, x, numbers, key: PhantomData })
}

fn total<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let acc = &acc.cells::<Pair>()[0];
    acc.set(row::<K>(arch, acc.get(), x, Numbers::new(numbers, x.len())));
}

fn middle<'a, K: Key>(arch: Arch, out: Strip<'a>, [x, numbers]: Factors<'a>, reduced: usize) {
    let numbers = Numbers::new(numbers, x.len());
    for (i, out) in out.cells().iter().enumerate() {
        let start = i * reduced;
        out.set(found(row::<K>(arch, Pairs::NONE, x.part(start, reduced), numbers.part(start, reduced))));
    }
}

fn accumulate<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let (acc, numbers, x) = (acc.cells(), Numbers::new(numbers, x.len()), x.cells());
    arch.dispatch(Run(move || by_ones::<K>(acc, x, numbers)));
}

fn accumulate_rows<'a, K: Key>(arch: Arch, acc: Strip<'a>, rows: [Factors<'a>; ROWS]) {
    let acc = acc.cells();
    let (x, numbers) = rows_of(rows, acc.len());
    arch.dispatch(Rows::<K> { acc, x, numbers, key: PhantomData });
}

/// The pairs themselves. One element may stand for all.
fn write<K: Key>(_: Arch, args: &[Strip<'_>], out: Strip<'_>) {
    let numbers = Numbers::new(args[1], out.len());
    let (x, out) = (args[0].cells(), out.cells());
    match x {
        [x] => numbers.with(out, |_, out, number| out.set(pair::<K>(x.get(), number))),
        x => numbers.with(x, |i, x, number| out[i].set(pair::<K>(x.get(), number))),
    }
}

#[inline(always)]
fn pair<K: Key>(x: u64, number: u32) -> Pair {
    [K::of(x), i64::from(number)]
}

/// The smallest pair of a row, and of `acc`.
struct Row<'a, K> {
    acc: Pair,
    x: Strip<'a>,
    numbers: Numbers<'a>,
    key: PhantomData<K>,
}

impl<K: Key> WithSimd for Row<'_, K> {
    type Output = Pair;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Pair {
        let Self { acc, x, numbers, .. } = self;
        if !numbers.rise() {
            return each::<K>(acc, x.cells(), numbers);
        }
        // The first part that has the smallest key, which alone is looked through again.
        let (mut key, mut first, mut start) = (i64::MAX, 0, 0);
        while start < x.len() {
            let n = PART.min(x.len() - start);
            let Some(of_part) = least::<K, S>(simd, x.part(start, n)) else {
                return each::<K>(acc, x.cells(), numbers);
            };
            if of_part < key {
                (key, first) = (of_part, start);
            }
            start += n;
        }
        if [key, i64::from(numbers.at(0))] >= acc {
            return acc;
        }
        let part = x.part(first, PART.min(x.len() - first));
        Pairs::join(acc, [key, i64::from(numbers.at(first + place::<K, S>(simd, part, key)))])
    }
}

/// The smallest key; `None` if there may be one that has not its order.
#[inline(always)]
fn least<K: Key, S: Simd>(simd: S, x: Strip<'_>) -> Option<i64> {
    let (mut least, mut odd) = (simd.splat_u64s(K::LAST), simd.splat_u64s(0));
    let whole = x.vectors::<u64, S::u64s>().as_chunks::<EIGHT>().0;
    for x in whole {
        let (of_eight, is_odd) = eight::<K, S>(simd, x);
        least = K::first(simd, of_eight, least);
        odd = simd.or_u64s(odd, is_odd);
    }
    let mut key = i64::MAX;
    for &lane in lanes::<S>(&least) {
        key = key.min(K::of(lane));
    }
    let mut is_odd = any::<S>(odd);
    for x in &x.cells::<u64>()[whole.len() * EIGHT * S::U64_LANES..] {
        is_odd |= K::of(x.get()) == i64::MIN;
        key = key.min(K::of(x.get()));
    }
    (!is_odd).then_some(key)
}

/// The smallest in each lane of eight vectors, and whether one is odd.
#[inline(always)]
fn eight<K: Key, S: Simd>(simd: S, from: &[Cell<S::u64s>; EIGHT]) -> (S::u64s, S::u64s) {
    let mut x = [simd.splat_u64s(0); EIGHT];
    for i in 0..EIGHT {
        x[i] = from[i].get();
    }
    let odd = K::odd(simd, x);
    let mut left = EIGHT / 2;
    while left > 0 {
        for i in 0..left {
            x[i] = K::first(simd, x[2 * i], x[2 * i + 1]);
        }
        left /= 2;
    }
    (x[0], odd)
}

/// Where the first element is that has a key.
#[inline(always)]
fn place<K: Key, S: Simd>(simd: S, x: Strip<'_>, key: i64) -> usize {
    let wanted = simd.splat_u64s(K::element(key));
    let mut before = 0;
    for x in x.vectors::<u64, S::u64s>().as_chunks::<EIGHT>().0 {
        let mut here = simd.splat_u64s(0);
        for i in 0..EIGHT {
            let is_here = simd.select_u64s(K::same(simd, x[i].get(), wanted), simd.splat_u64s(1), simd.splat_u64s(0));
            here = simd.or_u64s(here, is_here);
        }
        if any::<S>(here) {
            break;
        }
        before += EIGHT * S::U64_LANES;
    }
    let rest = x.cells::<u64>()[before..].iter();
    before + rest.into_iter().position(|x| K::of(x.get()) == key).expect("the smallest is there")
}

/// The smallest pair, of whatever elements and numbers.
#[cold]
#[inline(never)]
fn each<K: Key>(acc: Pair, x: &[Cell<u64>], numbers: Numbers<'_>) -> Pair {
    let mut least = acc;
    numbers.with(x, |_, x, number| least = Pairs::join(least, pair::<K>(x.get(), number)));
    least
}

/// Several rows, joined with an accumulator for each column.
struct Rows<'a, K> {
    acc: &'a [Cell<Pair>],
    x: [&'a [Cell<u64>]; ROWS],
    numbers: [Numbers<'a>; ROWS],
    key: PhantomData<K>,
}

/// So many columns of each row.
type Columns<'a> = [&'a [Cell<u64>; COLUMNS]; ROWS];

impl<K: Key> WithSimd for Rows<'_, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { acc, x, numbers, .. } = self;
        let mut done = 0;
        if let Some(Names::Rows(names)) = Names::new(&numbers) {
            let whole = acc.as_chunks::<COLUMNS>().0;
            for (i, acc) in whole.iter().enumerate() {
                let mut columns = [&x[0].as_chunks::<COLUMNS>().0[i]; ROWS];
                for row in 1..ROWS {
                    columns[row] = &x[row].as_chunks::<COLUMNS>().0[i];
                }
                if !join::<K, S>(simd, acc, columns, names) {
                    odd::<K>(acc, columns, &numbers);
                }
            }
            done = whole.len() * COLUMNS;
        }
        let rest = acc.len() - done;
        for row in 0..ROWS {
            by_ones::<K>(&acc[done..], &x[row][done..], numbers[row].part(done, rest));
        }
    }
}

/// Joins columns of [`ROWS`] rows with their accumulators. A row's number is `first` and `step` times how many come before it.
/// If there may be a key that has not its order, nothing is written; whether there is none.
#[inline(always)]
fn join<K: Key, S: Simd>(simd: S, acc: &[Cell<Pair>; COLUMNS], x: Columns<'_>, [first, step]: [u32; 2]) -> bool {
    let (mut least, mut rows) = ([0_u64; COLUMNS], [0_u64; COLUMNS]);
    let mut odd = simd.splat_u64s(0);
    {
        let least: &mut [S::u64s] = bytemuck::cast_slice_mut(&mut least);
        let rows: &mut [S::u64s] = bytemuck::cast_slice_mut(&mut rows);
        for i in 0..COLUMNS / S::U64_LANES {
            let column = i * S::U64_LANES;
            let (mut of_rows, mut names) = ([simd.splat_u64s(0); ROWS], [simd.splat_u64s(0); ROWS]);
            for row in 0..ROWS {
                of_rows[row] = load(simd, &x[row][column..]);
                names[row] = simd.splat_u64s(row as u64);
            }
            odd = simd.or_u64s(odd, K::odd(simd, of_rows));
            (least[i], rows[i]) = knockout::<K, S>(simd, of_rows, names);
        }
    }
    if any::<S>(odd) {
        return false;
    }
    let (mut keys, mut changes) = ([0; COLUMNS], false);
    for i in 0..COLUMNS {
        keys[i] = K::of(least[i]);
        changes |= keys[i] <= acc[i].get()[0];
    }
    // Mostly nothing does.
    if changes {
        for i in 0..COLUMNS {
            let number = first + step * rows[i] as u32;
            acc[i].set(Pairs::join(acc[i].get(), [keys[i], i64::from(number)]));
        }
    }
    true
}

/// In each lane the element of the smallest key and the name of the first such row. Rows are compared by pairs, then the
/// winners.
#[inline(always)]
fn knockout<K: Key, S: Simd>(simd: S, x: [S::u64s; ROWS], names: [S::u64s; ROWS]) -> (S::u64s, S::u64s) {
    let (mut x, mut names) = (x, names);
    let mut left = ROWS / 2;
    while left > 0 {
        for i in 0..left {
            let (a, b) = (x[2 * i], x[2 * i + 1]);
            names[i] = simd.select_u64s(K::precedes(simd, b, a), names[2 * i + 1], names[2 * i]);
            x[i] = K::first(simd, b, a);
        }
        left /= 2;
    }
    (x[0], names[0])
}

#[inline(always)]
fn load<S: Simd>(simd: S, from: &[Cell<u64>]) -> S::u64s {
    let mut x = simd.splat_u64s(0);
    let lanes: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut x));
    for (lane, from) in lanes.iter_mut().zip(&from[..S::U64_LANES]) {
        *lane = from.get();
    }
    x
}

#[inline(always)]
fn lanes<S: Simd>(x: &S::u64s) -> &[u64] {
    bytemuck::cast_slice(std::slice::from_ref(x))
}

/// Whether a lane is not 0.
#[inline(always)]
fn any<S: Simd>(x: S::u64s) -> bool {
    lanes::<S>(&x).iter().fold(0, |any, x| any | x) != 0
}

/// Joins a row of whatever elements and numbers with its accumulators.
#[inline(always)]
fn by_ones<K: Key>(acc: &[Cell<Pair>], x: &[Cell<u64>], numbers: Numbers<'_>) {
    let acc = &acc[..x.len()];
    numbers.with(x, |i, x, number| acc[i].set(Pairs::join(acc[i].get(), pair::<K>(x.get(), number))));
}

/// The same of several rows, among whose elements is an odd one.
#[cold]
#[inline(never)]
fn odd<K: Key>(acc: &[Cell<Pair>; COLUMNS], x: Columns<'_>, numbers: &[Numbers<'_>; ROWS]) {
    for (x, numbers) in x.into_iter().zip(numbers) {
        by_ones::<K>(acc, x, *numbers);
    }
}
