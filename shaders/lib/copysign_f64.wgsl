// lib/copysign_f64.wgsl
//
// A number with the sign of another, in f64.
//
// From the prelude: D. From lib/double.wgsl: is_minus_f64.

fn copysign_f64(a: D, b: D) -> D {
    return select(abs(a), -abs(a), is_minus_f64(b));
}
