// lib/pow.wgsl
//
// Powers of f32, as 2^(y log2 x).
//
// The logarithm needs a third more digits than f32 has: it is kept as the sum of a number of twelve digits and a rest.
// The high parts are cut off as bits, so that their products are exact whether or not the hardware fuses them, and
// differences are kept from compilers that would see that they "must" be zero. The formulas are those of FreeBSD's
// e_powf.c (Ian Lance Taylor, after Sun Microsystems' fdlibm).
//
// From the prelude: F, I, U, B. From lib/numeric.wgsl: high_f, isnan_f, nan_f, infinity_f; from lib/exp.wgsl:
// expm1_short, scale_f; from lib/keep.wgsl: keep_f.

// size^exponent for a size above 0 and finite numbers.
fn power_f(size: F, exponent: F) -> F {
    // size = 2^n m with m between √¾ and √3; its logarithm is that of c, 1 or 3/2, and that of m / c.
    let tiny = bitcast<U>(size) < U(0x00800000u);
    let bits = bitcast<U>(select(size, size * F(16777216.0), tiny));
    let fraction = bits & U(0x007fffffu);
    let middle = (fraction > U(0x001cc471u)) & (fraction < U(0x005db3d7u));
    let upper = fraction >= U(0x005db3d7u);
    let n = F(bitcast<I>(bits >> U(23u)) - I(127)) - select(F(0.0), F(24.0), tiny) + select(F(0.0), F(1.0), upper);
    let m = bitcast<F>(fraction | select(U(0x3f800000u), U(0x3f000000u), upper));
    let c = select(F(1.0), F(1.5), middle);

    // s = (m - c) / (m + c), as s_high + s_low.
    let u = m - c;
    let v = F(1.0) / (m + c);
    let s = u * v;
    let s_high = high_f(s);
    let sum_high = high_f(m + c);
    let sum_low = m - keep_f(sum_high - c);
    let s_low = v * (keep_f(u - s_high * sum_high) - s_high * sum_low);

    // (3/2) log(m / c) = s (3 + s² + r), as p_high + p_low.
    let z = s * s;
    var r = F(2.0697501302e-1);
    r = r * z + F(2.3066075146e-1);
    r = r * z + F(2.7272811532e-1);
    r = r * z + F(3.3333334327e-1);
    r = r * z + F(4.2857143283e-1);
    r = r * z + F(6.0000002384e-1);
    r = r * z * z + s_low * (s_high + s);
    let square = s_high * s_high;
    let t_high = high_f(F(3.0) + square + r);
    let t_low = r - keep_f(keep_f(t_high - F(3.0)) - square);
    let product = s_high * t_high;
    let product_low = s_low * t_high + t_low * s;
    let p_high = high_f(product + product_low);
    let p_low = product_low - keep_f(p_high - product);

    // log2(size) as log_high + log_low. 0.9617967 is 2 / (3 ln 2); the rest is log2(3/2) in two parts.
    let c_high = select(F(0.0), F(5.84960938e-1), middle);
    let c_low = select(F(0.0), F(1.56322085e-6), middle);
    let z_high = F(9.6191406250e-1) * p_high;
    let z_low = F(-1.1736857402e-4) * p_high + p_low * F(9.6179670095e-1) + c_low;
    let log_high = high_f(((z_high + z_low) + c_high) + n);
    let log_low = z_low - keep_f(keep_f(keep_f(log_high - n) - c_high) - z_high);

    // Beyond 2^40 every size but 1 has overflowed, or vanished.
    let y = clamp(exponent, F(-1.0995116e12), F(1.0995116e12));
    let y_high = high_f(y);
    let low = keep_f(y - y_high) * log_high + y * log_low;
    let high = y_high * log_high;
    let inside = abs(high + low) < F(160.0);
    let whole = floor(clamp(high + low, F(-160.0), F(160.0)) + F(0.5));
    let rest = select(F(0.0), keep_f(high - whole) + low, inside);
    return scale_f(F(1.0) + expm1_short(rest * F(6.9314718e-1)), I(whole));
}

// A negative base has a power if the exponent is whole; zero and infinity have powers whatever the exponent.
fn pow_f(base: F, exponent: F) -> F {
    let infinity = infinity_f();
    let size = abs(base);
    let grows = (size > F(1.0)) == (exponent > F(0.0));
    let extreme = (size == F(0.0)) | (size == infinity) | (abs(exponent) == infinity);
    let limit = select(select(F(0.0), infinity, grows), F(1.0), size == F(1.0));
    let magnitude = select(power_f(size, exponent), limit, extreme);
    let whole = floor(exponent) == exponent;
    let half = F(0.5) * exponent;
    let odd = whole & (abs(exponent) != infinity) & !(floor(half) == half);
    let signed = select(magnitude, -magnitude, odd);
    let negative = select(nan_f(), signed, whole | extreme);
    let minus = (bitcast<U>(base) & U(0x80000000u)) != U(0u);
    var result = select(magnitude, negative, minus);
    result = select(result, nan_f(), isnan_f(base) | isnan_f(exponent));
    return select(result, F(1.0), (exponent == F(0.0)) | (base == F(1.0)));
}
