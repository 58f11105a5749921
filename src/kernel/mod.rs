//! What a GPU is told: which kernels compute a graph, their WGSL, and the numbers passed to them.
//!
//! Nothing here knows wgpu, so `explain` and the tests of plans and shaders need no GPU.

mod code;
mod codegen;
mod double;
mod grid;
mod pairs;
mod plan;
mod spec;
#[cfg(test)]
mod tests;
mod tiles;
mod tuning;
mod uniforms;

pub(crate) use self::codegen::{prelude, source};
pub(crate) use self::plan::{Caps, Launch, Memory, Plan, Target, Window, plan};
pub(crate) use self::spec::{Code, Inst, Spec};
pub(crate) use self::uniforms::write_scalar;
