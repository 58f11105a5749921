//! What views hand back, and how a gradient gets from one view of memory to another.

use smallvec::SmallVec;

use super::{at_rank, typed, unbroadcast};
use crate::base::layout::Layout;
use crate::base::views::View;
use crate::expr::node::Expr;
use crate::{DType, Shape};

/// What a view, handed `grad`, hands back to its argument of shape `to`. None is nothing at all.
pub(super) fn view(view: &View, grad: &Expr, expr: &Expr, to: &Shape) -> Option<Expr> {
    let (from, rank) = (expr.shape(), to.rank());
    if from.numel() == 0 {
        return None;
    }
    let is_uniform = grad.shape().numel() == 1;
    let spread = || typed(grad, expr.dtype()).broadcast_to(from);
    Some(match view {
        View::Broadcast(_) => unbroadcast(grad, from, to),
        View::Reshape(_) | View::Permute(_) | View::Flip(_) if is_uniform => grad.reshape(()),
        View::Reshape(_) => spread().reshape(to),
        View::Permute(dims) => {
            let mut back: SmallVec<[isize; 8]> = SmallVec::from_elem(0, rank);
            dims.iter().enumerate().for_each(|(i, &d)| back[d] = i as isize);
            at_rank(grad, rank).permute(&back)
        }
        &View::Flip(dim) => at_rank(grad, rank).flip(dim as isize),
        &View::Narrow { dim, start, len, step } => {
            let grad = at_rank(&typed(grad, expr.dtype()), rank);
            pad(&grad, dim, Place { start, step, len }, to[dim])
        }
        &View::Diagonal(a, b) => {
            let grad = at_rank(&typed(grad, expr.dtype()), rank - 1).unsqueeze(b as isize);
            Expr::select(Expr::coordinate(to[a], a, rank).eq(Expr::coordinate(to[b], b, rank)), grad, 0)
        }
        View::Strided(layout) => return move_to(grad, expr.dtype(), layout, &Layout::contiguous(to.clone())),
    })
}

/// Where `len` elements go along a dim: to `start`, `start + step`, ….
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    step: usize,
    len: usize,
}

/// Zeros along `dim`, `size` of them, but where `place` puts the elements of `x`: PyTorch's `pad`, with steps.
/// `x` may have size 1 along `dim` for an element that goes to all places.
///
/// A view does it: `x` repeated, each element `step` times, with the first at `start`, and what lies outside is masked.
fn pad(x: &Expr, dim: usize, place: Place, size: usize) -> Expr {
    let Place { start, step, len } = place;
    if len == size {
        return x.clone();
    }
    let i = Expr::coordinate(size, dim, x.shape().rank());
    if len == 1 {
        return Expr::select(i.eq(start as i64), x, 0);
    }
    let end = start + (len - 1) * step + 1;
    let mut inside: Vec<Expr> = Vec::new();
    if start > 0 {
        inside.push(i.ge(start as i64));
    }
    if end < size {
        inside.push(i.lt(end as i64));
    }
    if step > 1 {
        let within = Expr::numbers(step).periodic(0, 1, start, size).reshape(i.shape());
        inside.push(within.eq(0));
    }
    let repeated = x.periodic(dim, step, start, size);
    match inside.into_iter().reduce(|a, b| a.logical_and(b)) {
        Some(inside) => Expr::select(inside, repeated, 0),
        None => repeated,
    }
}

/// The dims of a layout along which memory is walked, largest step first.
struct Walk {
    /// Dim, size and step.
    dims: SmallVec<[(usize, usize, usize); 8]>,
    low: usize,
}

impl Walk {
    fn of(layout: &Layout) -> Self {
        let (sizes, strides) = (layout.shape(), layout.strides());
        let moving = (0..sizes.rank()).filter(|&d| sizes[d] > 1 && strides[d] != 0);
        let mut dims: SmallVec<_> = moving.map(|d| (d, sizes[d], strides[d].unsigned_abs())).collect();
        dims.sort_by_key(|&(_, _, step)| std::cmp::Reverse(step));
        Self { dims, low: layout.bounds().map_or(0, |(low, _)| low) }
    }

