//! NumPy's `.npy` files ([format](https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html)).
//!
//! The header is read here and not by a crate: `npyz` multiplies the sizes a header gives without a check and
//! allocates what its length field asks for, and its parser recurses, so a hostile file stops the program.

use std::io::Write;
use std::path::Path;

use super::{failed, little_endian, normalize_bools, open, read_bytes, refuse, swap_bytes, write_whole};
use crate::{DType, Device, Result, Shape, Tensor};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The fields of a header, unchecked.
struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Tensor {
    /// Reads a `.npy` file, as `numpy.save` writes it.
    ///
    /// The dtypes are bool, uint8, int32, float16, float32 and float64, of either byte order; nothing is converted.
    /// An array in Fortran order becomes a permuted view. A file with no elements gives a tensor with none.
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
        read(path.as_ref(), device)
    }

    /// Writes a `.npy` file, which `numpy.load` reads. An existing file is replaced once the new one is whole.
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File) if the file cannot be written, or for bf16, which NumPy does not have;
    /// what the device reports.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        write(path.as_ref(), self)
    }
}

fn read(path: &Path, device: &Device) -> Result<Tensor> {
    let (mut file, size) = open(path)?;
    let no_npy = || refuse(path, "not a .npy file");
    if size < 10 {
        return Err(no_npy());
    }
    let prefix = read_bytes(path, &mut file, 8)?;
    if !prefix.starts_with(MAGIC) {
        return Err(no_npy());
    }
    let width = match (prefix[6], prefix[7]) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        (major, minor) => return Err(refuse(path, format!("version {major}.{minor} of .npy is not known"))),
    };
    let mut length = [0; 8];
    length[..width].copy_from_slice(&read_bytes(path, &mut file, width)?);
    let length = u64::from_le_bytes(length);
    let left = size - 8 - width as u64;
    if length > left {
        return Err(refuse(path, format!("the header is said to have {length} bytes, and {left} follow")));
    }
    let text = String::from_utf8(read_bytes(path, &mut file, length as usize)?)
        .map_err(|_| refuse(path, "the header is not text"))?;
    let header = parse_header(&text).map_err(|message| refuse(path, message))?;
    let (dtype, swapped) = dtype_of(&header.descr).map_err(|message| refuse(path, message))?;

    let left = left - length;
    let mut shape = Shape::from(header.shape);
    let numel = shape.checked_numel("read_npy").map_err(|error| refuse(path, error.to_string()))?;
    let bytes = numel * dtype.size();
    if bytes as u64 != left {
        return Err(refuse(path, format!("{shape} of {dtype} takes {bytes} bytes, and {left} follow the header")));
    }
    let mut elements = read_bytes(path, &mut file, bytes)?;
    if swapped != cfg!(target_endian = "big") {
        swap_bytes(&mut elements, dtype.size());
    }
    if dtype == DType::Bool {
        normalize_bools(&mut elements);
    }
    if !header.fortran_order {
        return Tensor::from_bytes("read_npy", &elements, shape, dtype, device);
    }
    shape = shape.iter().rev().copied().collect();
    let backwards: Vec<isize> = (0..shape.rank() as isize).rev().collect();
    Tensor::from_bytes("read_npy", &elements, shape, dtype, device)?.permute(&backwards)
}

