// lib/copysign.wgsl
//
// A number with the sign of another, on their bits.
//
// From the prelude: F, U.

fn copysign_f(a: F, b: F) -> F {
    return bitcast<F>((bitcast<U>(a) & U(0x7fffffffu)) | (bitcast<U>(b) & U(0x80000000u)));
}
