// lib/exp.wgsl
//
// Exponentials of f32: e^x = 2^n e^r, where n is x / ln 2 rounded and |r| is at most ln 2 / 2.
// ln 2 in two parts and the polynomials are those of Cephes (Stephen Moshier).
//
// From the prelude: F, I, U, B. From lib/numeric.wgsl: isnan_f; from lib/keep.wgsl: keep_f.

fn exp_whole(x: F) -> F {
    return floor(x * F(1.44269504) + F(0.5));
}

// x - n ln 2. The first part of ln 2 has nine digits, so that its product with n is exact.
fn exp_rest(x: F, n: F) -> F {
    return keep_f(x - n * F(0.693359375)) + n * F(2.12194440e-4);
}

// e^r - 1.
fn expm1_short(r: F) -> F {
    var p = F(1.9875691500e-4);
    p = p * r + F(1.3981999507e-3);
    p = p * r + F(8.3334519073e-3);
    p = p * r + F(4.1665795894e-2);
    p = p * r + F(1.6666665459e-1);
    p = p * r + F(5.0000001201e-1);
    return r + r * r * p;
}

// x 2^n, for n from -252 to 254. In two steps: 2^n may be infinite or zero where the product is neither.
fn scale_f(x: F, n: I) -> F {
    let half = n >> U(1u);
    return keep_f(x * bitcast<F>((half + I(127)) << U(23u))) * bitcast<F>((n - half + I(127)) << U(23u));
}

fn exp_f(x: F) -> F {
    // Beyond these it is infinity and 0.
    let inside = clamp(x, F(-104.0), F(89.0));
    let n = exp_whole(inside);
    let y = scale_f(F(1.0) + expm1_short(exp_rest(inside, n)), I(n));
    return select(y, x, isnan_f(x));
}

// 2^-shift e^x, for x from -104 to 96: it overflows where the quotient does.
fn exp_shifted_f(x: F, shift: I) -> F {
    let n = exp_whole(x);
    return scale_f(F(1.0) + expm1_short(exp_rest(x, n)), I(n) - shift);
}

// 2^n ((e^r - 1) + (1 - 2^-n)): nothing cancels.
fn expm1_f(x: F) -> F {
    let inside = clamp(x, F(-18.0), F(89.0));
    let n = exp_whole(inside);
    let short = expm1_short(exp_rest(inside, n));
    let one = F(1.0) - bitcast<F>((I(127) - min(I(n), I(64))) << U(23u));
    let y = select(scale_f(short + one, I(n)), short, n == F(0.0));
    return select(y, x, isnan_f(x));
}

fn sigmoid_f(x: F) -> F {
    return F(1.0) / (F(1.0) + exp_f(-x));
}

fn tanh_f(x: F) -> F {
    let z = x * x;
    var p = F(-5.70498872745e-3);
    p = p * z + F(2.06390887954e-2);
    p = p * z + F(-5.37397155531e-2);
    p = p * z + F(1.33314422036e-1);
    p = p * z + F(-3.33332819422e-1);
    let small = x + x * z * p;
    let size = abs(x);
    let large = F(1.0) - F(2.0) / (exp_f(F(2.0) * min(size, F(20.0))) + F(1.0));
    let y = select(select(large, -large, x < F(0.0)), small, size < F(0.625));
    return select(y, x, isnan_f(x));
}
