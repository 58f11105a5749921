//! Loops over functions of floats, and divisions of integers, in the widest vectors that the CPU has.
//!
//! Such a function takes far longer than memory does, so its loop is made once more than others are: for AVX-512, which
//! takes half the time where twice as many elements fit a vector. Rust has that from 1.89 on; before, and on other CPUs,
//! [`Arch`] chooses as for all loops.

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};
use pulp::NullaryFnOnce;

use super::arch::Arch;
use super::lines::set_past_cache;
use super::loops::{self, Loop, Run, Splat, Stream, row, splat};
use super::strip::{Strip, set_each};

/// Whether loops of formulas are run by AVX-512.
pub(super) fn is_there() -> bool {
    #[cfg(target_arch = "x86_64")]
    return avx512::is_there();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

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

/// Runs `op`, which a compiler makes vectors of, in the widest that there are.
pub(super) fn run<Op: NullaryFnOnce<Output = ()>>(arch: Arch, op: Op) {
    #[cfg(target_arch = "x86_64")]
    if let Some(op) = avx512::run(op) {
        arch.dispatch(op);
    }
    #[cfg(not(target_arch = "x86_64"))]
    arch.dispatch(op);
}

/// Runs `op`, which a compiler makes vectors of, on a CPU that [`is_fused`].
fn run_fused<Op: NullaryFnOnce<Output = ()>>(arch: Arch, op: Op) {
    #[cfg(target_arch = "x86_64")]
    if let Some(op) = avx512::run(op) {
        arch.dispatch(op);
    }
    #[cfg(not(target_arch = "x86_64"))]
    arch.dispatch(op);
}

#[cfg(target_arch = "x86_64")]
#[rustversion::since(1.89)]
mod avx512 {
    #![allow(unsafe_code, reason = "calls a function that is compiled for an instruction set")]

    use pulp::NullaryFnOnce;

    /// Whether the CPU has these instructions.
    pub(super) fn is_there() -> bool {
        macro_rules! all {
            ($($feature:tt)*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
        }
        all!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx2" "fma" "bmi1" "bmi2" "lzcnt")
    }

    /// Runs `op` where the CPU has them, else gives it back.
    pub(super) fn run<Op: NullaryFnOnce<Output = ()>>(op: Op) -> Option<Op> {
        if !is_there() {
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
    pub(super) fn is_there() -> bool {
        false
    }

    /// Gives `op` back: this Rust has no AVX-512.
    pub(super) fn run<Op>(op: Op) -> Option<Op> {
        Some(op)
    }
}

/// A function of elements, or of pairs of them, given by a formula for CPUs that add to a product in one step and one for
/// others.
///
/// Both are methods that are always inlined: a closure, or a function passed as one, need not be, and is then compiled
/// without the instruction set of the loop.
pub(super) trait Formula<X>: Copy + 'static {
    type Out: Pod;

    /// Whether some arguments, which are rare, are for another function.
    const GUARDED: bool = false;

    /// Whether that function is a formula, too: where one argument is far, all of its step are computed by it, in vectors.
    const FAR_IS_FORMULA: bool = false;

    fn near<const FUSED: bool>(x: X) -> Self::Out;

    /// Whether an argument is beyond the formula.
    fn is_far<const FUSED: bool>(_: X) -> bool {
        false
    }

    /// The function of an argument that is far.
    fn far(x: X) -> Self::Out {
        Self::near::<false>(x)
    }
}

/// Elements computed before any argument is looked at: so many that looking costs nothing.
const STEP: usize = 64;
/// Steps ahead that memory is asked for: so much arithmetic before each read leaves the processor no room to run ahead itself.
const STEPS_AHEAD: usize = 16;

/// The loop of a formula, which computes some elements before any of them is written. If it is guarded, they are computed without
/// a look at their arguments, and those again that are far.
struct FormulaLoop<'a, X, O, F, const FUSED: bool> {
    args: X,
    out: &'a [Cell<O>],
    past_cache: bool,
    of: PhantomData<F>,
}

impl<X: Stream, F: Formula<X::Item>, const FUSED: bool> NullaryFnOnce for FormulaLoop<'_, X, F::Out, F, FUSED> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "as in `loops`, for vectors")]
    fn call(self) {
        let args = self.args.of_len(self.out.len());
        let steps = self.out.as_chunks::<STEP>().0;
        for s in 0..steps.len() {
            let x = args.chunk::<STEP>(s);
            let mut y = [F::Out::zeroed(); STEP];
            let mut any = false;
            for i in 0..STEP {
                y[i] = F::near::<FUSED>(x.at(i));
                any |= F::GUARDED && F::is_far::<FUSED>(x.at(i));
            }
            if any && F::FAR_IS_FORMULA {
                for i in 0..STEP {
                    y[i] = F::far(x.at(i));
                }
            } else if any {
                mend::<X, F, FUSED>(x, &mut y);
            }
            if self.past_cache {
                args.fetch::<STEP>(s + STEPS_AHEAD);
                set_past_cache(&steps[s], y);
            } else {
                set_each(&steps[s], y);
            }
        }
        for i in steps.len() * STEP..self.out.len() {
            let x = args.at(i);
            self.out[i].set(if F::GUARDED && F::is_far::<FUSED>(x) { F::far(x) } else { F::near::<FUSED>(x) });
        }
    }
}

/// Computes elements again whose arguments are far.
#[cold]
#[inline(never)]
fn mend<X: Stream, F: Formula<X::Item>, const FUSED: bool>(x: X, y: &mut [F::Out; STEP]) {
    for (i, y) in y.iter_mut().enumerate() {
        if F::is_far::<FUSED>(x.at(i)) {
            *y = F::far(x.at(i));
        }
    }
}

fn dispatch<X: Stream, F: Formula<X::Item>>(arch: Arch, args: X, out: &[Cell<F::Out>], past_cache: bool) {
    if is_fused(arch) {
        run_fused(arch, FormulaLoop::<X, F::Out, F, true> { args, out, past_cache, of: PhantomData });
    } else {
        FormulaLoop::<X, F::Out, F, false> { args, out, past_cache, of: PhantomData }.call();
    }
}

/// A loop that is as quick in place as elsewhere, and which can write past the cache.
fn anywhere(body: Run, past_cache: Run) -> Loop {
    loops::anywhere(body, body, past_cache)
}

#[inline(never)]
fn run1<T: Pod, F: Formula<T>>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>, past_cache: bool) {
    dispatch::<_, F>(arch, row::<T>(args[0]), out.cells::<F::Out>(), past_cache);
}

