//! Folding whole rows, and the middle dim of blocks that lie in a strip.

use std::cell::Cell;
use std::marker::PhantomData;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::Join;
use super::pair::{Acc, Part};
use super::terms::{Itself, Product, Term};

/// Accumulators of a row: enough to keep SIMD units busy while each waits for itself.
const LANES: usize = GROUPS * GROUP;
/// The same of products, of which two rows are read in order: eight vectors for one group, then eight for the next. Of one
/// row that is no quicker.
const GROUP: usize = 8;
const GROUPS: usize = 4;
/// Elements of a lane, or rows, that are folded by pairs.
const EIGHT: usize = 8;
const FOUR: usize = 4;
/// The same of a short row: joining more takes longer than the row.
const SHORT: usize = 8;
/// Columns that are folded at once.
pub(super) const COLUMNS: usize = 32;

/// `x` of each index. What goes on in wider elements calls this first, or a compiler would compute all of it in vectors
/// that have as few elements as those of the widest.
#[inline(always)]
fn each<T: Pod, const N: usize>(x: impl Fn(usize) -> T) -> [T; N] {
    let mut terms = [T::zeroed(); N];
    for i in 0..N {
        terms[i] = x(i);
    }
    terms
}

/// Folds `x(i)` into each accumulator.
#[inline(always)]
fn add_each<T: Pod, R: Join<T>, const N: usize>(acc: &mut [R::Acc; N], x: impl Fn(usize) -> T) {
    let terms = each::<T, N>(x);
    for i in 0..N {
        acc[i] = R::with(acc[i], terms[i]);
    }
}

/// As [`add_each`], of accumulators in a strip.
#[inline(always)]
pub(super) fn add_each_cell<T: Pod, R: Join<T>, const N: usize>(acc: &[Cell<R::Acc>; N], x: impl Fn(usize) -> T) {
    let terms = each::<T, N>(x);
    for i in 0..N {
        acc[i].set(R::with(acc[i].get(), terms[i]));
    }
}

/// Folds a row in interleaved accumulators.
#[inline(always)]
pub(super) fn fold_row<T: Pod, R: Join<T>>(x: &[Cell<T>]) -> R::Acc {
    fold_terms::<T, R, _>(x, Itself)
}

/// As [`fold_row`], of what `term` makes of each element.
#[inline(always)]
pub(super) fn fold_terms<T: Pod, R: Join<T>, M: Term<T>>(x: &[Cell<M::From>], term: M) -> R::Acc {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (several, chunks) = chunks.as_chunks::<EIGHT>();
    let mut lanes = [R::NONE; LANES];
    for x in several {
        add_each::<T, R, LANES>(&mut lanes, |i| R::eight(|k| term.of(x[k][i].get())));
    }
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = R::with(*lane, term.of(x.get()));
        }
    }
    // A copy: accumulators whose index is known only later would not stay in registers.
    let mut all = lanes;
    for (lane, x) in all.iter_mut().zip(rest) {
        *lane = R::with(*lane, term.of(x.get()));
    }
    join_lanes::<T, R>(&all)
}

/// Two folds of what each element makes with one, to the bits of two calls of [`fold_terms`].
#[inline(always)]
pub(super) fn fold_pair<T: Pod, A: Part<T>, B: Part<T>>(x: &[Cell<T>], by: T) -> (Acc<T, A>, Acc<T, B>) {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (several, chunks) = chunks.as_chunks::<EIGHT>();
    let (mut first, mut second) = ([A::Join::NONE; LANES], [B::Join::NONE; LANES]);
    for x in several {
        let term = |k: usize, i: usize| A::Term::of(x[k][i].get(), by);
        add_each::<T, A::Join, LANES>(&mut first, |i| A::Join::eight(|k| term(k, i)));
        let term = |k: usize, i: usize| B::Term::of(x[k][i].get(), by);
        add_each::<T, B::Join, LANES>(&mut second, |i| B::Join::eight(|k| term(k, i)));
    }
    for x in chunks {
        add_each::<T, A::Join, LANES>(&mut first, |i| A::Term::of(x[i].get(), by));
        add_each::<T, B::Join, LANES>(&mut second, |i| B::Term::of(x[i].get(), by));
    }
    let mut all = (first, second);
    for (i, x) in rest.iter().enumerate() {
        all.0[i] = A::Join::with(all.0[i], A::Term::of(x.get(), by));
        all.1[i] = B::Join::with(all.1[i], B::Term::of(x.get(), by));
    }
    (join_lanes::<T, A::Join>(&all.0), join_lanes::<T, B::Join>(&all.1))
}

