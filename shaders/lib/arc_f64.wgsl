// lib/arc_f64.wgsl
//
// Arcs of f64; see lib/arc.wgsl, of which this is the wider twin.
//
// From the prelude: D. From lib/atan2_f64.wgsl: atan2_f64; from lib/double.wgsl: isnan_f64, rounded_f64; from lib/numeric.wgsl: nan_f.

fn arc_other_f64(x: D) -> D {
    let size = abs(x);
    let inner = select(size, D(1.0), size > D(1.0));
    return sqrt(rounded_f64(D(1.0) - inner) * rounded_f64(D(1.0) + inner));
}

fn asin_f64(x: D) -> D {
    return select(select(D(nan_f()), atan2_f64(x, arc_other_f64(x)), abs(x) <= D(1.0)), x, isnan_f64(x));
}

fn acos_f64(x: D) -> D {
    return select(select(D(nan_f()), atan2_f64(arc_other_f64(x), x), abs(x) <= D(1.0)), x, isnan_f64(x));
}

fn atan_f64(x: D) -> D {
    return atan2_f64(x, D(1.0));
}
