//! Pictures: the tour's photograph as numbers, and numbers as PNG files.

use std::fmt::Display;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hadamard::{Error, Result};
use png::{BitDepth, ColorType, EncodingError};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// By danielbuechele, CC BY 2.0; see `data/README.md`.
const PHOTOGRAPH: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/temple.jpg"));

/// An RGB photograph, its channels one after the other, from 0 to 1.
pub(crate) struct Photograph {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// `[3, height, width]`, row-major.
    pub(crate) planes: Vec<f32>,
}

impl Photograph {
    /// The photograph that comes with the crate.
    pub(crate) fn load() -> Result<Self> {
        let mut decoder = JpegDecoder::new(ZCursor::new(PHOTOGRAPH));
        let pixels = decoder.decode().map_err(|e| fail("data/temple.jpg", &e))?;
        let (width, height) = decoder.dimensions().ok_or_else(|| fail("data/temple.jpg", &"no size in it"))?;
        let numel = width * height;
        if pixels.len() != 3 * numel {
            return Err(fail("data/temple.jpg", &"not red, green and blue"));
        }
        let planes = (0..3 * numel).map(|i| f32::from(pixels[i % numel * 3 + i / numel]) / 255.0).collect();
        Ok(Self { width, height, planes })
    }

    /// One channel.
    pub(crate) fn plane(&self, channel: usize) -> &[f32] {
        let numel = self.width * self.height;
        &self.planes[channel * numel..][..numel]
    }

    /// The brightness of each pixel: `weights[0] * red + weights[1] * green + weights[2] * blue`.
    pub(crate) fn grey(&self, weights: [f32; 3]) -> Vec<f32> {
        let numel = self.width * self.height;
        (0..numel).map(|i| (0..3).map(|c| weights[c] * self.plane(c)[i]).sum()).collect()
    }
}

/// A folder for pictures. It is made when the first is written.
pub(crate) struct Gallery {
    folder: PathBuf,
    width: usize,
    height: usize,
    written: Vec<PathBuf>,
}

impl Gallery {
    pub(crate) fn new(folder: &Path, width: usize, height: usize) -> Self {
        Self { folder: folder.to_owned(), width, height, written: Vec::new() }
    }

    /// The pictures so far.
    pub(crate) fn written(&self) -> &[PathBuf] {
        &self.written
    }

    /// Writes `planes`, `[3, height, width]` or `[height, width]`, as `hadamard-NAME.png`. Values outside 0 to 1 are
    /// clamped.
    pub(crate) fn write(&mut self, name: &str, planes: &[f32]) -> Result<()> {
        let path = self.folder.join(format!("hadamard-{name}.png"));
        std::fs::create_dir_all(&self.folder).map_err(|e| fail(self.folder.display(), &e))?;
        // A link or a folder of that name is not ours.
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(fail(path.display(), &"not a plain file, so it is left alone"));
        }
        let numel = self.width * self.height;
        let (colour, channels) = if planes.len() == numel { (ColorType::Grayscale, 1) } else { (ColorType::Rgb, 3) };
        if planes.len() != channels * numel {
            return Err(fail(path.display(), &"the picture has another size"));
        }
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let bytes: Vec<u8> = (0..planes.len()).map(|i| byte(planes[i % channels * numel + i / channels])).collect();
        self.save(&path, colour, &bytes).map_err(|e| fail(path.display(), &e))?;
        self.written.push(path);
        Ok(())
    }

    fn save(&self, path: &Path, colour: ColorType, bytes: &[u8]) -> Result<(), EncodingError> {
        let file = BufWriter::new(File::create(path)?);
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(colour);
        encoder.set_depth(BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(bytes)?;
        writer.finish()
    }
}

fn fail(path: impl Display, message: &dyn Display) -> Error {
    Error::File { path: path.to_string(), message: message.to_string() }
}
