// lib/erf_f64.wgsl
//
// The error function of f64. Coefficients are those of fdlibm (Sun Microsystems), which has four ranges; erfc need
// only be accurate beside 1 here.
//
// From the prelude: D. From lib/exp_f64.wgsl: exp_f64; from lib/double.wgsl: isnan_f64.

// Below 27/32.
fn erf_small_f64(x: D) -> D {
    let z = x * x;
    var p = D(-2.37630166566501626084e-05);
    p = p * z + D(-5.77027029648944159157e-03);
    p = p * z + D(-2.84817495755985104766e-02);
    p = p * z + D(-3.25042107247001499370e-01);
    p = p * z + D(1.28379167095512558561e-01);
    var q = D(-3.96022827877536812320e-06);
    q = q * z + D(1.32494738004321644526e-04);
    q = q * z + D(5.08130628187576562776e-03);
    q = q * z + D(6.50222499887672944485e-02);
    q = q * z + D(3.97917223959155352819e-01);
    q = q * z + D(1.0);
    // For the smallest x hardware may flush x p / q to zero; there the first term is all there is.
    return select(x + x * (p / q), x * D(1.12837916709551257390e+00), abs(x) < D(1e-30));
}

// Around 1.
fn erf_middle_f64(a: D) -> D {
    let s = a - D(1.0);
    var p = D(-2.16637559486879084300e-03);
    p = p * s + D(3.54783043256182359371e-02);
    p = p * s + D(-1.10894694282396677476e-01);
    p = p * s + D(3.18346619901161753674e-01);
    p = p * s + D(-3.72207876035701323847e-01);
    p = p * s + D(4.14856118683748331666e-01);
    p = p * s + D(-2.36211856075265944077e-03);
    var q = D(1.19844998467991074170e-02);
    q = q * s + D(1.36370839120290507362e-02);
    q = q * s + D(1.26171219808761642112e-01);
    q = q * s + D(7.18286544141962662868e-02);
    q = q * s + D(5.40397917702171048937e-01);
    q = q * s + D(1.06420880400844228286e-01);
    q = q * s + D(1.0);
    return D(8.45062911510467529297e-01) + p / q;
}

// From 5/4 on.
fn erf_large_f64(a: D) -> D {
    let s = D(1.0) / (a * a);
    var ra = D(-9.81432934416914548592e+00);
    ra = ra * s + D(-8.12874355063065934246e+01);
    ra = ra * s + D(-1.84605092906711035994e+02);
    ra = ra * s + D(-1.62396669462573470355e+02);
    ra = ra * s + D(-6.23753324503260060396e+01);
    ra = ra * s + D(-1.05586262253232909814e+01);
    ra = ra * s + D(-6.93858572707181764372e-01);
    ra = ra * s + D(-9.86494403484714822705e-03);
    var sa = D(-6.04244152148580987438e-02);
    sa = sa * s + D(6.57024977031928170135e+00);
    sa = sa * s + D(1.08635005541779435134e+02);
    sa = sa * s + D(4.29008140027567833386e+02);
    sa = sa * s + D(6.45387271733267880336e+02);
    sa = sa * s + D(4.34565877475229228821e+02);
    sa = sa * s + D(1.37657754143519042600e+02);
    sa = sa * s + D(1.96512716674392571292e+01);
    sa = sa * s + D(1.0);
    var rb = D(-4.83519191608651397019e+02);
    rb = rb * s + D(-1.02509513161107724954e+03);
    rb = rb * s + D(-6.37566443368389627722e+02);
    rb = rb * s + D(-1.60636384855821916062e+02);
    rb = rb * s + D(-1.77579549177547519889e+01);
    rb = rb * s + D(-7.99283237680523006574e-01);
    rb = rb * s + D(-9.86494292470009928597e-03);
    var sb = D(-2.24409524465858183362e+01);
    sb = sb * s + D(4.74528541206955367215e+02);
    sb = sb * s + D(2.55305040643316442583e+03);
    sb = sb * s + D(3.19985821950859553908e+03);
    sb = sb * s + D(1.53672958608443695994e+03);
    sb = sb * s + D(3.25792512996573918826e+02);
    sb = sb * s + D(3.03380607434824582924e+01);
    sb = sb * s + D(1.0);
    let far = a > D(2.857142857142857);
    let p = select(ra, rb, far) / select(sa, sb, far);
    return D(1.0) - exp_f64(p - D(0.5625) - a * a) / a;
}

fn erf_f64(x: D) -> D {
    let size = abs(x);
    let a = select(size, D(6.0), size > D(6.0));
    let clamped = select(a, D(1.25), a < D(1.25));
    let upper = select(erf_middle_f64(a), erf_large_f64(clamped), a >= D(1.25));
    let y = select(select(upper, -upper, x < D(0.0)), erf_small_f64(x), a < D(0.84375));
    return select(y, x, isnan_f64(x));
}
