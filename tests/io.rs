//! Tensors in files: what is written is read again, others' files are read, and no file does harm.
#![cfg(feature = "io")]

mod devices;

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use devices::devices;
use hadamard::{
    DType, Device, Element, Error, Tensor, npz_names, read_npz, read_safetensors, safetensors_metadata,
    safetensors_names, write_npz, write_safetensors, write_safetensors_with,
};
use half::{bf16, f16};
use npyz::WriterBuilder;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

fn cpu() -> Device {
    Device::cpu()
}

/// One tensor of each dtype, with the values that files get wrong first.
fn samples() -> Vec<Tensor> {
    let device = cpu();
    let f32s = [0.0_f32, -0.0, 1.5, f32::MAX, f32::MIN_POSITIVE, f32::INFINITY];
    vec![
        Tensor::from_slice(&[true, false, true, true, false, false], [2, 3], &device).unwrap(),
        Tensor::from_slice(&[0_u8, 1, 127, 128, 254, 255], [2, 3], &device).unwrap(),
        Tensor::from_slice(&[0_i32, -1, 1, i32::MAX, i32::MIN, 256], [2, 3], &device).unwrap(),
        Tensor::from_slice(&f32s.map(f16::from_f32), [2, 3], &device).unwrap(),
        Tensor::from_slice(&f32s.map(bf16::from_f32), [2, 3], &device).unwrap(),
        Tensor::from_slice(&f32s, [2, 3], &device).unwrap(),
        Tensor::from_slice(&f32s.map(f64::from), [2, 3], &device).unwrap(),
    ]
}

/// Shape, dtype and every value, by its bits where it is a float.
fn content(tensor: &Tensor) -> (Vec<usize>, DType, Vec<u64>) {
    fn bits<T: Element>(tensor: &Tensor) -> Vec<u64> {
        tensor.to_vec::<T>().unwrap().into_iter().map(|v| v.to_f64().to_bits()).collect()
    }
    let values = match tensor.dtype() {
        DType::Bool => bits::<bool>(tensor),
        DType::U8 => bits::<u8>(tensor),
        DType::I8 => bits::<i8>(tensor),
        DType::I16 => bits::<i16>(tensor),
        DType::I32 => bits::<i32>(tensor),
        DType::I64 => bits::<i64>(tensor),
        DType::U16 => bits::<u16>(tensor),
        DType::U32 => bits::<u32>(tensor),
        DType::U64 => bits::<u64>(tensor),
        DType::F16 => bits::<f16>(tensor),
        DType::BF16 => bits::<bf16>(tensor),
        DType::F32 => bits::<f32>(tensor),
        DType::F64 => bits::<f64>(tensor),
    };
    (tensor.shape().to_vec(), tensor.dtype(), values)
}

