// scan_inner.wgsl
//
// out[k, r] = what body(k, 0), …, body(k, r) come to, where neighbouring r lie next to each other in memory: a running sum
// along the last dim. Where it is exclusive, body(k, r) itself is left out.
//
// LANES invocations share a row and walk along it, WIDTH elements each at a step, so that they read and write an unbroken
// run of memory; a workgroup takes WG_SIZE / LANES rows. At a step a lane scans its elements, and all lanes what theirs come
// to, each adding what twice as many lanes before it have (Hillis and Steele, "Data parallel algorithms", 1986). Where rows
// are few, they are split, as in scan_outer.wgsl.
//
// From the prelude: WIDTH, WG_SIZE, LANES, EXCLUSIVE, Terms, Place, Target, place(), target_of(), masked(), carry(),
// identity(), combine(), shifted(), so_far(), last() and finish(). From lib/join.wgsl: Lane, join(), joined().

const ROWS: u32 = WG_SIZE / LANES;

var<workgroup> sh_terms: array<Terms, WG_SIZE>;

// What the lanes of a row before one come to, and all of them.
struct Lanes {
    before: Terms,
    all: Terms,
}

fn among_lanes(terms: Terms, lane: u32, column: u32) -> Lanes {
    // Every invocation comes here, whether it had elements or not: a barrier waits for all.
    var sum = terms;
    sh_terms[lane] = sum;
    workgroupBarrier();
    // Ends: step doubles, up to LANES.
    for (var step = 1u; step < LANES; step *= 2u) {
        var other = identity();
        if column >= step {
            other = sh_terms[lane - step];
        }
        workgroupBarrier();
        sum = combine(other, sum);
        sh_terms[lane] = sum;
        workgroupBarrier();
    }
    var before = identity();
    if column > 0u {
        before = sh_terms[lane - 1u];
    }
    let all = sh_terms[lane - column + LANES - 1u];
    // The next step writes there.
    workgroupBarrier();
    return Lanes(before, all);
}

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let item = (workgroup.y * uniforms.grid_x + workgroup.x) * ROWS + lane / LANES;
    let column = lane % LANES;
    let split = item / uniforms.n;
    let k = item - split * uniforms.n;
    // Those past the last split are the surplus of the last workgroup, and of a grid over two axes: they have no elements.
    let start = select(0u, split * uniforms.chunk, split < uniforms.blocks);
    let end = select(0u, min(start + uniforms.chunk, uniforms.n_reduced), split < uniforms.blocks);
    let row = place(k);
    let to = target_of(k);
    var run = Lane(identity(), identity());
    if split < uniforms.blocks {
        run.total = carry(k, split);
    }
    var first = 0u;
    // Ends: first steps by at least 1 to a chunk below 2^31. All lanes go round equally often.
    loop {
        let r = start + first + column * WIDTH;
        var terms = identity();
        if r < end {
            terms = masked(row, r, end);
        }
        let sums = so_far(terms);
        var before = identity();
        var all = last(sums);
        if LANES > 1u {
            let lanes = among_lanes(all, lane, column);
            before = lanes.before;
            all = lanes.all;
        }
        if r < end {
            if EXCLUSIVE {
                finish(to, k, r, joined(join(run, combine(before, shifted(sums)))));
            } else {
                finish(to, k, r, joined(join(run, combine(before, sums))));
            }
        }
        run = join(run, all);
        first += LANES * WIDTH;
        if first >= uniforms.chunk {
            break;
        }
    }
}
