//! The header of a `.safetensors` file, and what it says of tensors.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::super::elements;
use super::super::file::{Source, failed, open, refuse};
use super::super::names;
use super::encoding_of;
use crate::{Device, Result, Shape, Tensor};

/// As in the format's own implementation: a longer one costs time and memory, and no model needs it.
pub(super) const LONGEST_HEADER: u64 = 100_000_000;

/// A file whose header has been read and found to agree with the file's size.
pub(super) struct Opened<'a> {
    path: &'a Path,
    pub(super) file: File,
    pub(super) metadata: Metadata,
    /// Where the elements begin.
    pub(super) start: u64,
}

impl<'a> Opened<'a> {
    pub(super) fn new(path: &'a Path) -> Result<Self> {
        let mut opened = open(path)?;
        let mut source = Source::new(path, None, &mut opened.file, opened.size);
        let mut length = [0; 8];
        let length = match source.read(&mut length) {
            Ok(()) => u64::from_le_bytes(length),
            Err(_) => return Err(refuse(path, "not a .safetensors file")),
        };
        let left = source.left();
        if length > left {
            let said = format!(": the header is said to have {length} bytes, and {left} follow");
            let said = if opened.is_known() { "" } else { &said };
            return Err(refuse(path, opened.not_a("a .safetensors file") + said));
        }
        if length > LONGEST_HEADER {
            return Err(refuse(path, format!("the header has {length} bytes, and one has at most {LONGEST_HEADER}")));
        }
        let header = source.bytes(length)?;
        // Sizes are checked against offsets, and offsets for gaps and overlaps, as this is read.
        let Header(metadata) = serde_json::from_slice(&header)
            .map_err(|error| refuse(path, format!("the header is not valid: {error}")))?;
        let (said, found) = (metadata.data_len() as u64, left - length);
        if said != found {
            let message = format!("the header speaks of {said} bytes of elements, and {found} follow it");
            return Err(refuse(path, message));
        }
        Ok(Self { path, file: opened.file, metadata, start: 8 + length })
    }

    pub(super) fn tensor(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        let path = self.path;
        let Some(info) = self.metadata.info(name) else {
            return Err(refuse(path, names::unknown("tensor", name, &self.metadata.offset_keys())));
        };
        let encoding = encoding_of(info.dtype).map_err(|message| refuse(path, format!("'{name}' {message}")))?;
        let shape = Shape::from(&info.shape[..]);
        let length = elements::length(&shape, encoding).map_err(|e| refuse(path, format!("'{name}': {e}")))?;
        let (from, to) = info.data_offsets;
        // The crate may count the elements of an empty tensor differently; the offsets decide.
        if to - from != length {
            let message = format!("'{name}': {shape} of {} does not take {} bytes", encoding.name(), to - from);
            return Err(refuse(path, message));
        }
        self.file.seek(SeekFrom::Start(self.start + from as u64)).map_err(failed(path))?;
        let mut source = Source::new(path, Some(name), &mut self.file, length as u64);
        elements::read("read_safetensors", &mut source, encoding, false, shape, device)
    }
}

/// Metadata as it is read: entry by entry, where the crate's own way keeps a copy of the whole header, of many times
/// its size, before it looks at any.
struct Header(Metadata);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries).map(Self)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let (mut tensors, mut notes) = (Vec::<(String, TensorInfo)>::new(), None);
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                notes = map.next_value::<Option<HashMap<String, String>>>()?;
            } else {
                tensors.push((name, map.next_value()?));
            }
        }
        let mut seen = HashSet::new();
        if let Some((name, _)) = tensors.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            return Err(A::Error::custom(format!("two tensors are called '{name}'")));
        }
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        Metadata::new(notes, tensors).map_err(A::Error::custom)
    }
}
