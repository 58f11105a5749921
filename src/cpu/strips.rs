//! The loop of each operation on each compute dtype, and of each conversion.
//!
//! An operation without a SIMD loop here is computed by its row, slowly ([`Plain`]). A bool is a byte, 0 or 1, here as in
//! memory.

use super::division;
use super::functions::{Fused, Split, division as leftover, double, single};
use super::loops::{Body, Loop, map1, map1_in_place, map2, map2_in_place, map3, map3_in_place};
use super::plain::Plain;
use super::widest::{Formula, wide1, wide2};
use super::{half, math, philox};
use crate::base::dtype::only_stored;
use crate::base::element::to_odd;
use crate::expr::op::Integer;
use crate::{BinaryOp, DType, UnaryOp};

/// `op` on elements of a compute dtype, by a loop of its own or by the one that all share.
pub(super) fn unary(op: UnaryOp, dtype: DType) -> Loop {
    let own = match dtype {
        DType::F32 => unary_f32(op),
        DType::F64 => unary_f64(op),
        DType::I32 => unary_i32(op),
        DType::I64 => unary_i64(op),
        DType::Bool => unary_bool(op),
        only_stored!() => None,
    };
    own.unwrap_or_else(|| plain(Plain::Unary(op, dtype)))
}

fn plain(plain: Plain) -> Loop {
    Loop::new(Body::Plain(plain))
}

/// The loop of a function of [`functions`](super::functions), by its formula for either kind of CPU.
macro_rules! wide {
    ($wide:ident, $x:ty => $t:ty, $fused:expr, $split:expr $(, far $is_far:expr, $is_far_split:expr, $far:expr)?) => {{
        #[derive(Clone, Copy)]
        struct Of;
        impl Formula<$x> for Of {
            type Out = $t;

            #[inline(always)]
            fn near<const FUSED: bool>(x: $x) -> $t {
                if FUSED { $fused(x) } else { $split(x) }
            }
            $(
                const GUARDED: bool = true;

                #[inline(always)]
                fn is_far<const FUSED: bool>(x: $x) -> bool {
                    if FUSED { $is_far(x) } else { $is_far_split(x) }
                }

                fn far(x: $x) -> $t {
                    $far(x)
                }
            )?
        }
        $wide(Of)
    }};
}

macro_rules! unary {
    ($functions:ident, $t:ident, $name:ident) => {
        wide!(wide1, $t => $t, $functions::$name::<Fused>, $functions::$name::<Split>)
    };
}

/// The same of a circular function, of large arguments by the standard library's.
macro_rules! circular {
    ($functions:ident, $t:ident, $name:ident) => {
        wide!(wide1, $t => $t, $functions::$name::<Fused>, $functions::$name::<Split>,
            far $functions::is_far::<Fused>, $functions::is_far::<Split>, $t::$name)
    };
}

macro_rules! unary_float {
    ($name:ident, $t:ident, $functions:ident) => {
        #[allow(unreachable_patterns, reason = "an operation need not have a loop of its own")]
        fn $name(op: UnaryOp) -> Option<Loop> {
            Some(match op {
                UnaryOp::Neg => map1_in_place(|x: $t| -x),
                UnaryOp::Abs => map1_in_place(|x: $t| x.abs()),
                // Of NaN and of both zeros: 0.
                UnaryOp::Sign => map1(|x: $t| $t::from(i8::from(x > 0.0) - i8::from(x < 0.0))),
                UnaryOp::Sqrt => wide!(wide1, $t => $t, $t::sqrt, $t::sqrt),
                UnaryOp::Rsqrt => map1(|x: $t| 1.0 / x.sqrt()),
                UnaryOp::Exp => unary!($functions, $t, exp),
                UnaryOp::Exp2 => unary!($functions, $t, exp2),
                UnaryOp::Expm1 => unary!($functions, $t, expm1),
                UnaryOp::Log => unary!($functions, $t, log),
                UnaryOp::Log1p => unary!($functions, $t, log1p),
                UnaryOp::Log2 => unary!($functions, $t, log2),
                UnaryOp::Log10 => unary!($functions, $t, log10),
                UnaryOp::Sin => circular!($functions, $t, sin),
                UnaryOp::Cos => circular!($functions, $t, cos),
                UnaryOp::Tan => circular!($functions, $t, tan),
                UnaryOp::Asin => unary!($functions, $t, asin),
                UnaryOp::Acos => unary!($functions, $t, acos),
                UnaryOp::Atan => unary!($functions, $t, atan),
                UnaryOp::Sinh => unary!($functions, $t, sinh),
                UnaryOp::Cosh => unary!($functions, $t, cosh),
                UnaryOp::Tanh => unary!($functions, $t, tanh),
                UnaryOp::Asinh => unary!($functions, $t, asinh),
                UnaryOp::Acosh => unary!($functions, $t, acosh),
                UnaryOp::Atanh => unary!($functions, $t, atanh),
                UnaryOp::Sigmoid => unary!($functions, $t, sigmoid),
                UnaryOp::Relu => map1_in_place(|x: $t| if x <= 0.0 { 0.0 } else { x }),
                UnaryOp::Erf => unary!($functions, $t, erf),
                UnaryOp::Erfc => unary!($functions, $t, erfc),
                UnaryOp::Erfinv => unary!($functions, $t, erfinv),
                UnaryOp::Gelu => unary!($functions, $t, gelu),
                UnaryOp::Ndtr => unary!($functions, $t, ndtr),
                UnaryOp::Lgamma => unary!($functions, $t, lgamma),
                UnaryOp::Digamma => unary!($functions, $t, digamma),
                UnaryOp::I0 => unary!($functions, $t, i0),
                UnaryOp::I1 => unary!($functions, $t, i1),
                UnaryOp::Floor => map1(|x: $t| x.floor()),
                UnaryOp::Ceil => map1(|x: $t| x.ceil()),
                UnaryOp::Round => map1(|x: $t| x.round_ties_even()),
                UnaryOp::Trunc => map1(|x: $t| x.trunc()),
                UnaryOp::IsNan => map1(|x: $t| u8::from(x.is_nan())),
                UnaryOp::Not => map1(|x: $t| u8::from(x == 0.0)),
                _ => return None,
            })
        }
    };
}
unary_float!(unary_f32, f32, single);
unary_float!(unary_f64, f64, double);

