//! The loops that fold rows into a destination.
//!
//! Sums and products of f32 are accumulated in f64, term by term in the order of the rows, and rounded once.

use std::cell::Cell;
use std::ops::Range;

use bytemuck::Pod;
use pulp::NullaryFnOnce;

use super::order::Order;
use crate::DType;
use crate::cpu::arch::Arch;
use crate::cpu::fold::{Amax, Amin, Join, Prod, Sum};
use crate::cpu::lines::fetch;
use crate::cpu::strip::{Span, Strip};
use crate::expr::graph::Fold;

/// Columns whose accumulators are in registers, and of those that are kept while rows are folded.
const COLUMNS: usize = 32;
const STRIP: usize = 64;
/// Rows that are folded into some columns before the next columns: they stay in the innermost cache.
const BATCH: usize = 16;
/// Accumulators of rows that go to none of a thread's destinations.
pub(super) const ELSEWHERE: usize = 16;
/// Rows ahead for which memory is asked: they lie anywhere.
const AHEAD: usize = 12;

/// The last of several elements.
pub(super) struct Last;

macro_rules! last {
    ($($t:ident),*) => {$(
        impl Join<$t> for Last {
            type Acc = $t;
            const NONE: $t = 0 as $t;
            #[inline(always)]
            fn pair(_: $t, b: $t) -> $t { b }
            #[inline(always)]
            fn widen(x: $t) -> $t { x }
            #[inline(always)]
            fn join(_: $t, b: $t) -> $t { b }
            #[inline(always)]
            fn narrow(acc: $t) -> $t { acc }
        }
    )*};
}
last!(f32, f64, i32, i64);

/// Folds the runs of an order into rows of `[base, out]`.
type ByDestination = fn(Strip<'_>, [Span<'_>; 2], usize, Range<usize>, &Order<'_>, Range<usize>);

