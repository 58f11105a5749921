//! What a GPU device keeps between evaluations does not grow with where tensors lie, nor without end.
#![cfg(feature = "gpu")]

mod devices;

use hadamard::{DType, Device, Element, Tensor};

fn gpus() -> Vec<Device> {
    devices::devices().into_iter().filter(Device::is_gpu).collect()
}

/// Plans made and shaders compiled by `work`.
fn made(device: &Device, work: impl FnOnce()) -> [u64; 2] {
    let before = device.counters();
    work();
    device.synchronize().unwrap();
    let after = device.counters();
    [after.planned - before.planned, after.compiled - before.compiled]
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.to_vec().unwrap()
}

/// Writes every row of a tensor in turn, from a row of another: `x[i] = y[n - 1 - i] * 2`.
fn rows_share_plans<T: Element>(device: &Device, [n, width]: [usize; 2]) {
    let dtype = T::DTYPE;
    let numbers: Vec<f32> = (0..n * width).map(|i| (i * 7 % 61) as f32).collect();
    let y = Tensor::from_slice(&numbers, [n, width], device).unwrap().to_dtype(dtype).unwrap();
    let x = Tensor::zeros([n, width], dtype, device).unwrap();
    let [planned, compiled] = made(device, || {
        for i in 0..n {
            let row = |t: &Tensor, i: usize| t.narrow(0, i, 1).unwrap();
            row(&x, i).assign(row(&y, n - 1 - i) * 2).unwrap();
        }
    });
    // Rows differ in how they are aligned to 256 bytes, and in no more.
    assert!(planned <= 2 * 256 + 2, "{device}: {planned} plans for {n} rows of {width} {dtype}");
    assert!(compiled <= 12, "{device}: {compiled} shaders for {n} rows of {width} {dtype}");
    let want: Vec<f32> = (0..n).rev().flat_map(|i| numbers[i * width..][..width].iter().map(|v| v * 2.0)).collect();
    assert_eq!(floats(&x.to_dtype(DType::F32).unwrap()), want, "{device}: {n} rows of {width} {dtype}");
}

#[test]
fn rows_of_a_tensor_share_plans() {
    for device in gpus() {
        rows_share_plans::<f32>(&device, [3000, 37]);
        rows_share_plans::<f32>(&device, [700, 64]);
        rows_share_plans::<half::f16>(&device, [1500, 5]);
        rows_share_plans::<u8>(&device, [1500, 3]);
        rows_share_plans::<i32>(&device, [700, 1]);
    }
}

#[test]
fn reductions_and_flipped_views_share_plans() {
    for device in gpus() {
        let n = 500;
        let numbers: Vec<f32> = (0..n * 64).map(|i| (i % 17) as f32).collect();
        let x = Tensor::from_slice(&numbers, [n, 64], &device).unwrap();
        let sums = Tensor::zeros([n], DType::F32, &device).unwrap();
        let [planned, _] = made(&device, || {
            for i in 0..n {
                let row = x.narrow(0, i, 1).unwrap().flip(1).unwrap();
                sums.narrow(0, i, 1).unwrap().assign((&row * &row).sum(1)).unwrap();
            }
        });
        assert!(planned <= 2 * 64 + 2, "{device}: {planned} plans");
        let want: Vec<f32> = numbers.chunks(64).map(|row| row.iter().map(|v| v * v).sum()).collect();
        assert_eq!(floats(&sums), want, "{device}");
    }
}

/// Two rows of one tensor, any distance apart: both lie where they lie.
#[test]
fn a_row_updated_from_another_reads_and_writes_the_right_ones() {
    for device in gpus() {
        let n = 60;
        let mut want: Vec<f32> = (0..n * 48).map(|i| (i % 29) as f32).collect();
        let x = Tensor::from_slice(&want, [n, 48], &device).unwrap();
        for (to, from) in [(0, 59), (59, 0), (30, 31), (31, 30), (7, 7), (58, 3), (12, 40)] {
            let row = |i: usize| x.narrow(0, i, 1).unwrap();
            row(to).assign(row(to) + row(from) * 0.5).unwrap();
            for c in 0..48 {
                want[to * 48 + c] += want[from * 48 + c] * 0.5;
            }
        }
        assert_eq!(floats(&x), want, "{device}");
    }
}

#[test]
fn kernels_are_dropped_longest_unused_first_and_by_trim() {
    for device in gpus() {
        let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device).unwrap();
        // An expression of its own kernel for each number: its digits say what is added and what multiplied.
        let expression =
            |number: u32| (0..10).fold(&x * 1.5, |e, bit| if number >> bit & 1 == 1 { e + &x } else { e * &x });
        let compiled = |number: u32| made(&device, || drop(expression(number).eval().unwrap()))[1];
        assert_eq!(compiled(0), 1, "{device}");
        assert_eq!(compiled(0), 0, "{device}: it is kept");
        for number in 1..300 {
            assert_eq!(compiled(number), 1, "{device}: {number}");
            assert_eq!(compiled(0), 0, "{device}: it is in use");
        }
        assert_eq!(compiled(299), 0, "{device}: it is recent");
        assert_eq!(compiled(1), 1, "{device}: it was used longest ago");
        device.trim();
        assert_eq!(compiled(0), 1, "{device}: nothing is kept");
        assert_eq!(floats(&expression(0).eval().unwrap()), [1.5, 1.5 * 2048.0], "{device}");
    }
}
