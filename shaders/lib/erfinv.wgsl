// lib/erfinv.wgsl
//
// The inverse of the error function of f32, by the quantiles of the normal distribution: Michael Wichura, "Algorithm AS 241",
// 1988. The divisors by the square root of 2 that quantiles need are in the coefficients.
//
// From the prelude: F, U, B. From lib/log.wgsl: log_f; from lib/numeric.wgsl: nan_f, infinity_f, isnan_f; from
// lib/keep.wgsl: keep_f.

fn erfinv_f(x: F) -> F {
    let size = abs(x);
    let inner = select(x, F(0.0), !(size < F(1.0)));
    // Around 0, x times its slope there and the square times a rational function, which interpolates at Chebyshev nodes
    // and was solved for with 60 digits (mpmath).
    let z = inner * inner;
    let w = F(0.7226) - z;
    var p = F(0.0113717547);
    p = p * w + F(0.869613865);
    p = p * w + F(2.70810835);
    p = p * w + F(2.07883260);
    p = p * w + F(0.430937411);
    var q = F(1.55552936);
    q = q * w + F(8.68318987);
    q = q * w + F(12.6004155);
    q = q * w + F(6.33047329);
    q = q * w + F(1.00000000);
    let near = inner * (F(0.886226925) + z * (p / q));
    // Beyond, one of the root of the logarithm of what is missing to 1.
    let missing = F(0.5) * keep_f(F(1.0) - abs(inner));
    let root = sqrt(-log_f(missing));
    let r = root - F(1.6);
    var c = F(5.47686032e-4);
    c = c * r + F(0.0160681849);
    c = c * r + F(0.170964790);
    c = c * r + F(0.898349646);
    c = c * r + F(2.57941829);
    c = c * r + F(4.07965061);
    c = c * r + F(3.27414329);
    c = c * r + F(1.00652203);
    var d = F(1.05075007e-9);
    d = d * r + F(5.47593808e-4);
    d = d * r + F(0.0151986666);
    d = d * r + F(0.148103976);
    d = d * r + F(0.689767335);
    d = d * r + F(1.67638483);
    d = d * r + F(2.05319163);
    d = d * r + F(1.00000000);
    let far = c / d;
    let y = select(select(far, -far, x < F(0.0)), near, size <= F(0.85));
    let ends = select(select(-infinity_f(), infinity_f(), x > F(0.0)), nan_f(), (size > F(1.0)) | isnan_f(x));
    return select(ends, y, size < F(1.0));
}
