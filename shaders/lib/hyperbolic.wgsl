// lib/hyperbolic.wgsl
//
// Hyperbolic sine and cosine of f32: half of e^|x|, which is computed as such so that it does not overflow before they do,
// and a quarter of its reciprocal. The polynomial is that of Cephes (Stephen Moshier).
//
// From the prelude: F, I. From lib/exp.wgsl: exp_shifted_f; from lib/numeric.wgsl: isnan_f; from lib/keep.wgsl: keep_f.

fn sinh_f(x: F) -> F {
    let size = abs(x);
    let half = keep_f(exp_shifted_f(min(size, F(95.0)), I(1)));
    let large = half - F(0.25) / half;
    let z = x * x;
    var p = F(2.03721912945e-4);
    p = p * z + F(8.33028376239e-3);
    p = p * z + F(1.66667160211e-1);
    let small = x + x * z * p;
    let y = select(select(large, -large, x < F(0.0)), small, size < F(1.0));
    return select(y, x, isnan_f(x));
}

fn cosh_f(x: F) -> F {
    let half = keep_f(exp_shifted_f(min(abs(x), F(95.0)), I(1)));
    return select(half + F(0.25) / half, x, isnan_f(x));
}
