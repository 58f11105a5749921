//! Sorts along rows: blocks in workgroup memory, then merges of two sorted runs each, twice as long every time.
//!
//! Elements move with their places, where these are wanted, and equal ones stay as they stand. Where the first few are wanted
//! alone, each block keeps so many, and what all blocks of a row have kept is sorted by blocks again. No invocation waits for
//! another beyond a barrier.

use super::emit::Scalars;
use super::launching::Launching;
use super::view::View;
use super::windows::excess;
use super::{Memory, Planner};
use crate::base::layout::{Layout, Strides};
use crate::expr::graph::{Id, Step};
use crate::expr::order::Sort as Ranks;
use crate::kernel::spec::{Kernel, MERGED, Mode, Order, Sort, SortPass};
use crate::kernel::uniforms::{Dim, Head};
use crate::{DType, Error, Result, Shape};

/// A block keeps some of its elements alone where it has so many times as many, at least.
const FEW: usize = 4;

/// Rows of elements, or of results, with their places. Either may be left out.
#[derive(Clone)]
struct Rows {
    keys: Option<View>,
    places: Option<View>,
}

impl Rows {
    fn views(&self) -> impl Iterator<Item = View> {
        self.keys.iter().chain(&self.places).cloned()
    }

    fn narrow(&self, start: usize, len: usize) -> Self {
        let cut = |view: &Option<View>| view.as_ref().map(|view| view.narrow(0, start, len));
        Self { keys: cut(&self.keys), places: cut(&self.places) }
    }

    /// The same memory for rows of `row` elements, which are no longer than those it was made for.
    fn shortened(&self, row: usize) -> Self {
        let cut = |view: &Option<View>| {
            view.as_ref().map(|view| {
                let footprint = view.access.footprint();
                let shape = Shape::from([footprint.shape()[0], row]);
                let strides = Layout::contiguous(shape.clone()).strides().into();
                View { access: Layout::new(shape, strides, footprint.offset()).into(), ..view.clone() }
            })
        };
        Self { keys: cut(&self.keys), places: cut(&self.places) }
    }
}

/// Rows to be sorted, of which each pass takes elements and places from one memory to another.
#[derive(Clone)]
struct Job {
    dtype: DType,
    descending: bool,
    /// Rows, elements of each, and the ranks of which results are wanted: how many from which on.
    rows: usize,
    row: usize,
    first: usize,
    count: usize,
    from: Rows,
    /// Memories for the passes before the last, by turns: as many as there are such passes, two at most.
    rooms: Vec<Rows>,
    to: Rows,
}

impl Job {
    fn narrow(&self, start: usize, len: usize) -> Self {
        Self {
            rows: len,
            from: self.from.narrow(start, len),
            rooms: self.rooms.iter().map(|room| room.narrow(start, len)).collect(),
            to: self.to.narrow(start, len),
            ..*self
        }
    }
}

/// One pass of a job: which kind, the elements of a row of it, what they are read from and written to, the length of the
/// runs or blocks it leaves, and of which ranks.
struct Pass<'a> {
    pass: SortPass,
    row: usize,
    from: &'a Rows,
    to: &'a Rows,
    run: usize,
    first: usize,
    count: usize,
}

