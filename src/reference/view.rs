//! Views by naive index arithmetic: for every element of the result, its coordinates, and from them the element of
//! the argument.

use crate::base::views::View;

/// The number of elements.
pub(super) fn numel(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Calls `visit` with the coordinates of every element, in row-major order.
pub(super) fn for_each(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let mut at = vec![0; shape.len()];
    for _ in 0..numel(shape) {
        visit(&at);
        for d in (0..shape.len()).rev() {
            at[d] += 1;
            if at[d] < shape[d] {
                break;
            }
            at[d] = 0;
        }
    }
}

/// The row-major number of the element at `coordinates`.
pub(super) fn number(shape: &[usize], coordinates: impl IntoIterator<Item = usize>) -> usize {
    shape.iter().zip(coordinates).fold(0, |n, (&size, i)| n * size + i)
}

/// The element of `from` that each element of `to` is when `from` is broadcast: aligned at the last dim, coordinate
/// 0 along dims of size 1.
pub(super) fn broadcast(from: &[usize], to: &[usize]) -> Vec<usize> {
    let new = to.len() - from.len();
    let mut out = Vec::with_capacity(numel(to));
    for_each(to, |at| {
        out.push(number(from, from.iter().zip(&at[new..]).map(|(&size, &i)| if size == 1 { 0 } else { i })));
    });
    out
}

/// The element of the argument (shape `from`) that each element of the view (shape `to`) is.
pub(super) fn source(view: &View, from: &[usize], to: &[usize]) -> Vec<usize> {
    let mut out = Vec::with_capacity(numel(to));
    let mut source = vec![0; from.len()];
    match view {
        View::Reshape(_) => return (0..numel(to)).collect(),
        View::Broadcast(_) => return broadcast(from, to),
        View::Permute(dims) => for_each(to, |at| {
            for (&d, &i) in dims.iter().zip(at) {
                source[d] = i;
            }
            out.push(number(from, source.iter().copied()));
        }),
        &View::Narrow { dim, start, step, .. } => for_each(to, |at| {
            source.copy_from_slice(at);
            source[dim] = start + at[dim] * step;
            out.push(number(from, source.iter().copied()));
        }),
        View::Strided(layout) => for_each(to, |at| {
            let steps: isize = layout.strides().iter().zip(at).map(|(&stride, &i)| stride * i as isize).sum();
            out.push((layout.offset() as isize + steps) as usize);
        }),
        &View::Flip(dim) => for_each(to, |at| {
            source.copy_from_slice(at);
            source[dim] = from[dim] - 1 - at[dim];
            out.push(number(from, source.iter().copied()));
        }),
        &View::Diagonal(a, b) => for_each(to, |at| {
            // Dim `b` is gone from the result; where the diagonal is now depends on which came first.
            let mut rest = at.iter();
            for (d, i) in source.iter_mut().enumerate() {
                if d != b {
                    *i = *rest.next().unwrap_or(&0);
                }
            }
            source[b] = source[a];
            out.push(number(from, source.iter().copied()));
        }),
    }
    out
}

/// The element of the argument (shape `from`) that each element of `to` is whose coordinate along `dim` an index gives.
pub(super) fn chosen(from: &[usize], to: &[usize], dim: usize, index: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut out = Vec::with_capacity(numel(to));
    let mut source = vec![0; from.len()];
    for_each(to, |at| {
        source.copy_from_slice(at);
        source[dim] = index(out.len());
        out.push(number(from, source.iter().copied()));
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    #[test]
    fn each_view_reads_the_elements_it_names() {
        let narrow = View::Narrow { dim: 1, start: 1, len: 2, step: 2 };
        assert_eq!(source(&narrow, &[2, 4], &[2, 2]), [1, 3, 5, 7]);
        assert_eq!(source(&View::Flip(0), &[2, 3], &[2, 3]), [3, 4, 5, 0, 1, 2]);
        assert_eq!(source(&View::Permute(smallvec![1, 0]), &[2, 3], &[3, 2]), [0, 3, 1, 4, 2, 5]);
        // [i, j, k] permuted by (2, 0, 1) is [k, i, j].
        assert_eq!(source(&View::Permute(smallvec![2, 0, 1]), &[2, 1, 3], &[3, 2, 1]), [0, 3, 1, 4, 2, 5]);
        assert_eq!(broadcast(&[2, 1], &[2, 2, 3]), [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(source(&View::Diagonal(0, 1), &[3, 3], &[3]), [0, 4, 8]);
        assert_eq!(source(&View::Diagonal(1, 0), &[2, 2, 2], &[2, 2]), [0, 1, 6, 7]);
        assert_eq!(broadcast(&[], &[2]), [0, 0]);
        assert!(broadcast(&[1, 3], &[0, 3]).is_empty());
    }
}
