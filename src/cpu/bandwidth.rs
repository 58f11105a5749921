//! How fast all cores together copy and read memory: a plain copy and a plain dot product.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pulp::NullaryFnOnce;

use super::lines::{copy_cells, settle};
use super::{Buffer, threads};
use crate::Result;
use crate::base::interrupt;
use crate::base::times::{Bandwidth, Instant, rate};
use crate::cpu::arch::Arch;

/// Elements of each array: 64 MiB, so that caches do not hold two of them.
const NUMEL: usize = 16 << 20;
/// Elements a thread takes at a time.
const CHUNK: usize = 64 * 1024;

/// What was measured at the first call.
pub(crate) fn bandwidth() -> Result<Bandwidth> {
    static MEASURED: OnceLock<Bandwidth> = OnceLock::new();
    match MEASURED.get() {
        Some(measured) => Ok(*measured),
        None => interrupt::never(measure).map(|measured| *MEASURED.get_or_init(|| measured)),
    }
}

/// Measures both rates, in memory like that of tensors.
fn measure() -> Result<Bandwidth> {
    let array = || Buffer::new("bandwidth", NUMEL * size_of::<f32>());
    let (from, to) = (array()?, array()?);
    let (mut from, mut to) = (from.lock_mut(), to.lock_mut());
    let (from, to): (&mut [f32], &mut [f32]) =
        (bytemuck::cast_slice_mut(from.bytes_mut()), bytemuck::cast_slice_mut(to.bytes_mut()));
    from.fill(1.0);
    to.fill(2.0);
    let bytes = (2 * NUMEL * size_of::<f32>()) as u64;
    let rate_of = |run: &mut dyn FnMut()| {
        let timed = rate(bytes, |runs| {
            let start = Instant::now();
            (0..runs).for_each(|_| run());
            Ok::<Duration, _>(start.elapsed())
        });
        timed.unwrap_or(f64::NAN) // it never fails
    };
    let copy = rate_of(&mut || copy(from, to));
    let read = rate_of(&mut || {
        std::hint::black_box(dot(from, to));
    });
    Ok(Bandwidth { copy, read })
}

/// Writes past the cache, as maps of so many elements do.
fn copy(from: &mut [f32], to: &mut [f32]) {
    // Each thread has chunks to itself, so nobody waits for these locks.
    let chunks: Vec<_> = from.chunks_mut(CHUNK).zip(to.chunks_mut(CHUNK)).map(Mutex::new).collect();
    threads::each(chunks.len(), NUMEL, |unit| {
        let mut chunks = chunks[unit].lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = &mut *chunks;
        copy_cells(Cell::from_mut(&mut **from).as_slice_of_cells(), Cell::from_mut(&mut **to).as_slice_of_cells());
        settle();
    });
}

/// A number that depends on every product, with 32 accumulators, so that no addition waits for another.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (arch, total) = (Arch::new(), AtomicU32::new(0));
    threads::each(NUMEL / CHUNK, NUMEL, |unit| {
        let (a, b) = (&a[unit * CHUNK..][..CHUNK], &b[unit * CHUNK..][..CHUNK]);
        // Used, so that a compiler cannot leave it out.
        total.fetch_xor(arch.dispatch(Dot(a, b)).to_bits(), Ordering::Relaxed);
    });
    f32::from_bits(total.into_inner())
}

struct Dot<'a>(&'a [f32], &'a [f32]);

impl NullaryFnOnce for Dot<'_> {
    type Output = f32;

    #[inline(always)]
    fn call(self) -> f32 {
        let mut sums = [0.0; 32];
        for (a, b) in self.0.chunks_exact(32).zip(self.1.chunks_exact(32)) {
            for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                *sum += a * b;
            }
        }
        sums.iter().sum()
    }
}
