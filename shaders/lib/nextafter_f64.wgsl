// lib/nextafter_f64.wgsl
//
// The number next to one in f64, towards another, by exact arithmetic: a last place more or less of a number from 1 to 2.
//
// From the prelude: D, I, B. From lib/double.wgsl: exponent_f64, scale_f64, isnan_f64, is_minus_f64, rounded_f64; from
// lib/numeric.wgsl: nan_f, infinity_f.

fn nextafter_f64(a: D, b: D) -> D {
    let infinity = D(infinity_f());
    let size = abs(a);
    let least = scale_f64(scale_f64(D(1.0), I(-1000)), I(-74));
    let normal = scale_f64(D(1.0), I(-1022));
    let is_subnormal = size < normal;
    let inside = select(size, D(1.0), is_subnormal | (size == infinity));
    var n = exponent_f64(inside);
    let half = (-n) >> U(1u);
    var m = rounded_f64(scale_f64(rounded_f64(scale_f64(inside, half)), -n - half));
    n = select(n, n - I(1), m < D(1.0));
    m = select(m, D(2.0) * m, m < D(1.0));
    let place = D(2.220446049250313e-16);
    let grows = ((b > a) != is_minus_f64(a)) | (a == D(0.0));
    let down = m - select(place, D(0.5) * place, m == D(1.0));
    // 2^1024 is beyond what a scale holds.
    let moved = D(2.0) * rounded_f64(scale_f64(rounded_f64(select(down, m + place, grows)), n - I(1)));
    let near_0 = select(size - least, size + least, grows);
    let largest = D(2.0) * (scale_f64(D(1.0), I(1022)) * (D(2.0) - place));
    let found = select(select(moved, near_0, is_subnormal), largest, size == infinity);
    // Away from a zero goes the way of the other number.
    let minus = select(is_minus_f64(a), is_minus_f64(b), a == D(0.0));
    let signed = select(found, -found, minus);
    return select(select(signed, b, a == b), D(nan_f()), isnan_f64(a) | isnan_f64(b));
}
