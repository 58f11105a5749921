// lib/long_numeric.wgsl
//
// Functions of integers of 64 bits, in either form.
//
// From the prelude: L, I, U, B. From lib/long.wgsl or lib/long_native.wgsl: l_of, low_l, high_l, select_l, is_minus_l,
// neg_l, mul_l, eq_l, lt_l.

fn abs_l(x: L) -> L {
    return select_l(x, neg_l(x), is_minus_l(x));
}

fn relu_l(x: L) -> L {
    return select_l(x, l_of(U(0u), U(0u)), is_minus_l(x));
}

fn maximum_l(a: L, b: L) -> L {
    return select_l(a, b, lt_l(a, b));
}

fn minimum_l(a: L, b: L) -> L {
    return select_l(b, a, lt_l(a, b));
}

// As pow_i of lib/numeric.wgsl. Of the exponent's bits beyond the 32nd, powers that do not wrap to 0 need only the last.
fn pow_l(base: L, exponent: L) -> L {
    let one = l_of(U(1u), U(0u));
    var result = one;
    var square = base;
    // Ends: bit counts to 63.
    for (var bit = 0u; bit < 63u; bit++) {
        let word = select(low_l(exponent), high_l(exponent), B(bit >= 32u));
        let is_set = ((word >> U(bit & 31u)) & U(1u)) == U(1u);
        result = select_l(result, mul_l(result, square), is_set);
        square = mul_l(square, square);
    }
    let odd = (low_l(exponent) & U(1u)) == U(1u);
    let minus_one = select_l(one, neg_l(one), odd);
    let of_minus_one = select_l(l_of(U(0u), U(0u)), minus_one, eq_l(base, neg_l(one)));
    return select_l(result, select_l(of_minus_one, one, eq_l(base, one)), is_minus_l(exponent));
}

fn b_to_l(x: B) -> L {
    return l_of(select(U(0u), U(1u), x), U(0u));
}

// The lower word.
fn l_to_i(x: L) -> I {
    return bitcast<I>(low_l(x));
}

fn l_to_b(x: L) -> B {
    return (low_l(x) | high_l(x)) != U(0u);
}
