// lib/half.wgsl
//
// f16 and bf16 by bit arithmetic: storage packs two in a word, and adapters without shader-f16 have neither the type
// nor, some of them, unpack2x16float. Rounding is to nearest, ties to even. Vectors of any width at once.
//
// From the prelude: F, U.

// The four halves of two words, lowest first.
fn unpack_f16(words: vec2u) -> vec4u {
    return vec4u(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
}

fn from_f16(half: U) -> F {
    let sign = (half & U(0x8000u)) << U(16u);
    let magnitude = half & U(0x7fffu);
    // Rebias the exponent from 15 to 127; all ones means infinity or NaN.
    let normal = (magnitude << U(13u)) + U(112u << 23u);
    let special = (magnitude << U(13u)) | U(0x7f800000u);
    // A subnormal is a whole number of 2^-24. As bits it would be a subnormal f32, which hardware may flush.
    let subnormal = bitcast<U>(F(magnitude) * F(5.9604644775390625e-8));
    let finite = select(normal, subnormal, magnitude < U(0x400u));
    return bitcast<F>(sign | select(finite, special, magnitude >= U(0x7c00u)));
}

fn to_f16(x: F) -> U {
    let bits = bitcast<U>(x);
    let sign = (bits >> U(16u)) & U(0x8000u);
    let magnitude = bits & U(0x7fffffffu);
    // Adding just under half of the last place kept, plus its own bit, rounds to even; a carry goes into the exponent.
    let rounded = magnitude + U(0xfffu) + ((magnitude >> U(13u)) & U(1u));
    let normal = (rounded - U(112u << 23u)) >> U(13u);
    // Below 2^-14 the result is a whole number of 2^-24: shift the significand there and round what falls off.
    let shift = min(U(126u) - min(magnitude >> U(23u), U(126u)), U(25u));
    let significand = (magnitude & U(0x7fffffu)) | U(0x800000u);
    let whole = significand >> shift;
    let dropped = significand - (whole << shift);
    let half = U(1u) << (max(shift, U(1u)) - U(1u));
    let up = (dropped > half) | ((dropped == half) & ((whole & U(1u)) == U(1u)));
    let subnormal = whole + select(U(0u), U(1u), up);
    let finite = select(normal, subnormal, magnitude < U(0x38800000u));
    // From 65520 on, halfway past the largest, the nearest is infinity.
    let ranged = select(finite, U(0x7c00u), magnitude >= U(0x477ff000u));
    return sign | select(ranged, U(0x7e00u), magnitude > U(0x7f800000u));
}

fn to_bf16(x: F) -> U {
    let bits = bitcast<U>(x);
    let rounded = (bits + U(0x7fffu) + ((bits >> U(16u)) & U(1u))) >> U(16u);
    let nan = ((bits >> U(16u)) & U(0x8000u)) | U(0x7fc0u);
    return select(rounded, nan, (bits & U(0x7fffffffu)) > U(0x7f800000u));
}
