//! The elementwise operations and reductions: one row each for name, dtype rule, meaning and WGSL.
//!
//! To add an elementwise operation, add a variant and a row here, its strip in `cpu/strips.rs` and, if WGSL has no
//! such function, its formula in `shaders/lib/`. Tests and `hadamard check` walk the `ALL` lists.

use crate::DType;
use crate::base::dtype::Category;

/// Which dtypes an operation takes and which it gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Numbers to the same dtype; bool is refused.
    Number,
    /// Anything to the same dtype.
    Same,
    /// Anything, turned into a float first.
    Float,
    /// Numbers or bool to bool.
    Predicate,
    /// Anything, turned into bool first, to bool.
    Logical,
}

/// Elementwise functions of one argument.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the variants are PyTorch's names")]
pub enum UnaryOp {
    Neg,
    Abs,
    Sign,
    Sqrt,
    Rsqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sin,
    Cos,
    Tanh,
    Sigmoid,
    Relu,
    Erf,
    Floor,
    Ceil,
    Round,
    Trunc,
    IsNan,
    Not,
}

impl UnaryOp {
    /// Every unary operation.
    pub const ALL: [Self; 21] = [
        Self::Neg,
        Self::Abs,
        Self::Sign,
        Self::Sqrt,
        Self::Rsqrt,
        Self::Exp,
        Self::Expm1,
        Self::Log,
        Self::Log1p,
        Self::Sin,
        Self::Cos,
        Self::Tanh,
        Self::Sigmoid,
        Self::Relu,
        Self::Erf,
        Self::Floor,
        Self::Ceil,
        Self::Round,
        Self::Trunc,
        Self::IsNan,
        Self::Not,
    ];

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neg => "neg",
            Self::Abs => "abs",
            Self::Sign => "sign",
            Self::Sqrt => "sqrt",
            Self::Rsqrt => "rsqrt",
            Self::Exp => "exp",
            Self::Expm1 => "expm1",
            Self::Log => "log",
            Self::Log1p => "log1p",
            Self::Sin => "sin",
            Self::Cos => "cos",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Relu => "relu",
            Self::Erf => "erf",
            Self::Floor => "floor",
            Self::Ceil => "ceil",
            Self::Round => "round",
            Self::Trunc => "trunc",
            Self::IsNan => "isnan",
            Self::Not => "logical_not",
        }
    }

    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Neg | Self::Relu | Self::Floor | Self::Ceil | Self::Round | Self::Trunc => Rule::Number,
            Self::Abs | Self::Sign => Rule::Same,
            Self::IsNan => Rule::Predicate,
            Self::Not => Rule::Logical,
            _ => Rule::Float,
        }
    }

    /// How far a result may be from the exact one on any device, in units in the last place: 0 for what is exact.
    /// `hadamard check` measures it; docs/accuracy.md says what is measured, and of sine and cosine, how far out.
    pub(crate) const fn ulp(self) -> f64 {
        match self {
            Self::Sqrt
            | Self::Rsqrt
            | Self::Exp
            | Self::Expm1
            | Self::Log
            | Self::Log1p
            | Self::Sin
            | Self::Cos
            | Self::Tanh
            | Self::Sigmoid
            | Self::Erf => 4.0,
            _ => 0.0,
        }
    }

    /// The meaning, in f64. The reference computes with it; the strips and the shaders have their own formulas.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Neg => -x,
            Self::Abs => x.abs(),
            Self::Sign if x > 0.0 => 1.0,
            Self::Sign if x < 0.0 => -1.0,
            // PyTorch's sign of NaN is 0, and it drops the sign of zero.
            Self::Sign => 0.0,
            Self::Sqrt => x.sqrt(),
            Self::Rsqrt => 1.0 / x.sqrt(),
            Self::Exp => x.exp(),
            Self::Expm1 => x.exp_m1(),
            Self::Log => x.ln(),
            Self::Log1p => x.ln_1p(),
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Relu if x <= 0.0 => 0.0,
            Self::Relu => x,
            Self::Erf => libm::erf(x),
            Self::Floor => x.floor(),
            Self::Ceil => x.ceil(),
            Self::Round => x.round_ties_even(),
            Self::Trunc => x.trunc(),
            Self::IsNan => f64::from(u8::from(x.is_nan())),
            Self::Not => f64::from(u8::from(x == 0.0)),
        }
    }
}

/// Elementwise operations of two arguments.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the variants are PyTorch's names")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Maximum,
    Minimum,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

