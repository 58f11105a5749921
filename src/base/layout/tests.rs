//! Layouts against the positions of their elements, one by one.

use super::*;
use crate::base::access::Access;

fn contiguous<const N: usize>(sizes: [usize; N]) -> Layout {
    Layout::contiguous(Shape::from(sizes))
}

fn strided<const N: usize>(sizes: [usize; N], strides: [isize; N], offset: usize) -> Layout {
    Layout::new(Shape::from(sizes), strides.into_iter().collect(), offset)
}

fn positions(layout: &Layout) -> Vec<usize> {
    (0..layout.numel()).map(|i| layout.at(i)).collect()
}

#[test]
fn views_read_the_right_elements() {
    let x = contiguous([2, 3]);
    assert_eq!(positions(&x.permute(&[1, 0])), [0, 3, 1, 4, 2, 5]);
    assert_eq!(positions(&x.narrow(1, 0, 2, 2)), [0, 2, 3, 5]);
    assert_eq!(positions(&x.flip(1)), [2, 1, 0, 5, 4, 3]);
    assert_eq!(positions(&contiguous([3, 3]).diagonal(0, 1)), [0, 4, 8]);
    let row = contiguous([3]).broadcast_to(&Shape::from([2, 3]), "broadcast_to").unwrap();
    assert_eq!(positions(&row), [0, 1, 2, 0, 1, 2]);
}

#[test]
fn elements_that_are_read_again_are_counted_once() {
    let x = contiguous([4, 6]);
    let row = contiguous([6]).broadcast_to(&Shape::from([4, 6]), "broadcast_to").unwrap();
    for layout in [x.clone(), x.permute(&[1, 0]), x.narrow(1, 0, 3, 2), x.flip(0), row, contiguous([])] {
        let mut distinct = positions(&layout);
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(layout.touched(), distinct.len(), "{layout:?}");
    }
}

#[test]
fn reshape_keeps_the_order_or_says_it_cannot() {
    let x = contiguous([4, 6]);
    for shape in [Shape::from([24]), Shape::from([2, 2, 3, 2]), Shape::from([8, 1, 3])] {
        assert_eq!(positions(&x.reshape(&shape).unwrap()), positions(&x));
        let rows = x.narrow(0, 0, 2, 2).broadcast_to(&Shape::from([2, 2, 6]), "b").unwrap();
        if let Some(view) = rows.reshape(&shape) {
            assert_eq!(positions(&view), positions(&rows), "{shape}");
        }
    }
    let t = x.permute(&[1, 0]);
    assert!(t.reshape(&Shape::from([24])).is_none());
    let access = Access::from(t.clone()).reshape(&Shape::from([24]));
    assert_eq!((0..24).map(|i| access.at(i)).collect::<Vec<_>>(), positions(&t));
}

#[test]
fn collapse_joins_what_all_operands_step_through_as_one() {
    let shape = Shape::from([4, 1, 5, 6]);
    let a = contiguous([4, 1, 5, 6]);
    let s = contiguous([4, 1, 1, 1]).broadcast_to(&shape, "mul").unwrap();
    let (sizes, strides) = collapse(&shape, &[a.strides(), s.strides()]);
    assert_eq!(sizes.as_slice(), [4, 30]);
    assert_eq!((strides[0].as_slice(), strides[1].as_slice()), (&[30, 1][..], &[1, 0][..]));
}

#[test]
fn overlap_is_never_missed() {
    // Every pair of small windows of a [4, 6] matrix, against the elements themselves.
    let parent = contiguous([4, 6]);
    let mut views = vec![parent.permute(&[1, 0]), parent.flip(0), parent.flip(1).narrow(1, 1, 3, 2)];
    for (start, len, step) in [(0, 2, 1), (2, 2, 1), (0, 3, 2), (1, 3, 2)] {
        views.push(parent.narrow(1, start, len, step));
        views.push(parent.narrow(0, start.min(1), 2, step));
    }
    let mut told_apart = 0;
    for a in &views {
        assert!(!a.overlaps_itself());
        for b in &views {
            let meet = positions(a).iter().any(|p| positions(b).contains(p));
            assert!(a.may_overlap(b) || !meet, "{a:?} {b:?}");
            told_apart += usize::from(!a.may_overlap(b));
        }
    }
    assert!(told_apart >= 8, "column windows and interleaved columns are told apart: {told_apart}");
    let column = |start| parent.narrow(1, start, 1, 1);
    for (a, b, what) in [
        (parent.narrow(0, 0, 1, 1).flip(1), parent.narrow(0, 1, 1, 1), "a row read backwards and the next"),
        (column(0).flip(0), column(1), "a column read backwards and the next"),
    ] {
        assert!(!a.may_overlap(&b) && !b.may_overlap(&a), "{what}");
    }
    // Four places in each row of six, from the last but one on: the row's end is run over.
    let sparse = |rows, columns, offset| strided([rows, columns], [12, 2], offset);
    let (over, within) = (sparse(2, 4, 8), sparse(1, 2, 12));
    assert!(over.may_overlap(&within) && within.may_overlap(&over));
}

#[test]
fn elements_at_one_place_are_noticed() {
    for (layout, want) in [
        (contiguous([1]).broadcast_to(&Shape::from([2]), "b").unwrap(), true),
        (contiguous([3]).broadcast_to(&Shape::from([2, 3]), "b").unwrap(), true),
        (contiguous([0, 1]).broadcast_to(&Shape::from([0, 3]), "b").unwrap(), false),
        (strided([3, 2], [1, 1], 0), true),
        (strided([2, 4], [4, 2], 0), true),
        (strided([2, 4], [7, 2], 0), false),
    ] {
        assert_eq!(layout.overlaps_itself(), want, "{layout:?}");
    }
}

#[test]
fn a_single_element_is_never_stepped_from() {
    assert_eq!(contiguous([4, 6]).narrow(0, 2, 1, isize::MAX as usize).strides(), [6, 1]);
}
