// lib/bessel.wgsl
//
// The modified Bessel functions of the first kind of orders 0 and 1 of f32. Up to 5, their power series, of which no term
// cancels; beyond, e^x / sqrt(x) times a polynomial in 1 / x, which interpolates at the Chebyshev nodes from 0 to 1/5 and was
// solved for with 50 digits (mpmath). The exponential is 2^-8 times as large, as it overflows before they do.
//
// From the prelude: F, I. From lib/exp.wgsl: exp_shifted_f; from lib/numeric.wgsl: isnan_f, infinity_f; from
// lib/keep.wgsl: keep_f.

fn i0_f(x: F) -> F {
    let size = min(abs(x), F(95.0));
    let half = F(0.5) * min(size, F(5.0));
    let z = half * half;
    var p = F(5.84791131e-25);
    p = p * z + F(1.31578005e-22);
    p = p * z + F(2.57892889e-20);
    p = p * z + F(4.35838982e-18);
    p = p * z + F(6.27608135e-16);
    p = p * z + F(7.59405843e-14);
    p = p * z + F(7.59405843e-12);
    p = p * z + F(6.15118733e-10);
    p = p * z + F(3.93675989e-8);
    p = p * z + F(1.92901235e-6);
    p = p * z + F(6.94444444e-5);
    p = p * z + F(0.00173611111);
    p = p * z + F(0.0277777778);
    p = p * z + F(0.250000000);
    p = p * z + F(1.00000000);
    p = p * z + F(1.00000000);
    let near = p;
    let a = max(size, F(5.0));
    let t = F(10.0) / a - F(1.0);
    var q = F(-2.76961950e-4);
    q = q * t + F(-6.93987286e-4);
    q = q * t + F(4.72541216e-5);
    q = q * t + F(0.00225352677);
    q = q * t + F(0.00559504236);
    q = q * t + F(0.0172878237);
    q = q * t + F(0.105098251);
    q = q * t + F(1.44898605);
    q = q * t + F(103.486594);
    let far = exp_shifted_f(a, I(8)) * keep_f(q / sqrt(a));
    let y = select(select(far, near, size <= F(5.0)), infinity_f(), abs(x) > F(95.0));
    return select(y, x, isnan_f(x));
}

fn i1_f(x: F) -> F {
    let size = min(abs(x), F(95.0));
    let half = F(0.5) * min(size, F(5.0));
    let z = half * half;
    var p = F(3.65494457e-26);
    p = p * z + F(8.77186697e-24);
    p = p * z + F(1.84209206e-21);
    p = p * z + F(3.35260756e-19);
    p = p * z + F(5.23006779e-17);
    p = p * z + F(6.90368948e-15);
    p = p * z + F(7.59405843e-13);
    p = p * z + F(6.83465259e-11);
    p = p * z + F(4.92094986e-9);
    p = p * z + F(2.75573192e-7);
    p = p * z + F(1.15740741e-5);
    p = p * z + F(3.47222222e-4);
    p = p * z + F(0.00694444444);
    p = p * z + F(0.0833333333);
    p = p * z + F(0.500000000);
    p = p * z + F(1.00000000);
    let near = half * p;
    let a = max(size, F(5.0));
    let t = F(10.0) / a - F(1.0);
    var q = F(3.23095700e-4);
    q = q * t + F(7.55848393e-4);
    q = q * t + F(-1.52410749e-4);
    q = q * t + F(-0.00263992229);
    q = q * t + F(-0.00663144710);
    q = q * t + F(-0.0225252444);
    q = q * t + F(-0.164690078);
    q = q * t + F(-4.10860065);
    q = q * t + F(98.1673647);
    let far = exp_shifted_f(a, I(8)) * keep_f(q / sqrt(a));
    let y = select(select(far, near, size <= F(5.0)), infinity_f(), abs(x) > F(95.0));
    return select(select(y, -y, x < F(0.0)), x, isnan_f(x));
}
