// lib/trig_f64.wgsl
//
// Sine and cosine of f64: x = n π/2 + r with |r| at most π/4.
//
// π/2 is split in four parts (Cody and Waite). The first three have 33 digits each, so that their products with n are
// exact while n is below 2^20, that is for |x| up to 1.6 million. Beyond, digits of r are lost in proportion to |x|.
// Constants are those of fdlibm (Sun Microsystems).
//
// From the prelude: D, F, I, U. From lib/double.wgsl: isfinite_f64, rounded_f64; from lib/numeric.wgsl: nan_f.

fn turns_f64(x: D) -> D {
    return floor(x * D(6.36619772367581382433e-01) + D(0.5));
}

fn turned_f64(x: D, n: D) -> D {
    var r = rounded_f64(x - n * D(1.57079632673412561417e+00));
    r = rounded_f64(r - n * D(6.07710050630396597660e-11));
    r = rounded_f64(r - n * D(2.02226624871116645580e-21));
    r = r - n * D(8.47842766036889956997e-32);
    // Where no digit is right the result still lies between -1 and 1.
    r = select(r, D(0.8), r > D(0.8));
    return select(r, D(-0.8), r < D(-0.8));
}

// The sine of n π/2 + r; the lowest two bits of n count.
fn sin_turned_f64(r: D, n: U) -> D {
    let z = r * r;
    var p = D(1.58969099521155010221e-10);
    p = p * z + D(-2.50507602534068634195e-08);
    p = p * z + D(2.75573137070700676789e-06);
    p = p * z + D(-1.98412698298579493134e-04);
    p = p * z + D(8.33333333332248946124e-03);
    p = p * z + D(-1.66666666666666324348e-01);
    let sine = r + r * z * p;
    var q = D(-1.13596475577881948265e-11);
    q = q * z + D(2.08757232129817482790e-09);
    q = q * z + D(-2.75573143513906633035e-07);
    q = q * z + D(2.48015872894767294178e-05);
    q = q * z + D(-1.38888888888741095749e-03);
    q = q * z + D(4.16666666666666019037e-02);
    let cosine = D(1.0) - (D(0.5) * z - z * z * q);
    let y = select(sine, cosine, (n & U(1u)) == U(1u));
    return select(y, -y, (n & U(2u)) == U(2u));
}

// n modulo 4, whatever its size.
fn quadrant_f64(n: D) -> U {
    return U(F(n - D(4.0) * floor(D(0.25) * n)));
}

fn sin_f64(x: D) -> D {
    let n = turns_f64(x);
    return select(D(nan_f()), sin_turned_f64(turned_f64(x, n), quadrant_f64(n)), isfinite_f64(x));
}

fn cos_f64(x: D) -> D {
    let n = turns_f64(x);
    return select(D(nan_f()), sin_turned_f64(turned_f64(x, n), quadrant_f64(n) + U(1u)), isfinite_f64(x));
}
