//! The order of elements.

use std::cmp::Ordering;

use super::approx::Approx;
use crate::expr::order::Sort;

/// What is wanted of each row in its order: elements or their places, equal ones as they stand.
pub(super) fn sorted(items: &[Approx], row: usize, sort: Sort) -> Vec<Approx> {
    let wanted = sort.first..sort.first + sort.count;
    items.chunks(row.max(1)).flat_map(|row| of_row(row, sort)[wanted.clone()].to_vec()).collect()
}

fn of_row(row: &[Approx], sort: Sort) -> Vec<Approx> {
    let mut places: Vec<usize> = (0..row.len()).collect();
    let compare = |&a: &usize, &b: &usize| {
        let order = compare(row[a].v, row[b].v);
        if sort.descending { order.reverse() } else { order }
    };
    places.sort_by(compare);
    // A place is in doubt beside a neighbour that it might change places with. Bounds of different sizes reach beyond
    // neighbours, so the largest is taken for all.
    let widest = row.iter().fold(0.0, |most: f64, x| most.max(x.e));
    if sort.values {
        // As no element is further off, no rank is.
        let unknown = row.iter().any(|x| x.is_unknown());
        let of = |v: f64| if unknown { Approx::unknown(v) } else { Approx { v, e: widest } };
        return places.iter().map(|&place| of(row[place].v)).collect();
    }
    let doubtful = |i: usize, j: usize| {
        let (a, b) = (row[places[i]], row[places[j]]);
        a.is_unknown() || b.is_unknown() || widest > 0.0 && (a.v - b.v).abs() <= 2.0 * widest
    };
    let near = |i: usize| i > 0 && doubtful(i, i - 1) || i + 1 < places.len() && doubtful(i, i + 1);
    (0..places.len())
        .map(|i| if near(i) { Approx::unknown(places[i] as f64) } else { Approx::exact(places[i] as f64) })
        .collect()
}

/// NaN is larger than any number, and the zeros are equal.
fn compare(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}