/// The loop that maps a function over one strip.
pub(super) fn wide1<T: Pod, F: Formula<T>>(_: F) -> Loop {
    anywhere(
        |arch, args, out| run1::<T, F>(arch, args, out, false),
        |arch, args, out| run1::<T, F>(arch, args, out, true),
    )
}

#[inline(never)]
fn run2<T: Pod, F: Formula<(T, T)>>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>, past_cache: bool) {
    let ([a, b], out) = ([args[0], args[1]], out.cells::<F::Out>());
    match (a.len() == out.len(), b.len() == out.len()) {
        (true, true) => dispatch::<_, F>(arch, (row::<T>(a), row::<T>(b)), out, past_cache),
        (true, false) => dispatch::<_, F>(arch, (row::<T>(a), splat::<T>(b)), out, past_cache),
        (false, _) => dispatch::<_, F>(arch, (splat::<T>(a), row::<T>(b)), out, past_cache),
    }
}

/// The same over two strips, of functions of pairs.
pub(super) fn wide2<T: Pod, F: Formula<(T, T)>>(_: F) -> Loop {
    anywhere(
        |arch, args, out| run2::<T, F>(arch, args, out, false),
        |arch, args, out| run2::<T, F>(arch, args, out, true),
    )
}

/// What is made once of an argument that is one element for all.
pub(super) trait Prepare<T>: Copy {
    fn prepare(number: T) -> Self;
}

/// As [`wide2`]. Where the second argument is one element for all, something is made of it once, and the formula for that is
/// sooner done.
pub(super) fn wide2_prepared<T, P, F>(_: F) -> Loop
where
    T: Pod,
    P: Prepare<T>,
    F: Formula<(T, T)> + Formula<(T, P), Out = <F as Formula<(T, T)>>::Out>,
{
    #[inline(never)]
    fn run<T, P, F>(arch: Arch, args: &[Strip<'_>], out: Strip<'_>, past_cache: bool)
    where
        T: Pod,
        P: Prepare<T>,
        F: Formula<(T, T)> + Formula<(T, P), Out = <F as Formula<(T, T)>>::Out>,
    {
        let [a, b] = [args[0], args[1]];
        if a.len() != out.len() || b.len() == out.len() {
            return run2::<T, F>(arch, args, out, past_cache);
        }
        let number = Splat(P::prepare(b.cells()[0].get()));
        dispatch::<_, F>(arch, (row::<T>(a), number), out.cells(), past_cache);
    }
    anywhere(
        |arch, args, out| run::<T, P, F>(arch, args, out, false),
        |arch, args, out| run::<T, P, F>(arch, args, out, true),
    )
}
