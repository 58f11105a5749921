// sort_blocks.wgsl
//
// Sorts blocks of BLOCK elements of each row: a bitonic network in workgroup memory, in which each invocation compares two
// elements at a step (Batcher, "Sorting networks and their applications", 1968). Where they lie tells equal elements apart,
// so they stay as they stand.
//
// results[row, block, i] = the element of rank `skipped + i` of the block, for i below `kept`. A block of fewer elements has
// fewer results, and results follow each other without gaps.
//
// From the prelude: WG_SIZE, K, key(), before() and store().

const BLOCK: u32 = 2u * WG_SIZE;
// The place of what lies past the end of a row: after everything.
const NOWHERE: u32 = 0xffffffffu;

var<workgroup> sh_keys: array<K, BLOCK>;
var<workgroup> sh_places: array<u32, BLOCK>;

fn fetch(slot: u32, row: u32, first: u32) {
    let at = first + slot;
    let last = uniforms.n_reduced - 1u;
    sh_keys[slot] = key(row * uniforms.n_reduced + min(at, last));
    sh_places[slot] = select(NOWHERE, at, at <= last);
}

// Whether what is in slot a comes before what is in slot b.
fn precedes(a: u32, b: u32) -> bool {
    let place_a = sh_places[a];
    let place_b = sh_places[b];
    if place_a == NOWHERE || place_b == NOWHERE {
        return place_a < place_b;
    }
    let key_a = sh_keys[a];
    let key_b = sh_keys[b];
    return before(key_a, key_b) || (!before(key_b, key_a) && place_a < place_b);
}

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    // Workgroups past the last row are the surplus of a grid over two axes: they sort the last one, and store nothing.
    let row = min(number / uniforms.blocks, uniforms.n - 1u);
    let first = (number - number / uniforms.blocks * uniforms.blocks) * BLOCK;
    fetch(lane, row, first);
    fetch(lane + WG_SIZE, row, first);
    workgroupBarrier();
    // Ends: size is doubled to a constant.
    for (var size = 2u; size <= BLOCK; size *= 2u) {
        // Ends: apart is halved until it is 0.
        for (var apart = size / 2u; apart > 0u; apart /= 2u) {
            let a = lane / apart * 2u * apart + lane % apart;
            let b = a + apart;
            // Every second run of `size` falls, so that the next size finds runs that rise and then fall.
            let rises = (a & size) == 0u;
            if precedes(b, a) == rises {
                let key_a = sh_keys[a];
                let place_a = sh_places[a];
                sh_keys[a] = sh_keys[b];
                sh_places[a] = sh_places[b];
                sh_keys[b] = key_a;
                sh_places[b] = place_a;
            }
            workgroupBarrier();
        }
    }
    if number / uniforms.blocks < uniforms.n {
        let kept = uniforms.dims[0].size;
        let skipped = uniforms.dims[0].count;
        // Of all blocks of a row, of which the last may have fewer elements than are kept.
        let results = (uniforms.blocks - 1u) * kept + min(kept, uniforms.n_reduced - (uniforms.blocks - 1u) * BLOCK);
        // Ends: half counts to a constant.
        for (var half = 0u; half < 2u; half++) {
            let slot = lane + half * WG_SIZE;
            if first + slot < uniforms.n_reduced && slot >= skipped && slot - skipped < kept {
                let i = row * results + first / BLOCK * kept + slot - skipped;
                store(i, sh_keys[slot], row * uniforms.n_reduced + sh_places[slot]);
            }
        }
    }
}
