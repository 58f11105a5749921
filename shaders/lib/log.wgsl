// lib/log.wgsl
//
// Logarithms of f32: log(2^n (1 + f)) with 1 + f between √½ and √2. The polynomial is that of Cephes (Stephen
// Moshier).
//
// From the prelude: F, I, U, B. From lib/numeric.wgsl: nan_f, infinity_f; from lib/keep.wgsl: keep_f.

// log(1 + f) - f.
fn log_short(f: F) -> F {
    let z = f * f;
    var p = F(7.0376836292e-2);
    p = p * f + F(-1.1514610310e-1);
    p = p * f + F(1.1676998740e-1);
    p = p * f + F(-1.2420140846e-1);
    p = p * f + F(1.4249322787e-1);
    p = p * f + F(-1.6668057665e-1);
    p = p * f + F(2.0000714765e-1);
    p = p * f + F(-2.4999993993e-1);
    p = p * f + F(3.3333331174e-1);
    return p * f * z - F(0.5) * z;
}

fn log_f(x: F) -> F {
    // Subnormals are made normal first.
    let tiny = bitcast<U>(x) < U(0x00800000u);
    let normal = bitcast<U>(select(x, x * F(8388608.0), tiny)) - U(0x3f3504f3u);
    let n = F(bitcast<I>(normal) >> U(23u)) - select(F(0.0), F(23.0), tiny);
    let f = bitcast<F>((normal & U(0x007fffffu)) + U(0x3f3504f3u)) - F(1.0);
    // ln 2 in two parts; the product of n with the larger is exact.
    let y = keep_f(f + (log_short(f) - n * F(2.12194440e-4))) + n * F(0.693359375);
    let bits = bitcast<U>(x);
    // Infinity and NaN are their own logarithms, and nothing below zero has one.
    let positive = select(y, x, bits >= U(0x7f800000u));
    let signed = select(positive, nan_f(), bits > U(0x80000000u));
    return select(signed, -infinity_f(), x == F(0.0));
}

fn log1p_f(x: F) -> F {
    let near = (x > F(-0.29)) & (x < F(0.41));
    return select(log_f(F(1.0) + x), x + log_short(x), near);
}