macro_rules! unary_integer {
    ($name:ident, $t:ident) => {
        fn $name(op: UnaryOp) -> Option<Loop> {
            Some(match op {
                UnaryOp::Neg => map1_in_place($t::wrapping_neg),
                UnaryOp::Abs => map1_in_place($t::wrapping_abs),
                UnaryOp::Sign => map1($t::signum),
                UnaryOp::Relu => map1_in_place(|x: $t| x.max(0)),
                _ => return None,
            })
        }
    };
}
unary_integer!(unary_i32, i32);
unary_integer!(unary_i64, i64);

fn unary_bool(op: UnaryOp) -> Option<Loop> {
    if op == UnaryOp::Not { Some(map1(|x: u8| u8::from(x == 0))) } else { None }
}

/// A word of Philox.
pub(super) fn random(word: u8) -> Loop {
    match word {
        0 => map3(philox::bits::<0>),
        1 => map3(philox::bits::<1>),
        2 => map3(philox::bits::<2>),
        _ => map3(philox::bits::<3>),
    }
}

/// `op` on elements of a compute dtype, by a loop of its own or by the one that all share.
pub(super) fn binary(op: BinaryOp, dtype: DType) -> Loop {
    let own = match dtype {
        DType::F32 => binary_f32(op).or_else(|| divide_f32(op)),
        DType::F64 => binary_f64(op).or_else(|| divide_f64(op)),
        DType::I32 => binary_i32(op).or_else(|| division::divide(op, dtype)),
        DType::I64 => binary_i64(op).or_else(|| division::divide(op, dtype)),
        DType::Bool => binary_bool(op),
        only_stored!() => None,
    };
    own.unwrap_or_else(|| plain(Plain::Binary(op, dtype)))
}

macro_rules! compare {
    ($op:ident, $t:ty) => {
        match $op {
            BinaryOp::Eq => map2(|a: $t, b: $t| u8::from(a == b)),
            BinaryOp::Ne => map2(|a: $t, b: $t| u8::from(a != b)),
            BinaryOp::Lt => map2(|a: $t, b: $t| u8::from(a < b)),
            BinaryOp::Le => map2(|a: $t, b: $t| u8::from(a <= b)),
            BinaryOp::Gt => map2(|a: $t, b: $t| u8::from(a > b)),
            BinaryOp::Ge => map2(|a: $t, b: $t| u8::from(a >= b)),
            _ => return None,
        }
    };
}

