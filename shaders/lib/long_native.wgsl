// lib/long_native.wgsl
//
// Integers of 64 bits where the adapter has them: the functions of lib/long.wgsl. Arithmetic wraps, so it is done without
// signs: in some of the languages that this becomes, signed numbers that overflow are undefined. Vectors of any width.
//
// From the prelude: L (i64, or a vector of it), W (the same of u64), I, U, B.

// The integer with these words.
fn l_of(low: U, high: U) -> L {
    return L(W(low) | (W(high) << U(32u)));
}

fn low_l(x: L) -> U {
    return U(W(x));
}

fn high_l(x: L) -> U {
    return U(W(x) >> U(32u));
}

fn is_minus_l(x: L) -> B {
    return x < L(0li);
}

// The first where the condition is false, else the second.
fn select_l(on_false: L, on_true: L, condition: B) -> L {
    return select(on_false, on_true, condition);
}

fn neg_l(x: L) -> L {
    return L(W(0lu) - W(x));
}

fn add_l(a: L, b: L) -> L {
    return L(W(a) + W(b));
}

fn sub_l(a: L, b: L) -> L {
    return L(W(a) - W(b));
}

fn mul_l(a: L, b: L) -> L {
    return L(W(a) * W(b));
}

fn sign_l(x: L) -> L {
    return select(select(L(0li), L(1li), x > L(0li)), L(-1li), x < L(0li));
}

fn eq_l(a: L, b: L) -> B {
    return a == b;
}

fn ne_l(a: L, b: L) -> B {
    return a != b;
}

fn lt_l(a: L, b: L) -> B {
    return a < b;
}

fn gt_l(a: L, b: L) -> B {
    return a > b;
}

fn le_l(a: L, b: L) -> B {
    return a <= b;
}

fn ge_l(a: L, b: L) -> B {
    return a >= b;
}

fn i_to_l(x: I) -> L {
    return L(x);
}

// x 2^n without what leaves the 64 bits, for n below 64.
fn shifted_l(x: L, n: U) -> L {
    return L(W(x) << n);
}
