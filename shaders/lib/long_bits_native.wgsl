// lib/long_bits_native.wgsl
//
// Divisions, shifts and bits of native integers of 64 bits: the functions of lib/long_bits.wgsl. Divisions by 0 give 0.
//
// From the prelude: L, W, U, B. From lib/long_native.wgsl: select_l, neg_l, sub_l, mul_l.

struct Quotient {
    whole: L,
    rest: L,
}

// Rounded towards zero; what is left has the sign of a. WGSL says nothing of use for division by 0, nor for that of the
// least number by -1, and processors raise a signal for both: here 1 divides instead, and the quotient is put right.
fn truncated_l(a: L, b: L) -> Quotient {
    let by_zero = b == L(0li);
    let by_minus_one = b == L(-1li);
    let divisor = select(b, L(1li), by_zero | by_minus_one);
    let whole = a / divisor;
    let rest = sub_l(a, mul_l(whole, divisor));
    return Quotient(select(select(whole, neg_l(a), by_minus_one), L(0li), by_zero), rest);
}

fn bitwise_and_l(a: L, b: L) -> L {
    return a & b;
}

fn bitwise_or_l(a: L, b: L) -> L {
    return a | b;
}

fn bitwise_xor_l(a: L, b: L) -> L {
    return a ^ b;
}

// Whether n is a number of bits that a shift may be by.
fn is_shift_l(n: L) -> B {
    return W(n) < W(64lu);
}

fn bitwise_left_shift_l(x: L, n: L) -> L {
    return select(L(0li), L(W(x) << (U(W(n)) & U(63u))), is_shift_l(n));
}

fn bitwise_right_shift_l(x: L, n: L) -> L {
    return x >> select(U(63u), U(W(n)) & U(63u), is_shift_l(n));
}
