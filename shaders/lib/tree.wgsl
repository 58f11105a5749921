// lib/tree.wgsl
//
// The order in which a lane adds: AT_ONCE steps in a tree, and such sums one after the other, as lib/join.wgsl does, so that
// the rounding error does not grow with the number of steps.
//
// From the prelude: LANES, AT_ONCE (4, 2 or 1), Terms (what is being reduced, several values if several reductions share the
// pass), Place (where an output's elements begin), identity(), combine() and body(). From lib/join.wgsl: Lane, join(),
// joined().

// The terms of one lane below end. At each step lanes take elements `apart` from each other, the first one at `start` to
// begin with.
//
// Loops look at their end only, as llvmpipe runs what follows a break once more, for nothing; and all lanes go round them
// equally often, as SwiftShader goes on for all where some have left such a loop.
fn walk(place: Place, start: u32, end: u32, lane: u32, apart: u32) -> Terms {
    let step = LANES * apart;
    let last = (AT_ONCE - 1u) * step + (LANES - 1u) * apart;
    var reduced = Lane(identity(), identity());
    var first = start;
    if first + last < end {
        // Ends: first steps by at least 1 to below end, which is below 2^31.
        loop {
            let r = first + lane * apart;
            var some = body(place, r);
            if AT_ONCE > 1u {
                some = combine(some, body(place, r + step));
            }
            if AT_ONCE > 2u {
                some = combine(some, combine(body(place, r + 2u * step), body(place, r + 3u * step)));
            }
            reduced = join(reduced, some);
            first += AT_ONCE * step;
            if first + last >= end {
                break;
            }
        }
    }
    if LANES * AT_ONCE > 1u && first < end {
        // Ends: first steps by at least 1 to end.
        loop {
            let r = first + lane * apart;
            if r < end {
                reduced = join(reduced, body(place, r));
            }
            first += step;
            if first >= end {
                break;
            }
        }
    }
    return joined(reduced);
}
