//! Sorts along rows, digit by digit where rows are long (`radix.rs`), else by blocks that are merged (`merge.rs`).
//!
//! Elements move with their places, where these are wanted, and equal ones stay as they stand.
//!
//! Of a row that no binding shows, each launch reads a part and writes to a part. Digits are sorted so, and the first few:
//! what goes to one part of a row may come from any. Merges would have to know where the runs' parts begin.

mod merge;
mod radix;

use self::radix::{Bits, Radix, digit_bindings};
use super::emit::Scalars;
use super::launching::Launching;
use super::view::View;
use super::windows::excess;
use super::{Memory, Planner};
use crate::base::layout::{Layout, Strides};
use crate::expr::graph::{Id, Step};
use crate::expr::order::Sort as Ranks;
use crate::kernel::spec::{Kernel, Mode, Order, Sort};
use crate::kernel::uniforms::{Dim, Head};
use crate::{DType, Result, Shape};

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

    /// The same for some rows (dim 0), or for some elements of each (dim 1).
    fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        let cut = |view: &Option<View>| view.as_ref().map(|view| view.narrow(dim, start, len));
        Self { keys: cut(&self.keys), places: cut(&self.places) }
    }

    /// The same memory for rows of `row` elements, which are no longer than those it was made for.
    fn shortened(&self, row: usize) -> Self {
        let cut = |view: &Option<View>| view.as_ref().map(|view| shortened(view, row));
        Self { keys: cut(&self.keys), places: cut(&self.places) }
    }
}

/// The same memory for rows of `row` elements, one after the other.
fn shortened(view: &View, row: usize) -> View {
    let footprint = view.access.footprint();
    let layout = Layout::contiguous(Shape::from([footprint.shape()[0], row])).onward(footprint.offset());
    View { access: layout.into(), ..view.clone() }
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
    /// How to sort by digits, if they are sorted so.
    radix: Option<Radix>,
}

impl Job {
    fn narrow(&self, start: usize, len: usize) -> Self {
        Self {
            rows: len,
            from: self.from.narrow(0, start, len),
            rooms: self.rooms.iter().map(|room| room.narrow(0, start, len)).collect(),
            to: self.to.narrow(0, start, len),
            radix: self.radix.as_ref().map(|radix| radix.narrow(start, len)),
            ..*self
        }
    }
}

