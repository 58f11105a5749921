//! NumPy's names of element types, and what this library makes of each.

use crate::DType;

/// What elements of a type are to this library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Elements of a tensor.
    Own(DType),
    /// A float of 8 bits with 4 of exponent.
    F8E4M3,
    /// A float of 8 bits with 5 of exponent.
    F8E5M2,
    /// Nothing it has.
    Foreign,
}

/// A type that has a name of its own. Those of texts, dates and raw bytes have a size in their names.
pub(crate) struct Type {
    pub(crate) name: &'static str,
    /// NumPy's code, its character, and older names.
    pub(crate) others: &'static [&'static str],
    pub(crate) kind: Kind,
}

const fn of(name: &'static str, others: &'static [&'static str], kind: Kind) -> Type {
    Type { name, others, kind }
}

/// No name stands for two of them.
pub(crate) const TYPES: [Type; 21] = [
    of("bool", &["b1", "?", "bool_", "bool8"], Kind::Own(DType::Bool)),
    of("uint8", &["u1", "B", "ubyte"], Kind::Own(DType::U8)),
    of("int32", &["i4", "i", "intc"], Kind::Own(DType::I32)),
    of("float16", &["f2", "e", "half"], Kind::Own(DType::F16)),
    of("bfloat16", &[], Kind::Own(DType::BF16)),
    of("float32", &["f4", "f", "single"], Kind::Own(DType::F32)),
    of("float64", &["f8", "d", "double", "float", "float_"], Kind::Own(DType::F64)),
    // The only type of ml_dtypes that is a float to NumPy.
    of("float8_e5m2", &["f1"], Kind::F8E5M2),
    of("float8_e4m3fn", &[], Kind::F8E4M3),
    of("int8", &["i1", "b", "byte"], Kind::Own(DType::I8)),
    of("int16", &["i2", "h", "short"], Kind::Own(DType::I16)),
    of("int64", &["i8", "l", "q", "p", "int", "int_", "intp", "long", "longlong"], Kind::Own(DType::I64)),
    of("uint16", &["u2", "H", "ushort"], Kind::Own(DType::U16)),
    of("uint32", &["u4", "I", "uintc"], Kind::Own(DType::U32)),
    of("uint64", &["u8", "L", "Q", "P", "uint", "uintp", "ulong", "ulonglong"], Kind::Own(DType::U64)),
    of("complex64", &["c8", "F", "csingle"], Kind::Foreign),
    of("complex128", &["c16", "D", "complex", "complex_", "cdouble"], Kind::Foreign),
    of("complex256", &["c32", "c24", "G", "clongdouble", "complex192"], Kind::Foreign),
    of("longdouble", &["f16", "f12", "g", "float128", "float96", "longfloat"], Kind::Foreign),
    of("object", &["O", "O4", "O8", "object_"], Kind::Foreign),
    of("void", &["V"], Kind::Foreign),
];

/// The type of a name, a code without its order of bytes, or a character.
pub(crate) fn named(name: &str) -> Option<&'static Type> {
    TYPES.iter().find(|row| row.name == name || row.others.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_type() {
        let names: Vec<&str> = TYPES.iter().flat_map(|row| row.others.iter().chain([&row.name])).copied().collect();
        assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)));
        for dtype in DType::ALL {
            assert_eq!(TYPES.iter().filter(|row| row.kind == Kind::Own(dtype)).count(), 1, "{dtype}");
        }
    }
}
