//! The targets of `fuzz/`, without a fuzzer: every case that was kept, and random changes of them.
//!
//! `HADAMARD_FUZZ_CASES` sets how many changed cases each target gets, and `HADAMARD_STEPWISE_CASES` how many random
//! ones `stepwise` gets on each device. The fuzzer itself is `fuzz/run`.
#![cfg(feature = "io")]

mod choices;
mod devices;
mod elements;
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use choices::Random;
use devices::failures_on_each;
use targets::{TARGETS, Target, stepwise};

/// How many changed cases a target, in a plain `cargo test`.
const CASES: u64 = 1000;

/// Bytes of a random case: enough for every step of `stepwise`.
const BYTES: usize = 64;

/// The kept cases of a target, with their names.
fn kept(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/cases").join(target.name);
    let mut cases: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    cases.sort();
    cases
}

/// Runs a case; a panic names the bytes.
fn run(target: &Target, name: &str, data: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(data))) {
        eprintln!("{}, {name}: b\"{}\"", target.name, data.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn kept_cases_pass() {
    for target in &TARGETS {
        let cases = kept(target);
        assert!(cases.len() >= 8, "{} of {}", cases.len(), target.name);
        for (name, data) in cases {
            run(target, &name, &data);
        }
    }
}

/// Bytes changed, dropped, doubled and taken from another case, always the same.
#[test]
fn changed_cases_pass() {
    let n = std::env::var("HADAMARD_FUZZ_CASES").map_or(CASES, |n| n.parse().expect("HADAMARD_FUZZ_CASES is a number"));
    for target in &TARGETS {
        let cases = kept(target);
        for seed in 0..n {
            let mut random = Random(seed);
            let mut data = cases[random.below(cases.len())].1.clone();
            for _ in 0..=random.below(6) {
                let at = random.below(data.len() + 1);
                let end = at + random.below(data.len() - at + 1);
                match random.below(5) {
                    0 => data.insert(at, random.below(256) as u8),
                    1 if at < data.len() => data[at] = random.below(256) as u8,
                    2 if at < data.len() => data[at] ^= 1 << random.below(8),
                    3 => drop(data.drain(at..end)),
                    _ => {
                        let other = &cases[random.below(cases.len())].1;
                        let from = random.below(other.len() + 1);
                        data.splice(at..end, other[from..(from + end - at).min(other.len())].iter().copied());
                    }
                }
            }
            run(target, &format!("changed case {seed}"), &data);
        }
    }
}

#[test]
fn one_kernel_gives_what_operations_give_one_at_a_time() {
    let wanted = std::env::var("HADAMARD_STEPWISE_CASES").ok().and_then(|n| n.parse().ok());
    let failures = failures_on_each(|device| {
        let cases = wanted.unwrap_or(if device.is_gpu() { 60 } else { 1000 });
        let (mut judged, mut failures) = (0, Vec::new());
        for seed in 0..cases {
            let mut random = Random(seed);
            let data: Vec<u8> = (0..BYTES).map(|_| random.below(256) as u8).collect();
            match stepwise::check(device, &data) {
                Ok((n, wrong)) => {
                    judged += n;
                    failures.extend(wrong.iter().map(|wrong| format!("seed {seed} on {wrong}")));
                }
                Err(error) => failures.push(format!("seed {seed} on {device}: {error}")),
            }
        }
        assert!(judged * 2 > cases as usize * stepwise::N, "{device}: only {judged} elements");
        failures
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
