//! Textures as tensors, and tensors as textures: copies on the GPU.

use crate::base::layout::Layout;
use crate::gpu::{PITCH, Texels};
use crate::{DType, Device, Error, Expr, Result, Shape, Tensor};

impl Tensor {
    /// A copy of a texture as a tensor of shape `[height, width, channels]`, made on the GPU: nothing goes by way of the host.
    /// The copy is recorded, as evaluations are, after what was recorded and submitted before.
    ///
    /// Elements are what lies in the texture's memory: u8s of 0 to 255 for `Rgba8Unorm` (and for `Bgra8Unorm`, in its order),
    /// f32s for `Rgba32Float`, f16s for `Rgba16Float`; likewise with one and two channels, and i32 and u32 for `R32Sint` and
    /// `R32Uint`. sRGB is left as it is encoded. The texture has two dimensions, one layer, one sample per texel and `COPY_SRC`
    /// among its usages; of mip levels, the first is copied. Rows lie at multiples of 256 bytes.
    ///
    /// ```
    /// use hadamard::{DType, Device, Tensor, wgpu};
    /// let device = Device::best()?;
    /// if let Some((raw, _queue)) = device.wgpu() {
    ///     let texture = raw.create_texture(&wgpu::TextureDescriptor {
    ///         label: None,
    ///         size: wgpu::Extent3d { width: 30, height: 20, depth_or_array_layers: 1 },
    ///         mip_level_count: 1,
    ///         sample_count: 1,
    ///         dimension: wgpu::TextureDimension::D2,
    ///         format: wgpu::TextureFormat::Rgba8Unorm,
    ///         usage: wgpu::TextureUsages::COPY_SRC | wgpu::TextureUsages::COPY_DST,
    ///         view_formats: &[],
    ///     });
    ///     let image = Tensor::from_wgpu_texture(&texture, &device)?;
    ///     assert_eq!((image.shape().dims(), image.dtype()), (&[20, 30, 4][..], DType::U8));
    ///     (255 - &image).eval()?.to_wgpu_texture(&texture)?;
    ///     device.flush()?;
    /// }
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the texture is none of these; [`Error::Unsupported`] on the CPU; [`Error::Gpu`] if wgpu refuses
    /// it, as one of another device; what the device reports.
    pub fn from_wgpu_texture(texture: &wgpu::Texture, device: &Device) -> Result<Self> {
        const OP: &str = "from_wgpu_texture";
        let context = device.require_gpu(OP, "wgpu textures")?;
        let Texels { channels, dtype } = Texels::of_texture(OP, texture, wgpu::TextureUsages::COPY_SRC)?;
        let [height, width] = [texture.height(), texture.width()].map(|size| size as usize);
        let image = Self::pitched(OP, [height, width, channels], dtype, device)?;
        context.copy_texture(OP, texture, image.storage(), image.place(), false)?;
        Ok(image)
    }

    /// Copies this tensor into a texture, on the GPU. The copy is recorded, as evaluations are: [`Device::flush`] hands it over,
    /// and what the caller submits after that sees it.
    ///
    /// The tensor has shape `[height, width, channels]` and the dtype of the texture's texels, as
    /// [`from_wgpu_texture`](Self::from_wgpu_texture) has them, and the texture `COPY_DST` among its usages. Where rows lie at
    /// multiples of 256 bytes, it is one copy, else rows are laid out so first.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if shape or dtype are not the texture's; else as [`from_wgpu_texture`](Self::from_wgpu_texture).
    pub fn to_wgpu_texture(&self, texture: &wgpu::Texture) -> Result<()> {
        const OP: &str = "to_wgpu_texture";
        let device = self.device();
        let context = device.require_gpu(OP, "wgpu textures")?;
        let Texels { channels, dtype } = Texels::of_texture(OP, texture, wgpu::TextureUsages::COPY_DST)?;
        let shape = Shape::from([texture.height() as usize, texture.width() as usize, channels]);
        if (self.shape(), self.dtype()) != (&shape, dtype) {
            let expected = format!("{dtype}{shape}, as the texture of {:?} has it", texture.format());
            return Err(Error::argument(OP, expected, format!("{}{}", self.dtype(), self.shape())));
        }
        let other = if self.is_in_rows() { None } else { Some(self.in_rows(OP, &device)?) };
        let image = other.as_ref().unwrap_or(self);
        context.copy_texture(OP, texture, image.storage(), image.place(), true)
    }

    /// New memory for an image, with rows where copies to and from textures need them.
    fn pitched(op: &'static str, [height, width, channels]: [usize; 3], dtype: DType, device: &Device) -> Result<Self> {
        let row = (width * channels * dtype.size()).next_multiple_of(PITCH) / dtype.size();
        let rows = Self::empty(op, Shape::from([height, row]), dtype, device)?;
        let strides = [row as isize, channels as isize, 1].into_iter().collect();
        Ok(rows.with_layout(Layout::new(Shape::from([height, width, channels]), strides, 0)))
    }

    /// Where an image begins and how far apart its rows are, in bytes.
    fn place(&self) -> [u64; 2] {
        [self.offset(), self.strides()[0] as usize].map(|elements| (elements * self.dtype().size()) as u64)
    }

    /// Whether rows are where a copy to a texture needs them.
    fn is_in_rows(&self) -> bool {
        let size = self.dtype().size();
        let &[_, width, channels] = self.shape().dims() else { return false };
        let strides = self.strides();
        let dense = (channels == 1 || strides[2] == 1) && (width == 1 || strides[1] == channels as isize);
        let pitch = strides[0] * size as isize;
        let aligned = (self.offset() * size).is_multiple_of(channels * size);
        let apart =
            pitch > 0 && pitch.unsigned_abs().is_multiple_of(PITCH) && strides[0] >= (width * channels) as isize;
        dense && aligned && apart && self.can_be_copied()
    }

    /// A copy of this image with rows where a copy to a texture needs them.
    fn in_rows(&self, op: &'static str, device: &Device) -> Result<Self> {
        let &[height, width, channels] = self.shape().dims() else { return Ok(self.clone()) };
        let image = Self::pitched(op, [height, width, channels], self.dtype(), device)?;
        image.assign(Expr::from(self))?;
        Ok(image)
    }
}
