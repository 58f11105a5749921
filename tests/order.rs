//! The house's arrows run one way: a room of `src` uses only itself and the rooms before it, as ARCHITECTURE.md has them.
//!
//! Read from the text: every `crate::…` and `super::…` path outside comments, strings and tests, whether in a `use` or in
//! the middle of an expression. Names that `lib.rs` re-exports count as the room they come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, each with those that it may use.
const ROOMS: [(&str, &[&str]); 12] = [
    ("base", &[]),
    ("expr", &["base"]),
    ("cpu", &["base", "expr"]),
    ("kernel", &["base", "expr"]),
    ("gpu", &["base", "expr", "kernel"]),
    ("run", &["base", "expr", "cpu", "kernel", "gpu"]),
    ("random", &["base", "expr", "run"]),
    ("init", &["base", "expr", "run", "random"]),
    ("optim", &["base", "expr", "run"]),
    ("io", &["base", "expr", "run", "optim"]),
    ("reference", &["base", "expr", "run"]),
    ("check", &["base", "expr", "run", "random", "optim", "reference"]),
];

/// Rust's text as the words and signs that paths are made of, without comments, strings and characters.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut words, mut i) = (Vec::new(), 0);
    let after = |i: usize, what: &str| chars[i..].iter().take(what.len()).copied().eq(what.chars());
    while i < chars.len() {
        let c = chars[i];
        if after(i, "//") {
            i = (i..chars.len()).find(|&j| chars[j] == '\n').unwrap_or(chars.len());
        } else if after(i, "/*") {
            i = (i + 2..chars.len()).find(|&j| after(j, "*/")).map_or(chars.len(), |j| j + 2);
        } else if c == 'r' && (after(i, "r\"") || after(i, "r#\"")) {
            let end = if after(i, "r\"") { "\"" } else { "\"#" };
            i = (i + 1 + end.len()..chars.len()).find(|&j| after(j, end)).map_or(chars.len(), |j| j + end.len());
        } else if c == '"' {
            i += 1;
            while i < chars.len() && chars[i] != '"' {
                i += if chars[i] == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if c == '\'' {
            // A character has a closing quote; a lifetime has none.
            let end = if after(i + 1, "\\") { (i + 3..chars.len()).find(|&j| chars[j] == '\'') } else { Some(i + 2) };
            i = end.filter(|&j| chars.get(j) == Some(&'\'')).unwrap_or(i) + 1;
        } else if c.is_alphanumeric() || c == '_' {
            let end = (i..chars.len()).find(|&j| !(chars[j].is_alphanumeric() || chars[j] == '_'));
            words.push(chars[i..end.unwrap_or(chars.len())].iter().collect());
            i = end.unwrap_or(chars.len());
        } else {
            let sign = if after(i, "::") { "::".to_owned() } else { c.to_string() };
            i += sign.len().max(1);
            if !c.is_whitespace() {
                words.push(sign);
            }
        }
    }
    words
}

/// The words without the items that `#[cfg(test)]` stands before.
fn without_tests(words: &[String]) -> Vec<String> {
    let marker = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut out: Vec<String> = Vec::new();
    let mut i = 0;
    while i < words.len() {
        if !words[i..].iter().take(marker.len()).map(String::as_str).eq(marker) {
            out.push(words[i].clone());
            i += 1;
            continue;
        }
        let mut depth = 0_usize;
        i += marker.len();
        while i < words.len() {
            match words[i].as_str() {
                "{" | "[" | "(" => depth += 1,
                "}" | "]" | ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ended = depth == 0 && matches!(words[i].as_str(), ";" | "}");
            i += 1;
            if ended {
                break;
            }
        }
    }
    out
}

/// The paths of a use tree or an expression that begin with the word at `at`: their words, without the signs between.
fn paths(words: &[String], at: usize) -> Vec<Vec<String>> {
    fn tree(words: &[String], mut at: usize, head: &[String], out: &mut Vec<Vec<String>>) -> usize {
        let mut path = head.to_vec();
        loop {
            match words.get(at).map(String::as_str) {
                Some("{") => {
                    at += 1;
                    while words.get(at).is_some_and(|w| w != "}") {
                        at = tree(words, at, &path, out);
                        if words.get(at).is_some_and(|w| w == ",") {
                            at += 1;
                        }
                    }
                    return at + 1;
                }
                Some(word) if word.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    path.push(word.to_owned());
                    at += 1;
                }
                _ => {}
            }
            if words.get(at).is_none_or(|w| w != "::") {
                break;
            }
            at += 1;
        }
        if words.get(at).is_some_and(|w| w == "as") {
            at += 2;
        }
        out.push(path);
        // Whatever else stands there is no path.
        while words.get(at).is_some_and(|w| !matches!(w.as_str(), "," | "}" | ";")) && !head.is_empty() {
            at += 1;
        }
        at
    }
    let mut out = Vec::new();
    tree(words, at, &[], &mut out);
    out
}

/// What `lib.rs` re-exports: each name with the room it comes from.
fn exports(lib: &str) -> BTreeMap<String, String> {
    let words = words(lib);
    let mut found = BTreeMap::new();
    for at in (2..words.len()).filter(|&i| words[i - 2] == "pub" && words[i - 1] == "use") {
        for path in paths(&words, at) {
            found.insert(path[path.len() - 1].clone(), path[0].clone());
        }
    }
    found
}

/// The rooms that a file uses, each with the path that says so. `module` is the file's own place, as `["gpu", "cache"]`.
fn uses(text: &str, module: &[&str], exports: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let words = without_tests(&words(text));
    let mut found = Vec::new();
    for at in 0..words.len() {
        let begins = at == 0 || !matches!(words[at - 1].as_str(), "::");
        if !begins || !matches!(words[at].as_str(), "crate" | "super") || words.get(at + 1).is_none_or(|w| w != "::") {
            continue;
        }
        for path in paths(&words, at) {
            let ups = path.iter().take_while(|w| *w == "super").count();
            let mut whole: Vec<&str> =
                if ups > 0 { module[..module.len().saturating_sub(ups)].to_vec() } else { vec![] };
            whole.extend(path.iter().map(String::as_str).filter(|w| !matches!(*w, "super" | "crate" | "self")));
            let Some(&first) = whole.first() else { continue };
            let room = exports.get(first).map_or(first, String::as_str);
            found.push((room.to_owned(), path.join("::")));
        }
    }
    found
}

/// What a file of a room uses that it must not.
fn violations(room: &str, uses: &[(String, String)]) -> Vec<String> {
    let allowed = ROOMS.iter().find(|r| r.0 == room).map_or(&[][..], |r| r.1);
    let wrong = |used: &&(String, String)| used.0 != room && !allowed.contains(&used.0.as_str());
    uses.iter().filter(wrong).map(|(used, path)| format!("{room} uses {used} ({path})")).collect()
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// A file's place among the modules, from its path below `src`.
fn module(path: &Path) -> Vec<&str> {
    let mut parts: Vec<&str> = path.iter().filter_map(|p| p.to_str()).collect();
    if let Some(last) = parts.pop().and_then(|file| file.strip_suffix(".rs")).filter(|stem| *stem != "mod") {
        parts.push(last);
    }
    parts
}

#[test]
fn no_room_uses_one_that_comes_after_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let exports = exports(&fs::read_to_string(src.join("lib.rs")).unwrap());
    assert!(exports.len() > 20 && exports["Tensor"] == "base", "lib.rs was not understood: {exports:?}");
    let mut all = Vec::new();
    files(&src, &mut all);
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for path in all {
        let below = path.strip_prefix(&src).unwrap();
        let module = module(below);
        // The tool is a crate of its own, and tests may use everything.
        let test = module.iter().any(|part| matches!(*part, "tests" | "mutants"));
        if test || matches!(module[0], "lib" | "bin") {
            continue;
        }
        assert!(ROOMS.iter().any(|r| r.0 == module[0]), "{} is in no room", below.display());
        let uses = uses(&fs::read_to_string(&path).unwrap(), &module, &exports);
        arrows += uses.iter().filter(|used| used.0 != module[0]).count();
        wrong.extend(violations(module[0], &uses).iter().map(|what| format!("{}: {what}", below.display())));
    }
    assert!(arrows > 200, "only {arrows} uses of other rooms were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_room_of_gpus_says_wgpu() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    files(&src, &mut all);
    let says = |path: &&PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        without_tests(&words(&text)).iter().any(|word| word == "wgpu")
    };
    let below = |path: &PathBuf| path.strip_prefix(&src).unwrap().to_path_buf();
    let found: Vec<PathBuf> = all.iter().filter(says).map(below).filter(|path| !path.starts_with("gpu")).collect();
    // What a caller shares with this library is wgpu's; and `hadamard::wgpu` is its name.
    let run = Path::new("run");
    let shared = ["embed.rs", "tensor/embed.rs", "tensor/texture.rs"].map(|file| run.join(file));
    assert_eq!(found, [&[PathBuf::from("lib.rs")][..], &shared].concat());
}

#[test]
fn the_rooms_are_those_of_the_documentation() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| {
        let [room, _, uses] = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect::<Vec<_>>()[..] else {
            return None;
        };
        let room = room.strip_suffix('`')?;
        ROOMS.iter().any(|r| r.0 == room).then(|| format!("{room}: {}", uses.trim()))
    });
    let want: Vec<String> = ROOMS
        .iter()
        .map(|(room, uses)| format!("{room}: {}", if uses.is_empty() { "nothing".to_owned() } else { uses.join(", ") }))
        .collect();
    assert_eq!(rows.collect::<Vec<_>>(), want);
}

