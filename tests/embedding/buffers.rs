//! A caller's buffers as tensors, and tensors' memory as wgpu buffers.

use hadamard::wgpu::BufferUsages;
use hadamard::{DType, Element, Error, Expr, Tensor, assign};

use super::{owned, owned_with};

/// What lies around a tensor in its buffer.
const GUARD: u8 = 0xa5;

/// `values` in a buffer, `before` bytes after its start and with some after them; doubled in place there, and nothing else.
fn doubled<T: Element + bytemuck::Pod + PartialEq>(values: &[T], twice: &[T], before: usize) {
    for own in owned() {
        let device = own.open();
        let len = size_of_val(values);
        let mut bytes = vec![GUARD; (before + len + 64).next_multiple_of(64)];
        bytes[before..before + len].copy_from_slice(bytemuck::cast_slice(values));
        let buffer = own.holding(&bytes);
        let x = Tensor::from_wgpu(&buffer, before as u64, [values.len()], T::DTYPE, &device).unwrap();
        let name = format!("{device}: {} after {before}", T::DTYPE);
        assert!(x.to_vec::<T>().unwrap() == values, "{name}");
        x.assign(&x * 2).unwrap();
        device.flush().unwrap();
        let mut expected = bytes;
        expected[before..before + len].copy_from_slice(bytemuck::cast_slice(twice));
        assert!(own.read(&buffer) == expected, "{name}");
        // A view of every second element, whose neighbours are to stay.
        let odd = x.slice(0, 1, x.numel(), 2).unwrap();
        odd.assign(&odd * 0).unwrap();
        device.flush().unwrap();
        let at = |i: usize| before + i * size_of::<T>()..before + (i + 1) * size_of::<T>();
        (1..values.len()).step_by(2).for_each(|i| expected[at(i)].fill(0));
        assert!(own.read(&buffer) == expected, "{name}: every second");
    }
}

#[test]
fn every_dtype_is_computed_with_where_it_lies() {
    let n = 1003;
    let small: Vec<u8> = (0..n).map(|i| (i % 100) as u8).collect();
    for before in [0, 1, 3, 256, 261] {
        doubled(&small, &small.iter().map(|x| 2 * x).collect::<Vec<_>>(), before);
    }
    let half: Vec<half::f16> = (0..n).map(|i| half::f16::from_f32(i as f32)).collect();
    let twice: Vec<half::f16> = half.iter().map(|x| half::f16::from_f32(2.0 * x.to_f32())).collect();
    doubled(&half, &twice, 6);
    let floats: Vec<f32> = (0..n).map(|i| i as f32 / 3.0).collect();
    for before in [0, 4, 12, 300] {
        doubled(&floats, &floats.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), before);
    }
    let long: Vec<i64> = (0..n).map(|i| (i as i64 - 500) << 40).collect();
    doubled(&long, &long.iter().map(|x| 2 * x).collect::<Vec<_>>(), 24);
}

#[test]
fn views_reductions_and_gradients_are_as_of_any_tensor() {
    for own in owned() {
        let device = own.open();
        let values: Vec<f32> = (0..80 * 60).map(|i| (i % 17) as f32 - 8.0).collect();
        let buffer = own.holding(bytemuck::cast_slice(&values));
        let x = Tensor::from_wgpu(&buffer, 240, [70, 60], DType::F32, &device).unwrap();
        let same = Tensor::from_slice(&values[60..71 * 60], [70, 60], &device).unwrap();
        let forms: [fn(&Tensor) -> Expr; 4] = [
            |x| x.sum(0),
            |x| x.transpose(0, 1).unwrap().flip(0).unwrap() * 2.0,
            |x| x.square().sum(..).grad(&[x]).unwrap()[0].clone(),
            |x| x.narrow(0, 3, 5).unwrap().amax(1),
        ];
        for (i, form) in forms.iter().enumerate() {
            assert_eq!(form(&x).to_vec::<f32>().unwrap(), form(&same).to_vec::<f32>().unwrap(), "{device}: {i}");
        }
    }
}

