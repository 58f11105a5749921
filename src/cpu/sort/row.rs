//! A row that is sorted: where its elements lie, and what becomes of them.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::item::{Element, Item};
use super::{CHUNK, long, radix};
use crate::cpu::arch::Arch;
use crate::cpu::chunks::Chunks;
use crate::cpu::strip::Span;

pub(super) struct Row<'a, T> {
    /// The memory of the elements, and of the items while they are moved, if the row is long, counted from the row's first.
    pub(super) from: Span<'a>,
    pub(super) moved: Span<'a>,
    /// The memory of the results, elements and places, of those that are wanted.
    pub(super) values: Option<Span<'a>>,
    pub(super) places: Option<Span<'a>>,
    pub(super) n: usize,
    /// What keys are turned round by.
    pub(super) turn: u64,
    /// The ranks of which results are wanted.
    pub(super) ranks: Range<usize>,
    /// Whether all threads work at this row.
    pub(super) by_all: bool,
    pub(super) element: PhantomData<fn() -> T>,
}

impl<'a, T: Element> Row<'a, T> {
    pub(super) fn elements(&self, places: Range<usize>) -> &'a [Cell<T>] {
        self.from.strip(places.start as isize, places.len(), size_of::<T>()).cells()
    }

    /// Memory for the items of these ranks.
    pub(super) fn moved<I: Item>(&self, ranks: Range<usize>) -> &'a [Cell<I>] {
        self.moved.strip(ranks.start as isize, ranks.len(), size_of::<I>()).cells()
    }

    fn wanted(&self, ranks: &Range<usize>) -> Range<usize> {
        let (start, end) = (ranks.start.max(self.ranks.start), ranks.end.min(self.ranks.end));
        start..end.max(start)
    }

    /// Whether results of some of these ranks are wanted.
    pub(super) fn wants(&self, ranks: Range<usize>) -> bool {
        !self.wanted(&ranks).is_empty()
    }

    /// Writes what is wanted of `items`, which are in their order and have ranks `first` and on.
    pub(super) fn write<I: Item>(&self, first: usize, items: &[I]) {
        let wanted = self.wanted(&(first..first + items.len()));
        if wanted.is_empty() {
            return;
        }
        let (at, items) = ((wanted.start - self.ranks.start) as isize, &items[wanted.start - first..]);
        if let Some(values) = self.values {
            let to = values.strip(at, wanted.len(), size_of::<T>()).cells();
            to.iter().zip(items).for_each(|(to, item)| to.set(T::of_key(item.key() ^ self.turn)));
        }
        if let Some(places) = self.places {
            let to = places.strip(at, wanted.len(), size_of::<i32>()).cells();
            to.iter().zip(items).for_each(|(to, item)| to.set(item.place()));
        }
    }

    /// As [`write`](Self::write), of items that are not yet in their order. They are lost.
    pub(super) fn write_sorted<I: Item>(&self, first: usize, items: &mut Vec<I>, spare: &mut Vec<I>) {
        let wanted = self.wanted(&(first..first + items.len()));
        radix::select(items, wanted.start - first..wanted.end - first, spare);
        self.write(wanted.start, items);
    }

    /// Sorts the row. `held` is memory that is kept from row to row.
    pub(super) fn sort<I: Item>(&self, is_long: bool, [items, spare]: &mut [Vec<I>; 2]) {
        if is_long {
            long::sort::<T, I>(self, self, 0, 0);
        } else {
            items.clear();
            let (elements, turn) = (self.elements(0..self.n).iter().enumerate(), self.turn);
            items.extend(elements.map(|(i, x)| I::new(x.get().key() ^ turn, i)));
            self.write_sorted(0, items, spare);
        }
        if let Some(values) = self.values.filter(|_| self.loses_bits()) {
            self.restore(values);
        }
    }

    /// Whether keys are not enough to write some of the elements.
    fn loses_bits(&self) -> bool {
        let is_lost = |places: Range<usize>| {
            let (elements, mut any) = (self.elements(places), false);
            Arch::new().dispatch(|| any = elements.iter().fold(false, |any, x| any | x.get().loses_bits()));
            any
        };
        if !self.by_all {
            // Rows may be many and short.
            return is_lost(0..self.n);
        }
        let found = AtomicBool::new(false);
        Chunks::new(self.n, CHUNK, true).each(|_, places| {
            found.fetch_or(is_lost(places), Relaxed);
        });
        found.into_inner()
    }

    /// Writes NaNs and zeros anew, as they stand in the row: from keys all come back the same.
    fn restore(&self, values: Span<'a>) {
        let elements = self.elements(0..self.n);
        let to = values.strip(0, self.ranks.len(), size_of::<T>()).cells::<T>();
        for key in [T::LAST, T::zeroed().key()].map(|key| key ^ self.turn) {
            let first = elements.iter().filter(|x| x.get().key() ^ self.turn < key).count();
            let equal = elements.iter().filter(|x| x.get().key() ^ self.turn == key);
            for (rank, x) in (first..).zip(equal).filter(|(rank, _)| self.ranks.contains(rank)) {
                to[rank - self.ranks.start].set(x.get());
            }
        }
    }
}
