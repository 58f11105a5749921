// lib/fmod.wgsl
//
// What is left of a division by a whole number of times, in f32 and i32, exactly: fmod with the sign of what is divided,
// remainder with that of the divisor, and the whole quotient that goes with the latter. Integers divided by 0 give 0.
//
// From the prelude: F, I, U, B. From lib/exp.wgsl: scale_f; from lib/numeric.wgsl: isfinite_f, isnan_f, nan_f; from
// lib/keep.wgsl: keep_f.

// The exponent of a number as bits without sign; subnormals have that of the smallest normal ones.
fn fmod_exponent(bits: U) -> U {
    return max(bits >> U(23u), U(1u));
}

fn fmod_digits(bits: U) -> U {
    return (bits & U(0x007fffffu)) | select(U(0x00800000u), U(0u), bits < U(0x00800000u));
}

// Long division on digits, eight at a time.
fn fmod_f(a: F, b: F) -> F {
    let bits = bitcast<U>(a) & U(0x7fffffffu);
    let divisor = bitcast<U>(b) & U(0x7fffffffu);
    let is_number = (bits < U(0x7f800000u)) & (divisor > U(0u)) & (divisor <= U(0x7f800000u));
    let is_long = is_number & (bits >= divisor) & (divisor < U(0x7f800000u));
    let digits = max(fmod_digits(divisor), U(1u));
    var rest = fmod_digits(bits) % digits;
    var left = select(U(0u), fmod_exponent(bits) - fmod_exponent(divisor), is_long);
    // Ends: what is left of each steps to 0 by at least 1. Of a scalar and of a vector of them, a length is 0 where they are.
    while length(F(left)) > 0.5 {
        let step = min(left, U(8u));
        rest = (rest << step) % digits;
        left = left - step;
    }
    let short = scale_f(F(rest), I(fmod_exponent(divisor)) - I(150));
    let minus = (bitcast<U>(a) & U(0x80000000u)) != U(0u);
    let signed = select(short, -short, minus);
    return select(select(nan_f(), a, is_number), signed, is_long);
}

// Whether what fmod leaves has another sign than the divisor.
fn fmod_is_across(rest: F, b: F) -> B {
    return (rest != F(0.0)) & ((rest < F(0.0)) != (b < F(0.0)));
}

fn remainder_f(a: F, b: F) -> F {
    let rest = keep_f(fmod_f(a, b));
    return select(rest, rest + b, fmod_is_across(rest, b));
}

// Of a quotient without the rest, the nearest whole number: only rounding has moved it.
fn floor_divide_f(a: F, b: F) -> F {
    let rest = keep_f(fmod_f(a, b));
    let whole = round(keep_f(keep_f(a - rest) / b));
    let quotient = select(whole, whole - F(1.0), fmod_is_across(rest, b));
    let minus = ((bitcast<U>(a) ^ bitcast<U>(b)) & U(0x80000000u)) != U(0u);
    let signed = select(quotient, select(F(0.0), F(-0.0), minus), quotient == F(0.0));
    return select(select(signed, nan_f(), isnan_f(rest)), a / b, (b == F(0.0)) & !isnan_f(a));
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
