//! Elements: Rust types that are those of some tensor, and their bytes.

use std::borrow::Cow;
use std::fmt;

use half::{bf16, f16};

use super::dtype::DType;
use super::pages;

mod private {
    pub trait Sealed {}
}

/// A Rust type that is the element type of some tensor.
pub trait Element: Copy + Default + Send + Sync + fmt::Debug + private::Sealed + 'static {
    /// The tensor dtype with these elements.
    const DTYPE: DType;
    /// The elements as the bytes a tensor stores.
    fn as_bytes(values: &[Self]) -> Cow<'_, [u8]>;
    /// The elements a tensor's bytes stand for. `bytes` holds whole elements.
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
    /// Writes the elements a tensor's bytes stand for to `values`, of which there are as many.
    fn copy_from_bytes(bytes: &[u8], values: &mut [Self]);
    /// The element nearest to `value`.
    fn from_f64(value: f64) -> Self;
    /// The element as an f64: exactly, but for integers beyond 2^53, of which it is the nearest.
    fn to_f64(self) -> f64;
}

macro_rules! element {
    ($($ty:ty, $dtype:ident, |$x:ident| $to:expr, |$v:ident| $from:expr);*) => {$(
        impl private::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            fn as_bytes(values: &[Self]) -> Cow<'_, [u8]> { Cow::Borrowed(bytemuck::cast_slice(values)) }
            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                let mut values = pages::zeros(bytes.len() / size_of::<Self>());
                Self::copy_from_bytes(bytes, &mut values);
                values
            }
            fn copy_from_bytes(bytes: &[u8], values: &mut [Self]) {
                bytemuck::cast_slice_mut(values).copy_from_slice(bytes);
            }
            fn from_f64($v: f64) -> Self { $from }
            fn to_f64(self) -> f64 { let $x = self; $to }
        }
    )*};
}
element!(
    f32, F32, |x| f64::from(x), |v| v as f32;
    f64, F64, |x| x, |v| v;
    f16, F16, |x| x.to_f64(), |v| f16::from_f32(to_odd(v));
    bf16, BF16, |x| x.to_f64(), |v| bf16::from_f32(to_odd(v));
    i8, I8, |x| f64::from(x), |v| v as i8;
    i16, I16, |x| f64::from(x), |v| v as i16;
    i32, I32, |x| f64::from(x), |v| v as i32;
    i64, I64, |x| x as f64, |v| v as i64;
    u8, U8, |x| f64::from(x), |v| v as u8;
    u16, U16, |x| f64::from(x), |v| v as u16;
    u32, U32, |x| f64::from(x), |v| v as u32;
    u64, U64, |x| x as f64, |v| v as u64
);

/// A value of `$body` with `$T` the type of a dtype's elements.
macro_rules! for_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        for_dtype!(@each $dtype, $T => $body;
            Bool bool, U8 u8, I8 i8, I16 i16, I32 i32, I64 i64, U16 u16, U32 u32, U64 u64, F16 half::f16, BF16 half::bf16, F32 f32, F64 f64)
    };
    (@each $dtype:expr, $T:ident => $body:expr; $($variant:ident $element:ty),*) => {
        match $dtype {
            $($crate::DType::$variant => {
                type $T = $element;
                $body
            })*
        }
    };
}
pub(crate) use for_dtype;

impl private::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn as_bytes(values: &[Self]) -> Cow<'_, [u8]> {
        // A bool is one byte, 0 or 1, by the language's own promise.
        Cow::Borrowed(bytemuck::cast_slice(values))
    }
    fn from_bytes(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|&b| b != 0).collect()
    }
    fn copy_from_bytes(bytes: &[u8], values: &mut [Self]) {
        values.iter_mut().zip(bytes).for_each(|(value, &byte)| *value = byte != 0);
    }
    fn from_f64(value: f64) -> Self {
        value != 0.0
    }
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
}

/// To f32, an inexact value to the neighbour whose last bit is 1.
///
/// Rounding that once more, to f16 or bf16, gives what rounding the f64 at once would: an f32 so made is a tie only if
/// the f64 is one. (Rounding to nearest twice would make ties of values near one.)
#[allow(clippy::inline_always, reason = "it is a part of loops that are compiled for several instruction sets")]
#[inline(always)]
pub(crate) fn to_odd(x: f64) -> f32 {
    let near = x as f32;
    let wide = f64::from(near);
    let bits = near.to_bits();
    let toward_zero = bits - u32::from(wide.abs() > x.abs());
    f32::from_bits(if wide == x { bits } else { toward_zero | 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Just above the middle of two halves, and just below it.
    #[test]
    fn halves_are_rounded_once() {
        let (middle, little) = (1.0 + 2f64.powi(-11), 2f64.powi(-45));
        assert_eq!(<f16 as Element>::from_f64(middle + little).to_f64(), 1.0 + 2f64.powi(-10));
        assert_eq!(<f16 as Element>::from_f64(middle - little).to_f64(), 1.0);
        assert_eq!(<f16 as Element>::from_f64(middle).to_f64(), 1.0);
        assert_eq!(<bf16 as Element>::from_f64(1.0 + 2f64.powi(-8) + 2f64.powi(-45)).to_f64(), 1.0 + 2f64.powi(-7));
        assert_eq!(<bf16 as Element>::from_f64(1.0 + 2f64.powi(-8) - 2f64.powi(-45)).to_f64(), 1.0);
        assert!(<f16 as Element>::from_f64(f64::NAN).is_nan());
        assert_eq!(<f16 as Element>::from_f64(65520.0), f16::INFINITY);
    }
}
