// map.wgsl
//
// out[i] = body(i), for any number of outputs; out may be one of the inputs (a weight update).
//
// One invocation owns WIDTH neighbouring elements of the domain. body() loads all it needs of them before it stores
// anything, and no invocation reads what another writes, so updating in place needs no barrier.
//
// From the prelude: WIDTH, WG_SIZE, the bindings and body().

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let i = ((workgroup.y * uniforms.grid_x + workgroup.x) * WG_SIZE + lane) * WIDTH;
    if i >= uniforms.n { return; } // the last workgroup is rarely full
    body(i);
}
