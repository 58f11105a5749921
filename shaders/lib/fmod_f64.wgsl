// lib/fmod_f64.wgsl
//
// What is left of a division by a whole number of times, in f64; see lib/fmod.wgsl. Digits are divided twenty at a time, by
// exact arithmetic.
//
// From the prelude: D, F, I, U, B. From lib/double.wgsl: exponent_f64, scale_f64, isnan_f64, is_minus_f64, rounded_f64,
// round_f64; from lib/numeric.wgsl: nan_f, infinity_f.

// x 2^n, for n from -2000 to 2000.
fn fmod_scale_f64(x: D, n: I) -> D {
    let half = n >> U(1u);
    return rounded_f64(scale_f64(x, half)) * fmod_power_f64(n - half);
}

fn fmod_power_f64(n: I) -> D {
    return rounded_f64(scale_f64(D(1.0), n));
}

fn fmod_f64(a: D, b: D) -> D {
    let infinity = D(infinity_f());
    let size = abs(a);
    let divisor = abs(b);
    let is_number = !isnan_f64(a) & !isnan_f64(b) & (size < infinity) & (divisor > D(0.0));
    let is_long = is_number & (size >= divisor) & (divisor < infinity);
    let x = select(D(1.0), size, is_long);
    let y = select(D(1.0), divisor, is_long);
    // Both from 1 to 2.
    var ex = exponent_f64(x);
    var ey = exponent_f64(y);
    var rest = rounded_f64(fmod_scale_f64(x, -ex));
    var by = rounded_f64(fmod_scale_f64(y, -ey));
    ex = select(ex, ex - I(1), rest < D(1.0));
    ey = select(ey, ey - I(1), by < D(1.0));
    rest = select(rest, D(2.0) * rest, rest < D(1.0));
    by = select(by, D(2.0) * by, by < D(1.0));
    let high = D(bitcast<F>(bitcast<U>(F(by)) & U(0xfffffff8u)));
    let low = rounded_f64(by - high);
    rest = select(rest, rest - by, rest >= by);
    var left = ex - ey;
    // Ends: what is left of each steps to 0 by at least 1. Of a scalar and of a vector of them, a length is 0 where they are.
    while length(F(max(left, I(0)))) > 0.5 {
        let step = max(min(left, I(20)), I(0));
        let up = rounded_f64(rest * D(bitcast<F>((step + I(127)) << U(23u))));
        // Rounding may make the quotient too large by 1, never too small.
        let quotient = floor(up / by + D(0.0009765625));
        let next = rounded_f64(rounded_f64(up - quotient * high) - quotient * low);
        rest = select(rest, select(next, next + by, next < D(0.0)), left > I(0));
        left = left - step;
    }
    let short = fmod_scale_f64(rest, ey);
    let signed = select(short, -short, is_minus_f64(a));
    return select(select(D(nan_f()), a, is_number), signed, is_long);
}

fn fmod_is_across_f64(rest: D, b: D) -> B {
    return !(rest == D(0.0)) & ((rest < D(0.0)) != (b < D(0.0)));
}

fn remainder_f64(a: D, b: D) -> D {
    let rest = rounded_f64(fmod_f64(a, b));
    return select(rest, rest + b, fmod_is_across_f64(rest, b));
}

fn floor_divide_f64(a: D, b: D) -> D {
    let rest = rounded_f64(fmod_f64(a, b));
    let whole = round_f64(rounded_f64(rounded_f64(a - rest) / b));
    let quotient = select(whole, whole - D(1.0), fmod_is_across_f64(rest, b));
    let minus = is_minus_f64(a) != is_minus_f64(b);
    let signed = select(quotient, select(D(0.0), D(-0.0), minus), quotient == D(0.0));
    return select(select(signed, D(nan_f()), isnan_f64(rest)), a / b, (b == D(0.0)) & !isnan_f64(a));
}