    fn sizes(&self) -> Shape {
        self.dims.iter().map(|d| d.1).collect()
    }

    /// Sizes and steps, with dims that are walked as one joined: equal for walks that visit the same places in turn.
    fn joined(&self) -> SmallVec<[(usize, usize); 8]> {
        let mut joined: SmallVec<[(usize, usize); 8]> = SmallVec::new();
        for &(_, size, step) in &self.dims {
            match joined.last_mut() {
                Some(last) if last.1 == size * step => *last = (last.0 * size, step),
                _ => joined.push((size, step)),
            }
        }
        joined
    }

    /// Whether no place is visited twice.
    fn is_apart(&self) -> bool {
        let mut reach = 0;
        self.dims.iter().rev().all(|&(_, size, step)| {
            let apart = step > reach;
            reach += step * (size - 1);
            apart
        })
    }
}

/// The gradient of the elements at `to`, from that of the elements at `from` in the same memory: what lies at one
/// place is added up. None where the two do not meet.
pub(super) fn move_to(grad: &Expr, dtype: DType, from: &Layout, to: &Layout) -> Option<Expr> {
    if !from.may_overlap(to) {
        return None;
    }
    let (walk, target) = (Walk::of(from), Walk::of(to));
    let walked = along_walk(&typed(grad, dtype), from, &walk);
    if walk.low == target.low && walk.joined() == target.joined() && target.is_apart() {
        return Some(as_placed(&walked.reshape(target.sizes()), to, &target));
    }
    let (low, high) = to.bounds()?;
    let (memory, start) = unrolled(walked, &walk, walk.low as isize - low as isize);
    // Of the memory that was read, what lies between the target's ends.
    let (room, run) = ((high - low + 1) as isize, memory.shape().numel() as isize);
    let (first, last) = (0.max(-start), run.min(room - start));
    if first >= last {
        return None;
    }
    let len = (last - first) as usize;
    let place = Place { start: (start + first) as usize, step: 1, len };
    let memory = pad(&memory.narrow(0, first as usize, len), 0, place, room as usize);
    let read = Layout::new(to.shape().clone(), to.strides().into(), to.offset() - low);
    Some(if read.is_contiguous() { memory.reshape(to.shape()) } else { memory.strided(read) })
}

/// A gradient over a layout's shape, over the dims of its walk: what was repeated is added up, what is read backwards
/// turned, the dims sorted.
fn along_walk(grad: &Expr, layout: &Layout, walk: &Walk) -> Expr {
    let (sizes, strides) = (layout.shape(), layout.strides());
    let once: Shape = sizes.iter().zip(strides).map(|(&n, &s)| if s == 0 { 1 } else { n }).collect();
    let mut grad = unbroadcast(grad, sizes, &once).broadcast_to(&once);
    for &(d, ..) in walk.dims.iter().filter(|d| strides[d.0] < 0) {
        grad = grad.flip(d as isize);
    }
    let still = (0..sizes.rank()).filter(|d| walk.dims.iter().all(|w| w.0 != *d));
    let order: SmallVec<[isize; 8]> = walk.dims.iter().map(|w| w.0).chain(still).map(|d| d as isize).collect();
    let grad = if order.is_sorted() { grad } else { grad.permute(&order) };
    grad.reshape(walk.sizes())
}

