//! How this library and a program share that program's wgpu device.

use std::sync::{Arc, Mutex};

/// How a device of the caller's is shared; see [`Device::from_wgpu_with`](crate::Device::from_wgpu_with).
///
/// ```
/// use hadamard::WgpuOptions;
/// let options = WgpuOptions { leave_handlers: true, ..WgpuOptions::default() };
/// assert!(options.lock.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct WgpuOptions {
    /// Leaves the device's uncaptured-error handler and its lost callback to the caller. Errors of this library's calls come
    /// back from them all the same, and errors of the caller's go to the caller alone. That the device is lost, this
    /// library then finds out when it hands work over or waits, or is told by
    /// [`Device::notify_lost`](crate::Device::notify_lost).
    pub leave_handlers: bool,
    /// Held by this library while it calls wgpu for anything that may need the context of GL, which one thread at a time can
    /// have: wgpu waits for it, and panics after six seconds. Whoever calls wgpu beside this library on GL shares a lock
    /// with it and holds it meanwhile. On other backends nobody takes it.
    ///
    /// Nothing of this library may be called while it is held.
    pub lock: Option<Arc<Mutex<()>>>,
}
