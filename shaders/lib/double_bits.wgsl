// lib/double_bits.wgsl
//
// f64 for adapters that cannot compute in it: conversions of its bits, which an L holds. Exact, or rounded to nearest,
// ties to even, by integer arithmetic alone. Vectors of any width at once.
//
// The bits of an f64 are a sign, 11 of exponent, biased by 1023, and 52 of significand; those of an f32 are a sign, 8
// biased by 127, and 23.
//
// From the prelude: L, F, I, U, B. From lib/long.wgsl or lib/long_native.wgsl: l_of, low_l, high_l, neg_l, select_l,
// shifted_l, i_to_l. From lib/long_numeric.wgsl: abs_l.

fn is_minus_f64_bits(x: L) -> B {
    return (high_l(x) >> U(31u)) == U(1u);
}

fn is_nan_f64_bits(x: L) -> B {
    let magnitude = high_l(x) & U(0x7fffffffu);
    return (magnitude > U(0x7ff00000u)) | ((magnitude == U(0x7ff00000u)) & (low_l(x) != U(0u)));
}

// A number cut off where an f32 ends, without its sign.
struct CutF64 {
    // The bits of the f32 towards zero.
    bits: U,
    // What was cut off: 0x100 is half of the last place. The last bit says whether there is anything below the others.
    rest: U,
    // Whether it is 2^128 or more, or a NaN, for which the others mean nothing.
    beyond: B,
}

fn cut_f64_bits(x: L) -> CutF64 {
    let exponent = bitcast<I>((high_l(x) >> U(20u)) & U(0x7ffu)) - I(896);
    // 24 digits and 8 more. Of a subnormal f64 the first is wrong, but all of them are cut off.
    let digits = U(0x80000000u) | ((high_l(x) & U(0xfffffu)) << U(11u)) | (low_l(x) >> U(21u));
    // A subnormal f32 has the fewer digits the smaller it is. From a shift by 25 on less than half of the last place is
    // left, so it may stop at 31.
    let shift = U(clamp(I(1) - exponent, I(0), I(31)));
    let kept = digits >> shift;
    let lost = ((kept << shift) != digits) | ((low_l(x) & U(0x1fffffu)) != U(0u));
    // The first digit of a normal number is added to the exponent.
    let biased = U(max(exponent, I(1)) - I(1)) << U(23u);
    let zero = ((high_l(x) & U(0x7fffffffu)) | low_l(x)) == U(0u);
    let rest = ((kept & U(0xffu)) << U(1u)) | select(U(0u), U(1u), lost);
    return CutF64(select(biased + (kept >> U(8u)), U(0u), zero), select(rest, U(0u), zero), exponent > I(254));
}

// The f32 of a number from 2^128 on, of an infinity or of a NaN, without the sign. A NaN keeps its first digits.
fn beyond_f64_bits(x: L, finite: U) -> U {
    let nan = U(0x7fc00000u) | ((high_l(x) & U(0xfffffu)) << U(3u)) | (low_l(x) >> U(29u));
    let special = select(U(0x7f800000u), nan, is_nan_f64_bits(x));
    return select(finite, special, (high_l(x) & U(0x7ff00000u)) == U(0x7ff00000u));
}

fn f64_bits_to_f(x: L) -> F {
    let cut = cut_f64_bits(x);
    let odd = (cut.bits & U(1u)) == U(1u);
    let up = (cut.rest > U(0x100u)) | ((cut.rest == U(0x100u)) & odd);
    // A carry goes into the exponent, past the largest to infinity.
    let finite = cut.bits + select(U(0u), U(1u), up);
    return bitcast<F>((high_l(x) & U(0x80000000u)) | select(finite, beyond_f64_bits(x, U(0x7f800000u)), cut.beyond));
}

