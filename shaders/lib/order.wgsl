// lib/order.wgsl
//
// Floats as integers of the same order, by their bits, so that no driver can take NaN for a number: of both zeros 0, of
// NaN less than of any number.

fn order_f(x: F) -> I {
    let bits = bitcast<I>(x);
    // A float's other bits are its size: of negative floats they count the wrong way.
    let order = select(bits, bits ^ I(0x7fffffff), bits < I(0));
    // -0, next below 0.
    let number = select(order, I(0), order == I(-1));
    return select(number, I(bitcast<i32>(0x80000000u)), (bits & I(0x7fffffff)) > I(0x7f800000));
}
