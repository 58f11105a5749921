// lib/long.wgsl
//
// Integers of 64 bits in two words of 32, which every adapter has. Arithmetic wraps. Vectors of any width at once.
//
// From the prelude: L (a struct of two words, low and high), F, I, U, B. From lib/numeric.wgsl: isnan_f.

fn is_minus_l(x: L) -> B {
    return bitcast<I>(x.high) < I(0);
}

// The first where the condition is false, else the second: select() takes no structs.
fn select_l(on_false: L, on_true: L, condition: B) -> L {
    return L(select(on_false.low, on_true.low, condition), select(on_false.high, on_true.high, condition));
}

fn neg_l(x: L) -> L {
    let low = ~x.low + U(1u);
    return L(low, ~x.high + select(U(0u), U(1u), low == U(0u)));
}

fn add_l(a: L, b: L) -> L {
    let low = a.low + b.low;
    return L(low, a.high + b.high + select(U(0u), U(1u), low < a.low));
}

fn sub_l(a: L, b: L) -> L {
    return L(a.low - b.low, a.high - b.high - select(U(0u), U(1u), a.low < b.low));
}

// All 64 bits of the product of two words, by halves of them.
fn product_l(a: U, b: U) -> L {
    let half = U(0xffffu);
    let low = (a & half) * (b & half);
    let middle = (a >> U(16u)) * (b & half) + (low >> U(16u));
    let other = (a & half) * (b >> U(16u)) + (middle & half);
    return L((other << U(16u)) | (low & half), (a >> U(16u)) * (b >> U(16u)) + (middle >> U(16u)) + (other >> U(16u)));
}

fn mul_l(a: L, b: L) -> L {
    let product = product_l(a.low, b.low);
    return L(product.low, product.high + a.low * b.high + a.high * b.low);
}

fn abs_l(x: L) -> L {
    return select_l(x, neg_l(x), is_minus_l(x));
}

fn sign_l(x: L) -> L {
    let minus = bitcast<U>(bitcast<I>(x.high) >> U(31u));
    return L(select(U(0u), U(1u), (x.low | x.high) != U(0u)) | minus, minus);
}

fn relu_l(x: L) -> L {
    return select_l(x, L(U(0u), U(0u)), is_minus_l(x));
}

fn eq_l(a: L, b: L) -> B {
    return ((a.low ^ b.low) | (a.high ^ b.high)) == U(0u);
}

fn ne_l(a: L, b: L) -> B {
    return ((a.low ^ b.low) | (a.high ^ b.high)) != U(0u);
}

fn lt_l(a: L, b: L) -> B {
    return (bitcast<I>(a.high) < bitcast<I>(b.high)) | ((a.high == b.high) & (a.low < b.low));
}

fn gt_l(a: L, b: L) -> B {
    return lt_l(b, a);
}

fn le_l(a: L, b: L) -> B {
    return (bitcast<I>(a.high) < bitcast<I>(b.high)) | ((a.high == b.high) & (a.low <= b.low));
}

fn ge_l(a: L, b: L) -> B {
    return le_l(b, a);
}

fn maximum_l(a: L, b: L) -> L {
    return select_l(a, b, lt_l(a, b));
}

fn minimum_l(a: L, b: L) -> L {
    return select_l(b, a, lt_l(a, b));
}

// As pow_i of lib/numeric.wgsl. Of the exponent's bits beyond the 32nd, powers that do not wrap to 0 need only the last.
fn pow_l(base: L, exponent: L) -> L {
    var result = L(U(1u), U(0u));
    var square = base;
    // Ends: bit counts to 63.
    for (var bit = 0u; bit < 63u; bit++) {
        let word = select(exponent.low, exponent.high, B(bit >= 32u));
        let is_set = ((word >> U(bit & 31u)) & U(1u)) == U(1u);
        result = select_l(result, mul_l(result, square), is_set);
        square = mul_l(square, square);
    }
    let one = L(U(1u), U(0u));
    let odd = (exponent.low & U(1u)) == U(1u);
    let minus_one = select_l(one, neg_l(one), odd);
    let of_minus_one = select_l(L(U(0u), U(0u)), minus_one, eq_l(base, neg_l(one)));
    return select_l(result, select_l(of_minus_one, one, eq_l(base, one)), is_minus_l(exponent));
}

fn i_to_l(x: I) -> L {
    return L(bitcast<U>(x), bitcast<U>(x >> U(31u)));
}

// x 2^n without what leaves the 64 bits, for n below 64.
fn shifted_l(x: L, n: U) -> L {
    let part = n & U(31u);
    // A shift by 32 is none in WGSL.
    let over = select(x.low >> ((U(32u) - part) & U(31u)), U(0u), part == U(0u));
    let within = L(x.low << part, (x.high << part) | over);
    return select_l(within, L(U(0u), within.low), n >= U(32u));
}

// To the nearest f32, ties to even.
fn l_to_f(x: L) -> F {
    let size = abs_l(x);
    let zeros = select(countLeadingZeros(size.high), U(32u) + countLeadingZeros(size.low), size.high == U(0u));
    let digits = shifted_l(size, zeros & U(63u));
    // The first bit is set. The upper 24 stay.
    let rest = digits.high & U(0xffu);
    let below = digits.low != U(0u);
    let odd = (digits.high & U(0x100u)) != U(0u);
    let up = (rest > U(0x80u)) | ((rest == U(0x80u)) & (below | odd));
    // A carry goes into the exponent.
    let bits = ((U(189u) - zeros) << U(23u)) + (digits.high >> U(8u)) + select(U(0u), U(1u), up);
    let is_zero = (x.low | x.high) == U(0u);
    return bitcast<F>((x.high & U(0x80000000u)) | select(bits, U(0u), is_zero));
}

// Towards zero; out of range to the nearest end, NaN to 0.
fn f_to_l(x: F) -> L {
    let size = select(abs(x), F(0.0), isnan_f(x));
    let inside = select(size, F(0.0), size >= F(9223372036854775808.0));
    // Both steps are exact: no float has digits in more than 24 places.
    let high = trunc(inside * F(2.3283064365386962890625e-10));
    let low = trunc(inside - high * F(4294967296.0));
    let whole = L(U(low), U(high));
    let minus = (bitcast<U>(x) >> U(31u)) == U(1u);
    let ranged = select_l(whole, neg_l(whole), minus);
    let end = select_l(L(U(0xffffffffu), U(0x7fffffffu)), L(U(0u), U(0x80000000u)), minus);
    return select_l(ranged, end, size >= F(9223372036854775808.0));
}
