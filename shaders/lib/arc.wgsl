// lib/arc.wgsl
//
// Arcs of f32: the angles of the points (x, 1), (x, y) and (y, x), where y is the root of (1 - x) (1 + x), which keeps its
// digits next to 1.
//
// From the prelude: F. From lib/atan2.wgsl: atan2_f; from lib/numeric.wgsl: isnan_f, nan_f; from lib/keep.wgsl: keep_f.

// Of what lies beyond 1 there is none. The factors are kept apart, as 1 - x^2 would lose what they have.
fn arc_other_f(x: F) -> F {
    let size = abs(x);
    return sqrt(keep_f(F(1.0) - min(size, F(1.0))) * keep_f(F(1.0) + size));
}

fn asin_f(x: F) -> F {
    return select(select(nan_f(), atan2_f(x, arc_other_f(x)), abs(x) <= F(1.0)), x, isnan_f(x));
}

fn acos_f(x: F) -> F {
    return select(select(nan_f(), atan2_f(arc_other_f(x), x), abs(x) <= F(1.0)), x, isnan_f(x));
}

fn atan_f(x: F) -> F {
    return atan2_f(x, F(1.0));
}
