// lib/erfc_f64.wgsl
//
// The complementary error function of f64: 1 - erf(x), which keeps its digits where erf is next to 1. Formulas and
// coefficients are those of fdlibm (Sun Microsystems), which has four ranges.
//
// From the prelude: D, F, I, U. From lib/exp_f64.wgsl: exp_whole_f64, exp_rest_f64, expm1_short_f64; from lib/double.wgsl:
// isnan_f64, rounded_f64, scale_f64.

// (erf(x) - x) / x, below 27/32.
fn erfc_small_f64(x: D) -> D {
    let z = x * x;
    var p = D(-2.37630166566501626e-5);
    p = p * z + D(-0.00577027029648944159);
    p = p * z + D(-0.0284817495755985105);
    p = p * z + D(-0.325042107247001499);
    p = p * z + D(0.128379167095512559);
    var q = D(-3.96022827877536812e-6);
    q = q * z + D(1.32494738004321645e-4);
    q = q * z + D(0.00508130628187576563);
    q = q * z + D(0.0650222499887672944);
    q = q * z + D(0.397917223959155353);
    q = q * z + D(1.00000000000000000);
    return p / q;
}

// erf(a) - 0.845, around 1.
fn erfc_middle_f64(a: D) -> D {
    let s = a - D(1.0);
    var p = D(-0.00216637559486879084);
    p = p * s + D(0.0354783043256182359);
    p = p * s + D(-0.110894694282396677);
    p = p * s + D(0.318346619901161754);
    p = p * s + D(-0.372207876035701324);
    p = p * s + D(0.414856118683748332);
    p = p * s + D(-0.00236211856075265944);
    var q = D(0.0119844998467991074);
    q = q * s + D(0.0136370839120290507);
    q = q * s + D(0.126171219808761642);
    q = q * s + D(0.0718286544141962663);
    q = q * s + D(0.540397917702171049);
    q = q * s + D(0.106420880400844228);
    q = q * s + D(1.00000000000000000);
    return p / q;
}

// erfc(a) from 5/4 on: e^(-a^2 - 9/16 + r / s) / a. Of a^2 a part is exact; the rounding of all of it would count as often
// as it is large.
fn erfc_large_f64(a: D) -> D {
    let s = D(1.0) / (a * a);
    var ra = D(-9.81432934416914549);
    ra = ra * s + D(-81.2874355063065934);
    ra = ra * s + D(-184.605092906711036);
    ra = ra * s + D(-162.396669462573470);
    ra = ra * s + D(-62.3753324503260060);
    ra = ra * s + D(-10.5586262253232910);
    ra = ra * s + D(-0.693858572707181764);
    ra = ra * s + D(-0.00986494403484714823);
    var sa = D(-0.0604244152148580987);
    sa = sa * s + D(6.57024977031928170);
    sa = sa * s + D(108.635005541779435);
    sa = sa * s + D(429.008140027567833);
    sa = sa * s + D(645.387271733267880);
    sa = sa * s + D(434.565877475229229);
    sa = sa * s + D(137.657754143519043);
    sa = sa * s + D(19.6512716674392571);
    sa = sa * s + D(1.00000000000000000);
    var rb = D(-483.519191608651397);
    rb = rb * s + D(-1025.09513161107725);
    rb = rb * s + D(-637.566443368389628);
    rb = rb * s + D(-160.636384855821916);
    rb = rb * s + D(-17.7579549177547520);
    rb = rb * s + D(-0.799283237680523007);
    rb = rb * s + D(-0.00986494292470009929);
    var sb = D(-22.4409524465858183);
    sb = sb * s + D(474.528541206955367);
    sb = sb * s + D(2553.05040643316443);
    sb = sb * s + D(3199.85821950859554);
    sb = sb * s + D(1536.72958608443696);
    sb = sb * s + D(325.792512996573919);
    sb = sb * s + D(30.3380607434824583);
    sb = sb * s + D(1.00000000000000000);
    let far = a > D(2.857142857142857);
    let p = select(ra, rb, far) / select(sa, sb, far);
    let high = D(bitcast<F>(bitcast<U>(F(a)) & U(0xfffff000u)));
    let square = D(-0.5625) - high * high;
    let rest = p - rounded_f64(a - high) * (a + high);
    let n = exp_whole_f64(square);
    let short = exp_rest_f64(square, n) + rest;
    // What is left may be more than an exponential's short form is made for.
    let m = exp_whole_f64(short);
    return scale_f64(D(1.0) + expm1_short_f64(exp_rest_f64(short, m)), I(n + m)) / a;
}

fn erfc_f64(x: D) -> D {
    let size = abs(x);
    // From 27.3 on it is 0, or 2.
    let a = select(size, D(27.5), size > D(27.5));
    let minus = x < D(0.0);
    let inner = select(x, D(0.0), size > D(1.0));
    let small = erfc_small_f64(inner);
    let near = select(D(0.5) - ((inner - D(0.5)) + inner * small), D(1.0) - (inner + inner * small), x < D(0.25));
    let middle = erfc_middle_f64(select(a, D(1.25), a > D(1.25)));
    let around = select(D(0.154937088489532471) - middle, D(1.0) + (D(0.845062911510467529) + middle), minus);
    let tail = erfc_large_f64(select(a, D(1.25), a < D(1.25)));
    let far = select(tail, D(2.0) - tail, minus);
    let y = select(select(around, far, size >= D(1.25)), near, size < D(0.84375));
    return select(y, x, isnan_f64(x));
}
