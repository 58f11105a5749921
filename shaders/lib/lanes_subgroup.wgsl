// lib/lanes_subgroup.wgsl
//
// Combines the results of the lanes of a row where all of them are in one subgroup: halves with halves, in the same
// order as through workgroup memory, without a barrier.
//
// From the prelude: LANES, Terms, combine() and shuffle().

fn together(terms: Terms, lane: u32) -> Terms {
    var total = terms;
    // Ends: half is halved until it is 0.
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        total = combine(total, shuffle(total, half));
    }
    return total;
}
