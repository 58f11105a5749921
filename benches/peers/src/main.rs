//! Times the cases of `hadamard bench` in burn, candle and ndarray, one JSON line a case.
//!
//! `peers [--size N] [WORD …]`: square f32 tensors of side N [4096]; only cases whose line has every word.
//! Each case runs in a process of its own: where one crashes, the others are still measured.

#[cfg(any(feature = "burn-wgpu", feature = "burn-flex"))]
mod burn;
#[cfg(feature = "candle")]
mod candle;
#[cfg(feature = "ndarray")]
mod ndarray;
mod timing;

use std::process::{Command, ExitCode};

use serde_json::json;

/// The names that `hadamard bench` and peers.py use, too.
const CASES: [&str; 11] = [
    "copy",
    "a*b",
    "a*row",
    "a*column",
    "a*0.7",
    "w*a+(1-w)*b",
    "(a*b).sum(0)",
    "(a*b).sum(1)",
    "(a*b).sum()",
    "einsum ik,ik->k",
    "adam",
];

/// A library on a device: who it is, where it runs, and how to measure a case. No time if it has no such operation.
type Peer = (&'static str, &'static str, fn(case: &str, n: usize) -> Option<f64>);

fn peers() -> Vec<Peer> {
    vec![
        #[cfg(feature = "burn-wgpu")]
        ("burn 0.22.1 wgpu", "gpu", burn::wgpu),
        #[cfg(feature = "burn-flex")]
        ("burn 0.22.1 flex", "cpu", burn::flex),
        #[cfg(feature = "candle")]
        ("candle 0.11", "cpu", candle::run),
        #[cfg(feature = "ndarray")]
        ("ndarray 0.17 parallel", "cpu", ndarray::run),
    ]
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let size = words.iter().position(|w| w == "--size").and_then(|at| {
        let value = words.drain(at..(at + 2).min(words.len())).nth(1)?;
        Some(value.parse::<usize>().expect("--size takes a number"))
    });
    let size = size.unwrap_or(4096);
    if let [flag, who, case] = &words[..]
        && flag == "--child"
    {
        let (_, _, run) = peers().into_iter().find(|(name, ..)| name == who).expect("a peer of this build");
        match run(case, size) {
            Some(ms) => println!("{ms}"),
            None => println!("none"),
        }
        return ExitCode::SUCCESS;
    }
    for (who, device, _) in peers() {
        for case in CASES {
            if words.iter().all(|word| format!("{who} {device} {case}").contains(word.as_str())) {
                let mut line =
                    json!({"who": who, "device": device, "case": case, "dtype": "f32", "shape": [size, size]});
                match child(who, case, size) {
                    Ok(None) => continue,
                    Ok(Some(ms)) => line["ms"] = ms.into(),
                    Err(error) => line["error"] = error.into(),
                }
                println!("{line}");
            }
        }
    }
    ExitCode::SUCCESS
}

/// The time of a case, measured in another process.
fn child(who: &str, case: &str, size: usize) -> Result<Option<f64>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let size = size.to_string();
    let done = Command::new(program).args(["--size", &size, "--child", who, case]).output();
    let done = done.map_err(|error| error.to_string())?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{}: {}", done.status, said.lines().take(3).collect::<Vec<_>>().join(" / ")));
    }
    let said = String::from_utf8_lossy(&done.stdout);
    Ok(said.lines().last().and_then(|line| line.parse().ok()))
}
