// lib/log2.wgsl
//
// The base-2 logarithm of f32: n + log(1 + f) / ln 2, where x = 2^n (1 + f) with 1 + f between √½ and √2. Powers of two
// are exact. 1 / ln 2 is 1 + 0.4427: the 1 costs no rounding, so the result is accurate near x = 1, too.
//
// From the prelude: F, I, U. From lib/log.wgsl: log_short; from lib/numeric.wgsl: nan_f, infinity_f; from
// lib/keep.wgsl: keep_f.

fn log2_f(x: F) -> F {
    // Subnormals are made normal first.
    let tiny = bitcast<U>(x) < U(0x00800000u);
    let normal = bitcast<U>(select(x, x * F(8388608.0), tiny)) - U(0x3f3504f3u);
    let n = F(bitcast<I>(normal) >> U(23u)) - select(F(0.0), F(23.0), tiny);
    let f = bitcast<F>((normal & U(0x007fffffu)) + U(0x3f3504f3u)) - F(1.0);
    let short = log_short(f);
    let y = n + keep_f(f + (short + (f + short) * F(0.44269504)));
    let bits = bitcast<U>(x);
    // Infinity and NaN are their own logarithms, and nothing below zero has one.
    let positive = select(y, x, bits >= U(0x7f800000u));
    let signed = select(positive, nan_f(), bits > U(0x80000000u));
    return select(signed, -infinity_f(), x == F(0.0));
}
