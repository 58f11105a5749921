// lib/log10_f64.wgsl
//
// The base-10 logarithm of f64; see lib/log10.wgsl, of which this is the wider twin. High parts are cut off by way of f32.
//
// From the prelude: D, F, I, U. From lib/log_f64.wgsl: log_short_f64; from lib/double.wgsl: exponent_f64, scale_f64,
// isnan_f64, rounded_f64; from lib/numeric.wgsl: nan_f, infinity_f.

fn log10_f64(x: D) -> D {
    let infinity = D(infinity_f());
    let floored = exponent_f64(select(x, D(1.0), !(x > D(0.0)) | (x == infinity)));
    let scaled = scale_f64(x, -floored);
    let large = scaled > D(1.4142135623730951);
    let m = select(scaled, D(0.5) * scaled, large);
    let n = D(floored + select(I(0), I(1), large));
    let f = m - D(1.0);
    let short = log_short_f64(f);
    let high = D(bitcast<F>(bitcast<U>(F(f + short)) & U(0xfffffff8u)));
    let low = rounded_f64(f - high) + short;
    // 1 / ln 10 and log10(2), each in two parts, the first of 32 and of 40 digits.
    let rest = low * D(4.34294481903251816668e-01) + high * D(2.50829467116452752298e-11) + n * D(3.69423907715893078616e-13);
    let y = rounded_f64(rest + high * D(4.34294481878168880939e-01)) + n * D(3.01029995663611771306e-01);
    let positive = select(y, x, isnan_f64(x) | (x == infinity));
    let signed = select(positive, D(nan_f()), x < D(0.0));
    return select(signed, -infinity, x == D(0.0));
}
