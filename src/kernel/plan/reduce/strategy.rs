//! Which kernel reduces, and how many neighbouring elements it takes at a step.

use super::Walk;
use crate::Shape;
use crate::base::layout::Strides;
use crate::kernel::plan::view::View;
use crate::kernel::spec::Strategy;

/// The view that touches most memory.
pub(in crate::kernel::plan) fn dominant(reads: &[View]) -> Option<&View> {
    reads.iter().max_by_key(|read| read.bytes())
}

/// Bytes of an element of the view that touches most memory.
pub(in crate::kernel::plan) fn size(reads: &[View]) -> usize {
    dominant(reads).map_or(4, |read| read.dtype.size())
}

/// How far apart a view's neighbours along a dim lie; a broadcast dim counts as the farthest.
pub(in crate::kernel::plan) fn step_along(read: &View, dim: usize) -> usize {
    match read.access.footprint().strides()[dim].unsigned_abs() {
        0 => usize::MAX,
        step => step,
    }
}

/// `Outer` if what is kept lies closest together in memory, `Inner` if what is reduced does.
pub(in crate::kernel::plan) fn outer_or_inner(walk: &Walk, reads: &[View], n: usize) -> Strategy {
    if n == 1 {
        return Strategy::Inner;
    }
    let Some(read) = dominant(reads) else { return Strategy::Outer };
    let step = |dims: &[usize]| dims.last().map_or(usize::MAX, |&d| step_along(read, d));
    if step(&walk.reduced) < step(&walk.kept) { Strategy::Inner } else { Strategy::Outer }
}

/// Elements an invocation takes at a step. `views` are what an epilogue reads and writes, over the kept dims in the
/// order they are walked.
pub(in crate::kernel::plan) fn width_for(
    strategy: Strategy,
    walk: &Walk,
    domain: &Shape,
    reads: &[View],
    views: &[View],
) -> u32 {
    let inner = strategy == Strategy::Inner;
    let along = if inner { &walk.reduced } else { &walk.kept };
    let Some(&last) = along.last() else { return 1 };
    // Groups of four must not run over the end of a row, unless the row is all there is and its end is masked.
    let of_read = |r: &View| along.iter().map(|&d| r.access.footprint().strides()[d]).collect::<Strides>();
    let joined = reads.iter().all(|r| step_as_one(along, domain, &of_read(r)))
        && (inner || views.iter().all(|v| ending_steps_as_one(walk, domain, v)));
    let whole: usize = along.iter().map(|&d| domain[d]).product();
    let run = if joined { whole } else { domain[last] };
    let fits = run % 4 == 0 || inner && joined && run >= 16;
    let pays =
        reads.iter().any(|r| r.memory.is_some() && r.dtype.size() < 8 && r.access.footprint().strides()[last] == 1);
    if fits && pays { 4 } else { 1 }
}

/// Whether dims are stepped through as if they were one.
fn step_as_one(dims: &[usize], domain: &Shape, strides: &[isize]) -> bool {
    strides.windows(2).zip(&dims[1..]).all(|(s, &next)| s[0] == s[1] * domain[next] as isize)
}

/// The same for what an epilogue reads or writes.
fn ending_steps_as_one(walk: &Walk, domain: &Shape, view: &View) -> bool {
    step_as_one(&walk.kept, domain, view.access.footprint().strides())
}

/// Whether the results of four neighbouring rows can be read and written as one vector.
pub(in crate::kernel::plan) fn rows_end_alike(walk: &Walk, domain: &Shape, views: &[View]) -> bool {
    walk.kept.last().is_some_and(|&d| domain[d].is_multiple_of(4))
        || views.iter().all(|v| ending_steps_as_one(walk, domain, v))
}
