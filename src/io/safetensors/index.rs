//! Models in several files: `model.safetensors.index.json` says which file holds which tensor.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::super::file::{Source, open, refuse};
use super::super::names;
use super::header::{LONGEST_HEADER, Opened};
use crate::{Device, Result, Tensor};

/// Whether a path is that of an index, by its ending.
pub(super) fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
}

/// An index that has been read.
pub(super) struct Index<'a> {
    path: &'a Path,
    /// Each tensor's name and the file it is in, in the order of the index.
    tensors: Vec<(String, String)>,
}

impl<'a> Index<'a> {
    pub(super) fn new(path: &'a Path) -> Result<Self> {
        let mut opened = open(path)?;
        if opened.size > LONGEST_HEADER {
            let message = format!("{} bytes, and an index has at most {LONGEST_HEADER}", opened.size);
            return Err(refuse(path, message));
        }
        let text = Source::new(path, None, &mut opened.file, opened.size).bytes(opened.size)?;
        let Whole { weight_map: Entries(tensors) } = serde_json::from_slice(&text).map_err(|error| {
            refuse(
                path,
                format!("{}: {error}", opened.not_a("an index of .safetensors files (it maps names in weight_map)")),
            )
        })?;
        Ok(Self { path, tensors })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.tensors.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn read(&self, name: &str, device: &Device) -> Result<Tensor> {
        let Some((_, file)) = self.tensors.iter().find(|(other, _)| other == name) else {
            return Err(refuse(self.path, names::unknown("tensor", name, &self.names())));
        };
        Opened::new(&self.beside(file)?)?.tensor(name, device)
    }

    /// Every tensor, in the order of the index. One file is open at a time.
    pub(super) fn read_all(&self, device: &Device) -> Result<Vec<(String, Tensor)>> {
        let mut files: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, (_, file)) in self.tensors.iter().enumerate() {
            files.entry(file).or_default().push(i);
        }
        let mut found = BTreeMap::new();
        for (file, tensors) in files {
            let path = self.beside(file)?;
            let mut opened = Opened::new(&path)?;
            for i in tensors {
                let name = &self.tensors[i].0;
                found.insert(i, (name.clone(), opened.tensor(name, device)?));
            }
        }
        Ok(found.into_values().collect())
    }

    /// What the files say beside their tensors; where two differ, the first in the order of their names.
    pub(super) fn metadata(&self) -> Result<BTreeMap<String, String>> {
        let files: BTreeSet<&str> = self.tensors.iter().map(|(_, file)| file.as_str()).collect();
        let mut found = BTreeMap::new();
        for file in files {
            for (name, text) in Opened::new(&self.beside(file)?)?.metadata.metadata().iter().flatten() {
                found.entry(name.clone()).or_insert_with(|| text.clone());
            }
        }
        Ok(found)
    }

    /// Where a file of the index is: in its folder, or below. An index from anywhere must not reach other files.
    fn beside(&self, file: &str) -> Result<PathBuf> {
        let plain = !file.is_empty() && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || is_index(Path::new(file)) {
            let message = format!("the index names '{file}', and a file of a model is one in the folder of its index");
            return Err(refuse(self.path, message));
        }
        Ok(self.path.with_file_name(file))
    }
}

#[derive(serde::Deserialize)]
struct Whole {
    weight_map: Entries,
}

/// The entries of a map, in the order of the text.
struct Entries(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, String)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from names of tensors to files")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    found.push(entry);
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Pairs).map(Self)
    }
}
