//! Values of every element beside a reduction of the same elements, which one pass reads for both.

mod devices;

use devices::devices;
#[cfg(feature = "gpu")]
use devices::limited;
use hadamard::{DType, Device, Expr, Tensor, assign, eval_all};

fn wave(shape: &[usize], seed: usize, dtype: DType, device: &Device) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| (((i + seed) * 37 % 101) as f32 - 40.0) / 16.0).collect();
    Tensor::from_slice(&values, shape, device).unwrap().to_dtype(dtype).unwrap()
}

fn f64s(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

/// Expects the values to the bit of what they are alone, and reductions close to what they are in f64.
fn check(name: &str, reductions: &[Expr], values: &[Expr]) {
    let all: Vec<Expr> = reductions.iter().chain(values).cloned().collect();
    let found = eval_all(&all).unwrap();
    for (i, (found, value)) in found[reductions.len()..].iter().zip(values).enumerate() {
        let alone = value.eval().unwrap();
        assert!(f64s(found) == f64s(&alone), "{name}: value {i}");
    }
    for (i, (found, want)) in found.iter().zip(reductions).enumerate() {
        // In another order, perhaps, and rounded to half precision where that is the result's.
        let bound = if found.dtype() == DType::F16 { 1e-3 } else { 2e-6 };
        for (&found, want) in f64s(found).iter().zip(f64s(&want.eval().unwrap())) {
            let near = (found - want).abs() <= bound * want.abs().max(1.0);
            assert!(near || found == want, "{name}: reduction {i} is {found}, alone {want}");
        }
    }
}

fn dims_of(rank: usize) -> Vec<Vec<i32>> {
    (1..1_i32 << rank).map(|bits| (0..rank as i32).filter(|d| bits >> d & 1 == 1).collect()).collect()
}

/// Of every length of rows, whole vectors or not, over all dims and over some; in every dtype.
fn all_forms(name: &str, device: &Device) {
    let shapes = [&[7][..], &[4099], &[70_000], &[33, 4], &[300, 257], &[5, 6, 64]];
    let others = [DType::I32, DType::I64, DType::F64, DType::F16].map(|dtype| (&[301][..], dtype));
    for (shape, dtype) in shapes.map(|shape| (shape, DType::F32)).into_iter().chain(others) {
        if dtype != DType::F64 || device.info().f64 {
            let (a, b) = (wave(shape, 1, dtype, device), wave(shape, 5, dtype, device));
            let row = wave(&shape[shape.len() - 1..], 3, dtype, device);
            for dims in dims_of(shape.len()) {
                let error = &a * &row - &b;
                let (sums, slopes) = ((&error * &error).sum(&dims[..]), &error * &a * 2);
                let name = format!("{name} {dtype} {shape:?} {dims:?}");
                check(&name, &[sums.clone(), error.amax(&dims[..])], &[slopes.clone(), error.clone()]);
                check(&name, &[sums], &[slopes.narrow(0, 0, shape[0]), &b - &slopes]);
            }
        }
    }
}

#[test]
fn values_are_what_they_are_alone() {
    for device in &devices() {
        all_forms(&device.to_string(), device);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn beyond_what_a_binding_shows() {
    for device in devices().iter().filter(|device| device.is_gpu()) {
        let tight = limited(device, |limits| limits.max_storage_buffer_binding_size = 16 << 10);
        for shape in [&[70_000][..], &[300, 257], &[130, 16, 33]] {
            let (a, b) = (wave(shape, 1, DType::F32, &tight), wave(shape, 5, DType::F32, &tight));
            for dims in dims_of(shape.len()) {
                let sums = (&a * &b).sum(&dims[..]);
                check(&format!("{device} {shape:?} {dims:?}"), &[sums], &[&a - &b * 2.0]);
            }
        }
    }
}

/// Weights that a pass writes where it has read them, beside a sum of what they were, and those that something else still
/// reads.
#[test]
fn weights_are_written_where_they_were_read() {
    for device in &devices() {
        for shape in [&[4099][..], &[300, 257], &[64, 64]] {
            let (w, x) = (wave(shape, 1, DType::F32, device), wave(shape, 5, DType::F32, device));
            let loss = Tensor::zeros([], DType::F32, device).unwrap();
            let error = || &w * &x - 0.5;
            let others: [Expr; 3] =
                [error().square().sum(..), error().square().sum(0).amax(..), w.flip(0).unwrap().sum(..)];
            for (i, other) in others.iter().enumerate() {
                let before = w.to_vec::<f32>().unwrap();
                let (new, sum) = (&w - error() * &x * 0.25, other.clone());
                let want = eval_all(&[new.clone(), sum.clone()]).unwrap();
                assign(&[(&w, new), (&loss, sum)]).unwrap();
                assert!(w.to_vec::<f32>().unwrap() == want[0].to_vec::<f32>().unwrap(), "{device} {shape:?} {i}");
                let (found, want) = (loss.item::<f32>().unwrap(), want[1].item::<f32>().unwrap());
                assert!((found - want).abs() <= 2e-6 * want.abs(), "{device} {shape:?} {i}: {found}, {want}");
                assert!(w.to_vec::<f32>().unwrap() != before, "{device} {shape:?} {i}");
            }
        }
    }
}
