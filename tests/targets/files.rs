//! Any bytes as a file: it is read or refused, and what is read is read again from what is written of it.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use hadamard::{DType, Device, Error, Tensor, read_safetensors, safetensors_names, write_safetensors};
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

/// What a tensor holds. A file's bytes are its elements', so it takes no more memory than that.
fn content(tensor: &Tensor, size: usize) -> (Vec<usize>, DType, Vec<u8>) {
    assert!(tensor.numel() * tensor.dtype().size() <= size, "{tensor:?} from {size} bytes");
    let bytes = match tensor.dtype() {
        DType::Bool => tensor.to_vec::<bool>().unwrap().into_iter().map(u8::from).collect(),
        DType::U8 => tensor.to_vec::<u8>().unwrap(),
        DType::I8 => tensor.to_vec::<i8>().unwrap().into_iter().flat_map(i8::to_le_bytes).collect(),
        DType::I16 => tensor.to_vec::<i16>().unwrap().into_iter().flat_map(i16::to_le_bytes).collect(),
        DType::I32 => tensor.to_vec::<i32>().unwrap().into_iter().flat_map(i32::to_le_bytes).collect(),
        DType::I64 => tensor.to_vec::<i64>().unwrap().into_iter().flat_map(i64::to_le_bytes).collect(),
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
        Ok(tensor) => {
            tensor.write_npy(&again).unwrap();
            let read = Tensor::read_npy(&again, &Device::cpu()).unwrap();
            assert_eq!(content(&read, data.len()), content(&tensor, data.len()));
        }
        Err(error) => refused(&error),
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
                    assert_eq!(content(&read, data.len()), content(tensor, data.len()), "{name}");
                }
            }
            Err(error) => refused(&error),
        }
    });
}