// The f32 towards zero, its last bit set where that is not x: see f64_to_odd_f32 of lib/double.wgsl.
fn f64_bits_to_odd_f(x: L) -> F {
    let cut = cut_f64_bits(x);
    let finite = cut.bits | select(U(0u), U(1u), cut.rest != U(0u));
    return bitcast<F>((high_l(x) & U(0x80000000u)) | select(finite, beyond_f64_bits(x, U(0x7f7fffffu)), cut.beyond));
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn f64_bits_to_l(x: L) -> L {
    let exponent = bitcast<I>((high_l(x) >> U(20u)) & U(0x7ffu)) - I(1023);
    // The first digit at bit 63, the others after it, with what follows the point shifted out.
    let upper = U(0x80000000u) | ((high_l(x) & U(0xfffffu)) << U(11u)) | (low_l(x) >> U(21u));
    let digits = l_of(low_l(x) << U(11u), upper);
    let by = U(clamp(I(63) - exponent, I(0), I(63)));
    let part = by & U(31u);
    // A shift by 32 is none in WGSL.
    let over = select(high_l(digits) << ((U(32u) - part) & U(31u)), U(0u), part == U(0u));
    let near = l_of((low_l(digits) >> part) | over, high_l(digits) >> part);
    let whole = select_l(near, l_of(high_l(near), U(0u)), by >= U(32u));
    let minus = is_minus_f64_bits(x);
    let zero = l_of(U(0u), U(0u));
    let inside = select_l(select_l(whole, neg_l(whole), minus), zero, exponent < I(0));
    let end = select_l(l_of(U(0xffffffffu), U(0x7fffffffu)), l_of(U(0u), U(0x80000000u)), minus);
    return select_l(select_l(inside, end, exponent > I(62)), zero, is_nan_f64_bits(x));
}

fn f64_bits_to_i(x: L) -> I {
    let whole = f64_bits_to_l(x);
    // All of the upper word is the sign where the lower one is the number.
    let inside = bitcast<I>(high_l(whole)) == (bitcast<I>(low_l(whole)) >> U(31u));
    let end = select(I(2147483647), bitcast<I>(U(0x80000000u)), is_minus_f64_bits(x));
    return select(end, bitcast<I>(low_l(whole)), inside);
}

// Whether it is not 0, of either sign.
fn f64_bits_to_b(x: L) -> B {
    return ((high_l(x) & U(0x7fffffffu)) | low_l(x)) != U(0u);
}

// Exact: f64 holds every f32.
fn f_to_f64_bits(x: F) -> L {
    let bits = bitcast<U>(x);
    let magnitude = bits & U(0x7fffffffu);
    // A subnormal f32 is normal as an f64: its first digit is moved to where the exponent is added to it.
    let subnormal = magnitude < U(0x800000u);
    let zeros = select(U(0u), countLeadingZeros(magnitude | U(1u)) - U(8u), subnormal);
    let digits = magnitude << zeros;
    let finite = (digits >> U(3u)) + ((U(896u) - zeros) << U(20u));
    // All ones in the exponent; a NaN is quiet.
    let special = (magnitude >> U(3u)) | U(0x7ff00000u) | select(U(0u), U(0x80000u), magnitude > U(0x7f800000u));
    let high = select(finite, special, magnitude >= U(0x7f800000u));
    return l_of(digits << U(29u), (bits & U(0x80000000u)) | select(high, U(0u), magnitude == U(0u)));
}

fn l_to_f64_bits(x: L) -> L {
    let size = abs_l(x);
    let zeros = select(countLeadingZeros(high_l(size)), U(32u) + countLeadingZeros(low_l(size)), high_l(size) == U(0u));
    let digits = shifted_l(size, zeros & U(63u));
    // The first bit is set. The upper 53 stay.
    let rest = low_l(digits) & U(0x7ffu);
    let odd = (low_l(digits) & U(0x800u)) != U(0u);
    let up = (rest > U(0x400u)) | ((rest == U(0x400u)) & odd);
    let kept = (low_l(digits) >> U(11u)) | (high_l(digits) << U(21u));
    let low = kept + select(U(0u), U(1u), up);
    // The first digit and a carry go into the exponent.
    let carry = select(U(0u), U(1u), up & (low == U(0u)));
    let high = ((U(1085u) - zeros) << U(20u)) + (high_l(digits) >> U(11u)) + carry;
    let is_zero = (low_l(x) | high_l(x)) == U(0u);
    return l_of(select(low, U(0u), is_zero), select((high_l(x) & U(0x80000000u)) | high, U(0u), is_zero));
}

fn i_to_f64_bits(x: I) -> L {
    return l_to_f64_bits(i_to_l(x));
}

fn b_to_f64_bits(x: B) -> L {
    return l_of(U(0u), select(U(0u), U(0x3ff00000u), x));
}