/// One launch: what it reads and writes, each element where it is numbered.
struct SortLaunch {
    sort: Sort,
    reads: Vec<View>,
    writes: Vec<View>,
    workgroups: usize,
    dims: Vec<Dim>,
    head: Head,
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
        self.sort_into(keys, to, ranks, Bits::of(self.stored_as(arg)))
    }

    /// The launches that sort `n` i32s from 0 on and below `end`, and the memory they and their places are written to: the
    /// first and the second half.
    pub(super) fn sorted(&mut self, keys: &View, n: usize, end: usize) -> Result<[View; 2]> {
        let memory = self.temp(2 * n, DType::I32);
        let row = |first: usize| View::new(memory, DType::I32, Layout::contiguous(Shape::from([1, n])).onward(first));
        let [elements, places] = [row(0), row(n)];
        let offset = keys.access.footprint().offset();
        let keys = View { access: Layout::contiguous(Shape::from([1, n])).onward(offset).into(), ..keys.clone() };
        let to = Rows { keys: Some(elements.clone()), places: Some(places.clone()) };
        self.sort_into(keys, to, Ranks { descending: false, values: true, first: 0, count: n }, Bits::below(end))?;
        Ok([elements, places])
    }

    /// Sorts rows of keys that differ in some bits, through memories of their own.
    fn sort_into(&mut self, keys: View, to: Rows, ranks: Ranks, bits: Bits) -> Result<()> {
        let (dtype, shape) = (keys.dtype, keys.access.shape().clone());
        let (rows, row) = (shape[0], shape[1]);
        let radix = self.radix(&to, [rows, row], dtype, ranks, bits);
        let (n_rooms, kept) = match &radix {
            Some(radix) => (radix.rooms(), row),
            None => self.rooms(row, ranks),
        };
        // Digits are taken from words, which f64s need not be computed in for.
        let held = if radix.is_some() && dtype == DType::F64 { DType::I64 } else { dtype };
        let as_held = |keys: View| View { dtype: held, ..keys };
        let mut rooms = Vec::new();
        for _ in 0..n_rooms {
            let mut room =
                |dtype| View::new(self.temp(rows * kept, dtype), dtype, Layout::contiguous(Shape::from([rows, kept])));
            let keys = Some(room(held));
            rooms.push(Rows { keys, places: to.places.as_ref().map(|_| room(DType::I32)) });
        }
        let Ranks { descending, first, count, .. } = ranks;
        let from = Rows { keys: Some(as_held(keys)), places: None };
        let to = Rows { keys: to.keys.map(as_held), places: to.places };
        self.sort_rows(&Job { dtype, descending, rows, row, first, count, from, rooms, to, radix })
    }

    /// The dtype that a value's elements are sure to fit: what they are read from or rounded to, or what they were before they
    /// became wider integers.
    fn stored_as(&self, id: Id) -> DType {
        let value = &self.graph.values[id];
        match value.step {
            Step::Load { buffer, .. } => self.graph.buffers[buffer].1,
            Step::Round(dtype, _) => dtype,
            Step::Convert(from) if self.is_widened(from, value.dtype) => self.stored_as(from),
            _ => value.dtype,
        }
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

    /// Whether a value becomes a wider integer in a dtype, and stays the number it is.
    fn is_widened(&self, id: Id, dtype: DType) -> bool {
        let held = self.graph.values[id].dtype;
        !held.is_float() && !dtype.is_float() && held.size() < dtype.size()
    }

    /// Sorts rows, half of them after the other where all are too much for a pass.
    fn sort_rows(&mut self, job: &Job) -> Result<()> {
        let counts = job.radix.iter().flat_map(Radix::views);
        let views: Vec<View> = job.from.views().chain(job.to.views()).chain(counts).collect();
        let beyond = self.beyond(&views);
        let elements = job.rows * job.row;
        if job.rows > 1 && beyond + excess(elements as u64, self.most_elements()) > 0.0 {
            let half = job.rows / 2;
            self.sort_rows(&job.narrow(0, half))?;
            return self.sort_rows(&job.narrow(half, job.rows - half));
        }
        match &job.radix {
            Some(radix) => self.sort_by_digits(job, radix),
            None if self.keeps_few([job.first, job.count]) => self.sort_few(job),
            None if beyond > 0.0 => {
                let bindings = digit_bindings(&job.to);
                Err(self.limit("max_storage_buffers_per_shader_stage", self.caps.max_bindings as u64, bindings))
            }
            None => self.sort_all(job),
        }
    }

    /// Start and length of the parts of a row that launches see one at a time: as few as there can be, all but the last of as
    /// many `units` of elements.
    fn parts(&self, rows: &Rows, unit: usize) -> Result<Vec<(usize, usize)>> {
        let views: Vec<View> = rows.views().collect();
        let row = views.first().map_or(0, |view| view.access.shape()[1]);
        if self.beyond(&views) == 0.0 {
            return Ok(vec![(0, row)]);
        }
        let widest = views.iter().map(|view| view.dtype.size()).max().unwrap_or(1);
        let part = self.most_shown(widest) / unit * unit;
        if part == 0 {
            return Err(self.no_cut(&rows.narrow(1, 0, unit.min(row)).views().collect::<Vec<_>>()));
        }
        Ok((0..row).step_by(part).map(|start| (start, part.min(row - start))).collect())
    }

    fn sort_launch(&mut self, launch: SortLaunch) -> Result<()> {
        let SortLaunch { sort, reads, writes, workgroups, dims, head } = launch;
        let views: Vec<View> = reads.iter().chain(&writes).cloned().collect();
        let mut operands = self.operands(&views, reads.len())?;
        for (i, view) in views.iter().enumerate() {
            operands.add(view, Mode::Step, Order::Linear, &[(operands.offset(i, view), Strides::new())]);
        }
        self.launch(Launching {
            kernel: Kernel::Sort(sort),
            width: 1,
            workgroup: self.caps.tuning.workgroup,
            workgroups,
            operands,
            dims,
            scalars: Scalars::default(),
            head,
            bytes: views.iter().map(View::bytes).sum(),
        })
    }
}
