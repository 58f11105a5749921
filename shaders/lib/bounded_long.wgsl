// lib/bounded_long.wgsl
//
// Indices of 64 bits, in either form, for lib/bounded.wgsl.
//
// From the prelude: L, I, U. From lib/long.wgsl or lib/long_native.wgsl: low_l, high_l.

// The nearest numbers of 32 bits: an index beyond them is beyond every dim.
fn nearest_i(x: L) -> I {
    let low = bitcast<I>(low_l(x));
    let high = bitcast<I>(high_l(x));
    let far = select(I(2147483647), I(bitcast<i32>(0x80000000u)), high < I(0));
    return select(far, low, high == (low >> U(31u)));
}
