// lib/hypot_f64.wgsl
//
// The distance of a point from the origin in f64; see lib/hypot.wgsl, of which this is the wider twin.
//
// From the prelude: D. From lib/double.wgsl: isnan_f64, rounded_f64; from lib/numeric.wgsl: nan_f, infinity_f.

fn hypot_f64(a: D, b: D) -> D {
    let size = select(abs(a), abs(b), abs(b) > abs(a));
    let up = D(4.149515568880992958512407863691161151012446232242436e180);
    let scale = select(select(D(1.0), D(1.0) / up, size > D(1e150)), up, size < D(1e-135));
    let x = rounded_f64(a * scale);
    let y = rounded_f64(b * scale);
    let distance = rounded_f64(sqrt(rounded_f64(x * x + y * y))) / scale;
    let infinity = D(infinity_f());
    let infinite = (abs(a) == infinity) | (abs(b) == infinity);
    return select(select(distance, D(nan_f()), isnan_f64(a) | isnan_f64(b)), infinity, infinite);
}
