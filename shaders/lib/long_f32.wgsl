// lib/long_f32.wgsl
//
// Between integers of 64 bits, in either form, and f32. The conversions of native ones are not used: out of range they
// are undefined, and nothing says how they round.
//
// From the prelude: L, F, U, B. From lib/long.wgsl or lib/long_native.wgsl: l_of, low_l, high_l, neg_l, select_l,
// shifted_l. From lib/long_numeric.wgsl: abs_l. From lib/numeric.wgsl: isnan_f.

// To the nearest f32, ties to even.
fn l_to_f(x: L) -> F {
    let size = abs_l(x);
    let zeros = select(countLeadingZeros(high_l(size)), U(32u) + countLeadingZeros(low_l(size)), high_l(size) == U(0u));
    let digits = shifted_l(size, zeros & U(63u));
    let high = high_l(digits);
    // The first bit is set. The upper 24 stay.
    let rest = high & U(0xffu);
    let below = low_l(digits) != U(0u);
    let odd = (high & U(0x100u)) != U(0u);
    let up = (rest > U(0x80u)) | ((rest == U(0x80u)) & (below | odd));
    // A carry goes into the exponent.
    let bits = ((U(189u) - zeros) << U(23u)) + (high >> U(8u)) + select(U(0u), U(1u), up);
    let is_zero = (low_l(x) | high_l(x)) == U(0u);
    return bitcast<F>((high_l(x) & U(0x80000000u)) | select(bits, U(0u), is_zero));
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn f_to_l(x: F) -> L {
    let size = select(abs(x), F(0.0), isnan_f(x));
    let inside = select(size, F(0.0), size >= F(9223372036854775808.0));
    // Both steps are exact: no float has digits in more than 24 places.
    let high = floor(inside * F(2.3283064365386962890625e-10));
    let low = floor(inside - high * F(4294967296.0));
    let whole = l_of(U(low), U(high));
    let minus = (bitcast<U>(x) >> U(31u)) == U(1u);
    let ranged = select_l(whole, neg_l(whole), minus);
    let end = select_l(l_of(U(0xffffffffu), U(0x7fffffffu)), l_of(U(0u), U(0x80000000u)), minus);
    return select_l(ranged, end, size >= F(9223372036854775808.0));
}
