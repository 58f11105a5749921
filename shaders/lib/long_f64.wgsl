// lib/long_f64.wgsl
//
// Between integers of 64 bits, in either form, and f64.
//
// From the prelude: L, D, F, I, U, B. From lib/long.wgsl or lib/long_native.wgsl: l_of, low_l, high_l, neg_l, select_l.
// From lib/double.wgsl: isnan_f64, is_minus_f64.

// To the nearest: both parts are exact, and their sum is rounded once.
fn l_to_f64(x: L) -> D {
    return D(bitcast<I>(high_l(x))) * D(f64(4294967296.0)) + D(low_l(x));
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn f64_to_l(x: D) -> L {
    let nan = isnan_f64(x);
    let size = select(abs(x), D(f64(0.0)), nan);
    let beyond = size >= D(f64(9223372036854775808.0));
    let inside = select(size, D(f64(0.0)), beyond);
    // Not trunc, which lavapipe takes to the nearest of f64s on processors without AVX-512.
    let high = floor(inside / D(f64(4294967296.0)));
    let low = floor(inside - high * D(f64(4294967296.0)));
    let whole = l_of(U(low), U(high));
    let minus = is_minus_f64(x);
    let end = select_l(l_of(U(0xffffffffu), U(0x7fffffffu)), l_of(U(0u), U(0x80000000u)), minus);
    return select_l(select_l(whole, neg_l(whole), minus), end, beyond);
}