#[test]
fn a_buffer_that_no_binding_shows_whole_is_worked_on_in_pieces() {
    const N: usize = 100_003;
    for own in owned_with(|limits| limits.max_storage_buffer_binding_size = 1 << 16) {
        let device = own.open();
        let old: Vec<f32> = (0..N + 5).map(|i| (i % 10) as f32).collect();
        let buffer = own.holding(bytemuck::cast_slice(&old));
        let x = Tensor::from_wgpu(&buffer, 12, [N], DType::F32, &device).unwrap();
        x.assign(&x * 2.0).unwrap();
        assert_eq!(x.sum(..).item::<f32>().unwrap(), old[3..N + 3].iter().sum::<f32>() * 2.0, "{device}");
        // A part that lies beyond the first binding, of another dtype.
        let bits = Tensor::from_wgpu(&buffer, 300_000, [1000], DType::I32, &device).unwrap();
        bits.assign(&bits + 1).unwrap();
        device.flush().unwrap();
        let found = own.floats(&buffer);
        let expected = |i: usize| match i {
            75_000..76_000 => f32::from_bits((old[i] * 2.0).to_bits() + 1),
            3..100_006 => old[i] * 2.0,
            _ => old[i],
        };
        assert!((0..N + 5).all(|i| found[i] == expected(i)), "{device}");
    }
}

#[test]
fn a_buffer_that_kernels_alone_may_use_is_read_all_the_same() {
    for own in owned() {
        let device = own.open();
        let buffer = own.buffer(64, BufferUsages::STORAGE);
        let x = Tensor::from_wgpu(&buffer, 4, [3, 5], DType::F32, &device).unwrap();
        x.assign(Expr::arange(15).reshape([3, 5])).unwrap();
        let expected: Vec<f32> = (0..15).map(|i| i as f32).collect();
        assert_eq!(x.to_vec::<f32>().unwrap(), expected, "{device}");
        assert_eq!(pollster::block_on(x.to_vec_async::<f32>()).unwrap(), expected, "{device}");
        let cpu = hadamard::Device::cpu();
        assert_eq!(x.to_device(&cpu).unwrap().to_vec::<f32>().unwrap(), expected, "{device}");
        let copy = pollster::block_on(x.to_device_async(&cpu)).unwrap();
        assert_eq!(copy.to_vec::<f32>().unwrap(), expected, "{device}");
        let last = x.narrow(0, 2, 1).unwrap().narrow(1, 4, 1).unwrap();
        assert_eq!(pollster::block_on(last.item_async::<f32>()).unwrap(), 14.0, "{device}");
    }
}

#[test]
fn updates_see_old_values_whatever_was_imported() {
    for own in owned() {
        let device = own.open();
        for n in [12, 100_000] {
            let old: Vec<f32> = (0..=n).map(|i| (i % 1000) as f32).collect();
            let bytes = (old.len() * 4).next_multiple_of(16);
            let n = n as usize;
            let fresh = || {
                let mut padded: Vec<u8> = bytemuck::cast_slice(&old).to_vec();
                padded.resize(bytes, 0);
                own.holding(&padded)
            };
            let over = |buffer, first: usize, dtype| Tensor::from_wgpu(buffer, first as u64 * 4, [n], dtype, &device);
            // Each element the one before it, of two tensors that know nothing of each other.
            let buffer = fresh();
            let (whole, next) = (over(&buffer, 0, DType::F32).unwrap(), over(&buffer, 1, DType::F32).unwrap());
            next.assign(&whole + 0.5).unwrap();
            device.flush().unwrap();
            let found = own.floats(&buffer);
            assert!((0..n).all(|i| found[i + 1] == old[i] + 0.5), "{device}: {n}");
            // The same memory as integers: the bits of a float, one element on.
            let buffer = fresh();
            let (floats, bits) = (over(&buffer, 0, DType::F32).unwrap(), over(&buffer, 1, DType::I32).unwrap());
            bits.assign(floats.cast(DType::I32) + 1).unwrap();
            device.flush().unwrap();
            let found: Vec<i32> = bytemuck::pod_collect_to_vec(&own.read(&buffer));
            assert!((0..n).all(|i| found[i + 1] == old[i] as i32 + 1), "{device}: {n}, as integers");
            // Memory of ours that came back.
            let ours = Tensor::from_slice(&old, [n + 1], &device).unwrap();
            let parts = ours.to_wgpu().unwrap();
            let next = Tensor::from_wgpu(&parts.buffer, 4, [n], DType::F32, &device).unwrap();
            next.assign(ours.narrow(0, 0, n).unwrap() * 2.0).unwrap();
            let found = ours.to_vec::<f32>().unwrap();
            assert!((0..n).all(|i| found[i + 1] == old[i] * 2.0), "{device}: {n}, ours");
            let bits = Tensor::from_wgpu(&parts.buffer, 4, [n], DType::I32, &device).unwrap();
            let before = ours.to_vec::<f32>().unwrap();
            bits.assign(ours.narrow(0, 0, n).unwrap().cast(DType::I32)).unwrap();
            let found = bits.to_vec::<i32>().unwrap();
            assert!((0..n).all(|i| found[i] == before[i] as i32), "{device}: {n}, ours as integers");
        }
    }
}

