// lib/logaddexp_f64.wgsl
//
// log(exp(a) + exp(b)) in f64, without overflow: the larger, and what the other adds to it. Infinities of one sign are
// equal, and their difference NaN.
//
// From the prelude: D. From lib/double.wgsl: maximum_f64, rounded_f64; from lib/exp_f64.wgsl: exp_f64; from
// lib/log_f64.wgsl: log1p_f64.

fn logaddexp_f64(a: D, b: D) -> D {
    let apart = select(rounded_f64(abs(a - b)), D(0.0), a == b);
    let larger = maximum_f64(a, b);
    // Of minus infinity and a number the number is left, though they are infinitely far apart.
    return larger + rounded_f64(log1p_f64(exp_f64(-apart)));
}