impl BinaryOp {
    /// Every binary operation.
    pub const ALL: [Self; 15] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Pow,
        Self::Maximum,
        Self::Minimum,
        Self::Eq,
        Self::Ne,
        Self::Lt,
        Self::Le,
        Self::Gt,
        Self::Ge,
        Self::And,
        Self::Or,
    ];

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Pow => "pow",
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Lt => "lt",
            Self::Le => "le",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::And => "logical_and",
            Self::Or => "logical_or",
        }
    }

    pub(crate) const fn rule(self) -> Rule {
        match self {
            Self::Add | Self::Mul | Self::Maximum | Self::Minimum => Rule::Same,
            Self::Sub | Self::Pow => Rule::Number,
            Self::Div => Rule::Float,
            Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => Rule::Predicate,
            Self::And | Self::Or => Rule::Logical,
        }
    }

    /// How far a result may be from the exact one on any device, in units in the last place: 0 for what is exact.
    pub(crate) const fn ulp(self) -> f64 {
        match self {
            Self::Add | Self::Sub | Self::Mul => 0.5,
            // What WGSL promises.
            Self::Div => 2.5,
            Self::Pow => 4.0,
            _ => 0.0,
        }
    }

    /// The meaning, in f64. NaN on either side of a maximum or minimum wins, as in PyTorch.
    pub fn apply(self, a: f64, b: f64) -> f64 {
        let truth = |t: bool| f64::from(u8::from(t));
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => a.powf(b),
            Self::Maximum | Self::Minimum if a.is_nan() || b.is_nan() => f64::NAN,
            Self::Maximum => a.max(b),
            Self::Minimum => a.min(b),
            Self::Eq => truth(a == b),
            Self::Ne => truth(a != b),
            Self::Lt => truth(a < b),
            Self::Le => truth(a <= b),
            Self::Gt => truth(a > b),
            Self::Ge => truth(a >= b),
            Self::And => truth(a != 0.0 && b != 0.0),
            Self::Or => truth(a != 0.0 || b != 0.0),
        }
    }

    /// The meaning on 32-bit integers, which wrap. Division never comes here: it gives a float.
    pub fn apply_i32(self, a: i32, b: i32) -> i32 {
        match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Pow => wrapping_pow(a, b),
            Self::Maximum => a.max(b),
            Self::Minimum => a.min(b),
            _ => self.apply(f64::from(a), f64::from(b)) as i32,
        }
    }
}

/// `base` to the power `exponent`, wrapping; a negative exponent gives 0 except for bases 1 and -1, as in PyTorch.
pub(crate) fn wrapping_pow(base: i32, exponent: i32) -> i32 {
    match u32::try_from(exponent) {
        Ok(exponent) => base.wrapping_pow(exponent),
        Err(_) if base == 1 => 1,
        Err(_) if base == -1 => 1 - 2 * (exponent & 1),
        Err(_) => 0,
    }
}

/// Reductions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the variants are PyTorch's names")]
pub enum ReduceOp {
    Sum,
    Mean,
    Prod,
    Amax,
    Amin,
    Any,
    All,
}

impl ReduceOp {
    /// Every reduction.
    pub const ALL: [Self; 7] = [Self::Sum, Self::Mean, Self::Prod, Self::Amax, Self::Amin, Self::Any, Self::All];

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Prod => "prod",
            Self::Amax => "amax",
            Self::Amin => "amin",
            Self::Any => "any",
            Self::All => "all",
        }
    }

    /// The dtype of the result, or `None` where the operation is not defined for `dtype`.
    ///
    /// Sums and products of integers and of bools are i32 and wrap (PyTorch: i64).
    pub(crate) fn dtype(self, dtype: DType) -> Option<DType> {
        match self {
            Self::Sum | Self::Prod if dtype.category() < Category::Float => Some(DType::I32),
            Self::Mean if !dtype.is_float() => None,
            Self::Any | Self::All => Some(DType::Bool),
            _ => Some(dtype),
        }
    }

    /// Whether a reduction of no elements has a value.
    pub(crate) const fn has_identity(self) -> bool {
        !matches!(self, Self::Amax | Self::Amin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_is_listed_once() {
        let names: std::collections::HashSet<_> = UnaryOp::ALL
            .iter()
            .map(|op| op.name())
            .chain(BinaryOp::ALL.iter().map(|op| op.name()))
            .chain(ReduceOp::ALL.iter().map(|op| op.name()))
            .collect();
        assert_eq!(names.len(), UnaryOp::ALL.len() + BinaryOp::ALL.len() + ReduceOp::ALL.len());
    }

    #[test]
    fn integer_powers_wrap_and_take_negative_exponents() {
        assert_eq!(wrapping_pow(3, 4), 81);
        assert_eq!(wrapping_pow(-1, -3), -1);
        assert_eq!(wrapping_pow(-1, -4), 1);
        assert_eq!(wrapping_pow(7, -1), 0);
        assert_eq!(wrapping_pow(2, 33), 0);
    }
}
