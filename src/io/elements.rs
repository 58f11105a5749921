//! Elements on their way between a file and a tensor.

use std::io::{self, Write};

use super::file::Source;
use crate::{DType, Device, Result, Shape, Tensor};

/// How a file holds elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    /// As a tensor of this dtype holds them, but for the order of bytes and for bools, which may be any byte.
    Plain(DType),
    /// A float of 8 bits with 4 of exponent, without infinities (E4M3FN). It is read as f32, which holds each exactly.
    F8E4M3,
    /// A float of 8 bits with 5 of exponent: the upper half of an f16. It is read as f32, too.
    F8E5M2,
}

impl Encoding {
    /// Bytes an element takes in the file.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Plain(dtype) => dtype.size(),
            Self::F8E4M3 | Self::F8E5M2 => 1,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain(dtype) => dtype.name(),
            Self::F8E4M3 => "f8_e4m3",
            Self::F8E5M2 => "f8_e5m2",
        }
    }
}

/// Bytes that elements of this shape take in a file, or why there can be no such tensor: as in NumPy, sizes that
/// multiply beyond what can be counted are refused although another is 0.
pub(super) fn length(shape: &Shape, encoding: Encoding) -> Result<usize, String> {
    let whole: Shape = shape.iter().map(|&size| size.max(1)).collect();
    whole.checked_numel("file").map_err(|_| match shape.rank() {
        rank if rank > crate::MAX_RANK => format!("expected at most {} dims, found {rank} in {shape}", crate::MAX_RANK),
        _ => format!("the sizes {shape} multiply to more elements than fit in memory"),
    })?;
    Ok(shape.numel() * encoding.size())
}

/// Reads a tensor whose elements come next.
pub(super) fn read(
    op: &'static str,
    source: &mut Source<'_>,
    encoding: Encoding,
    big_endian: bool,
    shape: Shape,
    device: &Device,
) -> Result<Tensor> {
    let swap = big_endian != cfg!(target_endian = "big");
    match encoding {
        Encoding::Plain(dtype) => Tensor::filled_by(op, shape, dtype, device, |chunk| {
            source.read(chunk)?;
            if swap {
                swap_bytes(chunk, dtype.size());
            }
            if dtype == DType::Bool {
                chunk.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
            }
            Ok(())
        }),
        Encoding::F8E4M3 => read_bytes_as(op, source, e4m3, shape, device),
        Encoding::F8E5M2 => read_bytes_as(op, source, e5m2, shape, device),
    }
}

/// Reads elements of one byte each, of which `value` makes the tensor's.
fn read_bytes_as(
    op: &'static str,
    source: &mut Source<'_>,
    value: impl Fn(u8) -> f32,
    shape: Shape,
    device: &Device,
) -> Result<Tensor> {
    let mut values = [[0; 4]; 256];
    (0..=u8::MAX).zip(&mut values).for_each(|(byte, bytes)| *bytes = value(byte).to_ne_bytes());
    let mut read = Vec::new();
    Tensor::filled_by(op, shape, DType::F32, device, |chunk| {
        read.resize(chunk.len() / 4, 0);
        source.read(&mut read)?;
        for (element, byte) in chunk.chunks_exact_mut(4).zip(&read) {
            element.copy_from_slice(&values[usize::from(*byte)]);
        }
        Ok(())
    })
}

/// Writes a tensor's elements, little-endian and in row-major order. The outer error is the device's.
pub(super) fn write(op: &'static str, tensor: &Tensor, out: &mut impl Write) -> Result<io::Result<()>> {
    let size = tensor.dtype().size();
    tensor.contiguous()?.with_bytes(op, |bytes| {
        if cfg!(target_endian = "little") {
            return out.write_all(bytes);
        }
        bytes.chunks(1 << 20).try_for_each(|chunk| {
            let mut chunk = chunk.to_vec();
            swap_bytes(&mut chunk, size);
            out.write_all(&chunk)
        })
    })
}

/// Reverses the bytes of each element.
fn swap_bytes(bytes: &mut [u8], size: usize) {
    match size {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|element| element.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|element| element.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|element| element.reverse()),
        _ => debug_assert_eq!(size, 1),
    }
}

fn e4m3(byte: u8) -> f32 {
    let (sign, exponent, fraction) = (byte >> 7, i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let value = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => fraction * 2f32.powi(-9),
        _ => (8.0 + fraction) * 2f32.powi(exponent - 10),
    };
    if sign == 1 { -value } else { value }
}

fn e5m2(byte: u8) -> f32 {
    half::f16::from_bits(u16::from(byte) << 8).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_8_bits_have_their_values() {
        for (byte, want) in [
            (0x00, 0.0),
            (0x01, 2f32.powi(-9)),
            (0x07, 7.0 * 2f32.powi(-9)),
            (0x08, 2f32.powi(-6)),
            (0x38, 1.0),
            (0x3a, 1.25),
            (0x7e, 448.0),
            (0xfe, -448.0),
            (0xb8, -1.0),
        ] {
            assert_eq!(e4m3(byte), want, "{byte:#x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan() && e4m3(0x80).to_bits() == 1 << 31);
        for (byte, want) in [
            (0x3c, 1.0),
            (0x01, 2f32.powi(-16)),
            (0x7b, 57344.0),
            (0x7c, f32::INFINITY),
            (0xfc, f32::NEG_INFINITY),
            (0xc0, -2.0),
        ] {
            assert_eq!(e5m2(byte), want, "{byte:#x}");
        }
        assert!(e5m2(0x7d).is_nan());
    }

    #[test]
    fn bytes_are_swapped_within_elements() {
        for (size, want) in [(1, [1, 2, 3, 4, 5, 6, 7, 8]), (2, [2, 1, 4, 3, 6, 5, 8, 7])] {
            let mut bytes = [1, 2, 3, 4, 5, 6, 7, 8];
            swap_bytes(&mut bytes, size);
            assert_eq!(bytes, want);
        }
        let mut bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        swap_bytes(&mut bytes, 4);
        assert_eq!(bytes, [4, 3, 2, 1, 8, 7, 6, 5]);
        swap_bytes(&mut bytes, 8);
        assert_eq!(bytes, [5, 6, 7, 8, 1, 2, 3, 4]);
    }

    #[test]
    fn sizes_beyond_counting_are_refused_beside_a_zero() {
        let encoding = Encoding::Plain(DType::F32);
        assert_eq!(length(&Shape::from([3, 2]), encoding), Ok(24));
        assert_eq!(length(&Shape::from([0, 1 << 40]), encoding), Ok(0));
        for sizes in [[1 << 40, 1 << 40, 0], [0, 1 << 40, 1 << 40], [1 << 62, 4, 1]] {
            assert!(length(&Shape::from(sizes), encoding).unwrap_err().contains("fit in memory"), "{sizes:?}");
        }
        assert!(length(&Shape::from([1; 9]), encoding).unwrap_err().contains("at most 8 dims"));
    }
}
