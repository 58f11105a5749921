// lib/numeric.wgsl
//
// Functions that WGSL does not have, or not accurately enough, for f32 and i32 of any width. NaN is tested on bits:
// a compiler may assume that a float is not NaN.
//
// From the prelude: F, I, U, B.

fn isnan_f(x: F) -> B {
    return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u);
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
    return select(x, F(0.0), x <= F(0.0));
}

fn round_f(x: F) -> F {
    return round(x);
}

fn rsqrt_f(x: F) -> F {
    return F(1.0) / sqrt(x);
}

fn exp_f(x: F) -> F {
    return exp(x);
}

// For small x the series; exp(x) - 1 would cancel.
fn expm1_f(x: F) -> F {
    var p = F(2.4801587e-5);
    p = p * x + F(1.9841270e-4);
    p = p * x + F(1.3888889e-3);
    p = p * x + F(8.3333333e-3);
    p = p * x + F(4.1666668e-2);
    p = p * x + F(1.6666667e-1);
    p = p * x + F(0.5);
    let small = x + x * x * p;
    return select(exp_f(x) - F(1.0), small, abs(x) < F(0.5));
}

fn log_f(x: F) -> F {
    return log(x);
}

// For small x, 2 atanh(x / (2 + x)) by its series.
fn log1p_f(x: F) -> F {
    let s = x / (F(2.0) + x);
    let z = s * s;
    var p = F(9.0909091e-2);
    p = p * z + F(1.1111111e-1);
    p = p * z + F(1.4285714e-1);
    p = p * z + F(0.2);
    p = p * z + F(3.3333333e-1);
    let small = F(2.0) * (s + s * z * p);
    return select(log_f(F(1.0) + x), small, (x > F(-0.29)) & (x < F(0.41)));
}

fn sin_f(x: F) -> F {
    return sin(x);
}

fn cos_f(x: F) -> F {
    return cos(x);
}

// Coefficients of the short range from Moshier's Cephes library.
fn tanh_f(x: F) -> F {
    let z = x * x;
    var p = F(-5.70498872745e-3);
    p = p * z + F(2.06390887954e-2);
    p = p * z + F(-5.37397155531e-2);
    p = p * z + F(1.33314422036e-1);
    p = p * z + F(-3.33332819422e-1);
    let small = x + x * z * p;
    let large = F(1.0) - F(2.0) / (exp_f(F(2.0) * abs(x)) + F(1.0));
    return select(select(large, -large, x < F(0.0)), small, abs(x) < F(0.625));
}

fn sigmoid_f(x: F) -> F {
    return F(1.0) / (F(1.0) + exp_f(-x));
}

// Coefficients from Moshier's Cephes library: erf below 1, and 1 - erfc above, in two ranges.
fn erf_f(x: F) -> F {
    let z = x * x;
    var p = F(7.853861353153693e-5);
    p = p * z + F(-8.010193625184903e-4);
    p = p * z + F(5.188327685732524e-3);
    p = p * z + F(-2.685381193529856e-2);
    p = p * z + F(1.128358514861418e-1);
    p = p * z + F(-3.761262582423300e-1);
    p = p * z + F(1.128379165726710e+0);
    let small = x * p;
    let a = max(abs(x), F(1.0));
    let q = F(1.0) / a;
    let y = q * q;
    var near = F(2.326819970068386e-2);
    near = near * y + F(-1.387039388740657e-1);
    near = near * y + F(3.687424674597105e-1);
    near = near * y + F(-5.824733027278666e-1);
    near = near * y + F(6.210004621745983e-1);
    near = near * y + F(-4.944515323274145e-1);
    near = near * y + F(3.404879937665872e-1);
    near = near * y + F(-2.741127028184656e-1);
    near = near * y + F(5.638259427386472e-1);
    var far = F(-1.047766399936249e+1);
    far = far * y + F(1.297719955372516e+1);
    far = far * y + F(-7.495518717768503e+0);
    far = far * y + F(2.921019019210786e+0);
    far = far * y + F(-1.015265279202700e+0);
    far = far * y + F(4.218463358204948e-1);
    far = far * y + F(-2.820767439740514e-1);
    far = far * y + F(5.641895067754075e-1);
    // Beyond 9.3 erfc is below the smallest f32; the clamp keeps its square finite.
    let b = min(a, F(9.3));
    let erfc = exp_f(-b * b) * q * select(near, far, a > F(2.0));
    let large = select(F(1.0) - erfc, erfc - F(1.0), x < F(0.0));
    let result = select(large, small, abs(x) < F(1.0));
    return select(result, x, isnan_f(x));
}

// WGSL's pow is only for positive bases, and drivers differ at 0 and infinity. A negative base has a power if the
// exponent is whole.
fn pow_f(base: F, exponent: F) -> F {
    let infinity = F(-bitcast<f32>(params.minus_infinity));
    let size = abs(base);
    let grows = (size > F(1.0)) == (exponent > F(0.0));
    let extreme = (size == F(0.0)) | (size == infinity) | (abs(exponent) == infinity);
    let limit = select(select(F(0.0), infinity, grows), F(1.0), size == F(1.0));
    let magnitude = select(pow(size, exponent), limit, extreme);
    let whole = floor(exponent) == exponent;
    let half = F(0.5) * exponent;
    let odd = whole & (abs(exponent) != infinity) & !(floor(half) == half);
    let nan = infinity - infinity;
    let negative = select(select(magnitude, -magnitude, odd), nan, !whole);
    let minus = (bitcast<U>(base) & U(0x80000000u)) != U(0u);
    // Zero and infinity have powers of either sign whatever the exponent.
    let signed = select(magnitude, -magnitude, odd);
    var result = select(magnitude, select(negative, signed, extreme), minus);
    result = select(result, base + exponent, isnan_f(base) | isnan_f(exponent));
    return select(result, F(1.0), (exponent == F(0.0)) | (base == F(1.0)));
}

// By squaring; overflow wraps. A negative exponent gives 0 unless the base is 1 or -1.
fn pow_i(base: I, exponent: I) -> I {
    var result = I(1);
    var square = base;
    var rest = bitcast<U>(max(exponent, I(0)));
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
