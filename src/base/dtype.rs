//! Dtypes, their promotion, and numbers.

use std::fmt;

use crate::{Error, Result};

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    /// A truth value, one byte, 0 or 1.
    Bool,
    /// An unsigned byte; arithmetic wraps at 256.
    U8,
    /// A signed byte; arithmetic wraps at -128 and 127.
    I8,
    /// A 16-bit signed integer; arithmetic wraps.
    I16,
    /// A 32-bit signed integer; arithmetic wraps.
    I32,
    /// A 64-bit signed integer; arithmetic wraps. On GPUs without them, two words of 32 bits.
    I64,
    /// A 16-bit unsigned integer; arithmetic wraps at 65,536. See [`promote`](Self::promote).
    U16,
    /// A 32-bit unsigned integer; arithmetic wraps at 2³².
    U32,
    /// A 64-bit unsigned integer; arithmetic wraps at 2⁶⁴. Not every operation on integers takes it.
    U64,
    /// IEEE 754 half precision; computed in f32, rounded when stored.
    F16,
    /// bfloat16; computed in f32, rounded when stored.
    BF16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision. Adapters that cannot compute in it hold it, copy it and convert it.
    F64,
}

/// The pattern of the integer dtypes.
macro_rules! integers {
    () => {
        $crate::DType::U8
            | $crate::DType::I8
            | $crate::DType::I16
            | $crate::DType::I32
            | $crate::DType::I64
            | $crate::DType::U16
            | $crate::DType::U32
            | $crate::DType::U64
    };
}
pub(crate) use integers;

/// The pattern of the dtypes that nothing is computed in: see [`DType::compute`].
macro_rules! only_stored {
    () => {
        $crate::DType::U8
            | $crate::DType::I8
            | $crate::DType::I16
            | $crate::DType::U16
            | $crate::DType::U32
            | $crate::DType::U64
            | $crate::DType::F16
            | $crate::DType::BF16
    };
}
pub(crate) use only_stored;

/// The kinds of number, weakest first: an operand of a stronger kind decides the dtype of the result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Category {
    Bool,
    Int,
    Float,
}