/// As [`fold_row`], of a row so short that it matters how its accumulators are joined.
#[inline(always)]
fn fold_short_row<T: Pod, R: Join<T>>(x: &[Cell<T>]) -> R::Acc {
    let (chunks, rest) = x.as_chunks::<SHORT>();
    let (eights, chunks) = chunks.as_chunks::<EIGHT>();
    let (fours, chunks) = chunks.as_chunks::<FOUR>();
    let (twos, ones) = chunks.as_chunks::<2>();
    let mut lanes = [R::NONE; SHORT];
    for x in eights {
        add_each::<T, R, SHORT>(&mut lanes, |i| R::eight(|k| x[k][i].get()));
    }
    for x in fours {
        add_each::<T, R, SHORT>(&mut lanes, |i| R::four(|k| x[k][i].get()));
    }
    for x in twos {
        add_each::<T, R, SHORT>(&mut lanes, |i| R::pair(x[0][i].get(), x[1][i].get()));
    }
    for x in ones {
        add_each::<T, R, SHORT>(&mut lanes, |i| x[i].get());
    }
    let sum_of_lanes = join_eight::<T, R>(lanes);
    // Apart from the lanes, for which it does not wait.
    let (fours, ones) = rest.as_chunks::<FOUR>();
    let sum = fours.iter().fold(R::NONE, |sum, x| R::with(sum, R::four(|k| x[k].get())));
    let sum = ones.iter().fold(sum, |sum, x| R::with(sum, x.get()));
    R::join(sum_of_lanes, sum)
}

/// As [`fold_row`], of the products of the elements of two rows.
#[inline(always)]
pub(super) fn fold_products<T: Pod, R: Join<T>, P: Product<T>>(a: &[Cell<P::Factor>], b: &[Cell<P::Factor>]) -> R::Acc {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<GROUP>(), b.as_chunks::<GROUP>());
    let ((eights_a, a), (eights_b, b)) = (a.as_chunks::<EIGHT>(), b.as_chunks::<EIGHT>());
    let ((several_a, eights_a), (several_b, eights_b)) =
        (eights_a.as_chunks::<GROUPS>(), eights_b.as_chunks::<GROUPS>());
    let mut lanes = [[R::NONE; GROUP]; GROUPS];
    for (a, b) in several_a.iter().zip(several_b) {
        // One by one: accumulators whose index is known only later would not stay in registers.
        let product = |g: usize, k: usize, i: usize| P::of(a[g][k][i].get(), b[g][k][i].get());
        add_each::<T, R, GROUP>(&mut lanes[0], |i| R::eight(|k| product(0, k, i)));
        add_each::<T, R, GROUP>(&mut lanes[1], |i| R::eight(|k| product(1, k, i)));
        add_each::<T, R, GROUP>(&mut lanes[2], |i| R::eight(|k| product(2, k, i)));
        add_each::<T, R, GROUP>(&mut lanes[3], |i| R::eight(|k| product(3, k, i)));
    }
    for (a, b) in eights_a.iter().zip(eights_b) {
        let product = |k: usize, i: usize| P::of(a[k][i].get(), b[k][i].get());
        add_each::<T, R, GROUP>(&mut lanes[0], |i| R::eight(|k| product(k, i)));
    }
    for (a, b) in a.iter().zip(b) {
        add_each::<T, R, GROUP>(&mut lanes[1], |i| P::of(a[i].get(), b[i].get()));
    }
    let mut all = lanes;
    for (lane, (a, b)) in all[2].iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = R::with(*lane, P::of(a.get(), b.get()));
    }
    join_lanes::<T, R>(all.as_flattened().try_into().expect("as many"))
}

/// Folds accumulators by halves. Apart, so that the loop before it is compiled as if nothing followed.
#[inline(never)]
fn join_lanes<T, R: Join<T>>(lanes: &[R::Acc; LANES]) -> R::Acc {
    let sixteen = each::<R::Acc, 16>(|i| R::join(lanes[i], lanes[i + 16]));
    let eight = each::<R::Acc, 8>(|i| R::join(sixteen[i], sixteen[i + 8]));
    join_eight::<T, R>(eight)
}

