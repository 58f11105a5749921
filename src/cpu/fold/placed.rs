//! Where the smallest element is, by a key that has its order: the key and the element's number are the words of an i64,
//! of which the smallest is wanted.
//!
//! To make an i64 of every element takes longer than to fetch it. So keys are compared first, in vectors of i32s, and
//! numbers only where a smaller key was found, or an equal one.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::NullaryFnOnce;

use super::products::products;
use super::terms::Product;
use super::{Amin, Factors, FoldLoops, Kind, ProductLoops, ROWS, loops};
use crate::UnaryOp;
use crate::cpu::arch::Arch;
use crate::cpu::math::{order, words};
use crate::cpu::strip::Strip;
use crate::expr::graph::{Graph, Id, Step};

/// Keys of a row that are compared at once, and columns.
const KEYS: usize = 32;
const COLUMNS: usize = 16;

/// Elements of a row that are looked through again if the smallest key is among them.
const PART: usize = 512;

/// How an element's bits become its key.
trait Key: 'static {
    fn of(bits: u32) -> i32;
    /// The smallest key in each column.
    fn least<'a, const N: usize>(rows: impl Iterator<Item = &'a [Cell<u32>; N]>) -> [i32; N];
}

/// The float in each column that comes before the others, `last` if none does, as a key; NaN is looked for apart. That takes
/// half as long as making a key of each element.
#[inline(always)]
fn least_of_floats<'a, K: Key, const N: usize>(
    rows: impl Iterator<Item = &'a [Cell<u32>; N]>,
    last: f32,
    before: impl Fn(f32, f32) -> bool,
) -> [i32; N] {
    let (mut first, mut nan) = ([last; N], [0_u32; N]);
    for row in rows {
        for i in 0..N {
            let x = f32::from_bits(row[i].get());
            first[i] = if before(x, first[i]) { x } else { first[i] };
            nan[i] |= if x.is_nan() { u32::MAX } else { 0 };
        }
    }
    std::array::from_fn(|i| if nan[i] == 0 { K::of(first[i].to_bits()) } else { i32::MIN })
}

struct Whole;
struct Smallest;
struct Largest;

impl Key for Whole {
    #[inline(always)]
    fn of(bits: u32) -> i32 {
        bits as i32
    }
    #[inline(always)]
    fn least<'a, const N: usize>(rows: impl Iterator<Item = &'a [Cell<u32>; N]>) -> [i32; N] {
        let mut least = [i32::MAX; N];
        for row in rows {
            for i in 0..N {
                least[i] = least[i].min(row[i].get() as i32);
            }
        }
        least
    }
}

impl Key for Smallest {
    #[inline(always)]
    fn of(bits: u32) -> i32 {
        order(f32::from_bits(bits))
    }
    #[inline(always)]
    fn least<'a, const N: usize>(rows: impl Iterator<Item = &'a [Cell<u32>; N]>) -> [i32; N] {
        least_of_floats::<Self, N>(rows, f32::INFINITY, |a, b| a < b)
    }
}

impl Key for Largest {
    #[inline(always)]
    fn of(bits: u32) -> i32 {
        order(-f32::from_bits(bits))
    }
    #[inline(always)]
    fn least<'a, const N: usize>(rows: impl Iterator<Item = &'a [Cell<u32>; N]>) -> [i32; N] {
        least_of_floats::<Self, N>(rows, f32::NEG_INFINITY, |a, b| a > b)
    }
}

/// The words of an i64: an element's key, and its number.
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
        accumulate_rows: accumulate_rows::<K>,
        total: total::<K>,
        middle: middle::<K>,
        ..products::<i64, Amin, Placed<K>>()
    }
}

/// The smallest of the words of a row, and of `acc`.
struct Row<'a, K> {
    acc: i64,
    x: &'a [Cell<u32>],
    numbers: &'a [Cell<u32>],
    key: PhantomData<K>,
}

impl<K: Key> NullaryFnOnce for Row<'_, K> {
    type Output = i64;
    #[inline(always)]
    fn call(self) -> i64 {
        let mut acc = self.acc;
        for (x, numbers) in self.x.chunks(PART).zip(self.numbers.chunks(PART)) {
            let least = least_key::<K>(x);
            if least <= (acc >> 32) as i32 {
                acc = acc.min(words(least, first::<K>(x, numbers, least) as i32));
            }
        }
        acc
    }
}

#[inline(always)]
fn least_key<K: Key>(x: &[Cell<u32>]) -> i32 {
    let (chunks, rest) = x.as_chunks::<KEYS>();
    let least = K::least(chunks.iter()).into_iter().fold(i32::MAX, i32::min);
    rest.iter().fold(least, |least, x| least.min(K::of(x.get())))
}

