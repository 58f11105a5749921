// lib/index.wgsl
//
// Division of an index by a dim's size, by a multiply and a shift: an integer division is 20 to 100 instructions on
// most hardware. After Granlund and Montgomery, "Division by invariant integers using multiplication" (1994).
//
// Expects lib/uniforms.wgsl.

// The high word of the 64-bit product.
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let middle = a_high * b_low + ((a_low * b_low) >> 16u);
    let carry = a_low * b_high + (middle & 0xffffu);
    return a_high * b_high + (middle >> 16u) + (carry >> 16u);
}

// index / dim.size, exact for indices below 2^31.
fn divide(index: u32, dim: Dim) -> u32 {
    return (multiply_high(index, dim.multiplier) + index) >> dim.shift;
}
