// lib/logaddexp.wgsl
//
// log(exp(a) + exp(b)) in f32, without overflow: the larger, and what the other adds to it. Infinities of one sign are
// equal, and their difference NaN.
//
// From the prelude: F. From lib/numeric.wgsl: maximum_f; from lib/exp.wgsl: exp_f; from lib/log.wgsl: log1p_f; from
// lib/keep.wgsl: keep_f.

fn logaddexp_f(a: F, b: F) -> F {
    let apart = select(keep_f(abs(a - b)), F(0.0), a == b);
    let larger = maximum_f(a, b);
    // Of minus infinity and a number the number is left, though they are infinitely far apart.
    return larger + keep_f(log1p_f(exp_f(-apart)));
}
