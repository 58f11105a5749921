// lib/fmod.wgsl
//
// What is left of a division by a whole number of times, in f32 and i32, exactly: fmod with the sign of what is divided,
// remainder with that of the divisor, and the whole quotient that goes with the latter. Integers divided by 0 give 0.
//
// From the prelude: F, I, U, B. From lib/exp.wgsl: scale_f; from lib/numeric.wgsl: isfinite_f, isnan_f, nan_f,
// infinity_f; from lib/keep.wgsl: keep_f.

// The exponent of a number as bits without sign; subnormals have that of the smallest normal ones.
fn fmod_exponent(bits: U) -> U {
    return max(bits >> U(23u), U(1u));
}

fn fmod_digits(bits: U) -> U {
    return (bits & U(0x007fffffu)) | select(U(0x00800000u), U(0u), bits < U(0x00800000u));
}

fn fmod_is_number(a: F, b: F) -> B {
    let divisor = bitcast<U>(b) & U(0x7fffffffu);
    return isfinite_f(a) & (divisor > U(0u)) & (divisor <= U(0x7f800000u));
}

// Whether there is something to divide: else a number is what is left of itself.
fn fmod_is_long(a: F, b: F) -> B {
    let divisor = bitcast<U>(b) & U(0x7fffffffu);
    let is_large = (bitcast<U>(a) & U(0x7fffffffu)) >= divisor;
    return fmod_is_number(a, b) & is_large & (divisor < U(0x7f800000u));
}

// Long division on digits, eight at a time: what is left, in last places of the divisor. That is no float, as it may be
// subnormal, and vanish.
fn fmod_rest(a: F, b: F) -> U {
    let bits = bitcast<U>(a) & U(0x7fffffffu);
    let divisor = bitcast<U>(b) & U(0x7fffffffu);
    let digits = max(fmod_digits(divisor), U(1u));
    var rest = fmod_digits(bits) % digits;
    var left = select(U(0u), fmod_exponent(bits) - fmod_exponent(divisor), fmod_is_long(a, b));
    // Ends: what is left of each steps to 0 by at least 1. Of a scalar and of a vector of them, a length is 0 where they are.
    while length(F(left)) > 0.5 {
        let step = min(left, U(8u));
        rest = (rest << step) % digits;
        left = left - step;
    }
    return rest;
}

// Last places of b as a float with the sign of another, times 2^up.
fn fmod_float(places: U, b: F, sign: F, up: I) -> F {
    let size = scale_f(F(places), I(fmod_exponent(bitcast<U>(b) & U(0x7fffffffu))) - I(150) + up);
    return bitcast<F>(bitcast<U>(size) | (bitcast<U>(sign) & U(0x80000000u)));
}

fn fmod_f(a: F, b: F) -> F {
    let rest = fmod_float(fmod_rest(a, b), b, a, I(0));
    return select(select(nan_f(), a, fmod_is_number(a, b)), rest, fmod_is_long(a, b));
}

fn fmod_signs_differ(a: F, b: F) -> B {
    return ((bitcast<U>(a) ^ bitcast<U>(b)) & U(0x80000000u)) != U(0u);
}

// Of a longer number, what is missing to the divisor is as exact as what is left.
fn remainder_f(a: F, b: F) -> F {
    let rest = fmod_rest(a, b);
    let differ = fmod_signs_differ(a, b);
    let digits = fmod_digits(bitcast<U>(b) & U(0x7fffffffu));
    let missing = fmod_float(digits - rest, b, b, I(0));
    let long = select(fmod_float(rest, b, a, I(0)), missing, differ & (rest != U(0u)));
    let is_zero = (bitcast<U>(a) & U(0x7fffffffu)) == U(0u);
    let short = select(a, a + b, differ & !is_zero);
    return select(select(nan_f(), short, fmod_is_number(a, b)), long, fmod_is_long(a, b));
}

// Of a quotient without the rest, the nearest whole number: only rounding has moved it. Tiny numbers are made larger first.
fn floor_divide_f(a: F, b: F) -> F {
    let rest = fmod_rest(a, b);
    let differ = fmod_signs_differ(a, b);
    let tiny = abs(b) < F(1e-30);
    let up = select(F(1.0), F(18446744073709551616.0), tiny);
    let without = keep_f(keep_f(a * up) - fmod_float(rest, b, a, select(I(0), I(64), tiny)));
    let whole = round(keep_f(without / keep_f(b * up)));
    let long = select(whole, whole - F(1.0), differ & (rest != U(0u)));
    let is_zero = (bitcast<U>(a) & U(0x7fffffffu)) == U(0u);
    let short = select(F(0.0), F(-1.0), differ & !is_zero);
    let quotient = select(short, long, fmod_is_long(a, b));
    let minus = select(U(0u), U(0x80000000u), differ);
    let signed = select(quotient, bitcast<F>(minus), quotient == F(0.0));
    // By 0 it is infinity, but of 0.
    let infinite = bitcast<F>(bitcast<U>(infinity_f()) | minus);
    let by_zero = select(infinite, nan_f(), is_zero | isnan_f(a));
    return select(select(nan_f(), signed, fmod_is_number(a, b)), by_zero, (b == F(0.0)) & !isnan_f(b));
}

// The quotient, rounded towards 0. By -1 it is the negation, which wraps; by 0 that by 1. GLSL has no remainder of what is
// below 0, so that is what a product leaves.
fn fmod_quotient_i(a: I, b: I) -> I {
    let special = (b == I(0)) | (b == I(-1));
    return select(a / select(b, I(1), special), I(0) - a, b == I(-1));
}

fn fmod_i(a: I, b: I) -> I {
    return select(a - fmod_quotient_i(a, b) * b, I(0), b == I(0));
}

fn fmod_is_across_i(rest: I, b: I) -> B {
    return (rest != I(0)) & ((rest < I(0)) != (b < I(0)));
}

fn remainder_i(a: I, b: I) -> I {
    let rest = fmod_i(a, b);
    return select(rest, rest + b, fmod_is_across_i(rest, b));
}

fn floor_divide_i(a: I, b: I) -> I {
    let below = select(I(0), I(1), fmod_is_across_i(fmod_i(a, b), b));
    return select(fmod_quotient_i(a, b) - below, I(0), b == I(0));
}
