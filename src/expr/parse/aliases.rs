//! Other names of what there is: PyTorch's aliases, NumPy's and numexpr's names, modules, keywords and dtypes.

use crate::DType;
use crate::base::numpy::{self, Kind, Type};

/// A function by another name, wherever it is written. Alphabetical.
const ALIASES: [(&str, &str); 36] = [
    ("absolute", "abs"),
    ("arccos", "acos"),
    ("arccosh", "acosh"),
    ("arcsin", "asin"),
    ("arcsinh", "asinh"),
    ("arctan", "atan"),
    ("arctan2", "atan2"),
    ("arctanh", "atanh"),
    ("clone", "contiguous"),
    ("concat", "cat"),
    ("concatenate", "cat"),
    ("degrees", "rad2deg"),
    ("divide", "div"),
    ("expand_dims", "unsqueeze"),
    ("expit", "sigmoid"),
    ("fabs", "abs"),
    ("fix", "trunc"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
    ("invert", "bitwise_not"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("moveaxis", "movedim"),
    ("multiply", "mul"),
    ("negative", "neg"),
    ("not_equal", "ne"),
    ("power", "pow"),
    ("radians", "deg2rad"),
    ("ravel", "flatten"),
    ("rint", "round"),
    ("row_stack", "vstack"),
    ("subtract", "sub"),
    ("swapaxes", "transpose"),
    ("swapdims", "transpose"),
    ("true_divide", "div"),
    ("vector_norm", "norm"),
];

/// A method by another name, which as a function would be none or mean something else.
const METHODS: [(&str, &str); 3] = [("to", "cast"), ("type", "cast"), ("view", "reshape")];

/// What `np.` stands before, where PyTorch has another function of that name.
const NUMPY: [(&str, &str); 6] = [
    ("equal", "eq"),
    ("max", "amax"),
    ("min", "amin"),
    ("mod", "remainder"),
    ("repeat", "repeat_interleave"),
    ("transpose", "permute"),
];

/// Where a function is written: as a method, after `np.`, or neither.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Function,
    Method,
    NumPy,
}

/// The language's own name of a function.
pub(super) fn function(name: &str, spelling: Spelling) -> &str {
    let own: &[(&str, &'static str)] = match spelling {
        Spelling::Function => &[],
        Spelling::Method => &METHODS,
        Spelling::NumPy => &NUMPY,
    };
    own.iter().chain(&ALIASES).find(|alias| alias.0 == name).map_or(name, |alias| alias.1)
}

/// How functions after `module.` are spelled, if it is a module that code is written with.
pub(super) fn module(name: &str) -> Option<Spelling> {
    match name {
        "torch" | "F" | "nn" | "math" => Some(Spelling::Function),
        "np" | "numpy" | "jnp" => Some(Spelling::NumPy),
        _ => None,
    }
}

/// Whether `torch.NAME.` is a module, too.
pub(super) fn is_submodule(name: &str) -> bool {
    matches!(name, "nn" | "functional" | "special" | "linalg")
}

/// The parameter that a keyword means: NumPy's words, which PyTorch takes, too, and older ones of PyTorch.
pub(super) fn parameter<'a>(keyword: &'a str, params: &[&str]) -> &'a str {
    if params.contains(&keyword) {
        return keyword;
    }
    match keyword {
        "axis" | "axes" if params.contains(&"dims") => "dims",
        "axis" => "dim",
        "keepdims" => "keepdim",
        "x" | "a" => "input",
        "unbiased" | "ddof" => "correction",
        "ord" => "p",
        "shape" => "size",
        "shift" => "shifts",
        "arrays" => "tensors",
        "reps" => "dims",
        other => other,
    }
}

/// The dtype that a method without arguments converts to.
pub(super) fn cast_method(name: &str) -> Option<DType> {
    match name {
        "bfloat16" => Some(DType::BF16),
        "bool" => Some(DType::Bool),
        "byte" => Some(DType::U8),
        "char" => Some(DType::I8),
        "double" => Some(DType::F64),
        "float" => Some(DType::F32),
        "half" => Some(DType::F16),
        "int" => Some(DType::I32),
        "long" => Some(DType::I64),
        "short" => Some(DType::I16),
        _ => None,
    }
}

/// A dtype by our name, PyTorch's or NumPy's. Bare `int` and `float` are Python's types, of 64 bits.
pub(super) fn dtype(name: &str) -> Option<DType> {
    match (name, numpy::named(name)) {
        // The other names that NumPy has are PyTorch's for another type, or too short to be told from a tensor's.
        (_, Some(Type { name: full, kind: Kind::Own(dtype), .. })) if *full == name => Some(*dtype),
        ("bool_" | "float" | "int", Some(Type { kind: Kind::Own(dtype), .. })) => Some(*dtype),
        _ => name.parse().ok().or_else(|| cast_method(name)),
    }
}

/// A dtype after `torch.`, where `int` and `float` are of 32 bits.
pub(super) fn torch_dtype(name: &str) -> Option<DType> {
    cast_method(name).or_else(|| dtype(name))
}

/// What is said of a text that names no dtype.
pub(super) fn unknown_dtype(name: &str) -> String {
    format!("unknown dtype '{name}'")
}

/// A dtype as NumPy's `astype` reads a text: digits behind a single letter count bytes. What is none, and why.
pub(super) fn numpy_dtype(name: &str) -> Result<DType, String> {
    let code = name.trim_start_matches(['<', '=', '|']);
    if code == "f16" {
        return Err("\"f16\" is NumPy's float of 128 bits: write astype(f16) or \"float16\"".to_owned());
    }
    match numpy::named(code) {
        Some(Type { kind: Kind::Own(dtype), .. }) => Ok(*dtype),
        _ => dtype(code).ok_or_else(|| unknown_dtype(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_in_order_and_lead_to_no_alias() {
        for table in [&ALIASES[..], &METHODS, &NUMPY] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(table.iter().all(|alias| table.iter().all(|other| other.0 != alias.1)));
        }
    }
}
