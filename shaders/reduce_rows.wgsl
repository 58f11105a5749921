// reduce_rows.wgsl
//
// out[k] = sum over r of body(k, r), as in reduce_inner.wgsl, for rows of a few whole vectors: fetching those takes less
// than what a kernel does besides, so an invocation takes GROUPS rows, WIDTH of them, and stores their results as one
// vector. There is at least one vector in a row.
//
// From the prelude: WIDTH, GROUPS, WG_SIZE, identity(), combine(), place(), body() and finish().

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    let k = (number * WG_SIZE + lane) * GROUPS;
    if k < uniforms.n {
        let rows = place(k);
        var terms = identity();
        var r = 0u;
        // Ends: r steps by WIDTH, at least 1, to an end below 2^31.
        loop {
            terms = combine(terms, body(rows, r));
            r += WIDTH;
            if r >= uniforms.n_reduced {
                break;
            }
        }
        finish(k, 0u, terms);
    }
}
