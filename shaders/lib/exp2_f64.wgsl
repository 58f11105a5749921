// lib/exp2_f64.wgsl
//
// Powers of two of f64; see lib/exp2.wgsl, of which this is the wider twin.
//
// From the prelude: D, I. From lib/exp_f64.wgsl: expm1_short_f64; from lib/double.wgsl: isnan_f64, rounded_f64, scale_f64.

fn exp2_f64(x: D) -> D {
    // Beyond these it is infinity and 0.
    let low = select(x, D(-1076.0), x < D(-1076.0));
    let inside = select(low, D(1024.0), low > D(1024.0));
    let n = floor(inside + D(0.5));
    let r = rounded_f64(inside - n) * D(6.93147180559945309417e-01);
    // Twice 2^(n-1): 2^1024 is infinite where the product is not.
    let y = scale_f64(D(2.0) * (D(1.0) + expm1_short_f64(r)), I(n) - I(1));
    return select(y, x, isnan_f64(x));
}
