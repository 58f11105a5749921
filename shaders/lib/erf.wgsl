// lib/erf.wgsl
//
// The error function of f32, after Norbert Juffa's `erff`.
//
// From the prelude: F, B. From lib/exp.wgsl: exp_f; from lib/numeric.wgsl: isnan_f.

fn erf_f(x: F) -> F {
    // From 4 on the nearest f32 is 1.
    let t = min(abs(x), F(4.0));
    let s = t * t;
    var p = F(-1.72853470e-5) * t + F(3.83197126e-4);
    let q = F(-3.88396438e-3) * t + F(2.42546219e-2);
    p = p * s + q;
    p = p * t + F(-1.06777877e-1);
    p = p * t + F(-6.34846687e-1);
    p = p * t + F(-1.28717512e-1);
    let beyond = F(1.0) - exp_f(p * t - t);
    p = F(-5.96761703e-4);
    p = p * s + F(4.99119423e-3);
    p = p * s + F(-2.67681349e-2);
    p = p * s + F(1.12819925e-1);
    p = p * s + F(-3.76125336e-1);
    p = p * s + F(1.28379166e-1);
    // For the smallest x hardware may flush p x to zero; there the first term is all there is.
    let within = select(p * x + x, x * F(1.12837917), t < F(1e-10));
    let y = select(within, select(beyond, -beyond, x < F(0.0)), t > F(0.927734375));
    return select(y, x, isnan_f(x));
}
