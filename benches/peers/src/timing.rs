//! One way of timing for all, the same as in `hadamard bench`: the median of batches, the wait inside.

use std::time::{Duration, Instant};

/// Time given to a case after its first two runs.
const BUDGET: Duration = Duration::from_millis(800);

/// The median time of `run` in ms. `run` must not return before its work is done.
pub(crate) fn median(mut run: impl FnMut()) -> f64 {
    run(); // compiles, and takes memory
    run();
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 7 || start.elapsed() < BUDGET {
        let begin = Instant::now();
        run();
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// `count` numbers from 0.5 up to 1.5 that look random.
pub(crate) fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    (0..count).map(|_| 0.5 + next()).collect()
}
