// sort_merge.wgsl
//
// Merges pairs of sorted runs of `chunk` elements of each row. An invocation writes MERGED elements: it
// finds how many of those before them come from the first run by halving (Odeh, Green, Mwassi, Shmueli and Birk, "Merge path:
// parallel merging made simple", 2012), and takes the smaller of both runs' next ones from there. Of equal elements those of
// the first run come first.
//
// results[row, i] = the element of rank `skipped + i`, for i below `kept`.
//
// From the prelude: WG_SIZE, MERGED, K, key(), before() and store().

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = (workgroup.y * uniforms.grid_x + workgroup.x) * WG_SIZE + lane;
    // Invocations past the last row store nothing, and go round the loops as all others do.
    let row = min(number / uniforms.blocks, uniforms.n - 1u);
    let inside = number / uniforms.blocks < uniforms.n;
    let begin = row * uniforms.n_reduced;
    let first = (number - number / uniforms.blocks * uniforms.blocks) * MERGED;
    let run = uniforms.chunk;
    let pair = first / (2u * run) * 2u * run;
    let middle = min(pair + run, uniforms.n_reduced);
    let end = min(pair + 2u * run, uniforms.n_reduced);
    let before_first = min(first, end) - pair;

    // Elements of the first run among those before: between low and high.
    var low = max(before_first, end - middle) - (end - middle);
    var high = min(before_first, middle - pair);
    // Ends: turn counts to a number below 32.
    for (var turn = 0u; turn < uniforms.turns; turn++) {
        if low < high {
            let half = (low + high) / 2u;
            if before(key(begin + middle + before_first - 1u - half), key(begin + pair + half)) {
                high = half;
            } else {
                low = half + 1u;
            }
        }
    }
    var a = pair + low;
    var b = middle + before_first - low;
    let last = uniforms.n_reduced - 1u;
    var key_a = key(begin + min(a, last));
    var key_b = key(begin + min(b, last));
    // Ends: i counts to a constant.
    for (var i = 0u; i < MERGED; i++) {
        let at = first + i;
        if inside && at < end {
            let is_b = a >= middle || (b < end && before(key_b, key_a));
            let place = min(select(a, b, is_b), last);
            var taken = key_a;
            if is_b { taken = key_b; }
            let wanted = at >= uniforms.dims[0].count && at - uniforms.dims[0].count < uniforms.dims[0].size;
            if wanted {
                store(row * uniforms.dims[0].size + at - uniforms.dims[0].count, taken, begin + place);
            }
            // The other run's next element is still at hand.
            let next = key(begin + min(place + 1u, last));
            if is_b {
                b += 1u;
                key_b = next;
            } else {
                a += 1u;
                key_a = next;
            }
        }
    }
}
