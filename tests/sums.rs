//! How far a long sum is from the exact one, on each device, beside two other ways of adding in f32.

mod devices;

use devices::{failures_on_each, note};
use hadamard::Tensor;

const N: usize = 1 << 24;

/// Numbers spread evenly over 0 to 1 (Steele, Lea and Flood's splitmix64).
fn random(seed: u64) -> Vec<f32> {
    let number = |i: usize| {
        let z = seed.wrapping_add((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32
    };
    (0..N).map(number).collect()
}

/// In f32, halves first, down to runs of 128 in eight sums: as NumPy and, about so, PyTorch add.
fn pairwise(terms: &[f32]) -> f32 {
    if terms.len() > 128 {
        let (a, b) = terms.split_at(terms.len() / 2);
        return pairwise(a) + pairwise(b);
    }
    let mut sums = [0.0_f32; 8];
    for (i, term) in terms.iter().enumerate() {
        sums[i % 8] += term;
    }
    ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]))
}

#[test]
#[ignore = "takes seconds, and prints the figures of docs/accuracy.md: .ci/run names it"]
fn sixteen_million_products() {
    let failures = [("0 to 1", 0.0), ("-1 to 1", 1.0)].map(|(range, centre)| {
        // 2x - 1 is exact.
        let spread = |seed| random(seed).iter().map(|x| x * (1.0 + centre) - centre).collect::<Vec<f32>>();
        judge(range, &spread(1), &spread(2))
    });
    let failures = failures.concat();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What is wrong with the dot products of two vectors.
fn judge(range: &str, a: &[f32], b: &[f32]) -> Vec<String> {
    let products = || a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    // A product of two f32 is exact in f64, and adding 2^24 of them there is 2^29 times finer than in f32.
    let (exact, size): (f64, f64) = (products().sum(), products().map(f64::abs).sum());
    let epsilon = f64::from(f32::EPSILON) / 2.0;
    let error = |sum: f32| (f64::from(sum) - exact).abs() / size;
    let rounded: Vec<f32> = a.iter().zip(b).map(|(a, b)| a * b).collect();
    let (pairs, in_a_row) = (error(pairwise(&rounded)), error(rounded.iter().fold(0.0, |sum, term| sum + term)));
    note(&format!("2^24 products of numbers from {range}, error of their sum beside the sum of their magnitudes:"));
    note(&format!("pairwise in f32 {pairs:.1e}, one after the other {in_a_row:.1e}"));
    failures_on_each(|device| {
        let (x, y) = (Tensor::from_slice(a, [N], device).unwrap(), Tensor::from_slice(b, [N], device).unwrap());
        let found = error(x.dot(&y).eval().unwrap().item::<f32>().unwrap());
        note(&format!("{device} {found:.1e}"));
        // The documented bound, and better than adding one after the other.
        let right = found <= 2.0 * N as f64 * epsilon && found < in_a_row;
        if right { vec![] } else { vec![format!("{found} on {device}, {in_a_row} one after the other")] }
    })
}
