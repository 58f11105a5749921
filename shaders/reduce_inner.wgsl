// reduce_inner.wgsl
//
// out[k] = sum over r of body(k, r), where neighbouring r lie next to each other in memory: a sum over the last dim,
// or over everything.
//
// LANES invocations share a row and walk along it WIDTH elements at a time, so at each step they read an unbroken
// run of memory; a workgroup takes WG_SIZE / LANES rows. Long rows are split over workgroups, and what is stored is
// a partial sum for each split. The order of addition depends on the shape alone.
//
// From the prelude: WIDTH, WG_SIZE, LANES, SPLIT, Terms, Place, place(), body(), masked(), identity(), combine(), across()
// and finish(). From lib/lanes_workgroup.wgsl or lib/lanes_subgroup.wgsl: together().

const ROWS: u32 = WG_SIZE / LANES;

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    var split = 0u;
    if SPLIT { split = number / uniforms.blocks; }
    let k = (number - split * uniforms.blocks) * ROWS + lane / LANES;
    let column = lane % LANES;

    let start = split * uniforms.chunk;
    let end = min(start + uniforms.chunk, uniforms.n_reduced);
    var terms = identity();
    if k < uniforms.n && start < end {
        let row = place(k);
        let whole = start + (end - start) / WIDTH * WIDTH;
        terms = walk(row, start, whole, column, WIDTH);
        if whole < end && column == 0u {
            terms = combine(terms, masked(row, whole, end)); // the last few, fewer than WIDTH
        }
    }
    terms = across(terms);
    if LANES > 1u {
        terms = together(terms, lane);
    }
    // Workgroups past the last split are the surplus of a grid over two axes.
    if column == 0u && k < uniforms.n && (start < end || split == 0u) {
        finish(k, split, terms);
    }
}
