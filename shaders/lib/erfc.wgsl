// lib/erfc.wgsl
//
// The complementary error function of f32: 1 - erf(x), which keeps its digits where erf is next to 1. Formulas and
// coefficients are those of fdlibm (Sun Microsystems), which has four ranges.
//
// From the prelude: F, U, B. From lib/exp.wgsl: exp_whole, exp_rest, expm1_short, scale_f; from lib/numeric.wgsl:
// isnan_f; from lib/keep.wgsl: keep_f.

// (erf(x) - x) / x, below 27/32.
fn erfc_small_f(x: F) -> F {
    let z = x * x;
    var p = F(-2.37630175e-5);
    p = p * z + F(-0.00577027025);
    p = p * z + F(-0.0284817498);
    p = p * z + F(-0.325042099);
    p = p * z + F(0.128379166);
    var q = F(-3.96022824e-6);
    q = q * z + F(1.32494737e-4);
    q = q * z + F(0.00508130621);
    q = q * z + F(0.0650222525);
    q = q * z + F(0.397917211);
    q = q * z + F(1.00000000);
    return p / q;
}

// erf(a) - 0.845, around 1.
fn erfc_middle_f(a: F) -> F {
    let s = a - F(1.0);
    var p = F(-0.00216637552);
    p = p * s + F(0.0354783051);
    p = p * s + F(-0.110894695);
    p = p * s + F(0.318346620);
    p = p * s + F(-0.372207880);
    p = p * s + F(0.414856106);
    p = p * s + F(-0.00236211857);
    var q = F(0.0119845001);
    q = q * s + F(0.0136370836);
    q = q * s + F(0.126171216);
    q = q * s + F(0.0718286559);
    q = q * s + F(0.540397942);
    q = q * s + F(0.106420882);
    q = q * s + F(1.00000000);
    return p / q;
}

// erfc(a) from 5/4 on: e^(-a^2 - 9/16 + r / s) / a. Of a^2 a part is exact; the rounding of all of it would count as often
// as it is large.
fn erfc_large_f(a: F) -> F {
    let s = F(1.0) / (a * a);
    var ra = F(-9.81432915);
    ra = ra * s + F(-81.2874374);
    ra = ra * s + F(-184.605087);
    ra = ra * s + F(-162.396667);
    ra = ra * s + F(-62.3753319);
    ra = ra * s + F(-10.5586262);
    ra = ra * s + F(-0.693858564);
    ra = ra * s + F(-0.00986494403);
    var sa = F(-0.0604244135);
    sa = sa * s + F(6.57024956);
    sa = sa * s + F(108.635002);
    sa = sa * s + F(429.008148);
    sa = sa * s + F(645.387268);
    sa = sa * s + F(434.565887);
    sa = sa * s + F(137.657761);
    sa = sa * s + F(19.6512718);
    sa = sa * s + F(1.00000000);
    var rb = F(-483.519196);
    rb = rb * s + F(-1025.09509);
    rb = rb * s + F(-637.566467);
    rb = rb * s + F(-160.636383);
    rb = rb * s + F(-17.7579556);
    rb = rb * s + F(-0.799283266);
    rb = rb * s + F(-0.00986494310);
    var sb = F(-22.4409523);
    sb = sb * s + F(474.528534);
    sb = sb * s + F(2553.05029);
    sb = sb * s + F(3199.85815);
    sb = sb * s + F(1536.72961);
    sb = sb * s + F(325.792511);
    sb = sb * s + F(30.3380604);
    sb = sb * s + F(1.00000000);
    let far = a > F(2.857142857142857);
    let p = select(ra, rb, far) / select(sa, sb, far);
    // Eleven digits, so that 9/16 fits beside the square, too.
    let high = bitcast<F>(bitcast<U>(a) & U(0xffffe000u));
    let square = F(-0.5625) - high * high;
    let rest = p - keep_f(a - high) * (a + high);
    let n = exp_whole(square);
    let short = exp_rest(square, n) + rest;
    // What is left may be more than an exponential's short form is made for.
    let m = exp_whole(short);
    return scale_f(F(1.0) + expm1_short(exp_rest(short, m)), I(n + m)) / a;
}

fn erfc_f(x: F) -> F {
    let size = abs(x);
    // From 10.1 on it is 0, or 2.
    let a = min(size, F(10.5));
    let minus = x < F(0.0);
    let small = erfc_small_f(clamp(x, F(-1.0), F(1.0)));
    let near = select(F(0.5) - ((x - F(0.5)) + x * small), F(1.0) - (x + x * small), x < F(0.25));
    let middle = erfc_middle_f(min(a, F(1.25)));
    let around = select(F(0.154937088) - middle, F(1.0) + (F(0.845062912) + middle), minus);
    let tail = erfc_large_f(max(a, F(1.25)));
    let far = select(tail, F(2.0) - tail, minus);
    let y = select(select(around, far, size >= F(1.25)), near, size < F(0.84375));
    return select(y, x, isnan_f(x));
}
