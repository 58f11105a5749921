// lib/digamma.wgsl
//
// The logarithmic derivative of the gamma function of f32. Between 1 and 2 it is its distance from the root, 1.4616, times a
// rational function (John Maddock, Boost); from 4 on it is Stirling's series, derived; and
// psi(x + 1) = psi(x) + 1 / x leads there. Below 0, by reflection, errors are last places of the two terms of a difference.
//
// From the prelude: F, B. From lib/log.wgsl: log_f; from lib/tan.wgsl: tan_turned_f; from lib/numeric.wgsl: nan_f, infinity_f,
// isnan_f; from lib/keep.wgsl: keep_f.

// The tangent of pi x, for x from -1/2 to 1/2.
fn tan_pi_f(x: F) -> F {
    let n = floor(F(2.0) * x + F(0.5));
    return tan_turned_f(F(3.14159274) * keep_f(x - F(0.5) * n), U(I(n) + I(4)));
}

// Above 0.
fn digamma_up_f(x: F) -> F {
    // To between 1 and 2, by steps of 1, which are exact.
    let below = x < F(1.0);
    var u = select(x, x + F(1.0), below);
    var sum = select(F(0.0), F(-1.0) / x, below);
    // Ends: step counts to 2.
    for (var step = 0u; step < 2u; step++) {
        let beyond = u > F(2.0);
        let less = keep_f(u - F(1.0));
        sum = select(sum, sum + F(1.0) / less, beyond & (x < F(4.0)));
        u = select(u, less, beyond);
    }
    u = select(u, F(1.0), x >= F(4.0));
    let from_root = keep_f(u - F(1.46163213)) - F(1.243815007e-8);
    let v = u - F(1.0);
    var p = F(-0.00207133212);
    p = p * v + F(-0.0452513214);
    p = p * v + F(-0.289191264);
    p = p * v + F(-0.650318538);
    p = p * v + F(-0.325550312);
    p = p * v + F(0.254798511);
    var q = F(-5.57898413e-7);
    q = q * v + F(0.00212849870);
    q = q * v + F(0.0541517972);
    q = q * v + F(0.435935297);
    q = q * v + F(1.46062429);
    q = q * v + F(2.07671170);
    q = q * v + F(1.00000000);
    let near = from_root * F(0.99558162689208984375) + from_root * (p / q) + sum;
    let large = select(x, F(4.0), x < F(4.0));
    let z = F(1.0) / (large * large);
    var b = F(-0.0210927961);
    b = b * z + F(0.00757575758);
    b = b * z + F(-0.00416666667);
    b = b * z + F(0.00396825397);
    b = b * z + F(-0.00833333333);
    b = b * z + F(0.0833333333);
    let far = log_f(large) - (F(0.5) / large + z * b);
    return select(near, far, x >= F(4.0));
}

fn digamma_f(x: F) -> F {
    let infinity = infinity_f();
    let minus = x < F(0.0);
    let finite = select(F(1.0), x, abs(x) < infinity);
    let reflected = select(finite, F(1.0) - finite, minus);
    let up = digamma_up_f(select(reflected, F(1.0), x == F(0.0)));
    // pi / tan(pi x), of what x is away from a whole number: exactly 0 there.
    // Beyond, all are whole.
    let away = select(F(0.0), keep_f(finite - floor(finite + F(0.5))), abs(finite) < F(8388608.0));
    let down = up - F(3.14159265) / tan_pi_f(select(away, F(0.25), away == F(0.0)));
    let y = select(up, select(down, nan_f(), away == F(0.0)), minus);
    let sign = (bitcast<U>(x) & U(0x80000000u)) != U(0u);
    let at_zero = select(y, select(-infinity, infinity, sign), x == F(0.0));
    let at_ends = select(at_zero, select(infinity, nan_f(), minus), abs(x) == infinity);
    return select(at_ends, x, isnan_f(x));
}
