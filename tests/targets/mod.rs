//! What is fuzzed: each target takes any bytes, and panics if the library does something it must not.
//!
//! `fuzz/` hands them what libFuzzer thinks of; `tests/fuzz.rs` the cases that were kept, and random ones.

mod einsum;
mod expression;
mod files;
mod program;
pub(crate) mod stepwise;

use std::sync::OnceLock;

use hadamard::Device;

/// Something to hand bytes to.
pub(crate) struct Target {
    /// Its name, and the folder of its cases.
    pub(crate) name: &'static str,
    /// Panics on a mistake of the library.
    pub(crate) run: fn(&[u8]),
}

/// Every target.
pub(crate) const TARGETS: [Target; 7] = [
    Target { name: "expression", run: expression::run },
    Target { name: "einsum", run: einsum::run },
    Target { name: "npy", run: files::npy },
    Target { name: "npz", run: files::npz },
    Target { name: "safetensors", run: files::safetensors },
    Target { name: "program", run: program::run },
    Target { name: "stepwise", run: stepwise::run },
];

/// What targets that evaluate run on: the CPU, or what `HADAMARD_FUZZ_DEVICE` names.
fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| match std::env::var("HADAMARD_FUZZ_DEVICE") {
        Ok(name) => Device::named(&name).unwrap(),
        Err(_) => Device::cpu(),
    })
}

/// Choices made by the bytes of a case. Where they have run out, each choice is the first.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn below(&mut self, n: usize) -> usize {
        self.byte() as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n - 1
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
