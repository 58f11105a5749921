//! Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

/// The four random words of a counter and a key.
#[inline(always)]
fn philox(mut x: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product0 = u64::from(x[0]) * 0xd251_1f53;
        let product1 = u64::from(x[2]) * 0xcd9e_8d57;
        let (high0, high1) = ((product0 >> 32) as u32, (product1 >> 32) as u32);
        x = [high1 ^ x[1] ^ key[0], product1 as u32, high0 ^ x[3] ^ key[1], product0 as u32];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    x
}

/// The upper 24 bits of a word of a counter, whose upper words are 0, and a key.
#[inline(always)]
pub(super) fn bits<const WORD: usize>(counter: i32, key0: i32, key1: i32) -> i32 {
    (philox([counter as u32, 0, 0, 0], [key0 as u32, key1 as u32])[WORD] >> 8) as i32
}

#[cfg(test)]
mod tests {
    use super::philox;

    /// From the authors' own implementation, Random123, `tests/kat_vectors`.
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = u32::MAX;
        assert_eq!(philox([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }
}
