// lib/erfinv_f64.wgsl
//
// The inverse of the error function of f64, by the quantiles of the normal distribution: Michael Wichura, "Algorithm AS 241",
// 1988. The divisors by the square root of 2 that quantiles need are in the coefficients.
//
// From the prelude: D. From lib/log_f64.wgsl: log_f64; from lib/double.wgsl: isnan_f64, rounded_f64; from
// lib/numeric.wgsl: nan_f, infinity_f.

fn erfinv_f64(x: D) -> D {
    let size = abs(x);
    let inner = select(x, D(0.0), !(size < D(1.0)));
    // Around 0, x times its slope there and the square times a rational function, which interpolates at Chebyshev nodes
    // and was solved for with 60 digits (mpmath).
    let z = inner * inner;
    let w = D(0.7226) - z;
    var p = D(8.44579641137301164e-4);
    p = p * w + D(0.370656781072694956);
    p = p * w + D(5.22068433128059850);
    p = p * w + D(22.7218392209800705);
    p = p * w + D(42.9279678040758270);
    p = p * w + D(40.2446153647082440);
    p = p * w + D(19.4897112284338553);
    p = p * w + D(4.64947747316472491);
    p = p * w + D(0.430937413427930611);
    var q = D(0.542762108138175056);
    q = q * w + D(10.5137202299768950);
    q = q * w + D(62.0313633785826184);
    q = q * w + D(160.674530383620156);
    q = q * w + D(212.405854026192249);
    q = q * w + D(153.046887198711903);
    q = q * w + D(60.5290648615017053);
    q = q * w + D(12.2957139904922983);
    q = q * w + D(1.00000000000000000);
    let near = inner * (D(0.886226925452758014) + z * (p / q));
    // Beyond, one of the root of the logarithm of what is missing to 1.
    let missing = D(0.5) * rounded_f64(D(1.0) - abs(inner));
    let root = sqrt(-log_f64(missing));
    let r = root - D(1.6);
    var c = D(5.47686031930446486e-4);
    c = c * r + D(0.0160681848865441897);
    c = c * r + D(0.170964790333176352);
    c = c * r + D(0.898349645523480405);
    c = c * r + D(2.57941828718004927);
    c = c * r + D(4.07965060933179904);
    c = c * r + D(3.27414329020200603);
    c = c * r + D(1.00652203360368792);
    var d = D(1.05075007164441684e-9);
    d = d * r + D(5.47593808499534495e-4);
    d = d * r + D(0.0151986665636164572);
    d = d * r + D(0.148103976427480075);
    d = d * r + D(0.689767334985100005);
    d = d * r + D(1.67638483018380385);
    d = d * r + D(2.05319162663775882);
    d = d * r + D(1.00000000000000000);
    let v = root - D(5.0);
    var e = D(1.42152108619216145e-7);
    e = e * v + D(1.91735933022266569e-5);
    e = e * v + D(8.78693982613809826e-4);
    e = e * v + D(0.0187610911339686706);
    e = e * v + D(0.209699991372496018);
    e = e * v + D(1.26206294961723886);
    e = e * v + D(3.86347936162888342);
    e = e * v + D(4.70784952191303369);
    var f = D(2.04426310338993979e-15);
    f = f * v + D(1.42151175831644589e-7);
    f = f * v + D(1.84631831751005468e-5);
    f = f * v + D(7.86869131145613259e-4);
    f = f * v + D(0.0148753612908506149);
    f = f * v + D(0.136929880922735805);
    f = f * v + D(0.599832206555887938);
    f = f * v + D(1.00000000000000000);
    let high = root > D(5.0);
    let far = select(c, e, high) / select(d, f, high);
    let y = select(select(far, -far, x < D(0.0)), near, size <= D(0.85));
    let ends = select(select(-D(infinity_f()), D(infinity_f()), x > D(0.0)), D(nan_f()), (size > D(1.0)) | isnan_f64(x));
    return select(ends, y, size < D(1.0));
}
