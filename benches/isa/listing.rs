//! What a listing of AMD's machine code shows: how wide loads and stores are, and how much of it is done for an element.

use std::collections::BTreeMap;
use std::fmt;

/// Bits that an instruction fetches or stores for each invocation, and how many such instructions there are.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Widths(BTreeMap<u32, usize>);

impl Widths {
    fn of(code: &[&str], is_one: impl Fn(&str) -> bool) -> Self {
        let mut widths = Self::default();
        for name in code.iter().filter_map(|line| line.split_whitespace().next()).filter(|name| is_one(name)) {
            *widths.0.entry(bits(name)).or_default() += 1;
        }
        widths
    }

    fn bits(&self) -> usize {
        self.0.iter().map(|(&bits, count)| bits as usize * count).sum()
    }

    /// The narrowest.
    pub(crate) fn least(&self) -> Option<u32> {
        self.0.keys().next().copied()
    }
}

/// As `2×128, 1×32`.
impl fmt::Display for Widths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().rev().map(|(bits, count)| format!("{count}×{bits}")).collect();
        f.write_str(if each.is_empty() { "-".to_owned() } else { each.join(", ") }.as_str())
    }
}

/// Bits that an instruction moves, by its name: `buffer_load_dwordx4`, or `buffer_load_b128` from RDNA 3 on.
fn bits(name: &str) -> u32 {
    let last = name.rsplit('_').next().unwrap_or_default();
    let digits = last.trim_start_matches(|c: char| !c.is_ascii_digit());
    match last {
        "dword" => 32,
        "dwordx2" => 64,
        "dwordx3" => 96,
        "dwordx4" => 128,
        "ubyte" | "sbyte" | "byte" => 8,
        "ushort" | "sshort" | "short" => 16,
        _ => digits.parse().unwrap_or_else(|_| panic!("how wide is {name}?")),
    }
}

fn is_memory(name: &str, what: &str) -> bool {
    ["buffer_", "global_", "flat_"].iter().any(|space| name.strip_prefix(space).is_some_and(|of| of.starts_with(what)))
}

/// A part of the machine code.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) instructions: usize,
    /// Of memory that invocations find for themselves; what all find alike, uniforms mostly, goes by other instructions.
    pub(crate) loads: Widths,
    pub(crate) stores: Widths,
}

impl Part {
    fn of(code: &[&str]) -> Self {
        Self {
            instructions: code.iter().filter(|line| !line.ends_with(':')).count(),
            loads: Widths::of(code, |name| is_memory(name, "load_")),
            stores: Widths::of(code, |name| is_memory(name, "store_")),
        }
    }
}

/// The whole, and the innermost loop that loads most, or the whole where no loop loads anything.
pub(crate) fn parts(machine_code: &str) -> (Part, Part) {
    let code: Vec<&str> = machine_code.lines().map(|line| line.split(';').next().unwrap_or_default().trim()).collect();
    let code: Vec<&str> = code.into_iter().filter(|line| !line.is_empty()).collect();
    let loops = loops(&code);
    let holds_another =
        |(first, last): (usize, usize)| loops.iter().any(|&(f, l)| (f, l) != (first, last) && first <= f && l <= last);
    let innermost =
        loops.iter().filter(|&&one| !holds_another(one)).map(|&(first, last)| Part::of(&code[first..=last]));
    let hot = innermost
        .filter(|part| part.loads.bits() > 0)
        .reduce(|a, b| if b.loads.bits() > a.loads.bits() { b } else { a });
    (Part::of(&code), hot.unwrap_or_else(|| Part::of(&code)))
}

/// The first and the last line of each loop: a label, and the last branch back to it.
fn loops(code: &[&str]) -> Vec<(usize, usize)> {
    let branches_to = |line: &str, label: &str| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|name| name.starts_with("s_branch") || name.starts_with("s_cbranch"))
            && words.next() == Some(label)
    };
    let of_label = |(first, line): (usize, &&str)| {
        let label = line.strip_suffix(':')?;
        let last = (first..code.len()).rev().find(|&i| branches_to(code[i], label))?;
        Some((first, last))
    };
    code.iter().enumerate().filter_map(of_label).collect()
}
