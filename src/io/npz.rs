//! NumPy's `.npz` files: zip archives of `.npy` files, each an array with a name.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::file::{Opened, Source, failed, open, refuse, write_whole};
use super::names;
use super::npy::{self, Preamble};
use crate::{Device, Error, Result, Tensor};

/// Deflate makes no byte of more than this many.
const EXPANSION: u64 = 1032;

/// Reads every array of a `.npz` file, with its name, in the order of the file. Members may be stored, as
/// `numpy.savez` writes them, or deflated, as `numpy.savez_compressed` does.
///
/// ```
/// use hadamard::{Device, Tensor, read_npz, write_npz};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("arrays.npz");
/// let device = Device::cpu();
/// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
/// write_npz(&path, &[("x", &x)])?;
/// let arrays = read_npz(&path, &device)?;
/// assert_eq!((arrays[0].0.as_str(), arrays[0].1.to_vec::<f32>()?), ("x", vec![1.0, 2.0]));
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be read, is no `.npz` file, or holds an array that
/// [`Tensor::read_npy`] would not read (read the others by name, with [`Tensor::read_npz`]); what the device reports.
pub fn read_npz(path: impl AsRef<Path>, device: &Device) -> Result<Vec<(String, Tensor)>> {
    let mut archive = Archive::new(path.as_ref())?;
    let names = archive.names();
    names
        .into_iter()
        .map(|name| {
            let tensor = archive.tensor(&name, device)?;
            Ok((name, tensor))
        })
        .collect()
}

/// The names of the arrays of a `.npz` file, in the order of the file. No array is read.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be read, or is no `.npz` file.
pub fn npz_names(path: impl AsRef<Path>) -> Result<Vec<String>> {
    Ok(Archive::new(path.as_ref())?.names())
}

/// Writes tensors, with their names, into a `.npz` file, which `numpy.load` reads. Nothing is compressed. An existing
/// file is replaced once the new one is whole.
///
/// # Errors
///
/// [`Error::File`](crate::Error::File) if the file cannot be written, or two tensors have one name; what the device
/// reports.
pub fn write_npz(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let path = path.as_ref();
    let mut names: Vec<&str> = tensors.iter().map(|&(name, _)| name).collect();
    names.sort_unstable();
    if let Some(i) = (1..names.len()).find(|&i| names[i] == names[i - 1]) {
        return Err(refuse(path, format!("two arrays are called '{}'", names[i])));
    }
    let members = tensors.iter().map(|&(name, tensor)| Member::new(path, name, tensor)).collect::<Result<Vec<_>>>()?;
    write_whole(path, |out| {
        let mut zip = ZipWriter::new(out);
        members.iter().try_for_each(|member| member.write(path, &mut zip))?;
        zip.finish().map(drop).map_err(|error| broken(path, error))
    })
}

impl Tensor {
    /// Reads the array called `name` from a `.npz` file, and no other.
    ///
    /// # Errors
    ///
    /// As [`read_npz`]; [`Error::File`](crate::Error::File), with the names there are, if none is `name`.
    pub fn read_npz(path: impl AsRef<Path>, name: &str, device: &Device) -> Result<Self> {
        Archive::new(path.as_ref())?.tensor(name, device)
    }

    /// Writes this tensor as `name` into a `.npz` file: one more array, or in the place of the one of that name. All
    /// else in the file stays as it is, compressed or not, arrays that this library does not read included. If there is
    /// no such file, it is made. An existing file is replaced once the new one is whole.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) if there is a file and it is no `.npz` file, or it cannot be written; what
    /// the device reports. Then the file is as it was.
    pub fn write_npz(&self, path: impl AsRef<Path>, name: &str) -> Result<()> {
        let path = path.as_ref();
        if !path.exists() {
            return write_npz(path, &[(name, self)]);
        }
        let mut archive = Archive::new(path)?;
        let member = Member::new(path, name, self)?;
        let old = archive.find(name);
        write_whole(path, |out| {
            let mut zip = ZipWriter::new(out);
            for i in 0..archive.zip.len() {
                if Some(i) == old {
                    member.write(path, &mut zip)?;
                } else {
                    let other = archive.zip.by_index_raw(i).map_err(|error| broken(path, error))?;
                    zip.raw_copy_file(other).map_err(|error| broken(path, error))?;
                }
            }
            if old.is_none() {
                member.write(path, &mut zip)?;
            }
            zip.set_raw_comment(archive.zip.comment().into()).map_err(|error| broken(path, error))?;
            zip.finish().map(drop).map_err(|error| broken(path, error))
        })
    }
}

