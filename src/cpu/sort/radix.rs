//! Items in their order, by one thread: digit after digit of their keys, the lowest first, each time in the order in which
//! they stand (a radix sort). Few items, or keys of many digits, are compared instead.

use std::ops::Range;

use super::item::Item;

/// Items up to which comparing is faster, whatever the keys.
const FEW: usize = 192;
/// Bits of a digit, and of one where the items and as many more fit the second-level cache.
const DIGIT: u32 = 8;
const LONG_DIGIT: u32 = 11;
const CACHE: usize = 64 * 1024;

/// For each digit how many items have it, and where the next one goes.
type Counts = [u32; 1 << LONG_DIGIT];

/// Leaves those of `items` that have these ranks among them, in their order.
pub(super) fn select<I: Item>(items: &mut Vec<I>, ranks: Range<usize>, spare: &mut Vec<I>) {
    if ranks.end < items.len() {
        keep(items, ranks.end, true, spare);
    }
    if ranks.start > 0 {
        keep(items, ranks.start, false, spare);
    }
    sort(items, spare);
}

/// Leaves the items of ranks below `rank`, or the others. Items with places stay as they stand, since a sort by digits leaves
/// equal keys so; of keys alone any order will do.
fn keep<I: Item>(items: &mut Vec<I>, rank: usize, below: bool, spare: &mut Vec<I>) {
    if I::PLACED {
        spare.clear();
        spare.extend_from_slice(items);
        let (_, &mut first, _) = spare.select_nth_unstable(rank);
        items.retain(|&item| (item < first) == below);
    } else {
        items.select_nth_unstable(rank);
        if below {
            items.truncate(rank);
        } else {
            items.drain(..rank);
        }
    }
}

/// Sorts `items`, equal ones by their places; `spare` is memory that is kept from call to call.
pub(super) fn sort<I: Item>(items: &mut Vec<I>, spare: &mut Vec<I>) {
    let n = items.len();
    if n <= FEW || items.is_sorted() {
        return items.sort_unstable();
    }
    let [least, most] = bounds(items);
    let bits = u64::BITS - (most - least).leading_zeros();
    let digit = if n * size_of::<I>() <= CACHE && n >= 1 << LONG_DIGIT { LONG_DIGIT } else { DIGIT };
    let passes = bits.div_ceil(digit);
    // A pass takes the time of one and a half levels of comparisons.
    if 3 * passes > 2 * n.ilog2() {
        return items.sort_unstable();
    }
    spare.clear();
    spare.resize(n, I::zeroed());
    let digit = bits.div_ceil(passes.max(1));
    let mut next = [0; 1 << LONG_DIGIT];
    for pass in 0..passes {
        if by_digit(items, spare, |x| (x.key() - least) >> (pass * digit), &mut next, (1 << digit) - 1) {
            std::mem::swap(items, spare);
        }
    }
}

/// The smallest and the largest key.
pub(super) fn bounds<I: Item>(items: &[I]) -> [u64; 2] {
    let (low, high) = items.iter().fold((u64::MAX, 0), |(low, high), x| (low.min(x.key()), high.max(x.key())));
    [low, high]
}

/// Copies items to `to`, by the bits `mask` of their keys, and returns true; or false where they are all the same.
#[inline(always)]
fn by_digit<I: Copy>(items: &[I], to: &mut [I], key: impl Fn(I) -> u64, next: &mut Counts, mask: usize) -> bool {
    let digit = |x: I| key(x) as usize & mask & ((1 << LONG_DIGIT) - 1);
    next[..=mask].fill(0);
    items.iter().for_each(|&x| next[digit(x)] += 1);
    if next[digit(items[0])] as usize == items.len() {
        return false;
    }
    let mut sum = 0;
    for next in &mut next[..=mask] {
        (*next, sum) = (sum, sum + *next);
    }
    for &x in items {
        let next = &mut next[digit(x)];
        to[*next as usize] = x;
        *next += 1;
    }
    true
}
