// lib/gelu.wgsl
//
// x Phi(x) and Phi(x) of f32, where Phi is the normal distribution. Near 0, Phi(x) is 1/2 + x p(x^2). Further out, and of
// a = |x|, x Phi(x) is -t or x - t with t = a Phi(-a) = e^(-a^2/2) (1/sqrt(2 pi) - u(a) / v(a)), and Phi(x) is t / a or
// 1 - t / a: nothing cancels.
// p interpolates (Phi(x) - 1/2) / x at the Chebyshev nodes of x^2 from 0 to 1; what rounding takes from its first
// coefficient, times 3.6 and -2.7, is put on the next two. u / v interpolates what is missing to 1/sqrt(2 pi) at the
// Chebyshev nodes of (a - 2) / (a + 2) for a from 1 to 14.5. Both were solved for with 80 digits (mpmath).
//
// From the prelude: F, I, U. From lib/exp.wgsl: exp_whole, exp_rest, expm1_short, scale_f; from lib/numeric.wgsl: high_f,
// isnan_f, nan_f; from lib/keep.wgsl: keep_f.

// a Phi(-a), from 1 on.
fn gelu_tail(size: F) -> F {
    // Beyond it is 0.
    let a = min(size, F(14.5));
    // a^2 in two parts, the first of which is exact: its rounding alone would be off by hundreds of units.
    let high = high_f(a);
    let square = F(-0.5) * (high * high);
    let rest = F(-0.5) * keep_f(a - high) * (a + high);
    let n = exp_whole(square);
    let e = expm1_short(exp_rest(square, n) + rest);
    var u = F(1.20760603e-2);
    u = u * a + F(7.66737685e-2);
    u = u * a + F(2.54889160e-1);
    u = u * a + F(3.99200052e-1);
    var v = F(3.02701276e-2);
    v = v * a + F(1.92154273e-1);
    v = v * a + F(7.30986238e-1);
    v = v * a + F(1.55847669);
    v = v * a + F(1.89592719);
    v = v * a + F(1.0);
    let t = F(3.98942292e-1) - u / v;
    return scale_f(t + t * e, I(n));
}

// Phi(x), for x from -1 to 1.
fn gelu_near(x: F) -> F {
    let z = x * x;
    var p = F(5.37264327e-7);
    p = p * z + F(-9.27440124e-6);
    p = p * z + F(1.15320749e-4);
    p = p * z + F(-1.18728878e-3);
    p = p * z + F(9.97358095e-3);
    p = p * z + F(-6.64904192e-2);
    p = p * z + F(3.98942292e-1);
    return F(0.5) + x * p;
}

fn gelu_f(x: F) -> F {
    let tail = gelu_tail(abs(x));
    let y = select(select(x - tail, -tail, x < F(0.0)), x * gelu_near(x), abs(x) < F(1.0));
    // Minus infinity times 0.
    return select(select(y, nan_f(), bitcast<U>(x) == U(0xff800000u)), x, isnan_f(x));
}

fn ndtr_f(x: F) -> F {
    let size = abs(x);
    let tail = gelu_tail(size) / max(size, F(1.0));
    let y = select(select(F(1.0) - tail, tail, x < F(0.0)), gelu_near(x), size < F(1.0));
    return select(y, x, isnan_f(x));
}
