// lib/log_f64.wgsl
//
// Logarithms of f64: log(2^n (1 + f)) with 1 + f between √½ and √2. The formulas are those of fdlibm (Sun Microsystems).
//
// From the prelude: D, I. From lib/double.wgsl: exponent_f64, scale_f64, isnan_f64, rounded_f64; from lib/numeric.wgsl: nan_f,
// infinity_f.

// log(1 + f) - f.
fn log_short_f64(f: D) -> D {
    let s = f / (D(2.0) + f);
    let z = s * s;
    var p = D(1.479819860511658591e-01);
    p = p * z + D(1.531383769920937332e-01);
    p = p * z + D(1.818357216161805012e-01);
    p = p * z + D(2.222219843214978396e-01);
    p = p * z + D(2.857142874366239149e-01);
    p = p * z + D(3.999999999940941908e-01);
    p = p * z + D(6.666666666666735130e-01);
    let square = D(0.5) * f * f;
    return s * (square + z * p) - square;
}

fn log_f64(x: D) -> D {
    let infinity = D(infinity_f());
    let floored = exponent_f64(select(x, D(1.0), !(x > D(0.0)) | (x == infinity)));
    let scaled = scale_f64(x, -floored);
    let large = scaled > D(1.4142135623730951);
    let m = select(scaled, D(0.5) * scaled, large);
    let n = D(floored + select(I(0), I(1), large));
    let f = m - D(1.0);
    // ln 2 in two parts; the product of n with the larger is exact.
    let y = rounded_f64(f + (log_short_f64(f) + n * D(1.90821492927058770002e-10))) + n * D(6.93147180369123816490e-01);
    let positive = select(y, x, isnan_f64(x) | (x == infinity));
    let signed = select(positive, D(nan_f()), x < D(0.0));
    return select(signed, -infinity, x == D(0.0));
}

fn log1p_f64(x: D) -> D {
    let near = (x > D(-0.29)) & (x < D(0.41));
    return select(log_f64(D(1.0) + x), x + log_short_f64(x), near);
}
