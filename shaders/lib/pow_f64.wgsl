// lib/pow_f64.wgsl
//
// Powers of f64, as 2^(y log2 x); see lib/pow.wgsl, of which this is the wider twin. The formulas are those of fdlibm
// (Sun Microsystems). High parts are cut off by way of f32.
//
// From the prelude: D, F, I, U, B. From lib/double.wgsl: isnan_f64, is_minus_f64, rounded_f64, exponent_f64, scale_f64; from lib/numeric.wgsl:
// nan_f, infinity_f; from lib/exp_f64.wgsl: expm1_short_f64.

// The first 21 digits.
fn high_f64(x: D) -> D {
    return D(bitcast<F>(bitcast<U>(F(x)) & U(0xfffffff8u)));
}

// size^exponent for a size above 0 and finite numbers.
fn power_f64(size: D, exponent: D) -> D {
    // size = 2^n m with m between √¾ and √3; its logarithm is that of c, 1 or 3/2, and that of m / c.
    let floored = exponent_f64(size);
    let scaled = scale_f64(size, -floored);
    let middle = (scaled > D(1.2247)) & (scaled < D(1.732));
    let upper = scaled >= D(1.732);
    let m = select(scaled, D(0.5) * scaled, upper);
    let n = D(floored + select(I(0), I(1), upper));
    let c = select(D(1.0), D(1.5), middle);

    // s = (m - c) / (m + c), as s_high + s_low.
    let u = m - c;
    let v = D(1.0) / (m + c);
    let s = u * v;
    let s_high = high_f64(s);
    let sum_high = high_f64(m + c);
    let sum_low = m - rounded_f64(sum_high - c);
    let s_low = v * (rounded_f64(u - s_high * sum_high) - s_high * sum_low);

    // (3/2) log(m / c) = s (3 + s² + r), as p_high + p_low.
    let z = s * s;
    var r = D(2.06975017800338417784e-01);
    r = r * z + D(2.30660745775561754067e-01);
    r = r * z + D(2.72728123808534006489e-01);
    r = r * z + D(3.33333329818377432918e-01);
    r = r * z + D(4.28571428578550184252e-01);
    r = r * z + D(5.99999999999994648725e-01);
    r = r * z * z + s_low * (s_high + s);
    let square = s_high * s_high;
    let t_high = high_f64(D(3.0) + square + r);
    let t_low = r - rounded_f64(rounded_f64(t_high - D(3.0)) - square);
    let product = s_high * t_high;
    let product_low = s_low * t_high + t_low * s;
    let p_high = high_f64(product + product_low);
    let p_low = product_low - rounded_f64(p_high - product);

    // log2(size) as log_high + log_low: p times 2 / (3 ln 2), and log2(3/2), both in two parts.
    let c_high = select(D(0.0), D(5.84962487220764160156e-01), middle);
    let c_low = select(D(0.0), D(1.35003920212974897128e-08), middle);
    let z_high = D(9.61796700954437255859e-01) * p_high;
    let z_low = D(-7.02846165095275826516e-09) * p_high + p_low * D(9.61796693925975554329e-01) + c_low;
    let log_high = high_f64(((z_high + z_low) + c_high) + n);
    let log_low = z_low - rounded_f64(rounded_f64(rounded_f64(log_high - n) - c_high) - z_high);

    // Beyond 2^70 every size but 1 has overflowed, or vanished.
    let limit = D(1180591620717411303424.0);
    let above = select(exponent, limit, exponent > limit);
    let y = select(above, -limit, above < -limit);
    let y_high = high_f64(y);
    let low = rounded_f64(y - y_high) * log_high + y * log_low;
    let high = y_high * log_high;
    let sum = high + low;
    let inside = abs(sum) < D(1080.0);
    let whole = select(select(D(-1080.0), D(1025.0), sum > D(0.0)), floor(sum + D(0.5)), inside);
    let clamped = select(whole, D(1024.0), whole > D(1024.0));
    let rest = select(D(0.0), rounded_f64(high - clamped) + low, inside & (sum < D(1025.0)));
    return scale_f64(D(2.0) * (D(1.0) + expm1_short_f64(rest * D(6.93147180559945286227e-01))), I(clamped) - I(1));
}

// A negative base has a power if the exponent is whole; zero and infinity have powers whatever the exponent.
fn pow_f64(base: D, exponent: D) -> D {
    let infinity = D(infinity_f());
    let size = abs(base);
    let grows = (size > D(1.0)) == (exponent > D(0.0));
    let extreme = (size == D(0.0)) | (size == infinity) | (abs(exponent) == infinity);
    let limit = select(select(D(0.0), infinity, grows), D(1.0), size == D(1.0));
    let magnitude = select(power_f64(select(size, D(1.0), extreme), exponent), limit, extreme);
    let whole = floor(exponent) == exponent;
    let half = D(0.5) * exponent;
    let odd = whole & (abs(exponent) != infinity) & !(floor(half) == half);
    let signed = select(magnitude, -magnitude, odd);
    let negative = select(D(nan_f()), signed, whole | extreme);
    var result = select(magnitude, negative, is_minus_f64(base));
    result = select(result, D(nan_f()), isnan_f64(base) | isnan_f64(exponent));
    return select(result, D(1.0), (exponent == D(0.0)) | (base == D(1.0)));
}