/// The opposite: over the dims of a layout's walk, back over its shape.
fn as_placed(walked: &Expr, layout: &Layout, walk: &Walk) -> Expr {
    let (sizes, strides) = (layout.shape(), layout.strides());
    let mut dims: SmallVec<[usize; 8]> = walk.dims.iter().map(|w| w.0).collect();
    dims.sort_unstable();
    let back = |d: &usize| walk.dims.iter().position(|w| w.0 == *d).unwrap_or(0) as isize;
    let order: SmallVec<[isize; 8]> = dims.iter().map(back).collect();
    let placed = if order.is_sorted() { walked.clone() } else { walked.permute(&order) };
    let once = (0..sizes.rank()).map(|d| if dims.contains(&d) { sizes[d] } else { 1 });
    let mut placed = placed.reshape(once.collect::<Shape>());
    for &d in dims.iter().filter(|&&d| strides[d] < 0) {
        placed = placed.flip(d as isize);
    }
    placed.broadcast_to(sizes)
}

/// A gradient over the dims of a walk, as memory: a run of elements with zeros in the gaps, and what lies at one place
/// added up. `distance` is how far after some other place the walk's lowest lies, and what comes back besides is how
/// far after it the run begins.
fn unrolled(walked: Expr, walk: &Walk, distance: isize) -> (Expr, isize) {
    let mut ahead = distance;
    // From the smallest step up, [outer, run]: each dim joins the run.
    let (mut memory, mut run, mut outer) = (walked, 1, walk.sizes().numel());
    for (i, &(_, size, step)) in walk.dims.iter().enumerate().rev() {
        outer /= size;
        memory = memory.reshape([outer, size, run]);
        if run <= step {
            // Zeros may as well come before as after: those wanted at the very front come for free, where there is room.
            let wanted = ahead.rem_euclid(step as isize) as usize;
            let room = if i == 0 { usize::MAX } else { walk.dims[i - 1].2 };
            let fits = wanted + run <= step && (size - 1) * step + wanted + run <= room;
            let start = if ahead > 0 && fits { wanted } else { 0 };
            ahead -= start as isize;
            memory = pad(&memory, 2, Place { start, step: 1, len: run }, step).reshape([outer, size * step]);
            let end = (size - 1) * step + start + run;
            memory = if end < size * step { memory.narrow(1, 0, end) } else { memory };
            run = end;
        } else {
            (memory, run) = overlap_added(&memory, [outer, size, run], step);
        }
    }
    (memory.reshape([run]), ahead)
}

