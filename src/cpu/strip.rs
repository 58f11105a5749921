//! Memory as the loops above see it: the one place where a pointer becomes a reference.
//!
//! A [`Span`] is all memory of a buffer, a target or a temporary. Threads share it, and each takes [`Strip`]s of it: a few
//! elements in a row, which it reads or writes. A strip hands its elements out as `&[Cell<T>]`, after checking size and
//! alignment, and a span checks that a strip lies inside it. Elements are cells because an update in place writes where
//! it reads, and two strips of one thread may well be the same memory.
//!
//! What no check can see is that threads stay out of each other's way. [`Span::new`] demands that promise, and the
//! functions that share work out (`Map::run`, `Reduce::run`, `Scan::run`, `Sort::run`, `Segments::run`, `Contract::run` and
//! `bands::run`) keep it.
//!
//! The checks cost nothing that can be measured: `a * b` of 1,024 elements in the first-level cache takes 50 ns by way of
//! strips and by way of the bare pointers that were here before, and 45 ns in place, where it took 56.

#![allow(unsafe_code, reason = "makes references of pointers, which everything above it uses instead")]

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;

use super::lines;

/// Memory that threads share, and where in it positions are counted from.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    start: *mut u8,
    bytes: usize,
    /// In bytes from `start`. A target that is flipped begins at its memory's end and goes back from there.
    origin: usize,
    memory: PhantomData<&'a Cell<u8>>,
}

// SAFETY: `new` demands that no thread writes what another thread reads or writes.
unsafe impl Send for Span<'_> {}
// SAFETY: as above.
unsafe impl Sync for Span<'_> {}

impl<'a> Span<'a> {
    pub(super) const EMPTY: Self =
        Self { start: std::ptr::dangling_mut::<u64>().cast(), bytes: 0, origin: 0, memory: PhantomData };

    /// The memory `memory`.
    ///
    /// # Safety
    ///
    /// For as long as `'a`:
    ///
    /// - it is valid for reads of bytes that are initialised, and for writes if anything is written by way of it;
    /// - it is aligned to its elements;
    /// - no thread writes an element that another thread reads or writes;
    /// - if anything is written by way of it, nothing holds a reference into it, but for cells.
    pub(super) unsafe fn new(memory: *mut [u8]) -> Self {
        let start = memory.cast::<u8>();
        debug_assert!(memory.is_empty() || !start.is_null(), "memory has an address");
        Self { start, bytes: memory.len(), origin: 0, memory: PhantomData }
    }

    /// The same memory, its positions counted from `bytes` further on.
    pub(super) fn from(self, bytes: usize) -> Self {
        Self { origin: self.origin + bytes, ..self }
    }

    /// Whether both are the same memory, counted from the same place.
    pub(super) fn is(self, other: Self) -> bool {
        (self.start, self.origin) == (other.start, other.origin)
    }

    /// The `n` elements of `size` bytes from the one at position `at` on.
    #[inline]
    pub(super) fn strip(self, at: isize, n: usize, size: usize) -> Strip<'a> {
        let first = self.origin.wrapping_add_signed(at.wrapping_mul(size as isize));
        assert!(
            fits(first, n, size, self.bytes),
            "{n} elements of {size} bytes at byte {first} lie beyond {} bytes",
            self.bytes
        );
        // In bounds, as was just seen.
        Strip { start: self.start.wrapping_add(first), extent: Extent::new(n, size), memory: PhantomData }
    }

    /// All its elements of type `T`, and which of them positions are counted from.
    pub(super) fn cells<T: Pod>(self) -> (&'a [Cell<T>], isize) {
        debug_assert!(self.origin.is_multiple_of(size_of::<T>()), "positions are counted in elements");
        let extent = Extent::new(self.bytes / size_of::<T>(), size_of::<T>());
        let all = Strip { start: self.start, extent, memory: PhantomData };
        (all.cells(), (self.origin / size_of::<T>()) as isize)
    }
}

/// Whether `n` elements of `size` bytes from byte `first` on lie within `bytes`.
#[inline]
fn fits(first: usize, n: usize, size: usize, bytes: usize) -> bool {
    n.checked_mul(size).and_then(|len| first.checked_add(len)).is_some_and(|end| end <= bytes)
}

/// Elements in a row, of one size. Where a loop expects more than one, a strip of one element stands for all of them.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a> {
    start: *mut u8,
    extent: Extent,
    memory: PhantomData<&'a Cell<u8>>,
}

/// How many elements, and the bytes of one, in the upper eight bits: in one word, since a frame copies strips about all
/// the time. Types of one size need not be told apart: any bits are a number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Extent(u64);

impl Extent {
    const SIZE_AT: u32 = 56;

    #[inline(always)]
    const fn new(len: usize, size: usize) -> Self {
        debug_assert!((len as u64) < 1 << Self::SIZE_AT && size < 1 << 8, "memory is smaller, and so are elements");
        Self(len as u64 | (size as u64) << Self::SIZE_AT)
    }

