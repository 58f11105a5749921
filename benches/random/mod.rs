//! Numbers in no order, the same in every run.

/// Marsaglia's xorshift of 64 bits: another sequence for each seed.
pub(crate) fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = 88_172_645_463_325_252_u64.wrapping_add(seed << 32);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
