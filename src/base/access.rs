//! How an expression reads a buffer: a layout, or a short chain of them.

#[cfg(feature = "gpu")]
use std::hash::{Hash, Hasher};

use smallvec::{SmallVec, smallvec};

use super::layout::Layout;
use crate::{Result, Shape};

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

    /// Makes it that of a layout broadcast to a shape, to which it broadcasts.
    pub(crate) fn broadcast_from(&mut self, layout: &Layout, shape: &Shape) {
        self.stages.truncate(1);
        self.stages[0].broadcast_from(layout, shape);
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

    /// The same, `by` elements nearer the start of the buffer, which must not come before it.
    #[cfg(feature = "gpu")]
    pub(crate) fn moved(&self, by: usize) -> Self {
        let mut out = self.clone();
        let last = out.stages.len() - 1;
        out.stages[last] = self.stages[last].moved(by);
        out
    }

    /// The same, `by` elements further on in the buffer.
    #[cfg(feature = "gpu")]
    pub(crate) fn onward(&self, by: usize) -> Self {
        let mut out = self.clone();
        let last = out.stages.len() - 1;
        out.stages[last] = self.stages[last].onward(by);
        out
    }

    /// Whether it is another one [moved](Self::moved) `by` elements.
    #[cfg(feature = "gpu")]
    pub(crate) fn is_moved(&self, other: &Self, by: usize) -> bool {
        let last = self.stages.len() - 1;
        self.stages.len() == other.stages.len()
            && self.stages[last].is_moved(&other.stages[last], by)
            && self.stages[..last] == other.stages[..last]
    }

    /// Hashes everything but where in the buffer it begins.
    #[cfg(feature = "gpu")]
    pub(crate) fn hash_shape(&self, state: &mut impl Hasher) {
        let (last, stages) = (self.footprint(), &self.stages[..self.stages.len() - 1]);
        (stages, last.shape(), last.strides()).hash(state);
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
            let offset = self.stages[0].offset() + layout.offset();
            out.stages[0] = Layout::new(layout.shape().clone(), layout.strides().into(), offset);
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
