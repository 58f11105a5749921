// contract.wgsl
//
// out[i, j] = sum over k of a[i, k] * b[k, j], for each index of a batch: a matrix product, of any strides.
//
// A workgroup owns a tile of SIDE x SIDE outputs and an invocation PARTS x PARTS squares of 4 x 4 of them, kept in
// registers: one square, or four that lie half a tile apart, so that neighbouring invocations read neighbouring vectors.
// All walk the terms DEPTH at a time, through workgroup memory, so that an element of either factor is fetched from
// memory once for SIDE outputs. Where tiles are few, the terms are split over workgroups, and what is stored is a partial
// sum for each split. Terms are added in order, within a split.
//
// From the prelude: T, WG_SIZE, SIDE, PARTS, DEPTH, TERMS_FIRST_A, TERMS_FIRST_B, Place, place(), four_a(), four_b() and
// store().

// Squares along a side of the tile, and a row of the tile in workgroup memory: one more, so that neighbouring
// invocations write to different banks.
const SQUARES: u32 = SIDE / 4u;
const PITCH: u32 = SQUARES + 1u;
// From a square of an invocation to its next.
const APART: u32 = SQUARES / PARTS;
// Vectors of a tile that an invocation fetches: all have as many.
const FETCHED: u32 = DEPTH * SQUARES / WG_SIZE;

alias V = vec4<T>;

// The tiles: entry k * PITCH + s holds the four rows of a, or the four columns of b, of square s at term k.
var<workgroup> sh_a: array<V, DEPTH * PITCH>;
var<workgroup> sh_b: array<V, DEPTH * PITCH>;

// The square and the term of the n-th vector of a tile, so that neighbouring vectors lie together in memory.
fn vector(n: u32, terms_first: bool) -> vec2u {
    if terms_first {
        return vec2u(n / DEPTH, n % DEPTH);
    }
    return vec2u(n % SQUARES, n / SQUARES);
}

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
    let rows = uniforms.dims[ROWS].size;
    let columns = uniforms.dims[COLUMNS].size;
    let tiles_down = (rows + SIDE - 1u) / SIDE;
    let tiles_across = (columns + SIDE - 1u) / SIDE;
    let number = workgroup.y * uniforms.grid_x + workgroup.x;
    let split = number / uniforms.blocks;
    let tile = number - split * uniforms.blocks;
    let batch = tile / (tiles_down * tiles_across);
    let row = (tile / tiles_across % tiles_down) * SIDE;
    let column = (tile % tiles_across) * SIDE;
    let place = place(batch);

    let start = split * uniforms.chunk;
    // Workgroups past the last split are the surplus of a grid over two axes: they have no terms.
    let end = min(start + uniforms.chunk, uniforms.n_reduced);
    let my_row = lane / APART;
    let my_column = lane % APART;
    // The squares at the two places down and across; the last three are of large tiles alone.
    var square = array<V, 4>();
    var right = array<V, 4>();
    var below = array<V, 4>();
    var beyond = array<V, 4>();
    // Ends: k steps by a constant to an end below 2^31.
    for (var k = start; k < end; k += DEPTH) {
        // Ends: i counts to a constant.
        for (var i = 0u; i < FETCHED; i++) {
            let n = i * WG_SIZE + lane;
            let a = vector(n, TERMS_FIRST_A);
            let b = vector(n, TERMS_FIRST_B);
            // Both are fetched before either is stored, so that they are waited for once.
            let rows_of_a = a_vector(place, row + 4u * a.x, rows, k + a.y, end);
            let columns_of_b = b_vector(place, column + 4u * b.x, columns, k + b.y, end);
            sh_a[a.y * PITCH + a.x] = rows_of_a;
            sh_b[b.y * PITCH + b.x] = columns_of_b;
        }
        workgroupBarrier();
        // Ends: t counts to a constant.
        for (var t = 0u; t < DEPTH; t++) {
            let a = sh_a[t * PITCH + my_row];
            let b = sh_b[t * PITCH + my_column];
            add(&square, a, b);
            if PARTS == 2u {
                let a_next = sh_a[t * PITCH + my_row + APART];
                let b_next = sh_b[t * PITCH + my_column + APART];
                add(&right, a, b_next);
                add(&below, a_next, b);
                add(&beyond, a_next, b_next);
            }
        }
        workgroupBarrier();
    }
    if split > 0u && start >= end {
        return;
    }
    let r = row + 4u * my_row;
    let c = column + 4u * my_column;
    store_square(place, split, r, c, &square);
    if PARTS == 2u {
        store_square(place, split, r, c + 4u * APART, &right);
        store_square(place, split, r + 4u * APART, c, &below);
        store_square(place, split, r + 4u * APART, c + 4u * APART, &beyond);
    }
}

// Adds the products of four rows of a and four columns of b.
fn add(sums: ptr<function, array<V, 4>>, a: V, b: V) {
    (*sums)[0] += a.x * b;
    (*sums)[1] += a.y * b;
    (*sums)[2] += a.z * b;
    (*sums)[3] += a.w * b;
}

fn store_square(place: Place, split: u32, row: u32, column: u32, sums: ptr<function, array<V, 4>>) {
    // Ends: i counts to 4.
    for (var i = 0u; i < 4u; i++) {
        let r = row + i;
        // Ends: j counts to 4.
        for (var j = 0u; j < 4u; j++) {
            let c = column + j;
            if r < uniforms.dims[ROWS].size && c < uniforms.dims[COLUMNS].size {
                store(place, split, r, c, (*sums)[i][j]);
            }
        }
    }
}

// Four rows of a at term k. Beyond the end there is nothing, which adds nothing: the last element there is is fetched in its
// place, for a fetch that a branch leaves out is waited for before the next.
fn a_vector(place: Place, row: u32, rows: u32, k: u32, end: u32) -> V {
    let left = rows - min(row, rows);
    return there(four_a(place, min(row, rows - 1u), left, min(k, end - 1u)), left, k < end);
}

// Four columns of b at term k.
fn b_vector(place: Place, column: u32, columns: u32, k: u32, end: u32) -> V {
    let left = columns - min(column, columns);
    return there(four_b(place, min(column, columns - 1u), left, min(k, end - 1u)), left, k < end);
}

// Those of four that are among what is left, if the term is.
fn there(v: V, left: u32, term: bool) -> V {
    return select(V(), v, vec4u(0u, 1u, 2u, 3u) < vec4u(select(0u, left, term)));
}
