//! Cache lines: asked for before they are read, and written past the cache.

#![allow(unsafe_code, reason = "instructions that Rust has no other word for")]

use std::cell::Cell;

use bytemuck::Pod;

use super::strip::set_each;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;
/// Lines ahead that memory is asked for where it is read from one end to the other.
pub(super) const AHEAD: usize = 64;

/// Cache lines that [`fetch`] asks for.
pub(super) fn count<T>(n: usize) -> usize {
    (n * size_of::<T>()).div_ceil(LINE).clamp(1, 4)
}

/// Asks memory for the first few cache lines of `n` elements from element `at` on, which are read soon.
#[inline]
pub(super) fn fetch<T>(from: &[Cell<T>], at: usize, n: usize) {
    for line in 0..count::<T>(n) {
        ask(from.as_ptr().wrapping_add(at).cast::<u8>().wrapping_add(line * LINE));
    }
}

/// Asks memory for the line of a byte, which need not be anybody's.
#[inline(always)]
fn ask(byte: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        // Into the second-level cache, since the first has few lines on their way at a time.
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: a hint, and nothing is read: any address will do.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(byte.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = byte;
}

/// Copies `bytes` from one place to another, past the cache: a line that is written whole need not be read first, and what is
/// too much for the cache puts nothing else out of it.
///
/// # Safety
///
/// `from` may be read and `to` written, and they lie apart.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    let head = to.align_offset(LINE).min(bytes);
    let lines = (bytes - head) / LINE;
    let done = head + lines * LINE;
    // SAFETY: the head, the lines and the rest are all of it, and each line is aligned.
    unsafe {
        to.copy_from_nonoverlapping(from, head);
        if is_x86_feature_detected!("avx") {
            lines_by_halves(from.add(head), to.add(head), lines);
        } else {
            lines_by_quarters(from.add(head), to.add(head), lines);
        }
        to.add(done).copy_from_nonoverlapping(from.add(done), bytes - done);
    }
}

/// Copies cache lines past the cache.
///
/// # Safety
///
/// As [`copy`], and `to` begins a line.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[allow(clippy::cast_ptr_alignment, reason = "what is loaded need not be aligned, and what is stored begins a line")]
unsafe fn lines_by_halves(from: *const u8, to: *mut u8, lines: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_stream_si256};
    let (from, to) = (from.cast::<__m256i>(), to.cast::<__m256i>());
    // What is short was just written, and lies in the cache.
    let ahead = if lines < 16 * AHEAD { 0 } else { AHEAD };
    for line in 0..lines {
        ask(from.wrapping_add(2 * (line + ahead)).cast());
        // SAFETY: both halves of a line are within what the caller promises.
        unsafe {
            let halves = [0, 1].map(|i| _mm256_loadu_si256(from.add(2 * line + i)));
            _mm256_stream_si256(to.add(2 * line), halves[0]);
            _mm256_stream_si256(to.add(2 * line + 1), halves[1]);
        }
    }
}

/// As [`lines_by_halves`], where there is no AVX.
///
/// # Safety
///
/// As there.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::cast_ptr_alignment, reason = "what is loaded need not be aligned, and what is stored begins a line")]
unsafe fn lines_by_quarters(from: *const u8, to: *mut u8, lines: usize) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
    let (from, to) = (from.cast::<__m128i>(), to.cast::<__m128i>());
    for quarter in 0..4 * lines {
        // SAFETY: each quarter of a line is within what the caller promises.
        unsafe { _mm_stream_si128(to.add(quarter), _mm_loadu_si128(from.add(quarter))) };
    }
}

/// As the other, where no instruction goes past the cache.
///
/// # Safety
///
/// `from` may be read and `to` written, and they lie apart.
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: as the caller promises.
    unsafe { to.copy_from_nonoverlapping(from, bytes) }
}

/// Has what was copied past the cache written before anything that this thread does next.
pub(super) fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has it, and it touches no memory of ours.
    #[allow(unused_unsafe, reason = "it is safe for later compilers")]
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// Writes cells past the cache where that goes, which is where they begin at a multiple of 16 bytes.
#[inline(always)]
pub(super) fn set_past_cache<T: Pod, const N: usize>(to: &[Cell<T>; N], from: [T; N]) {
    #[cfg(target_arch = "x86_64")]
    if size_of::<[T; N]>().is_multiple_of(16) && to.as_ptr().addr().is_multiple_of(16) {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        let (from, to) = (from.as_ptr().cast::<__m128i>(), to.as_ptr().cast_mut().cast::<__m128i>());
        for i in 0..size_of::<[T; N]>() / 16 {
            // SAFETY: both are so many bytes, a cell allows for writing, and what is written was just seen to be aligned.
            unsafe { _mm_stream_si128(to.add(i), _mm_loadu_si128(from.add(i))) };
        }
        return;
    }
    set_each(to, from);
}

/// Copies cells to others past the cache where whole lines are written, of which rows have so many.
pub(super) fn copy_cells<T: Pod>(from: &[Cell<T>], to: &[Cell<T>]) {
    assert_eq!(from.len(), to.len(), "as many elements as there is room for");
    // SAFETY: both are as long as is copied, a cell allows for writing, and they lie apart.
    unsafe { copy(from.as_ptr().cast(), to.as_ptr().cast_mut().cast(), size_of_val(from)) }
}
