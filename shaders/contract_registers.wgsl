// contract_registers.wgsl
//
// out[i, j] = sum over k of a[i, k] * b[k, j], for each index of a batch: a matrix product, of any strides.
//
// For software adapters, where workgroup memory is no nearer than any other and a barrier is dear. An invocation owns a tile
// of 8 x 8 outputs, kept in registers, and walks the terms four at a time, so that it fetches 64 elements for 256 products,
// as vectors of four where they lie so. A workgroup's tiles lie `across` side by side, so that few rows or few columns
// leave no invocation idle. Where its invocations are one subgroup, all have the same rows, twice as many, and each
// fetches two of them, which it broadcasts. Neighbouring workgroups have the same columns, as rows of b lie far apart, and
// stay in a cache. Where workgroups are few, the terms are split over more of them, and what is stored is a partial sum for
// each split. Terms are added in order, within a split.
//
// Over contract.wgsl it gains a factor of 4 to 10 on lavapipe with subgroups, and of 3 without them (GL).
//
// From the prelude: T, V, Block, WG_SIZE, BROADCAST, Place, place(), block_a(), block_b(), term_a(), term_b() and
// store_four().

// Columns of a tile, and its rows.
const TILE: u32 = 8u;
const HEIGHT: u32 = select(TILE, 2u * TILE, BROADCAST);

// Vectors 2r and 2r + 1 are those of row r, of eight.
alias Sums = array<V, 16>;

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let rows = uniforms.dims[ROWS].size;
    let columns = uniforms.dims[COLUMNS].size;
    let across = uniforms.dims[ACROSS].size;
    let down = WG_SIZE / across;
    let blocks_down = (rows + down * HEIGHT - 1u) / (down * HEIGHT);
    let blocks_across = (columns + across * TILE - 1u) / (across * TILE);
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    let split = number / uniforms.blocks;
    let block = number - split * uniforms.blocks;
    let batch = block / (blocks_down * blocks_across);
    let row = ((block % blocks_down) * down + lane / across) * HEIGHT;
    let column = ((block / blocks_down % blocks_across) * across + lane % across) * TILE;
    let start = split * uniforms.chunk;
    let end = min(start + uniforms.chunk, uniforms.n_reduced);
    // Workgroups past the last split are the surplus of a grid over two axes: they have no terms.
    if start >= end {
        return;
    }
    // Those that broadcast stay, whether or not there are columns for them.
    if !BROADCAST && (row >= rows || column >= columns) {
        return;
    }
    let place = place(batch);
    // Beyond the last row or column the last is read again, and what comes of it is not stored.
    let last_row = rows - 1u;
    let last_column = columns - 1u;
    var sums = Sums();
    // Of the second eight rows, where there are so many.
    var below = Sums();
    var k = start;
    let whole = end - (end - start) % 4u;
    if k < whole {
        // Ends: k steps by a constant to an end below 2^31.
        loop {
            let b = block_b(place, column, last_column, k);
            add_block(&sums, block_a(place, row, last_row, k, lane), b);
            if BROADCAST {
                add_block(&below, block_a(place, row + 8u, last_row, k, lane), b);
            }
            continuing {
                k += 4u;
                break if k >= whole;
            }
        }
    }
    if k < end {
        // Ends: k counts to an end below 2^31.
        loop {
            let b = term_b(place, column, last_column, k);
            let a = term_a(place, row, last_row, k);
            add(&sums, a[0], a[1], b[0], b[1]);
            if BROADCAST {
                let more = term_a(place, row + 8u, last_row, k);
                add(&below, more[0], more[1], b[0], b[1]);
            }
            continuing {
                k += 1u;
                break if k >= end;
            }
        }
    }
    store_rows(place, split, row, column, &sums);
    if BROADCAST {
        store_rows(place, split, row + 8u, column, &below);
    }
}

// Adds the products of four terms.
fn add_block(sums: ptr<function, Sums>, a: Block, b: Block) {
    add(sums, a[0], a[1], b[0], b[1]);
    add(sums, a[2], a[3], b[2], b[3]);
    add(sums, a[4], a[5], b[4], b[5]);
    add(sums, a[6], a[7], b[6], b[7]);
}

// Adds the products of eight rows of a and eight columns of b. Written out, as an index that a loop counts would keep the
// sums in memory.
fn add(sums: ptr<function, Sums>, a: V, a_next: V, b: V, b_next: V) {
    (*sums)[0] += a.x * b;
    (*sums)[1] += a.x * b_next;
    (*sums)[2] += a.y * b;
    (*sums)[3] += a.y * b_next;
    (*sums)[4] += a.z * b;
    (*sums)[5] += a.z * b_next;
    (*sums)[6] += a.w * b;
    (*sums)[7] += a.w * b_next;
    (*sums)[8] += a_next.x * b;
    (*sums)[9] += a_next.x * b_next;
    (*sums)[10] += a_next.y * b;
    (*sums)[11] += a_next.y * b_next;
    (*sums)[12] += a_next.z * b;
    (*sums)[13] += a_next.z * b_next;
    (*sums)[14] += a_next.w * b;
    (*sums)[15] += a_next.w * b_next;
}

fn store_rows(place: Place, split: u32, row: u32, column: u32, sums: ptr<function, Sums>) {
    store_row(place, split, row, column, (*sums)[0], (*sums)[1]);
    store_row(place, split, row + 1u, column, (*sums)[2], (*sums)[3]);
    store_row(place, split, row + 2u, column, (*sums)[4], (*sums)[5]);
    store_row(place, split, row + 3u, column, (*sums)[6], (*sums)[7]);
    store_row(place, split, row + 4u, column, (*sums)[8], (*sums)[9]);
    store_row(place, split, row + 5u, column, (*sums)[10], (*sums)[11]);
    store_row(place, split, row + 6u, column, (*sums)[12], (*sums)[13]);
    store_row(place, split, row + 7u, column, (*sums)[14], (*sums)[15]);
}

// Stores a row of a tile, but for what is beyond the last row and column.
fn store_row(place: Place, split: u32, row: u32, column: u32, left: V, right: V) {
    if row < uniforms.dims[ROWS].size {
        store_four(place, split, row, column, left);
        store_four(place, split, row, column + 4u, right);
    }
}
