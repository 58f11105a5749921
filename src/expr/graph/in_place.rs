//! Whether values may be written where they are read.

use super::{Graph, Source, Step, Take};
use crate::DType;
use crate::base::layout::Layout;

/// Where a root is written: the buffer of the graph it lies in, if it lies in one, and how.
pub(crate) struct Place<'a> {
    pub(crate) buffer: Option<usize>,
    pub(crate) layout: &'a Layout,
    pub(crate) dtype: DType,
}

impl Graph {
    /// Whether a single pass would overwrite elements that are still to be read.
    ///
    /// It would not where every read of a target's memory is elementwise and at the very element being written, by a
    /// pass that writes all targets together: so they must have one shape, and reductions and scans may not read them.
    pub(crate) fn writes_before_it_reads(&self, targets: &[Place<'_>]) -> bool {
        if self.folds_into(targets) {
            return false;
        }
        let reduces = self.values.iter().any(|v| v.step.is_pass());
        let one_pass = !reduces && targets.iter().all(|t| t.layout.shape() == targets[0].layout.shape());
        self.values.iter().any(|value| match &value.step {
            Step::Load { buffer, access } => targets.iter().filter(|t| t.buffer == Some(*buffer)).any(|target| {
                let same_element = || one_pass && access.layout().is_some_and(|l| same_positions(l, target.layout));
                access.footprint().may_overlap(target.layout) && !same_element()
            }),
            // Which elements an index chooses, nobody knows.
            Step::Take(Take { from: Source::Buffer(buffer), .. }) => {
                targets.iter().any(|target| target.buffer == Some(*buffer))
            }
            _ => false,
        })
    }

    /// Whether all there is to do is to fold segments into the only target, as it stands. What is folded is computed before.
    fn folds_into(&self, targets: &[Place<'_>]) -> bool {
        let ([root], [target]) = (&self.roots[..], targets) else { return false };
        let Step::Segments { base, .. } = self.values[root.value].step else { return false };
        let Step::Load { buffer, access } = &self.values[base].step else { return false };
        target.buffer == Some(*buffer)
            && self.buffers[*buffer].1 == target.dtype
            && self.values[root.value].dtype == target.dtype
            && target.layout.is_contiguous()
            && access.layout().is_some_and(|layout| same_positions(layout, target.layout))
    }
}

/// Whether two layouts place every index alike.
fn same_positions(a: &Layout, b: &Layout) -> bool {
    a == b
        || a.shape() == b.shape()
            && a.offset() == b.offset()
            && (0..a.shape().rank()).all(|d| a.shape()[d] == 1 || a.strides()[d] == b.strides()[d])
}
