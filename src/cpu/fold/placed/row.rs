//! The first of the elements of a row whose key is smallest.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::keys::Key;
use super::numbers::Numbers;
use super::{any, lanes};
use crate::cpu::lines::fetch;
use crate::cpu::math::words;
use crate::cpu::strip::Strip;

/// Vectors that are compared at once. Which group of them has the smallest key is kept, so that only that one is looked
/// through again.
const GROUP: usize = 2 * EIGHT;
const EIGHT: usize = 8;
/// Groups of a part, whose place is looked for before the next part is read.
const GROUPS: usize = 32;
/// Elements behind a part that memory is asked for.
const AHEAD: usize = 256;

/// The smallest of the words of a row, and of `acc`.
pub(super) struct Row<'a, K> {
    pub(super) acc: i64,
    pub(super) x: Strip<'a>,
    pub(super) numbers: Numbers<'a>,
    pub(super) key: PhantomData<K>,
}

impl<K: Key> WithSimd for Row<'_, K> {
    type Output = i64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> i64 {
        let Self { mut acc, x, numbers, .. } = self;
        let most = GROUPS * GROUP * S::U32_LANES;
        let mut start = 0;
        while start < x.len() {
            let n = most.min(x.len() - start);
            acc = part::<K, S>(simd, acc, x.part(start, n), numbers.part(start, n));
            start += n;
        }
        acc
    }
}

/// The same of a part of a row, not longer than some groups.
#[inline(always)]
fn part<K: Key, S: Simd>(simd: S, acc: i64, x: Strip<'_>, numbers: Numbers<'_>) -> i64 {
    let cells = x.cells::<u32>();
    let Some(found) = least::<K, S>(simd, x) else { return each::<K>(acc, cells, numbers) };
    // What follows is mostly read next: it comes while the place is looked for.
    for quarter in 0..4 {
        fetch(cells, cells.len() + quarter * AHEAD / 4, AHEAD / 4);
    }
    let key = found.key;
    let before = (acc >> 32) as i32;
    if key > before || key == before && numbers.rise() && acc as u32 <= numbers.at(0) {
        return acc;
    }
    let number =
        if numbers.rise() { numbers.at(place::<K, S>(simd, x, &found)) } else { number::<K>(cells, numbers, key) };
    acc.min(words(key, number as i32))
}

/// The smallest key, and the first group of vectors that has it: behind the last if it is not in one.
struct Least {
    key: i32,
    group: usize,
}

/// Looks at each element once; `None` if there may be one whose key has not its order.
#[inline(always)]
fn least<K: Key, S: Simd>(simd: S, x: Strip<'_>) -> Option<Least> {
    let last = simd.splat_u32s(K::LAST);
    let (mut least, mut odd) = (last, simd.splat_u32s(0));
    let vectors = x.vectors::<u32, S::u32s>();
    let (whole, rest) = vectors.as_chunks::<GROUP>();
    // In each lane, the group it was found in. Where no element comes before the last of all, each is that.
    let mut group = simd.splat_u32s(0);
    for (i, x) in whole.iter().enumerate() {
        let (first, second) = x.split_at(EIGHT);
        let (a, b) = (eight::<K, S>(simd, first), eight::<K, S>(simd, second));
        let of_group = K::first(simd, a.0, b.0);
        group = simd.select_u32s(K::precedes(simd, of_group, least), simd.splat_u32s(i as u32), group);
        least = K::first(simd, of_group, least);
        odd = simd.or_u32s(odd, simd.or_u32s(a.1, b.1));
    }
    let (mut key, mut of_rest) = (i32::MAX, last);
    for x in rest {
        of_rest = K::first(simd, x.get(), of_rest);
        odd = simd.or_u32s(odd, K::odd(simd, [x.get(); EIGHT]));
    }
    for &lane in lanes::<S>(&of_rest) {
        key = key.min(K::of(lane));
    }
    let mut is_odd = any::<S>(odd);
    for x in &x.cells::<u32>()[vectors.len() * S::U32_LANES..] {
        is_odd |= K::of(x.get()) == i32::MIN;
        key = key.min(K::of(x.get()));
    }
    for &lane in lanes::<S>(&least) {
        key = key.min(K::of(lane));
    }
    let behind = whole.len() as u32;
    let mut first = behind;
    for (&lane, &group) in lanes::<S>(&least).iter().zip(lanes::<S>(&group)) {
        first = first.min(if K::of(lane) == key { group } else { behind });
    }
    (!is_odd).then_some(Least { key, group: first as usize })
}

/// The smallest in each lane of eight vectors, and whether one is odd.
#[inline(always)]
fn eight<K: Key, S: Simd>(simd: S, from: &[Cell<S::u32s>]) -> (S::u32s, S::u32s) {
    let mut x = [simd.splat_u32s(0); EIGHT];
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

/// Where the first element of the smallest key is.
#[inline(always)]
fn place<K: Key, S: Simd>(simd: S, x: Strip<'_>, found: &Least) -> usize {
    let wanted = simd.splat_u32s(K::element(found.key));
    let before = found.group * GROUP;
    let vectors = &x.vectors::<u32, S::u32s>()[before..];
    let mut of_group = [wanted; GROUP];
    let n = vectors.len().min(GROUP);
    for i in 0..n {
        of_group[i] = vectors[i].get();
    }
    let place = first_of::<K, S>(simd, wanted, &of_group[..n]);
    let rest = (before + vectors.len()) * S::U32_LANES;
    let last = || {
        rest + x.cells::<u32>()[rest..].iter().position(|x| K::of(x.get()) == found.key).expect("the smallest is there")
    };
    place.map_or_else(last, |place| before * S::U32_LANES + place)
}

/// The first lane of all vectors whose key is that of `wanted`.
#[inline(always)]
fn first_of<K: Key, S: Simd>(simd: S, wanted: S::u32s, x: &[S::u32s]) -> Option<usize> {
    let none = simd.splat_u32s(u32::MAX);
    let mut first = none;
    for i in 0..x.len() {
        let here = simd.select_u32s(K::same(simd, x[i], wanted), simd.splat_u32s(i as u32), none);
        first = simd.min_u32s(first, here);
    }
    let mut place = u32::MAX;
    for (lane, &i) in lanes::<S>(&first).iter().enumerate() {
        place = place.min(i.saturating_mul(S::U32_LANES as u32).saturating_add(lane as u32));
    }
    (place < u32::MAX).then_some(place as usize)
}

/// The smallest number of an element with this key.
#[inline(always)]
fn number<K: Key>(x: &[Cell<u32>], numbers: Numbers<'_>, key: i32) -> u32 {
    let mut first = u32::MAX;
    numbers.with(x, |_, x, number| first = first.min(if K::of(x.get()) == key { number } else { u32::MAX }));
    first
}

/// The smallest words, of whatever elements.
#[cold]
#[inline(never)]
fn each<K: Key>(acc: i64, x: &[Cell<u32>], numbers: Numbers<'_>) -> i64 {
    let mut least = acc;
    numbers.with(x, |_, x, number| least = least.min(words(K::of(x.get()), number as i32)));
    least
}
