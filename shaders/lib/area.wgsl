// lib/area.wgsl
//
// Inverse hyperbolic functions of f32, by logarithms of 1 + w with what rounding takes from that sum. The polynomials are
// those of Cephes (Stephen Moshier).
//
// From the prelude: F. From lib/log.wgsl: log_f, log_short; from lib/numeric.wgsl: isnan_f, nan_f, infinity_f; from
// lib/keep.wgsl: keep_f.

// log(1 + w), for w of at least 0.
fn area_log_f(w: F) -> F {
    let sum = keep_f(F(1.0) + w);
    let lost = w - keep_f(sum - F(1.0));
    return select(log_f(sum) + lost / sum, w + log_short(w), w < F(0.41));
}

fn asinh_f(x: F) -> F {
    let size = abs(x);
    let a = min(size, F(16384.0));
    let z = a * a;
    let middle = area_log_f(a + z / (F(1.0) + sqrt(F(1.0) + z)));
    var p = F(2.0122003309e-2);
    p = p * z + F(-4.2699340972e-2);
    p = p * z + F(7.4847586088e-2);
    p = p * z + F(-1.6666288134e-1);
    let small = a + a * z * p;
    // From there on, the root of 1 + x^2 is x.
    let large = log_f(size) + F(0.69314718);
    let y = select(select(middle, large, size > F(16384.0)), small, size < F(0.5));
    // A zero keeps its sign.
    let minus = (bitcast<U>(x) & U(0x80000000u)) != U(0u);
    return select(select(y, -y, minus), x, isnan_f(x));
}

fn acosh_f(x: F) -> F {
    let t = keep_f(min(x, F(16384.0)) - F(1.0));
    let middle = area_log_f(t + sqrt(t * (t + F(2.0))));
    let y = select(middle, log_f(x) + F(0.69314718), x > F(16384.0));
    return select(select(nan_f(), y, x >= F(1.0)), x, isnan_f(x));
}

fn atanh_f(x: F) -> F {
    let size = abs(x);
    let z = x * x;
    var p = F(1.81740078349e-1);
    p = p * z + F(8.24370301058e-2);
    p = p * z + F(1.46691431730e-1);
    p = p * z + F(1.99782164500e-1);
    p = p * z + F(3.33337300303e-1);
    let small = x + x * z * p;
    let inner = min(size, F(0.99999994));
    let large = F(0.5) * log_f(keep_f(F(1.0) + inner) / keep_f(F(1.0) - inner));
    let ends = select(select(nan_f(), infinity_f(), size == F(1.0)), large, size < F(1.0));
    return select(select(select(ends, -ends, x < F(0.0)), small, size < F(0.5)), x, isnan_f(x));
}
