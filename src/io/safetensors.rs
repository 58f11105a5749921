//! Hugging Face's `.safetensors` files ([format](https://github.com/huggingface/safetensors#format)).
//!
//! The `safetensors` crate reads and writes the header. Elements go between file and device one tensor at a time, so a
//! large model is never in memory twice, and reading one tensor needs memory for that tensor only.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::{failed, little_endian, normalize_bools, open, read_bytes, refuse, write_whole};
use crate::{DType, Device, Result, Shape, Tensor};

/// Reads every tensor of a `.safetensors` file, with its name, in the order of the file.
///
/// ```
/// use hadamard::{Device, Tensor, read_safetensors, write_safetensors};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.safetensors");
/// let device = Device::cpu();
/// let w = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
/// write_safetensors(&path, &[("layer.weight", &w)])?;
/// let tensors = read_safetensors(&path, &device)?;
/// assert_eq!((tensors[0].0.as_str(), tensors[0].1.to_vec::<f32>()?), ("layer.weight", vec![1.0, 2.0]));
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be read, is no `.safetensors` file, is shorter or longer
/// than its header says, or holds a tensor of a type that this library does not have (read the others by name, with
/// [`Tensor::read_safetensors`]); what the device reports.
pub fn read_safetensors(path: impl AsRef<Path>, device: &Device) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let mut file = Opened::new(path)?;
    file.metadata
        .offset_keys()
        .into_iter()
        .map(|name| {
            let tensor = file.tensor(&name, device)?;
            Ok((name, tensor))
        })
        .collect()
}

/// The names of the tensors of a `.safetensors` file, in the order of the file. No tensor is read.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be read, or is no `.safetensors` file.
pub fn safetensors_names(path: impl AsRef<Path>) -> Result<Vec<String>> {
    Ok(Opened::new(path.as_ref())?.metadata.offset_keys())
}

/// Writes tensors, with their names, into a `.safetensors` file. An existing file is replaced once the new one is
/// whole. The file is ordered by element size, then by name, so that every element is aligned.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be written, or two tensors have one name; what the device
/// reports.
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    write(path.as_ref(), tensors)
}

impl Tensor {
    /// Reads the tensor called `name` from a `.safetensors` file, and no other.
    ///
    /// # Errors
    ///
    /// As [`read_safetensors`]; [`Error::File`](crate::Error::File), with the names there are, if none is `name`.
    pub fn read_safetensors(path: impl AsRef<Path>, name: &str, device: &Device) -> Result<Self> {
        Opened::new(path.as_ref())?.tensor(name, device)
    }
}

/// A file whose header has been read and found to agree with the file's size.
struct Opened<'a> {
    path: &'a Path,
    file: File,
    metadata: Metadata,
    /// Where the elements begin.
    start: u64,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let (mut file, size) = open(path)?;
        let Some(left) = size.checked_sub(8) else {
            return Err(refuse(path, "not a .safetensors file"));
        };
        let mut length = [0; 8];
        length.copy_from_slice(&read_bytes(path, &mut file, 8)?);
        let length = u64::from_le_bytes(length);
        if length > left {
            let message =
                format!("not a .safetensors file: the header is said to have {length} bytes, and {left} follow");
            return Err(refuse(path, message));
        }
        let header = read_bytes(path, &mut file, length as usize)?;
        // Sizes are checked against offsets, and offsets for gaps and overlaps, as this is read.
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| refuse(path, format!("the header is not valid: {error}")))?;
        let (said, found) = (metadata.data_len() as u64, left - length);
        if said != found {
            let message = format!("the header speaks of {said} bytes of elements, and {found} follow it");
            return Err(refuse(path, message));
        }
        Ok(Self { path, file, metadata, start: 8 + length })
    }

    fn tensor(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        let path = self.path;
        let Some(info) = self.metadata.info(name) else {
            return Err(refuse(path, format!("no tensor is called '{name}' ({})", self.names())));
        };
        let Some(dtype) = dtype_of(info.dtype) else {
            let message = format!(
                "'{name}' has elements of type {}, which is not supported: BOOL, U8, I32, F16, BF16, F32 and F64 are",
                info.dtype
            );
            return Err(refuse(path, message));
        };
        let shape = Shape::from(&info.shape[..]);
        let numel = shape.checked_numel("read_safetensors").map_err(|e| refuse(path, format!("'{name}': {e}")))?;
        let (from, to) = info.data_offsets;
        // The crate may count the elements of an empty tensor differently; the offsets decide.
        if to - from != numel * dtype.size() {
            return Err(refuse(path, format!("'{name}': {shape} of {dtype} does not take {} bytes", to - from)));
        }
        self.file.seek(SeekFrom::Start(self.start + from as u64)).map_err(failed(path))?;
        let mut bytes = little_endian(read_bytes(path, &mut self.file, to - from)?, dtype.size());
        if dtype == DType::Bool {
            normalize_bools(&mut bytes);
        }
        Tensor::from_bytes("read_safetensors", &bytes, shape, dtype, device)
    }

    fn names(&self) -> String {
        let names = self.metadata.offset_keys();
        match names.len() {
            0 => "there are none".to_owned(),
            1..=20 => format!("there are: {}", names.join(", ")),
            n => format!("there are: {} and {} more", names[..20].join(", "), n - 20),
        }
    }
}

fn write(path: &Path, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let mut sorted: Vec<(Dtype, &str, &Tensor)> =
        tensors.iter().map(|&(name, tensor)| (dtype_to(tensor.dtype()), name, tensor)).collect();
    sorted.sort_by(|(dtype, name, _), (other, other_name, _)| other.cmp(dtype).then(name.cmp(other_name)));
    let mut names: Vec<&str> = tensors.iter().map(|&(name, _)| name).collect();
    names.sort_unstable();
    if let Some(i) = (1..names.len()).find(|&i| names[i] == names[i - 1]) {
        return Err(refuse(path, format!("two tensors are called '{}'", names[i])));
    }
    if names.contains(&"__metadata__") {
        return Err(refuse(path, "'__metadata__' is a name that the format keeps for itself"));
    }
    let mut end = 0_usize;
    let infos = sorted
        .iter()
        .map(|&(dtype, name, tensor)| {
            let start = end;
            end += tensor.numel() * tensor.dtype().size();
            (name.to_owned(), TensorInfo { dtype, shape: tensor.shape().to_vec(), data_offsets: (start, end) })
        })
        .collect();
    let metadata = Metadata::new(None, infos).map_err(|error| refuse(path, error.to_string()))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| refuse(path, error.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    write_whole(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed(path))?;
        out.write_all(&header).map_err(failed(path))?;
        for (_, _, tensor) in sorted {
            let bytes = little_endian(tensor.bytes("write_safetensors")?, tensor.dtype().size());
            out.write_all(&bytes).map_err(failed(path))?;
        }
        Ok(())
    })
}

fn dtype_of(dtype: Dtype) -> Option<DType> {
    DType::ALL.into_iter().find(|&d| dtype_to(d) == dtype)
}

fn dtype_to(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I32 => Dtype::I32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}
