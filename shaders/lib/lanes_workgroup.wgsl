// lib/lanes_workgroup.wgsl
//
// Combines the results of the lanes of a row through workgroup memory: halves with halves, in a fixed order. Lane 0 of
// each row has the result.
//
// From the prelude: WG_SIZE, LANES, Terms and combine().

var<workgroup> sh_terms: array<Terms, WG_SIZE>;

fn together(terms: Terms, lane: u32) -> Terms {
    // Every invocation comes here, whether it had elements or not: a barrier waits for all.
    sh_terms[lane] = terms;
    workgroupBarrier();
    // Ends: half is halved until it is 0.
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane % LANES < half {
            sh_terms[lane] = combine(sh_terms[lane], sh_terms[lane + half]);
        }
        workgroupBarrier();
    }
    return sh_terms[lane];
}
