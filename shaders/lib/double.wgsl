// lib/double.wgsl
//
// f64 helpers, for adapters that have it. No function here goes beyond what the hardware's own f64 arithmetic does
// exactly.
//
// From the prelude: D, F, I, U, B.

// The number with these bits. WGSL cannot bitcast to f64, so it is put together by exact arithmetic.
fn f64_from_bits(low: u32, high: u32) -> f64 {
    let biased = (high >> 20u) & 0x7ffu;
    let sign = select(f64(1.0), f64(-1.0), (high >> 31u) == 1u);
    if biased == 0x7ffu {
        // Infinity or NaN: the same in f32.
        let nan = ((high & 0xfffffu) | low) != 0u;
        return f64(bitcast<f32>((high & 0x80000000u) | select(0x7f800000u, 0x7fc00000u, nan)));
    }
    let implicit = select(0x100000u, 0u, biased == 0u);
    var value = (f64((high & 0xfffffu) | implicit) * f64(4294967296.0) + f64(low)) * sign;
    // value is a whole number of units of 2^(biased - 1075).
    var exponent = i32(max(biased, 1u)) - 1075;
    while exponent > 0 {
        let step = min(exponent, 60);
        value *= f64(f32(1u << u32(step % 30)) * select(1.0, 1073741824.0, step >= 30) * select(1.0, 1073741824.0, step == 60));
        exponent -= step;
    }
    while exponent < 0 {
        let step = min(-exponent, 30);
        value /= f64(f32(1u << u32(step)));
        exponent += step;
    }
    return value;
}

fn isnan_f64(x: D) -> B {
    return x != x;
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
    return select(x, D(0.0), x <= D(0.0));
}

fn rsqrt_f64(x: D) -> D {
    return D(1.0) / sqrt(x);
}

// Adding and taking away 2^52 leaves a whole number, rounded to even.
fn round_f64(x: D) -> D {
    let big = D(4503599627370496.0);
    let a = abs(x);
    let whole = (a + big) - big;
    let rounded = select(whole, -whole, x < D(0.0));
    return select(rounded, x, !(a < big));
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
