//! Writing packed elements that share words with others: beside their target first, then patched in.

use super::Planner;
use super::domain::Domain;
use super::emit::Scalars;
use super::launching::Launching;
use super::map::MapJob;
use super::view::View;
use super::windows::{best_cut, excess, halves};
use crate::base::layout::{Layout, Strides};
use crate::kernel::spec::{Code, Inst, Kernel, Line, Map, Mode, Order};
use crate::kernel::uniforms::{Dim, Head};
use crate::{DType, Result, Shape};

impl MapJob {
    /// Whether a packed target, being a part of a larger one, shares words with its neighbours.
    pub(super) fn shares_words(&self) -> bool {
        let Self { shape, views, n_loads, .. } = self;
        if !views[*n_loads..].iter().any(View::is_packed) {
            return false;
        }
        let domain = Domain::of(shape, views);
        views.iter().enumerate().skip(*n_loads).any(|(i, view)| view.is_packed() && !domain.aligned(i, view))
    }
}

impl Planner<'_> {
    /// A map of which packed targets share words: written beside them, then patched in.
    pub(super) fn map_beside(&mut self, mut job: MapJob) -> Result<()> {
        let mut patches = Vec::new();
        for view in job.views[job.n_loads..].iter_mut().filter(|view| view.is_packed()) {
            let beside = self.temp(job.shape.numel(), view.dtype);
            let beside = View::new(beside, view.dtype, Layout::contiguous(job.shape.clone()));
            let target = std::mem::replace(view, beside.clone());
            patches.push((beside, target));
        }
        self.map_launch(job)?;
        patches.iter().try_for_each(|(from, to)| self.patch(from, to))
    }

    /// A copy into packed elements that share words with others: the domain is the target's memory, so that an
    /// invocation owns whole words, and each element is searched for in the target.
    fn patch(&mut self, from: &View, to: &View) -> Result<()> {
        // Both are within reach; but the target's memory may hold more elements than the target.
        let beyond = |to: &View| {
            let words = words_of(to).map_or(0, |w| w.access.shape().numel());
            excess(words as u64, self.most_elements())
        };
        let now = beyond(to);
        if now == 0.0 {
            return self.patch_launch(from, to);
        }
        let shape = to.access.shape();
        let cut = best_cut(shape, 0..shape.rank(), now, |d, len| beyond(&to.narrow(d, 0, len)));
        let Some(dim) = cut else { return Err(self.no_cut(&[from.clone(), to.clone()])) };
        for (start, len) in halves(shape[dim]) {
            self.patch(&from.narrow(dim, start, len), &to.narrow(dim, start, len))?;
        }
        Ok(())
    }

    fn patch_launch(&mut self, from: &View, to: &View) -> Result<()> {
        let Some(memory) = words_of(to) else { return Ok(()) };
        let base = memory.access.footprint().offset();
        let n = memory.access.shape().numel();
        let (target, source) = (to.access.footprint(), from.access.footprint());
        let (Some((low, _)), Some((_, last))) = (target.bounds(), source.bounds()) else { return Ok(()) };
        let Search { dims, start } = Search::new(target, source);

        let views = [memory.clone(), from.clone(), memory];
        let mut operands = self.operands(&views, 2)?;
        let in_memory = [(operands.offset(0, &views[0]), Strides::from_slice(&[1]))];
        let first = operands.offset(1, from);
        // The view that is searched lies at `low`; the element found there is number `start` of the source, or a number
        // past `last` if there is none.
        let last = Strides::from_slice(&[first.wrapping_add(last - source.offset()) as isize]);
        let mut steps: Strides = dims.iter().map(|d| d.step).collect();
        steps.push(start.wrapping_add_unsigned(first));
        operands.add(&views[0], Mode::Vec, Order::Linear, &in_memory);
        operands.add(&views[1], Mode::Found, Order::Strided, &[(0, last), (low - base, steps)]);
        operands.add(&views[2], Mode::Vec, Order::Linear, &in_memory);

        // The dim of the domain, then the strides that positions are divided by, then one that is not used.
        let count = self.count(n)?;
        let mut table = vec![Dim::new(count)];
        for d in &dims {
            table.push(Dim { count: self.count(d.size)?, ..Dim::new(self.count(d.stride)?) });
        }
        table.push(Dim::new(1));
        let workgroup = self.caps.tuning.workgroup;
        self.launch(Launching {
            kernel: Kernel::Map(Map { rank: 1, body: found_or_kept(to.dtype), tail: false }),
            width: 4,
            workgroup,
            workgroups: n.div_ceil((4 * workgroup) as usize),
            operands,
            dims: table,
            scalars: Scalars::default(),
            head: Head { n: count, ..Head::default() },
            // What is put in, and the target's elements, read and written.
            bytes: 3 * from.bytes(),
        })
    }
}

/// How to find the element of a view that lies at a position of memory.
struct Search {
    /// The view's dims, the largest stride first.
    dims: Vec<SearchDim>,
    /// The source's element where the search begins, which is not the first where the view is read backwards.
    start: isize,
}

struct SearchDim {
    stride: usize,
    size: usize,
    /// How far to go in the source for a step along this dim.
    step: isize,
}

impl Search {
    fn new(target: &Layout, source: &Layout) -> Self {
        let (mut dims, mut start) = (Vec::new(), 0);
        for ((&size, &stride), &step) in target.shape().iter().zip(target.strides()).zip(source.strides()) {
            if size > 1 {
                // A dim read backwards begins at its far end.
                if stride < 0 {
                    start += (size as isize - 1) * step;
                }
                dims.push(SearchDim { stride: stride.unsigned_abs(), size, step: step * stride.signum() });
            }
        }
        dims.sort_unstable_by_key(|d| std::cmp::Reverse(d.stride));
        Self { dims, start }
    }
}

/// Stores in operand 2 what operand 1 has for an element, or else what operand 0 has.
fn found_or_kept(dtype: DType) -> Code {
    let line = |inst, dtype| Line { inst, dtype };
    let value = dtype.compute();
    Code {
        lines: vec![
            line(Inst::Load(0), value),
            line(Inst::Load(1), value),
            line(Inst::Has(1), DType::Bool),
            line(Inst::Select(2, 1, 0), value),
        ],
        stores: vec![(2, 3)],
        results: vec![],
    }
}

/// The words that a view's elements lie in, as a view of their own; None if it has no elements.
fn words_of(view: &View) -> Option<View> {
    let (low, high) = view.access.footprint().bounds()?;
    let base = low / 4 * 4;
    let n = (high + 1).next_multiple_of(4) - base;
    let layout = Layout::new(Shape::from([n]), Strides::from_slice(&[1]), base);
    Some(View { access: layout.into(), ..view.clone() })
}
