// sort_scatter.wgsl
//
// Moves the elements of each row to where their digits belong, those of one digit in the order in which they stand: the last
// of three launches that sort by one digit. sort_count.wgsl is the first.
//
// results[row, i] = the element of rank `skipped + i` by this digit, for i below `kept`.
//
// A workgroup owns a group of `turns` tiles, and takes one after the other. It sorts the digits and numbers of a tile's elements,
// packed into words, four bits of the digit at a time:
// each invocation counts ITEMS neighbours in a column of its own, one counter for each value of the four bits, and sums of all
// counters in the order of values, then columns, say where each goes. So nothing depends on the order in which invocations run.
// After that, elements of one digit stand together, and neighbouring invocations write them to neighbouring places.
//
// The other way would be to move elements and places through workgroup memory too; here they are read once more, from a tile
// that a cache holds, and an element of any size takes one word of workgroup memory.
//
// From the prelude: WG_SIZE, ITEMS, BITS, DIGITS, key(), digit(), offset() and store().

const TILE: u32 = WG_SIZE * ITEMS;
const ROUNDS: u32 = BITS / 4u;
// Digits that an invocation looks after.
const OWN: u32 = (DIGITS + WG_SIZE - 1u) / WG_SIZE;
// Counters of 16 bits lie by twos: those of v and v + 8 in one word.
const PAIRS: u32 = 8u;

// First items, then counters, of which there are no more: ITEMS is at least PAIRS.
var<workgroup> sh_words: array<u32, TILE + TILE / 32u>;
var<workgroup> sh_sums: array<u32, WG_SIZE>;
// Where in the row the tile's elements of a digit go; while they are moved, less where they stand in the tile.
var<workgroup> sh_ways: array<u32, DIGITS>;

// Where word i lies: where invocations step by a power of two, a word in between spreads them over all banks.
fn spread(i: u32) -> u32 {
    return i + i / 32u;
}

// Where the counter of an item is, in the column of its invocation.
fn counter(item: u32, round: u32, lane: u32) -> u32 {
    return spread(((item >> (16u + 4u * round)) & 7u) * WG_SIZE + lane);
}

// By how much that counter is shifted in its word.
fn half(item: u32, round: u32) -> u32 {
    return ((item >> (19u + 4u * round)) & 1u) * 16u;
}

// Turns the counters into what is before each. All invocations come here.
fn sum_counters(lane: u32) {
    var own = 0u;
    // Ends: i counts to a constant.
    for (var i = 0u; i < PAIRS; i++) {
        own += sh_words[spread(lane * PAIRS + i)];
    }
    var sum = own;
    sh_sums[lane] = sum;
    workgroupBarrier();
    // Ends: apart is doubled to a constant.
    for (var apart = 1u; apart < WG_SIZE; apart *= 2u) {
        var other = 0u;
        if lane >= apart {
            other = sh_sums[lane - apart];
        }
        workgroupBarrier();
        sum += other;
        sh_sums[lane] = sum;
        workgroupBarrier();
    }
    // Before the first value of the upper halves come all of the lower ones.
    var before = sum - own + (sh_sums[WG_SIZE - 1u] << 16u);
    // Ends: i counts to a constant.
    for (var i = 0u; i < PAIRS; i++) {
        let at = spread(lane * PAIRS + i);
        let count = sh_words[at];
        sh_words[at] = before;
        before += count;
    }
}

