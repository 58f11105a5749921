//! The reference by hand.

use super::*;
use crate::{Device, einsum};

fn iota(shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    let values: Vec<f32> = (0..shape.numel()).map(|i| i as f32).collect();
    Tensor::from_slice(&values, shape, &Device::cpu()).unwrap()
}

fn values(expr: &Expr) -> Vec<f64> {
    let want = eval(expr).unwrap();
    assert!(want.bounds.iter().all(|&e| e == 0.0), "whole numbers need no bound: {want:?}");
    want.values
}

#[test]
fn a_multiply_reduce_by_hand() {
    let (a, b) = (iota([3, 2]), iota([2]));
    assert_eq!(values(&(&a * &b)), [0.0, 1.0, 0.0, 3.0, 0.0, 5.0]);
    assert_eq!(values(&(&a * &b).sum(0)), [0.0, 9.0]);
    assert_eq!(values(&(&a * &b).sum(1).keepdim().broadcast_to([3, 2])), [1.0, 1.0, 3.0, 3.0, 5.0, 5.0]);
    assert_eq!(values(&einsum("ij,kj->ik", &[&a, &a])), [1.0, 3.0, 5.0, 3.0, 13.0, 23.0, 5.0, 23.0, 41.0]);
    assert_eq!(values(&a.amax([0, 1])), [5.0]);
}

#[test]
fn views_of_leaves_are_read_by_stride() {
    let a = iota([2, 3]);
    assert_eq!(elements(&a.transpose(0, 1).unwrap()).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(elements(&a.flip(1).unwrap().narrow(0, 1, 1).unwrap()).unwrap(), [5.0, 4.0, 3.0]);
    assert_eq!(elements(&a.slice(1, 0, 3, 2).unwrap()).unwrap(), [0.0, 2.0, 3.0, 5.0]);
    assert_eq!(elements(&a.narrow(0, 1, 0).unwrap()).unwrap(), [0.0; 0]);
    assert_eq!(values(&(a.transpose(0, 1).unwrap() + 1)), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(values(&a.permute(&[1, 0]).unwrap().cast(DType::I32).reshape([6])), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
}

#[test]
fn numbers_take_the_dtype_they_meet() {
    let device = Device::cpu();
    let x = Tensor::from_slice(&[1.0_f32], [1], &device).unwrap();
    assert_eq!(eval(&x.maximum(16_777_217)).unwrap().values, [16_777_216.0]);
    let y = Tensor::from_slice(&[1.0_f64], [1], &device).unwrap();
    assert_eq!(eval(&y.maximum(16_777_217)).unwrap().values, [16_777_217.0]);
    let z = Tensor::from_slice(&[200_u8], [1], &device).unwrap();
    assert_eq!((values(&(&z + 100)), values(&-&z)), (vec![44.0], vec![56.0]));
}

#[test]
fn only_casts_round() {
    let x = Tensor::from_slice(&[half::f16::from_f32(0.1)], [1], &Device::cpu()).unwrap();
    let square = &x * &x;
    let exact = x.to_vec::<half::f16>().unwrap()[0].to_f64().powi(2);
    assert_eq!(eval(&square).unwrap().values, [exact]);
    assert_eq!(eval(&square.cast(DType::F32)).unwrap().values, [exact]);
    assert_eq!(eval(&square.cast(DType::BF16)).unwrap().values, [half::bf16::from_f64(exact).to_f64()]);
}

#[test]
fn a_long_chain_needs_no_stack_and_little_memory() {
    let x = iota([4]);
    let mut sum = Expr::from(&x);
    for _ in 0..100_000 {
        sum = sum + 1;
    }
    assert_eq!(values(&sum), [100_000.0, 100_001.0, 100_002.0, 100_003.0]);
}

#[test]
fn mistakes_come_out() {
    assert!(matches!(eval(&(iota([2]) * iota([3]))), Err(Error::Broadcast { .. })));
}

/// A number beyond i32 is one only where it becomes an i32.
#[test]
fn a_large_number_is_cast_as_it_is() {
    let values = |dtype| eval(&Expr::from(3_000_000_000_i64).cast(dtype)).unwrap().values;
    assert_eq!(values(DType::F32), [3e9]);
    assert_eq!(values(DType::F64), [3e9]);
    assert_eq!(values(DType::I32), [-1_294_967_296.0]);
    assert_eq!(eval(&Expr::from(1_i64 << 32).cast(DType::Bool)).unwrap().values, [1.0]);
}
