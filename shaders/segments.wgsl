// segments.wgsl
//
// out[key, c] = out[key, c] folded with the values[row, c] of all rows that go to `key`, where rows are in the order of their
// keys.
//
// An invocation owns one column of PIECE rows that follow each other. What rows with one key come to goes to the result, if all
// of them are here for certain; what the first and the last key come to is passed on, two rows a piece, and the next level does
// the same with these. A level of one piece passes nothing on. So each row is read once whatever keys are equal, no result has
// two invocations, and the order of adding depends on sizes and keys alone. Keys of what is passed on are those of the piece's
// first and last row.
//
// From the prelude: WG_SIZE, PIECE, FIRST, LAST, Terms, sorted_key(), value(), stored(), store(), pass_on(), identity(), combine().
// From lib/join.wgsl: Lane, join(), joined().

// The key of row i, of those that this level reads.
fn key_of(i: u32) -> u32 {
    if FIRST {
        return sorted_key(i);
    }
    // Rows of the first level that a piece of the level before has come from.
    let span = uniforms.chunk;
    let first = i / 2u * span;
    return sorted_key(select(first, min(first + span, uniforms.dims[1].size) - 1u, i % 2u == 1u));
}

// Folds what rows with one key come to into the result, if it is in what is bound.
fn give(key: u32, column: u32, run: Lane) {
    let row = key - uniforms.dims[2].size;
    if key >= uniforms.dims[2].size && row < uniforms.dims[3].size {
        let at = row * uniforms.n + column;
        store(at, joined(join(Lane(stored(at), identity()), joined(run))));
    }
}

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let number = (workgroup.y * uniforms.grid_x + workgroup.x) * WG_SIZE + lane;
    let quotient = number / uniforms.n;
    let column = number - quotient * uniforms.n;
    // Invocations past the last piece give nothing, and go round the loop as all others do.
    let inside = quotient < uniforms.blocks;
    let piece = min(quotient, uniforms.blocks - 1u);
    let start = piece * PIECE;
    let nothing = Lane(identity(), identity());
    var run = nothing;
    var key = key_of(start);
    // Whether these rows may be those of the piece before, too.
    var goes_back = !LAST;
    // Ends: step counts to a constant.
    for (var step = 0u; step < PIECE; step++) {
        let i = start + step;
        if inside && i < uniforms.n_reduced {
            let next = key_of(i);
            if next != key {
                if goes_back {
                    pass_on(2u * piece, column, joined(run));
                } else {
                    give(key, column, run);
                }
                goes_back = false;
                key = next;
                run = nothing;
            }
            run = join(run, value(i, column));
        }
    }
    if inside {
        if LAST {
            give(key, column, run);
        } else {
            if goes_back {
                pass_on(2u * piece, column, identity());
            }
            pass_on(2u * piece + 1u, column, joined(run));
        }
    }
}
