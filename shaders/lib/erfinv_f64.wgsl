// lib/erfinv_f64.wgsl
//
// The inverse of the error function of f64, by the quantiles of the normal distribution: Michael Wichura, "Algorithm AS 241",
// 1988. The divisors by the square root of 2 and by 2 that quantiles need are in the coefficients.
//
// From the prelude: D. From lib/log_f64.wgsl: log_f64; from lib/double.wgsl: isnan_f64, rounded_f64; from
// lib/numeric.wgsl: nan_f, infinity_f.

fn erfinv_f64(x: D) -> D {
    let size = abs(x);
    let inner = select(x, D(0.0), !(size < D(1.0)));
    // Around 0, a rational function of the square.
    let z = D(0.180625) - D(0.25) * inner * inner;
    var p = D(887.094069625455148);
    p = p * z + D(11819.4933470622944);
    p = p * z + D(23782.0413821143857);
    p = p * z + D(16235.8625151675754);
    p = p * z + D(4854.88688938438868);
    p = p * z + D(697.062665343895982);
    p = p * z + D(47.0726881123839780);
    p = p * z + D(1.19753231156709126);
    var q = D(5226.49527885254592);
    q = q * z + D(28729.0857357219427);
    q = q * z + D(39307.8958000927106);
    q = q * z + D(21213.7943015865959);
    q = q * z + D(5394.19602142475111);
    q = q * z + D(687.187007492057908);
    q = q * z + D(42.3133307016009113);
    q = q * z + D(1.00000000000000000);
    let near = inner * (p / q);
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
