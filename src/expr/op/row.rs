//! What a row of the table says of an elementwise operation.

use crate::{DType, Error, Expr, Result};

/// What an operation of `N` arguments is. `Bound` is how errors pass through it: a
/// [`UnaryBound`](super::UnaryBound) or a [`BinaryBound`](super::BinaryBound).
pub(crate) struct Row<const N: usize, Bound> {
    /// Which dtypes it takes and which it gives.
    pub(crate) rule: DTypeRule,
    /// The exact result, in f64. The reference computes with it; the engines have formulas of their own.
    pub(crate) meaning: fn([f64; N]) -> f64,
    /// What it does with integers.
    pub(crate) integers: Integers<N>,
    /// The gradients of its arguments.
    pub(crate) grad: Grad<N>,
    /// How errors of its arguments pass to its result.
    pub(crate) bound: Bound,
    /// How it is written in a shader.
    pub(crate) wgsl: Wgsl,
    /// The least and the largest of each argument between which results are numbers on one branch of the function,
    /// neither beyond the range of f32 nor with digits lost on the way.
    pub(crate) domain: [(f64, f64); N],
    /// Floats to try it on, the usual ones first.
    pub(crate) draws: &'static [[Draw; N]],
    /// Arguments next to which a formula changes, cancels, overflows or ends: the neighbours of each and of its
    /// negative are measured. An exact operation, which is not measured, has none.
    pub(crate) places: &'static [[f64; N]],
}

impl<const N: usize, Bound> Row<N, Bound> {
    /// The result on integers as i32 has it. What integers are converted for first is computed in f64 here.
    pub(crate) fn on_i32(&self, x: [i32; N]) -> i32 {
        match self.integers {
            Integers::Itself => x[0],
            Integers::Wraps(whole) | Integers::Stays(whole) => (whole.i32)(x),
            Integers::Truth | Integers::Converted => (self.meaning)(x.map(f64::from)) as i32,
        }
    }

    /// The same as i64 has it.
    pub(crate) fn on_i64(&self, x: [i64; N]) -> i64 {
        match self.integers {
            Integers::Itself => x[0],
            Integers::Wraps(whole) | Integers::Stays(whole) => (whole.i64)(x),
            Integers::Truth | Integers::Converted => (self.meaning)(x.map(|x| x as f64)) as i64,
        }
    }

    /// The result on integers as a number in an expression has it: `None` if it is none, or lies beyond 64 bits.
    pub(crate) fn on_numbers(&self, x: [i64; N]) -> Option<i64> {
        match self.integers {
            Integers::Itself => Some(x[0]),
            Integers::Wraps(whole) | Integers::Stays(whole) => (whole.checked)(x),
            Integers::Truth | Integers::Converted => None,
        }
    }
}

/// A row that lives as long as the program.
macro_rules! row {
    ($row:expr) => {
        const { &$row }
    };
}
pub(super) use row;

/// Everywhere: a [domain](Row::domain) without bounds.
pub(super) const EVERYWHERE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

/// Which dtypes an operation takes and which it gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DTypeRule {
    /// Numbers to the same dtype; bool is refused.
    Number,
    /// Numbers to the same dtype; on bools it is this logic.
    Same(Logic),
    /// Anything, turned into a float first.
    Float,
    /// Floats to the same dtype; all else is refused.
    OnlyFloat,
    /// f32 or f64 to the same dtype; all else is refused.
    Wide,
    /// Integers to the same dtype; on bools it is this logic, or they are refused. So are floats.
    Bits(Option<Logic>),
    /// Numbers or bool to bool.
    Predicate,
    /// Anything, turned into bool first, to bool.
    Logical,
}

impl DTypeRule {
    /// The dtype that the arguments are converted to, and the dtype of the result.
    pub(crate) fn dtypes(self, op: &'static str, promoted: DType) -> Result<(DType, DType)> {
        match self {
            Self::Number if promoted == DType::Bool => {
                Err(Error::DType { op, expected: "numbers (cast a bool first)", found: promoted })
            }
            Self::OnlyFloat if !promoted.is_float() => Err(Error::DType { op, expected: "a float", found: promoted }),
            Self::Wide if !matches!(promoted, DType::F32 | DType::F64) => {
                Err(Error::DType { op, expected: "f32 or f64", found: promoted })
            }
            Self::Bits(_) if promoted.is_float() => {
                Err(Error::DType { op, expected: "integers or bools", found: promoted })
            }
            Self::Bits(None) if promoted == DType::Bool => {
                Err(Error::DType { op, expected: "integers (cast a bool first)", found: promoted })
            }
            Self::Number | Self::Same(_) | Self::OnlyFloat | Self::Wide | Self::Bits(_) => Ok((promoted, promoted)),
            Self::Float => Ok((promoted.to_float(), promoted.to_float())),
            Self::Predicate => Ok((promoted, DType::Bool)),
            Self::Logical => Ok((DType::Bool, DType::Bool)),
        }
    }
}

/// What arithmetic on bools is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Logic {
    /// The bool itself.
    Itself,
    And,
    Or,
    Xor,
}

