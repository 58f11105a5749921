//! Rows folded into those that an index names: rows are sorted by their destinations, then each level of `segments.wgsl`
//! leaves a sixteenth of what it reads to the next.
//!
//! What is too much for a pass is folded in after the other half, into the same result.

use super::emit::Scalars;
use super::launching::Launching;
use super::view::View;
use super::windows::excess;
use super::{Memory, Output, Planner};
use crate::base::layout::{Layout, Strides};
use crate::expr::graph::{Fold, Id, Step};
use crate::kernel::spec::{Kernel, Mode, Order, PIECE, Segments};
use crate::kernel::uniforms::{Dim, Head};
use crate::{DType, Result, Shape};

/// What is folded into what.
#[derive(Clone)]
struct Job {
    fold: Fold,
    dtype: DType,
    /// For each row, where it goes.
    keys: View,
    /// Rows by columns.
    values: View,
    to: View,
    /// The first destination that `to` shows.
    first: usize,
}

impl Job {
    /// The rows from `start` on, `len` of them.
    fn rows(&self, start: usize, len: usize) -> Self {
        Self { keys: self.keys.narrow(0, start, len), values: self.values.narrow(0, start, len), ..self.clone() }
    }

    /// The destinations from `start` on, `len` of them.
    fn destinations(&self, start: usize, len: usize) -> Self {
        Self { to: self.to.narrow(0, start, len), first: self.first + start, ..self.clone() }
    }

    fn sizes(&self) -> [usize; 2] {
        let shape = self.values.access.shape();
        [shape[0], shape[1]]
    }
}

/// A level: what it reads, and how many rows of the first level each two of these have come from.
struct Level<'a> {
    sorted: &'a [View; 2],
    values: &'a View,
    rows: usize,
    span: usize,
    /// What is left to the next.
    up: Option<&'a View>,
}

