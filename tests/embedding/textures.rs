//! Textures as tensors and tensors as textures, by copies on the GPU.

use hadamard::wgpu::{self, TextureFormat, TextureUsages};
use hadamard::{DType, Device, Error, Tensor};

use super::{Own, owned, request};

fn texture(
    device: &wgpu::Device,
    [width, height]: [u32; 2],
    format: TextureFormat,
    usage: TextureUsages,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("the caller's"),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

const BOTH: TextureUsages = TextureUsages::COPY_SRC.union(TextureUsages::COPY_DST);

impl Own {
    /// A texture of these bytes.
    fn picture(&self, size: [u32; 2], format: TextureFormat, bytes: &[u8]) -> wgpu::Texture {
        let texture = texture(&self.device, size, format, BOTH);
        let row = bytes.len() as u32 / size[1];
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        self.queue.write_texture(texture.as_image_copy(), bytes, layout, texture.size());
        texture
    }

    /// A texture's bytes, read as the caller would.
    fn texels(&self, texture: &wgpu::Texture, texel: usize) -> Vec<u8> {
        let row = texture.width() as usize * texel;
        let pitch = row.next_multiple_of(256);
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.buffer((pitch * texture.height() as usize) as u64, usage);
        let mut encoder = self.encoder();
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch as u32), rows_per_image: None };
        let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
        self.queue.submit([encoder.finish()]);
        self.read(&buffer).chunks(pitch).flat_map(|padded| padded[..row].to_vec()).collect()
    }
}

#[test]
fn a_picture_goes_in_and_out() {
    for own in owned() {
        let device = own.open();
        for size in [[64, 5], [1, 1], [37, 23], [300, 2]] {
            let n = (size[0] * size[1]) as usize;
            let shape = [size[1] as usize, size[0] as usize, 4];
            let bytes: Vec<u8> = (0..n * 4).map(|i| (i * 31 % 251) as u8).collect();
            let from = own.picture(size, TextureFormat::Rgba8Unorm, &bytes);
            let image = Tensor::from_wgpu_texture(&from, &device).unwrap();
            assert_eq!((image.shape().dims(), image.dtype()), (&shape[..], DType::U8));
            assert!(image.to_vec::<u8>().unwrap() == bytes, "{device}: {size:?}");
            // In: as it came, computed anew, and through views that no copy can follow.
            let to = texture(&own.device, size, TextureFormat::Rgba8Unorm, BOTH);
            let inverse = (255 - &image).eval().unwrap();
            let flipped = image.flip(1).unwrap();
            for (name, tensor) in [("as it came", &image), ("computed", &inverse), ("flipped", &flipped)] {
                tensor.to_wgpu_texture(&to).unwrap();
                device.flush().unwrap();
                assert!(own.texels(&to, 4) == tensor.to_vec::<u8>().unwrap(), "{device}: {size:?}, {name}");
            }
            let floats: Vec<f32> = bytes.iter().map(|&x| f32::from(x) / 7.0).collect();
            let from = own.picture(size, TextureFormat::Rgba32Float, bytemuck::cast_slice(&floats));
            let image = Tensor::from_wgpu_texture(&from, &device).unwrap();
            assert!(image.to_vec::<f32>().unwrap() == floats, "{device}: {size:?}, floats");
            let to = texture(&own.device, size, TextureFormat::Rgba32Float, BOTH);
            (&image * 2.0).eval().unwrap().to_wgpu_texture(&to).unwrap();
            device.flush().unwrap();
            let twice: Vec<f32> = floats.iter().map(|x| 2.0 * x).collect();
            assert!(own.texels(&to, 16) == bytemuck::cast_slice::<_, u8>(&twice), "{device}: {size:?}, floats");
        }
    }
}

#[test]
fn copies_are_in_order_with_all_else() {
    for own in owned() {
        let device = own.open();
        let size = [100, 30];
        let picture = texture(&own.device, size, TextureFormat::R8Unorm, BOTH);
        let image = Tensor::zeros([30, 100, 1], DType::U8, &device).unwrap();
        for round in 0..20_u8 {
            image.assign(&image + 3).unwrap();
            image.to_wgpu_texture(&picture).unwrap();
            image.fill(200).unwrap();
            let back = Tensor::from_wgpu_texture(&picture, &device).unwrap();
            image.assign(&back).unwrap();
            assert!(image.to_vec::<u8>().unwrap().iter().all(|&x| x == 3 * (round + 1)), "{device}: {round}");
        }
        // Within the caller's encoder, too.
        let mut encoder = own.encoder();
        let back = device
            .record_into(&mut encoder, || {
                image.assign(&image + 1)?;
                image.to_wgpu_texture(&picture)?;
                Tensor::from_wgpu_texture(&picture, &device).and_then(|back| (&back + 1).eval())
            })
            .unwrap();
        assert!(own.texels(&picture, 1).iter().all(|&x| x == 60), "{device}: not yet");
        own.queue.submit([encoder.finish()]);
        assert!(own.texels(&picture, 1).iter().all(|&x| x == 61), "{device}");
        assert!(back.to_vec::<u8>().unwrap().iter().all(|&x| x == 62), "{device}");
    }
}

#[test]
fn a_texture_that_does_not_do_is_refused_in_words() {
    for own in owned() {
        let device = own.open();
        let of = |format, usage| texture(&own.device, [8, 4], format, usage);
        let good = of(TextureFormat::Rgba8Unorm, BOTH);
        let image = Tensor::zeros([4, 8, 4], DType::U8, &device).unwrap();
        let says = |error: Error, words: &str| {
            assert!(matches!(error, Error::Argument { .. }) && error.to_string().contains(words), "{device}: {error}");
        };
        let from = |texture: &wgpu::Texture| Tensor::from_wgpu_texture(texture, &device).unwrap_err();
        says(from(&of(TextureFormat::Rgba8Unorm, TextureUsages::COPY_DST)), "COPY_SRC");
        says(from(&of(TextureFormat::Rgb10a2Unorm, BOTH)), "Rgb10a2Unorm");
        let to = |tensor: &Tensor, texture: &wgpu::Texture| tensor.to_wgpu_texture(texture).unwrap_err();
        says(to(&image, &of(TextureFormat::Rgba8Unorm, TextureUsages::COPY_SRC)), "COPY_DST");
        says(to(&image, &of(TextureFormat::Rgba32Float, BOTH)), "expected f32[4, 8, 4]");
        says(to(&image.transpose(0, 1).unwrap(), &good), "found u8[8, 4, 4]");
        let error = Tensor::from_wgpu_texture(&good, &Device::cpu()).unwrap_err();
        assert!(matches!(error, Error::Unsupported { op: "from_wgpu_texture", .. }), "{error}");
        // wgpu's refusals take no work with them.
        let (other, _queue) = request(&own.adapter);
        let foreign = texture(&other, [8, 4], TextureFormat::Rgba8Unorm, BOTH);
        image.fill(7).unwrap();
        for error in [from(&foreign), to(&image, &foreign)] {
            assert!(matches!(error, Error::Gpu { .. }), "{device}: {error:?}");
        }
        assert!(image.to_vec::<u8>().unwrap().iter().all(|&x| x == 7), "{device}");
        image.to_wgpu_texture(&good).unwrap();
        device.flush().unwrap();
        assert!(own.texels(&good, 4).iter().all(|&x| x == 7), "{device}");
    }
}
