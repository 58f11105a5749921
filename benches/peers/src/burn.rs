//! burn, on wgpu with its fusion of kernels, and on its CPU backend.

use std::hint::black_box;

use burn_tensor::{Device, Tensor, TensorData};

use crate::timing::{median, numbers};

/// burn over wgpu. `CUBECL_WGPU_DEFAULT_DEVICE=Cpu` takes a software adapter.
#[cfg(feature = "burn-wgpu")]
pub(crate) fn wgpu(case: &str, n: usize) -> Option<f64> {
    run(case, n, &Device::wgpu(burn_tensor::DeviceKind::DefaultDevice))
}

/// burn's flex backend on the CPU.
#[cfg(feature = "burn-flex")]
pub(crate) fn flex(case: &str, n: usize) -> Option<f64> {
    run(case, n, &Device::flex())
}

fn run(case: &str, n: usize, device: &Device) -> Option<f64> {
    let random = |seed, shape: [usize; 2]| {
        Tensor::<2>::from_data(TensorData::new(numbers(seed, shape[0] * shape[1]), shape), device)
    };
    let (a, b) = (random(1, [n, n]), random(2, [n, n]));
    // A clone is a handle. Operations take their arguments by value.
    let (x, y) = (|| a.clone(), || b.clone());
    let wait = || device.sync().expect("burn's device answers");
    let time = |f: &dyn Fn() -> Tensor<2>| {
        median(|| {
            let result = f();
            wait();
            black_box(result);
        })
    };
    Some(match case {
        // It has no copy into another tensor; this is its cheapest pass over one.
        "copy" => time(&|| x() + 0.0),
        "a*b" => time(&|| x() * y()),
        "a*row" => {
            let row = random(3, [1, n]);
            time(&|| x() * row.clone())
        }
        "a*column" => {
            let column = random(3, [n, 1]);
            time(&|| x() * column.clone())
        }
        "a*0.7" => time(&|| x() * 0.7),
        "w*a+(1-w)*b" => {
            let w = random(3, [n, n]);
            time(&|| w.clone() * x() + (-w.clone() + 1.0) * y())
        }
        "(a*b).sum(0)" => time(&|| (x() * y()).sum_dim(0)),
        "(a*b).sum(1)" => time(&|| (x() * y()).sum_dim(1)),
        "(a*b).sum()" => median(|| {
            let sum = (x() * y()).sum();
            wait();
            black_box(sum);
        }),
        "einsum ik,ik->k" => median(|| {
            let sums = Tensor::<1>::einsum("ik,ik->k", [x().into(), y().into()]);
            wait();
            black_box(sums);
        }),
        // The update as its optimizer writes it, over one flat tensor.
        "adam" => {
            let (mut w, mut m, mut v) = (random(3, [n, n]), x() * 0.0, x() * 0.0);
            let g = y();
            median(|| {
                m = m.clone() * 0.9 + g.clone() * 0.1;
                v = v.clone() * 0.999 + g.clone().square() * 0.001;
                w = w.clone() - m.clone() * 0.01 / (v.clone().sqrt() * 1.2 + 1e-8);
                wait();
            })
        }
        _ => return None,
    })
}
