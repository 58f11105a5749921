//! Hugging Face's `.safetensors` files ([format](https://github.com/huggingface/safetensors#format)).
//!
//! The `safetensors` crate reads and writes the header. Elements go between file and device one tensor at a time, so a
//! large model is never in memory twice, and reading one tensor needs memory for that tensor only.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
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
    let mut parts: Vec<Part<'_>> = tensors.iter().map(|&(name, tensor)| Part::new(name, tensor)).collect();
    parts.sort_by(Part::order);
    write(path.as_ref(), &parts, None)
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

    /// Writes this tensor as `name` into a `.safetensors` file: one more tensor, or in the place of the one of that name.
    /// All else in the file stays as it is, tensors of types that this library does not have and metadata included. If
    /// there is no such file, it is made. An existing file is replaced once the new one is whole.
    ///
    /// ```
    /// use hadamard::{Device, Tensor, safetensors_names, write_safetensors};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("model.safetensors");
    /// let w = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
    /// write_safetensors(&path, &[("layer.weight", &w)])?;
    /// w.write_safetensors(&path, "layer.bias")?;
    /// assert_eq!(safetensors_names(&path)?, ["layer.bias", "layer.weight"]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) if there is a file and it is no `.safetensors` file, or it cannot be written;
    /// what the device reports. Then the file is as it was.
    pub fn write_safetensors(&self, path: impl AsRef<Path>, name: &str) -> Result<()> {
        let path = path.as_ref();
        if !path.exists() {
            return write_safetensors(path, &[(name, self)]);
        }
        let Opened { file, metadata, start, .. } = Opened::new(path)?;
        let names = metadata.offset_keys();
        let mut parts: Vec<Part<'_>> = Vec::new();
        for other in names.iter().filter(|other| *other != name) {
            if let Some(info) = metadata.info(other) {
                let (from, to) = info.data_offsets;
                let source = Source::File(&file, start + from as u64);
                parts.push(Part { name: other, dtype: info.dtype, shape: info.shape.clone(), len: to - from, source });
            }
        }
        let new = Part::new(name, self);
        let at = parts.iter().position(|part| new.order(part).is_lt()).unwrap_or(parts.len());
        parts.insert(at, new);
        write(path, &parts, metadata.metadata().clone())
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

/// A tensor to be written, and where its elements come from.
struct Part<'a> {
    name: &'a str,
    dtype: Dtype,
    shape: Vec<usize>,
    /// In bytes.
    len: usize,
    source: Source<'a>,
}

enum Source<'a> {
    Tensor(&'a Tensor),
    /// A file, from this byte on. What lies there is copied as it is.
    File(&'a File, u64),
}

impl<'a> Part<'a> {
    fn new(name: &'a str, tensor: &'a Tensor) -> Self {
        let (dtype, len) = (dtype_to(tensor.dtype()), tensor.numel() * tensor.dtype().size());
        Self { name, dtype, shape: tensor.shape().to_vec(), len, source: Source::Tensor(tensor) }
    }

    /// How parts are ordered: larger elements first, so that every element is aligned, then by name.
    fn order(&self, other: &Self) -> Ordering {
        other.dtype.cmp(&self.dtype).then(self.name.cmp(other.name))
    }
}

/// Writes a file of these parts, in their order.
fn write(path: &Path, parts: &[Part<'_>], notes: Option<HashMap<String, String>>) -> Result<()> {
    let mut names: Vec<&str> = parts.iter().map(|part| part.name).collect();
    names.sort_unstable();
    if let Some(i) = (1..names.len()).find(|&i| names[i] == names[i - 1]) {
        return Err(refuse(path, format!("two tensors are called '{}'", names[i])));
    }
    if names.contains(&"__metadata__") {
        return Err(refuse(path, "'__metadata__' is a name that the format keeps for itself"));
    }
    let mut end = 0_usize;
    let infos = parts.iter().map(|part| {
        let start = end;
        end += part.len;
        let info = TensorInfo { dtype: part.dtype, shape: part.shape.clone(), data_offsets: (start, end) };
        (part.name.to_owned(), info)
    });
    let metadata = Metadata::new(notes, infos.collect()).map_err(|error| refuse(path, error.to_string()))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| refuse(path, error.to_string()))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    write_whole(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed(path))?;
        out.write_all(&header).map_err(failed(path))?;
        for part in parts {
            match part.source {
                Source::Tensor(tensor) => {
                    let bytes = little_endian(tensor.bytes("write_safetensors")?, tensor.dtype().size());
                    out.write_all(&bytes).map_err(failed(path))?;
                }
                Source::File(mut file, from) => {
                    file.seek(SeekFrom::Start(from)).map_err(failed(path))?;
                    let copied = io::copy(&mut file.take(part.len as u64), out).map_err(failed(path))?;
                    if copied < part.len as u64 {
                        return Err(refuse(path, "the file ends too early"));
                    }
                }
            }
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
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}