impl Planner<'_> {
    /// The launches that fold rows into value `id`, which is written to the output that it is, if it is one and nothing else.
    pub(super) fn segments(&mut self, id: Id, outputs: &mut Vec<Output>) -> Result<()> {
        let value = &self.graph.values[id];
        let Step::Segments { op: fold, row, index, values, base } = value.step else { return Ok(()) };
        let dtype = value.dtype;
        let (output, is_root) = self.result_of(id, outputs);
        let target = output.target.clone();
        let places = self.graph.values[index].shape.numel();
        let keys = self.lying(index, [places].into(), None)?;
        let values = self.lying(values, [places, row].into(), Some(target.memory))?;
        let in_place = matches!(&self.graph.values[base].step, Step::Load { buffer, access }
            if Memory::Buffer(*buffer) == target.memory && access.layout() == Some(&target.layout));
        if !in_place {
            self.map_outputs(vec![Output { value: base, ..output }])?;
        }
        let size = target.layout.shape().numel() / row;
        let layout = Layout::contiguous(Shape::from([size, row])).onward(target.layout.offset());
        let to = View::new(target.memory, dtype, layout);
        self.fold_rows(&Job { fold, dtype, keys, values, to, first: 0 })?;
        if !is_root {
            self.stored.insert(id, (target.memory, dtype));
        }
        Ok(())
    }

    /// Where the result goes, and whether that is an output, which is taken from the list.
    fn result_of(&mut self, id: Id, outputs: &mut Vec<Output>) -> (Output, bool) {
        let value = &self.graph.values[id];
        let is_result = |o: &Output| o.value == id && o.target.dtype == value.dtype && o.target.layout.is_contiguous();
        let at = outputs.iter().position(is_result);
        let others: Vec<Id> =
            outputs.iter().enumerate().filter(|(i, _)| Some(*i) != at).map(|(_, o)| o.value).collect();
        match at {
            Some(at) if !self.needed(&others).contains(&id) => (outputs.remove(at), true),
            _ => (self.temporary(id, value.shape.clone()), false),
        }
    }

    /// A value in memory, in row-major order over `shape`; not in `apart_from`, which is written.
    fn lying(&mut self, id: Id, shape: Shape, apart_from: Option<Memory>) -> Result<View> {
        let value = &self.graph.values[id];
        if let Step::Load { buffer, access } = &value.step
            && let Some(layout) = access.layout().filter(|layout| layout.is_contiguous())
            && self.graph.buffers[*buffer].1 == value.dtype
            && apart_from != Some(Memory::Buffer(*buffer))
        {
            return Ok(View::new(
                Memory::Buffer(*buffer),
                value.dtype,
                Layout::contiguous(shape).onward(layout.offset()),
            ));
        }
        if !self.stored.contains_key(&id) {
            self.store(id)?;
        }
        let (memory, dtype) = self.stored[&id];
        Ok(View::new(memory, dtype, Layout::contiguous(shape)))
    }

    /// Folds all rows, half of them after the other where all are too much for a pass.
    fn fold_rows(&mut self, job: &Job) -> Result<()> {
        let [rows, row] = job.sizes();
        if rows == 0 {
            return Ok(());
        }
        let views = [job.keys.clone(), job.values.clone()];
        // The keys are sorted with their places into one memory.
        let sorted_bytes = (2 * rows * DType::I32.size()) as u64;
        let beyond = self.beyond(&views)
            + excess((rows * row) as u64, self.most_elements())
            + excess(sorted_bytes, self.caps.max_binding);
        if beyond > 0.0 {
            if rows == 1 {
                return Err(self.no_cut(&views));
            }
            self.fold_rows(&job.rows(0, rows / 2))?;
            return self.fold_rows(&job.rows(rows / 2, rows - rows / 2));
        }
        let sorted = self.sorted(&job.keys, rows, job.to.access.shape()[0])?;
        let (mut values, mut left, mut span) = (job.values.clone(), rows, 0);
        loop {
            let pieces = left.div_ceil(PIECE as usize);
            let up = (pieces > 1).then(|| {
                let memory = self.temp(2 * pieces * row, job.dtype);
                View::new(memory, job.dtype, Layout::contiguous(Shape::from([2 * pieces, row])))
            });
            let level = Level { sorted: &sorted, values: &values, rows: left, span, up: up.as_ref() };
            self.fold_level(job, &level)?;
            let Some(up) = up else { return Ok(()) };
            (values, left) = (up, 2 * pieces);
            span = if span == 0 { PIECE as usize } else { span * PIECE as usize / 2 };
        }
    }

    /// One level, for some destinations after the others where no binding shows all.
    fn fold_level(&mut self, job: &Job, level: &Level<'_>) -> Result<()> {
        let size = job.to.access.shape()[0];
        if self.beyond(std::slice::from_ref(&job.to)) > 0.0 {
            if size == 1 {
                return Err(self.no_cut(std::slice::from_ref(&job.to)));
            }
            self.fold_level(&job.destinations(0, size / 2), level)?;
            return self.fold_level(&job.destinations(size / 2, size - size / 2), level);
        }
        let ([rows, row], first) = (job.sizes(), level.span == 0);
        let mut views = vec![level.sorted[0].clone()];
        views.extend(first.then(|| level.sorted[1].clone()));
        views.push(level.values.clone());
        let n_loads = views.len();
        views.push(job.to.clone());
        views.extend(level.up.cloned());
        let mut operands = self.operands(&views, n_loads)?;
        for (i, view) in views.iter().enumerate() {
            operands.add(view, Mode::Step, Order::Linear, &[(operands.offset(i, view), Strides::new())]);
        }
        let pieces = level.rows.div_ceil(PIECE as usize);
        let counts = [row, rows, job.first, size].map(|n| self.count(n));
        let dims = counts.into_iter().map(|n| Ok(Dim::new(n?))).collect::<Result<Vec<Dim>>>()?;
        let workgroup = self.caps.tuning.workgroup;
        self.launch(Launching {
            kernel: Kernel::Segments(Segments { fold: job.fold, dtype: job.dtype, first, last: level.up.is_none() }),
            width: 1,
            workgroup,
            workgroups: (pieces * row).div_ceil(workgroup as usize),
            operands,
            dims,
            scalars: Scalars::default(),
            head: Head {
                n: self.count(row)?,
                n_reduced: self.count(level.rows)?,
                chunk: self.count(level.span)?,
                blocks: self.count(pieces)?,
                ..Head::default()
            },
            bytes: views[..n_loads].iter().chain(level.up).map(View::bytes).sum::<u64>()
                + 2 * job.to.bytes().min(level.values.bytes()),
        })
    }
}
