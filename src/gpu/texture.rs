//! Copies between textures and the memory of tensors, on the GPU.

use std::sync::Arc;

use super::{Buffer, Context};
use crate::base::storage::Storage;
use crate::{DType, Error, Result};

/// Rows of a texture lie this far apart in a buffer, or a multiple of it, in bytes.
pub(crate) const PITCH: usize = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT as usize;

/// What a texture's texels are: how many elements of which dtype.
#[derive(Clone, Copy)]
pub(crate) struct Texels {
    pub(crate) channels: usize,
    pub(crate) dtype: DType,
}

impl Texels {
    /// Those of a format that tensors have a dtype for, as they lie in memory: an 8-bit channel is a u8 of 0 to 255.
    fn of(format: wgpu::TextureFormat) -> Option<Self> {
        use wgpu::TextureFormat as F;
        let (channels, dtype) = match format {
            F::R8Unorm | F::R8Uint => (1, DType::U8),
            F::Rg8Unorm | F::Rg8Uint => (2, DType::U8),
            F::Rgba8Unorm | F::Rgba8UnormSrgb | F::Rgba8Uint | F::Bgra8Unorm | F::Bgra8UnormSrgb => (4, DType::U8),
            F::R16Float => (1, DType::F16),
            F::Rg16Float => (2, DType::F16),
            F::Rgba16Float => (4, DType::F16),
            F::R32Float => (1, DType::F32),
            F::Rg32Float => (2, DType::F32),
            F::Rgba32Float => (4, DType::F32),
            F::R32Sint => (1, DType::I32),
            F::R32Uint => (1, DType::U32),
            _ => return None,
        };
        Some(Self { channels, dtype })
    }

    /// Those of a texture that can be copied to or from a tensor; an error that says why it cannot.
    pub(crate) fn of_texture(op: &'static str, texture: &wgpu::Texture, usage: wgpu::TextureUsages) -> Result<Self> {
        let format = texture.format();
        let refused = |expected: &str, found: String| Err(Error::argument(op, expected, found));
        if texture.dimension() != wgpu::TextureDimension::D2
            || texture.depth_or_array_layers() != 1
            || texture.sample_count() != 1
        {
            let (size, samples) = (texture.size(), texture.sample_count());
            let found = format!("{:?} of {size:?}, {samples} samples", texture.dimension());
            return refused("a texture of two dimensions, with one layer and one sample", found);
        }
        if !texture.usage().contains(usage) {
            return refused(&format!("a texture with {usage:?} among its usages"), format!("{:?}", texture.usage()));
        }
        let expected = "a format of 8-bit channels, of f16 or f32, or R32Sint or R32Uint";
        Self::of(format).map_or_else(|| refused(expected, format!("{format:?}")), Ok)
    }
}

/// A copy between a texture and a buffer.
pub(super) struct TextureCopy {
    texture: wgpu::Texture,
    buffer: wgpu::Buffer,
    offset: u64,
    pitch: u32,
    to_texture: bool,
}

impl TextureCopy {
    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let texture = self.texture.as_image_copy();
        let layout =
            wgpu::TexelCopyBufferLayout { offset: self.offset, bytes_per_row: Some(self.pitch), rows_per_image: None };
        let buffer = wgpu::TexelCopyBufferInfo { buffer: &self.buffer, layout };
        if self.to_texture {
            encoder.copy_buffer_to_texture(buffer, texture, self.texture.size());
        } else {
            encoder.copy_texture_to_buffer(texture, buffer, self.texture.size());
        }
    }
}

impl Context {
    /// Copies all of a texture to or from a storage, where rows lie `pitch` bytes apart from byte `offset` on.
    pub(crate) fn copy_texture(
        self: &Arc<Self>,
        op: &'static str,
        texture: &wgpu::Texture,
        storage: &Storage,
        [offset, pitch]: [u64; 2],
        to_texture: bool,
    ) -> Result<()> {
        self.look_unless_aside(op)?;
        let buffer: &Buffer = super::own(storage);
        let (texture, raw) = (texture.clone(), buffer.raw().clone());
        let copy = TextureCopy { texture, buffer: raw, offset, pitch: pitch as u32, to_texture };
        let mut recorder = self.recorder();
        recorder.check(self, op, buffer)?;
        if let Some(at) = recorder.tape() {
            recorder.tapes[at].copy(copy);
            recorder.tapes[at].keep(std::iter::once((storage.clone(), !to_texture)));
            if !to_texture {
                buffer.written_aside();
            }
            return Ok(());
        }
        // In an encoder of its own, so that a texture that wgpu refuses takes no other work with it.
        let commands = self.guard(op, || {
            let descriptor = wgpu::CommandEncoderDescriptor { label: Some("hadamard texture") };
            let mut encoder = self.device.create_command_encoder(&descriptor);
            copy.record(&mut encoder);
            Ok(encoder.finish())
        })?;
        let bytes = pitch * u64::from(copy.texture.height());
        recorder.append(self, op, commands, (buffer, bytes, !to_texture))
    }
}
