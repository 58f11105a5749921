//! Files: opened only if they are plain ones, and replaced only by whole ones.

use std::fs::{self, File, FileType};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::kind;
use crate::{Error, Result};

pub(super) fn refuse(path: &Path, message: impl Into<String>) -> Error {
    Error::File { path: path.display().to_string(), message: message.into() }
}

/// An [`Error::File`] about `path`.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => refuse(path, "no such file or folder"),
        io::ErrorKind::UnexpectedEof => refuse(path, "the file ends too early"),
        _ => refuse(path, error.to_string()),
    }
}

/// A file open for reading, at its start.
pub(super) struct Opened {
    pub(super) file: File,
    /// In bytes.
    pub(super) size: u64,
    /// Its first bytes, by which files of other kinds are known.
    head: Vec<u8>,
}

impl Opened {
    /// What is said of a file that is not what was expected, and of what it is instead, if that is known.
    pub(super) fn not_a(&self, expected: &str) -> String {
        kind::not_a(expected, &self.head)
    }

    /// Whether the file is of another kind, which [`not_a`](Self::not_a) tells.
    pub(super) fn is_known(&self) -> bool {
        kind::of(&self.head).is_some()
    }

    /// Whether the file begins as a zip archive does.
    pub(super) fn is_zip(&self) -> bool {
        kind::is_zip(&self.head)
    }
}

/// What a file is, and what to do with it, if it is of a kind that is known by its first bytes.
///
/// # Errors
///
/// [`Error::File`] if it cannot be read.
#[doc(hidden)]
pub fn file_kind(path: impl AsRef<Path>) -> Result<Option<&'static str>> {
    Ok(kind::of(&open(path.as_ref())?.head))
}

pub(super) fn open(path: &Path) -> Result<Opened> {
    // Looked at first: opening a pipe waits for somebody to write into it.
    require_plain(path, fs::metadata(path).map_err(failed(path))?.file_type())?;
    let mut file = File::open(path).map_err(failed(path))?;
    let metadata = file.metadata().map_err(failed(path))?;
    // Another may lie there by now.
    require_plain(path, metadata.file_type())?;
    if metadata.len() == 0 {
        return Err(refuse(path, "the file is empty"));
    }
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(kind::HEAD).read_to_end(&mut head).map_err(failed(path))?;
    file.rewind().map_err(failed(path))?;
    Ok(Opened { file, size: metadata.len(), head })
}

/// The size of a pipe, a socket or a device means nothing, and reading one may wait for ever.
fn require_plain(path: &Path, found: FileType) -> Result<()> {
    if found.is_file() {
        return Ok(());
    }
    Err(refuse(path, format!("not a regular file: {}", what(found))))
}

#[cfg(unix)]
fn what(found: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match found {
        found if found.is_dir() => "a folder",
        found if found.is_fifo() => "a pipe (write what it gives into a file first)",
        found if found.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn what(found: FileType) -> &'static str {
    if found.is_dir() { "a folder" } else { "a pipe or a device" }
}

/// What is read of a file, or of a member of an archive, whose size is known beforehand.
pub(super) struct Source<'a> {
    path: &'a Path,
    /// The name within the file.
    member: Option<&'a str>,
    reader: &'a mut dyn Read,
    /// How many bytes are still to be read.
    left: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: &'a Path, member: Option<&'a str>, reader: &'a mut dyn Read, size: u64) -> Self {
        Self { path, member, reader, left: size }
    }

    pub(super) fn refuse(&self, message: impl Into<String>) -> Error {
        let message = message.into();
        refuse(self.path, self.member.map_or(message.clone(), |member| format!("'{member}': {message}")))
    }

    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Reads the next bytes.
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<()> {
        self.reader.read_exact(into).map_err(|error| self.failed(&error))?;
        self.left = self.left.saturating_sub(into.len() as u64);
        Ok(())
    }

    /// The next `len` bytes.
    pub(super) fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        if len > self.left {
            return Err(self.refuse("the file ends too early"));
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len as usize).map_err(|_| self.refuse(format!("no memory for {len} bytes")))?;
        Read::by_ref(&mut self.reader).take(len).read_to_end(&mut bytes).map_err(|error| self.failed(&error))?;
        if (bytes.len() as u64) < len {
            return Err(self.refuse("the file ends too early"));
        }
        self.left -= len;
        Ok(bytes)
    }

    /// Makes sure that nothing follows. An archive notices only here that a member's checksum is another.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.refuse("more follows than the size says")),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.refuse("the file ends too early"),
            _ => self.refuse(error.to_string()),
        }
    }
}

/// Writes a file beside `path` and renames it once it is complete, so that `path` holds either the old contents or all
/// of the new.
pub(super) fn write_whole(path: &Path, content: impl FnOnce(&mut BufWriter<&File>) -> Result<()>) -> Result<()> {
    // A link is followed first, or the rename would replace the link itself.
    let target: PathBuf = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(metadata) = fs::metadata(&target) {
        require_plain(path, metadata.file_type())?;
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
