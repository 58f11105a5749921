// lib/gelu_f64.wgsl
//
// x Phi(x) and Phi(x) of f64, as in lib/gelu.wgsl, but that u / v interpolates at the Chebyshev nodes of
// (a - 5/2) / (a + 5/2) for a from 1 to 38.6.
//
// From the prelude: D, F, I. From lib/exp_f64.wgsl: exp_whole_f64, exp_rest_f64, expm1_short_f64; from lib/double.wgsl:
// isnan_f64, isfinite_f64, rounded_f64, scale_f64; from lib/numeric.wgsl: nan_f.

// a Phi(-a), from 1 on.
fn gelu_tail_f64(size: D) -> D {
    // Beyond it is 0.
    let a = select(size, D(38.6), size > D(38.6));
    // a^2 in two parts, the first of which is exact: its rounding alone would be off by hundreds of units.
    let high = D(F(a));
    let square = D(-0.5) * (high * high);
    let rest = D(-0.5) * rounded_f64(a - high) * (a + high);
    let n = exp_whole_f64(square);
    let e = expm1_short_f64(exp_rest_f64(square, n) + rest);
    var u = D(3.9769161291205848e-06);
    u = u * a + D(8.6434246399862366e-05);
    u = u * a + D(9.6583328131048828e-04);
    u = u * a + D(6.9675872912067956e-03);
    u = u * a + D(3.5019406229753726e-02);
    u = u * a + D(1.2499400512961781e-01);
    u = u * a + D(3.1021822512872699e-01);
    u = u * a + D(4.9476880806280937e-01);
    u = u * a + D(3.9894227937518650e-01);
    var v = D(9.9686504148498272e-06);
    v = v * a + D(2.1665852596974166e-04);
    v = v * a + D(2.4508909584598079e-03);
    v = v * a + D(1.8115127123290383e-02);
    v = v * a + D(9.4983768202911753e-02);
    v = v * a + D(3.6440924507794081e-01);
    v = v * a + D(1.0268316986500798e+00);
    v = v * a + D(2.0845250898855636e+00);
    v = v * a + D(2.9027602362480804e+00);
    v = v * a + D(2.4935155962731064e+00);
    v = v * a + D(1.0);
    let t = D(3.9894228040143270e-01) - u / v;
    return scale_f64(t + t * e, I(n));
}

// Phi(x), for x from -1 to 1.
fn gelu_near_f64(x: D) -> D {
    let z = x * x;
    var p = D(-1.6878231631896875e-13);
    p = p * z + D(5.0030334589193677e-12);
    p = p * z + D(-1.1285002144059668e-10);
    p = p * z + D(2.2733770173468317e-09);
    p = p * z + D(-4.1226578372664527e-08);
    p = p * z + D(6.6596931149158882e-07);
    p = p * z + D(-9.4446562484131565e-06);
    p = p * z + D(1.1543468761421087e-04);
    p = p * z + D(-1.1873282154802531e-03);
    p = p * z + D(9.9735570100358741e-03);
    p = p * z + D(-6.6490380066905538e-02);
    p = p * z + D(3.9894228040143270e-01);
    return D(0.5) + x * p;
}

fn gelu_f64(x: D) -> D {
    let tail = gelu_tail_f64(abs(x));
    let y = select(select(x - tail, -tail, x < D(0.0)), x * gelu_near_f64(x), abs(x) < D(1.0));
    // Minus infinity times 0.
    let minus_infinite = !isfinite_f64(x) & (x < D(0.0));
    return select(select(y, D(nan_f()), minus_infinite), x, isnan_f64(x));
}

fn ndtr_f64(x: D) -> D {
    let size = abs(x);
    let tail = gelu_tail_f64(size) / select(D(1.0), size, size > D(1.0));
    let y = select(select(D(1.0) - tail, tail, x < D(0.0)), gelu_near_f64(x), size < D(1.0));
    return select(y, x, isnan_f64(x));
}
