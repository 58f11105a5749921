//! The targets of `tests/targets`, for libFuzzer. See docs/reliability.md.

#[path = "../../tests/choices/mod.rs"]
mod choices;
#[path = "../../tests/elements/mod.rs"]
mod elements;
#[path = "../../tests/targets/mod.rs"]
mod targets;

/// Hands bytes to the target of that name.
///
/// # Panics
///
/// If there is no such target, or the library does something it must not.
pub fn run(name: &str, data: &[u8]) {
    let target = targets::TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(data);
}
