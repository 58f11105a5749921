//! Elements as f64, whatever the dtype. Integers beyond 2^53 are rounded.

use hadamard::{DType, Device, Element, Tensor};
use half::{bf16, f16};

/// A tensor of these values, each converted to the dtype.
#[allow(dead_code, reason = "not every test makes tensors of every dtype")]
pub(crate) fn upload(values: &[f64], shape: &[usize], dtype: DType, device: &Device) -> Tensor {
    fn of<T: Element>(values: &[f64], shape: &[usize], device: &Device) -> Tensor {
        let values: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
        Tensor::from_slice(&values, shape, device).unwrap()
    }
    let of = match dtype {
        DType::Bool => of::<bool>,
        DType::U8 => of::<u8>,
        DType::I8 => of::<i8>,
        DType::I16 => of::<i16>,
        DType::I32 => of::<i32>,
        DType::I64 => of::<i64>,
        DType::U16 => of::<u16>,
        DType::U32 => of::<u32>,
        DType::U64 => of::<u64>,
        DType::F16 => of::<f16>,
        DType::BF16 => of::<bf16>,
        DType::F32 => of::<f32>,
        DType::F64 => of::<f64>,
    };
    of(values, shape, device)
}

/// The elements of a tensor.
pub(crate) fn values(tensor: &Tensor) -> Vec<f64> {
    fn of<T: Element>(tensor: &Tensor) -> Vec<f64> {
        tensor.to_vec::<T>().unwrap().into_iter().map(T::to_f64).collect()
    }
    let of = match tensor.dtype() {
        DType::Bool => of::<bool>,
        DType::U8 => of::<u8>,
        DType::I8 => of::<i8>,
        DType::I16 => of::<i16>,
        DType::I32 => of::<i32>,
        DType::I64 => of::<i64>,
        DType::U16 => of::<u16>,
        DType::U32 => of::<u32>,
        DType::U64 => of::<u64>,
        DType::F16 => of::<f16>,
        DType::BF16 => of::<bf16>,
        DType::F32 => of::<f32>,
        DType::F64 => of::<f64>,
    };
    of(tensor)
}
