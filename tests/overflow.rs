//! Sizes, strides and offsets that no integer holds, or no device could work through: errors, at once.

mod devices;

use hadamard::{DType, Device, Error, Expr, Tensor, einsum};

fn one(device: &Device) -> Tensor {
    Tensor::full([1, 1], 3.0_f32, device).unwrap()
}

fn is_argument<T: std::fmt::Debug>(what: &str, result: hadamard::Result<T>) {
    let error = result.expect_err(what);
    assert!(matches!(error, Error::Argument { .. }), "{what}: {error:?}");
}

#[test]
fn shapes_that_cannot_be_counted() {
    for device in devices::devices() {
        let x = one(&device);
        let huge = [[1 << 40, 1 << 40], [usize::MAX, 1], [1 << 61, 1], [1 << 30, 1 << 31]];
        for shape in huge {
            is_argument("zeros", Tensor::zeros(shape, DType::U8, &device));
            is_argument("full", Tensor::full(shape, 1.0_f32, &device));
            is_argument("from_slice", Tensor::from_slice(&[1.0_f32], shape, &device));
            is_argument("broadcast_to", x.broadcast_to(shape));
            is_argument("reshape", x.reshape(shape));
            is_argument("an expression's", Expr::from(&x).broadcast_to(shape).sum(..).eval());
        }
        let (row, column) = (x.broadcast_to([1, 1 << 40]).unwrap(), x.broadcast_to([1 << 40, 1]).unwrap());
        is_argument("a product", (&row * &column).eval());
        is_argument("its sum", (&row * &column).sum(..).eval());
        let (i, j) = (row.reshape([1 << 40]).unwrap(), column.reshape([1 << 40]).unwrap());
        is_argument("an outer product", einsum("i,j->ij", &[&i, &j]).eval());
        is_argument("three", einsum("i,j,k->ik", &[&i, &j, &i]).eval());
        // An empty tensor has no elements to count.
        let empty = x.narrow(0, 0, 0).unwrap();
        assert_eq!(empty.broadcast_to([1 << 40, 0, 1 << 40]).unwrap().numel(), 0, "{device}");
    }
}

#[test]
fn dims_and_ranges_beyond_everything() {
    for device in devices::devices() {
        let x = Tensor::zeros([4, 6], DType::F32, &device).unwrap();
        let far = [isize::MIN, isize::MIN + 1, isize::MAX, 1 << 40, -3];
        for dim in far {
            assert!(matches!(x.flip(dim), Err(Error::Dim { .. })), "flip {dim}");
            assert!(matches!(x.transpose(0, dim), Err(Error::Dim { .. })), "transpose {dim}");
            assert!(matches!(x.sum(dim).eval(), Err(Error::Dim { .. })), "sum {dim}");
            assert!(matches!(x.narrow(dim, 0, 1), Err(Error::Dim { .. })), "narrow {dim}");
        }
        for (start, len) in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX, usize::MAX), (5, 2), (7, 0)] {
            is_argument("narrow", x.narrow(1, start, len));
        }
        for (start, end, step) in [(0, usize::MAX, 1), (0, 6, 0), (usize::MAX, usize::MAX, usize::MAX), (4, 2, 1)] {
            is_argument("slice", x.slice(1, start, end, step));
        }
        // A step beyond the end takes the first element; its stride is never walked.
        let first = x.slice(1, 2, 6, usize::MAX).unwrap();
        assert_eq!((first.shape().to_string(), (&first + 1.0).eval().unwrap().numel()), ("[4, 1]".to_owned(), 4));
    }
}

#[test]
fn sizes_and_strides_beyond_32_bits_are_right() {
    for device in devices::devices() {
        // Nothing but one element in memory, seen as more than 32 bits count; pieces of it are read.
        let x = one(&device).broadcast_to([1 << 35, 1 << 20]).unwrap();
        let part = x.slice(0, 5, 1 << 35, (1 << 34) + 1).unwrap().narrow(1, (1 << 20) - 3, 3).unwrap();
        assert_eq!(part.shape().to_string(), "[2, 3]");
        assert_eq!((&part * 2.0).sum(..).eval().unwrap().item::<f32>().unwrap(), 36.0, "{device}");
    }
}

#[test]
fn results_that_no_memory_holds() {
    for device in devices::devices() {
        let x = one(&device).broadcast_to([1 << 30, 1 << 28]).unwrap();
        let error = (&x + 1.0).eval().unwrap_err();
        assert!(matches!(error, Error::Limit { .. } | Error::OutOfMemory { .. }), "{device}: {error:?}");
        let error = x.contiguous().unwrap_err();
        assert!(matches!(error, Error::Limit { .. } | Error::OutOfMemory { .. }), "{device}: {error:?}");
    }
}

#[test]
fn work_in_more_pieces_than_can_be_planned() {
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        // 2^59 terms, of which a launch may take 2^31.
        let x = one(&device).broadcast_to([1 << 39, 1 << 20]).unwrap();
        let error = x.sum(..).eval().unwrap_err();
        assert!(matches!(error, Error::Limit { limit: "launches of one evaluation", .. }), "{device}: {error:?}");
    }
}
