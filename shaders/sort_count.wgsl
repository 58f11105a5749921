// sort_count.wgsl
//
// counts[row, digit, group] = how many elements of a group of tiles of a row have a digit: the first of three launches that sort
// by one digit. A scan along each row of counts then says where in the row each group's elements of a digit begin, and
// sort_scatter.wgsl moves them there.
//
// A workgroup counts one group, of `turns` tiles. Counts are integers, so the order in which they are added is of no matter.
// A launch may see a part of a row, which begins with element `chunk`: dims[2] says how many groups the row has, and how many of
// them come before.
//
// From the prelude: WG_SIZE, ITEMS, DIGITS, key(), digit() and store_count().

const TILE: u32 = WG_SIZE * ITEMS;
// Digits that an invocation looks after.
const OWN: u32 = (DIGITS + WG_SIZE - 1u) / WG_SIZE;

var<workgroup> sh_counts: array<atomic<u32>, DIGITS>;

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    // Workgroups past the last row are the surplus of a grid over two axes: they count the last one, and store nothing.
    let row = min(number / uniforms.blocks, uniforms.n - 1u);
    let group = number - number / uniforms.blocks * uniforms.blocks;
    // Ends: i counts to a constant.
    for (var i = 0u; i < OWN; i++) {
        if lane + i * WG_SIZE < DIGITS {
            atomicStore(&sh_counts[lane + i * WG_SIZE], 0u);
        }
    }
    workgroupBarrier();
    // Ends: i counts to a number of the uniforms.
    for (var i = 0u; i < ITEMS * uniforms.turns; i++) {
        let at = group * uniforms.turns * TILE + i * WG_SIZE + lane;
        if at < uniforms.n_reduced {
            atomicAdd(&sh_counts[digit(key(row * uniforms.n_reduced + at))], 1u);
        }
    }
    workgroupBarrier();
    // Ends: i counts to a constant.
    for (var i = 0u; i < OWN; i++) {
        let value = lane + i * WG_SIZE;
        if number / uniforms.blocks < uniforms.n && value < DIGITS {
            let at = (row * DIGITS + value) * uniforms.dims[2].size + uniforms.dims[2].count + group;
            store_count(at, atomicLoad(&sh_counts[value]));
        }
    }
}
