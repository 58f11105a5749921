//! Pictures: the tour's photograph as numbers, and numbers as PNG files.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use hadamard::{Error, Result};
use image::{GrayImage, RgbImage};

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
        let image = image::load_from_memory(PHOTOGRAPH).map_err(|e| fail("data/temple.jpg", &e))?.into_rgb8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        let mut planes = vec![0.0; 3 * width * height];
        for (i, pixel) in image.pixels().enumerate() {
            for (channel, &value) in pixel.0.iter().enumerate() {
                planes[channel * width * height + i] = f32::from(value) / 255.0;
            }
        }
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
        let (width, height) = (self.width as u32, self.height as u32);
        let numel = self.width * self.height;
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let saved = if planes.len() == numel {
            let bytes = planes.iter().map(|&v| byte(v)).collect();
            GrayImage::from_raw(width, height, bytes).map(|image| image.save(&path))
        } else {
            let bytes = (0..numel).flat_map(|i| (0..3).map(move |c| (c, i)));
            let bytes = bytes.map(|(c, i)| byte(planes[c * numel + i])).collect();
            RgbImage::from_raw(width, height, bytes).map(|image| image.save(&path))
        };
        match saved {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(fail(path.display(), &error)),
            None => return Err(fail(path.display(), &"the picture has another size")),
        }
        self.written.push(path);
        Ok(())
    }
}

fn fail(path: impl Display, message: &dyn Display) -> Error {
    Error::File { path: path.to_string(), message: message.to_string() }
}