/// The loops of one fold on elements of one dtype.
#[derive(Clone, Copy)]
pub(super) struct Loops {
    pub(super) by_destination: ByDestination,
    pub(super) start: fn(Strip<'_>, Option<Strip<'_>>),
    pub(super) as_they_come: fn(Strip<'_>, Strip<'_>, Strip<'_>, usize, Option<usize>),
    pub(super) finish: fn(Strip<'_>, Strip<'_>, &[Strip<'_>]),
    /// Bytes of an element, and of an accumulator.
    pub(super) element: usize,
    pub(super) wide: usize,
}

impl Loops {
    pub(super) fn new(fold: Fold, dtype: DType) -> Option<Self> {
        fn of<T: Pod, R: Join<T>>() -> Loops {
            Loops {
                by_destination: by_destination::<T, R>,
                start: start::<T, R>,
                as_they_come: as_they_come::<T, R>,
                finish: finish::<T, R>,
                element: size_of::<T>(),
                wide: size_of::<R::Acc>(),
            }
        }
        macro_rules! of_dtype {
            ($fold:ident) => {
                match dtype {
                    DType::F32 => of::<f32, $fold>(),
                    DType::F64 => of::<f64, $fold>(),
                    DType::I32 => of::<i32, $fold>(),
                    DType::I64 => of::<i64, $fold>(),
                    _ => return None,
                }
            };
        }
        Some(match fold {
            Fold::Sum => of_dtype!(Sum),
            Fold::Prod => of_dtype!(Prod),
            Fold::Amax => of_dtype!(Amax),
            Fold::Amin => of_dtype!(Amin),
            Fold::Last => of_dtype!(Last),
            Fold::Logaddexp => return None,
        })
    }
}

fn by_destination<T: Pod, R: Join<T>>(
    values: Strip<'_>,
    [base, out]: [Span<'_>; 2],
    row: usize,
    columns: Range<usize>,
    order: &Order<'_>,
    runs: Range<usize>,
) {
    let values = values.cells::<T>();
    Arch::new().dispatch(Runs::<T, R> { values, base, out, row, columns, order, runs, join: std::marker::PhantomData });
}

struct Runs<'a, T, R> {
    values: &'a [Cell<T>],
    base: Span<'a>,
    out: Span<'a>,
    row: usize,
    columns: Range<usize>,
    order: &'a Order<'a>,
    runs: Range<usize>,
    join: std::marker::PhantomData<R>,
}

impl<T: Pod, R: Join<T>> NullaryFnOnce for Runs<'_, T, R> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        let Self { values, base, out, row, columns, order, runs, .. } = self;
        for run in runs {
            let first = order.destination(run, 0) * row;
            for strip in columns.clone().step_by(STRIP) {
                let strip = strip..columns.end.min(strip + STRIP);
                let at = (first + strip.start) as isize;
                let [base, out] = [base, out].map(|x| x.strip(at, strip.len(), size_of::<T>()).cells::<T>());
                let mut acc = [R::NONE; STRIP];
                let acc = &mut acc[..strip.len()];
                acc.iter_mut().zip(base).for_each(|(acc, x)| *acc = R::widen(x.get()));
                let mut ahead = order.ahead(run, AHEAD).iter();
                for rows in order.rows(run).chunks(BATCH) {
                    ahead.by_ref().take(rows.len()).for_each(|next| {
                        fetch(values, next.get() as usize * row + strip.start, strip.len());
                    });
                    fold_rows::<T, R>(values, rows, [row, strip.start], acc);
                }
                out.iter().zip(&*acc).for_each(|(out, &acc)| out.set(R::narrow(acc)));
            }
        }
    }
}

/// Folds some rows into the accumulators of columns, the first of which is `column`.
#[inline(always)]
fn fold_rows<T: Pod, R: Join<T>>(
    values: &[Cell<T>],
    rows: &[Cell<u32>],
    [row, column]: [usize; 2],
    acc: &mut [R::Acc],
) {
    let columns = acc.len();
    let (blocks, rest) = acc.as_chunks_mut::<COLUMNS>();
    for (block, acc) in blocks.iter_mut().enumerate() {
        fold_columns::<T, R, COLUMNS>(values, rows, [row, column + block * COLUMNS], acc);
    }
    let done = columns - rest.len();
    let (blocks, rest) = rest.as_chunks_mut::<8>();
    for (block, acc) in blocks.iter_mut().enumerate() {
        fold_columns::<T, R, 8>(values, rows, [row, column + done + block * 8], acc);
    }
    let done = columns - rest.len();
    for (i, acc) in rest.iter_mut().enumerate() {
        fold_columns::<T, R, 1>(values, rows, [row, column + done + i], std::array::from_mut(acc));
    }
}

/// The same for `N` columns.
#[inline(always)]
fn fold_columns<T: Pod, R: Join<T>, const N: usize>(
    values: &[Cell<T>],
    rows: &[Cell<u32>],
    [row, column]: [usize; 2],
    acc: &mut [R::Acc; N],
) {
    let mut held = *acc;
    for place in rows {
        if let Some((x, _)) = values[place.get() as usize * row + column..].split_first_chunk::<N>() {
            for i in 0..N {
                held[i] = R::with(held[i], x[i].get());
            }
        }
    }
    *acc = held;
}

/// The accumulators of a base, or of nothing.
fn start<T: Pod, R: Join<T>>(acc: Strip<'_>, base: Option<Strip<'_>>) {
    let acc = acc.cells::<R::Acc>();
    match base {
        Some(base) => acc.iter().zip(base.cells::<T>()).for_each(|(acc, x)| acc.set(R::widen(x.get()))),
        None => acc.iter().for_each(|acc| acc.set(R::NONE)),
    }
}

/// Folds rows as they come into accumulators of destinations: of all, or of those from `own` on. Rows that go elsewhere are
/// folded into [`ELSEWHERE`] destinations more, by turns: a branch that nobody can foresee would take longer. Of
/// all, nothing of that need be looked at.
fn as_they_come<T: Pod, R: Join<T>>(
    keys: Strip<'_>,
    values: Strip<'_>,
    acc: Strip<'_>,
    row: usize,
    own: Option<usize>,
) {
    let (keys, values, acc) = (keys.cells::<i32>(), values.cells::<T>(), acc.cells::<R::Acc>());
    let Some(first) = own else {
        if row == 1 {
            for (key, x) in keys.iter().zip(values) {
                let acc = &acc[key.get() as usize];
                acc.set(R::with(acc.get(), x.get()));
            }
        } else {
            for (key, x) in keys.iter().zip(values.chunks_exact(row)) {
                for (acc, x) in acc[key.get() as usize * row..][..row].iter().zip(x) {
                    acc.set(R::with(acc.get(), x.get()));
                }
            }
        }
        return;
    };
    let size = acc.len() / row - ELSEWHERE;
    let place = |i: usize, key: &Cell<i32>| {
        let at = (key.get() as usize).wrapping_sub(first);
        if at < size { at } else { size + i % ELSEWHERE }
    };
    if row == 1 {
        for (i, (key, x)) in keys.iter().zip(values).enumerate() {
            let acc = &acc[place(i, key)];
            acc.set(R::with(acc.get(), x.get()));
        }
    } else {
        for (i, (key, x)) in keys.iter().zip(values.chunks_exact(row)).enumerate() {
            for (acc, x) in acc[place(i, key) * row..][..row].iter().zip(x) {
                acc.set(R::with(acc.get(), x.get()));
            }
        }
    }
}

/// The results of accumulators, to each of which those of more parts are joined.
fn finish<T: Pod, R: Join<T>>(out: Strip<'_>, acc: Strip<'_>, more: &[Strip<'_>]) {
    let (out, acc) = (out.cells::<T>(), acc.cells::<R::Acc>());
    for more in more {
        acc.iter().zip(more.cells::<R::Acc>()).for_each(|(acc, x)| acc.set(R::join(acc.get(), x.get())));
    }
    out.iter().zip(acc).for_each(|(out, acc)| out.set(R::narrow(acc.get())));
}
