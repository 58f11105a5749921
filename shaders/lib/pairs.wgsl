// lib/pairs.wgsl
//
// Words of 32 bits that are fetched two at a time, as one of 64. llvmpipe fetches an invocation's elements one by one,
// and a large one costs it little more than a small one.

fn words_of(pairs: vec2<u64>) -> vec4u {
    return vec4u(words_of_one(pairs.x), words_of_one(pairs.y));
}

fn words_of_one(pair: u64) -> vec2u {
    return vec2u(u32(pair), u32(pair >> 32u));
}

fn pairs_of(words: vec4u) -> vec2<u64> {
    return vec2<u64>(u64(words.x) | (u64(words.y) << 32u), u64(words.z) | (u64(words.w) << 32u));
}
