// lib/hypot.wgsl
//
// The distance of a point from the origin in f32: the root of the sum of squares, which are brought to where none overflows
// or vanishes.
//
// From the prelude: F. From lib/numeric.wgsl: isnan_f, nan_f, infinity_f; from lib/keep.wgsl: keep_f.

fn hypot_f(a: F, b: F) -> F {
    let size = max(abs(a), abs(b));
    let is_huge = size > F(1e18);
    let is_tiny = size < F(1e-12);
    let scale = select(select(F(1.0), F(8.271806e-25), is_huge), F(1.2089258e24), is_tiny);
    let back = select(select(F(1.0), F(1.2089258e24), is_huge), F(8.271806e-25), is_tiny);
    let x = keep_f(a * scale);
    let y = keep_f(b * scale);
    let distance = keep_f(sqrt(keep_f(x * x + y * y))) * back;
    // What is infinitely far is so whatever the other part may be.
    let infinite = (abs(a) == infinity_f()) | (abs(b) == infinity_f());
    return select(select(distance, nan_f(), isnan_f(a) | isnan_f(b)), infinity_f(), infinite);
}
