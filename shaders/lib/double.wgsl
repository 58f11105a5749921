// lib/double.wgsl
//
// f64 for adapters that have it: conversions and short functions. WGSL can take no f64 apart and put none together
// from bits, so that is done by exact arithmetic, and by way of f32.
//
// From the prelude: D, F, I, U, B, uniforms. From lib/numeric.wgsl: isnan_f, nan_f, infinity_f.

// The number with these bits. WGSL cannot bitcast to f64, so it is put together by exact arithmetic: without loops, as
// drivers take seconds to compile those of a few numbers.
fn f64_from_bits(low: u32, high: u32) -> f64 {
    let biased = (high >> 20u) & 0x7ffu;
    let sign = select(1.0, -1.0, (high >> 31u) == 1u);
    let implicit = select(0x100000u, 0u, biased == 0u);
    // A whole number of units of 2^n.
    let whole = (f64((high & 0xfffffu) | implicit) * f64(4294967296.0) + f64(low)) * f64(sign);
    let n = i32(max(biased, 1u)) - 1075;
    // 2^n is 2^q to the sixteenth, times 2^r: no product is rounded. The host's zero has the halves be two numbers, whose
    // product alone would be beyond f64.
    let q = n >> 4u;
    let r = n - (q << 4u);
    let value = whole * f64(bitcast<f32>(u32(r + 127) << 23u)) * half_f64(q, 0u) * half_f64(q, uniforms.zero);
    // Infinity or NaN: the same in f32.
    let nan = ((high & 0xfffffu) | low) != 0u;
    let special = bitcast<f32>((high & 0x80000000u) | select(0x7f800000u, 0x7fc00000u, nan));
    return select(value, f64(special), biased == 0x7ffu);
}

// 2^q to the eighth, for q from -68 to 60.
fn half_f64(q: i32, zero: u32) -> f64 {
    let two = f64(bitcast<f32>((u32(q + 127) << 23u) + zero));
    let four = two * two;
    let sixteen = four * four;
    return sixteen * sixteen;
}

// On the bits of the f32 next to it, which is NaN where it is.
fn isnan_f64(x: D) -> B {
    return isnan_f(F(x));
}

// x 2^n, for n from -1086 to 1023.
fn scale_f64(x: D, n: I) -> D {
    // 2^n is 2^q to the sixteenth, times 2^r.
    let q = n >> U(4u);
    let r = n - (q << U(4u));
    let two = D(bitcast<F>((q + I(127)) << U(23u)));
    let four = two * two;
    let sixteen = four * four;
    let half = sixteen * sixteen;
    // In this order nothing overflows on the way, and only the last product may be subnormal and be rounded.
    return keep_f64(apart_f64(x * half) * D(bitcast<F>((r + I(127)) << U(23u)))) * half;
}

// The n for which 2^n <= |x| < 2^(n+1), give or take a rounding of x to f32: x 2^-n may be just below 1. For x that is
// neither 0 nor infinite.
fn exponent_f64(x: D) -> I {
    // Brought into the range of f32, whose exponent can be read.
    var a = abs(x);
    var n = I(0);
    let p64 = D(18446744073709551616.0);
    let p128 = p64 * p64;
    let p256 = p128 * p128;
    let p512 = p256 * p256;
    let up512 = a < D(1.0) / p512;
    let down512 = a >= p512;
    a = rounded_f64(select(select(a, a * p512, up512), a / p512, down512));
    n = n + select(select(I(0), I(-512), up512), I(512), down512);
    let up256 = a < D(1.0) / p256;
    let down256 = a >= p256;
    a = rounded_f64(select(select(a, a * p256, up256), a / p256, down256));
    n = n + select(select(I(0), I(-256), up256), I(256), down256);
    let up128 = a < D(1.0) / p128;
    let down128 = a >= p128;
    a = rounded_f64(select(select(a, a * p128, up128), a / p128, down128));
    n = n + select(select(I(0), I(-128), up128), I(128), down128);
    let up64 = a < D(1.0) / p64;
    let down64 = a >= p64;
    a = rounded_f64(select(select(a, a * p64, up64), a / p64, down64));
    n = n + select(select(I(0), I(-64), up64), I(64), down64);
    return n + bitcast<I>(bitcast<U>(F(a)) >> U(23u)) - I(127);
}

