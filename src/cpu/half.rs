//! Conversions between f16 and f32, by the instructions for them where the CPU has those: a fourth of the time.

#![allow(unsafe_code, reason = "calls what is compiled for an instruction set")]

use super::loops::{Body, Loop, Run, map1};
use super::math;

/// The f32 of each f16.
pub(super) fn widen() -> Loop {
    either(f16c::WIDEN, map1(math::f16_to_f32))
}

/// The f16 next to each f32.
pub(super) fn narrow() -> Loop {
    either(f16c::NARROW, map1(math::f32_to_f16))
}

/// The same, as an f32.
pub(super) fn nearest() -> Loop {
    either(f16c::NEAREST, map1(math::nearest_f16))
}

fn either(instructions: Option<Run>, formula: Loop) -> Loop {
    match instructions {
        Some(run) if f16c::is_there() => Loop::new(Body::Compiled(run)),
        _ => formula,
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod f16c {
    use crate::cpu::loops::Run;

    pub(super) const WIDEN: Option<Run> = None;
    pub(super) const NARROW: Option<Run> = None;
    pub(super) const NEAREST: Option<Run> = None;

    pub(super) fn is_there() -> bool {
        false
    }
}

#[cfg(target_arch = "x86_64")]
mod f16c {
    use std::arch::x86_64::{
        _MM_FROUND_TO_NEAREST_INT, _mm_loadu_si128, _mm_storeu_si128, _mm256_cvtph_ps, _mm256_cvtps_ph,
        _mm256_loadu_ps, _mm256_storeu_ps,
    };
    use std::cell::Cell;

    use crate::cpu::arch::Arch;
    use crate::cpu::loops::Run;
    use crate::cpu::math;
    use crate::cpu::strip::Strip;

    /// Elements of a vector.
    const LANES: usize = 8;

    pub(super) fn is_there() -> bool {
        is_x86_feature_detected!("f16c") && is_x86_feature_detected!("avx")
    }

    pub(super) const WIDEN: Option<Run> = Some(|_: Arch, args: &[Strip<'_>], out: Strip<'_>| {
        // SAFETY: the loop is only made where the CPU has f16c and AVX.
        unsafe { widen(args[0].cells(), out.cells()) }
    });
    pub(super) const NARROW: Option<Run> = Some(|_: Arch, args: &[Strip<'_>], out: Strip<'_>| {
        // SAFETY: as above.
        unsafe { narrow(args[0].cells(), out.cells()) }
    });
    pub(super) const NEAREST: Option<Run> = Some(|_: Arch, args: &[Strip<'_>], out: Strip<'_>| {
        // SAFETY: as above.
        unsafe { nearest(args[0].cells(), out.cells()) }
    });

    #[target_feature(enable = "avx,f16c")]
    fn widen(x: &[Cell<u16>], out: &[Cell<f32>]) {
        let ((x, rest), (to, last)) = (x.as_chunks::<LANES>(), out.as_chunks::<LANES>());
        for (x, to) in x.iter().zip(to) {
            // SAFETY: eight halves are 16 bytes and eight floats 32; neither need be aligned, and a cell allows for writing.
            unsafe {
                _mm256_storeu_ps(to.as_ptr().cast_mut().cast(), _mm256_cvtph_ps(_mm_loadu_si128(x.as_ptr().cast())));
            }
        }
        rest.iter().zip(last).for_each(|(x, to)| to.set(math::f16_to_f32(x.get())));
    }

    #[target_feature(enable = "avx,f16c")]
    fn narrow(x: &[Cell<f32>], out: &[Cell<u16>]) {
        let ((x, rest), (to, last)) = (x.as_chunks::<LANES>(), out.as_chunks::<LANES>());
        for (x, to) in x.iter().zip(to) {
            // SAFETY: as above.
            unsafe {
                let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(x.as_ptr().cast()));
                _mm_storeu_si128(to.as_ptr().cast_mut().cast(), half);
            }
        }
        rest.iter().zip(last).for_each(|(x, to)| to.set(math::f32_to_f16(x.get())));
    }

    #[target_feature(enable = "avx,f16c")]
    fn nearest(x: &[Cell<f32>], out: &[Cell<f32>]) {
        let ((x, rest), (to, last)) = (x.as_chunks::<LANES>(), out.as_chunks::<LANES>());
        for (x, to) in x.iter().zip(to) {
            // SAFETY: as above.
            unsafe {
                let half = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm256_loadu_ps(x.as_ptr().cast()));
                _mm256_storeu_ps(to.as_ptr().cast_mut().cast(), _mm256_cvtph_ps(half));
            }
        }
        rest.iter().zip(last).for_each(|(x, to)| to.set(math::nearest_f16(x.get())));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use bytemuck::Pod;

    use super::*;
    use crate::cpu::arch::Arch;
    use crate::cpu::strip::Strip;

    fn strip<T: Pod>(elements: &mut [T]) -> Strip<'_> {
        let n = elements.len();
        Strip::of(Cell::from_mut(bytemuck::cast_slice_mut(elements)).as_slice_of_cells()).carve(0, n, size_of::<T>())
    }

    fn run<A: Pod, B: Pod>(one: Loop, from: &mut [A], to: &mut [B]) {
        one.body.run(Arch::new(), &[strip(from)], strip(to));
    }

    #[test]
    fn instructions_and_formulas_agree() {
        // An odd number, so that some are left over.
        let mut halves: Vec<u16> = (0..=u16::MAX).chain([0x3c00]).collect();
        let (mut wide, mut formula) = (vec![0_f32; halves.len()], vec![0_f32; halves.len()]);
        run(widen(), &mut halves, &mut wide);
        run(map1(math::f16_to_f32), &mut halves, &mut formula);
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(wide.iter().zip(&formula).all(|(&a, &b)| same(a, b)));

        // Halves, the middles between them, and what is next to these; and all over.
        let around =
            wide.iter().flat_map(|x| [-1, 0, 1, 0xfff, 0x1000, 0x1001].map(|d| x.to_bits().wrapping_add_signed(d)));
        let mut floats: Vec<f32> = around.chain((0..u32::MAX).step_by(40_009)).map(f32::from_bits).collect();
        let (mut by_hand, mut own) = (vec![0_u16; floats.len()], vec![0_u16; floats.len()]);
        run(map1(math::f32_to_f16), &mut floats, &mut by_hand);
        run(narrow(), &mut floats, &mut own);
        let is_nan = |x: u16| half::f16::from_bits(x).is_nan();
        assert!(own.iter().zip(&by_hand).all(|(&a, &b)| a == b || is_nan(a) && is_nan(b)));
        let (mut by_hand, mut own) = (vec![0_f32; floats.len()], vec![0_f32; floats.len()]);
        run(map1(math::nearest_f16), &mut floats, &mut by_hand);
        run(nearest(), &mut floats, &mut own);
        assert!(own.iter().zip(&by_hand).all(|(&a, &b)| same(a, b)));
    }
}
