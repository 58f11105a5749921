//! What a backend found at a graph's last run, for the next.

#![cfg_attr(not(feature = "gpu"), allow(dead_code, reason = "the CPU keeps what does not depend on buffers"))]

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A place for it. A copy of the graph, which may be bound to other buffers, begins with nothing.
#[derive(Default)]
pub(crate) struct Latest {
    ran: AtomicBool,
    found: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
}

impl Latest {
    /// Whether this was asked before: most graphs run once, and for them nothing need be kept.
    pub(crate) fn ran_before(&self) -> bool {
        self.ran.swap(true, Ordering::Relaxed)
    }

    /// What was found, if it is of this type.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        if !self.ran.load(Ordering::Relaxed) {
            return None;
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        found?.downcast().ok()
    }

    pub(crate) fn set(&self, found: Arc<dyn Any + Send + Sync>) {
        let old = self.found.lock().unwrap_or_else(PoisonError::into_inner).replace(found);
        // Dropped after the lock is.
        drop(old);
    }
}

impl Clone for Latest {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Latest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Latest")
    }
}
