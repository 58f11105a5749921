//! Memory that a caller knows, too: wgpu buffers of the caller's as tensors' memory, and tensors' memory as wgpu buffers.
//!
//! Such memory is never pooled. Tensors over one buffer have one storage, where they are of one dtype; storages of other
//! dtypes over it have its number in common, so that an assignment finds that they may overlap.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::context::lock;
use super::{Buffer, Context};
use crate::base::storage::{Storage, WeakStorage};
use crate::{DType, Error, Result};

/// What is shared with the caller.
#[derive(Default)]
pub(super) struct Shared {
    known: Mutex<Vec<Known>>,
    numbers: AtomicUsize,
    /// Ids of buffers that are shared no more: bind groups that hold them are to go.
    departed: Mutex<Vec<u64>>,
    /// Of one storage buffer.
    layout: OnceLock<wgpu::BindGroupLayout>,
}

struct Known {
    memory: WeakStorage,
    dtype: DType,
}

impl Shared {
    /// Notes that a buffer is gone.
    pub(super) fn depart(&self, id: u64) {
        lock(&self.departed).push(id);
    }

    /// The buffers that have gone since this was last asked.
    pub(super) fn departed(&self) -> Vec<u64> {
        std::mem::take(&mut *lock(&self.departed))
    }

    fn next_number(&self) -> usize {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The storages of a wgpu buffer, with their dtypes.
    fn of(known: &mut Vec<Known>, buffer: &wgpu::Buffer) -> Vec<(Storage, DType)> {
        known.retain(|known| !known.memory.is_gone());
        let storages = known.iter().filter_map(|known| Some((known.memory.upgrade()?, known.dtype)));
        storages.filter(|(storage, _)| super::own(storage).raw() == buffer).collect()
    }
}

impl Context {
    /// The storage of a caller's buffer, of which `dtype`s in bytes `start..end` are wanted.
    pub(crate) fn import(
        self: &Arc<Self>,
        op: &'static str,
        buffer: &wgpu::Buffer,
        [start, end]: [u64; 2],
        dtype: DType,
    ) -> Result<Storage> {
        self.check(op)?;
        check_place(op, buffer, [start, end], dtype)?;
        let known = || Shared::of(&mut lock(&self.memory.shared.known), buffer);
        if known().is_empty() {
            self.check_owner(op, buffer)?;
        }
        let mut all = lock(&self.memory.shared.known);
        let storages = Shared::of(&mut all, buffer);
        if let Some((storage, _)) = storages.iter().find(|(_, of)| *of == dtype) {
            return Ok(storage.clone());
        }
        let number = storages.first().map(|(storage, _)| super::own(storage).shared_number());
        let number = number.unwrap_or_else(|| self.memory.shared.next_number());
        let storage = Storage::new(self.foreign(buffer, number));
        all.push(Known { memory: storage.downgrade(), dtype });
        Ok(storage)
    }

    /// The buffer behind a storage, which the caller knows from now on. All work on it is handed over.
    pub(crate) fn export(self: &Arc<Self>, op: &'static str, storage: &Storage, dtype: DType) -> Result<wgpu::Buffer> {
        self.check(op)?;
        let buffer = super::own(storage);
        {
            let mut known = lock(&self.memory.shared.known);
            if buffer.shared_number() == 0 {
                buffer.share(self.memory.shared.next_number());
                known.retain(|known| !known.memory.is_gone());
                known.push(Known { memory: storage.downgrade(), dtype });
            }
        }
        self.flush(op)?;
        self.recorder().check(self, op, buffer)?;
        Ok(buffer.raw().clone())
    }

    /// An error unless a buffer is this device's, alive and not mapped.
    fn check_owner(&self, op: &'static str, buffer: &wgpu::Buffer) -> Result<()> {
        if buffer.size() >= 8 && buffer.get_mapped_range(0..8).is_ok() {
            return Err(Error::argument(op, "a buffer that is not mapped", "one that is: unmap it first"));
        }
        let refused = |found: String| Err(Error::argument(op, format!("a live buffer of {}", self.label()), found));
        let whole = buffer.size() / 4 * 4;
        let start = (whole - 4) / 256 * 256;
        match self.bound(op, buffer, start..whole) {
            Ok(()) => {}
            Err(Error::Gpu { source, .. }) => return refused(cause(&*source)),
            Err(error) => return Err(error),
        }
        // wgpu knows buffers by numbers, which those of another instance have, too: this one's must end where it says.
        match self.bound(op, buffer, start..whole + 4) {
            Err(Error::Gpu { .. }) => Ok(()),
            Ok(()) => refused("one of another wgpu instance".to_owned()),
            Err(error) => Err(error),
        }
    }

    /// Binds some bytes of a buffer, to see whether wgpu allows it.
    fn bound(&self, op: &'static str, buffer: &wgpu::Buffer, bytes: Range<u64>) -> Result<()> {
        let layout = if let Some(layout) = self.memory.shared.layout.get() {
            layout
        } else {
            let new = self.guard(op, || Ok(layout_of_one(&self.device)))?;
            self.memory.shared.layout.get_or_init(|| new)
        };
        self.guard(op, || {
            let bind = || {
                let binding = wgpu::BufferBinding {
                    buffer,
                    offset: bytes.start,
                    size: std::num::NonZero::new(bytes.end - bytes.start),
                };
                let resource = wgpu::BindingResource::Buffer(binding);
                let entries = [wgpu::BindGroupEntry { binding: 0, resource }];
                drop(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: None,
                    layout,
                    entries: &entries,
                }));
            };
            // Where a number is known to no buffer of this instance, wgpu panics.
            catch_unwind(AssertUnwindSafe(bind)).map_err(|_| {
                Error::argument(op, format!("a buffer of {}", self.label()), "one of another wgpu instance")
            })
        })
    }
}

/// The last cause of an error, which says what is the matter.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

fn layout_of_one(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let ty = wgpu::BufferBindingType::Storage { read_only: false };
    let entry = wgpu::BindGroupLayoutEntry {
        binding: 0,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &[entry] })
}

/// An error unless elements in bytes `start..end` can be bound.
fn check_place(op: &'static str, buffer: &wgpu::Buffer, [start, end]: [u64; 2], dtype: DType) -> Result<()> {
    let (size, bytes) = (dtype.size() as u64, buffer.size());
    if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        let found = format!("usages {:?}", buffer.usage());
        return Err(Error::argument(op, "a buffer with BufferUsages::STORAGE among its usages", found));
    }
    if !start.is_multiple_of(size) {
        let expected = format!("a byte offset that is a multiple of {size}, the size of a {dtype}");
        return Err(Error::argument(op, expected, start.to_string()));
    }
    if end > bytes {
        let expected = format!("a buffer of at least {end} bytes: {} of {dtype} after byte {start}", end - start);
        return Err(Error::argument(op, expected, format!("{bytes} bytes")));
    }
    // Kernels load elements by fours, counted from the buffer's start.
    let padded = end.next_multiple_of(4 * size);
    if padded > bytes {
        let why = format!("since kernels read {dtype}s in whole groups of four ({} bytes)", 4 * size);
        return Err(Error::argument(
            op,
            format!("a buffer of at least {padded} bytes, {why}"),
            format!("{bytes} bytes"),
        ));
    }
    Ok(())
}

impl Buffer {
    /// Whether its bytes can be copied by commands of an encoder: a caller's buffer may have been made without the usage.
    pub(crate) fn can_be_copied(&self) -> bool {
        self.raw().usage().contains(wgpu::BufferUsages::COPY_SRC)
    }
}
