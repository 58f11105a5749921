// lib/area_f64.wgsl
//
// Inverse hyperbolic functions of f64; see lib/area.wgsl, of which this is the wider twin.
//
// From the prelude: D. From lib/log_f64.wgsl: log_f64, log_short_f64; from lib/double.wgsl: isnan_f64, is_minus_f64,
// rounded_f64; from lib/numeric.wgsl: nan_f, infinity_f.

// log(1 + w), for w of at least 0.
fn area_log_f64(w: D) -> D {
    let sum = rounded_f64(D(1.0) + w);
    let lost = w - rounded_f64(sum - D(1.0));
    let short = select(w, D(0.0), w > D(0.41));
    return select(log_f64(sum) + lost / sum, short + log_short_f64(short), w < D(0.41));
}

fn asinh_f64(x: D) -> D {
    let size = abs(x);
    let a = select(size, D(1e9), size > D(1e9));
    let z = a * a;
    let middle = area_log_f64(a + z / (D(1.0) + sqrt(D(1.0) + z)));
    // From there on, the root of 1 + x^2 is x.
    let large = log_f64(size) + D(6.93147180559945309417e-01);
    let y = select(middle, large, size > D(1e9));
    return select(select(y, -y, is_minus_f64(x)), x, isnan_f64(x));
}

fn acosh_f64(x: D) -> D {
    let t = rounded_f64(select(x, D(1e9), x > D(1e9)) - D(1.0));
    let w = t + sqrt(t * (t + D(2.0)));
    let middle = area_log_f64(select(w, D(0.0), x < D(1.0)));
    let y = select(middle, log_f64(x) + D(6.93147180559945309417e-01), x > D(1e9));
    return select(select(D(nan_f()), y, x >= D(1.0)), x, isnan_f64(x));
}

fn atanh_f64(x: D) -> D {
    let size = abs(x);
    let inner = select(D(0.0), size, size < D(1.0));
    // Up to 1/2, (1 + a) / (1 - a) is 1 + (2 a + 2 a^2 / (1 - a)).
    let missing = rounded_f64(D(1.0) - inner);
    let twice = D(2.0) * inner;
    let near = D(0.5) * area_log_f64(twice + twice * inner / missing);
    let far = D(0.5) * log_f64(rounded_f64(D(1.0) + inner) / missing);
    let y = select(far, near, size < D(0.5));
    let ends = select(select(D(nan_f()), D(infinity_f()), size == D(1.0)), y, size < D(1.0));
    return select(select(ends, -ends, is_minus_f64(x)), x, isnan_f64(x));
}