/// The message about a file, which must be about that file.
fn message<T>(result: Result<T, Error>, path: &Path) -> String {
    match result {
        Err(Error::File { path: found, message }) => {
            assert_eq!(Path::new(&found), path);
            message
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{} was read", path.display()),
    }
}

/// A file of these bytes.
fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A .npy file with any header and any elements.
fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

/// A .safetensors file with any header and any elements.
fn safetensors(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

#[test]
fn npy_round_trips_every_dtype_it_has() {
    let folder = tempdir().unwrap();
    for tensor in samples() {
        let path = folder.path().join(format!("{}.npy", tensor.dtype()));
        tensor.write_npy(&path).unwrap();
        assert_eq!(content(&Tensor::read_npy(&path, &cpu()).unwrap()), content(&tensor));
        assert_eq!(fs::read(&path).unwrap().len() % 64, tensor.numel() * tensor.dtype().size(), "aligned elements");
    }
    for shape in [vec![], vec![1], vec![0], vec![3, 0, 2], vec![1; 8]] {
        let numel = shape.iter().product();
        let tensor = Tensor::from_slice(&vec![7.0_f32; numel], &shape[..], &cpu()).unwrap();
        let path = folder.path().join("shape.npy");
        tensor.write_npy(&path).unwrap();
        assert_eq!(content(&Tensor::read_npy(&path, &cpu()).unwrap()), content(&tensor), "{shape:?}");
    }
}

/// Byte for byte what `numpy.save` writes of an array of `ml_dtypes.bfloat16`.
#[test]
fn bf16_is_written_as_ml_dtypes_writes_it() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("b.npy");
    Tensor::from_slice(&[1.0, -2.0, 3.140_625].map(bf16::from_f32), [3], &cpu()).unwrap().write_npy(&path).unwrap();
    let header = "{'descr': '<V2', 'fortran_order': False, 'shape': (3,), }";
    let want = [format!("\x01\0v\0{header:<117}\n").as_bytes(), &[0x80, 0x3f, 0, 0xc0, 0x49, 0x40]].concat();
    assert_eq!(fs::read(&path).unwrap(), [&b"\x93NUMPY"[..], &want].concat());
}

/// `npyz` reads what we write, and we read what it writes.
#[test]
fn npy_agrees_with_an_independent_crate() {
    let folder = tempdir().unwrap();
    let tensor = Tensor::from_slice(&[1.5_f32, -2.0, 3.0, 4.0, 5.0, 6.0], [3, 2], &cpu()).unwrap();
    let path = folder.path().join("ours.npy");
    tensor.write_npy(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let read = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!((read.shape(), read.order()), (&[3, 2][..], npyz::Order::C));
    assert_eq!(read.into_vec::<f32>().unwrap(), tensor.to_vec::<f32>().unwrap());

    // The same matrix [[1, 2, 3], [4, 5, 6]] in either order of dims and of bytes, as four dtypes.
    for order in [npyz::Order::C, npyz::Order::Fortran] {
        let values: [i16; 6] = if order == npyz::Order::C { [1, 2, 3, 4, 5, 6] } else { [1, 4, 2, 5, 3, 6] };
        for descr in ["<i4", ">i4", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "|u1"] {
            let mut bytes = Vec::new();
            macro_rules! write {
                ($ty:ty, $convert:expr) => {{
                    let options =
                        npyz::WriteOptions::<$ty>::new().dtype(npyz::DType::new_scalar(descr.parse().unwrap()));
                    let mut writer = options.shape(&[2, 3]).order(order).writer(&mut bytes).begin_nd().unwrap();
                    writer.extend(values.iter().map(|&v| $convert(v))).unwrap();
                    writer.finish().unwrap();
                }};
            }
            match &descr[1..] {
                "i4" => write!(i32, i32::from),
                "f2" => write!(f16, |v| f16::from_f32(f32::from(v))),
                "f4" => write!(f32, f32::from),
                "f8" => write!(f64, f64::from),
                _ => write!(u8, |v| v as u8),
            }
            let tensor = Tensor::read_npy(file(&folder, "theirs.npy", &bytes), &cpu()).unwrap();
            let (shape, _, found) = content(&tensor.contiguous().unwrap());
            assert_eq!(shape, [2, 3], "{descr} {order:?}");
            assert_eq!(found, [1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0].map(f64::to_bits), "{descr} {order:?}");
        }
    }
}

#[test]
fn npy_of_later_versions_and_any_bool_byte_are_read() {
    let folder = tempdir().unwrap();
    let header = "{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n";
    let mut bytes = b"\x93NUMPY\x03\x00".to_vec();
    bytes.extend((header.len() as u32).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend([0, 1, 255]);
    let tensor = Tensor::read_npy(file(&folder, "v3.npy", &bytes), &cpu()).unwrap();
    assert_eq!(tensor.to_vec::<bool>().unwrap(), [false, true, true]);
    assert_eq!(content(&tensor).2[2], 1.0_f64.to_bits());
}

#[test]
fn every_truncation_of_npy_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("whole.npy");
    samples()[2].write_npy(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        let path = file(&folder, "part.npy", &whole[..len]);
        assert!(!message(Tensor::read_npy(&path, &cpu()), &path).is_empty());
    }
    let longer = [&whole[..], &[0]].concat();
    let path = file(&folder, "long.npy", &longer);
    assert!(message(Tensor::read_npy(&path, &cpu()), &path).contains("takes 24 bytes, and 25 follow"));
}

#[test]
fn npy_headers_that_lie_are_refused() {
    let folder = tempdir().unwrap();
    let header = |descr: &str, shape: &str| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}");
    for (bytes, words) in [
        (npy(&header("<f4", "(1000000000000,)"), &[0; 8]), "takes 4000000000000 bytes, and 8 follow"),
        (npy(&header("<f4", "(4294967296, 4294967296)"), &[0; 8]), "fit in memory"),
        (npy(&header("<f4", "(18446744073709551615,)"), &[0; 8]), "fit in memory"),
        (npy(&header("<f4", "(18446744073709551616,)"), &[0; 8]), "no tuple of sizes"),
        (npy(&header("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 2)"), &[0; 8]), "at most 8 dims"),
        (npy(&header("<f4", "(3,)"), &[0; 8]), "takes 12 bytes, and 8 follow"),
        (npy(&header("<f4", "(1,)"), &[0; 8]), "takes 4 bytes, and 8 follow"),
        (npy(&header("|O", "(4,)"), &[0; 8]), "'|O' (Python objects, pickled) are not supported"),
        (npy(&header("<c8", "(1,)"), &[0; 8]), "'<c8' (complex64) are not supported"),
        (
            npy("{'descr': [('x', '<f4')], 'shape': (2,)}", &[0; 8]),
            "a structured array with fields 'x' is not supported",
        ),
        (npy(&header("<f4", "(0, 4294967296, 4294967296)"), &[]), "fit in memory"),
        (npy("", &[0; 8]), "lacks a '{'"),
        (npy("\u{fc}", &[0; 8]), "lacks a '{'"),
        (b"\x93NUMPY\x01\x00\xff\xff{}".to_vec(), "said to have 65535 bytes, and 2 follow"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}".to_vec(), "said to have 4294967295 bytes, and 2 follow"),
        (b"\x93NUMPY\x09\x00\x02\x00{}".to_vec(), "version 9.0"),
        (b"\x93NUMPY\x01\x00\x02\x00\xff\xfe".to_vec(), "not text"),
        ([&b"\x93NUMPY\x02\x00\x01\x00\x10\x00"[..], &vec![b' '; 0x10_0001]].concat(), "has at most 1048576"),
        (b"PK\x03\x04 not an array at all".to_vec(), "not a .npy file: it is a zip archive"),
        (b"\x1f\x8b\x08".to_vec(), "not a .npy file: it is a gzip file: unpack it with gunzip"),
        (b"\x89HDF\r\n\x1a\n".to_vec(), "it is an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0".to_vec(), "`git lfs pull`"),
        (b"\x80\x04\x95".to_vec(), "it is a Python pickle"),
        (b"PK\x03\x04archive/data.pkl".to_vec(), "it is a PyTorch checkpoint"),
        (b"\x02\0\0\0\0\0\0\0{}".to_vec(), "it is a .safetensors file"),
        (b"\x93NUMPY".to_vec(), "not a .npy file"),
        (b"no array".to_vec(), "not a .npy file"),
        (Vec::new(), "empty"),
    ] {
        let path = file(&folder, "lie.npy", &bytes);
        let found = message(Tensor::read_npy(&path, &cpu()), &path);
        assert!(found.contains(words), "{found}");
    }
    let path = folder.path().join("missing.npy");
    assert_eq!(message(Tensor::read_npy(&path, &cpu()), &path), "no such file or folder");
    assert_eq!(message(Tensor::read_npy(folder.path(), &cpu()), folder.path()), "not a regular file: a folder");
}

#[test]
fn safetensors_round_trip_every_dtype_under_any_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("all.safetensors");
    let samples = samples();
    let names = ["b", "a.u8", "ä i32", "\"quoted\"\n", "", "f32", "z"];
    let pairs: Vec<_> = names.into_iter().zip(&samples).collect();
    write_safetensors(&path, &pairs).unwrap();
    let read = read_safetensors(&path, &cpu()).unwrap();
    assert_eq!(read.len(), samples.len());
    for (name, tensor) in &pairs {
        let found = read.iter().find(|(n, _)| n == name).unwrap();
        assert_eq!(content(&found.1), content(tensor), "{name}");
        assert_eq!(content(&Tensor::read_safetensors(&path, name, &cpu()).unwrap()), content(tensor), "{name}");
    }
    assert!(read.windows(2).all(|pair| pair[0].1.dtype().size() >= pair[1].1.dtype().size()), "larger elements first");
    // The crate itself finds nothing wrong with it.
    let bytes = fs::read(&path).unwrap();
    assert_eq!(::safetensors::SafeTensors::deserialize(&bytes).unwrap().len(), samples.len());
    assert_eq!(
        message(Tensor::read_safetensors(&path, "nosuch", &cpu()), &path).split(" (").next(),
        Some("no tensor is called 'nosuch'")
    );

    for shape in [vec![], vec![0], vec![3, 0, 2], vec![1; 8]] {
        let numel = shape.iter().product();
        let tensor = Tensor::from_slice(&vec![7.0_f32; numel], &shape[..], &cpu()).unwrap();
        write_safetensors(&path, &[("x", &tensor), ("empty", &tensor)]).unwrap();
        assert_eq!(content(&Tensor::read_safetensors(&path, "x", &cpu()).unwrap()), content(&tensor), "{shape:?}");
    }
    write_safetensors(&path, &[]).unwrap();
    assert!(read_safetensors(&path, &cpu()).unwrap().is_empty());
}