fn broken(path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) => failed(path)(error),
        ZipError::InvalidArchive(what) => refuse(path, format!("the zip archive is not valid: {what}")),
        other => refuse(path, other.to_string()),
    }
}

/// An array to be written.
struct Member<'a> {
    file_name: String,
    preamble: Preamble,
    tensor: &'a Tensor,
}

impl<'a> Member<'a> {
    fn new(path: &Path, name: &str, tensor: &'a Tensor) -> Result<Self> {
        let preamble = Preamble::new(tensor);
        let file_name = format!("{name}.npy");
        if file_name.len() > usize::from(u16::MAX) {
            return Err(refuse(path, format!("a name of {} bytes is too long for a zip archive", name.len())));
        }
        Ok(Self { file_name, preamble, tensor })
    }

    fn write(&self, path: &Path, zip: &mut ZipWriter<&mut BufWriter<&File>>) -> Result<()> {
        let large = self.preamble.file_size(self.tensor) > u64::from(u32::MAX);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        zip.start_file(&*self.file_name, options).map_err(|error| broken(path, error))?;
        self.preamble.write(path, "write_npz", self.tensor, zip)
    }
}

/// An archive whose members lie within the file, and apart.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
}

impl<'a> Archive<'a> {
    fn new(path: &'a Path) -> Result<Self> {
        let opened = open(path)?;
        let what = opened.not_a("an .npz file");
        let is_zip = opened.is_zip();
        let Opened { file, size, .. } = opened;
        if !is_zip {
            return Err(refuse(path, what));
        }
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(path, error))?;
        let mut sum = 0_u64;
        for i in 0..zip.len() {
            let member = zip.by_index_raw(i).map_err(|error| broken(path, error))?;
            let end = member.data_start().and_then(|start| start.checked_add(member.compressed_size()));
            sum = sum.saturating_add(member.compressed_size());
            if end.is_none_or(|end| end > size) {
                return Err(refuse(path, format!("'{}' goes on beyond the end of the file", member.name())));
            }
        }
        // Else a small file could hold the same bytes as a million members.
        if sum > size {
            return Err(refuse(path, format!("the members take {sum} bytes, and the file has {size}")));
        }
        Ok(Self { path, zip })
    }

    fn names(&self) -> Vec<String> {
        self.zip.file_names().filter_map(|file| file.strip_suffix(".npy")).map(ToOwned::to_owned).collect()
    }

    /// Which member is called so.
    fn find(&self, name: &str) -> Option<usize> {
        self.zip.index_for_name(&format!("{name}.npy"))
    }

    fn tensor(&mut self, name: &str, device: &Device) -> Result<Tensor> {
        let path = self.path;
        let Some(index) = self.find(name) else {
            return Err(refuse(path, names::unknown("array", name, &self.names())));
        };
        let refuse = |message: &str| refuse(path, format!("'{name}': {message}"));
        let raw = self.zip.by_index_raw(index).map_err(|error| broken(path, error))?;
        let (size, compressed) = (raw.size(), raw.compressed_size());
        let most = match raw.compression() {
            _ if raw.encrypted() => return Err(refuse("encrypted: unpack it with its password")),
            CompressionMethod::Stored => compressed,
            CompressionMethod::Deflated => compressed.saturating_mul(EXPANSION),
            other => {
                let message = format!(
                    "compressed by {other}: only what is stored or deflated is read, as numpy.savez and savez_compressed write it"
                );
                return Err(refuse(&message));
            }
        };
        if size > most {
            return Err(refuse(&format!("{size} bytes cannot come of {compressed}")));
        }
        drop(raw);
        let mut member = self.zip.by_index(index).map_err(|error| broken(path, error))?;
        npy::read(&mut Source::new(path, Some(name), &mut member, size), "read_npz", device)
    }
}