    #[inline(always)]
    const fn len(self) -> usize {
        (self.0 & ((1 << Self::SIZE_AT) - 1)) as usize
    }

    #[inline(always)]
    const fn size(self) -> usize {
        (self.0 >> Self::SIZE_AT) as usize
    }
}

impl<'a> Strip<'a> {
    pub(super) const EMPTY: Self =
        Self { start: std::ptr::dangling_mut::<u64>().cast(), extent: Extent::new(0, 1), memory: PhantomData };

    /// Those bytes.
    pub(super) fn of(bytes: &'a [Cell<u8>]) -> Self {
        Self { start: bytes.as_ptr().cast_mut().cast(), extent: Extent::new(bytes.len(), 1), memory: PhantomData }
    }

    #[inline(always)]
    pub(super) fn len(self) -> usize {
        self.extent.len()
    }

    /// Bytes of an element.
    pub(super) fn size(self) -> usize {
        self.extent.size()
    }

    fn bytes(self) -> usize {
        self.len() * self.extent.size()
    }

    /// Whether it begins a cache line.
    pub(super) fn begins_line(self) -> bool {
        self.start.addr().is_multiple_of(lines::LINE)
    }

    /// Whether both are the same memory.
    pub(super) fn is(self, other: Self) -> bool {
        (self.start, self.extent) == (other.start, other.extent)
    }

    /// Whether it begins somewhere in the memory of `other`.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.start.addr().wrapping_sub(other.start.addr()) < other.bytes()
    }

    /// The `n` elements from the one numbered `first` on.
    pub(super) fn part(self, first: usize, n: usize) -> Self {
        self.carve(first * self.extent.size(), n, self.extent.size())
    }

    /// `n` elements of `size` bytes from byte `first` of this strip on.
    #[inline]
    pub(super) fn carve(self, first: usize, n: usize, size: usize) -> Self {
        let bytes = self.bytes();
        assert!(fits(first, n, size, bytes), "{n} elements at byte {first} lie beyond {bytes} bytes");
        // In bounds, as was just seen.
        Self { start: self.start.wrapping_add(first), extent: Extent::new(n, size), memory: PhantomData }
    }

    /// Its elements.
    #[inline(always)]
    pub(super) fn cells<T: Pod>(self) -> &'a [Cell<T>] {
        assert!(size_of::<T>() == self.extent.size(), "elements of another size");
        assert!(self.start.addr().is_multiple_of(align_of::<T>()), "elements that are not aligned");
        // SAFETY: `len` elements of `size` bytes from `start` on are initialised, in bounds and aligned, and so many `T`,
        // for which any bits will do. Others that read or write them meanwhile are cells, too, on this thread.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len()) }
    }

    /// Its elements of type `T` as vectors of them, without the last few that fill none.
    #[inline(always)]
    pub(super) fn vectors<T: Pod, V: Pod>(self) -> &'a [Cell<V>] {
        const { assert!(align_of::<V>() == align_of::<T>() && size_of::<V>().is_multiple_of(size_of::<T>())) }
        let lanes = const { size_of::<V>() / size_of::<T>() };
        let cells = self.cells::<T>();
        // SAFETY: the vectors cover no more than the cells, are aligned as they are, and any bits are one.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast(), cells.len() / lanes) }
    }

    /// Copies its elements to those of `to`, which may be the same.
    pub(super) fn copy_to(self, to: Strip<'_>) {
        assert!(self.extent == to.extent, "as many elements as there is room for");
        // SAFETY: both are `len * size` initialised bytes that this thread may read and write; what overlaps is read
        // before it is written.
        unsafe { to.start.copy_from(self.start, self.bytes()) }
    }

    /// As [`copy_to`](Self::copy_to); the copy.
    pub(super) fn copied_to(self, to: Strip<'a>) -> Strip<'a> {
        self.copy_to(to);
        to
    }

    /// As [`copy_to`](Self::copy_to) to other memory, past the cache. [`lines::settle`] before another thread reads it.
    pub(super) fn copy_past_cache(self, to: Strip<'_>) {
        assert!(self.extent == to.extent, "as many elements as there is room for");
        // SAFETY: both are so many initialised bytes that this thread may read and write, apart from each other.
        unsafe { lines::copy(self.start, to.start, self.bytes()) }
    }
}

/// Writes each cell.
#[inline(always)]
pub(super) fn set_each<T: Pod, const N: usize>(to: &[Cell<T>; N], from: [T; N]) {
    for i in 0..N {
        to[i].set(from[i]);
    }
}

/// Copies elements from one place to another of as many, which may be the same.
pub(super) fn copy<T: Pod>(from: &[Cell<T>], to: &[Cell<T>]) {
    assert_eq!(from.len(), to.len(), "as many elements as there is room for");
    // SAFETY: both are as long as is copied, a cell allows for writing, and what overlaps is read before it is written.
    unsafe { to.as_ptr().cast_mut().copy_from(from.as_ptr(), from.len()) }
}
