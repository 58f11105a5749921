//! Indices that are looked at as they are computed, and those that are out of bounds.

use std::cell::Cell;
use std::sync::{Mutex, PoisonError};

use pulp::NullaryFnOnce;

use super::strip::Strip;
use super::widest;
use crate::Result;
use crate::base::bounds::Bounds;
use crate::cpu::arch::Arch;

/// An index out of bounds that a run came by, if it did.
#[derive(Default)]
pub(super) struct Astray(Mutex<Option<(Bounds, i64)>>);

impl Astray {
    /// Keeps one of all that are found, the same at each run: threads come by them in any order.
    fn note(&self, bounds: Bounds, index: i64) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_none_or(|found| (bounds, index) < found) {
            *found = Some((bounds, index));
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.map_or(Ok(()), |(bounds, index)| Err(bounds.error(index)))
    }

    /// Writes indices, i32s or i64s, counted from the start of their dim; the first element for one out of bounds. `out` is
    /// as long as they are.
    pub(super) fn look(&self, arch: Arch, bounds: Bounds, indices: Strip<'_>, out: Strip<'_>) {
        let out = out.cells::<i32>();
        if indices.size() == size_of::<i64>() {
            self.each(arch, bounds, indices.cells::<i64>(), out);
        } else {
            self.each(arch, bounds, indices.cells::<i32>(), out);
        }
    }

    fn each<T: Copy + Into<i64>>(&self, arch: Arch, bounds: Bounds, indices: &[Cell<T>], out: &[Cell<i32>]) {
        // Mostly all are within, and then nothing has to be decided one by one.
        let all = Cell::new(false);
        widest::run(arch, Within { bounds, indices, out, all: &all });
        if all.get() {
            return;
        }
        for (index, out) in indices.iter().zip(out) {
            let index: i64 = index.get().into();
            out.set(bounds.resolve(index).unwrap_or_else(|| {
                self.note(bounds, index);
                0
            }));
        }
    }
}

/// Writes indices counted from the start of their dim, and tells whether all were within; if not, what is written is of
/// no meaning.
struct Within<'a, T> {
    bounds: Bounds,
    indices: &'a [Cell<T>],
    out: &'a [Cell<i32>],
    all: &'a Cell<bool>,
}

impl<T: Copy + Into<i64>> NullaryFnOnce for Within<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let size = i64::from(self.bounds.size);
        let back = if self.bounds.from_end { size } else { 0 };
        let mut astray = false;
        for (index, out) in self.indices.iter().zip(self.out) {
            let index: i64 = index.get().into();
            let at = if index < 0 { index.wrapping_add(back) } else { index };
            astray |= at < 0 || at >= size;
            out.set(at as i32);
        }
        self.all.set(!astray);
    }
}
