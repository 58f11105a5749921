//! Kernels planned for one class of device, run on another.

use super::adapter::adapters;
use crate::check::{Case, cases, run_cases};
use crate::{Device, DeviceKind};

/// Their kernels are of other shapes: terms are added at once, rows shared by whole workgroups, matrix products split.
#[test]
#[ignore = "takes half a minute on a software adapter; .ci/run runs it"]
fn software_adapters_run_what_is_planned_for_discrete_gpus() {
    let wanted = |(i, case): &(usize, Case)| i % 24 == 0 || ["sum", "einsum"].contains(&case.operation());
    let cases: Vec<Case> = cases().into_iter().enumerate().filter(wanted).map(|(_, case)| case).collect();
    for adapter in adapters().into_iter().filter(|a| a.kind() == DeviceKind::Software) {
        let context = adapter.taken_for(wgpu::DeviceType::DiscreteGpu).open().unwrap();
        let report = run_cases(&Device::on_gpu(context), &cases, |_, _, _| ());
        assert!(report.passed(), "{}: {:?}", report.device, report.failures);
    }
}