/// Windows [outer, size, run], each `step` after the one before, added where they overlap; and how long that is.
///
/// A window is cut into pieces of `step`. Piece `j` of window `i` goes to `i + j`: with the pieces as rows, each row is
/// shifted by one more, which zeros at the ends of rows do once rows are read one shorter than they are.
fn overlap_added(windows: &Expr, [outer, size, run]: [usize; 3], step: usize) -> (Expr, usize) {
    let pieces = run.div_ceil(step);
    let whole = pad(windows, 2, Place { start: 0, step: 1, len: run }, pieces * step);
    let rows = whole.reshape([outer, size, pieces, step]).permute(&[0, 2, 1, 3]);
    let (long, short) = (size + pieces, size + pieces - 1);
    let shifted = pad(&rows, 2, Place { start: 0, step: 1, len: size }, long)
        .reshape([outer, pieces * long, step])
        .narrow(1, 0, pieces * short)
        .reshape([outer, pieces, short, step]);
    (shifted.sum(1).reshape([outer, short * step]), short * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::layout::Strides;
    use crate::{Device, Tensor};

    /// Whole numbers below `n`, in a fixed order (Knuth's constants).
    fn draw(state: &mut u64, n: usize) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize % n
    }

    /// Any layout: steps of either sign and 0, dims that interleave, windows that overlap.
    fn layout(state: &mut u64) -> Layout {
        let rank = draw(state, 4);
        let sizes: Shape = (0..rank).map(|_| 1 + draw(state, 4)).collect();
        let strides: Strides = (0..rank).map(|_| draw(state, 15) as isize - 5).collect();
        let reach = |backwards: bool| {
            let steps = sizes.iter().zip(&strides).filter(|(_, s)| (**s < 0) == backwards);
            steps.map(|(&n, &s)| (n - 1) * s.unsigned_abs()).sum::<usize>()
        };
        let offset = reach(true) + draw(state, 9);
        Layout::new(sizes, strides, offset)
    }

    /// Sizes and steps.
    type Steps<'a> = &'a [(usize, usize)];

    fn walk(steps: Steps) -> Walk {
        Walk { dims: steps.iter().enumerate().map(|(d, &(size, step))| (d, size, step)).collect(), low: 0 }
    }

    #[test]
    fn walks_are_joined_and_places_visited_twice_are_noticed() {
        let cases: [(Steps, Steps, bool); 7] = [
            (&[], &[], true),
            (&[(4, 2), (2, 1)], &[(8, 1)], true),
            (&[(3, 26), (2, 13), (3, 4)], &[(6, 13), (3, 4)], true),
            (&[(2, 6), (3, 1)], &[(2, 6), (3, 1)], true),
            (&[(2, 4), (3, 2)], &[(2, 4), (3, 2)], false),
            (&[(2, 5), (3, 2)], &[(2, 5), (3, 2)], true),
            (&[(2, 3), (3, 3)], &[(2, 3), (3, 3)], false),
        ];
        for (steps, joined, apart) in cases {
            let walk = walk(steps);
            assert_eq!((walk.joined().as_slice(), walk.is_apart()), (joined, apart), "{steps:?}");
        }
    }

    #[test]
    fn zeros_before_a_run_come_for_free_where_there_is_room() {
        // How far away the walk begins; the run's elements, and how far away that then begins.
        let cases: [(Steps, isize, usize, isize); 6] = [
            (&[(3, 4)], 2, 11, 0),
            (&[(3, 4)], 6, 11, 4),
            (&[(3, 4)], 0, 9, 0),
            (&[(3, 4)], -3, 9, -3),
            (&[(2, 12), (3, 4)], 2, 23, 0),
            (&[(2, 10), (3, 4)], 2, 19, 2),
        ];
        for (steps, distance, run, ahead) in cases {
            let walk = walk(steps);
            let walked = Expr::numbers(walk.sizes().numel()).reshape(walk.sizes());
            let (memory, start) = unrolled(walked, &walk, distance);
            assert_eq!((memory.shape().numel(), start), (run, ahead), "{steps:?}, {distance}");
        }
    }

    #[test]
    fn gradients_move_between_any_two_layouts() {
        let mut state = 1;
        let (mut apart, mut direct) = (0, 0);
        for case in 0..3000 {
            let (from, to) = (layout(&mut state), layout(&mut state));
            // Now and then the same places in another order.
            let to = if case % 5 == 0 {
                let order: SmallVec<[usize; 4]> = (0..from.shape().rank()).rev().collect();
                from.permute(&order)
            } else {
                to
            };
            let n = from.numel();
            let values: Vec<f64> = (0..n).map(|i| (i * i + 1) as f64).collect();
            let mut want = vec![0.0; to.numel()];
            for (i, want) in want.iter_mut().enumerate() {
                *want = (0..n).filter(|&j| from.at(j) == to.at(i)).map(|j| values[j]).sum();
            }
            let grad = Expr::from(Tensor::from_slice(&values, from.shape(), &Device::cpu()).unwrap());
            match move_to(&grad, DType::F64, &from, &to) {
                None => {
                    assert!(want.iter().all(|&w| w == 0.0), "{from:?} to {to:?}");
                    apart += 1;
                }
                Some(moved) => {
                    assert_eq!(moved.shape(), to.shape());
                    let got = moved.eval().unwrap_or_else(|error| panic!("{from:?} to {to:?}: {error}"));
                    assert_eq!(got.to_vec::<f64>().unwrap(), want, "{from:?} to {to:?}");
                    direct += usize::from(from == to);
                }
            }
        }
        assert!(apart > 50 && direct > 50, "{apart}, {direct}");
    }
}
