// lib/uniforms.wgsl
//
// What the host passes to a launch. The same fields in the same order stand in src/kernel/uniforms.rs.
//
// From the prelude: N_DIMS, N_STAGES, STAGE_VECS and N_SCALARS.

// What an index is divided by: a dim's size, with the constants that divide by it. Where a position is taken apart
// by strides instead, size is the stride and count the dim's size.
struct Dim {
    size: u32,
    multiplier: u32,
    shift: u32,
    count: u32,
}

// Where one view of a buffer lies: word 0 is the offset, the next ones are the strides, all in elements.
alias Stage = array<vec4u, STAGE_VECS>;

struct Uniforms {
    // Elements of a map; outputs of a reduction.
    n: u32,
    // Elements reduced into each output.
    n_reduced: u32,
    // Of those, how many one split takes.
    chunk: u32,
    // Workgroups along x: they are numbered row by row over two axes.
    grid_x: u32,
    // Workgroups that together cover the outputs once.
    blocks: u32,
    // The bits of minus infinity, which WGSL cannot write down.
    minus_infinity: u32,
    // Always 0; passed in so that no shader compiler can fold it.
    zero: u32,
    // Splits that take the rows of a part in turn.
    turns: u32,
    dims: array<Dim, N_DIMS>,
    stages: array<Stage, N_STAGES>,
    scalars: array<vec4u, N_SCALARS>,
}
