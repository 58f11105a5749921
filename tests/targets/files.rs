//! Any bytes as a file: it is read or refused, and what is read is read again from what is written of it.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use hadamard::{
    DType, Device, Error, Tensor, npz_names, read_npz, read_safetensors, safetensors_names, write_npz,
    write_safetensors,
};
use tempfile::TempDir;

/// Calls `test` with the path of a file of these bytes, and of another beside it.
fn with_file(data: &[u8], test: impl FnOnce(PathBuf, PathBuf)) {
    thread_local!(static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) });
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().unwrap()).path();
        let path = folder.join("given");
        fs::write(&path, data).unwrap();
        test(path, folder.join("written"));
    });
}

/// What a tensor holds. It takes no more memory than `size`: a file's bytes are its elements', or where they are floats of
/// 8 bits, a quarter of them.
fn content(tensor: &Tensor, size: usize) -> (Vec<usize>, DType, Vec<u8>) {
    assert!(tensor.numel() * tensor.dtype().size() <= size, "{tensor:?} from {size} bytes");
    let bytes = match tensor.dtype() {
        DType::Bool => tensor.to_vec::<bool>().unwrap().into_iter().map(u8::from).collect(),
        DType::U8 => tensor.to_vec::<u8>().unwrap(),
        DType::I8 => tensor.to_vec::<i8>().unwrap().into_iter().flat_map(i8::to_le_bytes).collect(),
        DType::I16 => tensor.to_vec::<i16>().unwrap().into_iter().flat_map(i16::to_le_bytes).collect(),
        DType::I32 => tensor.to_vec::<i32>().unwrap().into_iter().flat_map(i32::to_le_bytes).collect(),
        DType::I64 => tensor.to_vec::<i64>().unwrap().into_iter().flat_map(i64::to_le_bytes).collect(),
        DType::U16 => tensor.to_vec::<u16>().unwrap().into_iter().flat_map(u16::to_le_bytes).collect(),
        DType::U32 => tensor.to_vec::<u32>().unwrap().into_iter().flat_map(u32::to_le_bytes).collect(),
        DType::U64 => tensor.to_vec::<u64>().unwrap().into_iter().flat_map(u64::to_le_bytes).collect(),
        DType::F16 => tensor.to_vec::<half::f16>().unwrap().into_iter().flat_map(half::f16::to_le_bytes).collect(),
        DType::BF16 => tensor.to_vec::<half::bf16>().unwrap().into_iter().flat_map(half::bf16::to_le_bytes).collect(),
        DType::F32 => tensor.to_vec::<f32>().unwrap().into_iter().flat_map(f32::to_le_bytes).collect(),
        DType::F64 => tensor.to_vec::<f64>().unwrap().into_iter().flat_map(f64::to_le_bytes).collect(),
    };
    (tensor.shape().to_vec(), tensor.dtype(), bytes)
}

fn refused(error: &Error) {
    assert!(matches!(error, Error::File { .. }), "{error:?}");
}

pub(super) fn npy(data: &[u8]) {
    with_file(data, |path, again| match Tensor::read_npy(&path, &Device::cpu()) {
        // NumPy has no bf16, which is read all the same.
        Ok(tensor) if tensor.dtype() == DType::BF16 => refused(&tensor.write_npy(&again).unwrap_err()),
        Ok(tensor) => {
            tensor.write_npy(&again).unwrap();
            let read = Tensor::read_npy(&again, &Device::cpu()).unwrap();
            assert_eq!(content(&read, 4 * data.len()), content(&tensor, 4 * data.len()));
        }
        Err(error) => refused(&error),
    });
}

/// No file makes more of its bytes than deflate can.
const EXPANSION: usize = 1032;

pub(super) fn npz(data: &[u8]) {
    let device = Device::cpu();
    with_file(data, |path, again| {
        let names = match npz_names(&path) {
            Ok(names) => names,
            Err(error) => return refused(&error),
        };
        for name in &names {
            if let Err(error) = Tensor::read_npz(&path, name, &device) {
                refused(&error);
            }
        }
        let tensors = match read_npz(&path, &device) {
            Ok(tensors) => tensors,
            Err(error) => return refused(&error),
        };
        assert!(tensors.iter().map(|(name, _)| name).eq(&names));
        // NumPy has no bf16, which is read all the same.
        let writable = tensors.iter().filter(|(_, x)| x.dtype() != DType::BF16);
        let borrowed: Vec<(&str, &Tensor)> = writable.map(|(name, x)| (name.as_str(), x)).collect();
        write_npz(&again, &borrowed).unwrap();
        for (name, tensor) in &borrowed {
            let read = Tensor::read_npz(&again, name, &device).unwrap();
            assert_eq!(
                content(&read, 4 * EXPANSION * data.len()),
                content(tensor, 4 * EXPANSION * data.len()),
                "{name}"
            );
        }
        // One more, in a file whose other members stay.
        let one = Tensor::from_slice(&[1_u8], [1], &device).unwrap();
        fs::copy(&path, &again).unwrap();
        one.write_npz(&again, "one more").unwrap();
        assert_eq!(
            npz_names(&again).unwrap().iter().filter(|name| *name != "one more").count(),
            names.iter().filter(|name| *name != "one more").count()
        );
    });
}

pub(super) fn safetensors(data: &[u8]) {
    let device = Device::cpu();
    with_file(data, |path, again| {
        let names = match safetensors_names(&path) {
            Ok(names) => names,
            Err(error) => return refused(&error),
        };
        for name in &names {
            if let Err(error) = Tensor::read_safetensors(&path, name, &device) {
                refused(&error);
            }
        }
        match read_safetensors(&path, &device) {
            Ok(tensors) => {
                assert!(tensors.iter().map(|(name, _)| name).eq(&names));
                let borrowed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, x)| (name.as_str(), x)).collect();
                write_safetensors(&again, &borrowed).unwrap();
                for (name, tensor) in &tensors {
                    let read = Tensor::read_safetensors(&again, name, &device).unwrap();
                    assert_eq!(content(&read, 4 * data.len()), content(tensor, 4 * data.len()), "{name}");
                }
            }
            Err(error) => refused(&error),
        }
    });
}
