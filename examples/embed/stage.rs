//! The renderer: a pipeline that draws one texture, tinted, over all of another.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use hadamard::wgpu::{self, TextureFormat, TextureUsages};

use super::Result;
use super::learner::Photograph;

/// A triangle over the screen; a texel's grey, from shadows to lights.
const SHADER: &str = "
@group(0) @binding(0) var picture: texture_2d<f32>;

@vertex
fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
    return vec4f(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn colour(@builtin(position) at: vec4f) -> @location(0) vec4f {
    let grey = textureLoad(picture, vec2u(at.xy), 0).r;
    return vec4f(mix(vec3f(0.0, 0.0, 0.25), vec3f(1.0, 1.0, 0.75), grey), 1.0);
}";

const SHADOWS: [f32; 3] = [0.0, 0.0, 0.25];
const LIGHTS: [f32; 3] = [1.0, 1.0, 0.75];

pub(crate) struct Stage {
    width: u32,
    height: u32,
    /// What is drawn: the tensor is copied here.
    pub(crate) picture: wgpu::Texture,
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroup,
}

impl Stage {
    pub(crate) fn new(device: &wgpu::Device, photo: &Photograph) -> Self {
        let (width, height) = (photo.width as u32, photo.height as u32);
        let usage = TextureUsages::COPY_DST | TextureUsages::TEXTURE_BINDING;
        let picture = texture(device, [width, height], TextureFormat::R8Unorm, usage);
        let source = wgpu::ShaderSource::Wgsl(SHADER.into());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("stage"), source });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("stage"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                buffers: &[],
            },
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("colour"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                targets: &[Some(TextureFormat::Rgba8Unorm.into())],
            }),
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            multiview_mask: None,
            cache: None,
        });
        let view = picture.create_view(&wgpu::TextureViewDescriptor::default());
        let entry = wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) };
        let layout = pipeline.get_bind_group_layout(0);
        let group =
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout: &layout, entries: &[entry] });
        Self { width, height, picture, pipeline, group }
    }

    /// Something to draw to.
    pub(crate) fn target(&self, device: &wgpu::Device) -> wgpu::Texture {
        let usage = TextureUsages::RENDER_ATTACHMENT | TextureUsages::COPY_SRC;
        texture(device, [self.width, self.height], TextureFormat::Rgba8Unorm, usage)
    }

    pub(crate) fn draw(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Texture) {
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let ops = wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store };
        let attachment = wgpu::RenderPassColorAttachment { view: &view, depth_slice: None, resolve_target: None, ops };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("stage"),
            color_attachments: &[Some(attachment)],
            ..wgpu::RenderPassDescriptor::default()
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.draw(0..3, 0..1);
    }

    pub(crate) fn write(&self, path: &Path, pixels: &[u8]) -> Result<()> {
        let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), self.width, self.height);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(pixels)?;
        Ok(())
    }
}

pub(crate) fn texture(
    device: &wgpu::Device,
    [width, height]: [u32; 2],
    format: TextureFormat,
    usage: TextureUsages,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

/// The bytes of a texture of four bytes a texel, by way of a buffer that the host maps.
pub(crate) fn read(device: &wgpu::Device, queue: &wgpu::Queue, texture: &wgpu::Texture) -> Result<Vec<u8>> {
    let row = texture.width() as usize * 4;
    let pitch = row.next_multiple_of(256);
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: (pitch * texture.height() as usize) as u64,
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch as u32), rows_per_image: None };
    let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
    encoder.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
    queue.submit([encoder.finish()]);
    buffer.map_async(wgpu::MapMode::Read, .., |_| {}); // a failure leaves no range to be had, below
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let mapped = buffer.get_mapped_range(..)?;
    Ok(mapped.chunks(pitch).flat_map(|padded| &padded[..row]).copied().collect())
}

/// By how many levels the pixel that is furthest off differs from that of a grey picture.
pub(crate) fn furthest(pixels: &[u8], grey: &[f32]) -> u8 {
    let level = |c: usize, grey: f32| ((SHADOWS[c] + (LIGHTS[c] - SHADOWS[c]) * grey) * 255.0).round() as u8;
    let pairs = pixels.chunks(4).zip(grey);
    let off = pairs.flat_map(|(pixel, &grey)| (0..3).map(move |c| pixel[c].abs_diff(level(c, grey))));
    off.max().unwrap_or(u8::MAX)
}
