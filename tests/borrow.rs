//! Tensors over memory that the test owns.
#![allow(unsafe_code, reason = "lends memory by its address")]

mod devices;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hadamard::{DType, Error, Expr, RawParts, Tensor, assign, optim};

/// `n` elements of `x` from the one numbered `first` on, `step` elements apart.
fn parts<T: hadamard::Element>(x: &mut [T], first: usize, n: usize, step: isize) -> RawParts {
    RawParts {
        start: x.as_mut_ptr().wrapping_add(first).cast(),
        shape: [n].into(),
        strides: vec![step * size_of::<T>() as isize],
        dtype: T::DTYPE,
        read_only: false,
    }
}

/// The tensor over `parts` of memory that outlives it.
fn lent(parts: &RawParts) -> Tensor {
    // SAFETY: each test keeps its memory to the end and looks at it between operations only.
    unsafe { Tensor::from_raw_parts(parts, ()) }.unwrap()
}

fn refused(parts: &RawParts) -> String {
    // SAFETY: as above.
    let error = unsafe { Tensor::from_raw_parts(parts, ()) }.unwrap_err();
    assert!(matches!(error, Error::Argument { op: "from_raw_parts", .. }), "{error}");
    error.to_string()
}

#[test]
fn what_is_written_is_written_there() {
    let mut x: Vec<f32> = (0..100_000).map(|i| i as f32).collect();
    let at = x.as_ptr();
    let t = lent(&parts(&mut x, 0, 100_000, 1));
    t.assign(&t * 2.0).unwrap();
    assert_eq!(t.raw_parts().unwrap().start.cast_const().cast(), at);
    let (sum, expected) = ((&t + 0.0).sum(..).item::<f32>().unwrap(), 99_999.0 * 100_000.0);
    assert_eq!(sum, expected as f32);
    drop(t);
    assert!(x.iter().enumerate().all(|(i, &x)| x == 2.0 * i as f32));
}

#[test]
fn any_strides_and_any_alignment_of_an_element() {
    let mut x: Vec<i32> = (0..24).collect();
    let back = lent(&parts(&mut x, 23, 12, -2));
    assert_eq!(back.to_vec::<i32>().unwrap(), (0..12).map(|i| 23 - 2 * i).collect::<Vec<_>>());
    back.narrow(0, 1, 2).unwrap().fill(-1).unwrap();
    assert_eq!((x[21], x[19], x[20], x[23]), (-1, -1, 20, 23));

    // 4 bytes past a multiple of 8 and of a cache line.
    let mut y: Vec<f64> = vec![0.0; 4097];
    let floats: &mut [f32] = bytemuck::cast_slice_mut(&mut y);
    floats.iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
    let odd = lent(&parts(floats, 1, 8193, 1));
    assert_eq!(odd.sum(..).item::<f32>().unwrap(), (1..8194).sum::<i32>() as f32);
    let matrix = lent(&RawParts { shape: [64, 128].into(), strides: vec![512, 4], ..odd.raw_parts().unwrap() });
    assert_eq!(matrix.sum(0).to_vec::<f32>().unwrap()[0], (0..64).map(|i| 1.0 + 128.0 * i as f32).sum::<f32>());

    let repeated = RawParts { shape: [3, 4].into(), strides: vec![0, 4], read_only: true, ..parts(&mut x, 0, 4, 1) };
    assert_eq!(lent(&repeated).sum(0).to_vec::<i64>().unwrap(), [0, 3, 6, 9]);
}

