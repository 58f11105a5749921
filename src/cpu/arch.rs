//! The instruction sets that loops are compiled for: natively all that a processor may have, of which the best is taken as
//! the program runs.
//!
//! A module for browsers is compiled with or without SIMD as a whole, and one that a browser cannot run does not load: so there
//! every loop is compiled once.

#[cfg(not(target_arch = "wasm32"))]
pub(super) use pulp::Arch;

#[cfg(target_arch = "wasm32")]
pub(super) use web::Arch;

#[cfg(target_arch = "wasm32")]
mod web {
    #![cfg_attr(target_feature = "simd128", allow(unsafe_code, reason = "says what the compiler was told"))]

    use pulp::{Simd, WithSimd};

    #[derive(Clone, Copy)]
    pub(in crate::cpu) struct Arch;

    impl Arch {
        pub(in crate::cpu) fn new() -> Self {
            Self
        }

        #[inline(always)]
        pub(in crate::cpu) fn dispatch<Op: WithSimd>(self, op: Op) -> Op::Output {
            #[cfg(target_feature = "simd128")]
            // SAFETY: this module is compiled with simd128, so whatever runs it has it.
            let simd = unsafe { pulp::wasm::Simd128::new_unchecked() };
            #[cfg(not(target_feature = "simd128"))]
            let simd = pulp::Scalar::new();
            Simd::vectorize(simd, op)
        }
    }
}