#[test]
fn rooms_are_in_order() {
    for (i, (room, below)) in ROOMS.iter().enumerate() {
        let before = |used: &&str| ROOMS[..i].iter().any(|r| r.0 == *used);
        assert!(below.iter().all(before), "{room} may use only what stands before it");
    }
}

#[test]
fn an_arrow_that_runs_up_is_found() {
    let exports = exports("pub use base::tensor::Tensor;\npub use run::device::{VARIABLE, Device};");
    let found = |room: &str, module: &[&str], text: &str| violations(room, &uses(text, module, &exports));
    for text in [
        "use crate::{Tensor, Device};",
        "use crate::{run::{eval::eval_all}, Tensor};",
        "fn f() -> usize { 1 + crate::run::device::count() }",
        "use super::super::run::backend;",
        "fn f(text: &str) { let c = 'x'; g::<'a>(\"\\\"\"); crate::gpu::run() }",
    ] {
        assert_eq!(found("cpu", &["cpu", "map"], text).len(), 1, "{text}");
    }
    for text in [
        "use crate::Tensor;",
        "use super::space::{Space, gather};",
        "// use crate::Device;\n/// [`Device`](crate::Device)\nconst T: &str = \"crate::Device\";",
        "#[cfg(test)]\nmod tests { use crate::Device; fn f() { } }",
        "#[cfg(test)]\nuse crate::Device;",
    ] {
        assert_eq!(found("cpu", &["cpu", "map"], text), [""; 0], "{text}");
    }
}
