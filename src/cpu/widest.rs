//! Loops over functions of floats, in the widest vectors that the CPU has.
//!
//! Such a function takes far longer than memory does, so its loop is made once more than others are: for AVX-512, which
//! takes half the time where twice as many elements fit a vector. Rust has that from 1.89 on; before, and on other CPUs,
//! [`Arch`] chooses as for all loops.

use std::cell::Cell;

use bytemuck::Pod;
use pulp::{Arch, NullaryFnOnce};

use super::loops::{Body, Loop, Stream, by_element, conjure, row, splat};
use super::strip::Strip;

/// Whether the CPU adds to a product in one step.
fn is_fused(arch: Arch) -> bool {
    #[cfg(target_arch = "x86_64")]
    return matches!(arch, Arch::V3(_));
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = arch;
        cfg!(target_arch = "aarch64")
    }
}

/// Runs `op`, which a compiler makes vectors of, on a CPU that [`is_fused`].
fn run_fused<Op: NullaryFnOnce<Output = ()>>(arch: Arch, op: Op) {
    #[cfg(target_arch = "x86_64")]
    if let Some(op) = avx512::run(op)
        && let Arch::V3(simd) = arch
    {
        pulp::Simd::vectorize(simd, op);
    }
    #[cfg(not(target_arch = "x86_64"))]
    arch.dispatch(op);
}

#[cfg(target_arch = "x86_64")]
#[rustversion::since(1.89)]
mod avx512 {
    #![allow(unsafe_code, reason = "calls a function that is compiled for an instruction set")]

    use pulp::NullaryFnOnce;

    /// Runs `op` where the CPU has these instructions, else gives it back.
    pub(super) fn run<Op: NullaryFnOnce<Output = ()>>(op: Op) -> Option<Op> {
        macro_rules! all {
            ($($feature:tt)*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
        }
        if !all!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx2" "fma" "bmi1" "bmi2" "lzcnt") {
            return Some(op);
        }
        // SAFETY: the CPU has what `with` is compiled for.
        unsafe { with(op) };
        None
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,bmi1,bmi2,lzcnt")]
    fn with<Op: NullaryFnOnce<Output = ()>>(op: Op) {
        op.call();
    }
}

#[cfg(target_arch = "x86_64")]
#[rustversion::before(1.89)]
mod avx512 {
    /// Gives `op` back: this Rust has no AVX-512.
    pub(super) fn run<Op>(op: Op) -> Option<Op> {
        Some(op)
    }
}

/// A function of elements, given by a formula for CPUs that add to a product in one step and one for others. Arguments
/// that are far, which are rare, are for another function.
///
/// All are function items or closures that capture nothing.
#[derive(Clone, Copy)]
pub(super) struct Guarded<F, G, I, J, H> {
    pub(super) fused: F,
    pub(super) split: G,
    /// Whether an argument is beyond the first formula.
    pub(super) is_far_fused: I,
    /// Whether it is beyond the second.
    pub(super) is_far_split: J,
    pub(super) far: H,
}

/// Elements computed before any argument is looked at: so many that looking costs nothing.
const STEP: usize = 64;

/// A loop that computes some elements without looking at their arguments, and those again that are far.
struct GuardedLoop<'a, X, O, F, I, H> {
    args: X,
    near: F,
    is_far: I,
    far: H,
    out: &'a [Cell<O>],
}

impl<X: Stream, O: Pod, F, I, H> NullaryFnOnce for GuardedLoop<'_, X, O, F, I, H>
where
    F: Fn(X::Item) -> O,
    I: Fn(X::Item) -> bool,
    H: Fn(X::Item) -> O,
{
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "as in `loops`, for vectors")]
    fn call(self) {
        let args = self.args.of_len(self.out.len());
        let steps = self.out.as_chunks::<STEP>().0;
        for s in 0..steps.len() {
            let x = args.step::<STEP>(s);
            let mut y = [O::zeroed(); STEP];
            let mut any = false;
            for i in 0..STEP {
                y[i] = (self.near)(x[i]);
                any |= (self.is_far)(x[i]);
            }
            if any {
                mend(&x, &mut y, &self.is_far, &self.far);
            }
            for i in 0..STEP {
                steps[s][i].set(y[i]);
            }
        }
        for i in steps.len() * STEP..self.out.len() {
            let x = args.at(i);
            self.out[i].set(if (self.is_far)(x) { (self.far)(x) } else { (self.near)(x) });
        }
    }
}

/// Computes elements again whose arguments are far.
#[cold]
#[inline(never)]
fn mend<X: Copy, O>(x: &[X; STEP], y: &mut [O; STEP], is_far: impl Fn(X) -> bool, far: impl Fn(X) -> O) {
    for (&x, y) in x.iter().zip(y) {
        if is_far(x) {
            *y = far(x);
        }
    }
}

fn dispatch<X: Stream, O: Pod>(
    arch: Arch,
    args: X,
    out: &[Cell<O>],
    (fused, split): (impl Fn(X::Item) -> O, impl Fn(X::Item) -> O),
) {
    if is_fused(arch) {
        run_fused(arch, by_element(args, fused, out));
    } else {
        by_element(args, split, out).call();
    }
}

