//! Kernel shapes by class of device: the one table of numbers that were chosen by measuring.

use crate::{DeviceInfo, DeviceKind};

/// What fits one class of device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tuning {
    /// Invocations in a workgroup.
    pub(crate) workgroup: u32,
    /// Whether a column reduction takes four columns an invocation.
    pub(crate) wide_columns: bool,
    /// Invocations that keep the device busy: reductions with fewer outputs split their rows until there are as many.
    pub(crate) invocations: u32,
    /// Rows below which an invocation's share is not split further.
    pub(crate) min_rows: u32,
}

impl Tuning {
    pub(crate) const fn discrete() -> Self {
        Self { workgroup: 256, wide_columns: true, invocations: 1 << 18, min_rows: 16 }
    }

    pub(crate) fn of(info: &DeviceInfo) -> Self {
        let tuning = match info.kind {
            // On a software adapter a wide load is four scalar ones and a loop costs more than an invocation.
            DeviceKind::Software => Self { workgroup: 64, wide_columns: false, invocations: 1 << 16, min_rows: 64 },
            DeviceKind::Integrated => Self { workgroup: 128, wide_columns: true, invocations: 1 << 15, min_rows: 16 },
            _ => Self::discrete(),
        };
        Self { workgroup: tuning.workgroup.min(info.max_workgroup_size), ..tuning }
    }
}
