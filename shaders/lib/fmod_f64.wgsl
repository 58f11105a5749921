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

fn fmod_is_number_f64(a: D, b: D) -> B {
    return !isnan_f64(a) & !isnan_f64(b) & (abs(a) < D(infinity_f())) & (abs(b) > D(0.0));
}

// Whether there is something to divide: else a number is what is left of itself.
fn fmod_is_long_f64(a: D, b: D) -> B {
    return fmod_is_number_f64(a, b) & (abs(a) >= abs(b)) & (abs(b) < D(infinity_f()));
}

// The n for which 2^n <= x < 2^(n+1).
fn fmod_exponent_f64(x: D) -> I {
    let n = exponent_f64(x);
    return select(n, n - I(1), rounded_f64(fmod_scale_f64(x, -n)) < D(1.0));
}

// A divisor brought to between 1 and 2, and its exponent: those of 1 where nothing is divided.
fn fmod_divisor_f64(a: D, b: D) -> D {
    return select(D(1.0), abs(b), fmod_is_long_f64(a, b));
}

// What is left, of a divisor brought to between 1 and 2. As it stands it may be subnormal, and vanish.
fn fmod_rest_f64(a: D, b: D) -> D {
    let is_long = fmod_is_long_f64(a, b);
    let x = select(D(1.0), abs(a), is_long);
    let y = fmod_divisor_f64(a, b);
    let ex = fmod_exponent_f64(x);
    let ey = fmod_exponent_f64(y);
    let by = rounded_f64(fmod_scale_f64(y, -ey));
    let high = D(bitcast<F>(bitcast<U>(F(by)) & U(0xfffffff8u)));
    let low = rounded_f64(by - high);
    var rest = rounded_f64(fmod_scale_f64(x, -ex));
    rest = select(rest, rest - by, rest >= by);
    var left = ex - ey;
    // Ends: what is left of each steps to 0 by at least 1. Of a scalar and of a vector of them, a length is 0 where they are.
    while length(F(max(left, I(0)))) > 0.5 {
        let step = max(min(left, I(20)), I(0));
        let up = rounded_f64(rest * D(bitcast<F>((step + I(127)) << U(23u))));
        // Rounding may make the quotient too large by 1, never too small.
        let quotient = floor(rounded_f64(up / by) + D(0.0009765625));
        let next = rounded_f64(rounded_f64(up - quotient * high) - quotient * low);
        rest = select(rest, select(next, next + by, next < D(0.0)), left > I(0));
        left = left - step;
    }
    return rounded_f64(rest);
}

// With the sign of another.
fn fmod_signed_f64(size: D, sign: D) -> D {
    return select(size, -size, is_minus_f64(sign));
}

fn fmod_f64(a: D, b: D) -> D {
    let ey = fmod_exponent_f64(fmod_divisor_f64(a, b));
    let rest = fmod_signed_f64(fmod_scale_f64(fmod_rest_f64(a, b), ey), a);
    return select(select(D(nan_f()), a, fmod_is_number_f64(a, b)), rest, fmod_is_long_f64(a, b));
}

// Of a longer number, what is missing to the divisor is as exact as what is left.
fn remainder_f64(a: D, b: D) -> D {
    let rest = fmod_rest_f64(a, b);
    let differ = is_minus_f64(a) != is_minus_f64(b);
    let y = fmod_divisor_f64(a, b);
    let ey = fmod_exponent_f64(y);
    let is_missing = differ & !(rest == D(0.0));
    let places = select(rest, rounded_f64(rounded_f64(fmod_scale_f64(y, -ey)) - rest), is_missing);
    let long = fmod_signed_f64(fmod_scale_f64(places, ey), select(a, b, is_missing));
    let short = select(a, a + b, differ & !(a == D(0.0)));
    return select(select(D(nan_f()), short, fmod_is_number_f64(a, b)), long, fmod_is_long_f64(a, b));
}

// Of a quotient without the rest, the nearest whole number: only rounding has moved it. Tiny numbers are made larger first.
fn floor_divide_f64(a: D, b: D) -> D {
    let rest = fmod_rest_f64(a, b);
    let differ = is_minus_f64(a) != is_minus_f64(b);
    let ey = fmod_exponent_f64(fmod_divisor_f64(a, b));
    let tiny = abs(b) < D(1e-290);
    let p64 = D(18446744073709551616.0);
    let up = select(D(1.0), p64, tiny);
    let left = fmod_signed_f64(fmod_scale_f64(rest, ey + select(I(0), I(64), tiny)), a);
    let without = rounded_f64(rounded_f64(a * up) - left);
    let whole = round_f64(rounded_f64(without / rounded_f64(b * up)));
    let long = select(whole, whole - D(1.0), differ & !(rest == D(0.0)));
    let short = select(D(0.0), D(-1.0), differ & !(a == D(0.0)));
    let quotient = select(short, long, fmod_is_long_f64(a, b));
    let signed = select(quotient, select(D(0.0), D(-0.0), differ), quotient == D(0.0));
    // By 0 it is infinity, but of 0.
    let infinite = select(D(infinity_f()), -D(infinity_f()), differ);
    let by_zero = select(infinite, D(nan_f()), (a == D(0.0)) | isnan_f64(a));
    return select(select(D(nan_f()), signed, fmod_is_number_f64(a, b)), by_zero, (b == D(0.0)) & !isnan_f64(b));
}
