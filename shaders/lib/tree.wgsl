// lib/tree.wgsl
//
// The fixed order in which a reduction adds: AT_ONCE steps, blocks of sixteen such sums, and then the blocks, so that the
// rounding error grows with the length of a block and the number of blocks, not with their product.
//
// From the prelude: LANES, AT_ONCE (4, 2 or 1), Terms (what is being reduced, several values if several reductions share
// the pass), Place (where an output's elements begin), identity(), combine() and body().

const BLOCK_STEPS: u32 = 16u * AT_ONCE;

// The terms of one lane below end. At each step lanes take elements `apart` from each other, the first one at `start` to
// begin with.
//
// Loops look at their end only, as llvmpipe runs what follows a break once more, for nothing; and all lanes go round them
// equally often, as SwiftShader goes on for all where some have left such a loop.
fn walk(place: Place, start: u32, end: u32, lane: u32, apart: u32) -> Terms {
    let step = LANES * apart;
    let last = (AT_ONCE - 1u) * step + (LANES - 1u) * apart;
    var total = identity();
    var first = start;
    if first < end {
        // Ends: each time one of the loops within takes first to stop, which lies beyond it and is end at last.
        loop {
            var block = identity();
            let stop = min(end, first + BLOCK_STEPS * step);
            if first + last < stop {
                // Ends: first steps by at least 1 to below stop, which is below 2^31.
                loop {
                    let r = first + lane * apart;
                    var some = body(place, r);
                    if AT_ONCE > 1u {
                        some = combine(some, body(place, r + step));
                    }
                    if AT_ONCE > 2u {
                        some = combine(some, combine(body(place, r + 2u * step), body(place, r + 3u * step)));
                    }
                    block = combine(block, some);
                    first += AT_ONCE * step;
                    if first + last >= stop {
                        break;
                    }
                }
            }
            if LANES * AT_ONCE > 1u && first < stop {
                // Ends: first steps by at least 1 to stop.
                loop {
                    let r = first + lane * apart;
                    if r < stop {
                        block = combine(block, body(place, r));
                    }
                    first += step;
                    if first >= stop {
                        break;
                    }
                }
            }
            total = combine(total, block);
            if first >= end {
                break;
            }
        }
    }
    return total;
}
