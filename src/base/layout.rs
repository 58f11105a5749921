//! Where the elements of a tensor lie in its buffer: shape, strides and offset, and nothing else.

use smallvec::{SmallVec, smallvec};

use crate::{Error, Result, Shape};

/// Steps through a buffer, in elements, one for each dim. Negative after a flip, 0 along a broadcast dim.
pub(crate) type Strides = SmallVec<[isize; 4]>;

/// Element `[i, j, …]` lies at `offset + i * strides[0] + j * strides[1] + …`, counted in elements.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Layout {
    shape: Shape,
    strides: Strides,
    offset: usize,
}

impl Clone for Layout {
    /// As [`Shape`]'s.
    fn clone(&self) -> Self {
        Self { shape: self.shape.clone(), strides: Strides::from_slice(&self.strides), offset: self.offset }
    }
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

    /// The same, `by` elements nearer the start of the buffer, which must not come before it.
    pub(crate) fn moved(&self, by: usize) -> Self {
        Self { offset: self.offset - by, ..self.clone() }
    }

    /// The same, `by` elements further on in the buffer.
    pub(crate) fn onward(&self, by: usize) -> Self {
        Self { offset: self.offset + by, ..self.clone() }
    }

    /// Whether it is another one [moved](Self::moved) `by` elements.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_moved(&self, other: &Self, by: usize) -> bool {
        self.offset + by == other.offset && self.shape == other.shape && self.strides == other.strides
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
        out.shape = self.shape.resized(dim, len);
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

    /// Element 0 of `dim`, `len` times: from there an index that is not known yet steps on.
    pub(crate) fn taken(&self, dim: usize, len: usize) -> Self {
        let mut out = self.clone();
        out.shape = self.shape.resized(dim, len);
        out.strides[dim] = 0;
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

    /// Makes it `from`, [broadcast](Self::broadcast_to) to a shape, to which it broadcasts.
    pub(crate) fn broadcast_from(&mut self, from: &Self, shape: &Shape) {
        let new = shape.rank() - from.shape.rank();
        self.shape.clone_from(shape);
        self.strides.clear();
        self.strides.resize(new, 0);
        let kept = from.shape.iter().zip(&from.strides).zip(&shape[new..]);
        self.strides.extend(kept.map(|((&size, &stride), &wanted)| if size == wanted { stride } else { 0 }));
        self.offset = from.offset;
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

#[cfg(test)]
mod tests;
