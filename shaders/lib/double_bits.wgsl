// lib/double_bits.wgsl
//
// f64 for adapters that cannot compute in it: conversions of its bits, which an L holds. Exact, or rounded to nearest,
// ties to even, by integer arithmetic alone. Vectors of any width at once.
//
// The bits of an f64 are a sign, 11 of exponent, biased by 1023, and 52 of significand; those of an f32 are a sign, 8
// biased by 127, and 23.
//
// From the prelude: L, F, I, U, B. From lib/long.wgsl: abs_l, neg_l, select_l, shifted_l, i_to_l.

fn is_minus_f64_bits(x: L) -> B {
    return (x.high >> U(31u)) == U(1u);
}

fn is_nan_f64_bits(x: L) -> B {
    let magnitude = x.high & U(0x7fffffffu);
    return (magnitude > U(0x7ff00000u)) | ((magnitude == U(0x7ff00000u)) & (x.low != U(0u)));
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
    let exponent = bitcast<I>((x.high >> U(20u)) & U(0x7ffu)) - I(896);
    // 24 digits and 8 more. Of a subnormal f64 the first is wrong, but all of them are cut off.
    let digits = U(0x80000000u) | ((x.high & U(0xfffffu)) << U(11u)) | (x.low >> U(21u));
    // A subnormal f32 has the fewer digits the smaller it is. From a shift by 25 on less than half of the last place is
    // left, so it may stop at 31.
    let shift = U(clamp(I(1) - exponent, I(0), I(31)));
    let kept = digits >> shift;
    let lost = ((kept << shift) != digits) | ((x.low & U(0x1fffffu)) != U(0u));
    // The first digit of a normal number is added to the exponent.
    let biased = U(max(exponent, I(1)) - I(1)) << U(23u);
    let zero = ((x.high & U(0x7fffffffu)) | x.low) == U(0u);
    let rest = ((kept & U(0xffu)) << U(1u)) | select(U(0u), U(1u), lost);
    return CutF64(select(biased + (kept >> U(8u)), U(0u), zero), select(rest, U(0u), zero), exponent > I(254));
}

// The f32 of a number from 2^128 on, of an infinity or of a NaN, without the sign. A NaN keeps its first digits.
fn beyond_f64_bits(x: L, finite: U) -> U {
    let nan = U(0x7fc00000u) | ((x.high & U(0xfffffu)) << U(3u)) | (x.low >> U(29u));
    let special = select(U(0x7f800000u), nan, is_nan_f64_bits(x));
    return select(finite, special, (x.high & U(0x7ff00000u)) == U(0x7ff00000u));
}

fn f64_bits_to_f(x: L) -> F {
    let cut = cut_f64_bits(x);
    let odd = (cut.bits & U(1u)) == U(1u);
    let up = (cut.rest > U(0x100u)) | ((cut.rest == U(0x100u)) & odd);
    // A carry goes into the exponent, past the largest to infinity.
    let finite = cut.bits + select(U(0u), U(1u), up);
    return bitcast<F>((x.high & U(0x80000000u)) | select(finite, beyond_f64_bits(x, U(0x7f800000u)), cut.beyond));
}

// The f32 towards zero, its last bit set where that is not x: see f64_to_odd_f32 of lib/double.wgsl.
fn f64_bits_to_odd_f(x: L) -> F {
    let cut = cut_f64_bits(x);
    let finite = cut.bits | select(U(0u), U(1u), cut.rest != U(0u));
    return bitcast<F>((x.high & U(0x80000000u)) | select(finite, beyond_f64_bits(x, U(0x7f7fffffu)), cut.beyond));
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn f64_bits_to_l(x: L) -> L {
    let exponent = bitcast<I>((x.high >> U(20u)) & U(0x7ffu)) - I(1023);
    // The first digit at bit 63, the others after it, with what follows the point shifted out.
    let digits = L(x.low << U(11u), U(0x80000000u) | ((x.high & U(0xfffffu)) << U(11u)) | (x.low >> U(21u)));
    let by = U(clamp(I(63) - exponent, I(0), I(63)));
    let part = by & U(31u);
    // A shift by 32 is none in WGSL.
    let over = select(digits.high << ((U(32u) - part) & U(31u)), U(0u), part == U(0u));
    let near = L((digits.low >> part) | over, digits.high >> part);
    let whole = select_l(near, L(near.high, U(0u)), by >= U(32u));
    let minus = is_minus_f64_bits(x);
    let zero = L(U(0u), U(0u));
    let inside = select_l(select_l(whole, neg_l(whole), minus), zero, exponent < I(0));
    let end = select_l(L(U(0xffffffffu), U(0x7fffffffu)), L(U(0u), U(0x80000000u)), minus);
    return select_l(select_l(inside, end, exponent > I(62)), zero, is_nan_f64_bits(x));
}

fn f64_bits_to_i(x: L) -> I {
    let whole = f64_bits_to_l(x);
    // All of the upper word is the sign where the lower one is the number.
    let inside = bitcast<I>(whole.high) == (bitcast<I>(whole.low) >> U(31u));
    let end = select(I(2147483647), bitcast<I>(U(0x80000000u)), is_minus_f64_bits(x));
    return select(end, bitcast<I>(whole.low), inside);
}

// Whether it is not 0, of either sign.
fn f64_bits_to_b(x: L) -> B {
    return ((x.high & U(0x7fffffffu)) | x.low) != U(0u);
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
    return L(digits << U(29u), (bits & U(0x80000000u)) | select(high, U(0u), magnitude == U(0u)));
}

fn l_to_f64_bits(x: L) -> L {
    let size = abs_l(x);
    let zeros = select(countLeadingZeros(size.high), U(32u) + countLeadingZeros(size.low), size.high == U(0u));
    let digits = shifted_l(size, zeros & U(63u));
    // The first bit is set. The upper 53 stay.
    let rest = digits.low & U(0x7ffu);
    let odd = (digits.low & U(0x800u)) != U(0u);
    let up = (rest > U(0x400u)) | ((rest == U(0x400u)) & odd);
    let kept = (digits.low >> U(11u)) | (digits.high << U(21u));
    let low = kept + select(U(0u), U(1u), up);
    // The first digit and a carry go into the exponent.
    let carry = select(U(0u), U(1u), up & (low == U(0u)));
    let high = ((U(1085u) - zeros) << U(20u)) + (digits.high >> U(11u)) + carry;
    let is_zero = (x.low | x.high) == U(0u);
    return L(select(low, U(0u), is_zero), select((x.high & U(0x80000000u)) | high, U(0u), is_zero));
}

fn i_to_f64_bits(x: I) -> L {
    return l_to_f64_bits(i_to_l(x));
}

fn b_to_f64_bits(x: B) -> L {
    return L(U(0u), select(U(0u), U(0x3ff00000u), x));
}