/// The bytes of each tensor and the metadata of a `.safetensors` file, by the crate.
fn parts(path: &Path) -> (Vec<(String, Vec<u8>)>, Option<HashMap<String, String>>) {
    let bytes = fs::read(path).unwrap();
    let (_, metadata) = ::safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let file = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let names = metadata.offset_keys();
    let tensors = names.into_iter().map(|name| (name.clone(), file.tensor(&name).unwrap().data().to_vec()));
    (tensors.collect(), metadata.metadata().clone())
}

#[test]
fn a_tensor_is_added_to_safetensors_and_all_else_stays() {
    let folder = tempdir().unwrap();
    // Types that this library does not have, a bool that is neither 0 nor 1, NaN with a payload, and no order.
    let header = r#"{"half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"long":{"dtype":"I64","shape":[1],
        "data_offsets":[4,12]},"__metadata__":{"format":"pt","note":"ä \"q\""},"b":{"dtype":"BOOL","shape":[3],
        "data_offsets":[12,15]},"nan":{"dtype":"F32","shape":[1],"data_offsets":[15,19]},"none":{"dtype":"F8_E4M3",
        "shape":[0],"data_offsets":[19,19]}}"#;
    let path = file(
        &folder,
        "kept.safetensors",
        &safetensors(header, b"\x01\x02\x03\x04long8888\x00\x01\x07\x01\x00\xa0\x7f"),
    );
    let (before, metadata) = parts(&path);
    assert_eq!((before.len(), metadata.as_ref().unwrap().len()), (5, 2));

    let others = |name: &str| before.iter().filter(|(other, _)| other != name).cloned().collect::<Vec<_>>();
    for (name, tensor) in ["new", "half", "b", "long", "nan", "new"].into_iter().zip(samples()) {
        let path = file(&folder, "changed.safetensors", &fs::read(&path).unwrap());
        tensor.write_safetensors(&path, name).unwrap();
        let (mut after, found) = parts(&path);
        assert_eq!(found, metadata, "{name}");
        after.retain(|(other, _)| other != name);
        assert_eq!(after, others(name), "{name}");
        assert_eq!(content(&Tensor::read_safetensors(&path, name, &cpu()).unwrap()), content(&tensor), "{name}");
    }

    // A file of our own is the one that would have been written at once.
    let samples = samples();
    let (at_once, bit_by_bit) = (folder.path().join("at-once.safetensors"), folder.path().join("parts.safetensors"));
    let names = ["b", "a.u8", "ä i32", "x", "", "f32", "z"];
    write_safetensors(&at_once, &names.into_iter().zip(&samples).collect::<Vec<_>>()).unwrap();
    for (name, tensor) in names.into_iter().zip(&samples).chain([("b", &samples[0])]) {
        tensor.write_safetensors(&bit_by_bit, name).unwrap();
    }
    assert_eq!(fs::read(&bit_by_bit).unwrap(), fs::read(&at_once).unwrap());

    // What is no such file stays.
    let broken = file(&folder, "broken.safetensors", b"no tensors");
    assert!(message(samples[0].write_safetensors(&broken, "x"), &broken).contains("not a .safetensors file"));
    assert_eq!(fs::read(&broken).unwrap(), b"no tensors");
    let refused = samples[0].write_safetensors(&at_once, "__metadata__");
    assert!(message(refused, &at_once).contains("keeps for itself"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "nothing is left behind");
}

