//! One launch of a scan: where its operands lie.

use super::ScanJob;
use crate::Result;
use crate::Shape;
use crate::base::layout::Strides;
use crate::kernel::plan::Planner;
use crate::kernel::plan::launching::Launching;
use crate::kernel::plan::reduce::Shares;
use crate::kernel::plan::reduce::launch::{collapse_to_some, may_be_vector, read_mode};
use crate::kernel::plan::view::View;
use crate::kernel::spec::{Code, Kernel, Mode, Order, Reduce, Scan, Strategy};
use crate::kernel::uniforms::Head;

impl Planner<'_> {
    /// Launches a kernel over a whole job, each part of whose rows begins with what `carry` has for it.
    pub(super) fn scan_launch(&mut self, job: &ScanJob, shares: &Shares, carry: Option<&View>) -> Result<()> {
        let ScanJob { reduce, dim, exclusive, ending } = job;
        let n_reads = reduce.body.reads.len() + ending.views.len() - ending.n_stores;
        // What is read, then what is carried, then what is written.
        let mut views = job.views();
        views.splice(n_reads..n_reads, carry.cloned());
        let n_loads = n_reads + usize::from(carry.is_some());
        let past_carry = |operand: usize| if operand < n_reads { operand } else { operand + n_loads - n_reads };
        let stores = ending.code.stores.iter().map(|&(operand, line)| (past_carry(operand), line)).collect();

        let walked = |view: &View| -> Strides {
            reduce.walk.kept.iter().map(|&d| view.access.footprint().strides()[d]).collect()
        };
        let kept_shape: Shape = reduce.walk.kept.iter().map(|&d| reduce.domain[d]).collect();
        let (kept_sizes, kept) = collapse_to_some(&kept_shape, &job.views().iter().map(walked).collect::<Vec<_>>());
        let n = kept_sizes.iter().product::<usize>();

        let mut operands = self.operands(&views, n_loads)?;
        let mut of_view = kept.into_iter();
        for (i, view) in views.iter().enumerate() {
            let offset = operands.offset(i, view);
            if carry.is_some() && i == n_reads {
                let strides = Strides::from_elem(0, kept_sizes.len() + 1);
                let aligned = shares.width == 4 && may_be_vector(view) && n.is_multiple_of(4);
                let mode = match shares.strategy {
                    // One row: every component is its own.
                    Strategy::Inner => Mode::Splat,
                    _ if aligned => Mode::Vec,
                    _ => Mode::Step,
                };
                operands.add(view, mode, Order::Linear, &[(offset, strides)]);
                continue;
            }
            let kept = of_view.next().unwrap_or_default();
            let scanned: Strides = [view.access.footprint().strides()[*dim]].into_iter().collect();
            let (along, across) =
                if shares.strategy == Strategy::Outer { (&kept, &scanned) } else { (&scanned, &kept) };
            let mode = read_mode(view, shares, along, across);
            // What is written is written in each place of its own.
            let mode = if i >= n_loads && mode == Mode::Splat { Mode::Step } else { mode };
            let strides = kept.iter().chain(&scanned).copied().collect();
            operands.add(view, mode, Order::Strided, &[(offset, strides)]);
        }

        let rows = reduce.rows();
        let dims = self.dims(kept_sizes.iter().chain(&[rows]))?;
        let inner = shares.strategy == Strategy::Inner;
        let ends = if inner { rows } else { n };
        self.launch(Launching {
            kernel: Kernel::Scan(Scan {
                walk: Reduce {
                    strategy: shares.strategy,
                    lanes: shares.lanes,
                    groups: 1,
                    at_once: 1,
                    kept_rank: kept_sizes.len(),
                    reduced_rank: 1,
                    body: reduce.body.code.clone(),
                    folds: reduce.folds.to_vec(),
                    epilogue: Code { stores, ..ending.code.clone() },
                    tail: !ends.is_multiple_of(shares.width as usize),
                    split: false,
                    subgroups: false,
                },
                exclusive: *exclusive,
                carry: carry.map(|_| n_reads),
            }),
            width: shares.width,
            workgroup: shares.workgroup,
            workgroups: shares.blocks,
            operands,
            dims,
            scalars: ending.scalars.clone(),
            head: Head {
                n: self.count(n)?,
                n_reduced: self.count(rows)?,
                chunk: self.count(shares.chunk)?,
                blocks: self.count(shares.splits)?,
                ..Head::default()
            },
            bytes: views.iter().map(View::bytes).sum(),
        })
    }
}