fn write(path: &Path, tensor: &Tensor) -> Result<()> {
    let descr = match tensor.dtype() {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::BF16 => return Err(refuse(path, "NumPy has no bf16: write .safetensors, or cast first")),
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
    let elements = little_endian(tensor.bytes("write_npy")?, tensor.dtype().size());
    write_whole(path, |out| {
        let mut parts = || {
            out.write_all(MAGIC)?;
            out.write_all(&[1, 0])?;
            // At most 8 sizes of 20 digits: far below 65,536.
            out.write_all(&(header.len() as u16).to_le_bytes())?;
            out.write_all(header.as_bytes())?;
            out.write_all(&elements)
        };
        parts().map_err(failed(path))
    })
}

/// The dtype, and whether the elements are big-endian.
fn dtype_of(descr: &str) -> Result<(DType, bool), String> {
    let (order, kind) = match descr.chars().next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, &descr[1..]),
        _ => ('=', descr),
    };
    let dtype = match kind {
        "b1" | "?" => DType::Bool,
        "u1" => DType::U8,
        "i4" => DType::I32,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        _ => {
            let known = match kind {
                "i1" => " (int8)",
                "i2" => " (int16)",
                "i8" => " (int64)",
                "u2" => " (uint16)",
                "u4" => " (uint32)",
                "u8" => " (uint64)",
                "c8" | "c16" => " (complex)",
                _ => "",
            };
            return Err(format!(
                "elements of type '{descr}'{known} are not supported: bool, uint8, int32, float16, float32 and float64 \
                 are (convert with astype)"
            ));
        }
    };
    let big = order == '>' || order == '=' && cfg!(target_endian = "big");
    Ok((dtype, big && dtype.size() > 1))
}

/// Reads a header, which is a Python literal: a dict with three keys, in any order.
fn parse_header(text: &str) -> Result<Header, String> {
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.take('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        match key {
            "descr" => descr = Some(literal.string().map_err(|_| "records are not supported: one field at a time")?),
            "fortran_order" => fortran_order = Some(literal.truth()?),
            "shape" => shape = Some(literal.sizes()?),
            other => return Err(format!("the header has an unknown key '{other}'")),
        }
        if !literal.take(',') {
            literal.expect('}')?;
            break;
        }
    }
    if !literal.rest.trim().is_empty() {
        return Err("the header goes on after its '}'".to_owned());
    }
    let missing = |key: &str| format!("the header lacks '{key}'");
    Ok(Header {
        descr: descr.ok_or_else(|| missing("descr"))?.to_owned(),
        fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
    })
}

/// The part of a Python literal that is still to be read.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn take(&mut self, mark: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(mark).inspect(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(format!("the header lacks a '{mark}'")) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        for quote in ['\'', '"'] {
            if let Some((inside, rest)) = self.rest.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
                self.rest = rest;
                return Ok(inside);
            }
        }
        Err("the header lacks a text in quotes".to_owned())
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err("'fortran_order' in the header is neither True nor False".to_owned())
    }

    fn sizes(&mut self) -> Result<Vec<usize>, String> {
        let close = if self.take('[') {
            ']'
        } else {
            self.expect('(')?;
            ')'
        };
        let mut sizes = Vec::new();
        while !self.take(close) {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let size = self.rest[..digits].parse();
            sizes.push(size.map_err(|_| "'shape' in the header is no tuple of sizes".to_owned())?);
            self.rest = &self.rest[digits..];
            // Python 2 wrote long integers with a letter.
            self.take('L');
            if !self.take(',') {
                self.expect(close)?;
                break;
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_others_write_them_are_read() {
        for (text, shape) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n", vec![3, 4]),
            ("{\"shape\":(3L,),\"descr\":\"<f4\",\"fortran_order\":False}", vec![3]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", vec![]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", vec![2]),
        ] {
            let header = parse_header(text).unwrap();
            assert_eq!((header.descr.as_str(), header.fortran_order, header.shape), ("<f4", false, shape));
        }
    }

    #[test]
    fn other_headers_are_refused() {
        for (text, words) in [
            ("", "'{'"),
            ("{}", "lacks 'descr'"),
            ("{'descr': '<f4'}", "lacks 'fortran_order'"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}", "records"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "neither True nor False"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "no tuple of sizes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "no tuple of sizes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "goes on"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", "unknown key 'more'"),
            (&"(".repeat(60_000), "'{'"),
            (&"{'descr': ".repeat(6000), "records"),
        ] {
            let error = parse_header(text).err().unwrap();
            assert!(error.contains(words), "{error}");
        }
        for descr in ["<i8", "<u2", "|i1", "<U5", "|O", "<c8", "<f16", "", "é", "<M8[ns]"] {
            assert!(dtype_of(descr).unwrap_err().contains(descr), "{descr}");
        }
    }
}
