// lib/lgamma_f64.wgsl
//
// The logarithm of the absolute value of the gamma function of f64. Formulas and coefficients are those of fdlibm (Sun
// Microsystems). Above 0 all digits are right, next to the zeros 1 and 2, too. Below, by reflection, errors are last places
// of the two terms of a difference.
//
// From the prelude: D, B. From lib/log_f64.wgsl: log_f64; from lib/trig_f64.wgsl: sin_turned_f64; from lib/double.wgsl:
// isnan_f64, rounded_f64; from lib/numeric.wgsl: infinity_f.

// The sine of pi x, for x from -1/2 to 1/2.
fn sin_pi_f64(x: D) -> D {
    let n = floor(D(2.0) * x + D(0.5));
    return sin_turned_f64(D(3.14159265358979311600e+00) * rounded_f64(x - D(0.5) * n), U(I(n) + I(4)));
}

// Above 0 and below 2: of the distance to 1 or 2, or to the minimum between.
fn lgamma_low_f64(x: D) -> D {
    let low = x <= D(0.9);
    let is_upper = select(x >= D(1.7316), x >= D(0.7316), low);
    let is_middle = select(x >= D(1.2316), x >= D(0.2316), low);
    let from_upper = select(D(2.0), D(1.0), low) - x;
    let from_middle = x - select(D(1.46163214496836225), D(0.461632144968362246), low);
    let from_lower = x - select(D(1.0), D(0.0), low);
    let y = select(select(from_lower, from_middle, is_middle), from_upper, is_upper);
    let z = y * y;
    var a = D(2.52144565451257327e-5);
    a = a * z + D(2.20862790713908386e-4);
    a = a * z + D(0.00119270763183362068);
    a = a * z + D(0.00738555086081402884);
    a = a * z + D(0.0673523010531292682);
    a = a * z + D(0.0772156649015328655);
    var b = D(4.48640949618915160e-5);
    b = b * z + D(1.08011567247583940e-4);
    b = b * z + D(5.10069792153511337e-4);
    b = b * z + D(0.00289051383673415629);
    b = b * z + D(0.0205808084325167333);
    b = b * z + D(0.322467033424113592);
    let upper = (y * a + z * b) - D(0.5) * y;
    let cube = z * y;
    var c = D(3.15632070903625950e-4);
    c = c * cube + D(-0.00140346469989232844);
    c = c * cube + D(0.00610053870246291333);
    c = c * cube + D(-0.0327885410759859650);
    c = c * cube + D(0.483836122723810047);
    var d = D(-3.12754168375120861e-4);
    d = d * cube + D(8.81081882437654011e-4);
    d = d * cube + D(-0.00368452016781138257);
    d = d * cube + D(0.0179706750811820387);
    d = d * cube + D(-0.147587722994593912);
    var e = D(3.35529192635519074e-4);
    e = e * cube + D(-5.38595305356740547e-4);
    e = e * cube + D(0.00225964780900612472);
    e = e * cube + D(-0.0103142241298341437);
    e = e * cube + D(0.0646249402391333855);
    let middle = D(-0.121486290535849611) + (z * c - (D(-3.63867699703950537e-18) - cube * (d + y * e)));
    var u = D(0.0133810918536787660);
    u = u * y + D(0.228963728064692451);
    u = u * y + D(0.977717527963372746);
    u = u * y + D(1.45492250137234769);
    u = u * y + D(0.632827064025093367);
    u = u * y + D(-0.0772156649015328655);
    var v = D(0.00321709242282423912);
    v = v * y + D(0.104222645593369134);
    v = v * y + D(0.769285150456672784);
    v = v * y + D(2.12848976379893395);
    v = v * y + D(2.45597793713041135);
    v = v * y + D(1.00000000000000000);
    let lower = D(-0.5) * y + y * u / v;
    let sum = select(select(lower, middle, is_middle), upper, is_upper);
    // Up to 0.9, by the function of x + 1.
    return select(sum, sum - log_f64(x), low);
}

// From 2 to 8: by the function between 2 and 3.
fn lgamma_mid_f64(x: D) -> D {
    let whole = floor(x);
    let y = x - whole;
    var p = D(3.19475326584100868e-5);
    p = p * y + D(0.00184028451407337716);
    p = p * y + D(0.0266422703033638610);
    p = p * y + D(0.146350472652464453);
    p = p * y + D(0.325778796408930982);
    p = p * y + D(0.214982415960608853);
    p = p * y + D(-0.0772156649015328655);
    var q = D(7.32668430744625636e-6);
    q = q * y + D(7.77942496381893596e-4);
    q = q * y + D(0.0186459191715652901);
    q = q * y + D(0.171933865632803079);
    q = q * y + D(0.721935547567138070);
    q = q * y + D(1.39200533467621046);
    q = q * y + D(1.00000000000000000);
    var product = D(1.0);
    product = select(product, product * (y + D(6.0)), whole >= D(7.0));
    product = select(product, product * (y + D(5.0)), whole >= D(6.0));
    product = select(product, product * (y + D(4.0)), whole >= D(5.0));
    product = select(product, product * (y + D(3.0)), whole >= D(4.0));
    product = select(product, product * (y + D(2.0)), whole >= D(3.0));
    return (D(0.5) * y + y * p / q) + log_f64(product);
}

// From 8 on: Stirling's series.
fn lgamma_high_f64(x: D) -> D {
    let z = D(1.0) / x;
    let square = z * z;
    var w = D(-0.00163092934096575274);
    w = w * square + D(8.36339918996282139e-4);
    w = w * square + D(-5.95187557450339963e-4);
    w = w * square + D(7.93650558643019558e-4);
    w = w * square + D(-0.00277777777728775536);
    w = w * square + D(0.0833333333333329679);
    let log = log_f64(x);
    return (x - D(0.5)) * rounded_f64(log - D(1.0)) + (D(0.418938533204672725) + z * w);
}

fn lgamma_f64(x: D) -> D {
    let infinity = D(infinity_f());
    let size = abs(x);
    let finite = select(D(1.0), size, size < infinity);
    let below = select(finite, D(2.0), finite > D(2.0));
    let low = lgamma_low_f64(select(below, D(2.2250738585072014e-308), below < D(2.2250738585072014e-308)));
    let least = select(finite, D(2.0), finite < D(2.0));
    let mid = lgamma_mid_f64(select(least, D(7.5), least >= D(8.0)));
    let high = lgamma_high_f64(select(finite, D(8.0), finite < D(8.0)));
    let up = select(select(high, mid, size < D(8.0)), low, size < D(2.0));
    // The sine of pi x, of what x is away from a whole number: exactly 0 there.
    // Beyond, all are whole.
    let away = select(D(0.0), rounded_f64(finite - floor(finite + D(0.5))), abs(finite) < D(4503599627370496.0));
    let sine = abs(sin_pi_f64(away));
    // Next to 0 the reflected function would be that of infinity.
    let next = size < D(1e-30);
    let reflected = log_f64(D(3.14159265358979324) / (select(sine, D(1.0), next) * select(finite, D(1.0), next))) - up;
    let down = select(select(reflected, infinity, sine == D(0.0)), -log_f64(finite), next);
    let y = select(up, down, x < D(0.0));
    let ends = select(y, infinity, (size == infinity) | (x == D(0.0)));
    return select(ends, x, isnan_f64(x));
}
