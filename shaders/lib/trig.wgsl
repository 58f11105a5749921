// lib/trig.wgsl
//
// Sine and cosine of f32: x = n π/2 + r with |r| at most π/4.
//
// π/2 is split in five parts (Cody and Waite). The first four have eleven digits each, so that their products with n
// are exact while n is below 2^13, that is for |x| up to 12,867. Beyond, digits of r are lost in proportion to |x|.
// The polynomials are those of Cephes (Stephen Moshier).
//
// From the prelude: F, I, U, B. From lib/numeric.wgsl: nan_f, isfinite_f; from lib/keep.wgsl: keep_f.

fn turns_f(x: F) -> F {
    return floor(x * F(0.636619772) + F(0.5));
}

fn turned_f(x: F, n: F) -> F {
    var r = keep_f(x - n * F(1.5703125));
    r = keep_f(r - n * F(0.00048375129699707031));
    r = keep_f(r - n * F(7.549533620476723e-8));
    r = keep_f(r - n * F(2.5632829192545614e-12));
    r = r - n * F(6.1232343e-17);
    // Where no digit is right the result still lies between -1 and 1.
    return clamp(r, F(-0.8), F(0.8));
}

// The sine of n π/2 + r, for n from 0 to 3 (of which the lowest two bits count).
fn sin_turned(r: F, n: U) -> F {
    let z = r * r;
    let sine = r + r * z * ((F(-1.9515295891e-4) * z + F(8.3321608736e-3)) * z + F(-1.6666654611e-1));
    let cosine =
        F(1.0) - (F(0.5) * z - z * z * ((F(2.443315711809948e-5) * z + F(-1.388731625493765e-3)) * z + F(4.166664568298827e-2)));
    let y = select(sine, cosine, (n & U(1u)) == U(1u));
    return select(y, -y, (n & U(2u)) == U(2u));
}

// n modulo 4, whatever its size.
fn quadrant_f(n: F) -> U {
    return U(n - F(4.0) * floor(F(0.25) * n));
}

fn sin_f(x: F) -> F {
    let n = turns_f(x);
    return select(nan_f(), sin_turned(turned_f(x, n), quadrant_f(n)), isfinite_f(x));
}

fn cos_f(x: F) -> F {
    let n = turns_f(x);
    return select(nan_f(), sin_turned(turned_f(x, n), quadrant_f(n) + U(1u)), isfinite_f(x));
}
