// lib/bounded.wgsl
//
// Indices that are not known before they are read: each is looked at, and one out of bounds is marked for the host and
// replaced by the nearest, so that no kernel reads beyond its tensor.
//
// From the prelude: marks, some() and most().

// Which of `size` elements each index is. With `from_end`, negative numbers count from the end. Where `inside` is false
// there is no element to be read, and the index may be anything.
//
// A mark is 0, or tells the index farthest out: 2^31 and the index for one that is too large, else how far below 0 it is.
fn bounded(index: I, size: u32, mark: u32, from_end: bool, inside: B) -> I {
    let last = I(i32(size) - 1);
    var at = index;
    if from_end {
        at = select(index, index + I(i32(size)), index < I(0));
    }
    let nearest = clamp(at, I(0), last);
    let astray = select(B(false), at != nearest, inside);
    if some(astray) {
        let below = bitcast<U>(-max(index, I(-2147483647)));
        let far = select(bitcast<U>(index) | U(0x80000000u), below, index < I(0));
        atomicMax(&marks[mark], most(select(U(0u), far, astray)));
    }
    return nearest;
}
