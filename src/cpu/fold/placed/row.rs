//! The first of the elements of a row whose key is smallest.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::first;
use super::keys::{Found, Key, KeyOf, Mask, Vector};
use super::numbers::Numbers;
use super::words::{Word, all, lanes, lanes_of, splat};
use crate::cpu::lines::{LINE, fetch};
use crate::cpu::strip::Strip;

/// Vectors that are compared together. Which group of them has the smallest key is kept, so that only that one is looked
/// through again.
const GROUP: usize = STREAMS * TURNS * FOUR;
/// Places of a group that are read from in turns, by a few vectors at a time: so the next lines are asked of memory sooner than
/// where one vector is read after the other.
const STREAMS: usize = 4;
const TURNS: usize = 2;
const FOUR: usize = 4;
/// Groups of a part, after which it is asked whether an element was odd: then that part is looked at again, one by one.
const GROUPS: usize = 16;
/// Cache lines behind a row that memory is asked for: as many as come while its place is looked for.
const AHEAD: usize = 32;

/// The first that is found in a row, or `acc`.
pub(super) struct Row<'a, K: Key> {
    pub(super) acc: Found<K>,
    pub(super) x: Strip<'a>,
    pub(super) numbers: Numbers<'a>,
    pub(super) key: PhantomData<K>,
}

impl<K: Key> WithSimd for Row<'_, K> {
    type Output = Found<K>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Found<K> {
        let Self { mut acc, x, numbers, .. } = self;
        // Where numbers do not rise, all of a part that has the key are looked at.
        let most = if numbers.rise() { usize::MAX } else { GROUPS * GROUP * lanes_of::<K::Word, S>() };
        let mut start = 0;
        while start < x.len() {
            let n = most.min(x.len() - start);
            acc = stretch::<K, S>(simd, acc, x.part(start, n), numbers.part(start, n));
            start += n;
        }
        acc
    }
}

/// The same of a stretch of a row.
#[inline(always)]
fn stretch<K: Key, S: Simd>(simd: S, acc: Found<K>, x: Strip<'_>, numbers: Numbers<'_>) -> Found<K> {
    let (least, acc) = least::<K, S>(simd, acc, x, numbers);
    let cells = x.cells();
    // What follows is mostly read next.
    let four = 4 * LINE / size_of::<K::Word>();
    for i in 0..AHEAD / 4 {
        fetch(cells, cells.len() + i * four, four);
    }
    let before = if numbers.rise() { numbers.at(0) } else { 0 };
    if !K::Word::precedes(K::Word::found(least.key, before), acc) {
        return acc;
    }
    let number = if numbers.rise() {
        numbers.at(place::<K, S>(simd, x, &least))
    } else {
        number::<K>(cells, numbers, least.key)
    };
    first::<K>(acc, K::Word::found(least.key, number))
}

/// The smallest key, and the first group of vectors that has it: behind the last if it is not in one.
struct Least<K: Key> {
    key: KeyOf<K>,
    group: usize,
}

/// Looks at each element once. Where there may be one whose key has not its order, elements are joined with `acc` one by one,
/// and are not among those of which the least comes back.
#[inline(always)]
fn least<K: Key, S: Simd>(simd: S, acc: Found<K>, x: Strip<'_>, numbers: Numbers<'_>) -> (Least<K>, Found<K>) {
    let mut acc = acc;
    let last = K::Word::splat(simd, K::LAST);
    let (cells, vectors) = (x.cells::<K::Word>(), x.vectors::<K::Word, Vector<K, S>>());
    let (whole, rest) = vectors.as_chunks::<GROUP>();
    // In each lane, the group it was found in. Where no element comes before the last of all, each is that.
    let (mut least, mut group) = (last, splat::<K::Word, S>(simd, 0));
    for (part, groups) in whole.chunks(GROUPS).enumerate() {
        let before = (least, group);
        let mut even = K::is_even(simd, last);
        for (i, x) in groups.iter().enumerate() {
            let (of_group, is_even) = of_group::<K, S>(simd, x);
            let i = splat::<K::Word, S>(simd, (part * GROUPS + i) as u32);
            group = K::Word::select(simd, K::precedes(simd, of_group, least), i, group);
            least = K::first(simd, of_group, least);
            even = K::Word::and(simd, even, is_even);
        }
        if !all::<K::Word, S>(simd, even) {
            (least, group) = before;
            let start = part * GROUPS * GROUP * lanes_of::<K::Word, S>();
            let n = groups.len() * GROUP * lanes_of::<K::Word, S>();
            acc = each::<K>(acc, &cells[start..][..n], numbers.part(start, n));
        }
    }
    let behind = whole.len() * GROUP * lanes_of::<K::Word, S>();
    let mut key = K::Word::MOST;
    if behind < cells.len() {
        let last = &cells[behind + rest.len() * lanes_of::<K::Word, S>()..];
        match least_of_rest::<K, S>(simd, rest, last) {
            Some(of_rest) => key = of_rest,
            None => acc = each::<K>(acc, &cells[behind..], numbers.part(behind, cells.len() - behind)),
        }
    }
    for &lane in lanes::<K::Word, S>(&least) {
        key = key.min(K::of(lane));
    }
    let mut first = whole.len();
    for (&lane, &group) in lanes::<K::Word, S>(&least).iter().zip(lanes::<K::Word, S>(&group)) {
        first = first.min(if K::of(lane) == key { group.number() as usize } else { whole.len() });
    }
    (Least { key, group: first }, acc)
}

