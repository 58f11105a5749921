//! The tool as a user meets it: the tour, `bench` and `check`.
#![cfg(feature = "cli")]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tool(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hadamard"));
    command.args(args).env_remove("HADAMARD_DEVICE").env_remove("HADAMARD_LOG").output().expect("the tool starts")
}

/// Standard output of a run that must end well.
fn told(args: &[&str]) -> String {
    let output = tool(args);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{args:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// The bytes of a picture's pixels.
fn pixels(path: &Path) -> Vec<u8> {
    let file = BufReader::new(File::open(path).expect("the picture is there"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    assert_eq!((reader.info().width, reader.info().height), (640, 427), "{}", path.display());
    let mut bytes = vec![0; reader.output_buffer_size().expect("it fits memory")];
    reader.next_frame(&mut bytes).expect("pixels");
    bytes
}

#[test]
fn the_tour_is_right_and_draws_its_pictures() {
    let out = folder("tour");
    let text = told(&["--device", "cpu", "--out", out.to_str().expect("UTF-8")]);
    assert_eq!(text.matches(" ok\n").count(), 4, "{text}");
    assert!(!text.contains("WRONG"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let picture = |name: &str| pixels(&out.join(format!("hadamard-{name}.png")));
    let (original, scaled) = (picture("original"), picture("scaled"));
    assert_eq!(original.len(), 3 * 640 * 427);
    assert_eq!(scaled.len(), original.len());
    assert_ne!(original, scaled);
    // The fit found the weights, so the two greys are the same to within one step of 255.
    let (grey, fitted) = (picture("grey"), picture("grey-fitted"));
    assert_eq!((grey.len(), fitted.len()), (640 * 427, 640 * 427));
    assert!(grey.iter().zip(fitted.iter()).all(|(a, b)| a.abs_diff(*b) <= 1));
    assert!(grey.iter().any(|&value| value > 200));
}

#[test]
fn the_tour_leaves_what_is_not_its_own() {
    let out = folder("tour-elsewhere");
    std::fs::create_dir_all(out.join("hadamard-original.png")).expect("a folder");
    let output = tool(&["--device", "cpu", "--out", out.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("hadamard-original.png: not a plain file"), "{text}");
}

#[test]
fn bench_tells_programs_and_browsers() {
    let out = folder("bench");
    std::fs::create_dir_all(&out).expect("a folder");
    let page = out.join("report.html");
    let page = page.to_str().expect("UTF-8");
    let small = ["--quick", "--size", "64", "--max-bytes", "64K"];
    let text = told(&[&["bench", "--device", "cpu", "--json", "--report", page], &small[..]].concat());
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (limits, cases): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["who"] == "limit");
    assert!(limits.len() == 2 && cases.len() >= 25, "{text}");
    assert!(limits.iter().all(|line| line["rate"].as_f64().is_some_and(|rate| rate > 0.1)), "{text}");
    for case in cases {
        let ms = |key: &str| case[key].as_f64().unwrap_or(f64::NAN);
        assert!(ms("p10") > 0.0 && ms("p10") <= ms("ms") && ms("ms") <= ms("p90"), "{case}");
        assert!(case["wrong"].is_null() && case["error"].is_null(), "{case}");
    }
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("(&amp;a * &amp;b).sum(0).eval()") && page.matches("<svg").count() == 6, "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "the page needs nothing but itself");
}

#[test]
fn bench_measures_what_is_asked_for() {
    let text = told(&["bench", "--device", "cpu", "--quick", "--size", "64", "--max-bytes", "4K", "--only", "a*b.T"]);
    assert!(text.contains("a*b.T") && !text.contains("adam"), "{text}");
}

#[test]
fn bench_refuses_what_it_cannot_time() {
    for args in [
        ["bench", "--size", "0"],
        ["bench", "--dtype", "i32"],
        ["bench", "--device", "no such device"],
        ["bench", "--max-bytes", "many"],
        ["bench", "--only", "no such case"],
    ] {
        let output = tool(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}
