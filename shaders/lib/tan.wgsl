// lib/tan.wgsl
//
// The tangent of f32: that of r, where x = n pi/2 + r, or minus its reciprocal. The polynomial is that of Cephes (Stephen
// Moshier).
//
// From the prelude: F, U. From lib/trig.wgsl: turns_f, turned_f, quadrant_f; from lib/numeric.wgsl: nan_f, isfinite_f; from
// lib/keep.wgsl: keep_f.

// The tangent of n pi/2 + r; the lowest bit of n counts.
fn tan_turned_f(r: F, n: U) -> F {
    let z = r * r;
    var p = F(9.38540185543e-3);
    p = p * z + F(3.11992232697e-3);
    p = p * z + F(2.44301354525e-2);
    p = p * z + F(5.34112807005e-2);
    p = p * z + F(1.33387994085e-1);
    p = p * z + F(3.33331568548e-1);
    let t = keep_f(r + r * z * p);
    return select(t, F(-1.0) / t, (n & U(1u)) == U(1u));
}

fn tan_f(x: F) -> F {
    let n = turns_f(x);
    return select(nan_f(), tan_turned_f(turned_f(x, n), quadrant_f(n)), isfinite_f(x));
}
