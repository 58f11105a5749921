// lib/numeric.wgsl
//
// Short functions that WGSL does not have, for f32 and i32 of any width. NaN is tested on bits and made from bits that
// only the host knows: a compiler may assume that a float is neither NaN nor infinite, and fold what would give either.
//
// From the prelude: F, I, U, B, uniforms. From lib/keep.wgsl: keep_f.

fn isnan_f(x: F) -> B {
    return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u);
}

fn isfinite_f(x: F) -> B {
    return (bitcast<U>(x) & U(0x7fffffffu)) < U(0x7f800000u);
}

fn infinity_f() -> F {
    return F(bitcast<f32>(uniforms.minus_infinity & 0x7fffffffu));
}

fn nan_f() -> F {
    return F(bitcast<f32>(uniforms.minus_infinity | 0x00400000u));
}

// The first twelve digits.
fn high_f(x: F) -> F {
    return bitcast<F>(bitcast<U>(x) & U(0xfffff000u));
}

// NaN on either side wins; their sum is NaN.
fn maximum_f(a: F, b: F) -> F {
    return select(max(a, b), a + b, isnan_f(a) | isnan_f(b));
}

fn minimum_f(a: F, b: F) -> F {
    return select(min(a, b), a + b, isnan_f(a) | isnan_f(b));
}

fn sign_f(x: F) -> F {
    return select(F(0.0), F(1.0), x > F(0.0)) - select(F(0.0), F(1.0), x < F(0.0));
}

fn relu_f(x: F) -> F {
    return select(select(F(0.0), x, x > F(0.0)), x, isnan_f(x));
}

fn round_f(x: F) -> F {
    return round(x);
}

fn rsqrt_f(x: F) -> F {
    // Of a zero it is infinity with the zero's sign.
    let infinite = bitcast<F>(bitcast<U>(x) | bitcast<U>(infinity_f()));
    return select(F(1.0) / keep_f(sqrt(x)), infinite, x == F(0.0));
}

// By squaring; overflow wraps. A negative exponent gives 0 unless the base is 1 or -1.
fn pow_i(base: I, exponent: I) -> I {
    var result = I(1);
    var square = base;
    var rest = bitcast<U>(max(exponent, I(0)));
    // Ends: bit counts to 31.
    for (var bit = 0u; bit < 31u; bit++) {
        result = select(result, result * square, (rest & U(1u)) == U(1u));
        square = square * square;
        rest = rest >> U(1u);
    }
    let odd = (exponent & I(1)) == I(1);
    let minus_one = select(I(1), I(-1), odd);
    let negative = select(select(I(0), minus_one, base == I(-1)), I(1), base == I(1));
    return select(result, negative, exponent < I(0));
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn to_i32(x: F) -> I {
    let inside = I(clamp(x, F(-2147483648.0), F(2147483520.0)));
    let ranged = select(inside, I(2147483647), x >= F(2147483648.0));
    return select(ranged, I(0), isnan_f(x));
}

// What is left out of the sum of a and b where that is rounded (Knuth, The Art of Computer Programming, 4.2.2, theorem B).
fn left_out_f(a: F, b: F, sum: F) -> F {
    let rounded = keep_f(sum);
    let of_b = keep_f(rounded - a);
    return (a - keep_f(rounded - of_b)) + (b - of_b);
}

// A sum with what was left out of it. Of an infinite sum that is NaN.
fn corrected_f(sum: F, rest: F) -> F {
    return select(sum, sum + rest, isfinite_f(rest));
}