/// The smallest number of an element with this key.
#[inline(always)]
fn first<K: Key>(x: &[Cell<u32>], numbers: &[Cell<u32>], key: i32) -> u32 {
    let number = |x: &Cell<u32>, number: &Cell<u32>| if K::of(x.get()) == key { number.get() } else { u32::MAX };
    let ((chunks, rest), (numbers, last)) = (x.as_chunks::<KEYS>(), numbers.as_chunks::<KEYS>());
    let mut first = [u32::MAX; KEYS];
    for (x, numbers) in chunks.iter().zip(numbers) {
        for i in 0..KEYS {
            first[i] = first[i].min(number(&x[i], &numbers[i]));
        }
    }
    let first = first.into_iter().fold(u32::MAX, u32::min);
    rest.iter().zip(last).fold(first, |first, (x, n)| first.min(number(x, n)))
}

fn total<'a, K: Key>(arch: Arch, acc: Strip<'a>, [x, numbers]: Factors<'a>) {
    let acc = &acc.cells::<i64>()[0];
    let row = Row::<K> { acc: acc.get(), x: x.cells(), numbers: numbers.cells(), key: PhantomData };
    acc.set(arch.dispatch(row));
}

fn middle<'a, K: Key>(arch: Arch, out: Strip<'a>, [x, numbers]: Factors<'a>, reduced: usize) {
    let rows = x.cells().chunks_exact(reduced).zip(numbers.cells().chunks_exact(reduced));
    for (out, (x, numbers)) in out.cells().iter().zip(rows) {
        out.set(arch.dispatch(Row::<K> { acc: i64::MAX, x, numbers, key: PhantomData }));
    }
}

fn accumulate_rows<'a, K: Key>(arch: Arch, acc: Strip<'a>, rows: [Factors<'a>; ROWS]) {
    let (x, numbers) = (rows.map(|row| row[0].cells()), rows.map(|row| row[1].cells()));
    arch.dispatch(Rows::<K> { acc: acc.cells(), x, numbers, key: PhantomData });
}

/// As [`Row`], of several rows into an accumulator for each column. A row may have one number for all.
struct Rows<'a, K> {
    acc: &'a [Cell<i64>],
    x: [&'a [Cell<u32>]; ROWS],
    numbers: [&'a [Cell<u32>]; ROWS],
    key: PhantomData<K>,
}

impl<K: Key> NullaryFnOnce for Rows<'_, K> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { acc, x, numbers, .. } = self;
        let single = numbers.iter().all(|numbers| numbers.len() == 1).then(|| numbers.map(|numbers| numbers[0].get()));
        let in_order = single.filter(|numbers| numbers.is_sorted());
        let (chunks, rest) = acc.as_chunks::<COLUMNS>();
        let done = if let Some(numbers) = in_order {
            let x = x.map(|x| x.as_chunks::<COLUMNS>().0);
            for (i, acc) in chunks.iter().enumerate() {
                join_rows::<K>(acc, x.map(|x| &x[i]), numbers);
            }
            acc.len() - rest.len()
        } else {
            0
        };
        for (x, numbers) in x.iter().zip(&numbers) {
            let single = numbers.len() == 1;
            for i in done..acc.len() {
                let number = numbers[if single { 0 } else { i }].get();
                acc[i].set(acc[i].get().min(Placed::<K>::of(x[i].get(), number)));
            }
        }
    }
}

/// Rows whose elements have one number each, which rises: of equal elements the first is found.
#[inline(always)]
fn join_rows<K: Key>(acc: &[Cell<i64>; COLUMNS], x: [&[Cell<u32>; COLUMNS]; ROWS], numbers: [u32; ROWS]) {
    // Mostly, further down, no column has a smaller key than before, nor an equal one.
    let found = K::least(x.into_iter());
    let mut changes = false;
    for i in 0..COLUMNS {
        changes |= found[i] <= (acc[i].get() >> 32) as i32;
    }
    if !changes {
        return;
    }
    let (mut least, mut first) = ([i32::MAX; COLUMNS], [numbers[0]; COLUMNS]);
    for (x, number) in x.into_iter().zip(numbers) {
        for i in 0..COLUMNS {
            let key = K::of(x[i].get());
            first[i] = if key < least[i] { number } else { first[i] };
            least[i] = least[i].min(key);
        }
    }
    for i in 0..COLUMNS {
        acc[i].set(acc[i].get().min(words(least[i], first[i] as i32)));
    }
}
