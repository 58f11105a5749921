// lib/log2_f64.wgsl
//
// The base-2 logarithm of f64; see lib/log2.wgsl, of which this is the wider twin.
//
// From the prelude: D, I. From lib/log_f64.wgsl: log_short_f64; from lib/double.wgsl: exponent_f64, scale_f64,
// isnan_f64, rounded_f64; from lib/numeric.wgsl: nan_f, infinity_f.

fn log2_f64(x: D) -> D {
    let infinity = D(infinity_f());
    let floored = exponent_f64(select(x, D(1.0), !(x > D(0.0)) | (x == infinity)));
    let scaled = scale_f64(x, -floored);
    let large = scaled > D(1.4142135623730951);
    let m = select(scaled, D(0.5) * scaled, large);
    let n = D(floored + select(I(0), I(1), large));
    let f = m - D(1.0);
    let short = log_short_f64(f);
    let y = n + rounded_f64(f + (short + (f + short) * D(4.42695040888963407360e-01)));
    let positive = select(y, x, isnan_f64(x) | (x == infinity));
    let signed = select(positive, D(nan_f()), x < D(0.0));
    return select(signed, -infinity, x == D(0.0));
}
