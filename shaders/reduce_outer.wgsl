// reduce_outer.wgsl
//
// out[k] = sum over r of body(k, r), where neighbouring k lie next to each other in memory: a sum over dim 0.
// For a multiply-reduce, body is a[r, k] * b[r, k].
//
// An invocation owns WIDTH neighbouring columns, or GROUPS times as many, and walks down the rows, so at each step a
// workgroup reads unbroken runs of memory. Where columns are few, LANES invocations share a column and take the rows in
// turn; where rows are many, they are split over workgroups too, and what is stored is a partial sum for each split. A
// few splits may take the rows of a part in turn. The order of addition depends on the shape alone.
//
// From the prelude: WIDTH, GROUPS, WG_SIZE, LANES, SPLIT, Terms, Place, place(), body(), identity(), combine() and finish().

const COLUMNS: u32 = WG_SIZE / LANES;

var<workgroup> sh_terms: array<Terms, WG_SIZE>;

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    var split = 0u;
    if SPLIT { split = number / uniforms.blocks; }
    let k = ((number - split * uniforms.blocks) * COLUMNS + lane % COLUMNS) * WIDTH * GROUPS;
    let row = lane / COLUMNS;

    var turn = 0u;
    if SPLIT { turn = split % uniforms.turns; }
    let start = (split - turn) * uniforms.chunk;
    let end = min(start + uniforms.chunk * uniforms.turns, uniforms.n_reduced);
    var terms = identity();
    if k < uniforms.n && start < end {
        terms = walk(place(k), start + turn, end, row, uniforms.turns);
    }
    if LANES > 1u {
        // Every invocation comes here, whether it had rows or not: a barrier waits for all.
        sh_terms[lane] = terms;
        workgroupBarrier();
        // Ends: half is halved until it is 0.
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if row < half {
                sh_terms[lane] = combine(sh_terms[lane], sh_terms[lane + half * COLUMNS]);
            }
            workgroupBarrier();
        }
        terms = sh_terms[lane];
    }
    // Workgroups past the last split are the surplus of a grid over two axes.
    if row == 0u && k < uniforms.n && (start < end || split == 0u) {
        finish(k, split, terms);
    }
}
