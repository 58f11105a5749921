//! Writing packed elements that share words with others.

use super::Planner;
use super::map::{bind, bytes_touched};
use super::region::{Numbers, Read};
use super::windows::{best_cut, excess, halves};
use crate::kernel::spec::{Code, Inst, Line, Mode, Operand, Order, Spec};
use crate::kernel::uniform::{Dim, Head};
use crate::layout::{Layout, Strides};
use crate::{DType, Result, Shape};

impl Planner<'_> {
    /// A copy into packed elements that share words with others: the domain is the target's memory, so that an
    /// invocation owns whole words, and each element is looked for in the target.
    pub(super) fn patch(&mut self, from: &Read, to: &Read) -> Result<()> {
        // Both are within reach; but the target's memory may be of more elements than the target.
        let beyond = |to: &Read| {
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

    fn patch_launch(&mut self, from: &Read, to: &Read) -> Result<()> {
        let Some(memory) = words_of(to) else { return Ok(()) };
        let base = memory.access.footprint().offset();
        let n = memory.access.shape().numel();
        let (target, source) = (to.access.footprint(), from.access.footprint());
        let (Some((low, _)), Some((_, last))) = (target.bounds(), source.bounds()) else { return Ok(()) };

        // The target's dims by stride, largest first, and how the source steps along each.
        let mut start = 0_isize;
        let mut dims: Vec<(usize, usize, isize)> = Vec::new();
        for ((&size, &stride), &step) in target.shape().iter().zip(target.strides()).zip(source.strides()) {
            if size > 1 {
                // A dim read backwards begins at its far end.
                if stride < 0 {
                    start += (size as isize - 1) * step;
                }
                dims.push((stride.unsigned_abs(), size, step * stride.signum()));
            }
        }
        dims.sort_unstable_by_key(|d| std::cmp::Reverse(d.0));

        let dtype = to.dtype;
        let operand = |mode, stages| {
            let order = if mode == Mode::Vec { Order::Linear } else { Order::Strided };
            Operand { binding: 0, dtype, mode, order, stages }
        };
        let views = [memory.clone(), from.clone(), memory];
        let windows = self.windows(&views)?;
        let operands = vec![
            (operand(Mode::Vec, vec![]), &views[0]),
            (operand(Mode::Found, vec![dims.len() + 1]), &views[1]),
            (operand(Mode::Vec, vec![]), &views[2]),
        ];
        let (bindings, operands) = bind(operands, 2, &windows);
        let line = |inst, dtype| Line { inst, dtype };
        let value = dtype.compute();
        let body = Code {
            lines: vec![
                line(Inst::Load(0), value),
                line(Inst::Load(1), value),
                line(Inst::Has(1), DType::Bool),
                line(Inst::Select(2, 1, 0), value),
            ],
            stores: vec![(2, 3)],
            results: vec![],
        };
        let spec = Spec { width: 4, ..self.map_spec(bindings, operands, body) };
        let (count, grid) = (self.count(n)?, self.grid(n.div_ceil((4 * spec.workgroup) as usize))?);
        let head = Head { n: count, grid_x: grid.x, ..Head::default() };
        // The dims of the domain, then what positions divide by, then one that is not used.
        let mut table_dims = vec![Dim::new(count)];
        for &(stride, size, _) in &dims {
            table_dims.push(Dim { count: self.count(size)?, ..Dim::new(self.count(stride)?) });
        }
        table_dims.push(Dim::new(1));
        let first = windows.offset(1, from);
        let last = last - source.offset();
        let mut steps: Strides = dims.iter().map(|d| d.2).collect();
        steps.push(start.wrapping_add_unsigned(first));
        let in_memory = (windows.offset(0, &views[0]), Strides::from_slice(&[1]));
        let last = Strides::from_slice(&[first.wrapping_add(last) as isize]);
        let table = [in_memory.clone(), (0, last), (low - base, steps), in_memory];
        // What is put in, and the target's elements, read and written.
        let bytes = 3 * bytes_touched(from);
        self.push(spec, windows.list, head, &table_dims, &table, Numbers::default(), grid, bytes)
    }
}

/// The words that a view's elements lie in, as a view of their own; None if it has no elements.
fn words_of(view: &Read) -> Option<Read> {
    let (low, high) = view.access.footprint().bounds()?;
    let base = low / 4 * 4;
    let n = (high + 1).next_multiple_of(4) - base;
    let layout = Layout::new(Shape::from([n]), Strides::from_slice(&[1]), base);
    Some(Read { access: layout.into(), ..view.clone() })
}
