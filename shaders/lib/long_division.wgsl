// lib/long_division.wgsl
//
// Quotients and rests of integers of 64 bits, in either form. Divisions by 0 give 0.
//
// From the prelude: L, I, U, B. From lib/long.wgsl or lib/long_native.wgsl: l_of, low_l, high_l, add_l, sub_l, select_l.
// From lib/long_bits.wgsl or lib/long_bits_native.wgsl: truncated_l.

// Whether something is left that has another sign than the divisor.
fn is_across_l(rest: L, b: L) -> B {
    return ((low_l(rest) | high_l(rest)) != U(0u)) & (bitcast<I>(high_l(rest) ^ high_l(b)) < I(0));
}

fn fmod_l(a: L, b: L) -> L {
    return truncated_l(a, b).rest;
}

fn remainder_l(a: L, b: L) -> L {
    let rest = truncated_l(a, b).rest;
    return select_l(rest, add_l(rest, b), is_across_l(rest, b));
}

fn floor_divide_l(a: L, b: L) -> L {
    let quotient = truncated_l(a, b);
    let one = l_of(U(1u), U(0u));
    return select_l(quotient.whole, sub_l(quotient.whole, one), is_across_l(quotient.rest, b));
}
