// scan_outer.wgsl
//
// out[k, r] = what body(k, 0), …, body(k, r) come to, where neighbouring k lie next to each other in memory: a running sum
// along dim 0. Where it is exclusive, body(k, r) itself is left out.
//
// An invocation owns WIDTH neighbouring columns and walks down the rows, so at each step a workgroup reads and writes
// unbroken runs of memory. Where columns are few, rows are split among invocations: a reduction has found what each part comes
// to, another scan what the parts before it do, and here each begins with that. Nothing waits for anything, and the order of
// addition depends on the shape alone.
//
// From the prelude: WIDTH, WG_SIZE, EXCLUSIVE, Place, Target, place(), target_of(), body(), carry(), identity() and finish().
// From lib/join.wgsl: Lane, join(), joined().

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let item = (workgroup.y * uniforms.grid_x + workgroup.x) * WG_SIZE + lane;
    let groups = (uniforms.n + WIDTH - 1u) / WIDTH;
    let split = item / groups;
    let k = (item - split * groups) * WIDTH;
    // Those past the last split are the surplus of the last workgroup, and of a grid over two axes.
    if split < uniforms.blocks {
        let columns = place(k);
        let to = target_of(k);
        let start = split * uniforms.chunk;
        var run = Lane(carry(k, split), identity());
        var step = 0u;
        // All invocations go round equally often, as SwiftShader goes on for all where some have left such a loop.
        // Ends: step goes by 1 to a chunk below 2^31.
        loop {
            let r = start + step;
            if r < uniforms.n_reduced {
                let before = run;
                run = join(run, body(columns, r));
                if EXCLUSIVE {
                    finish(to, k, r, joined(before));
                } else {
                    finish(to, k, r, joined(run));
                }
            }
            step += 1u;
            if step >= uniforms.chunk {
                break;
            }
        }
    }
}
