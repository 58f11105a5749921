//! Compiled pipelines kept in a file between runs, where the driver supports it.
//!
//! wgpu ignores data of another driver, adapter or version of wgpu. Beyond that, drivers trust the data, so a checksum
//! rejects a file that was altered or cut short.

#![allow(unsafe_code, reason = "a driver trusts what it is given to read")]

use std::fs;
use std::path::{Path, PathBuf};

use super::Context;
use crate::{Error, Result};

/// The first bytes of a file; next comes the checksum of the rest.
const MAGIC: &[u8; 16] = b"hadamard kernels";
const HEAD: usize = MAGIC.len() + 8;

/// The file, and the cache it is read into and written from.
pub(super) struct PipelineFile {
    path: PathBuf,
    pub(super) cache: wgpu::PipelineCache,
}

impl PipelineFile {
    /// Opens the file `name` in a folder; saving creates it if it does not exist.
    fn open(device: &wgpu::Device, dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        fs::create_dir_all(dir).map_err(|e| failure(dir, &e))?;
        let data = match fs::read(&path) {
            Ok(bytes) => unsealed(&bytes).map(<[u8]>::to_vec),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failure(&path, &error)),
        };
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("hadamard"), data: data.as_deref(), fallback: true };
        // SAFETY: the checksum shows that the data is what `save` wrote, which came from `get_data`. wgpu refuses data
        // of another adapter, driver or version, and then starts with an empty cache.
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Ok(Self { path, cache })
    }

    fn save(&self) -> Result<()> {
        let Some(data) = self.cache.get_data() else { return Ok(()) };
        // Written under a temporary name and renamed, so that nobody reads half a file.
        let part = self.path.with_extension(format!("{}.part", std::process::id()));
        let written = fs::write(&part, sealed(&data)).and_then(|()| fs::rename(&part, &self.path));
        written.map_err(|e| {
            let _ = fs::remove_file(&part);
            failure(&self.path, &e)
        })
    }
}

fn failure(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), message: error.to_string() }
}

fn sealed(data: &[u8]) -> Vec<u8> {
    [&MAGIC[..], &checksum(data).to_le_bytes(), data].concat()
}

/// The data of a file, if its checksum is right.
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (head, data) = bytes.split_at_checked(HEAD)?;
    (head[..MAGIC.len()] == *MAGIC && head[MAGIC.len()..] == checksum(data).to_le_bytes()).then_some(data)
}

/// FNV-1a, 64 bits: Fowler, Noll and Vo, as in IETF draft-eastlake-fnv.
fn checksum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Context {
    /// Looks up pipelines that are compiled from now on in a file in `dir`. False if the device cannot.
    pub(crate) fn cache_pipelines(&self, dir: &Path) -> Result<bool> {
        const OP: &str = "cache_pipelines";
        let Some(name) = &self.cache_name else { return Ok(false) };
        self.check(OP)?;
        if let Some(open) = self.file.get() {
            let expected = format!("one folder for a device, {}", open.path.parent().unwrap_or(dir).display());
            return if open.path == dir.join(name) {
                Ok(true)
            } else {
                Err(Error::argument(OP, expected, dir.display().to_string()))
            };
        }
        let file = self.guard(OP, || PipelineFile::open(&self.device, dir, name))?;
        // If another thread was first, its file is used.
        let _ = self.file.set(file);
        Ok(true)
    }

    /// Writes the compiled pipelines to the file, if there is one.
    pub(crate) fn save_pipelines(&self) -> Result<()> {
        self.check("save_pipelines")?;
        self.file.get().map_or(Ok(()), PipelineFile::save)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_is_read() {
        let data = [7_u8, 0, 255, 3];
        let file = sealed(&data);
        assert_eq!(unsealed(&file), Some(&data[..]));
        for cut in 0..file.len() {
            assert_eq!(unsealed(&file[..cut]), None, "{cut}");
        }
        for bit in 0..file.len() * 8 {
            let mut altered = file.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unsealed(&altered), None, "{bit}");
        }
        assert_eq!(unsealed(&[file, vec![0]].concat()), None);
    }
}
