//! Writing `.safetensors` files, also of parts of others.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::super::elements;
use super::super::file::{failed, refuse, write_whole};
use super::header::LONGEST_HEADER;
use super::{dtype_to, index};
use crate::{Result, Tensor};

/// A tensor to be written, and where its elements come from.
pub(super) struct Part<'a> {
    pub(super) name: &'a str,
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    /// In bytes.
    pub(super) len: usize,
    pub(super) source: Source<'a>,
}

pub(super) enum Source<'a> {
    Tensor(&'a Tensor),
    /// A file, from this byte on. What lies there is copied as it is.
    File(&'a File, u64),
}

impl<'a> Part<'a> {
    pub(super) fn new(name: &'a str, tensor: &'a Tensor) -> Self {
        let (dtype, len) = (dtype_to(tensor.dtype()), tensor.numel() * tensor.dtype().size());
        Self { name, dtype, shape: tensor.shape().to_vec(), len, source: Source::Tensor(tensor) }
    }

    /// How parts are ordered: larger elements first, so that every element is aligned, then by name.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        other.dtype.cmp(&self.dtype).then(self.name.cmp(other.name))
    }
}

/// Writes a file of these parts, in their order.
pub(super) fn write(path: &Path, parts: &[Part<'_>], notes: Option<HashMap<String, String>>) -> Result<()> {
    if index::is_index(path) {
        return Err(refuse(path, "an index names the files that hold tensors: write into one of those"));
    }
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
    if header.len() as u64 > LONGEST_HEADER {
        let message = format!("the header takes {} bytes, and one has at most {LONGEST_HEADER}", header.len());
        return Err(refuse(path, message));
    }
    write_whole(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed(path))?;
        out.write_all(&header).map_err(failed(path))?;
        for part in parts {
            match part.source {
                Source::Tensor(tensor) => {
                    elements::write("write_safetensors", tensor, out)?.map_err(failed(path))?;
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