/// As [`join_lanes`].
#[inline(always)]
fn join_eight<T, R: Join<T>>(lanes: [R::Acc; 8]) -> R::Acc {
    let four = each::<R::Acc, 4>(|i| R::join(lanes[i], lanes[i + 4]));
    let two = each::<R::Acc, 2>(|i| R::join(four[i], four[i + 2]));
    R::join(two[0], two[1])
}

/// Folds a block of `outer` by `reduced` by `inner` elements over its middle dim.
pub(super) struct Middle<'a, T, R> {
    pub(super) out: &'a [Cell<T>],
    pub(super) x: &'a [Cell<T>],
    pub(super) reduced: usize,
    pub(super) inner: usize,
    pub(super) join: PhantomData<R>,
}

impl<T: Pod, R: Join<T>> NullaryFnOnce for Middle<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { out, x, reduced, inner, .. } = self;
        match (reduced, inner) {
            (0, _) => out.iter().for_each(|out| out.set(R::narrow(R::NONE))),
            (2, 1) => fold_short::<T, R, 2>(out, x),
            (3, 1) => fold_short::<T, R, 3>(out, x),
            (4, 1) => fold_short::<T, R, 4>(out, x),
            (8, 1) => fold_short::<T, R, 8>(out, x),
            (_, 1) if reduced < 16 => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    let (several, rest) = row.as_chunks::<FOUR>();
                    let sum = several.iter().fold(R::NONE, |sum, x| R::with(sum, R::four(|k| x[k].get())));
                    out.set(R::narrow(rest.iter().fold(sum, |sum, x| R::with(sum, x.get()))));
                }
            }
            (_, 1) if reduced < 256 => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(R::narrow(fold_short_row::<T, R>(row)));
                }
            }
            (_, 1) => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(R::narrow(fold_row::<T, R>(row)));
                }
            }
            _ => {
                for (out, block) in out.chunks_exact(inner).zip(x.chunks_exact(reduced * inner)) {
                    fold_columns::<T, R>(out, block);
                }
            }
        }
    }
}

/// Folds rows of so few elements that each is folded by pairs.
#[inline(always)]
fn fold_short<T: Pod, R: Join<T>, const N: usize>(out: &[Cell<T>], x: &[Cell<T>]) {
    for (out, row) in out.iter().zip(x.as_chunks::<N>().0) {
        let mut row = row.each_ref().map(Cell::get);
        let mut n = N;
        while n > 1 {
            for i in 0..n / 2 {
                row[i] = R::pair(row[i], row[n - 1 - i]);
            }
            n = n.div_ceil(2);
        }
        out.set(row[0]);
    }
}

/// Folds a block of rows, each as long as `out`.
#[inline(always)]
fn fold_columns<T: Pod, R: Join<T>>(out: &[Cell<T>], block: &[Cell<T>]) {
    let inner = out.len();
    let (chunks, rest) = out.as_chunks::<COLUMNS>();
    for (i, out) in chunks.iter().enumerate() {
        let first = i * COLUMNS;
        let mut acc = [R::NONE; COLUMNS];
        let rows = block.chunks_exact(inner * FOUR);
        let last = rows.remainder();
        for rows in rows {
            let x: [&[Cell<T>]; FOUR] = std::array::from_fn(|k| &rows[k * inner + first..][..COLUMNS]);
            add_each::<T, R, COLUMNS>(&mut acc, |i| R::four(|k| x[k][i].get()));
        }
        for row in last.chunks_exact(inner) {
            let x = &row[first..][..COLUMNS];
            add_each::<T, R, COLUMNS>(&mut acc, |i| x[i].get());
        }
        out.iter().zip(acc).for_each(|(out, acc)| out.set(R::narrow(acc)));
    }
    let (n, first) = (rest.len(), inner - rest.len());
    let mut acc = [R::NONE; COLUMNS];
    let acc = &mut acc[..n];
    let rows = block.chunks_exact(inner * FOUR);
    let last = rows.remainder();
    for rows in rows {
        let x: [&[Cell<T>]; FOUR] = std::array::from_fn(|k| &rows[k * inner + first..][..n]);
        for i in 0..n {
            acc[i] = R::with(acc[i], R::four(|k| x[k][i].get()));
        }
    }
    for row in last.chunks_exact(inner) {
        for (acc, x) in acc.iter_mut().zip(&row[first..]) {
            *acc = R::with(*acc, x.get());
        }
    }
    rest.iter().zip(acc).for_each(|(out, acc)| out.set(R::narrow(*acc)));
}