impl Planner<'_> {
    /// The launches that sort value `arg`. The values `group` are its elements in their order, their places, or both.
    pub(super) fn sort(&mut self, group: &[Id], arg: Id, ranks: Ranks) -> Result<()> {
        let shape = self.graph.values[arg].shape.clone();
        let dtype = self.graph.values[arg].dtype;
        let (numel, row) = (shape.numel(), shape.last().copied().unwrap_or(1));
        let rows = numel / row;
        let keys = self.where_it_lies(arg, [rows, row])?;
        let view = |memory: Memory, dtype: DType, row: usize| {
            View::new(memory, dtype, Layout::contiguous(Shape::from([rows, row])))
        };
        let mut to = Rows { keys: None, places: None };
        for &id in group {
            let values = matches!(self.graph.values[id].step, Step::Sort { sort, .. } if sort.values);
            let dtype = if values { dtype } else { DType::I32 };
            let memory = self.temp(rows * ranks.count, dtype);
            let place = if values { &mut to.keys } else { &mut to.places };
            *place = Some(view(memory, dtype, ranks.count));
            self.stored.insert(id, (memory, dtype));
        }
        self.sort_into(keys, to, ranks)
    }

    /// The launches that sort `n` i32s, and the memory they and their places are written to: the first and the second half.
    pub(super) fn sorted(&mut self, keys: &View, n: usize) -> Result<[View; 2]> {
        let memory = self.temp(2 * n, DType::I32);
        let row = |first: usize| View::new(memory, DType::I32, Layout::contiguous(Shape::from([1, n])).onward(first));
        let [elements, places] = [row(0), row(n)];
        let offset = keys.access.footprint().offset();
        let keys = View { access: Layout::contiguous(Shape::from([1, n])).onward(offset).into(), ..keys.clone() };
        let to = Rows { keys: Some(elements.clone()), places: Some(places.clone()) };
        self.sort_into(keys, to, Ranks { descending: false, values: true, first: 0, count: n })?;
        Ok([elements, places])
    }

    /// Sorts rows of keys, through memories of their own.
    fn sort_into(&mut self, keys: View, to: Rows, ranks: Ranks) -> Result<()> {
        let (dtype, shape) = (keys.dtype, keys.access.shape().clone());
        let (rows, row) = (shape[0], shape[1]);
        let (n_rooms, kept) = self.rooms(row, ranks);
        let mut rooms = Vec::new();
        for _ in 0..n_rooms {
            let mut room =
                |dtype| View::new(self.temp(rows * kept, dtype), dtype, Layout::contiguous(Shape::from([rows, kept])));
            let keys = Some(room(dtype));
            rooms.push(Rows { keys, places: to.places.as_ref().map(|_| room(DType::I32)) });
        }
        let Ranks { descending, first, count, .. } = ranks;
        let from = Rows { keys: Some(keys), places: None };
        self.sort_rows(&Job { dtype, descending, rows, row, first, count, from, rooms, to })
    }

    /// A value as rows of some memory: where it is read from, or where it is computed into first.
    fn where_it_lies(&mut self, value: Id, rows: [usize; 2]) -> Result<View> {
        let graph = self.graph;
        let dtype = graph.values[value].dtype;
        if let Step::Load { buffer, access } = &graph.values[value].step
            && graph.buffers[*buffer].1 == dtype
            && let Some(layout) = access.layout().filter(|layout| layout.is_contiguous())
        {
            let strides = Layout::contiguous(Shape::from(rows)).strides().into();
            return Ok(View::new(
                Memory::Buffer(*buffer),
                dtype,
                Layout::new(Shape::from(rows), strides, layout.offset()),
            ));
        }
        if !self.stored.contains_key(&value) {
            self.store(value)?;
        }
        let (memory, dtype) = self.stored[&value];
        Ok(View::new(memory, dtype, Layout::contiguous(Shape::from(rows))))
    }

    /// Elements that a workgroup sorts.
    fn block(&self) -> usize {
        2 * self.caps.tuning.workgroup as usize
    }

    /// Whether blocks keep so few of their elements that merges are not worth while.
    fn keeps_few(&self, ranks: [usize; 2]) -> bool {
        ranks[0] == 0 && ranks[1] * FEW <= self.block()
    }

    /// How many memories a job takes in turn, and the elements of a row that each must hold.
    fn rooms(&self, row: usize, ranks: Ranks) -> (usize, usize) {
        let block = self.block();
        if !self.keeps_few([ranks.first, ranks.count]) {
            return (row.div_ceil(block).next_power_of_two().ilog2().min(2) as usize, row);
        }
        let kept = left(row, block, ranks.count);
        (usize::from(row > block) + usize::from(kept > block && row > block), kept)
    }

    /// Sorts rows, half of them after the other where all are too much for a pass.
    fn sort_rows(&mut self, job: &Job) -> Result<()> {
        let views: Vec<View> = job.from.views().chain(job.to.views()).collect();
        let beyond = self.beyond(&views) + excess((job.rows * job.row) as u64, self.most_elements());
        if beyond > 0.0 {
            if job.rows == 1 {
                return Err(one_row(self.no_cut(&views)));
            }
            let half = job.rows / 2;
            self.sort_rows(&job.narrow(0, half))?;
            return self.sort_rows(&job.narrow(half, job.rows - half));
        }
        if self.keeps_few([job.first, job.count]) { self.sort_few(job) } else { self.sort_all(job) }
    }

    /// Blocks, then merges.
    fn sort_all(&mut self, job: &Job) -> Result<()> {
        let (mut run, mut from, mut turn) = (self.block(), &job.from, 0);
        let mut pass = SortPass::Blocks;
        loop {
            let last = run >= job.row;
            let to = if last { &job.to } else { &job.rooms[turn] };
            // What is in no last pass is written as it is: of all ranks.
            let (first, count) = match (last, pass) {
                (true, _) => (job.first, job.count),
                (false, SortPass::Blocks) => (0, run),
                (false, SortPass::Merge) => (0, job.row),
            };
            self.sort_pass(job, &Pass { pass, row: job.row, from, to, run, first, count })?;
            if last {
                return Ok(());
            }
            (pass, from, turn, run) = (SortPass::Merge, to, 1 - turn, 2 * run);
        }
    }

    /// Blocks that keep the first few of their elements, as often as it takes until all are in one block.
    fn sort_few(&mut self, job: &Job) -> Result<()> {
        let (block, mut row, mut from, mut turn) = (self.block(), job.row, job.from.clone(), 0);
        loop {
            let left = left(row, block, job.count);
            let last = row <= block;
            // A room has space for what the first pass leaves; later passes leave less.
            let to = if last { job.to.clone() } else { job.rooms[turn].shortened(left) };
            let pass = SortPass::Blocks;
            self.sort_pass(job, &Pass { pass, row, from: &from, to: &to, run: block, first: 0, count: job.count })?;
            if last {
                return Ok(());
            }
            (row, from, turn) = (left, to, 1 - turn);
        }
    }

    fn sort_pass(&mut self, job: &Job, part: &Pass<'_>) -> Result<()> {
        let Pass { pass, row, from, to, run, first, count } = *part;
        let (reads, writes): (Vec<View>, Vec<View>) = (from.views().collect(), to.views().collect());
        let views: Vec<View> = reads.iter().chain(&writes).cloned().collect();
        let mut operands = self.operands(&views, reads.len())?;
        for (i, view) in views.iter().enumerate() {
            operands.add(view, Mode::Step, Order::Linear, &[(operands.offset(i, view), Strides::new())]);
        }
        let workgroup = self.caps.tuning.workgroup;
        // What one row is shared out to: workgroups, or invocations.
        let blocks = match pass {
            SortPass::Blocks => row.div_ceil(run),
            SortPass::Merge => row.div_ceil(MERGED as usize),
        };
        let units = job.rows * blocks;
        let (placed, values, places) = (from.places.is_some(), to.keys.is_some(), to.places.is_some());
        self.launch(Launching {
            kernel: Kernel::Sort(Sort { pass, dtype: job.dtype, descending: job.descending, placed, values, places }),
            width: 1,
            workgroup,
            workgroups: if pass == SortPass::Blocks { units } else { units.div_ceil(workgroup as usize) },
            operands,
            dims: vec![Dim { size: self.count(count)?, count: self.count(first)?, ..Dim::default() }],
            scalars: Scalars::default(),
            head: Head {
                n: self.count(job.rows)?,
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

/// The error of a row that no binding shows: what it is about, and where it can be sorted.
fn one_row(mut error: Error) -> Error {
    if let Error::Limit { op, .. } = &mut error {
        *op = "sort of one row, of any length on the CPU";
    }
    error
}

/// Elements of a row of which each block has kept `count`.
fn left(row: usize, block: usize, count: usize) -> usize {
    let whole = row.div_ceil(block) - 1;
    whole * count + count.min(row - whole * block)
}
