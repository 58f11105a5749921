//! A slow, obvious evaluator in f64 that shares nothing with the CPU and GPU paths.
