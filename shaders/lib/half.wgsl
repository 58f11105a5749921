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
    // Moved to the upper bits, where the sign stays: the shift joins the one that unpacked it.
    let bits = half << U(16u);
    let magnitude = (bits >> U(3u)) & U(0x0fffe000u);
    // Rebias the exponent from 15 to 127; all ones, which is infinity or NaN, to all ones.
    let bias = select(U(112u << 23u), U(224u << 23u), magnitude >= U(0x0f800000u));
    let rebiased = magnitude + bias;
    // A subnormal is m * 2^-24, where that has become 2^-15 + m * 2^-25. Its own bits would be a subnormal f32, which hardware
    // may flush.
    let value = bitcast<F>(rebiased);
    let subnormal = bitcast<U>(value + value - F(6.103515625e-5));
    return bitcast<F>((bits & U(0x80000000u)) | select(rebiased, subnormal, magnitude < U(0x00800000u)));
}

fn to_f16(x: F) -> U {
    let bits = bitcast<U>(x);
    let magnitude = bits & U(0x7fffffffu);
    // All from 2^16 on are the same infinity.
    let bounded = min(magnitude, U(0x47800000u));
    // Adding just under half of the last place kept, plus its own bit, rounds to even; a carry goes into the exponent, up to
    // infinity. The exponent is rebiased in the same sum: 0xfff - (112 << 23).
    let normal = (bounded + ((bounded >> U(13u)) & U(1u)) + U(0xc8000fffu)) >> U(13u);
    // Below 2^-14 the result is a whole number of 2^-24, which is the last place of floats between 1/2 and 1: the addition
    // rounds there.
    let subnormal = bitcast<U>(bitcast<F>(magnitude) + F(0.5)) - U(0x3f000000u);
    let finite = select(normal, subnormal, magnitude < U(0x38800000u));
    return ((bits >> U(16u)) & U(0x8000u)) | select(finite, U(0x7e00u), magnitude > U(0x7f800000u));
}

fn to_bf16(x: F) -> U {
    let bits = bitcast<U>(x);
    let rounded = (bits + U(0x7fffu) + ((bits >> U(16u)) & U(1u))) >> U(16u);
    let nan = ((bits >> U(16u)) & U(0x8000u)) | U(0x7fc0u);
    return select(rounded, nan, (bits & U(0x7fffffffu)) > U(0x7f800000u));
}
