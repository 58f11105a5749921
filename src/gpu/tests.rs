//! Kernels planned for one class of device, run on another.

use super::adapter::adapters;
use crate::check::{Case, cases, run_cases};
use crate::{DType, Device, DeviceKind, Tensor, einsum, reference};

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

/// A batch of products, with rows, columns and terms that no tile divides, on a software adapter that is taken for a GPU.
/// Whether an invocation owns 8 by 8 outputs is for the number of tiles to say.
fn products_on(kind: wgpu::DeviceType, [batch, m, n, k]: [usize; 4], parts: u32) {
    for adapter in adapters().into_iter().filter(|a| a.kind() == DeviceKind::Software) {
        let device = Device::on_gpu(adapter.taken_for(kind).open().unwrap());
        let tensor = |shape: [usize; 3], by: usize| {
            let numbers = (0..shape.iter().product()).map(|i| ((i * by) % 101) as f32 / 101.0 - 0.4);
            Tensor::from_vec(numbers.collect::<Vec<f32>>(), shape, &device).unwrap()
        };
        let (a, b) = (tensor([batch, m, k], 37), tensor([batch, k, n], 53));
        let product = einsum("bik,bkj->bij", &[&a, &b]);
        let passes = product.explain().unwrap().passes;
        assert_eq!(passes[0].kernel, "contract");
        assert!(passes[0].wgsl.contains(&format!("const PARTS: u32 = {parts}u;")), "{}", passes[0].wgsl);
        let compared = reference::compare(&product.eval().unwrap(), &reference::eval(&product).unwrap()).unwrap();
        assert!(compared.passed(), "{device}: {m} {n} {k}: {compared}");
    }
}

#[test]
fn matrix_products_of_gpus_are_right_to_the_edges_of_their_tiles() {
    use wgpu::DeviceType::{DiscreteGpu, IntegratedGpu};
    // Tiles of 128 by 128 and 64 by 64, then of 64 by 64 and 32 by 32.
    products_on(DiscreteGpu, [256, 17, 23, 16], 2);
    products_on(DiscreteGpu, [1, 131, 129, 21], 1);
    products_on(IntegratedGpu, [16, 65, 67, 19], 2);
    products_on(IntegratedGpu, [8, 66, 65, 18], 1);
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