/// What an operation does with integers.
pub(crate) enum Integers<const N: usize> {
    /// A whole number is its own result.
    Itself,
    /// Whole numbers to a whole number that may leave the dtype's range, and then wraps: u8 is computed in i32.
    Wraps(Whole<N>),
    /// Whole numbers to a whole number that lies in the dtype's range where the arguments do.
    Stays(Whole<N>),
    /// A truth value: that of the same numbers in f64, which holds every i32. On i64, each engine compares.
    Truth,
    /// It is not computed on integers: they are converted to floats, or to bools, first.
    Converted,
}

/// A function of integers in the dtypes it is computed in, which wrap, and of numbers, which do not.
#[derive(Clone, Copy)]
pub(crate) struct Whole<const N: usize> {
    pub(crate) i32: fn([i32; N]) -> i32,
    pub(crate) i64: fn([i64; N]) -> i64,
    pub(crate) checked: fn([i64; N]) -> Option<i64>,
}

impl<const N: usize> Integers<N> {
    /// Whether a result that is computed in a wider dtype must be brought back into its own.
    pub(crate) const fn wraps(&self) -> bool {
        match self {
            Self::Wraps(_) => true,
            Self::Itself | Self::Stays(_) | Self::Truth | Self::Converted => false,
        }
    }
}

/// [`Integers::Wraps`] by one closure that fits i32 and i64, and one for numbers.
macro_rules! wraps {
    ($f:expr, $checked:expr) => {
        Integers::Wraps(Whole { i32: $f, i64: $f, checked: $checked })
    };
}
pub(super) use wraps;

/// [`Integers::Stays`] by one closure that fits either width.
macro_rules! stays {
    (|[$($x:ident),+]| $f:expr) => {
        Integers::Stays(Whole { i32: |[$($x),+]| $f, i64: |[$($x),+]| $f, checked: |[$($x),+]| Some($f) })
    };
}
pub(super) use stays;

/// What an operation hands back to its arguments in a gradient.
pub(crate) enum Grad<const N: usize> {
    /// Nothing: the result does not change with the arguments, but for jumps.
    None,
    /// To each argument, what its function gives.
    Parts([Part<N>; N]),
}

/// The gradient of one argument, from the gradient of the result, the arguments and the result. It broadcasts to the
/// result's shape; `None` is a gradient of zeros. The formulas are those of PyTorch's `derivatives.yaml`, kinks included.
type Part<const N: usize> = fn(&Expr, [&Expr; N], &Expr) -> Option<Expr>;

impl<const N: usize> Grad<N> {
    /// The gradient of argument `i`.
    pub(crate) fn part(&self, i: usize, grad: &Expr, args: [&Expr; N], result: &Expr) -> Option<Expr> {
        match self {
            Self::None => None,
            Self::Parts(parts) => parts[i](grad, args, result),
        }
    }
}

/// How an operation is written in WGSL in each dtype that floats and integers are computed in; bools are written as
/// f32s are. On i64, for which not every device has operators, everything is a function of `shaders/lib`: the operation's name
/// with `_l` after it.
#[derive(Clone, Copy)]
pub(crate) struct Wgsl {
    pub(crate) f32: Form,
    pub(crate) f64: Form,
    pub(crate) i32: Form,
    /// The texts of the files that define the functions called.
    pub(crate) files: &'static [&'static str],
}

/// How an operation is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// Before one argument, or between two.
    Operator(&'static str),
    /// A function that WGSL has, exact on every device or as accurate as the hardware's.
    Builtin(&'static str),
    /// This text, with the arguments in the places of `{0}` and `{1}`.
    Text(&'static str),
    /// A function of `shaders/lib`: the operation's name with `_f`, `_f64` or `_i` after it.
    Call,
}

impl Wgsl {
    const fn all(form: Form, files: &'static [&'static str]) -> Self {
        Self { f32: form, f64: form, i32: form, files }
    }

    pub(super) const fn operator(symbol: &'static str) -> Self {
        Self::all(Form::Operator(symbol), &[])
    }

    pub(super) const fn builtin(name: &'static str) -> Self {
        Self::all(Form::Builtin(name), &[])
    }

    pub(super) const fn text(text: &'static str) -> Self {
        Self::all(Form::Text(text), &[])
    }

    /// Functions that these files define.
    pub(super) const fn call(files: &'static [&'static str]) -> Self {
        Self::all(Form::Call, files)
    }

    /// The same, but for f64.
    pub(super) const fn f64(self, form: Form) -> Self {
        Self { f64: form, ..self }
    }

    /// The same, but for i32.
    pub(super) const fn i32(self, form: Form) -> Self {
        Self { i32: form, ..self }
    }
}

/// The text of `shaders/lib/NAME.wgsl`.
macro_rules! lib {
    ($name:literal) => {
        $crate::base::shader::shader!("lib/", $name)
    };
}
pub(super) use lib;

/// How floats to try an operation on are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draw {
    /// Evenly between two numbers.
    Uniform(f64, f64),
    /// Whole numbers between two, both included.
    Whole(i32, i32),
    /// Multiples of 1/4 between two numbers: half of them halfway between whole ones, and pairs are often equal.
    Quarters(i32, i32),
}
