//! A step of Adam and its kin in one loop, in place.
//!
//! Three loops would wait for memory in two and for division in the third; one does both at once, and writes each
//! element where it was read while it is still at hand. Each operation rounds by itself, as it does alone.

#![allow(clippy::cast_ptr_alignment, reason = "elements are aligned, as `Moments` demands")]

use pulp::{Arch, Scalar, Simd, WithSimd};

use super::kernel::Src;

/// Writes `n` elements of the new first moment, the new second moment and the new weights:
/// `m' = m·b1 + g·c1`, `v' = v·b2 + g·g·c2`, `w' = w·c - m'·s / (√v'·d + e)`.
///
/// The arguments are `w`, `g`, `m`, `v`, then the numbers `b1`, `c1`, `b2`, `c2`, `c`, `s`, `d`, `e`.
///
/// # Safety
///
/// Each argument must be valid for `n` reads of f32 (one, if it is a splat), and each of `out` for `n` writes; all
/// aligned. What `out` overlaps of an argument it must equal.
pub(super) type Moments = unsafe fn(arch: Arch, args: &[Src], out: [*mut u8; 3], n: usize);

/// Arguments of [`Moments`].
pub(super) const ARGS: usize = 12;

/// The kernel; with `outer`, the quotient is multiplied by `s`, not what is divided; with `divided`, the root is
/// divided by `d`.
pub(super) fn moments(outer: bool, divided: bool) -> Moments {
    match (outer, divided) {
        (false, false) => kernel::<false, false>,
        (false, true) => kernel::<false, true>,
        (true, false) => kernel::<true, false>,
        (true, true) => kernel::<true, true>,
    }
}

/// # Safety
///
/// As [`Moments`].
unsafe fn kernel<const OUTER: bool, const DIVIDED: bool>(arch: Arch, args: &[Src], out: [*mut u8; 3], n: usize) {
    let [w, g, m, v] = [0, 1, 2, 3].map(|i| args[i]);
    // SAFETY: what `Moments` demands of the numbers.
    let numbers = [4, 5, 6, 7, 8, 9, 10, 11].map(|i| unsafe { args[i].at.cast::<f32>().read() });
    let out = out.map(<*mut u8>::cast::<f32>);
    arch.dispatch(Loop::<OUTER, DIVIDED> { values: [w, g, m, v], numbers, out, n });
}

#[derive(Clone, Copy)]
struct Loop<const OUTER: bool, const DIVIDED: bool> {
    values: [Src; 4],
    numbers: [f32; 8],
    out: [*mut f32; 3],
    n: usize,
}

impl<const OUTER: bool, const DIVIDED: bool> WithSimd for Loop<OUTER, DIVIDED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let whole = self.n / S::F32_LANES * S::F32_LANES;
        // SAFETY: whole steps of elements below `n`, what is left of them by ones.
        unsafe {
            self.steps(simd, 0, whole);
            self.steps(Scalar, whole, self.n);
        }
    }
}

impl<const OUTER: bool, const DIVIDED: bool> Loop<OUTER, DIVIDED> {
    /// Elements `start..end`, as many at a step as a vector has lanes.
    ///
    /// # Safety
    ///
    /// The range is of whole steps, and ends at `n` at the latest; of the rest, as [`Moments`].
    #[inline(always)]
    unsafe fn steps<S: Simd>(self, simd: S, start: usize, end: usize) {
        let [b1, c1, b2, c2, c, s, d, e] = self.numbers.map(|x| simd.splat_f32s(x));
        for i in (start..end).step_by(S::F32_LANES) {
            let load = |x: Src| {
                let at = x.at.cast::<f32>();
                // SAFETY: a step of elements from `i` on lies below `n`; a splat has one.
                unsafe { if x.splat { simd.splat_f32s(*at) } else { at.add(i).cast::<S::f32s>().read_unaligned() } }
            };
            let [w, g, m, v] = self.values.map(load);
            let m = simd.add_f32s(simd.mul_f32s(m, b1), simd.mul_f32s(g, c1));
            let v = simd.add_f32s(simd.mul_f32s(v, b2), simd.mul_f32s(simd.mul_f32s(g, g), c2));
            let root = simd.sqrt_f32s(v);
            let root = if DIVIDED { simd.div_f32s(root, d) } else { simd.mul_f32s(root, d) };
            let under = simd.add_f32s(root, e);
            let step = if OUTER {
                simd.mul_f32s(simd.div_f32s(m, under), s)
            } else {
                simd.div_f32s(simd.mul_f32s(m, s), under)
            };
            let w = simd.sub_f32s(simd.mul_f32s(w, c), step);
            for (out, x) in self.out.into_iter().zip([m, v, w]) {
                // SAFETY: a step of elements from `i` on lies below `n`, and everything that is read there was.
                unsafe { out.add(i).cast::<S::f32s>().write_unaligned(x) };
            }
        }
    }
}