#[test]
fn every_truncation_of_safetensors_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("whole.safetensors");
    let samples = samples();
    write_safetensors(&path, &[("a", &samples[2]), ("b", &samples[0])]).unwrap();
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        let path = file(&folder, "part.safetensors", &whole[..len]);
        assert!(!message(read_safetensors(&path, &cpu()), &path).is_empty());
        assert!(!message(Tensor::read_safetensors(&path, "b", &cpu()), &path).is_empty());
    }
    let path = file(&folder, "long.safetensors", &[&whole[..], &[0]].concat());
    assert!(message(read_safetensors(&path, &cpu()), &path).contains("speaks of 30 bytes of elements, and 31 follow"));
}

#[test]
fn safetensors_headers_that_lie_are_refused() {
    let folder = tempdir().unwrap();
    let one = |dtype: &str, shape: &str, to: u64| {
        format!("{{\"x\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[0,{to}]}}}}")
    };
    let max = u64::MAX;
    for (bytes, words) in [
        (
            safetensors(&one("F32", "[1000000000000]", 4_000_000_000_000), &[0; 8]),
            "4000000000000 bytes of elements, and 8",
        ),
        (safetensors(&one("F32", "[4294967296, 4294967296]", 8), &[0; 8]), "overflow"),
        (safetensors(&one("U8", &format!("[{max}]"), max), &[0; 8]), "overflow"),
        // Sizes that agree with each other, and not with the file.
        (safetensors(&one("U8", "[2305843009213693951]", 2_305_843_009_213_693_951), &[0; 8]), "and 8 follow"),
        (safetensors(&one("F32", "[3]", 8), &[0; 8]), "invalid shape"),
        (safetensors(&one("F32", "[1]", 4), &[0; 8]), "speaks of 4 bytes of elements, and 8"),
        (safetensors(&one("F8_E8M0", "[8]", 8), &[0; 8]), "type F8_E8M0, which is not supported"),
        (safetensors(&one("C64", "[1]", 8), &[0; 8]), "type C64, which is not supported: BOOL"),
        (safetensors(&one("F32", "[0,4294967296,4294967296]", 0), &[]), "fit in memory"),
        (
            safetensors(
                r#"{"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"x":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}"#,
                &[0; 8],
            ),
            "two tensors are called 'x'",
        ),
        (safetensors(&one("F99", "[8]", 8), &[0; 8]), "not valid"),
        (safetensors(&one("F32", "[1,1,1,1,1,1,1,1,2]", 8), &[0; 8]), "at most 8 dims"),
        (safetensors("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", &[0; 8]), "invalid offset"),
        (safetensors("{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", &[0; 8]), "invalid offset"),
        (safetensors("[]", &[0; 8]), "not valid"),
        (safetensors(&"[".repeat(100_000), &[0; 8]), "not valid"),
        (safetensors("{\"x\":\u{1}}", &[0; 8]), "not valid"),
        (safetensors("", &[]), "not valid"),
        (max.to_le_bytes().to_vec(), "said to have 18446744073709551615 bytes, and 0 follow"),
        (vec![1, 2, 3], "not a .safetensors file"),
        (b"\x93NUMPY\x01\x00{}".to_vec(), "not a .safetensors file: it is a .npy file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0".to_vec(), "`git lfs pull`"),
        (b"PK\x03\x04archive/data.pkl".to_vec(), "not a .safetensors file: it is a PyTorch checkpoint"),
        (Vec::new(), "empty"),
    ] {
        let path = file(&folder, "lie.safetensors", &bytes);
        let found = message(read_safetensors(&path, &cpu()), &path);
        assert!(found.contains(words), "{found} lacks {words}");
    }
    let path = folder.path().join("missing.safetensors");
    assert_eq!(message(read_safetensors(&path, &cpu()), &path), "no such file or folder");
}

