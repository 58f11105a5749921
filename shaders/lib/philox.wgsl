// lib/philox.wgsl
//
// Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random
// words of a counter and a key, by ten rounds of multiplying and mixing. The counter's upper three words are 0.
//
// From the prelude: U.

struct Philox {
    x0: U,
    x1: U,
    x2: U,
    x3: U,
}

// The upper word of a product. WGSL has no such function, so it is put together from 16-bit halves.
fn philox_high(a: u32, b: U) -> U {
    let a_low = U(a & 0xffffu);
    let a_high = U(a >> 16u);
    let b_low = b & U(0xffffu);
    let b_high = b >> U(16u);
    let middle = b_high * a_low + ((b_low * a_low) >> U(16u));
    let other = b_low * a_high + (middle & U(0xffffu));
    return b_high * a_high + (middle >> U(16u)) + (other >> U(16u));
}

fn philox(counter: U, key0: U, key1: U) -> Philox {
    var x = Philox(counter, U(0u), U(0u), U(0u));
    var k0 = key0;
    var k1 = key1;
    // Ends: round counts to 10.
    for (var round = 0u; round < 10u; round++) {
        let low0 = x.x0 * U(0xd2511f53u);
        let low1 = x.x2 * U(0xcd9e8d57u);
        let high0 = philox_high(0xd2511f53u, x.x0);
        let high1 = philox_high(0xcd9e8d57u, x.x2);
        x = Philox(high1 ^ x.x1 ^ k0, low1, high0 ^ x.x3 ^ k1, low0);
        k0 += U(0x9e3779b9u);
        k1 += U(0xbb67ae85u);
    }
    return x;
}
