// lib/long.wgsl
//
// Integers of 64 bits in two words of 32, for adapters that have no others: lib/long_native.wgsl has the same functions
// for those that do. Arithmetic wraps. Vectors of any width at once.
//
// From the prelude: L (a struct of two words, low and high), I, U, B.

// The integer with these words.
fn l_of(low: U, high: U) -> L {
    return L(low, high);
}

fn low_l(x: L) -> U {
    return x.low;
}

fn high_l(x: L) -> U {
    return x.high;
}

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

fn sign_l(x: L) -> L {
    let minus = bitcast<U>(bitcast<I>(x.high) >> U(31u));
    return L(select(U(0u), U(1u), (x.low | x.high) != U(0u)) | minus, minus);
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
