// lib/lgamma.wgsl
//
// The logarithm of the absolute value of the gamma function of f32. Formulas and coefficients are those of fdlibm (Sun
// Microsystems). Above 0 all digits are right, next to the zeros 1 and 2, too. Below, by reflection, errors are last places
// of the two terms of a difference.
//
// From the prelude: F, B. From lib/log.wgsl: log_f; from lib/trig.wgsl: sin_turned; from lib/numeric.wgsl: isnan_f,
// infinity_f; from lib/keep.wgsl: keep_f.

// The sine of pi x, for x from -1/2 to 1/2.
fn sin_pi_f(x: F) -> F {
    let n = floor(F(2.0) * x + F(0.5));
    return sin_turned(F(3.14159274) * keep_f(x - F(0.5) * n), U(I(n) + I(4)));
}

// Above 0 and below 2: of the distance to 1 or 2, or to the minimum between.
fn lgamma_low_f(x: F) -> F {
    let low = x <= F(0.9);
    let is_upper = select(x >= F(1.7316), x >= F(0.7316), low);
    let is_middle = select(x >= F(1.2316), x >= F(0.2316), low);
    let from_upper = select(F(2.0), F(1.0), low) - x;
    let from_middle = x - select(F(1.46163213), F(0.461632132), low);
    let from_lower = x - select(F(1.0), F(0.0), low);
    let y = select(select(from_lower, from_middle, is_middle), from_upper, is_upper);
    let z = y * y;
    var a = F(2.52144564e-5);
    a = a * z + F(2.20862785e-4);
    a = a * z + F(0.00119270768);
    a = a * z + F(0.00738555100);
    a = a * z + F(0.0673523024);
    a = a * z + F(0.0772156641);
    var b = F(4.48640967e-5);
    b = b * z + F(1.08011569e-4);
    b = b * z + F(5.10069774e-4);
    b = b * z + F(0.00289051374);
    b = b * z + F(0.0205808077);
    b = b * z + F(0.322467029);
    let upper = (y * a + z * b) - F(0.5) * y;
    let cube = z * y;
    var c = F(3.15632060e-4);
    c = c * cube + F(-0.00140346470);
    c = c * cube + F(0.00610053865);
    c = c * cube + F(-0.0327885412);
    c = c * cube + F(0.483836114);
    var d = F(-3.12754157e-4);
    d = d * cube + F(8.81081854e-4);
    d = d * cube + F(-0.00368452026);
    d = d * cube + F(0.0179706756);
    d = d * cube + F(-0.147587717);
    var e = F(3.35529185e-4);
    e = e * cube + F(-5.38595312e-4);
    e = e * cube + F(0.00225964771);
    e = e * cube + F(-0.0103142243);
    e = e * cube + F(0.0646249428);
    let middle = F(-0.121486284) + (z * c - (F(6.69710065e-9) - cube * (d + y * e)));
    var u = F(0.0133810919);
    u = u * y + F(0.228963733);
    u = u * y + F(0.977717519);
    u = u * y + F(1.45492256);
    u = u * y + F(0.632827044);
    u = u * y + F(-0.0772156641);
    var v = F(0.00321709248);
    v = v * y + F(0.104222648);
    v = v * y + F(0.769285142);
    v = v * y + F(2.12848973);
    v = v * y + F(2.45597792);
    v = v * y + F(1.00000000);
    let lower = F(-0.5) * y + y * u / v;
    let sum = select(select(lower, middle, is_middle), upper, is_upper);
    // Up to 0.9, by the function of x + 1.
    return select(sum, sum - log_f(x), low);
}

// From 2 to 8: by the function between 2 and 3.
fn lgamma_mid_f(x: F) -> F {
    let whole = floor(x);
    let y = x - whole;
    var p = F(3.19475330e-5);
    p = p * y + F(0.00184028456);
    p = p * y + F(0.0266422704);
    p = p * y + F(0.146350473);
    p = p * y + F(0.325778782);
    p = p * y + F(0.214982420);
    p = p * y + F(-0.0772156641);
    var q = F(7.32668423e-6);
    q = q * y + F(7.77942478e-4);
    q = q * y + F(0.0186459199);
    q = q * y + F(0.171933860);
    q = q * y + F(0.721935570);
    q = q * y + F(1.39200532);
    q = q * y + F(1.00000000);
    var product = F(1.0);
    product = select(product, product * (y + F(6.0)), whole >= F(7.0));
    product = select(product, product * (y + F(5.0)), whole >= F(6.0));
    product = select(product, product * (y + F(4.0)), whole >= F(5.0));
    product = select(product, product * (y + F(3.0)), whole >= F(4.0));
    product = select(product, product * (y + F(2.0)), whole >= F(3.0));
    return (F(0.5) * y + y * p / q) + log_f(product);
}

// From 8 on: Stirling's series.
fn lgamma_high_f(x: F) -> F {
    let z = F(1.0) / x;
    let square = z * z;
    var w = F(-0.00163092930);
    w = w * square + F(8.36339896e-4);
    w = w * square + F(-5.95187536e-4);
    w = w * square + F(7.93650572e-4);
    w = w * square + F(-0.00277777784);
    w = w * square + F(0.0833333358);
    let log = log_f(x);
    return (x - F(0.5)) * keep_f(log - F(1.0)) + (F(0.418938547) + z * w);
}

fn lgamma_f(x: F) -> F {
    let infinity = infinity_f();
    let size = abs(x);
    let finite = select(F(1.0), size, size < infinity);
    let low = lgamma_low_f(clamp(finite, F(1.17549435e-38), F(2.0)));
    let mid = lgamma_mid_f(clamp(finite, F(2.0), F(7.9999995)));
    let high = lgamma_high_f(max(finite, F(8.0)));
    let up = select(select(high, mid, size < F(8.0)), low, size < F(2.0));
    // The sine of pi x, of what x is away from a whole number: exactly 0 there.
    // Beyond, all are whole.
    let away = select(F(0.0), keep_f(finite - floor(finite + F(0.5))), abs(finite) < F(8388608.0));
    let sine = abs(sin_pi_f(away));
    // Next to 0 the reflected function would be that of infinity.
    let next = size < F(1e-15);
    let reflected = log_f(F(3.14159265) / (select(sine, F(1.0), next) * select(finite, F(1.0), next))) - up;
    let down = select(select(reflected, infinity, sine == F(0.0)), -log_f(finite), next);
    let y = select(up, down, x < F(0.0));
    let ends = select(y, infinity, (size == infinity) | (x == F(0.0)));
    return select(ends, x, isnan_f(x));
}