#[test]
fn what_is_not_aligned_is_copied_if_it_is_only_read() {
    let mut bytes = vec![0_u8; 41];
    for i in 0..5_u8 {
        bytes[1 + 8 * usize::from(i)..][..4].copy_from_slice(&f32::from(i).to_ne_bytes());
    }
    let start = bytes.as_mut_ptr().wrapping_add(1);
    let packed = RawParts { start, shape: [5].into(), strides: vec![8], dtype: DType::F32, read_only: true };
    assert_eq!(lent(&packed).to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert!(refused(&RawParts { read_only: false, ..packed.clone() }).contains("multiples of 4 bytes"));
    let backwards = RawParts { start: start.wrapping_add(32), strides: vec![-8], ..packed };
    assert_eq!(lent(&backwards).to_vec::<f32>().unwrap(), [4.0, 3.0, 2.0, 1.0, 0.0]);
}

#[test]
fn bools_are_true_where_their_bytes_are_not_zero() {
    let mut bytes = vec![0_u8, 2, 1, 0, 255, 0];
    let bools = RawParts { dtype: DType::Bool, ..parts(&mut bytes, 0, 6, 1) };
    let read_only = RawParts { read_only: true, ..bools.clone() };
    let expected = [false, true, true, false, true, false];
    assert_eq!(lent(&read_only).to_vec::<bool>().unwrap(), expected);
    assert_eq!((&lent(&read_only) * 1).sum(..).item::<i64>().unwrap(), 3);
    assert_eq!(bytes[1], 2);
    let writable = lent(&bools);
    assert_eq!(writable.to_vec::<bool>().unwrap(), expected);
    writable.assign(writable.logical_not()).unwrap();
    assert_eq!(bytes, [1, 0, 0, 1, 0, 1]);
    // Every other one, so that what lies between is nobody's.
    let mut bytes = vec![7_u8, 9, 0, 9, 1, 9];
    let bools = RawParts { dtype: DType::Bool, ..parts(&mut bytes, 0, 3, 2) };
    assert_eq!(lent(&bools).to_vec::<bool>().unwrap(), [true, false, true]);
    assert_eq!(bytes, [1, 9, 0, 9, 1, 9]);
}

#[test]
fn updates_see_old_values_whatever_was_borrowed() {
    for n in [10, 100_000] {
        let old: Vec<f32> = (0..=n).map(|i| (i % 1000) as f32).collect();
        let n = n as usize;
        // Each element the one before it: `x[1:] = x[:-1]`, of two tensors that know nothing of each other.
        let mut x = old.clone();
        let (whole, next) = (parts(&mut x, 0, n, 1), parts(&mut x, 1, n, 1));
        lent(&next).assign(&lent(&whole) + 0.5).unwrap();
        assert!((0..n).all(|i| x[i + 1] == old[i] + 0.5), "{n}");
        // The same memory twice.
        let mut x = old.clone();
        let whole = parts(&mut x, 0, n, 1);
        lent(&whole).assign(&lent(&whole) * 2.0 + lent(&whole).flip(0).unwrap()).unwrap();
        assert!((0..n).all(|i| x[i] == old[i] * 2.0 + old[n - 1 - i]), "{n}");
        // Views of one tensor are judged as ever.
        let mut x = old.clone();
        let t = lent(&parts(&mut x, 0, n, 1));
        t.assign(t.flip(0).unwrap() - 1.0).unwrap();
        assert!((0..n).all(|i| x[i] == old[n - 1 - i] - 1.0), "{n}");
    }
}

#[test]
fn rows_are_added_from_old_values_whatever_was_borrowed() {
    for (rows, row) in [(4, 2), (2000, 64)] {
        let old: Vec<f32> = (0..rows * row).map(|i| (i % 100) as f32).collect();
        let mut x = old.clone();
        let shape = |n: usize| RawParts {
            shape: [n, row].into(),
            strides: vec![row as isize * 4, 4],
            ..parts(&mut [0.0_f32], 0, 1, 1)
        };
        // Each row but the first becomes the sum of itself and of the one before it.
        let start = x.as_mut_ptr().cast::<u8>();
        let (target, values) = (RawParts { start, ..shape(rows) }, RawParts { start, ..shape(rows - 1) });
        let index: Vec<i64> = (1..rows as i64).collect();
        let index = Tensor::from_slice(&index, [rows - 1], &hadamard::Device::cpu()).unwrap();
        let (target, values) = (lent(&target), lent(&values));
        target.assign(target.index_add(0, &index, &values)).unwrap();
        let expected = |i: usize| if i < row { old[i] } else { old[i] + old[i - row] };
        assert!((0..rows * row).all(|i| x[i] == expected(i)), "{rows} x {row}");
    }
}

#[test]
fn targets_that_share_memory_are_an_error() {
    let mut x = vec![0.0_f32; 10];
    let (a, b, c) = (parts(&mut x, 0, 6, 1), parts(&mut x, 5, 5, 1), parts(&mut x, 6, 4, 1));
    let (a, b, c) = (lent(&a), lent(&b), lent(&c));
    let error = assign(&[(&a, 1.0.into()), (&c, 2.0.into()), (&b, 3.0.into())]).unwrap_err();
    assert!(matches!(error, Error::Overlap { first: 0, second: 2, .. }), "{error}");
    assign(&[(&a, 1.0.into()), (&c, 2.0.into())]).unwrap();
    assert_eq!((x[5], x[6]), (1.0, 2.0));
}

#[test]
fn read_only_memory_is_not_written() {
    let mut x = vec![1.0_f32; 4];
    let t = lent(&RawParts { read_only: true, ..parts(&mut x, 0, 4, 1) });
    for error in [t.fill(2.0), t.assign(&t + 1.0), t.write_from(&[0.0_f32; 4]), t.at(0).unwrap().fill(3.0)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("a target that may be written"), "{error}");
    }
    let owned = Tensor::from_owner(Arc::<[f32]>::from([1.0, 2.0]), [2]).unwrap();
    assert!(owned.fill(1.0).is_err() && owned.raw_parts().unwrap().read_only);
    assert_eq!(x, [1.0; 4]);
}