macro_rules! binary_float {
    ($name:ident, $t:ident, $functions:ident, $nextafter:path) => {
        fn $name(op: BinaryOp) -> Option<Loop> {
            Some(match op {
                BinaryOp::Add => map2_in_place(|a: $t, b: $t| a + b),
                BinaryOp::Sub => map2_in_place(|a: $t, b: $t| a - b),
                BinaryOp::Mul => map2_in_place(|a: $t, b: $t| a * b),
                BinaryOp::Div => map2_in_place(|a: $t, b: $t| a / b),
                BinaryOp::Pow => wide!(wide2, ($t, $t) => $t, $functions::pow::<Fused>, $functions::pow::<Split>),
                BinaryOp::Atan2 => wide!(wide2, ($t, $t) => $t, $functions::atan2::<Fused>, $functions::atan2::<Split>),
                BinaryOp::Hypot => wide!(wide2, ($t, $t) => $t, $functions::hypot::<Fused>, $functions::hypot::<Split>),
                BinaryOp::Maximum => map2_in_place(math::maximum::<$t>),
                BinaryOp::Minimum => map2_in_place(math::minimum::<$t>),
                BinaryOp::Copysign => map2(|a: $t, b: $t| a.copysign(b)),
                BinaryOp::Nextafter => map2(|a: $t, b: $t| $nextafter(a, b)),
                _ => compare!(op, $t),
            })
        }
    };
}
binary_float!(binary_f32, f32, single, libm::nextafterf);
binary_float!(binary_f64, f64, double, libm::nextafter);

/// The loops of what wraps, of bits and of the larger and smaller of integers of any width; `others` for other operations.
macro_rules! arithmetic {
    ($op:ident, $t:ident, $others:expr) => {
        match $op {
            BinaryOp::Add => map2_in_place($t::wrapping_add),
            BinaryOp::Sub => map2_in_place($t::wrapping_sub),
            BinaryOp::Mul => map2_in_place($t::wrapping_mul),
            BinaryOp::Maximum => map2_in_place(|a: $t, b: $t| a.max(b)),
            BinaryOp::Minimum => map2_in_place(|a: $t, b: $t| a.min(b)),
            BinaryOp::BitwiseAnd => map2_in_place(|a: $t, b: $t| a & b),
            BinaryOp::BitwiseOr => map2_in_place(|a: $t, b: $t| a | b),
            BinaryOp::BitwiseXor => map2_in_place(|a: $t, b: $t| a ^ b),
            _ => $others,
        }
    };
}

pub(super) use arithmetic;

macro_rules! binary_integer {
    ($name:ident, $t:ident) => {
        fn $name(op: BinaryOp) -> Option<Loop> {
            Some(match op {
                BinaryOp::Pow => map2(<$t as Integer>::raised),
                BinaryOp::BitwiseLeftShift => map2_in_place(<$t as Integer>::shifted_left),
                BinaryOp::BitwiseRightShift => map2_in_place(<$t as Integer>::shifted_right),
                _ => arithmetic!(op, $t, compare!(op, $t)),
            })
        }
    };
}
binary_integer!(binary_i32, i32);
binary_integer!(binary_i64, i64);

/// The loop of a division, of quotients too large and of zeros and infinities by the operation's meaning.
macro_rules! divide {
    ($op:ident, $t:ident, $fused:expr, $split:expr, $is_far:expr, $is_far_split:expr) => {
        wide!(wide2, ($t, $t) => $t, $fused, $split,
            far $is_far, $is_far_split, |(a, b): ($t, $t)| BinaryOp::$op.apply(a.into(), b.into()) as $t)
    };
}

fn divide_f32(op: BinaryOp) -> Option<Loop> {
    macro_rules! divided {
        ($op:ident, $name:ident) => {
            divide!($op, f32, leftover::$name, leftover::$name, leftover::is_far_f32, leftover::is_far_f32)
        };
    }
    Some(match op {
        BinaryOp::Fmod => divided!(Fmod, fmod_f32),
        BinaryOp::Remainder => divided!(Remainder, remainder_f32),
        BinaryOp::FloorDivide => divided!(FloorDivide, floor_divide_f32),
        _ => return None,
    })
}

fn divide_f64(op: BinaryOp) -> Option<Loop> {
    macro_rules! divided {
        ($op:ident, $name:ident) => {
            divide!(
                $op,
                f64,
                leftover::$name::<Fused>,
                leftover::$name::<Split>,
                leftover::is_far_f64::<Fused>,
                leftover::is_far_f64::<Split>
            )
        };
    }
    Some(match op {
        BinaryOp::Fmod => divided!(Fmod, fmod_f64),
        BinaryOp::Remainder => divided!(Remainder, remainder_f64),
        BinaryOp::FloorDivide => divided!(FloorDivide, floor_divide_f64),
        _ => return None,
    })
}

fn binary_bool(op: BinaryOp) -> Option<Loop> {
    Some(match op {
        BinaryOp::And => map2(|a: u8, b: u8| a & b),
        BinaryOp::Or => map2(|a: u8, b: u8| a | b),
        _ => return None,
    })
}

