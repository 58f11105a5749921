//! Folding whole rows, and the middle dim of blocks that lie in a strip.

use std::cell::Cell;
use std::marker::PhantomData;

use pulp::NullaryFnOnce;

use super::{Element, Join, ROWS};

/// Accumulators of a row: enough to keep SIMD units busy while each waits for itself.
pub(super) const LANES: usize = 32;
/// Elements of a lane that are folded by pairs.
const EIGHT: usize = 8;
/// Columns that are folded at once, in registers.
const COLUMNS: usize = 32;

/// Folds `x(i)` into each accumulator. All of them are computed before any is converted, or a compiler would compute them
/// in vectors as short as those of what they are converted to.
#[inline(always)]
fn add_each<T: Element, R: Join<T>, const N: usize>(acc: &mut [R::Acc; N], x: impl Fn(usize) -> T) {
    let mut terms = [T::zeroed(); N];
    for i in 0..N {
        terms[i] = x(i);
    }
    for i in 0..N {
        acc[i] = R::with(acc[i], terms[i]);
    }
}

/// Folds a row in interleaved accumulators.
#[inline(always)]
pub(super) fn fold_row<T: Element, R: Join<T>, const N: usize>(x: &[Cell<T>]) -> R::Acc {
    let (chunks, rest) = x.as_chunks::<N>();
    let (several, chunks) = chunks.as_chunks::<EIGHT>();
    let mut lanes = [R::NONE; N];
    for x in several {
        add_each::<T, R, N>(&mut lanes, |i| R::pair(R::four(|k| x[k][i].get()), R::four(|k| x[k + 4][i].get())));
    }
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = R::with(*lane, x.get());
        }
    }
    // A copy: accumulators whose index is known only later would not stay in registers.
    let mut all = lanes;
    for (lane, x) in all.iter_mut().zip(rest) {
        *lane = R::with(*lane, x.get());
    }
    join_halves::<T, R, _>(&all)
}

/// As [`fold_row`], of the products of the elements of two rows.
#[inline(always)]
pub(super) fn fold_products<T: Element, R: Join<T>>(a: &[Cell<T>], b: &[Cell<T>]) -> R::Acc {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let ((several_a, a), (several_b, b)) = (a.as_chunks::<EIGHT>(), b.as_chunks::<EIGHT>());
    let mut lanes = [R::NONE; LANES];
    for (a, b) in several_a.iter().zip(several_b) {
        let product = |k: usize, i: usize| a[k][i].get().times(b[k][i].get());
        add_each::<T, R, LANES>(&mut lanes, |i| R::pair(R::four(|k| product(k, i)), R::four(|k| product(k + 4, i))));
    }
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane = R::with(*lane, a.get().times(b.get()));
        }
    }
    let mut all = lanes;
    for (lane, (a, b)) in all.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = R::with(*lane, a.get().times(b.get()));
    }
    join_halves::<T, R, _>(&all)
}

/// Folds accumulators by halves. Apart, so that the loop before it is compiled as if nothing followed.
#[inline(never)]
fn join_halves<T, R: Join<T>, const N: usize>(lanes: &[R::Acc; N]) -> R::Acc {
    let mut lanes = *lanes;
    let mut n = N / 2;
    while n > 0 {
        for i in 0..n {
            lanes[i] = R::join(lanes[i], lanes[i + n]);
        }
        n /= 2;
    }
    lanes[0]
}

/// Folds a block of `outer` by `reduced` by `inner` elements over its middle dim.
pub(super) struct Middle<'a, T, R> {
    pub(super) out: &'a [Cell<T>],
    pub(super) x: &'a [Cell<T>],
    pub(super) reduced: usize,
    pub(super) inner: usize,
    pub(super) join: PhantomData<R>,
}

impl<T: Element, R: Join<T>> NullaryFnOnce for Middle<'_, T, R> {
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
            (_, 1) if reduced < 32 => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    let (several, rest) = row.as_chunks::<ROWS>();
                    let sum = several.iter().fold(R::NONE, |sum, x| R::with(sum, R::four(|k| x[k].get())));
                    out.set(R::narrow(rest.iter().fold(sum, |sum, x| R::with(sum, x.get()))));
                }
            }
            // Joining more lanes takes longer than a short row.
            (_, 1) if reduced < 256 => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(R::narrow(fold_row::<T, R, 8>(row)));
                }
            }
            (_, 1) => {
                for (out, row) in out.iter().zip(x.chunks_exact(reduced)) {
                    out.set(R::narrow(fold_row::<T, R, LANES>(row)));
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
fn fold_short<T: Element, R: Join<T>, const N: usize>(out: &[Cell<T>], x: &[Cell<T>]) {
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
fn fold_columns<T: Element, R: Join<T>>(out: &[Cell<T>], block: &[Cell<T>]) {
    let inner = out.len();
    let (chunks, rest) = out.as_chunks::<COLUMNS>();
    for (i, out) in chunks.iter().enumerate() {
        let first = i * COLUMNS;
        let mut acc = [R::NONE; COLUMNS];
        let rows = block.chunks_exact(inner * ROWS);
        let last = rows.remainder();
        for rows in rows {
            let x: [&[Cell<T>]; ROWS] = std::array::from_fn(|k| &rows[k * inner + first..][..COLUMNS]);
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
    let rows = block.chunks_exact(inner * ROWS);
    let last = rows.remainder();
    for rows in rows {
        let x: [&[Cell<T>]; ROWS] = std::array::from_fn(|k| &rows[k * inner + first..][..n]);
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
