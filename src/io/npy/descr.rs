//! Names of element types, as headers of `.npy` files have them: NumPy's codes, characters and names.

use super::super::elements::Encoding;
use crate::DType;
use crate::base::numpy::{self, Kind, TYPES};

/// How elements of a type are read, and whether they are big-endian.
pub(super) fn read_as(descr: &str) -> Result<(Encoding, bool), String> {
    let (order, kind) = match descr.chars().next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, &descr[1..]),
        _ => ('=', descr),
    };
    let row = numpy::named(kind);
    let encoding = match row.map(|row| row.kind) {
        Some(Kind::Own(dtype)) => Encoding::Plain(dtype),
        Some(Kind::F8E4M3) => Encoding::F8E4M3,
        Some(Kind::F8E5M2) => Encoding::F8E5M2,
        // As ml_dtypes and JAX save bfloat16. NumPy's own raw bytes have no order.
        None if kind == "V2" && matches!(order, '<' | '>') => Encoding::Plain(DType::BF16),
        Some(Kind::Foreign) | None => return Err(refusal(descr, kind, row.map(|row| row.name))),
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
    let known: Vec<&str> = TYPES.iter().filter(|row| row.kind != Kind::Foreign).map(|row| row.name).collect();
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
