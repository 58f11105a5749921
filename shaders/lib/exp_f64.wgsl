// lib/exp_f64.wgsl
//
// Exponentials of f64: e^x = 2^n e^r, where n is x / ln 2 rounded and |r| is at most ln 2 / 2. The formulas are those of
// fdlibm (Sun Microsystems).
//
// From the prelude: D, I. From lib/double.wgsl: isnan_f64, rounded_f64, scale_f64.

fn exp_whole_f64(x: D) -> D {
    return floor(x * D(1.44269504088896338700e+00) + D(0.5));
}

// x - n ln 2. The first part of ln 2 ends in zeros, so that its product with n is exact.
fn exp_rest_f64(x: D, n: D) -> D {
    return rounded_f64(x - n * D(6.93147180369123816490e-01)) - n * D(1.90821492927058770002e-10);
}

// e^r - 1.
fn expm1_short_f64(r: D) -> D {
    let z = r * r;
    var p = D(4.13813679705723846039e-08);
    p = p * z + D(-1.65339022054652515390e-06);
    p = p * z + D(6.61375632143793436117e-05);
    p = p * z + D(-2.77777777770155933842e-03);
    p = p * z + D(1.66666666666666019037e-01);
    let c = r - z * p;
    return r + r * c / (D(2.0) - c);
}

fn exp_f64(x: D) -> D {
    // Beyond these it is infinity and 0.
    let low = select(x, D(-750.0), x < D(-750.0));
    let inside = select(low, D(710.0), low > D(710.0));
    let n = exp_whole_f64(inside);
    // Twice 2^(n-1): 2^1024 is infinite where the product is not.
    let y = scale_f64(D(2.0) * (D(1.0) + expm1_short_f64(exp_rest_f64(inside, n))), I(n) - I(1));
    return select(y, x, isnan_f64(x));
}

// 2^-shift e^x, for x from -700 to 725 and a shift from 1 to 32: it overflows where the quotient does.
fn exp_shifted_f64(x: D, shift: I) -> D {
    let n = exp_whole_f64(x);
    let y = D(1.0) + expm1_short_f64(exp_rest_f64(x, n));
    let two = D(2.0) * rounded_f64(y);
    // 2^1024 and more is infinite where the product is not.
    let more = max(I(n) - shift - I(1022), I(0));
    return scale_f64(two * D(bitcast<F>((more + I(127)) << U(23u))), I(n) - shift - I(1) - more);
}

// 2^n ((e^r - 1) + (1 - 2^-n)): nothing cancels.
fn expm1_f64(x: D) -> D {
    let low = select(x, D(-40.0), x < D(-40.0));
    let inside = select(low, D(710.0), low > D(710.0));
    let n = exp_whole_f64(inside);
    let short = expm1_short_f64(exp_rest_f64(inside, n));
    let one = D(1.0) - D(bitcast<F>((I(127) - min(I(n), I(100))) << U(23u)));
    let y = select(scale_f64(D(2.0) * (short + one), I(n) - I(1)), short, n == D(0.0));
    return select(y, x, isnan_f64(x));
}

fn sigmoid_f64(x: D) -> D {
    return D(1.0) / (D(1.0) + exp_f64(-x));
}

// By e^2|x| - 1. From 22 on the nearest f64 is 1.
fn tanh_f64(x: D) -> D {
    let a = abs(x);
    let size = select(a, D(22.0), a > D(22.0));
    let t = expm1_f64(D(2.0) * size);
    let y = select(t / (t + D(2.0)), D(1.0) - D(2.0) / (t + D(2.0)), size > D(1.0));
    return select(select(y, -y, x < D(0.0)), x, isnan_f64(x));
}