/// A header may not be longer than the format's own implementation takes. The file is sparse.
#[test]
fn headers_of_safetensors_have_a_limit() {
    let folder = tempdir().unwrap();
    let path = file(&folder, "long.safetensors", &100_000_001_u64.to_le_bytes());
    fs::File::options().append(true).open(&path).unwrap().set_len(100_000_009).unwrap();
    assert!(message(read_safetensors(&path, &cpu()), &path).contains("100000001 bytes, and one has at most 100000000"));
}

/// Entries that all claim the same bytes are refused in the time it takes to sort them.
#[test]
fn many_overlapping_entries_are_refused_soon() {
    let folder = tempdir().unwrap();
    let entry = |i| format!("\"{i}\":{{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}");
    let entries: Vec<String> = (0..100_000).map(entry).collect();
    let path = file(&folder, "many.safetensors", &safetensors(&format!("{{{}}}", entries.join(",")), &[0; 8]));
    let start = std::time::Instant::now();
    assert!(message(read_safetensors(&path, &cpu()), &path).contains("invalid offset"));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn floats_of_8_bits_are_read_as_f32() {
    let folder = tempdir().unwrap();
    let header = r#"{"a":{"dtype":"F8_E4M3","shape":[2,2],"data_offsets":[0,4]},"b":{"dtype":"F8_E5M2","shape":[4],
        "data_offsets":[4,8]}}"#;
    let path = file(&folder, "f8.safetensors", &safetensors(header, b"\x38\xb8\x7e\x01\x3c\xbc\x7b\x7c"));
    let read = read_safetensors(&path, &cpu()).unwrap();
    assert_eq!((read[0].1.dtype(), read[0].1.shape().dims()), (DType::F32, &[2, 2][..]));
    assert_eq!(read[0].1.to_vec::<f32>().unwrap(), [1.0, -1.0, 448.0, 2f32.powi(-9)]);
    assert_eq!(read[1].1.to_vec::<f32>().unwrap(), [1.0, -1.0, 57344.0, f32::INFINITY]);
    // More of them than are converted at once.
    let n = 1_000_003;
    let bytes: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
    let header = format!("{{\"x\":{{\"dtype\":\"F8_E5M2\",\"shape\":[{n}],\"data_offsets\":[0,{n}]}}}}");
    let path = file(&folder, "long.safetensors", &safetensors(&header, &bytes));
    let read = Tensor::read_safetensors(&path, "x", &cpu()).unwrap().to_vec::<f32>().unwrap();
    let want = bytes.iter().map(|&b| f16::from_bits(u16::from(b) << 8).to_f32().to_bits());
    assert!(read.iter().map(|v| v.to_bits()).eq(want));
}

#[test]
fn npy_files_of_ml_dtypes_are_read() {
    let folder = tempdir().unwrap();
    let header = "{'descr': '<V2', 'fortran_order': False, 'shape': (2,), }";
    let tensor = Tensor::read_npy(file(&folder, "b.npy", &npy(header, b"\x80\x3f\x00\xc0")), &cpu()).unwrap();
    assert_eq!(tensor.to_vec::<bf16>().unwrap(), [1.0, -2.0].map(bf16::from_f32));
    let header = "{'descr': '<f1', 'fortran_order': True, 'shape': (2, 2), }";
    let tensor = Tensor::read_npy(file(&folder, "f.npy", &npy(header, b"\x3c\x00\xbc\x40")), &cpu()).unwrap();
    assert_eq!(tensor.to_vec::<f32>().unwrap(), [1.0, -1.0, 0.0, 2.0]);
}

/// Tensors of many chunks, in either order of bytes, and written again.
#[test]
fn large_tensors_are_read_whole() {
    let folder = tempdir().unwrap();
    let values: Vec<f64> = (0..700_001).map(f64::from).collect();
    let header = format!("{{'descr': '>f8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    let path = file(&folder, "big.npy", &npy(&header, &bytes));
    for device in devices() {
        let tensor = Tensor::read_npy(&path, &device).unwrap();
        assert!(tensor.to_vec::<f64>().unwrap() == values, "{device}");
        let again = folder.path().join("again.npy");
        tensor.write_npy(&again).unwrap();
        assert!(Tensor::read_npy(&again, &device).unwrap().to_vec::<f64>().unwrap() == values, "{device}");
    }
    // An odd number of bytes at the end of the last chunk.
    let bytes: Vec<u8> = (0..(1 << 20) + 3).map(|i| (i % 251) as u8).collect();
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({},), }}", bytes.len());
    let path = file(&folder, "bytes.npy", &npy(&header, &bytes));
    for device in devices() {
        assert!(Tensor::read_npy(&path, &device).unwrap().to_vec::<u8>().unwrap() == bytes, "{device}");
    }
}

