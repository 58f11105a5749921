//! Sorts along rows: blocks in workgroup memory, then merges of two sorted runs each, twice as long every time.
//!
//! Elements move with their places, and equal ones stay as they stand. No invocation waits for another beyond a barrier.

use super::Planner;
use super::emit::Scalars;
use super::launching::Launching;
use super::view::View;
use super::windows::excess;
use crate::base::layout::{Layout, Strides};
use crate::expr::graph::Id;
use crate::kernel::spec::{Kernel, MERGED, Mode, Order, Sort, SortPass};
use crate::kernel::uniforms::Head;
use crate::{DType, Result, Shape};

/// Rows to be sorted, of which each pass takes elements and places from one memory to another.
struct Rows {
    keys: View,
    /// Memories for elements and their places, by turns: as many as there are passes before the last, two at most.
    rooms: Vec<[View; 2]>,
    /// What the last pass writes: places, and before them elements if these are wanted, too.
    to: Vec<View>,
    dtype: DType,
    descending: bool,
}

impl Rows {
    /// The sizes: rows, and elements of each.
    fn sizes(&self) -> [usize; 2] {
        let shape = self.keys.access.shape();
        [shape[0], shape[1]]
    }

    fn narrow(&self, start: usize, len: usize) -> Self {
        let cut = |view: &View| view.narrow(0, start, len);
        let rooms = self.rooms.iter().map(|room| room.each_ref().map(cut)).collect();
        Self { keys: cut(&self.keys), rooms, to: self.to.iter().map(cut).collect(), ..*self }
    }
}

impl Planner<'_> {
    /// The launches that find the places of the elements of value `arg` in their order, which are value `id`.
    pub(super) fn sort(&mut self, id: Id, arg: Id, descending: bool) -> Result<()> {
        if !self.stored.contains_key(&arg) {
            self.store(arg)?;
        }
        let (keys, dtype) = self.stored[&arg];
        let shape = &self.graph.values[id].shape;
        let (numel, row) = (shape.numel(), shape.last().copied().unwrap_or(1));
        let rows = Layout::contiguous(Shape::from([numel / row, row]));
        let places = self.temp(numel, DType::I32);
        let to = vec![View::new(places, DType::I32, rows.clone())];
        self.sort_into(View::new(keys, dtype, rows), to, descending)?;
        self.stored.insert(id, (places, DType::I32));
        Ok(())
    }

    /// The launches that sort `n` i32s, and the memory they and their places are written to: the first and the second half.
    pub(super) fn sorted(&mut self, keys: &View, n: usize) -> Result<[View; 2]> {
        let memory = self.temp(2 * n, DType::I32);
        let row = |first: usize| View::new(memory, DType::I32, Layout::contiguous(Shape::from([1, n])).onward(first));
        let [elements, places] = [row(0), row(n)];
        let offset = keys.access.footprint().offset();
        let keys = View { access: Layout::contiguous(Shape::from([1, n])).onward(offset).into(), ..keys.clone() };
        self.sort_into(keys, vec![elements.clone(), places.clone()], false)?;
        Ok([elements, places])
    }

    fn sort_into(&mut self, keys: View, to: Vec<View>, descending: bool) -> Result<()> {
        let (shape, dtype) = (keys.access.shape().clone(), keys.dtype);
        let merges = shape[1].div_ceil(self.block()).next_power_of_two().ilog2();
        let mut room = || {
            [dtype, DType::I32]
                .map(|dtype| View::new(self.temp(shape.numel(), dtype), dtype, Layout::contiguous(shape.clone())))
        };
        let rooms = (0..merges.min(2)).map(|_| room()).collect();
        self.sort_rows(&Rows { keys, rooms, to, dtype, descending })
    }

    /// Elements that a workgroup sorts.
    fn block(&self) -> usize {
        2 * self.caps.tuning.workgroup as usize
    }

    /// Sorts rows, half of them after the other where all are too much for a pass.
    fn sort_rows(&mut self, job: &Rows) -> Result<()> {
        let [rows, row] = job.sizes();
        let views: Vec<View> = std::iter::once(&job.keys).chain(&job.to).cloned().collect();
        let beyond = self.beyond(&views) + excess((rows * row) as u64, self.most_elements());
        if beyond > 0.0 {
            if rows == 1 {
                return Err(self.no_cut(&views));
            }
            self.sort_rows(&job.narrow(0, rows / 2))?;
            return self.sort_rows(&job.narrow(rows / 2, rows - rows / 2));
        }
        let (mut run, mut from, mut turn) = (self.block(), None, 0);
        loop {
            let last = run >= row;
            let to = if last { None } else { Some(&job.rooms[turn]) };
            self.sort_pass(job, from, to, run)?;
            if last {
                return Ok(());
            }
            (from, turn, run) = (to, 1 - turn, 2 * run);
        }
    }

    /// One pass: of blocks where nothing is sorted yet, else of runs half as long as those it makes. The last one leaves
    /// no elements, only places.
    fn sort_pass(&mut self, job: &Rows, from: Option<&[View; 2]>, to: Option<&[View; 2]>, run: usize) -> Result<()> {
        let [rows, row] = job.sizes();
        let reads = from.map_or(vec![job.keys.clone()], |from| from.to_vec());
        let writes = to.map_or_else(|| job.to.clone(), |to| to.to_vec());
        let views: Vec<View> = reads.iter().chain(&writes).cloned().collect();
        let mut operands = self.operands(&views, reads.len())?;
        for (i, view) in views.iter().enumerate() {
            operands.add(view, Mode::Step, Order::Linear, &[(operands.offset(i, view), Strides::new())]);
        }
        let workgroup = self.caps.tuning.workgroup;
        // What one row is shared out to: workgroups, or invocations.
        let (pass, blocks) = match from {
            None => (SortPass::Blocks, row.div_ceil(run)),
            Some(_) => (SortPass::Merge, row.div_ceil(MERGED as usize)),
        };
        let units = rows * blocks;
        self.launch(Launching {
            kernel: Kernel::Sort(Sort { pass, dtype: job.dtype, descending: job.descending, last: writes.len() == 1 }),
            width: 1,
            workgroup,
            workgroups: if from.is_none() { units } else { units.div_ceil(workgroup as usize) },
            operands,
            dims: vec![],
            scalars: Scalars::default(),
            head: Head {
                n: self.count(rows)?,
                n_reduced: self.count(row)?,
                chunk: (run / 2) as u32,
                blocks: self.count(blocks)?,
                turns: run.ilog2(),
                ..Head::default()
            },
            bytes: views.iter().map(View::bytes).sum(),
        })
    }
}
