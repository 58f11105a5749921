//! Where the elements of a tensor lie in its buffer: shape, strides and offset, and nothing else.

use smallvec::{SmallVec, smallvec};

use crate::{Error, Result, Shape};

/// Steps through a buffer, in elements, one for each dim. Negative after a flip, 0 along a broadcast dim.
pub(crate) type Strides = SmallVec<[isize; 4]>;

/// Element `[i, j, …]` lies at `offset + i * strides[0] + j * strides[1] + …`, counted in elements.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    shape: Shape,
    strides: Strides,
    offset: usize,
}

impl Layout {
    /// Row-major, without gaps, from the start of the buffer.
    pub(crate) fn contiguous(shape: Shape) -> Self {
        let mut strides: Strides = smallvec![0; shape.rank()];
        let mut step = 1_isize;
        for (stride, &size) in strides.iter_mut().zip(shape.iter()).rev() {
            *stride = step;
            step = step.saturating_mul(size.max(1) as isize);
        }
        Self { shape, strides, offset: 0 }
    }

    pub(crate) fn new(shape: Shape, strides: Strides, offset: usize) -> Self {
        debug_assert_eq!(shape.rank(), strides.len());
        Self { shape, strides, offset }
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn strides(&self) -> &[isize] {
        &self.strides
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn numel(&self) -> usize {
        self.shape.numel()
    }

    /// How many elements of memory it shows: those of a broadcast dim count once.
    pub(crate) fn touched(&self) -> usize {
        self.shape.iter().zip(&self.strides).filter(|&(_, &step)| step != 0).map(|(&n, _)| n).product()
    }

    /// Whether the elements follow each other in row-major order without gaps, wherever they start.
    pub(crate) fn is_contiguous(&self) -> bool {
        // Beside a size of 0 the others may multiply to anything.
        if self.numel() == 0 {
            return true;
        }
        let mut step = 1;
        for (&stride, &size) in self.strides.iter().zip(self.shape.iter()).rev() {
            if size != 1 {
                if stride != step {
                    return false;
                }
                step *= size as isize;
            }
        }
        true
    }

    /// The lowest and highest element it touches, or `None` if it has no elements.
    pub(crate) fn bounds(&self) -> Option<(usize, usize)> {
        if self.numel() == 0 {
            return None;
        }
        let (mut low, mut high) = (self.offset as isize, self.offset as isize);
        for (&stride, &size) in self.strides.iter().zip(self.shape.iter()) {
            let reach = stride * (size as isize - 1);
            if reach < 0 { low += reach } else { high += reach }
        }
        Some((low as usize, high as usize))
    }

    /// Whether two layouts over one buffer may touch a common element. Errs on the side of yes: ranges that
    /// interleave without meeting count as overlapping unless they differ in a common step's remainder.
    pub(crate) fn may_overlap(&self, other: &Self) -> bool {
        let (Some((low, high)), Some((other_low, other_high))) = (self.bounds(), other.bounds()) else {
            return false;
        };
        if high < other_low || other_high < low {
            return false;
        }
        // All elements of both are congruent to their offsets modulo the gcd of all steps.
        let step = self.steps().chain(other.steps()).fold(0, gcd);
        if step > 1 && self.offset % step != other.offset % step {
            return false;
        }
        // Two windows of one row-major parent, such as two column ranges of a matrix: compare them dim by dim.
        !self.disjoint_windows(other)
    }

    /// Whether both are windows with the same positive nested strides whose ranges miss each other in some dim.
    fn disjoint_windows(&self, other: &Self) -> bool {
        if self.strides != other.strides || self.strides.iter().any(|&s| s <= 0) {
            return false;
        }
        let mut order: SmallVec<[usize; 8]> = (0..self.strides.len()).collect();
        order.sort_unstable_by_key(|&d| std::cmp::Reverse(self.strides[d]));
        let (mut a, mut b) = (self.offset, other.offset);
        let mut disjoint = false;
        for (i, &d) in order.iter().enumerate() {
            let stride = self.strides[d] as usize;
            let (start_a, start_b) = (a / stride, b / stride);
            (a, b) = (a % stride, b % stride);
            // The window must not run over into the next dim up, or coordinates are not unique.
            let room = if i == 0 { usize::MAX } else { self.strides[order[i - 1]] as usize / stride };
            let (end_a, end_b) = (start_a + self.shape[d], start_b + other.shape[d]);
            if end_a > room || end_b > room {
                return false;
            }
            disjoint |= end_a <= start_b || end_b <= start_a;
        }
        disjoint && a == b
    }

    /// Whether two different indices may lie at one element, as along a broadcast dim.
    pub(crate) fn overlaps_itself(&self) -> bool {
        if self.is_contiguous() {
            return false;
        }
        let mut dims: SmallVec<[(usize, usize); 8]> = self
            .strides
            .iter()
            .zip(self.shape.iter())
            .filter(|&(_, &n)| n > 1)
            .map(|(&s, &n)| (s.unsigned_abs(), n))
            .collect();
        dims.sort_unstable();
        let mut reach = 0;
        for (stride, size) in dims {
            if stride <= reach {
                return true;
            }
            reach += stride * (size - 1);
        }
        false
    }

    fn steps(&self) -> impl Iterator<Item = usize> {
        self.strides.iter().zip(self.shape.iter()).filter(|&(_, &n)| n > 1).map(|(s, _)| s.unsigned_abs())
    }

    /// The dims in the order `dims` names them.
    pub(crate) fn permute(&self, dims: &[usize]) -> Self {
        Self {
            shape: dims.iter().map(|&d| self.shape[d]).collect(),
            strides: dims.iter().map(|&d| self.strides[d]).collect(),
            offset: self.offset,
        }
    }

    /// Every `step`th element of `dim` from `start`, `len` of them. The caller has checked the range.
    pub(crate) fn narrow(&self, dim: usize, start: usize, len: usize, step: usize) -> Self {
        let mut out = self.clone();
        out.shape = self.shape.iter().enumerate().map(|(d, &n)| if d == dim { len } else { n }).collect();
        // A view of nothing stays where it is: its buffer may have no element to begin at.
        if out.numel() > 0 {
            out.offset = (self.offset as isize + start as isize * self.strides[dim]) as usize;
        }
        // A single element is never stepped from, and the step may be any number.
        if len > 1 {
            out.strides[dim] *= step as isize;
        }
        out
    }

    /// `dim` read backwards.
    pub(crate) fn flip(&self, dim: usize) -> Self {
        let mut out = self.clone();
        if self.numel() > 0 {
            out.offset = (self.offset as isize + (self.shape[dim] as isize - 1) * self.strides[dim]) as usize;
        }
        out.strides[dim] = -out.strides[dim];
        out
    }

    /// The diagonal of dims `a` and `b`, which are of one size, put in the place of `a`; `b` goes.
    pub(crate) fn diagonal(&self, a: usize, b: usize) -> Self {
        let keep = (0..self.shape.rank()).filter(|&d| d != b);
        Self {
            shape: keep.clone().map(|d| self.shape[d]).collect(),
            strides: keep.map(|d| if d == a { self.strides[a] + self.strides[b] } else { self.strides[d] }).collect(),
            offset: self.offset,
        }
    }

    /// The same elements repeated along dims of size 1 and new outer dims, without copying.
    pub(crate) fn broadcast_to(&self, shape: &Shape, op: &'static str) -> Result<Self> {
        let refuse = || Error::Broadcast { op, lhs: self.shape.clone(), rhs: shape.clone() };
        let new = shape.rank().checked_sub(self.shape.rank()).ok_or_else(refuse)?;
        let mut strides: Strides = smallvec![0; shape.rank()];
        for (d, (&size, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            match shape[new + d] {
                n if n == size => strides[new + d] = stride,
                _ if size == 1 => {}
                _ => return Err(refuse()),
            }
        }
        Ok(Self { shape: shape.clone(), strides, offset: self.offset })
    }

    /// The same elements in row-major order under another shape of the same number of elements, or `None` if no
    /// strides can say that.
    pub(crate) fn reshape(&self, shape: &Shape) -> Option<Self> {
        debug_assert_eq!(self.numel(), shape.numel());
        if self.is_contiguous() {
            return Some(Self { offset: self.offset, ..Self::contiguous(shape.clone()) });
        }
        // Match runs of old dims that step as one against runs of new dims with the same number of elements.
        let old: SmallVec<[(usize, isize); 8]> =
            self.shape.iter().zip(&self.strides).filter(|&(&n, _)| n != 1).map(|(&n, &s)| (n, s)).collect();
        let mut strides: Strides = smallvec![0; shape.rank()];
        let (mut i, mut j) = (0, 0);
        while i < old.len() {
            let (mut have, mut want, start) = (old[i].0, 1, j);
            let first = i;
            while want != have {
                if want < have {
                    want *= shape[j];
                    j += 1;
                } else {
                    i += 1;
                    have *= old[i].0;
                }
            }
            if (first..i).any(|d| old[d].1 != old[d + 1].1 * old[d + 1].0 as isize) {
                return None;
            }
            let mut step = old[i].1;
            for d in (start..j).rev() {
                strides[d] = step;
                step *= shape[d] as isize;
            }
            i += 1;
        }
        Some(Self { shape: shape.clone(), strides, offset: self.offset })
    }

    /// Where the element with row-major number `index` lies.
    pub(crate) fn at(&self, mut index: usize) -> usize {
        let mut position = self.offset as isize;
        for (&size, &stride) in self.shape.iter().zip(&self.strides).rev() {
            position += (index % size) as isize * stride;
            index /= size;
        }
        position as usize
    }
}

/// Drops dims of size 1 and joins neighbouring dims that every operand steps through as one, so that most work
/// becomes rank 1 or 2. All layouts have the same shape; what comes back is that shape, collapsed, and each
/// operand's strides over it.
pub(crate) fn collapse(shape: &Shape, operands: &[&[isize]]) -> (SmallVec<[usize; 8]>, Vec<Strides>) {
    let mut sizes: SmallVec<[usize; 8]> = SmallVec::new();
    let mut strides: Vec<Strides> = vec![Strides::new(); operands.len()];
    for (d, &size) in shape.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let joins = !sizes.is_empty()
            && operands
                .iter()
                .zip(&strides)
                .all(|(operand, s)| s[s.len() - 1] == operand[d].wrapping_mul(size as isize));
        if joins {
            let last = sizes.len() - 1;
            // Wraps, as above, only beside a size of 0, where neither means anything.
            sizes[last] = sizes[last].wrapping_mul(size);
            for (s, operand) in strides.iter_mut().zip(operands) {
                s[last] = operand[d];
            }
        } else {
            sizes.push(size);
            for (s, operand) in strides.iter_mut().zip(operands) {
                s.push(operand[d]);
            }
        }
    }
    (sizes, strides)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How an expression reads a buffer: for each index of the domain it is evaluated over, an element.
///
/// Almost always a single [`Layout`]. A reshape that strides cannot express (of a permuted tensor, say) adds a
/// stage: the first stage's layout maps a domain index to a row-major number in the second stage's shape, and so
/// on; the last maps into the buffer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    stages: SmallVec<[Layout; 1]>,
}

impl From<Layout> for Access {
    fn from(layout: Layout) -> Self {
        Self { stages: smallvec![layout] }
    }
}

impl Access {
    /// The shape of the domain.
    pub(crate) fn shape(&self) -> &Shape {
        self.stages[0].shape()
    }

    /// The layout, if one is enough.
    pub(crate) fn layout(&self) -> Option<&Layout> {
        if self.stages.len() == 1 { Some(&self.stages[0]) } else { None }
    }

    /// The layouts from the domain to the buffer.
    pub(crate) fn stages(&self) -> &[Layout] {
        &self.stages
    }

    /// Whether domain index `i` in row-major order reads element `i`.
    pub(crate) fn is_identity(&self) -> bool {
        self.layout().is_some_and(|l| l.offset() == 0 && l.is_contiguous())
    }

    /// A view of this one: `f` changes the layout that faces the domain.
    pub(crate) fn map(&self, f: impl FnOnce(&Layout) -> Result<Layout>) -> Result<Self> {
        let mut out = self.clone();
        out.stages[0] = f(&self.stages[0])?;
        Ok(out)
    }

    /// Indices `start..start + len` of a dim of the domain. The caller has checked the range.
    pub(crate) fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        let mut out = self.clone();
        out.stages[0] = self.stages[0].narrow(dim, start, len, 1);
        out
    }

    /// The same without its last stage, which the reader has applied.
    pub(crate) fn without_last_stage(&self) -> Self {
        Self { stages: self.stages[..self.stages.len() - 1].iter().cloned().collect() }
    }

    /// The same elements in row-major order under another shape.
    pub(crate) fn reshape(&self, shape: &Shape) -> Self {
        let mut out = self.clone();
        match self.stages[0].reshape(shape) {
            Some(layout) => out.stages[0] = layout,
            None => out.stages.insert(0, Layout::contiguous(shape.clone())),
        }
        out
    }

    /// Elements of this one, by their row-major numbers, as `layout` places them.
    pub(crate) fn strided(&self, layout: &Layout) -> Self {
        let mut out = self.clone();
        if self.stages[0].is_contiguous() {
            out.stages[0] = Layout { offset: self.stages[0].offset + layout.offset, ..layout.clone() };
        } else {
            out.stages.insert(0, layout.clone());
        }
        out
    }

    /// Which element of the buffer domain index `index` (its row-major number) reads.
    #[cfg(test)]
    pub(crate) fn at(&self, index: usize) -> usize {
        self.stages.iter().fold(index, |i, stage| stage.at(i))
    }

    /// Every buffer element it may touch, as a layout.
    pub(crate) fn footprint(&self) -> &Layout {
        &self.stages[self.stages.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