impl DType {
    /// Every dtype.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::U8,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
    ];

    /// Bytes an element takes in memory.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// The short name used in text and files: `f32`, `bf16`, `bool`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Whether this is one of the floating-point types.
    pub const fn is_float(self) -> bool {
        matches!(self.category(), Category::Float)
    }

    pub(crate) const fn category(self) -> Category {
        match self {
            Self::Bool => Category::Bool,
            integers!() => Category::Int,
            Self::F16 | Self::BF16 | Self::F32 | Self::F64 => Category::Float,
        }
    }

    /// The dtype arithmetic on elements of this one is carried out in. It holds each of them, but for u64: an i64 has the
    /// same bits.
    pub(crate) const fn compute(self) -> Self {
        match self {
            Self::Bool => Self::Bool,
            Self::U8 | Self::I8 | Self::I16 | Self::I32 | Self::U16 => Self::I32,
            Self::I64 | Self::U32 | Self::U64 => Self::I64,
            Self::F16 | Self::BF16 | Self::F32 => Self::F32,
            Self::F64 => Self::F64,
        }
    }

    /// Whether this is an integer that is computed in a wider one, and so wrapped after each step.
    pub(crate) const fn is_narrow_integer(self) -> bool {
        matches!(self.category(), Category::Int) && self.size() < self.compute().size()
    }

    /// The dtype of an operation on two tensors of equal standing, as `torch.promote_types`: `None` for u16, u32 and u64
    /// beside another dtype that is no float, which PyTorch refuses.
    ///
    /// ```
    /// use hadamard::DType::{BF16, F16, F32, I8, I16, I32, U8, U32};
    /// assert_eq!(F16.promote(BF16), Some(F32));
    /// assert_eq!(I32.promote(F16), Some(F16));
    /// assert_eq!(U8.promote(I32), Some(I32));
    /// assert_eq!(U8.promote(I8), Some(I16));
    /// assert_eq!(U32.promote(F16), Some(F16));
    /// assert_eq!(U32.promote(I32), None);
    /// ```
    #[must_use]
    pub fn promote(self, other: Self) -> Option<Self> {
        let stands_alone = |dtype| matches!(dtype, Self::U16 | Self::U32 | Self::U64);
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Self::F16, Self::BF16) | (Self::BF16, Self::F16) => Some(Self::F32),
            // The smallest that holds the values of both.
            (Self::U8, Self::I8) | (Self::I8, Self::U8) => Some(Self::I16),
            (a, b) if (stands_alone(a) || stands_alone(b)) && !a.max(b).is_float() => None,
            (a, b) => Some(a.max(b)),
        }
    }

    /// The dtype that both are promoted to, or the error of an operation on them.
    pub(crate) fn promoted(self, other: Self, op: &'static str) -> Result<Self> {
        const EXPECTED: &str = "dtypes that are promoted to a common one (cast one to the other's)";
        self.promote(other).ok_or_else(|| Error::argument(op, EXPECTED, format!("{self} and {other}")))
    }

    /// The dtype floating-point functions of this one give: itself if it is a float, else f32.
    #[must_use]
    pub const fn to_float(self) -> Self {
        if self.is_float() { self } else { Self::F32 }
    }

    /// The dtype of sums and products of elements of this one: i64 for integers and bools, as in PyTorch.
    #[must_use]
    pub const fn to_sum(self) -> Self {
        if self.is_float() { self } else { Self::I64 }
    }

    /// The least and the largest value, of the integers; of u64, the largest that is a number in an expression.
    pub(crate) const fn integer_range(self) -> Option<(i64, i64)> {
        match self {
            Self::U16 => Some((0, u16::MAX as i64)),
            Self::U32 => Some((0, u32::MAX as i64)),
            Self::U64 => Some((0, i64::MAX)),
            Self::U8 => Some((0, u8::MAX as i64)),
            Self::I8 => Some((i8::MIN as i64, i8::MAX as i64)),
            Self::I16 => Some((i16::MIN as i64, i16::MAX as i64)),
            Self::I32 => Some((i32::MIN as i64, i32::MAX as i64)),
            Self::I64 => Some((i64::MIN, i64::MAX)),
            Self::Bool | Self::F16 | Self::BF16 | Self::F32 | Self::F64 => None,
        }
    }

    /// An integer as one of this dtype, wrapped; as it is for dtypes that are no integers, and for u64, whose bits it is.
    pub(crate) const fn wrap(self, value: i64) -> i64 {
        match self {
            Self::U8 => value as u8 as i64,
            Self::I8 => value as i8 as i64,
            Self::I16 => value as i16 as i64,
            Self::I32 => value as i32 as i64,
            Self::U16 => value as u16 as i64,
            Self::U32 => value as u32 as i64,
            Self::I64 | Self::U64 | Self::Bool | Self::F16 | Self::BF16 | Self::F32 | Self::F64 => value,
        }
    }

    /// Unit roundoff: half the distance from 1 to the next value. 0 for integers and bool.
    pub fn epsilon(self) -> f64 {
        match self {
            Self::F64 => 2f64.powi(-53),
            Self::F32 => 2f64.powi(-24),
            Self::F16 => 2f64.powi(-11),
            Self::BF16 => 2f64.powi(-8),
            Self::Bool
            | Self::U8
            | Self::I8
            | Self::I16
            | Self::I32
            | Self::I64
            | Self::U16
            | Self::U32
            | Self::U64 => 0.0,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for DType {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|d| d.name()).collect();
            Error::argument("dtype", format!("one of {}", names.join(", ")), format!("'{name}'"))
        })
    }
}

/// How much an operand's dtype weighs in promotion (PyTorch's three levels).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Standing {
    /// A number: takes the dtype of the tensor it meets, unless it is of a stronger kind.
    Weak,
    /// A tensor of rank 0.
    ZeroDim,
    /// A tensor with dims.
    Tensor,
}

