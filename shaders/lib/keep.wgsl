// lib/keep.wgsl
//
// Values that a compiler cannot reason about. Drivers' compilers simplify floats as if there were no NaN, no infinity and
// no rounding: they take (a + b) - a for b, x + -x for 0 and a > 0 & b > 0 for min(a, b) > 0. Adding a word to their
// bits that is 0, which only the host knows, gives the same value, but to a compiler it might be any other; also where it is
// added twice, as an exclusive or would not be.
//
// Results are kept before anything else is computed from them. Where one operation gets two results that may be the same
// value, as in x - x or in a * b - b * a, the second is also set apart, by another such word.
//
// From the prelude: F, U, B, uniforms.

fn keep_f(x: F) -> F {
    return bitcast<F>(bitcast<U>(x) + U(uniforms.zero));
}

fn keep_b(x: B) -> B {
    return (select(U(0u), U(1u), x) + U(uniforms.zero)) != U(0u);
}

fn apart_f(x: F) -> F {
    return bitcast<F>(bitcast<U>(x) + U(uniforms.minus_infinity - 0xff800000u));
}
