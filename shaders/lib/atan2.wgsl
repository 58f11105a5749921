// lib/atan2.wgsl
//
// The angle of the point (x, y) in f32. With least / most the smaller by the larger of |x| and |y|, it is
// atan(least / most), seen from the axis the point is nearest to. From tan(π/8) on, atan(least / most) is
// π/4 + atan((least - most) / (least + most)). The polynomial is that of Cephes (Stephen Moshier).
//
// From the prelude: F, U, B. From lib/numeric.wgsl: isnan_f, nan_f, infinity_f.

fn atan2_f(y: F, x: F) -> F {
    let across = abs(x);
    let up = abs(y);
    let steep = up > across;
    // Brought to where neither a sum nor a quotient leaves the range.
    let size = max(across, up);
    let least = atan2_scaled(min(across, up), size);
    let most = atan2_scaled(size, size);
    // WGSL promises nothing of infinities. Two of them are equal, as two zeros are, and one makes the angle exact.
    let infinite = size == infinity_f();
    let equal = across == up;
    let far = ((least > F(0.41421356) * most) & !infinite) | equal;
    let ratio = select(least, least - most, far) / select(most, least + most, far);
    let q = select(ratio, F(0.0), equal | infinite);
    let z = q * q;
    var p = F(8.05374449538e-2);
    p = p * z + F(-1.38776856032e-1);
    p = p * z + F(1.99777106478e-1);
    p = p * z + F(-3.33329491539e-1);
    let short = q + q * z * p;
    let r = select(short, short + F(0.78539816), far & (size > F(0.0)));
    // π/2 and π with the digits that f32 cuts off.
    let turned = select(r, F(1.57079637) - (r + F(4.3711388e-8)), steep);
    let left = (bitcast<U>(x) & U(0x80000000u)) != U(0u);
    let angle = select(turned, F(3.14159274) - (turned + F(8.7422777e-8)), left);
    let below = (bitcast<U>(y) & U(0x80000000u)) != U(0u);
    return select(select(angle, -angle, below), nan_f(), isnan_f(x) | isnan_f(y));
}

// A part of a point of that size: 2^64 times it, where the size is tiny, and 2^-8 times it where it is huge. That is
// done on bits: of products, a compiler would take the factor out of a sum, which then overflows.
fn atan2_scaled(x: F, size: F) -> F {
    let bits = bitcast<U>(x);
    let reduced = select(F(0.0), bitcast<F>(bits - U(0x04000000u)), bits >= U(0x04800000u));
    return select(select(x, reduced, size > F(1e30)), x * F(18446744073709551616.0), size < F(1e-18));
}
