//! Rows of elements in even steps, copied from one place to another, and turned.

#![allow(
    unsafe_code,
    reason = "elements between corners that are in bounds, and instructions that Rust has no other word for"
)]

use std::cell::Cell;

use bytemuck::Pod;

/// Rows of elements in even steps: the first element, and the steps from row to row and from element to element.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a, T> {
    pub(super) cells: &'a [Cell<T>],
    pub(super) first: usize,
    pub(super) steps: [isize; 2],
}

impl<T> Steps<'_, T> {
    /// Whether there are that many rows of that many elements, at least one of either. All lie between the four corners.
    #[inline]
    fn has(&self, sizes: [usize; 2]) -> bool {
        let last = |d: usize| (sizes[d] as isize - 1).checked_mul(self.steps[d]);
        let is_in = |at: Option<usize>| at.is_some_and(|at| at < self.cells.len());
        let (Some(down), Some(along)) = (last(0), last(1)) else { return false };
        let end = self.first.checked_add_signed(down);
        is_in(Some(self.first))
            && is_in(end)
            && is_in(self.first.checked_add_signed(along))
            && is_in(end.and_then(|end| end.checked_add_signed(along)))
    }

    /// The same elements, columns for rows.
    fn turned(self) -> Self {
        let [down, along] = self.steps;
        Self { steps: [along, down], ..self }
    }

    /// The index of an element.
    #[inline(always)]
    fn at(&self, row: usize, i: usize) -> usize {
        self.first.wrapping_add_signed(row as isize * self.steps[0]).wrapping_add_signed(i as isize * self.steps[1])
    }
}

/// Copies rows of elements.
///
/// ```text
/// for row in 0..rows, i in 0..n: to[row, i] = from[row, i], where x[row, i] = cells[first + row * steps[0] + i * steps[1]]
/// ```
///
/// The corners are checked before the loop. With a check of each element instead, a row that is gathered backwards takes
/// half as long again.
#[inline]
pub(super) fn copy_steps<T: Pod>(from: Steps<'_, T>, to: Steps<'_, T>, [rows, n]: [usize; 2]) {
    if rows == 0 || n == 0 {
        return;
    }
    assert!(from.has([rows, n]) && to.has([rows, n]), "{rows} rows of {n} elements lie beyond their memory");
    let has_block = rows.min(n) * size_of::<T>() >= 16;
    if has_block && from.steps[1] == 1 && to.steps[0] == 1 {
        // SAFETY: as was just seen.
        unsafe { turn(from, to, [rows, n]) }
    } else if has_block && from.steps[0] == 1 && to.steps[1] == 1 {
        // SAFETY: as above.
        unsafe { turn(from.turned(), to.turned(), [n, rows]) }
    } else {
        // SAFETY: as above.
        unsafe { one_by_one(from, to, [0..rows, 0..n]) }
    }
}

/// Copies some elements of some rows.
///
/// # Safety
///
/// Both have these rows and elements.
#[inline(always)]
unsafe fn one_by_one<T: Pod>(from: Steps<'_, T>, to: Steps<'_, T>, [rows, n]: [std::ops::Range<usize>; 2]) {
    for row in rows {
        let (from_start, to_start) = (from.at(row, 0), to.at(row, 0));
        for i in n.clone() {
            let from_at = from_start.wrapping_add_signed(i as isize * from.steps[1]);
            let to_at = to_start.wrapping_add_signed(i as isize * to.steps[1]);
            debug_assert!(from_at < from.cells.len() && to_at < to.cells.len(), "between the corners");
            // SAFETY: as the caller promises.
            unsafe { to.cells.get_unchecked(to_at).set(from.cells.get_unchecked(from_at).get()) }
        }
    }
}

/// Copies rows of neighbours to columns of neighbours: square blocks that fill vectors, and one by one what is left.
///
/// # Safety
///
/// Both have so many rows and elements; elements of a row of `from`, and rows of `to`, are one apart.
unsafe fn turn<T: Pod>(from: Steps<'_, T>, to: Steps<'_, T>, [rows, n]: [usize; 2]) {
    // SAFETY: as the caller promises; the blocks and what is left are all of it.
    unsafe {
        let [blocks_down, blocks_along] = match size_of::<T>() {
            1 => blocks::<T, 16>(from, to, [rows, n]),
            2 => blocks::<T, 8>(from, to, [rows, n]),
            4 => blocks::<T, 4>(from, to, [rows, n]),
            8 => blocks::<T, 2>(from, to, [rows, n]),
            _ => [0, 0],
        };
        one_by_one(from, to, [0..blocks_down, blocks_along..n]);
        one_by_one(from, to, [blocks_down..rows, 0..n]);
    }
}

