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

// The integer that x is, from 0 on and below 2^32. A driver may lose what does not fit an i32 on its way to u32, as lavapipe
// does on processors without AVX-512.
fn word_of_f64(x: D) -> U {
    return bitcast<U>(I(x - D(f64(2147483648.0)))) ^ U(0x80000000u);
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn f64_to_l(x: D) -> L {
    let nan = isnan_f64(x);
    let size = select(abs(x), D(f64(0.0)), nan);
    let beyond = size >= D(f64(9223372036854775808.0));
    let inside = select(size, D(f64(0.0)), beyond);
    let high = trunc(inside / D(f64(4294967296.0)));
    let low = trunc(inside - high * D(f64(4294967296.0)));
    let whole = l_of(word_of_f64(low), word_of_f64(high));
    let minus = is_minus_f64(x);
    let end = select_l(l_of(U(0xffffffffu), U(0x7fffffffu)), l_of(U(0u), U(0x80000000u)), minus);
    return select_l(select_l(whole, neg_l(whole), minus), end, beyond);
}