#[test]
fn a_model_in_several_files_is_read_by_its_index() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let x = |value: f32| Tensor::from_slice(&[value], [1], &cpu()).unwrap();
    write_safetensors(at("m-1.safetensors"), &[("a", &x(1.0)), ("c", &x(3.0))]).unwrap();
    fs::create_dir(at("below")).unwrap();
    write_safetensors(at("below/m-2.safetensors"), &[("b", &x(2.0)), ("unlisted", &x(9.0))]).unwrap();
    let index = |map: &str| {
        file(
            &folder,
            "m.safetensors.index.json",
            format!("{{\"metadata\": {{\"total_size\": 12}}, \"weight_map\": {map}}}").as_bytes(),
        )
    };
    let path = index(r#"{"c": "m-1.safetensors", "b": "below/m-2.safetensors", "a": "m-1.safetensors"}"#);
    assert_eq!(safetensors_names(&path).unwrap(), ["c", "b", "a"]);
    assert!(safetensors_metadata(&path).unwrap().is_empty());
    let all = read_safetensors(&path, &cpu()).unwrap();
    let values: Vec<_> = all.iter().map(|(name, x)| (name.as_str(), x.item::<f32>().unwrap())).collect();
    assert_eq!(values, [("c", 3.0), ("b", 2.0), ("a", 1.0)]);
    assert_eq!(Tensor::read_safetensors(&path, "b", &cpu()).unwrap().item::<f32>().unwrap(), 2.0);
    assert_eq!(
        message(Tensor::read_safetensors(&path, "d", &cpu()), &path),
        "no tensor is called 'd' (there are: c, b, a)"
    );

    for (map, words) in [
        (r#"{"a": "../m-1.safetensors"}"#, "names '../m-1.safetensors', and a file of a model is one in the folder"),
        (r#"{"a": "/etc/passwd"}"#, "names '/etc/passwd'"),
        (r#"{"a": ""}"#, "names ''"),
        (r#"{"a": "m.safetensors.index.json"}"#, "names 'm.safetensors.index.json'"),
        (r#"{"a": 1}"#, "not an index of .safetensors files"),
        ("[]", "not an index of .safetensors files"),
    ] {
        let path = index(map);
        let found = message(Tensor::read_safetensors(&path, "a", &cpu()), &path);
        assert!(found.contains(words), "{found}");
        assert!(message(read_safetensors(&path, &cpu()), &path).contains(words));
    }
    let path = index(r#"{"a": "m-3.safetensors", "z": "m-1.safetensors"}"#);
    let missing = at("m-3.safetensors");
    assert_eq!(message(Tensor::read_safetensors(&path, "a", &cpu()), &missing), "no such file or folder");
    let other = at("m-1.safetensors");
    assert!(message(Tensor::read_safetensors(&path, "z", &cpu()), &other).contains("no tensor is called 'z'"));
    let before = fs::read(&path).unwrap();
    assert!(message(x(0.0).write_safetensors(&path, "a"), &path).contains("an index names the files"));
    assert!(message(write_safetensors(&path, &[("a", &x(0.0))]), &path).contains("an index names the files"));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Arrays as `numpy.savez_compressed` wrote them: `a` = [[0, 1, 2], [3, 4, 5]], `z` a thousand zeros, and texts `s`.
const COMPRESSED: &[u8] = include_bytes!("targets/cases/npz/deflated");

#[test]
fn npz_round_trips_every_dtype_it_has() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("all.npz");
    let samples = samples();
    let names = ["b", "a.u8", "ä i32", "\"quoted\"", "", "dir/f32", "f64"];
    let pairs: Vec<_> = names.into_iter().zip(&samples).collect();
    write_npz(&path, &pairs).unwrap();
    assert_eq!(npz_names(&path).unwrap(), names);
    for ((name, tensor), (found, read)) in pairs.iter().zip(read_npz(&path, &cpu()).unwrap()) {
        assert_eq!((found.as_str(), content(&read)), (*name, content(tensor)));
        assert_eq!(content(&Tensor::read_npz(&path, name, &cpu()).unwrap()), content(tensor), "{name}");
    }
    // An independent crate reads the arrays in it.
    let mut zip = ::zip::ZipArchive::new(fs::File::open(&path).unwrap()).unwrap();
    let mut bytes = Vec::new();
    zip.by_name("ä i32.npy").unwrap().read_to_end(&mut bytes).unwrap();
    let array = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(array.shape(), [2, 3]);
    assert_eq!(array.into_vec::<i32>().unwrap(), samples[2].to_vec::<i32>().unwrap());

    write_npz(&path, &[]).unwrap();
    assert!(read_npz(&path, &cpu()).unwrap().is_empty());
    assert_eq!(message(Tensor::read_npz(&path, "x", &cpu()), &path), "no array is called 'x' (there are none)");
    let twice = write_npz(&path, &[("x", &samples[0]), ("x", &samples[1])]);
    assert_eq!(message(twice, &path), "two arrays are called 'x'");
    let long = "x".repeat(70_000);
    assert!(message(samples[0].write_npz(&path, &long), &path).contains("too long for a zip archive"));
}

#[test]
fn deflated_arrays_are_read() {
    let folder = tempdir().unwrap();
    let path = file(&folder, "c.npz", COMPRESSED);
    assert_eq!(npz_names(&path).unwrap(), ["a", "z", "s"]);
    let a = Tensor::read_npz(&path, "a", &cpu()).unwrap();
    assert_eq!((a.shape().dims(), a.to_vec::<f32>().unwrap()), (&[2, 3][..], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!(Tensor::read_npz(&path, "z", &cpu()).unwrap().to_vec::<f64>().unwrap(), [0.0; 1000]);
    let refused = message(Tensor::read_npz(&path, "s", &cpu()), &path);
    assert!(refused.starts_with("'s': elements of type '<U2' (text) are not supported"), "{refused}");
    assert_eq!(message(read_npz(&path, &cpu()), &path), refused);
}

#[test]
fn an_array_is_added_to_npz_and_all_else_stays() {
    let folder = tempdir().unwrap();
    let path = file(&folder, "c.npz", COMPRESSED);
    let x = &samples()[5];
    for (name, names) in
        [("new", &["a", "z", "s", "new"][..]), ("z", &["a", "z", "s", "new"]), ("new", &["a", "z", "s", "new"])]
    {
        x.write_npz(&path, name).unwrap();
        assert_eq!(npz_names(&path).unwrap(), names);
        assert_eq!(content(&Tensor::read_npz(&path, name, &cpu()).unwrap()), content(x));
    }
    assert_eq!(Tensor::read_npz(&path, "a", &cpu()).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // The texts are still compressed, byte for byte.
    let bytes = fs::read(&path).unwrap();
    let member = |bytes: &[u8]| {
        let mut zip = ::zip::ZipArchive::new(std::io::Cursor::new(bytes.to_vec())).unwrap();
        let mut raw = Vec::new();
        let index = zip.index_for_name("s.npy").unwrap();
        zip.by_index_raw(index).unwrap().read_to_end(&mut raw).unwrap();
        raw
    };
    assert_eq!(member(&bytes), member(COMPRESSED));

    let broken = file(&folder, "broken.npz", b"no archive");
    assert_eq!(message(x.write_npz(&broken, "x"), &broken), "not an .npz file");
    assert_eq!(fs::read(&broken).unwrap(), b"no archive");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn npz_files_that_lie_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("whole.npz");
    write_npz(&path, &[("x", &samples()[5])]).unwrap();
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        let path = file(&folder, "part.npz", &whole[..len]);
        assert!(!message(read_npz(&path, &cpu()), &path).is_empty());
    }
    for len in 0..COMPRESSED.len() {
        let path = file(&folder, "part.npz", &COMPRESSED[..len]);
        assert!(!message(read_npz(&path, &cpu()), &path).is_empty());
    }
    // A byte of the elements is another, and the checksum is not.
    let mut changed = whole.clone();
    let at = changed.windows(4).position(|bytes| bytes == 1.5_f32.to_le_bytes()).unwrap();
    changed[at] ^= 1;
    let path = file(&folder, "changed.npz", &changed);
    assert_eq!(message(read_npz(&path, &cpu()), &path), "'x': Invalid checksum");
    // Sizes in the directory, which ends the file: 22 bytes before the end, behind 46 bytes and the name `x.npy`.
    let directory = whole.len() - 22 - 46 - 5;
    assert_eq!(&whole[directory..directory + 4], b"PK\x01\x02");
    for (offset, words) in [(20, "goes on beyond the end"), (24, "cannot come of")] {
        let mut bytes = whole.clone();
        bytes[directory + offset..directory + offset + 4].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
        let path = file(&folder, "lie.npz", &bytes);
        let found = message(read_npz(&path, &cpu()), &path);
        assert!(found.contains(words), "{found}");
    }
    // Compressed by bzip2.
    let mut bytes = whole.clone();
    bytes[directory + 10] = 12;
    let path = file(&folder, "bzip2.npz", &bytes);
    let found = message(read_npz(&path, &cpu()), &path);
    assert!(found.contains("only what is stored or deflated is read"), "{found}");
    let path = folder.path().join("missing.npz");
    assert_eq!(message(read_npz(&path, &cpu()), &path), "no such file or folder");
}

#[test]
fn a_mistyped_name_is_answered_with_one_that_is_near() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let x = Tensor::from_slice(&[1.0_f32], [1], &cpu()).unwrap();
    write_safetensors(&path, &[("encoder.layer.0.weight", &x), ("encoder.layer.0.bias", &x)]).unwrap();
    let found = message(Tensor::read_safetensors(&path, "encoder.layers.0.weight", &cpu()), &path);
    assert!(found.contains("did you mean 'encoder.layer.0.weight'?"), "{found}");
}

/// What would wait for ever is refused at once.
#[cfg(unix)]
#[test]
fn pipes_sockets_and_devices_are_refused() {
    let folder = tempdir().unwrap();
    let pipe = folder.path().join("pipe.npy");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let socket = folder.path().join("socket.npy");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, words) in [(&*pipe, "a pipe"), (&*socket, "a socket"), (Path::new("/dev/zero"), "a device")] {
        assert!(message(Tensor::read_npy(path, &cpu()), path).starts_with(&format!("not a regular file: {words}")));
        assert!(message(read_safetensors(path, &cpu()), path).contains(words));
        assert!(message(safetensors_names(path), path).contains(words));
        assert!(message(samples()[0].write_npy(path), path).contains(words));
        assert!(message(samples()[0].write_safetensors(path, "x"), path).contains(words));
    }
}

#[test]
fn writing_replaces_whole_files_or_nothing() {
    let folder = tempdir().unwrap();
    let samples = samples();
    let path = folder.path().join("kept.npy");
    samples[5].write_npy(&path).unwrap();
    samples[2].write_npy(&path).unwrap();
    assert_eq!(Tensor::read_npy(&path, &cpu()).unwrap().dtype(), DType::I32);

    let path = folder.path().join("two.safetensors");
    let twice = write_safetensors(&path, &[("x", &samples[0]), ("x", &samples[1])]);
    assert_eq!(message(twice, &path), "two tensors are called 'x'");
    assert!(message(write_safetensors(&path, &[("__metadata__", &samples[0])]), &path).contains("keeps for itself"));

    let nowhere = folder.path().join("nosuch").join("x.npy");
    assert_eq!(message(samples[0].write_npy(&nowhere), &nowhere), "there is no such folder");
    assert_eq!(message(samples[0].write_npy(folder.path()), folder.path()), "not a regular file: a folder");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kept.npy"], "nothing is left behind");
}

#[cfg(unix)]
#[test]
fn writing_follows_links_and_the_umask() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempdir().unwrap();
    let (real, link) = (folder.path().join("real.npy"), folder.path().join("link.npy"));
    let plain = file(&folder, "plain", b"");
    samples()[0].write_npy(&real).unwrap();
    symlink(&real, &link).unwrap();
    samples()[1].write_npy(&link).unwrap();
    assert!(link.is_symlink());
    assert_eq!(Tensor::read_npy(&real, &cpu()).unwrap().dtype(), DType::U8);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&real), mode(&plain));
    assert_eq!(message(samples()[0].write_npy("/dev/null"), Path::new("/dev/null")), "not a regular file: a device");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// A byte changed anywhere gives another tensor or an error, and no panic.
    #[test]
    fn no_changed_byte_panics(at in 0_usize..200, byte in any::<u8>()) {
        let folder = tempdir().unwrap();
        for (name, mut bytes) in [
            ("x.npy", npy("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }\n", &[1; 24])),
            ("x.safetensors", safetensors("{\"x\":{\"dtype\":\"F32\",\"shape\":[3,2],\"data_offsets\":[0,24]}}", &[1; 24])),
        ] {
            let at = at % bytes.len();
            bytes[at] = byte;
            let path = file(&folder, name, &bytes);
            let _ = Tensor::read_npy(&path, &cpu());
            let _ = read_safetensors(&path, &cpu());
        }
        let mut bytes = COMPRESSED.to_vec();
        let at = at * bytes.len() / 200;
        bytes[at] = byte;
        let _ = read_npz(file(&folder, "x.npz", &bytes), &cpu());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let folder = tempdir().unwrap();
        let path = file(&folder, "x", &[&b"\x93NUMPY\x01\x00"[..], &bytes].concat());
        let _ = Tensor::read_npy(&path, &cpu());
        let path = file(&folder, "y", &bytes);
        let _ = read_safetensors(&path, &cpu());
    }
}

#[test]
fn metadata_is_written_read_and_kept() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let x = Tensor::from_slice(&[1.0_f32], [1], &cpu()).unwrap();
    let notes = [("format", "pt"), ("epoch", "3")];
    write_safetensors_with(&path, &[("x", &x)], &notes).unwrap();
    x.write_safetensors(&path, "y").unwrap();
    let found = safetensors_metadata(&path).unwrap();
    assert_eq!(found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), [notes[1], notes[0]]);
    let twice = write_safetensors_with(&path, &[("x", &x)], &[("a", "1"), ("a", "2")]);
    assert!(twice.unwrap_err().to_string().contains("two entries of the metadata"));
    assert_eq!(safetensors_names(&path).unwrap(), ["x", "y"]);
    // Of a model in several files, what all of them say.
    let index = br#"{"weight_map": {"x": "m.safetensors"}}"#;
    let index = file(&folder, "m.safetensors.index.json", index);
    assert_eq!(safetensors_metadata(&index).unwrap(), found);
}

#[test]
fn unsigned_integers_keep_their_values() {
    fn check<T: Element + PartialEq>(descr: &str, bytes: &[u8], want: [T; 2]) {
        let folder = tempdir().unwrap();
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2,)}}");
        let x = Tensor::read_npy(file(&folder, "u.npy", &npy(&header, bytes)), &cpu()).unwrap();
        assert_eq!((x.dtype(), x.to_vec::<T>().unwrap()), (T::DTYPE, want.to_vec()), "{descr}");
        // There and back, in both kinds of file.
        let path = folder.path().join("y.npy");
        x.write_npy(&path).unwrap();
        assert_eq!(Tensor::read_npy(&path, &cpu()).unwrap().to_vec::<T>().unwrap(), want, "{descr}");
        let path = folder.path().join("y.safetensors");
        write_safetensors(&path, &[("x", &x)]).unwrap();
        let back = Tensor::read_safetensors(&path, "x", &cpu()).unwrap();
        assert_eq!((back.dtype(), back.to_vec::<T>().unwrap()), (T::DTYPE, want.to_vec()), "{descr}");
    }
    check("<u2", &[1, 0, 255, 255], [1_u16, 65_535]);
    check(">u2", &[0, 1, 255, 254], [1_u16, 65_534]);
    check("<u4", &[1, 0, 0, 0, 255, 255, 255, 255], [1_u32, u32::MAX]);
    check(">u8", &[0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255, 255, 255, 255, 255], [7_u64, u64::MAX]);
}
