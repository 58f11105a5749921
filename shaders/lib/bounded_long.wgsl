// lib/bounded_long.wgsl
//
// Indices of 64 bits, for lib/bounded.wgsl.

// The nearest numbers of 32 bits: an index beyond them is beyond every dim.
fn nearest_i(x: L) -> I {
    let low = bitcast<I>(x.low);
    let high = bitcast<I>(x.high);
    let far = select(I(2147483647), I(bitcast<i32>(0x80000000u)), high < I(0));
    return select(far, low, high == (low >> U(31u)));
}
