//! Hugging Face's `.safetensors` files ([format](https://github.com/huggingface/safetensors#format)).
//!
//! The `safetensors` crate reads and writes the header. Elements go between file and device one tensor at a time, so a
//! large model is never in memory twice, and reading one tensor needs memory for that tensor only.

mod header;
mod index;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::Dtype;

use self::header::Opened;
use self::index::Index;
use self::write::{Part, Source, write};
use super::elements::Encoding;
use super::file::refuse;
use crate::{DType, Device, Result, Tensor};

/// Reads every tensor of a `.safetensors` file, with its name, in the order of the file.
///
/// A model in several files is read by its index, `model.safetensors.index.json`, as if it were one; so it is by every
/// function here that reads. `F8_E4M3` and `F8_E5M2` become f32; nothing else is converted.
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
    if index::is_index(path) {
        return Index::new(path)?.read_all(device);
    }
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
    let path = path.as_ref();
    if index::is_index(path) { Ok(Index::new(path)?.names()) } else { Ok(Opened::new(path)?.metadata.offset_keys()) }
}

/// The metadata of a `.safetensors` file: texts by their names, such as `format: pt`, which PyTorch's tools write. None is
/// an empty map. Of a model in several files, all files together; where two differ, the first in the order of names.
///
/// # Errors
///
/// As [`safetensors_names`].
pub fn safetensors_metadata(path: impl AsRef<Path>) -> Result<BTreeMap<String, String>> {
    let path = path.as_ref();
    if index::is_index(path) {
        return Index::new(path)?.metadata();
    }
    Ok(Opened::new(path)?.metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect())
}

/// [`write_safetensors`], with metadata.
///
/// ```
/// use hadamard::{Device, Tensor, safetensors_metadata, write_safetensors_with};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("model.safetensors");
/// let w = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
/// write_safetensors_with(&path, &[("w", &w)], &[("format", "pt")])?;
/// assert_eq!(safetensors_metadata(&path)?["format"], "pt");
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// As [`write_safetensors`]; [`Error::File`](crate::Error::File) if two entries of the metadata have one name.
pub fn write_safetensors_with(
    path: impl AsRef<Path>,
    tensors: &[(&str, &Tensor)],
    metadata: &[(&str, &str)],
) -> Result<()> {
    let path = path.as_ref();
    let notes: HashMap<String, String> = metadata.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
    if notes.len() < metadata.len() {
        return Err(refuse(path, "two entries of the metadata have one name"));
    }
    write_parts(path, tensors, Some(notes))
}

/// Writes tensors, with their names, into a `.safetensors` file. An existing file is replaced once the new one is
/// whole. The file is ordered by element size, then by name, so that every element is aligned.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be written, or two tensors have one name; what the device
/// reports.
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    write_parts(path.as_ref(), tensors, None)
}

fn write_parts(path: &Path, tensors: &[(&str, &Tensor)], notes: Option<HashMap<String, String>>) -> Result<()> {
    let mut parts: Vec<Part<'_>> = tensors.iter().map(|&(name, tensor)| Part::new(name, tensor)).collect();
    parts.sort_by(Part::order);
    write(path, &parts, notes)
}

impl Tensor {
    /// Reads the tensor called `name` from a `.safetensors` file, and no other.
    ///
    /// # Errors
    ///
    /// As [`read_safetensors`]; [`Error::File`](crate::Error::File), with the names there are, if none is `name`.
    pub fn read_safetensors(path: impl AsRef<Path>, name: &str, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        if index::is_index(path) {
            Index::new(path)?.read(name, device)
        } else {
            Opened::new(path)?.tensor(name, device)
        }
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
        if index::is_index(path) || !path.exists() {
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

/// How elements of a type are read, or what is said of a type that is not.
fn encoding_of(dtype: Dtype) -> Result<Encoding, String> {
    let plain = DType::ALL.into_iter().find(|&d| dtype_to(d) == dtype).map(Encoding::Plain);
    let encoding = plain.or(match dtype {
        Dtype::F8_E4M3 => Some(Encoding::F8E4M3),
        Dtype::F8_E5M2 => Some(Encoding::F8E5M2),
        _ => None,
    });
    encoding.ok_or_else(|| {
        let known: Vec<String> = DType::ALL.into_iter().map(|d| dtype_to(d).to_string()).collect();
        let instead = if dtype == Dtype::C64 { "save x.real and x.imag" } else { "convert with x.to" };
        format!(
            "has elements of type {dtype}, which is not supported: {}, F8_E4M3 and F8_E5M2 are ({instead})",
            known.join(", ")
        )
    })
}

fn dtype_to(dtype: DType) -> Dtype {
    match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I8 => Dtype::I8,
        DType::I16 => Dtype::I16,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::U16 => Dtype::U16,
        DType::U32 => Dtype::U32,
        DType::U64 => Dtype::U64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
    }
}
