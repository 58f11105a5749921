//! Locks, as std has them. `tests/interleavings.rs` gives what says `super::sync` those of a model checker.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
