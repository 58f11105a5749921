//! Pages of memory: large ones where there is much of it.

#![allow(unsafe_code, reason = "tells the system about memory")]

use bytemuck::Zeroable;

/// The page size asked for where memory is large: one fault instead of 512, and streams are prefetched further. Size
/// classes of the pool from twice this on are whole multiples of it.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Whether huge pages pay.
pub(crate) fn is_large(bytes: usize) -> bool {
    bytes >= 2 * HUGE_PAGE
}

/// Many systems give huge pages only on request. If this one refuses, pages are small. Of memory that nobody has
/// touched yet: all pages from `start` on that lie within its `bytes`.
#[cfg(target_os = "linux")]
pub(crate) fn ask_for_huge_pages(start: *mut u8, bytes: usize) {
    let skipped = start.addr().next_multiple_of(HUGE_PAGE) - start.addr();
    if let Some(bytes) = bytes.checked_sub(skipped) {
        // SAFETY: advice about memory that the caller has allocated.
        unsafe { libc::madvise(start.wrapping_add(skipped).cast(), bytes, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn ask_for_huge_pages(_start: *mut u8, _bytes: usize) {}

/// A vector of `n` zeros, in huge pages if it is large.
pub(crate) fn zeros<T: Zeroable>(n: usize) -> Vec<T> {
    let mut zeros: Vec<T> = bytemuck::zeroed_vec(n);
    let bytes = size_of_val(&zeros[..]);
    if is_large(bytes) {
        ask_for_huge_pages(zeros.as_mut_ptr().cast(), bytes);
    }
    zeros
}