// Sorts the items by four bits of their digits.
fn sort_items(round: u32, lane: u32) {
    var items: array<u32, ITEMS>;
    var ranks: array<u32, ITEMS>;
    // Ends: i counts to a constant.
    for (var i = 0u; i < ITEMS; i++) {
        items[i] = sh_words[spread(lane * ITEMS + i)];
    }
    workgroupBarrier();
    // Ends: i counts to a constant.
    for (var i = 0u; i < PAIRS; i++) {
        sh_words[spread(i * WG_SIZE + lane)] = 0u;
    }
    // Ends: i counts to a constant.
    for (var i = 0u; i < ITEMS; i++) {
        let at = counter(items[i], round, lane);
        let counters = sh_words[at];
        ranks[i] = (counters >> half(items[i], round)) & 0xffffu;
        sh_words[at] = counters + (1u << half(items[i], round));
    }
    workgroupBarrier();
    sum_counters(lane);
    workgroupBarrier();
    // Ends: i counts to a constant.
    for (var i = 0u; i < ITEMS; i++) {
        ranks[i] += (sh_words[counter(items[i], round, lane)] >> half(items[i], round)) & 0xffffu;
    }
    workgroupBarrier();
    // Ends: i counts to a constant.
    for (var i = 0u; i < ITEMS; i++) {
        sh_words[spread(ranks[i])] = items[i];
    }
    workgroupBarrier();
}

// Sorts a tile, which is not empty, in sh_words.
fn sort_tile(begin: u32, filled: u32, lane: u32) {
    // Ends: i counts to a constant.
    for (var i = 0u; i < ITEMS; i++) {
        let slot = lane + i * WG_SIZE;
        // What lies past the end of a row has the last digit, and comes after all that have it.
        let value = select(DIGITS - 1u, digit(key(begin + min(slot, filled - 1u))), slot < filled);
        sh_words[spread(slot)] = (value << 16u) | slot;
    }
    workgroupBarrier();
    // Ends: round counts to a constant.
    for (var round = 0u; round < ROUNDS; round++) {
        sort_items(round, lane);
    }
}

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    // Workgroups past the last row are the surplus of a grid over two axes: they sort the last one, and store nothing.
    let row = min(number / uniforms.blocks, uniforms.n - 1u);
    let inside = number / uniforms.blocks < uniforms.n;
    let group = number - number / uniforms.blocks * uniforms.blocks;
    let kept = uniforms.dims[0].size;
    let skipped = uniforms.dims[0].count;
    // Ends: i counts to a constant.
    for (var i = 0u; i < OWN; i++) {
        let value = lane + i * WG_SIZE;
        if value < DIGITS {
            sh_ways[value] = offset((row * DIGITS + value) * uniforms.dims[2].size + uniforms.dims[2].count + group);
        }
    }
    let tiles = (uniforms.n_reduced + TILE - 1u) / TILE;
    let last = min(tiles, (group + 1u) * uniforms.turns);
    // Ends: tile counts to a number of the uniforms.
    for (var tile = group * uniforms.turns; tile < last; tile++) {
        let begin = row * uniforms.n_reduced + tile * TILE;
        let filled = min(TILE, uniforms.n_reduced - tile * TILE);
        sort_tile(begin, filled, lane);
        // Ends: i counts to a constant.
        for (var i = 0u; i < ITEMS; i++) {
            let slot = lane + i * WG_SIZE;
            let value = sh_words[spread(slot)] >> 16u;
            let previous = sh_words[spread(max(slot, 1u) - 1u)] >> 16u;
            if slot < filled && (slot == 0u || previous != value) {
                sh_ways[value] -= slot;
            }
        }
        workgroupBarrier();
        // Ends: i counts to a constant.
        for (var i = 0u; i < ITEMS; i++) {
            let slot = lane + i * WG_SIZE;
            if inside && slot < filled {
                let item = sh_words[spread(slot)];
                let rank = sh_ways[item >> 16u] + slot;
                if rank >= skipped && rank - skipped < kept {
                    let source = begin + (item & 0xffffu);
                    store(row * kept + rank - skipped, key(source), source);
                }
            }
        }
        workgroupBarrier();
        // Ends: i counts to a constant.
        for (var i = 0u; i < ITEMS; i++) {
            let slot = lane + i * WG_SIZE;
            let value = sh_words[spread(slot)] >> 16u;
            let next = sh_words[spread(min(slot + 1u, TILE - 1u))] >> 16u;
            if slot < filled && (slot + 1u == filled || next != value) {
                sh_ways[value] += slot + 1u;
            }
        }
        workgroupBarrier();
    }
}