#[test]
fn targets_of_one_buffer_lie_apart_or_are_an_error() {
    for own in owned() {
        let device = own.open();
        let buffer = own.holding(&[0; 256]);
        let over = |start, n: usize, dtype| Tensor::from_wgpu(&buffer, start, [n], dtype, &device).unwrap();
        let (a, b, c) = (over(0, 8, DType::F32), over(32, 8, DType::F32), over(16, 8, DType::F32));
        assign(&[(&a, 1.0.into()), (&b, 2.0.into())]).unwrap();
        assert_eq!(over(28, 2, DType::F32).to_vec::<f32>().unwrap(), [1.0, 2.0], "{device}");
        for (x, y) in [(&a, &c), (&c, &b), (&a, &over(0, 4, DType::I32))] {
            let error = assign(&[(x, 1.into()), (y, 2.into())]).unwrap_err();
            assert!(matches!(error, Error::Overlap { .. }), "{device}: {error}");
        }
    }
}

#[test]
fn shared_memory_is_never_pooled() {
    for own in owned() {
        let device = own.open();
        let bytes = 1 << 20;
        let buffer = own.holding(&vec![7; bytes]);
        let before = device.memory();
        let x = Tensor::from_wgpu(&buffer, 0, [bytes], DType::U8, &device).unwrap();
        assert_eq!(device.memory().used, before.used, "{device}: a caller's memory is the caller's");
        drop(x);
        let ours = Tensor::full([bytes], 9_u8, &device).unwrap();
        let parts = ours.to_wgpu().unwrap();
        drop(ours);
        assert_eq!(device.memory().used, before.used, "{device}");
        for i in 0..4 {
            let other = Tensor::full([bytes], i, &device).unwrap();
            assert_eq!(other.at(0).unwrap().item::<u8>().unwrap(), i);
        }
        assert!(own.read(&buffer).iter().all(|&byte| byte == 7), "{device}");
        assert!(own.read(&parts.buffer)[..bytes].iter().all(|&byte| byte == 9), "{device}");
    }
}

#[test]
fn what_is_behind_a_tensor_is_said_to_the_byte() {
    for own in owned() {
        let device = own.open();
        let x = Tensor::from_slice(&(0..24).map(|i| i as f32).collect::<Vec<_>>(), [4, 6], &device).unwrap();
        x.assign(&x + 1.0).unwrap();
        let view = x.narrow(0, 1, 3).unwrap().flip(1).unwrap();
        let parts = view.to_wgpu().unwrap();
        assert_eq!((parts.byte_offset, parts.bytes.clone()), (44, 24..96), "{device}");
        assert_eq!((parts.strides, parts.dtype, parts.shape), (vec![24, -4], DType::F32, [3, 6].into()));
        let found = own.floats(&parts.buffer);
        assert_eq!(found[..24], (1..=24).map(|i| i as f32).collect::<Vec<_>>(), "{device}: work was handed over");
    }
}

#[test]
fn memory_of_tensors_that_are_gone_is_given_back() {
    for own in owned() {
        let device = own.open();
        let buffers = || own.instance.generate_report().unwrap().hub.buffers.num_allocated;
        let y = Tensor::from_slice(&[0.0_f32; 4], [4], &device).unwrap();
        let mut counts = Vec::new();
        for i in 0..40 {
            let buffer = own.holding(&[0; 64]);
            let x = Tensor::from_wgpu(&buffer, 0, [4], DType::F32, &device).unwrap();
            y.assign(&y + &x + 1.0).unwrap();
            assert_eq!(y.at(0).unwrap().item::<f32>().unwrap(), i as f32 + 1.0);
            // What runs again and again is remembered, with its buffers.
            let next = &x + 1.0;
            for _ in 0..6 {
                x.assign(&next).unwrap();
            }
            assert_eq!(x.to_vec::<f32>().unwrap(), [6.0; 4], "{device}");
            drop((x, next, buffer));
            counts.push(buffers());
        }
        assert!(counts[39] <= counts[10], "{device}: {counts:?}");
    }
}
