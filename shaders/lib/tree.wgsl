// lib/tree.wgsl
//
// The fixed order in which a reduction adds: blocks of 64 steps, by fours or twos, and then the blocks, so that the
// rounding error grows with the length of a block and the number of blocks, not with their product.
//
// From the prelude: AT_ONCE (4 or 2), Terms (what is being reduced, several values if several reductions share the
// pass), Place (where an output's elements begin), identity(), combine() and body().

const BLOCK_STEPS: u32 = 64u;

// The terms at start, start + step, ... below end.
fn walk(place: Place, start: u32, end: u32, step: u32) -> Terms {
    var total = identity();
    var r = start;
    while r < end {
        var block = identity();
        let stop = min(end, r + BLOCK_STEPS * step);
        while r + (AT_ONCE - 1u) * step < stop {
            var some = combine(body(place, r), body(place, r + step));
            if AT_ONCE == 4u {
                some = combine(some, combine(body(place, r + 2u * step), body(place, r + 3u * step)));
            }
            block = combine(block, some);
            r += AT_ONCE * step;
        }
        while r < stop {
            block = combine(block, body(place, r));
            r += step;
        }
        total = combine(total, block);
    }
    return total;
}
