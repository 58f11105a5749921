// lib/exp2.wgsl
//
// Powers of two of f32: 2^n e^(r ln 2), where n is x rounded and |r| is at most 1/2. Those of whole numbers are exact.
//
// From the prelude: F, I. From lib/exp.wgsl: expm1_short, scale_f; from lib/numeric.wgsl: isnan_f; from lib/keep.wgsl:
// keep_f.

fn exp2_f(x: F) -> F {
    // Beyond these it is infinity and 0.
    let inside = clamp(x, F(-151.0), F(129.0));
    let n = floor(inside + F(0.5));
    let y = scale_f(F(1.0) + expm1_short(keep_f(inside - n) * F(0.69314718)), I(n));
    return select(y, x, isnan_f(x));
}