/// The first of two strips where a bool is true, else the second.
pub(super) fn select(dtype: DType) -> Loop {
    // Bits are all that matters.
    match dtype.size() {
        1 => map3_in_place(|c: u8, a: u8, b: u8| if c == 0 { b } else { a }),
        2 => map3_in_place(|c: u8, a: u16, b: u16| if c == 0 { b } else { a }),
        4 => map3_in_place(|c: u8, a: u32, b: u32| if c == 0 { b } else { a }),
        _ => map3_in_place(|c: u8, a: u64, b: u64| if c == 0 { b } else { a }),
    }
}

/// To the nearest value that `to` can hold, in the dtype `to` is computed in.
pub(super) fn round(from: DType, to: DType) -> Option<Loop> {
    Some(match (from, to) {
        (DType::F32, DType::F16) => half::nearest(),
        (DType::F64, DType::F16) => map1(|x: f64| math::f16_to_f32(math::f32_to_f16(to_odd(x)))),
        (DType::F32, DType::BF16) => map1(|x: f32| math::bf16_to_f32(math::f32_to_bf16(x))),
        (DType::F64, DType::BF16) => map1(|x: f64| math::bf16_to_f32(math::f32_to_bf16(to_odd(x)))),
        (DType::I32, DType::U8) => map1(|x: i32| x & 0xff),
        (DType::I32, DType::I8) => map1(|x: i32| i32::from(x as i8)),
        (DType::I32, DType::I16) => map1(|x: i32| i32::from(x as i16)),
        (DType::I32, DType::U16) => map1(|x: i32| x & 0xffff),
        (DType::I64, DType::U32) => map1(|x: i64| x & 0xffff_ffff),
        _ => return None,
    })
}

/// From one dtype to another: between what is stored and what is computed with, and between the latter. The caller
/// has seen that they differ.
pub(super) fn convert(from: DType, to: DType) -> Option<Loop> {
    use DType::{BF16, Bool, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32};
    Some(match (from, to) {
        (Bool | U8, I32) => map1(|x: u8| i32::from(x)),
        (I8, I32) => map1(|x: i8| i32::from(x)),
        (I16, I32) => map1(|x: i16| i32::from(x)),
        (U16, I32) => map1(|x: u16| i32::from(x)),
        (U32, I64) => map1(|x: u32| i64::from(x)),
        (Bool, I64) => map1(|x: u8| i64::from(x)),
        (I32, I64) => map1(|x: i32| i64::from(x)),
        (I64, I32) => map1(|x: i64| x as i32),
        (I64, Bool) => map1(|x: i64| u8::from(x != 0)),
        (I64, F32) => map1(|x: i64| x as f32),
        (I64, F64) => map1(|x: i64| x as f64),
        (F32, I64) => map1(|x: f32| x as i64),
        (F64, I64) => map1(|x: f64| x as i64),
        (Bool, F32) => map1(|x: u8| f32::from(x)),
        (Bool, F64) => map1(|x: u8| f64::from(x)),
        (I32, Bool) => map1(|x: i32| u8::from(x != 0)),
        (I32, F32) => map1(|x: i32| x as f32),
        (I32, F64) => map1(|x: i32| f64::from(x)),
        (F32, Bool) => map1(|x: f32| u8::from(x != 0.0)),
        (F32, I32) => map1(math::f32_to_i32),
        (F32, F64) => map1(|x: f32| f64::from(x)),
        (F64, Bool) => map1(|x: f64| u8::from(x != 0.0)),
        (F64, I32) => map1(math::f64_to_i32),
        (F64, F32) => map1(|x: f64| x as f32),
        (F16, F32) => half::widen(),
        (BF16, F32) => map1(math::bf16_to_f32),
        // The low bits: arithmetic on integers wraps.
        (I32, U8) => map1(|x: i32| x as u8),
        (I32, I8) => map1(|x: i32| x as i8),
        (I32, I16) => map1(|x: i32| x as i16),
        (I32, U16) => map1(|x: i32| x as u16),
        (I64, U32) => map1(|x: i64| x as u32),
        (F32, F16) => half::narrow(),
        (F32, BF16) => map1(math::f32_to_bf16),
        (F64, F16) => map1(|x: f64| math::f32_to_f16(to_odd(x))),
        (F64, BF16) => map1(|x: f64| math::f32_to_bf16(to_odd(x))),
        _ => return None,
    })
}

/// Elements as they are.
pub(super) fn order() -> Loop {
    map1(math::order)
}

pub(super) fn words() -> Loop {
    map2(math::words)
}

pub(super) fn copy(dtype: DType) -> Loop {
    match dtype.size() {
        1 => map1(|x: u8| x),
        2 => map1(|x: u16| x),
        4 => map1(|x: u32| x),
        _ => map1(|x: u64| x),
    }
}
