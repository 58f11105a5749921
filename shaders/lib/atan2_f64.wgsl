// lib/atan2_f64.wgsl
//
// The angle of the point (x, y) in f64; see lib/atan2.wgsl, of which this is the wider twin, by t = least / most. The
// polynomial is that of fdlibm (Sun Microsystems).
//
// From the prelude: D, B. From lib/double.wgsl: isnan_f64, is_minus_f64; from lib/numeric.wgsl: nan_f, infinity_f.

fn atan2_f64(y: D, x: D) -> D {
    let across = abs(x);
    let up = abs(y);
    let steep = up > across;
    let size = select(across, up, steep);
    let scale = atan2_scale_f64(size);
    let ratio = (scale * select(up, across, steep)) / (scale * size);
    let equal = across == up;
    // By an infinity the quotient is 0, and of equals 1, whatever WGSL leaves open.
    let t = select(select(ratio, D(0.0), size == D(infinity_f())), D(1.0), equal);
    let far = t > D(0.41421356);
    let q = select(t, (t - D(1.0)) / (t + D(1.0)), far);
    let z = q * q;
    var p = D(1.62858201153657823623e-02);
    p = p * z + D(-3.65315727442169155270e-02);
    p = p * z + D(4.97687799461593236017e-02);
    p = p * z + D(-5.83357013379057348645e-02);
    p = p * z + D(6.66107313738753120669e-02);
    p = p * z + D(-7.69187620504482999495e-02);
    p = p * z + D(9.09088713343650656196e-02);
    p = p * z + D(-1.11111104054623557880e-01);
    p = p * z + D(1.42857142725034663711e-01);
    p = p * z + D(-1.99999999998764832476e-01);
    p = p * z + D(3.33333333333329318027e-01);
    let short = q - q * z * p;
    let r = select(D(0.0), select(short, short + D(7.85398163397448279e-01), far), size > D(0.0));
    // π/2 and π with the digits that f64 cuts off.
    let turned = select(r, D(1.57079632679489655800e+00) - (r - D(6.12323399573676603587e-17)), steep);
    let angle = select(turned, D(3.14159265358979311600e+00) - (turned - D(1.22464679914735317722e-16)), is_minus_f64(x));
    return select(select(angle, -angle, is_minus_f64(y)), D(nan_f()), isnan_f64(x) | isnan_f64(y));
}

// What brings the parts of a point of that size to where no quotient loses digits: 2^-600, 1 or 2^600.
fn atan2_scale_f64(size: D) -> D {
    let up = D(4.149515568880992958512407863691161151012446232242436e180);
    return select(select(D(1.0), D(1.0) / up, size > D(1e300)), up, size < D(1e-290));
}
