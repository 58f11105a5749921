//! NumPy's `.npy` files ([format](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)).
//!
//! The header is read here and not by a crate: `npyz` multiplies the sizes a header gives without a check and
//! allocates what its length field asks for, and its parser recurses, so a hostile file stops the program.

mod descr;
mod header;

use std::io::Write;
use std::path::Path;

use self::header::Header;
use super::file::{Opened, Source, failed, open, write_whole};
use super::{elements, kind};
use crate::{DType, Device, Result, Shape, Tensor};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// No header is longer but that of an array of structures with thousands of fields.
const LONGEST_HEADER: u64 = 1 << 20;

impl Tensor {
    /// Reads a `.npy` file, as `numpy.save` writes it.
    ///
    /// The dtypes are bool, all of NumPy's integers, float16, float32 and float64, of either byte order, under each of
    /// NumPy's names for them; and bfloat16, which `ml_dtypes` and JAX save as `<V2`. `float8_e5m2` becomes f32; nothing
    /// else is converted. An array in Fortran order becomes a permuted view. A file with no elements gives a tensor with none.
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("x.npy");
    /// Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?.write_npy(&path)?;
    /// assert_eq!(Tensor::read_npy(&path, &Device::cpu())?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) if the file cannot be read, is no `.npy` file, is shorter or longer than
    /// its header says, or holds elements of another type; what the device reports.
    pub fn read_npy(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let Opened { mut file, size, .. } = open(path)?;
        read(&mut Source::new(path, None, &mut file, size), "read_npy", device)
    }

    /// Writes a `.npy` file, which `numpy.load` reads. An existing file is replaced once the new one is whole. A bf16,
    /// which NumPy does not have, is written as `ml_dtypes` writes it: `numpy.load(path).view(ml_dtypes.bfloat16)`.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) if the file cannot be written; what the device reports.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let preamble = Preamble::new(self);
        write_whole(path, |out| preamble.write(path, "write_npy", self, out))
    }
}

/// Reads an array in the format of a `.npy` file, which is all of the source.
pub(super) fn read(source: &mut Source<'_>, op: &'static str, device: &Device) -> Result<Tensor> {
    let header = read_header(source)?;
    let (encoding, big_endian) = descr::read_as(&header.descr).map_err(|message| source.refuse(message))?;
    let mut shape = Shape::from(header.shape);
    let bytes = elements::length(&shape, encoding).map_err(|message| source.refuse(message))?;
    if bytes as u64 != source.left() {
        let (name, left) = (encoding.name(), source.left());
        return Err(source.refuse(format!("{shape} of {name} takes {bytes} bytes, and {left} follow the header")));
    }
    if header.fortran_order {
        shape = shape.iter().rev().copied().collect();
    }
    let backwards: Vec<isize> = (0..shape.rank() as isize).rev().collect();
    let tensor = elements::read(op, source, encoding, big_endian, shape, device)?;
    source.finish()?;
    if header.fortran_order { tensor.permute(&backwards) } else { Ok(tensor) }
}

fn read_header(source: &mut Source<'_>) -> Result<Header> {
    let mut prefix = source.bytes(source.left().min(8))?;
    if !prefix.starts_with(MAGIC) || source.left() < 2 {
        prefix.extend(source.bytes(source.left().min(kind::HEAD))?);
        return Err(source.refuse(kind::not_a("a .npy file", if prefix.starts_with(MAGIC) { &[] } else { &prefix })));
    }
    let width = match (prefix[6], prefix[7]) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        (major, minor) => return Err(source.refuse(format!("version {major}.{minor} of .npy is not known"))),
    };
    let mut length = [0; 8];
    source.read(&mut length[..width])?;
    let (length, left) = (u64::from_le_bytes(length), source.left());
    if length > left {
        return Err(source.refuse(format!("the header is said to have {length} bytes, and {left} follow")));
    }
    if length > LONGEST_HEADER {
        let message = format!("the header has {length} bytes, and that of an array has at most {LONGEST_HEADER}");
        return Err(source.refuse(message));
    }
    let text = String::from_utf8(source.bytes(length)?).map_err(|_| source.refuse("the header is not text"))?;
    header::parse(&text).map_err(|message| source.refuse(message))
}

/// What stands before a tensor's elements in a file.
pub(super) struct Preamble(Vec<u8>);

impl Preamble {
    pub(super) fn new(tensor: &Tensor) -> Self {
        let descr = match tensor.dtype() {
            DType::Bool => "|b1",
            DType::U8 => "|u1",
            DType::I8 => "|i1",
            DType::I16 => "<i2",
            DType::I32 => "<i4",
            DType::I64 => "<i8",
            DType::U16 => "<u2",
            DType::U32 => "<u4",
            DType::U64 => "<u8",
            DType::F16 => "<f2",
            DType::F32 => "<f4",
            DType::F64 => "<f8",
            // As ml_dtypes saves it, whose type it is.
            DType::BF16 => "<V2",
        };
        let sizes: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
        // In Python, a comma makes a tuple of one out of a number in parentheses.
        let comma = if sizes.len() == 1 { "," } else { "" };
        let sizes = sizes.join(", ") + comma;
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
        // The header is padded so that the elements begin at a multiple of 64 bytes, and ends with a newline.
        while (10 + header.len() + 1) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        // At most 8 sizes of 20 digits: far below 65,536.
        let length = (header.len() as u16).to_le_bytes();
        Self([&MAGIC[..], &[1, 0], &length, header.as_bytes()].concat())
    }

    /// Bytes of the whole file.
    pub(super) fn file_size(&self, tensor: &Tensor) -> u64 {
        (self.0.len() + tensor.numel() * tensor.dtype().size()) as u64
    }

    /// Writes the whole file.
    pub(super) fn write(&self, path: &Path, op: &'static str, tensor: &Tensor, out: &mut impl Write) -> Result<()> {
        out.write_all(&self.0).map_err(failed(path))?;
        elements::write(op, tensor, out)?.map_err(failed(path))
    }
}
