//! A step of Adam and its kin in one loop, in place.
//!
//! Three loops would wait for memory in two and for division in the third; one does both at once, and writes each
//! element where it was read while it is still at hand. Each operation rounds by itself, as it does alone.

#![allow(
    clippy::needless_range_loop,
    reason = "indices below one length show a compiler that no bound is passed, so that it makes vectors of the loop"
)]

use std::cell::Cell;

use pulp::{Scalar, Simd, WithSimd};

use super::formula::{row, splat};
use super::loops::Stream;
use super::strip::Strip;
use crate::cpu::arch::Arch;

/// Writes the new first moment, the new second moment and the new weights:
/// `m' = m·b1 + g·c1`, `v' = v·b2 + g·g·c2`, `w' = w·c - m'·s / (√v'·d + e)`.
///
/// The arguments are `w`, `g`, `m`, `v`, each as long as the results or one element, then the numbers `b1`, `c1`, `b2`,
/// `c2`, `c`, `s`, `d`, `e`. A result may lie where an argument does.
pub(super) type Moments = for<'a> fn(arch: Arch, args: &[Strip<'a>], out: [Strip<'a>; 3]);

/// Arguments of [`Moments`].
pub(super) const ARGS: usize = 12;

/// The loop. With `outer`, `s` multiplies the quotient, not `m'`; with `divided`, the root is divided by `d`.
pub(super) fn moments(outer: bool, divided: bool) -> Moments {
    match (outer, divided) {
        (false, false) => step::<false, false>,
        (false, true) => step::<false, true>,
        (true, false) => step::<true, false>,
        (true, true) => step::<true, true>,
    }
}

fn step<'a, const OUTER: bool, const DIVIDED: bool>(arch: Arch, args: &[Strip<'a>], out: [Strip<'a>; 3]) {
    debug_assert_eq!(args.len(), ARGS, "values and numbers");
    let values = [args[0], args[1], args[2], args[3]];
    let numbers = [4, 5, 6, 7, 8, 9, 10, 11].map(|i| args[i].cells::<f32>()[0].get());
    arch.dispatch(Step::<OUTER, DIVIDED> { values, numbers, out });
}

struct Step<'a, const OUTER: bool, const DIVIDED: bool> {
    values: [Strip<'a>; 4],
    numbers: [f32; 8],
    out: [Strip<'a>; 3],
}

impl<const OUTER: bool, const DIVIDED: bool> WithSimd for Step<'_, OUTER, DIVIDED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n = self.out[0].len();
        let [w, g, m, v] = self.values;
        // Weights and moments are updated, so they are rows: were one of them a number, all elements would go by ones.
        let rows = [w, m, v].iter().all(|x| x.len() == n);
        let out = self.out.map(|x| row::<S>(x));
        let whole = if rows { out[0].len() * S::F32_LANES } else { 0 };
        if rows && g.len() == n {
            self.each(simd, (row::<S>(w), row::<S>(g), row::<S>(m), row::<S>(v)), out);
        } else if rows {
            self.each(simd, (row::<S>(w), splat(simd, g), row::<S>(m), row::<S>(v)), out);
        }
        for i in whole..n {
            let one = |x: Strip<'_>| x.cells()[if x.len() == n { i } else { 0 }].get();
            self.write(Scalar, (one(w), one(g), one(m), one(v)), self.out.map(|x| &x.cells()[i]));
        }
    }
}

impl<const OUTER: bool, const DIVIDED: bool> Step<'_, OUTER, DIVIDED> {
    #[inline(always)]
    fn each<S: Simd, X: Stream<Item = (S::f32s, S::f32s, S::f32s, S::f32s)>>(
        &self,
        simd: S,
        values: X,
        out: [&[Cell<S::f32s>]; 3],
    ) {
        let n = out[0].len();
        let (values, out) = (values.of_len(n), out.map(|x| &x[..n]));
        for i in 0..n {
            self.write(simd, values.at(i), [&out[0][i], &out[1][i], &out[2][i]]);
        }
    }

    /// Writes one vector of each result. All that is read there was read before.
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, (w, g, m, v): (S::f32s, S::f32s, S::f32s, S::f32s), out: [&Cell<S::f32s>; 3]) {
        let [b1, c1, b2, c2, c, s, d, e] = self.numbers.map(|x| simd.splat_f32s(x));
        let m = simd.add_f32s(simd.mul_f32s(m, b1), simd.mul_f32s(g, c1));
        let v = simd.add_f32s(simd.mul_f32s(v, b2), simd.mul_f32s(simd.mul_f32s(g, g), c2));
        let root = simd.sqrt_f32s(v);
        let root = if DIVIDED { simd.div_f32s(root, d) } else { simd.mul_f32s(root, d) };
        let under = simd.add_f32s(root, e);
        let step =
            if OUTER { simd.mul_f32s(simd.div_f32s(m, under), s) } else { simd.div_f32s(simd.mul_f32s(m, s), under) };
        out[0].set(m);
        out[1].set(v);
        out[2].set(simd.sub_f32s(simd.mul_f32s(w, c), step));
    }
}
