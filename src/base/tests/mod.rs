//! Tests of modules that `interleavings` has a second copy of.

mod interleavings;
mod pool;
