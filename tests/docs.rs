//! The pages: what they count is right, and their links lead somewhere, on a forge, where they are paths, and in rustdoc,
//! where they are modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages that src/lib.rs shows in rustdoc, too.
const IN_RUSTDOC: [&str; 9] = [
    "README.md",
    "docs/accuracy.md",
    "docs/compiling.md",
    "docs/embedding.md",
    "docs/guide.md",
    "docs/pytorch.md",
    "docs/reliability.md",
    "docs/training.md",
    "docs/web.md",
];
const ELSEWHERE: [&str; 9] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
    "benches/README.md",
    "python/README.md",
    "python/docs/dask.md",
    "python/docs/numexpr.md",
    "web/README.md",
];

fn read(page: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

/// The page's text without its code.
fn prose(page: &str) -> String {
    read(page).split("```").step_by(2).collect()
}

/// Targets of `[text](target)`.
fn inline(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// Labels and targets of lines `[label]: target`.
fn definitions(text: &str) -> Vec<(&str, &str)> {
    text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).collect()
}

/// Whether git leaves a file out, where the project is a repository.
fn is_ignored(path: &Path) -> bool {
    let asked = Command::new("git").args(["check-ignore", "--quiet"]).arg(path).current_dir(ROOT).status();
    asked.is_ok_and(|status| status.success())
}

fn is_path(target: &str) -> bool {
    !target.starts_with("https://") && !target.starts_with('#')
}

#[test]
fn every_path_that_a_page_links_to_exists() {
    let mut seen = 0;
    for page in IN_RUSTDOC.iter().chain(&ELSEWHERE) {
        let text = prose(page);
        let targets = inline(&text).into_iter().chain(definitions(&text).into_iter().map(|(_, target)| target));
        for target in targets.filter(|target| is_path(target)) {
            let (path, _) = target.split_once('#').unwrap_or((target, ""));
            let found = Path::new(ROOT).join(page).parent().expect("a folder").join(path);
            assert!(found.exists(), "{page}: {target}");
            assert!(!is_ignored(&found), "{page}: {target}: ignored by git, so no clone has it");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} links: are they still found?");
}

/// A path means nothing on docs.rs, so docs/links.md must define its label anew, before the page does.
#[test]
fn every_path_has_another_target_in_rustdoc() {
    let links = read("docs/links.md");
    let known: BTreeSet<&str> = definitions(&links).into_iter().map(|(label, _)| label).collect();
    for page in IN_RUSTDOC {
        let text = prose(page);
        assert_eq!(inline(&text).into_iter().find(|target| is_path(target)), None, "{page}: a path by reference only");
        for (label, target) in definitions(&text) {
            assert!(!is_path(target) || known.contains(label), "{page}: [{label}] is not in docs/links.md");
        }
    }
    let crate_docs = read("src/lib.rs");
    for page in IN_RUSTDOC {
        let include = |page: &str| format!("include_str!(\"../{page}\")");
        let before = crate_docs.split_once(&include(page)).unwrap_or_else(|| panic!("{page} is not in src/lib.rs")).0;
        let last = before.lines().rev().nth(1).unwrap_or_default();
        assert!(last.contains(&include("docs/links.md")), "{page} is shown without docs/links.md before it");
    }
}

#[test]
fn the_front_page_stays_short() {
    assert!(read("README.md").lines().count() <= 150);
}

/// How many blocks of unsafe code each file below a folder has, by its path in `src`.
fn unsafe_blocks(dir: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            unsafe_blocks(&entry, found);
        } else {
            let blocks = std::fs::read_to_string(&entry).unwrap().matches("unsafe {").count();
            let path = entry.strip_prefix(Path::new(ROOT).join("src")).unwrap().to_string_lossy().replace('\\', "/");
            found.extend((blocks > 0).then_some((path, blocks)));
        }
    }
}

#[test]
fn the_table_of_unsafe_code_has_every_block() {
    let mut found = BTreeMap::new();
    unsafe_blocks(&Path::new(ROOT).join("src"), &mut found);
    let text = read("docs/reliability.md");
    let section = text.split("## `unsafe`").nth(1).and_then(|rest| rest.split("\nThere are also").next()).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        Some((cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?.to_owned(), cells.get(2)?.parse().ok()?))
    };
    let listed: BTreeMap<String, usize> = section.lines().filter_map(row).collect();
    assert_eq!(listed, found, "the table of docs/reliability.md, and what is in src");
}
