//! One launch of a matrix product: where its operands lie.

use crate::base::layout::{Layout, Strides, collapse};
use crate::expr::contraction::Contraction;
use crate::kernel::plan::Planner;
use crate::kernel::plan::emit::Scalars;
use crate::kernel::plan::launching::Launching;
use crate::kernel::plan::reduce::ReduceJob;
use crate::kernel::plan::reduce::launch::may_be_vector;
use crate::kernel::plan::view::View;
use crate::kernel::spec::{Contract, Kernel, Mode, Order, Tiles};
use crate::kernel::uniforms::Head;
use crate::{Result, Shape};

impl Planner<'_> {
    /// Launches the kernel. `out` is the result over the kept dims as they are walked; a workgroup takes `chunk` terms.
    pub(super) fn contract_launch(
        &mut self,
        job: &ReduceJob,
        found: &Contraction,
        out: &View,
        chunk: usize,
    ) -> Result<()> {
        let mut axes = Axes::of(found, job, out.access.footprint());
        let tiling = self.tiling(job, &axes);
        let blocks = tiling.blocks(axes.sizes());
        let mut views = [&job.body.reads[0], &job.body.reads[1], out].map(Clone::clone);
        if tiling.turned {
            axes = axes.turned();
            views.swap(0, 1);
        }
        let mut operands = self.operands(&views, 2)?;
        let vectors = matches!(tiling.tiles, Tiles::Registers { .. });
        for (i, view) in views.iter().enumerate() {
            let strides = axes.all().map(|axis| axis.steps[i]).collect();
            let mode = if vectors && may_be_vector(view) && axes.in_vectors(i) { Mode::Vec } else { Mode::Step };
            operands.add(view, mode, Order::Strided, &[(operands.offset(i, view), strides)]);
        }
        let Axes { batch, rows, columns, terms } = &axes;
        // Of tiles in registers, the direction of vectors; where there are none, no text depends on it.
        let terms_first = |i: usize, across: &Axis| {
            let [along, across] = [terms.steps[i], across.steps[i]].map(isize::unsigned_abs);
            if vectors { operands.is_wide(i) && along == 1 } else { along <= across }
        };
        let terms_first = [terms_first(0, rows), terms_first(1, columns)];
        self.launch(Launching {
            kernel: Kernel::Contract(Contract {
                batch_rank: batch.len(),
                dtype: job.folds[0].1,
                terms_first,
                tiles: tiling.tiles,
            }),
            width: 1,
            workgroup: tiling.workgroup,
            workgroups: blocks * terms.size.div_ceil(chunk),
            operands,
            dims: self.dims(axes.all().map(|axis| &axis.size).chain(&tiling.side_by_side))?,
            scalars: Scalars::default(),
            head: Head {
                n: self.count(axes.sizes().iter().product())?,
                n_reduced: self.count(terms.size)?,
                chunk: self.count(chunk)?,
                blocks: self.count(blocks)?,
                ..Head::default()
            },
            bytes: views.iter().map(View::bytes).sum(),
        })
    }
}

/// A dim of a matrix product, or several that are stepped through as one.
#[derive(Default)]
struct Axis {
    size: usize,
    /// Strides along it in both factors and the result.
    steps: [isize; 3],
}

/// The dims of a matrix product as its kernel takes them: one each of rows, columns and terms.
pub(super) struct Axes {
    batch: Vec<Axis>,
    rows: Axis,
    columns: Axis,
    terms: Axis,
}

impl Axes {
    /// The axes of a job whose results lie as `out` says, over the kept dims as they are walked.
    pub(super) fn of(found: &Contraction, job: &ReduceJob, out: &Layout) -> Self {
        let of_out = |d: usize| {
            let at = job.walk.kept.iter().position(|&k| k == d);
            at.map_or(0, |at| out.strides()[at])
        };
        let axes = |dims: &[usize]| -> Vec<Axis> {
            let shape: Shape = dims.iter().map(|&d| job.domain[d]).collect();
            let of = |read: &View| dims.iter().map(|&d| read.access.footprint().strides()[d]).collect::<Strides>();
            let strides = [of(&job.body.reads[0]), of(&job.body.reads[1]), dims.iter().map(|&d| of_out(d)).collect()];
            let (sizes, strides) = collapse(&shape, &[&strides[0], &strides[1], &strides[2]]);
            let axis = |(i, &size)| Axis { size, steps: [strides[0][i], strides[1][i], strides[2][i]] };
            sizes.iter().enumerate().map(axis).collect()
        };
        // The longest axis of a group is tiled; the others join the batch. A piece may have one row, and no axis.
        let longest = |mut axes: Vec<Axis>| {
            let at = (0..axes.len()).max_by_key(|&i| axes[i].size);
            (at.map_or(Axis { size: 1, ..Axis::default() }, |at| axes.remove(at)), axes)
        };
        let (rows, mut batch) = longest(axes(&found.rows));
        let (columns, more) = longest(axes(&found.columns));
        let (terms, _) = longest(axes(&found.summed));
        batch.extend(more);
        batch.extend(axes(&found.batch));
        Self { batch, rows, columns, terms }
    }

    /// The same of the transposed product, whose factors have changed places.
    fn turned(mut self) -> Self {
        let all = self.batch.iter_mut().chain([&mut self.rows, &mut self.columns, &mut self.terms]);
        all.for_each(|axis| axis.steps.swap(0, 1));
        Self { rows: self.columns, columns: self.rows, ..self }
    }

    /// All of them in the order of the kernel's dims.
    fn all(&self) -> impl Iterator<Item = &Axis> {
        self.batch.iter().chain([&self.rows, &self.columns, &self.terms])
    }

    /// Products in the batch, rows and columns.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [self.batch.iter().map(|axis| axis.size).product(), self.rows.size, self.columns.size]
    }

    /// Whether an operand lies in vectors of four: a factor along terms, or along rows or columns; the result along its
    /// columns, all of them.
    fn in_vectors(&self, operand: usize) -> bool {
        let along = |axis: &Axis| {
            let in_fours = |other: &Axis| std::ptr::eq(other, axis) || other.steps[operand] % 4 == 0;
            axis.steps[operand] == 1 && self.all().all(in_fours)
        };
        match operand {
            0 => along(&self.terms) || along(&self.rows),
            1 => along(&self.terms) || along(&self.columns),
            _ => along(&self.columns) && self.columns.size.is_multiple_of(4),
        }
    }
}
