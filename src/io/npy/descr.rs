//! Names of element types, as headers of `.npy` files have them: NumPy's codes, characters and names.

use super::super::elements::Encoding;
use crate::DType;

/// A type: its name, other names for it, and how its elements are read; `None` if they are not.
struct Row(&'static str, &'static [&'static str], Option<Encoding>);

/// Every type that has a name of its own. Those of texts, dates and raw bytes have a size in their names.
const TYPES: [Row; 21] = [
    Row("bool", &["b1", "?", "bool_", "bool8"], Some(Encoding::Plain(DType::Bool))),
    Row("uint8", &["u1", "B", "ubyte"], Some(Encoding::Plain(DType::U8))),
    Row("int32", &["i4", "i", "intc"], Some(Encoding::Plain(DType::I32))),
    Row("float16", &["f2", "e", "half"], Some(Encoding::Plain(DType::F16))),
    Row("bfloat16", &[], Some(Encoding::Plain(DType::BF16))),
    Row("float32", &["f4", "f", "single"], Some(Encoding::Plain(DType::F32))),
    Row("float64", &["f8", "d", "double", "float", "float_"], Some(Encoding::Plain(DType::F64))),
    // The only type of ml_dtypes that is a float to NumPy.
    Row("float8_e5m2", &["f1"], Some(Encoding::F8E5M2)),
    Row("float8_e4m3fn", &[], Some(Encoding::F8E4M3)),
    Row("int8", &["i1", "b", "byte"], Some(Encoding::Plain(DType::I8))),
    Row("int16", &["i2", "h", "short"], Some(Encoding::Plain(DType::I16))),
    Row("int64", &["i8", "l", "q", "p", "int", "int_", "intp", "long", "longlong"], Some(Encoding::Plain(DType::I64))),
    Row("uint16", &["u2", "H", "ushort"], Some(Encoding::Unsigned(2))),
    Row("uint32", &["u4", "I", "uintc"], Some(Encoding::Unsigned(4))),
    Row("uint64", &["u8", "L", "Q", "P", "uint", "uintp", "ulong", "ulonglong"], Some(Encoding::Unsigned(8))),
    Row("complex64", &["c8", "F", "csingle"], None),
    Row("complex128", &["c16", "D", "complex", "complex_", "cdouble"], None),
    Row("complex256", &["c32", "c24", "G", "clongdouble", "complex192"], None),
    Row("longdouble", &["f16", "f12", "g", "float128", "float96", "longfloat"], None),
    Row("object", &["O", "O4", "O8", "object_"], None),
    Row("void", &["V"], None),
];

/// How elements of a type are read, and whether they are big-endian.
pub(super) fn read_as(descr: &str) -> Result<(Encoding, bool), String> {
    let (order, kind) = match descr.chars().next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, &descr[1..]),
        _ => ('=', descr),
    };
    let row = TYPES.iter().find(|row| row.0 == kind || row.1.contains(&kind));
    let encoding = match row {
        Some(&Row(_, _, Some(encoding))) => encoding,
        // As ml_dtypes and JAX save bfloat16. NumPy's own raw bytes have no order.
        None if kind == "V2" && matches!(order, '<' | '>') => Encoding::Plain(DType::BF16),
        _ => return Err(refusal(descr, kind, row.map(|row| row.0))),
    };
    let big = order == '>' || matches!(order, '=' | '|') && cfg!(target_endian = "big");
    Ok((encoding, big && encoding.size() > 1))
}

/// What is said of a type that is not read: what it is, and what to save instead.
fn refusal(descr: &str, kind: &str, name: Option<&str>) -> String {
    let letter = kind.chars().next().unwrap_or(' ');
    let (what, instead) = match name {
        Some("object") => ("Python objects, pickled", "save arrays of numbers"),
        Some(name) if name.starts_with("complex") => (name, "save x.real and x.imag"),
        Some(name) if name != "void" => (name, "convert with astype"),
        _ => match letter {
            'U' => ("text", "save arrays of numbers"),
            'S' | 'a' => ("bytes of text", "save arrays of numbers"),
            'M' => ("dates", "convert with astype"),
            'm' => ("times", "convert with astype"),
            'V' if kind == "V1" => {
                ("raw bytes, or one of several types of ml_dtypes", "convert with astype(numpy.float32)")
            }
            'V' if kind == "V2" => {
                ("raw bytes, which may be bfloat16", "save x.view(ml_dtypes.bfloat16), or convert with astype")
            }
            'V' => ("raw bytes", "save x.view of a type of numbers"),
            _ => ("", "convert with astype"),
        },
    };
    let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
    let known: Vec<&str> = TYPES.iter().filter(|row| row.2.is_some()).map(|row| row.0).collect();
    let (last, others) = known.split_last().unwrap_or((&"", &[]));
    format!("elements of type '{descr}'{what} are not supported: {} and {last} are ({instead})", others.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_many_names() {
        use DType::{BF16, Bool, F16, F32, F64, I8, I16, I32, I64, U8};
        for (dtype, names) in [
            (Bool, &["|b1", "?", "bool", "|?", "=b1", "<b1"][..]),
            (U8, &["|u1", "B", "uint8", "u1"]),
            (I8, &["|i1", "b", "int8"]),
            (I16, &["<i2", "h", "int16"]),
            (I64, &["<i8", "l", "int64", "int"]),
            (I32, &["<i4", "=i4", "i", "int32", "|i4"]),
            (F16, &["<f2", "e", "float16", "half"]),
            (BF16, &["<V2", "bfloat16"]),
            (F32, &["<f4", "=f4", "|f4", "f", "<f", "float32", "single"]),
            (F64, &["<f8", "d", "float64", "double", "float"]),
        ] {
            for name in names {
                assert_eq!(
                    read_as(name),
                    Ok((Encoding::Plain(dtype), cfg!(target_endian = "big") && dtype.size() > 1))
                );
            }
        }
        assert_eq!(read_as(">f4"), Ok((Encoding::Plain(F32), true)));
        assert_eq!(read_as(">d"), Ok((Encoding::Plain(F64), true)));
        assert_eq!(read_as(">b1"), Ok((Encoding::Plain(Bool), false)));
        assert_eq!(read_as("<f1"), Ok((Encoding::F8E5M2, false)));
        let names: Vec<&str> = TYPES.iter().flat_map(|row| row.1.iter().chain([&row.0])).copied().collect();
        assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)), "a name stands for one type");
    }

    #[test]
    fn others_are_refused_by_name() {
        for (descr, words) in [
            ("<U5", "(text)"),
            ("|S3", "(bytes of text)"),
            ("|O", "(Python objects, pickled)"),
            ("<c8", "(complex64)"),
            ("<c8", "x.real and x.imag"),
            ("<f16", "(longdouble)"),
            ("<M8[ns]", "(dates)"),
            ("|V2", "may be bfloat16"),
            ("<V1", "several types of ml_dtypes"),
            ("|V7", "(raw bytes)"),
            ("", "type ''"),
            ("é", "type 'é'"),
            ("<é", "type '<é'"),
        ] {
            let error = read_as(descr).unwrap_err();
            assert!(error.contains(&format!("'{descr}'")) && error.contains(words), "{error}");
            assert!(error.contains("not supported: bool, uint8, int32, float16, "), "{error}");
        }
    }
}