#[test]
fn the_owner_lives_as_long_as_the_memory_is_in_use() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Owner(Vec<f32>);
    impl Drop for Owner {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    impl AsRef<[f32]> for Owner {
        fn as_ref(&self) -> &[f32] {
            &self.0
        }
    }
    let view = {
        let t = Tensor::from_owner(Owner(vec![1.0, 2.0, 3.0]), [3]).unwrap();
        t.narrow(0, 1, 2).unwrap()
    };
    let expr = Expr::from(&view) * 2.0;
    drop(view);
    assert_eq!((DROPPED.load(Ordering::SeqCst), expr.to_vec::<f32>().unwrap()), (0, vec![4.0, 6.0]));
    drop(expr);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
    assert!(Tensor::from_owner(Owner(vec![0.0; 3]), [2]).is_err());
    assert_eq!(DROPPED.load(Ordering::SeqCst), 2);
}

#[test]
fn parameters_and_batches_may_be_borrowed() {
    let (mut w, mut a) = (vec![0.0_f32; 8], vec![1.0_f32; 8 * 4]);
    let w = lent(&parts(&mut w, 0, 8, 1));
    let mut sgd = optim::SGD::new(&[&w]).lr(0.1);
    for step in 0..4 {
        // A batch that the last step knew, in a new tensor each time; once it is the parameter's own memory.
        let batch = RawParts { shape: [4, 8].into(), strides: vec![32, 4], ..parts(&mut a, 0, 8, 1) };
        let loss = (&w - &lent(&batch)).square().mean(..);
        sgd.minimize(&loss).unwrap();
        let expected = 1.0 - 0.975_f32.powi(step + 1);
        assert!((w.to_vec::<f32>().unwrap()[0] - expected).abs() < 1e-6, "{step}");
    }
    let itself = lent(&w.raw_parts().unwrap());
    let before = w.to_vec::<f32>().unwrap()[0];
    sgd.minimize(&(&w * &itself).sum(..)).unwrap();
    let after = w.to_vec::<f32>().unwrap();
    assert!(after.iter().all(|&x| (x - (before - 0.1 * before)).abs() < 1e-6), "{before} {after:?}");
}

#[test]
fn what_cannot_be_memory_is_refused() {
    let mut x = vec![0.0_f32; 4];
    let right = parts(&mut x, 0, 4, 1);
    assert!(
        refused(&RawParts { strides: vec![], ..right.clone() }).contains("expected 1 strides for shape [4], found 0")
    );
    assert!(
        refused(&RawParts { start: std::ptr::null_mut(), ..right.clone() }).contains("expected an address, found none")
    );
    for strides in [isize::MAX, isize::MIN, -(1 << 61)] {
        assert!(
            refused(&RawParts { strides: vec![strides & !3], ..right.clone() }).contains("elements that lie in memory")
        );
    }
    let empty = RawParts { start: std::ptr::null_mut(), shape: [0, 3].into(), strides: vec![12, 4], ..right };
    assert_eq!(lent(&empty).shape().dims(), [0, 3]);
}

#[test]
fn elements_go_to_and_come_from_memory_that_is_there() {
    for device in devices::devices() {
        let x = Tensor::zeros([3, 4], DType::F32, &device).unwrap();
        x.at(1).unwrap().write_from(&[1.0_f32, 2.0, 3.0, 4.0]).unwrap();
        x.transpose(0, 1).unwrap().at(0).unwrap().write_from(&[5.0_f32, 6.0, 7.0]).unwrap();
        let mut out = [0.0_f32; 12];
        x.read_into(&mut out).unwrap();
        assert_eq!(out, [5.0, 0.0, 0.0, 0.0, 6.0, 2.0, 3.0, 4.0, 7.0, 0.0, 0.0, 0.0]);
        let mut column = [0.0_f32; 3];
        x.transpose(0, 1).unwrap().at(1).unwrap().read_into(&mut column).unwrap();
        assert_eq!(column, [0.0, 2.0, 0.0]);
        assert!(x.read_into(&mut [0.0_f32; 11]).unwrap_err().to_string().contains("room for the 12 elements"));
        assert!(x.read_into(&mut [0_i32; 12]).is_err() && x.write_from(&[0_i32; 12]).is_err());
        assert!(x.write_from(&[0.0_f32; 11]).unwrap_err().to_string().contains("12 values for shape"));
    }
}
