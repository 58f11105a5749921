//! Tensors in files: NumPy's `.npy` and `.safetensors`.
//!
//! Files come from anywhere. Every size in a header is compared with the size of the file before anything is
//! allocated, so a false header costs an error, not memory.

mod checkpoint;
mod npy;
mod safetensors;

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

pub use self::safetensors::{read_safetensors, safetensors_names, write_safetensors};
use crate::{Error, Result};

fn refuse(path: &Path, message: impl Into<String>) -> Error {
    Error::File { path: path.display().to_string(), message: message.into() }
}

/// An [`Error::File`] about `path`.
fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => refuse(path, "no such file or folder"),
        io::ErrorKind::UnexpectedEof => refuse(path, "the file ends too early"),
        _ => refuse(path, error.to_string()),
    }
}

/// A file open for reading, and its size in bytes.
fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path).map_err(failed(path))?;
    let metadata = file.metadata().map_err(failed(path))?;
    // The size of a pipe or a device file means nothing.
    if !metadata.is_file() {
        return Err(refuse(path, "not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(refuse(path, "the file is empty"));
    }
    Ok((file, metadata.len()))
}

/// The next `len` bytes. The caller has checked that the file has them.
fn read_bytes(path: &Path, file: &mut File, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| refuse(path, format!("no memory for {len} bytes")))?;
    file.take(len as u64).read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() < len {
        return Err(refuse(path, "the file ends too early"));
    }
    Ok(bytes)
}

/// Writes a file beside `path` and renames it once it is complete, so that `path` holds either the old contents or all
/// of the new.
fn write_whole(path: &Path, content: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    // A link is followed first, or the rename would replace the link itself.
    let target: PathBuf = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|m| !m.is_file()) {
        return Err(refuse(path, "not a regular file"));
    }
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hadamard-").suffix(".tmp");
    // Permissions follow the umask, like those of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => refuse(path, "there is no such folder"),
        _ => refuse(path, error.to_string()),
    })?;
    let mut writer = BufWriter::with_capacity(1 << 20, file.as_file());
    content(&mut writer)?;
    writer.flush().map_err(failed(path))?;
    drop(writer);
    // Else a machine that goes down could find the new name on a file that was never written.
    file.as_file().sync_all().map_err(failed(path))?;
    file.persist(&target).map_err(|error| refuse(path, error.error.to_string()))?;
    Ok(())
}

/// Reverses the bytes of each element.
fn swap_bytes(bytes: &mut [u8], size: usize) {
    for element in bytes.chunks_exact_mut(size) {
        element.reverse();
    }
}

/// Files are little-endian; memory has the machine's byte order.
fn little_endian(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        swap_bytes(&mut bytes, size);
    }
    bytes
}

/// A file may hold any byte as a bool; memory holds 0 and 1.
fn normalize_bools(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = u8::from(*byte != 0);
    }
}
