//! The domain of a map: its dims as they are walked, and where in it the elements of a view lie.

use smallvec::SmallVec;

use super::view::View;
use crate::Shape;
use crate::base::layout::{Layout, Strides, collapse};
use crate::kernel::spec::{Mode, Order};

/// A map's domain, with those dims joined that all its views step through as one. Views in several stages are found
/// by their own coordinates, so beside one of them nothing is joined.
pub(super) struct Domain {
    pub(super) sizes: SmallVec<[usize; 8]>,
    /// None for a view in several stages.
    pub(super) strides: Vec<Option<Strides>>,
}

impl Domain {
    pub(super) fn of(shape: &Shape, views: &[View]) -> Self {
        let plain: Vec<&[isize]> = views.iter().filter_map(|v| v.access.layout()).map(Layout::strides).collect();
        let (mut sizes, mut strides) = if plain.len() < views.len() {
            (shape.iter().copied().collect(), plain.iter().map(|s| Strides::from_slice(s)).collect())
        } else {
            collapse(shape, &plain)
        };
        if sizes.is_empty() {
            sizes.push(1);
            strides.iter_mut().for_each(|s| s.push(0));
        }
        let mut of_plain = strides.into_iter();
        let strides = views.iter().map(|v| v.access.layout().and_then(|_| of_plain.next())).collect();
        Self { sizes, strides }
    }

    /// Whether groups of four run over the end of a row.
    pub(super) fn ragged(&self) -> bool {
        let (inner, outer) = (self.sizes[self.sizes.len() - 1], &self.sizes[..self.sizes.len() - 1]);
        !outer.is_empty() && !inner.is_multiple_of(4)
    }

    /// Whether each group of four of view `i` lies in a row at an aligned place.
    pub(super) fn aligned(&self, i: usize, view: &View) -> bool {
        let Some((inner, outer)) = self.strides[i].as_ref().and_then(|s| s.split_last()) else { return false };
        let rows = is_linear(view) || *inner == 1 && !self.ragged() && outer.iter().all(|s| s % 4 == 0);
        view.dtype.size() < 8 && view.access.footprint().offset().is_multiple_of(4) && rows
    }

    pub(super) fn mode(&self, i: usize, view: &View, width: u32) -> Mode {
        match &self.strides[i] {
            _ if width == 1 => Mode::Step,
            None => Mode::Each,
            Some(_) if self.aligned(i, view) => Mode::Vec,
            Some(s) if s.iter().all(|&s| s == 0) => Mode::Splat,
            Some(_) if is_linear(view) => Mode::Step,
            Some(_) if self.ragged() => Mode::Each,
            Some(s) if s[s.len() - 1] == 0 => Mode::Splat,
            Some(_) => Mode::Step,
        }
    }

    /// The order of a view that lies at `offset` in its window.
    pub(super) fn order(&self, i: usize, view: &View, offset: usize) -> Order {
        match &self.strides[i] {
            Some(_) if is_linear(view) && offset == 0 => Order::Identity,
            Some(_) if is_linear(view) => Order::Linear,
            _ => Order::Strided,
        }
    }

    /// A view's entries of the operand table. Its last stage is the one that lies in memory, at `offset` of the window.
    pub(super) fn stages(&self, i: usize, view: &View, offset: usize) -> SmallVec<[(usize, Strides); 2]> {
        if let Some(joined) = &self.strides[i] {
            return SmallVec::from_elem((offset, joined.clone()), 1);
        }
        let stages = view.access.stages();
        let at = |s: usize| if s + 1 == stages.len() { offset } else { stages[s].offset() };
        stages.iter().enumerate().map(|(s, stage)| (at(s), Strides::from_slice(stage.strides()))).collect()
    }
}

fn is_linear(view: &View) -> bool {
    view.access.layout().is_some_and(Layout::is_contiguous)
}