fn dispatch_guarded<X: Stream, O: Pod, F, G, I, J, H>(arch: Arch, args: X, out: &[Cell<O>], of: Guarded<F, G, I, J, H>)
where
    F: Fn(X::Item) -> O,
    G: Fn(X::Item) -> O,
    I: Fn(X::Item) -> bool,
    J: Fn(X::Item) -> bool,
    H: Fn(X::Item) -> O,
{
    let Guarded { fused, split, is_far_fused, is_far_split, far } = of;
    if is_fused(arch) {
        run_fused(arch, GuardedLoop { args, near: fused, is_far: is_far_fused, far, out });
    } else {
        GuardedLoop { args, near: split, is_far: is_far_split, far, out }.call();
    }
}

/// The loop that maps a function over one strip, given by a formula for CPUs that add to a product in one step and one for
/// others.
pub(super) fn wide1<T: Pod, F: Fn(T) -> T + Copy, G: Fn(T) -> T + Copy>(_fused: F, _split: G) -> Loop {
    fn run<T: Pod, F: Fn(T) -> T + Copy, G: Fn(T) -> T + Copy>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>) {
        dispatch(arch, row::<T>(args[0]), out.cells::<T>(), (conjure::<F>(), conjure::<G>()));
    }
    Loop { body: Body::Compiled(run::<T, F, G>), in_place: None }
}

/// The same over two strips, of functions of pairs. They are function items: what is called in a closure need not be inlined,
/// and would be compiled without the instruction set of the loop.
pub(super) fn wide2<T: Pod, F: Fn((T, T)) -> T + Copy, G: Fn((T, T)) -> T + Copy>(_fused: F, _split: G) -> Loop {
    fn run<T: Pod, F: Fn((T, T)) -> T + Copy, G: Fn((T, T)) -> T + Copy>(
        arch: Arch,
        args: &[Strip<'_>],
        out: Strip<'_>,
    ) {
        let ([a, b], out) = ([args[0], args[1]], out.cells::<T>());
        let of = (conjure::<F>(), conjure::<G>());
        match [a, b].map(|x| x.len() == out.len()) {
            [true, true] => dispatch(arch, (row::<T>(a), row::<T>(b)), out, of),
            [true, false] => dispatch(arch, (row::<T>(a), splat::<T>(b)), out, of),
            [false, _] => dispatch(arch, (splat::<T>(a), row::<T>(b)), out, of),
        }
    }
    Loop { body: Body::Compiled(run::<T, F, G>), in_place: None }
}

/// As [`wide1`], for a function whose formulas leave some arguments to another one. It is as quick in place.
pub(super) fn guarded1<T: Pod, F, G, I, J, H>(_: Guarded<F, G, I, J, H>) -> Loop
where
    F: Fn(T) -> T + Copy,
    G: Fn(T) -> T + Copy,
    I: Fn(T) -> bool + Copy,
    J: Fn(T) -> bool + Copy,
    H: Fn(T) -> T + Copy,
{
    fn run<T: Pod, F, G, I, J, H>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>)
    where
        F: Fn(T) -> T + Copy,
        G: Fn(T) -> T + Copy,
        I: Fn(T) -> bool + Copy,
        J: Fn(T) -> bool + Copy,
        H: Fn(T) -> T + Copy,
    {
        let of = Guarded {
            fused: conjure::<F>(),
            split: conjure::<G>(),
            is_far_fused: conjure::<I>(),
            is_far_split: conjure::<J>(),
            far: conjure::<H>(),
        };
        dispatch_guarded(arch, row::<T>(args[0]), out.cells::<T>(), of);
    }
    let body = Body::Compiled(run::<T, F, G, I, J, H>);
    Loop { body, in_place: Some(body) }
}

/// The same over two strips: functions of pairs.
pub(super) fn guarded2<T: Pod, F, G, I, J, H>(_: Guarded<F, G, I, J, H>) -> Loop
where
    F: Fn((T, T)) -> T + Copy,
    G: Fn((T, T)) -> T + Copy,
    I: Fn((T, T)) -> bool + Copy,
    J: Fn((T, T)) -> bool + Copy,
    H: Fn((T, T)) -> T + Copy,
{
    fn run<T: Pod, F, G, I, J, H>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>)
    where
        F: Fn((T, T)) -> T + Copy,
        G: Fn((T, T)) -> T + Copy,
        I: Fn((T, T)) -> bool + Copy,
        J: Fn((T, T)) -> bool + Copy,
        H: Fn((T, T)) -> T + Copy,
    {
        let ([a, b], out) = ([args[0], args[1]], out.cells::<T>());
        let of = Guarded {
            fused: conjure::<F>(),
            split: conjure::<G>(),
            is_far_fused: conjure::<I>(),
            is_far_split: conjure::<J>(),
            far: conjure::<H>(),
        };
        match [a, b].map(|x| x.len() == out.len()) {
            [true, true] => dispatch_guarded(arch, (row::<T>(a), row::<T>(b)), out, of),
            [true, false] => dispatch_guarded(arch, (row::<T>(a), splat::<T>(b)), out, of),
            [false, _] => dispatch_guarded(arch, (splat::<T>(a), row::<T>(b)), out, of),
        }
    }
    let body = Body::Compiled(run::<T, F, G, I, J, H>);
    Loop { body, in_place: Some(body) }
}
