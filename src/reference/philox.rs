//! Philox4x32-10 once more, word by word as the paper's figure has it.

/// Word `word` of the four that belong to a counter, whose upper words are 0, and a key.
pub(super) fn word(counter: u32, key: [u32; 2], word: usize) -> u32 {
    words([counter, 0, 0, 0], key)[word]
}

fn words(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u64; 2] = [0x9E37_79B9, 0xBB67_AE85];
    let mut state = counter.map(u64::from);
    for round in 0..10_u64 {
        let old = state;
        for lane in 0..2 {
            // Of the other lane the product, of this one the odd word.
            let product = MULTIPLIERS[1 - lane] * old[2 * (1 - lane)];
            let round_key = (u64::from(key[lane]) + round * WEYL[lane]) % (1 << 32);
            state[2 * lane] = (product >> 32) ^ old[2 * lane + 1] ^ round_key;
            state[2 * lane + 1] = product % (1 << 32);
        }
    }
    state.map(|word| word as u32)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn known_answers() {
        assert_eq!(words([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(words(pi, [0xa409_3822, 0x299f_31d0]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }
}
