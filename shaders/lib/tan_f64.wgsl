// lib/tan_f64.wgsl
//
// The tangent of f64: sine by cosine of n pi/2 + r.
//
// From the prelude: D, U. From lib/trig_f64.wgsl: turns_f64, turned_f64, quadrant_f64, sin_turned_f64; from
// lib/double.wgsl: isfinite_f64, rounded_f64; from lib/numeric.wgsl: nan_f.

fn tan_turned_f64(r: D, n: U) -> D {
    return rounded_f64(sin_turned_f64(r, n)) / rounded_f64(sin_turned_f64(r, n + U(1u)));
}

fn tan_f64(x: D) -> D {
    let n = turns_f64(x);
    return select(D(nan_f()), tan_turned_f64(turned_f64(x, n), quadrant_f64(n)), isfinite_f64(x));
}
