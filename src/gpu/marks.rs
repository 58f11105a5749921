//! Indices out of bounds: where kernels mark them, and what the marks say.
//!
//! A kernel cannot return an error. It raises a mark, a word of a small buffer, and goes on with an element that is there;
//! the next call that reads or waits fetches the marks with what it came for, and clears them. Marks are handed out as
//! launches are recorded, one for each operation, dim and size.

use crate::base::bounds::Bounds;
use crate::{Error, Result};

/// Marks at once, at most: further bounds share the last.
const MOST: u64 = 1024;

pub(super) struct Marks {
    pub(super) buffer: wgpu::Buffer,
    /// What each mark is of; none if nothing is recorded that could raise one.
    of: Vec<Bounds>,
}

/// Marks on their way to the host.
#[derive(Clone)]
pub(super) struct Raised(Vec<Bounds>);

impl Marks {
    /// `limits` are those of the device.
    pub(super) fn new(device: &wgpu::Device, limits: &wgpu::Limits) -> Self {
        let most = MOST.min(limits.max_storage_buffer_binding_size / 4).min(limits.max_buffer_size / 4);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let descriptor =
            wgpu::BufferDescriptor { label: Some("hadamard marks"), size: 4 * most, usage, mapped_at_creation: false };
        // wgpu clears it before its first use.
        Self { buffer: device.create_buffer(&descriptor), of: Vec::new() }
    }

    /// The mark of some bounds, for a launch.
    pub(super) fn of(&mut self, bounds: Bounds) -> u32 {
        let last = self.buffer.size() as usize / 4 - 1;
        let found = self.of.iter().position(|&of| of == bounds).unwrap_or(self.of.len());
        if found == self.of.len() && found <= last {
            self.of.push(bounds);
        }
        found.min(last) as u32
    }

    /// Bytes of the buffer that hold those that may be raised.
    pub(super) fn bytes(&self) -> u64 {
        4 * self.of.len() as u64
    }

    /// The marks that may be raised, if there are any, to be read and cleared: not those of more than `room` bytes.
    pub(super) fn take(&mut self, room: u64) -> Option<Raised> {
        let ready = !self.of.is_empty() && self.bytes() <= room;
        if ready { Some(Raised(std::mem::take(&mut self.of))) } else { None }
    }

    /// Takes back marks that were not read, under the lock under which they were taken.
    pub(super) fn put_back(&mut self, raised: Option<Raised>) {
        self.of = raised.map(|raised| raised.0).unwrap_or_default();
    }
}

impl Raised {
    /// Bytes of the buffer that hold them.
    pub(super) fn bytes(&self) -> u64 {
        4 * self.0.len() as u64
    }

    /// The error for the first that was raised, if one was.
    pub(super) fn check(&self, words: &[u8]) -> Result<()> {
        let words = words.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
        let error = |(bounds, mark): (&Bounds, u32)| error(*bounds, mark);
        self.0.iter().zip(words).find(|raised| raised.1 != 0).map_or(Ok(()), |raised| Err(error(raised)))
    }
}

/// What a mark says: see `shaders/lib/bounded.wgsl`.
fn error(bounds: Bounds, mark: u32) -> Error {
    let number = i64::from(mark & (u32::MAX >> 1));
    bounds.error(if mark >> 31 == 1 { number } else { -number })
}