/// The dtype of an operation on operands of these dtypes and standings, as `torch.result_type`.
pub(crate) fn result_type(op: &'static str, operands: impl IntoIterator<Item = (DType, Standing)>) -> Result<DType> {
    let mut level: [Option<DType>; 3] = [None; 3];
    for (dtype, standing) in operands {
        let slot = &mut level[standing as usize];
        *slot = Some(slot.map_or(Ok(dtype), |d| d.promoted(dtype, op))?);
    }
    // A weaker level speaks only where it is of a stronger kind of number.
    let combine = |strong: Option<DType>, weak: Option<DType>| match (strong, weak) {
        (Some(s), Some(w)) if w.category() > s.category() => s.promoted(w, op).map(Some),
        (s, w) => Ok(s.or(w)),
    };
    let [weak, zero, tensor] = level;
    Ok(combine(tensor, combine(zero, weak)?)?.unwrap_or(DType::F32))
}

/// A number in an expression. It is weak: it takes the dtype of what it meets, within its kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
}

impl Scalar {
    /// The dtype it has when it meets no tensor: bool, i64 or f32.
    pub const fn dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F32,
        }
    }

    /// The value as an f64.
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Bool(b) => f64::from(u8::from(b)),
            Self::Int(i) => i as f64,
            Self::Float(x) => x,
        }
    }

    /// The value as an i64; a float is truncated towards zero.
    pub fn to_i64(self) -> i64 {
        match self {
            Self::Bool(b) => i64::from(b),
            Self::Int(i) => i,
            Self::Float(x) => x as i64,
        }
    }

    /// Whether the value is not zero.
    pub fn to_bool(self) -> bool {
        match self {
            Self::Bool(b) => b,
            Self::Int(i) => i != 0,
            Self::Float(x) => x != 0.0,
        }
    }
}

macro_rules! scalar_from {
    ($($ty:ty => $variant:ident as $wide:ty),*) => {$(
        impl From<$ty> for Scalar {
            fn from(value: $ty) -> Self { Self::$variant(value as $wide) }
        }
    )*};
}
scalar_from!(bool => Bool as bool, u8 => Int as i64, u16 => Int as i64, u32 => Int as i64, i8 => Int as i64, i16 => Int as i64, i32 => Int as i64, i64 => Int as i64, f32 => Float as f64, f64 => Float as f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
        }
        assert!("f8".parse::<DType>().is_err());
    }

    #[test]
    fn patterns_are_what_they_are_called() {
        for dtype in DType::ALL {
            assert_eq!(matches!(dtype, integers!()), dtype.integer_range().is_some(), "{dtype}");
            assert_eq!(matches!(dtype, only_stored!()), dtype.compute() != dtype, "{dtype}");
        }
    }

    #[test]
    fn numbers_and_scalars_are_weak() {
        use DType::{Bool, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
        use Standing::{Tensor, Weak, ZeroDim};
        let result_type = |all: &[(DType, Standing)]| result_type("op", all.iter().copied()).ok();
        assert_eq!(result_type(&[(F16, Tensor), (F32, Weak)]), Some(F16));
        assert_eq!(result_type(&[(I32, Tensor), (F32, Weak)]), Some(F32));
        assert_eq!(result_type(&[(U8, Tensor), (I32, Weak)]), Some(U8));
        assert_eq!(result_type(&[(F32, Tensor), (F64, ZeroDim)]), Some(F32));
        assert_eq!(result_type(&[(I32, Tensor), (F64, ZeroDim)]), Some(F64));
        assert_eq!(result_type(&[(Bool, Tensor), (I64, Weak)]), Some(I64));
        assert_eq!(result_type(&[(I8, Tensor), (I64, Weak)]), Some(I8));
        assert_eq!(result_type(&[(I8, Tensor), (U8, Tensor), (I64, ZeroDim)]), Some(I16));
        assert_eq!(result_type(&[(U16, Tensor), (I64, ZeroDim), (I64, Weak)]), Some(U16));
        assert_eq!(result_type(&[(U64, Tensor), (F32, Weak)]), Some(F32));
        assert_eq!(result_type(&[(U32, Tensor), (F16, Tensor)]), Some(F16));
        assert_eq!(result_type(&[(U32, Tensor), (U64, Tensor)]), None);
        assert_eq!(result_type(&[(U32, ZeroDim), (Bool, ZeroDim)]), None);
    }
}
