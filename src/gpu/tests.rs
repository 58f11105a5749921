//! Kernels planned for one class of device, run on another.

use super::adapter::adapters;
use crate::check::{Case, cases, run_cases};
use crate::{DType, Device, DeviceKind, Tensor};

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

/// With as many elements in a tile as a GPU's workgroups take, and rows long enough for digits there.
#[test]
fn software_adapters_sort_as_discrete_gpus_do() {
    let values: Vec<i32> = (0..100_000_i32).map(|i| i.wrapping_mul(0x9e37_79b1_u32 as i32) >> (i % 9)).collect();
    let sorted = |dtype, device: &Device| {
        let x = Tensor::from_slice(&values, [2, 50_000], device).unwrap().cast(dtype);
        let (values, places) = x.sort(1, true);
        let [values, places] = [values.cast(DType::I64), places].map(|x| x.eval().unwrap().to_vec::<i64>().unwrap());
        (values, places)
    };
    for device_type in [wgpu::DeviceType::DiscreteGpu, wgpu::DeviceType::IntegratedGpu] {
        for adapter in adapters().into_iter().filter(|a| a.kind() == DeviceKind::Software) {
            let device = Device::on_gpu(adapter.taken_for(device_type).open().unwrap());
            for dtype in [DType::I16, DType::I32, DType::F32, DType::U32] {
                assert!(sorted(dtype, &device) == sorted(dtype, &Device::cpu()), "{device} {device_type:?} {dtype}");
            }
        }
    }
}
