// lib/digamma_f64.wgsl
//
// The logarithmic derivative of the gamma function of f64. Between 1 and 2 it is its distance from the root, 1.4616, times a
// rational function (John Maddock, Boost); from 10 on it is Stirling's series, derived; and
// psi(x + 1) = psi(x) + 1 / x leads there. Below 0, by reflection, errors are last places of the two terms of a difference.
//
// From the prelude: D, B. From lib/log_f64.wgsl: log_f64; from lib/tan_f64.wgsl: tan_turned_f64; from lib/double.wgsl:
// isnan_f64, is_minus_f64, rounded_f64; from lib/numeric.wgsl: nan_f, infinity_f.

// The tangent of pi x, for x from -1/2 to 1/2.
fn tan_pi_f64(x: D) -> D {
    let n = floor(D(2.0) * x + D(0.5));
    return tan_turned_f64(D(3.14159265358979311600e+00) * rounded_f64(x - D(0.5) * n), U(I(n) + I(4)));
}

// Above 0.
fn digamma_up_f64(x: D) -> D {
    // To between 1 and 2, by steps of 1, which are exact.
    let below = x < D(1.0);
    var u = select(x, x + D(1.0), below);
    var sum = select(D(0.0), D(-1.0) / x, below);
    // Ends: step counts to 8.
    for (var step = 0u; step < 8u; step++) {
        let beyond = u > D(2.0);
        let less = rounded_f64(u - D(1.0));
        sum = select(sum, sum + D(1.0) / less, beyond & (x < D(10.0)));
        u = select(u, less, beyond);
    }
    u = select(u, D(1.0), x >= D(10.0));
    let from_root = rounded_f64(u - D(1.461632144968362245763)) - D(9.54999543e-17);
    let v = u - D(1.0);
    var p = D(-0.00207133211677459520);
    p = p * v + D(-0.0452513214487390560);
    p = p * v + D(-0.289191264447747840);
    p = p * v + D(-0.650318537708965070);
    p = p * v + D(-0.325550311868044910);
    p = p * v + D(0.254798510611315510);
    var q = D(-5.57898413216755130e-7);
    q = q * v + D(0.00212849870178211440);
    q = q * v + D(0.0541517972456742250);
    q = q * v + D(0.435935296926659690);
    q = q * v + D(1.46062429097635150);
    q = q * v + D(2.07671170237304690);
    q = q * v + D(1.00000000000000000);
    let near = from_root * D(0.99558162689208984375) + from_root * (p / q) + sum;
    let large = select(x, D(10.0), x < D(10.0));
    let z = D(1.0) / (large * large);
    var b = D(0.0833333333333333333);
    b = b * z + D(-0.0210927960927960928);
    b = b * z + D(0.00757575757575757576);
    b = b * z + D(-0.00416666666666666667);
    b = b * z + D(0.00396825396825396825);
    b = b * z + D(-0.00833333333333333333);
    b = b * z + D(0.0833333333333333333);
    let far = log_f64(large) - (D(0.5) / large + z * b);
    return select(near, far, x >= D(10.0));
}

fn digamma_f64(x: D) -> D {
    let infinity = D(infinity_f());
    let minus = x < D(0.0);
    let finite = select(D(1.0), x, abs(x) < infinity);
    let reflected = select(finite, D(1.0) - finite, minus);
    let up = digamma_up_f64(select(reflected, D(1.0), x == D(0.0)));
    // pi / tan(pi x), of what x is away from a whole number: exactly 0 there.
    // Beyond, all are whole.
    let away = select(D(0.0), rounded_f64(finite - floor(finite + D(0.5))), abs(finite) < D(4503599627370496.0));
    let down = up - D(3.14159265358979324) / tan_pi_f64(select(away, D(0.25), away == D(0.0)));
    let y = select(up, select(down, D(nan_f()), away == D(0.0)), minus);
    let sign = is_minus_f64(x);
    let at_zero = select(y, select(-infinity, infinity, sign), x == D(0.0));
    let at_ends = select(at_zero, select(infinity, D(nan_f()), minus), abs(x) == infinity);
    return select(at_ends, x, isnan_f64(x));
}