/// The smallest key behind the last group; `None` if there may be one that has not its order.
#[inline(always)]
fn least_of_rest<K: Key, S: Simd>(simd: S, vectors: &[Cell<Vector<K, S>>], last: &[Cell<K::Word>]) -> Option<KeyOf<K>> {
    let mut least = K::Word::splat(simd, K::LAST);
    let mut even = K::is_even(simd, least);
    let (fours, ones) = vectors.as_chunks::<FOUR>();
    for x in fours {
        let (of_four, sum) = four::<K, S>(simd, x);
        least = K::first(simd, of_four, least);
        even = K::Word::and(simd, even, K::is_even(simd, sum));
    }
    for x in ones {
        least = K::first(simd, x.get(), least);
        even = K::Word::and(simd, even, K::is_even(simd, x.get()));
    }
    let (mut key, mut is_odd) = (K::Word::MOST, !all::<K::Word, S>(simd, even));
    for &lane in lanes::<K::Word, S>(&least) {
        key = key.min(K::of(lane));
    }
    for x in last {
        is_odd |= K::is_odd(x.get());
        key = key.min(K::of(x.get()));
    }
    (!is_odd).then_some(key)
}

/// The smallest in each lane of a group, and where none is odd.
#[inline(always)]
fn of_group<K: Key, S: Simd>(simd: S, x: &[Cell<Vector<K, S>>; GROUP]) -> (Vector<K, S>, Mask<K, S>) {
    let x = x.as_chunks::<FOUR>().0;
    let mut least = K::Word::splat(simd, K::LAST);
    let mut even = K::is_even(simd, least);
    for turn in 0..TURNS {
        let (mut of_four, mut sum) = four::<K, S>(simd, &x[turn]);
        for stream in 1..STREAMS {
            let next = four::<K, S>(simd, &x[stream * TURNS + turn]);
            of_four = K::first(simd, of_four, next.0);
            sum = K::sum(simd, sum, next.1);
        }
        least = K::first(simd, of_four, least);
        even = K::Word::and(simd, even, K::is_even(simd, sum));
    }
    (least, even)
}

/// The smallest in each lane of four vectors, and their sum.
#[inline(always)]
fn four<K: Key, S: Simd>(simd: S, from: &[Cell<Vector<K, S>>; FOUR]) -> (Vector<K, S>, Vector<K, S>) {
    let x = [from[0].get(), from[1].get()];
    let (a, sum_a) = (K::first(simd, x[0], x[1]), K::sum(simd, x[0], x[1]));
    let x = [from[2].get(), from[3].get()];
    let (b, sum_b) = (K::first(simd, x[0], x[1]), K::sum(simd, x[0], x[1]));
    (K::first(simd, a, b), K::sum(simd, sum_a, sum_b))
}

/// Where the first element of the smallest key is.
#[inline(always)]
fn place<K: Key, S: Simd>(simd: S, x: Strip<'_>, least: &Least<K>) -> usize {
    let wanted = K::Word::splat(simd, K::element(least.key));
    let before = least.group * GROUP;
    let vectors = &x.vectors::<K::Word, Vector<K, S>>()[before..];
    let place = first_of::<K, S>(simd, wanted, &vectors[..vectors.len().min(GROUP)]);
    let rest = (before + vectors.len()) * lanes_of::<K::Word, S>();
    let last = || {
        let mut rest_of = x.cells::<K::Word>()[rest..].iter();
        rest + rest_of.position(|x| K::of(x.get()) == least.key).expect("the smallest is there")
    };
    place.map_or_else(last, |place| before * lanes_of::<K::Word, S>() + place)
}

/// The first lane of all vectors whose key is that of `wanted`.
#[inline(always)]
fn first_of<K: Key, S: Simd>(simd: S, wanted: Vector<K, S>, x: &[Cell<Vector<K, S>>]) -> Option<usize> {
    let mut first = splat::<K::Word, S>(simd, u32::MAX);
    for i in (0..x.len()).rev() {
        let here = splat::<K::Word, S>(simd, i as u32);
        first = K::Word::select(simd, K::same(simd, x[i].get(), wanted), here, first);
    }
    let mut place = u32::MAX;
    for (lane, i) in lanes::<K::Word, S>(&first).iter().enumerate() {
        place = place.min(i.number().saturating_mul(lanes_of::<K::Word, S>() as u32).saturating_add(lane as u32));
    }
    (place < u32::MAX).then_some(place as usize)
}

/// The smallest number of an element with this key.
#[inline(always)]
fn number<K: Key>(x: &[Cell<K::Word>], numbers: Numbers<'_>, key: KeyOf<K>) -> u32 {
    let mut least = u32::MAX;
    numbers.with(x, |_, x, number| least = least.min(if K::of(x.get()) == key { number } else { u32::MAX }));
    least
}

/// The first that is found, of whatever elements.
#[cold]
#[inline(never)]
fn each<K: Key>(acc: Found<K>, x: &[Cell<K::Word>], numbers: Numbers<'_>) -> Found<K> {
    let mut least = acc;
    numbers.with(x, |_, x, number| least = first::<K>(least, K::Word::found(K::of(x.get()), number)));
    least
}