/// Copies the whole blocks of `N` by `N` elements, and returns how many rows of how many elements they are.
///
/// # Safety
///
/// As [`turn`], and `N` elements are 16 bytes.
#[cfg(target_arch = "x86_64")]
unsafe fn blocks<T: Pod, const N: usize>(from: Steps<'_, T>, to: Steps<'_, T>, [rows, n]: [usize; 2]) -> [usize; 2] {
    /// Rows ahead that memory is asked for: rows may lie so far apart that no processor would guess the next.
    const AHEAD: usize = 8;
    let [blocks_down, blocks_along] = [rows / N * N, n / N * N];
    for row in (0..blocks_down).step_by(N) {
        for ahead in (row + AHEAD..row + AHEAD + N).take_while(|&ahead| ahead < rows) {
            super::lines::fetch(from.cells, from.at(ahead, 0), n);
        }
        for i in (0..blocks_along).step_by(N) {
            // SAFETY: a block lies within what the caller promises, and the type is inhabited by any bits.
            unsafe {
                let read = |k: usize| from.cells.as_ptr().add(from.at(row + k, i)).cast();
                let turned = turned_block::<N>(std::array::from_fn(read));
                for (k, vector) in turned.into_iter().enumerate() {
                    let to: *mut T = to.cells.as_ptr().add(to.at(row, i + k)).cast_mut().cast();
                    std::arch::x86_64::_mm_storeu_si128(to.cast(), vector);
                }
            }
        }
    }
    [blocks_down, blocks_along]
}

/// Vectors whose elements are those of the columns of a block.
///
/// Vector `i` and vector `i + N / 2` are shuffled together, as the halves of a deck of cards: after as many shuffles as `N` is a
/// power of two, element `j` of vector `i` is element `i` of vector `j`.
///
/// # Safety
///
/// Each row may be read.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn turned_block<const N: usize>(
    rows: [*const std::arch::x86_64::__m128i; N],
) -> [std::arch::x86_64::__m128i; N] {
    use std::arch::x86_64 as x86;
    // SAFETY: as the caller promises, and every x86-64 has these instructions.
    unsafe {
        let mut x = rows.map(|row| x86::_mm_loadu_si128(row));
        for _ in 0..N.trailing_zeros() {
            let half = |i: usize| (x[i / 2], x[i / 2 + N / 2]);
            x = std::array::from_fn(|i| match (N, half(i), i % 2) {
                (2, (a, b), 0) => x86::_mm_unpacklo_epi64(a, b),
                (2, (a, b), _) => x86::_mm_unpackhi_epi64(a, b),
                (4, (a, b), 0) => x86::_mm_unpacklo_epi32(a, b),
                (4, (a, b), _) => x86::_mm_unpackhi_epi32(a, b),
                (8, (a, b), 0) => x86::_mm_unpacklo_epi16(a, b),
                (8, (a, b), _) => x86::_mm_unpackhi_epi16(a, b),
                (_, (a, b), 0) => x86::_mm_unpacklo_epi8(a, b),
                (_, (a, b), _) => x86::_mm_unpackhi_epi8(a, b),
            });
        }
        x
    }
}

/// None: no instruction turns blocks here.
///
/// # Safety
///
/// None.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn blocks<T: Pod, const N: usize>(_: Steps<'_, T>, _: Steps<'_, T>, _: [usize; 2]) -> [usize; 2] {
    [0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Pod + PartialEq + std::fmt::Debug>(of: impl Fn(usize) -> T) {
        for [rows, n] in [[1, 1], [1, 40], [40, 1], [3, 5], [4, 4], [16, 16], [17, 33], [40, 64]] {
            let from: Vec<T> = (0..rows * (n + 3)).map(&of).collect();
            let from = Steps {
                cells: &from.iter().map(|&x| Cell::new(x)).collect::<Vec<_>>(),
                first: 2,
                steps: [n as isize + 3, 1],
            };
            let pitch = rows + 2;
            let there = vec![Cell::new(of(0)); pitch * n + 1];
            let to = Steps { cells: &there, first: 1, steps: [1, pitch as isize] };
            let back = vec![Cell::new(of(0)); rows * n];
            let straight = Steps { cells: &back, first: 0, steps: [n as isize, 1] };
            let from = Steps { first: 0, ..from };
            copy_steps(from, to, [rows, n]);
            copy_steps(to, straight, [rows, n]);
            for row in 0..rows {
                for i in 0..n {
                    let expected = from.cells[row * (n + 3) + i].get();
                    assert_eq!(there[1 + row + i * pitch].get(), expected, "[{row}, {i}] of {rows} by {n}");
                    assert_eq!(back[row * n + i].get(), expected, "[{row}, {i}] of {rows} by {n}, and back");
                }
            }
            // What lies between is nobody's.
            assert_eq!(there[0].get(), of(0));
            (0..n - 1).for_each(|i| assert_eq!(there[(i + 1) * pitch].get(), of(0), "after column {i}"));
        }
    }

    #[test]
    fn rows_become_columns() {
        check(|i| i as u8);
        check(|i| i as u16);
        check(|i| i as u32);
        check(|i| i as u64);
    }
}
