//! What is computed: a picture of weighted channels, and a step of gradient descent on the weights.

use hadamard::{DType, Device, Expr, Recording, Tensor, assign, wgpu};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::Result;

/// By danielbuechele, CC BY 2.0; see `data/README.md`.
const PHOTOGRAPH: &[u8] = include_bytes!("../../data/temple.jpg");

/// The share of red, green and blue in grey (ITU-R BT.601): what is to be found.
pub(crate) const SHARES: [f32; 3] = [0.299, 0.587, 0.114];

/// How much of its speed a weight keeps from frame to frame: the channels are much alike, so the loss is a long valley.
pub(crate) const KEPT: f32 = 0.9;
/// Below 2 (1 + KEPT) over the largest curvature of the loss, which is at most 2 * 3 where all pixels are white.
pub(crate) const RATE: f32 = 0.33;

/// Channels one after the other, from 0 to 1.
pub(crate) struct Photograph {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) planes: Vec<f32>,
}

impl Photograph {
    pub(crate) fn load() -> Result<Self> {
        let mut decoder = JpegDecoder::new(ZCursor::new(PHOTOGRAPH));
        let pixels = decoder.decode()?;
        let (width, height) = decoder.dimensions().ok_or("a photograph without a size")?;
        let n = width * height;
        let planes = (0..3 * n).map(|i| f32::from(pixels[i % n * 3 + i / n]) / 255.0).collect();
        Ok(Self { width, height, planes })
    }

    /// The brightness of each pixel.
    pub(crate) fn grey(&self) -> Vec<f32> {
        let n = self.width * self.height;
        (0..n).map(|i| (0..3).map(|c| SHARES[c] * self.planes[c * n + i]).sum()).collect()
    }

    /// Pixels of a row as they lie in memory from which a texture can be copied.
    pub(crate) fn row(&self) -> usize {
        self.width.next_multiple_of(256)
    }
}

pub(crate) struct Learner {
    weights: Tensor,
    loss: Expr,
    frame: Recording,
}

impl Learner {
    /// `texture` is what is drawn.
    pub(crate) fn new(photo: &Photograph, device: &Device, texture: &wgpu::Texture) -> Result<Self> {
        let (height, width) = (photo.height, photo.width);
        let planes = Tensor::from_slice(&photo.planes, [3, height, width], device)?;
        let sought = Tensor::from_slice(&photo.grey(), [height, width], device)?;
        let [weights, speeds] = [0, 1].map(|_| Tensor::zeros([3, 1, 1], DType::F32, device));
        let (weights, speeds) = (weights?, speeds?);
        // Rows begin where a copy to a texture needs them, so that no other copy is made.
        let picture = Tensor::zeros([height, photo.row(), 1], DType::U8, device)?.narrow(1, 0, width)?;

        let grey = (&planes * &weights).sum(0);
        let loss = (&grey - &sought).square().mean(..);
        let slope = loss.grad(&[&weights])?.remove(0);
        let shade = (grey.clamp(0.0, 1.0) * 255.0 + 0.5).reshape([height, width, 1]);
        let speed = &speeds * KEPT + slope;
        let step = &weights - &speed * RATE;
        // Recorded once: each frame does it with what the weights are then.
        let (frame, ()) = device.record(|| {
            // One pass makes the grey that both are made of, and the picture; the gradient's last makes the step, in place.
            assign(&[(&picture, shade), (&speeds, speed), (&weights, step)])?;
            picture.to_wgpu_texture(texture)
        })?;
        Ok(Self { weights, loss, frame })
    }

    /// Adds to a frame the picture, its copy to the texture that is drawn, and a step of the weights.
    pub(crate) fn add_to(&self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        Ok(self.frame.add_to(encoder)?)
    }

    pub(crate) fn loss(&self) -> Result<f32> {
        Ok(self.loss.eval()?.item()?)
    }

    pub(crate) fn weights(&self) -> Result<Vec<f32>> {
        Ok(self.weights.to_vec()?)
    }
}