// Whether the sign is minus, a zero's or a NaN's, too: the f32 next to it has the same.
fn is_minus_f64(x: D) -> B {
    return (bitcast<U>(F(x)) & U(0x80000000u)) != U(0u);
}

// As keep_f and apart_f of lib/keep.wgsl. WGSL has no bits of an f64, so a selection stands in for the addition.
fn keep_f64(x: D) -> D {
    return select(x, D(infinity_f()), B(uniforms.zero != 0u));
}

fn apart_f64(x: D) -> D {
    return select(x, D(nan_f()), B(uniforms.minus_infinity != 0xff800000u));
}

// x, the rounding of which a formula relies on: times 1, which only the host knows. Compilers with fast math, which see
// through a chain of selections on one condition, do not reorder over it.
fn rounded_f64(x: D) -> D {
    return x * D(f64(bitcast<f32>(uniforms.zero | 0x3f800000u)));
}

fn isfinite_f64(x: D) -> B {
    return !isnan_f64(x) & (abs(x) < D(infinity_f()));
}

fn maximum_f64(a: D, b: D) -> D {
    return select(select(b, a, a > b), a + b, isnan_f64(a) | isnan_f64(b));
}

fn minimum_f64(a: D, b: D) -> D {
    return select(select(b, a, a < b), a + b, isnan_f64(a) | isnan_f64(b));
}

fn sign_f64(x: D) -> D {
    return D(select(F(0.0), F(1.0), x > D(0.0)) - select(F(0.0), F(1.0), x < D(0.0)));
}

fn relu_f64(x: D) -> D {
    return select(select(D(0.0), x, x > D(0.0)), x, isnan_f64(x));
}

fn rsqrt_f64(x: D) -> D {
    return D(1.0) / rounded_f64(sqrt(x));
}

// Half to even. Adding and taking away 2^52 would be shorter, but a compiler may call that x.
fn round_f64(x: D) -> D {
    let below = floor(x);
    let rest = x - below;
    let half = D(0.5) * below;
    let odd = !(floor(half) == half);
    return select(below, below + D(1.0), (rest > D(0.5)) | ((rest == D(0.5)) & odd));
}

fn f64_to_i32(x: D) -> I {
    let low = select(x, D(-2147483648.0), x < D(-2147483648.0));
    let clamped = select(low, D(2147483647.0), low > D(2147483647.0));
    return select(I(select(clamped, D(0.0), isnan_f64(x))), I(0), isnan_f64(x));
}

// The f32 next to x whose last bit is odd where x lies between two: rounding that once more gives what rounding x
// directly would (Boldo and Melquiond, "When double rounding is odd", 2005).
fn f64_to_odd_f32(x: D) -> F {
    let near = F(x);
    let back = D(near);
    let inexact = back != x;
    let even = (bitcast<U>(near) & U(1u)) == U(0u);
    let away = abs(back) > abs(x);
    let bits = bitcast<U>(near);
    let stepped = select(bits + U(1u), bits - U(1u), away);
    return bitcast<F>(select(bits, stepped, inexact & even & !isnan_f64(x)));
}

// As left_out_f of lib/numeric.wgsl.
fn left_out_f64(a: D, b: D, sum: D) -> D {
    let rounded = keep_f64(sum);
    let of_b = rounded_f64(rounded - a);
    return (a - rounded_f64(rounded - of_b)) + (b - of_b);
}

fn corrected_f64(sum: D, rest: D) -> D {
    return select(sum, sum + rest, isfinite_f64(rest));
}
