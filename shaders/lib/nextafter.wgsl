// lib/nextafter.wgsl
//
// The number next to one in f32, towards another, on their bits: as integers that rise as the numbers do.
//
// From the prelude: F, I, U. From lib/numeric.wgsl: isnan_f, nan_f.

// Both zeros are 0.
fn nextafter_order(x: F) -> I {
    let bits = bitcast<I>(x);
    return select(bits, I(-2147483647 - 1) - bits, bits < I(0));
}

fn nextafter_f(a: F, b: F) -> F {
    let from_a = nextafter_order(a);
    let to_b = nextafter_order(b);
    let next = select(from_a - I(1), from_a + I(1), to_b > from_a);
    let minus = (next < I(0)) | ((next == I(0)) & (from_a < I(0)));
    let found = bitcast<F>(select(next, I(-2147483647 - 1) - next, minus));
    return select(select(found, b, from_a == to_b), nan_f(), isnan_f(a) | isnan_f(b));
}
