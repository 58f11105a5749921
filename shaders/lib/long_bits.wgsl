// lib/long_bits.wgsl
//
// Divisions, shifts and bits of integers of 64 bits in two words, as lib/long.wgsl has them; of native ones,
// lib/long_bits_native.wgsl has the same. Divisions by 0 give 0.
//
// From the prelude: L, I, U, B. From lib/long.wgsl: neg_l, sub_l, select_l, shifted_l, is_minus_l. From
// lib/long_numeric.wgsl: abs_l.

struct Quotient {
    whole: L,
    rest: L,
}

// Of numbers without a sign, the divisor at most 2^63: bit by bit.
fn quotient_l(a: L, b: L) -> Quotient {
    var whole = L(U(0u), U(0u));
    var rest = L(U(0u), U(0u));
    // Ends: bit counts down from 64 to 0.
    for (var bit = 64u; bit > 0u; bit--) {
        let n = bit - 1u;
        let word = select(a.low, a.high, B(n >= 32u));
        let digit = (word >> U(n & 31u)) & U(1u);
        rest = L((rest.low << U(1u)) | digit, (rest.high << U(1u)) | (rest.low >> U(31u)));
        let fits = (rest.high > b.high) | ((rest.high == b.high) & (rest.low >= b.low));
        rest = select_l(rest, sub_l(rest, b), fits);
        whole = L((whole.low << U(1u)) | select(U(0u), U(1u), fits), (whole.high << U(1u)) | (whole.low >> U(31u)));
    }
    let by_zero = (b.low | b.high) == U(0u);
    let zero = L(U(0u), U(0u));
    return Quotient(select_l(whole, zero, by_zero), select_l(rest, zero, by_zero));
}

// Rounded towards zero; what is left has the sign of a.
fn truncated_l(a: L, b: L) -> Quotient {
    let sizes = quotient_l(abs_l(a), abs_l(b));
    let opposite = (bitcast<I>(a.high ^ b.high)) < I(0);
    return Quotient(
        select_l(sizes.whole, neg_l(sizes.whole), opposite),
        select_l(sizes.rest, neg_l(sizes.rest), is_minus_l(a))
    );
}

fn bitwise_and_l(a: L, b: L) -> L {
    return L(a.low & b.low, a.high & b.high);
}

fn bitwise_or_l(a: L, b: L) -> L {
    return L(a.low | b.low, a.high | b.high);
}

fn bitwise_xor_l(a: L, b: L) -> L {
    return L(a.low ^ b.low, a.high ^ b.high);
}

// Whether n is a number of bits that a shift may be by.
fn is_shift_l(n: L) -> B {
    return (n.high == U(0u)) & (n.low < U(64u));
}

fn bitwise_left_shift_l(x: L, n: L) -> L {
    return select_l(L(U(0u), U(0u)), shifted_l(x, n.low & U(63u)), is_shift_l(n));
}

fn bitwise_right_shift_l(x: L, n: L) -> L {
    let by = select(U(63u), n.low & U(63u), is_shift_l(n));
    let part = by & U(31u);
    let sign = bitcast<U>(bitcast<I>(x.high) >> U(31u));
    // A shift by 32 is none in WGSL.
    let over = select(x.high << ((U(32u) - part) & U(31u)), U(0u), part == U(0u));
    let high = bitcast<U>(bitcast<I>(x.high) >> part);
    return select_l(L((x.low >> part) | over, high), L(high, sign), by >= U(32u));
}
