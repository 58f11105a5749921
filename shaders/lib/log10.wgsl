// lib/log10.wgsl
//
// The base-10 logarithm of f32: n log10(2) + log(1 + f) / ln 10, where x = 2^n (1 + f) with 1 + f between √½ and √2. Powers
// of ten are exact. 1 + f is given as f and a part of its logarithm, both as a number of twelve digits and a rest, so that
// what the larger is multiplied with is exact.
//
// From the prelude: F, I, U. From lib/log.wgsl: log_short; from lib/numeric.wgsl: high_f, nan_f, infinity_f; from
// lib/keep.wgsl: keep_f.

fn log10_f(x: F) -> F {
    // Subnormals are made normal first.
    let tiny = bitcast<U>(x) < U(0x00800000u);
    let normal = bitcast<U>(select(x, x * F(8388608.0), tiny)) - U(0x3f3504f3u);
    let n = F(bitcast<I>(normal) >> U(23u)) - select(F(0.0), F(23.0), tiny);
    let f = bitcast<F>((normal & U(0x007fffffu)) + U(0x3f3504f3u)) - F(1.0);
    let short = log_short(f);
    let high = high_f(f + short);
    let low = keep_f(f - high) + short;
    // 1 / ln 10 and log10(2), each in two parts, the first of twelve and of seventeen digits.
    let rest = low * F(0.43429448) + high * F(-3.1689971e-5) + n * F(7.9034151e-7);
    let y = keep_f(rest + high * F(0.43432617)) + n * F(0.30102921);
    let bits = bitcast<U>(x);
    // Infinity and NaN are their own logarithms, and nothing below zero has one.
    let positive = select(y, x, bits >= U(0x7f800000u));
    let signed = select(positive, nan_f(), bits > U(0x80000000u));
    return select(signed, -infinity_f(), x == F(0.0));
}
