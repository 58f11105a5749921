// lib/hyperbolic_f64.wgsl
//
// Hyperbolic sine and cosine of f64; see lib/hyperbolic.wgsl, of which this is the wider twin. Up to 1 the sine is its power
// series, to x^19.
//
// From the prelude: D, I. From lib/exp_f64.wgsl: exp_shifted_f64; from lib/double.wgsl: isnan_f64, rounded_f64.

fn half_exp_f64(x: D) -> D {
    let size = abs(x);
    return rounded_f64(exp_shifted_f64(select(size, D(715.0), size > D(715.0)), I(1)));
}

fn sinh_f64(x: D) -> D {
    let half = half_exp_f64(x);
    let large = half - D(0.25) / half;
    let inner = select(D(0.0), x, abs(x) < D(1.0));
    let z = inner * inner;
    var p = D(8.22063524662432950e-18);
    p = p * z + D(2.81145725434552060e-15);
    p = p * z + D(7.64716373181981641e-13);
    p = p * z + D(1.60590438368216133e-10);
    p = p * z + D(2.50521083854417202e-08);
    p = p * z + D(2.75573192239858925e-06);
    p = p * z + D(1.98412698412698413e-04);
    p = p * z + D(8.33333333333333322e-03);
    p = p * z + D(1.66666666666666657e-01);
    let small = inner + inner * z * p;
    let y = select(select(large, -large, x < D(0.0)), small, abs(x) < D(1.0));
    return select(y, x, isnan_f64(x));
}

fn cosh_f64(x: D) -> D {
    let half = half_exp_f64(x);
    return select(half + D(0.25) / half, x, isnan_f64(x));
}
