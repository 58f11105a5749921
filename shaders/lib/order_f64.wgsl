// lib/order_f64.wgsl
//
// An f64, given by its bits, as an integer of the same order: of both zeros 0, of NaN more than of any number.
//
// From the prelude: L, U. From lib/long.wgsl or lib/long_native.wgsl: l_of, low_l, high_l.

fn order_f64(x: L) -> L {
    let low = low_l(x);
    let high = high_l(x);
    let size = high & U(0x7fffffffu);
    // A float's other bits are its size: of negative floats they count the wrong way.
    let turned = select(U(0u), U(0xffffffffu), high > U(0x7fffffffu));
    let is_zero = (size | low) == U(0u);
    let is_nan = (size > U(0x7ff00000u)) | ((size == U(0x7ff00000u)) & (low != U(0u)));
    let order_low = select(select(low ^ turned, U(0u), is_zero), U(0xffffffffu), is_nan);
    let order_high = select(select(high ^ (turned >> U(1u)), U(0u), is_zero), U(0x7fffffffu), is_nan);
    return l_of(order_low, order_high);
}
