//! The instruction sets that loops are compiled for: natively all that a processor may have, of which the best is taken as
//! the program runs.
//!
//! A module for browsers is compiled with or without SIMD as a whole, and one that a browser cannot run does not load: so there
//! every loop is compiled once.

#[cfg(not(any(target_arch = "x86_64", target_arch = "wasm32")))]
pub(super) use pulp::Arch;

#[cfg(target_arch = "x86_64")]
pub(super) use x86::Arch;

#[cfg(target_arch = "x86_64")]
mod x86 {
    #![allow(unsafe_code, reason = "calls a function that is compiled for an instruction set")]

    use pulp::x86::V3;
    use pulp::{Scalar, WithSimd};

    /// As pulp's, whose `dispatch` has a tenth of this library's code around its many loops, for operations that hold vectors:
    /// ours do not.
    #[derive(Clone, Copy)]
    pub(in crate::cpu) enum Arch {
        Scalar,
        V3(V3),
    }

    impl Arch {
        pub(in crate::cpu) fn new() -> Self {
            V3::try_new().map_or(Self::Scalar, Self::V3)
        }

        #[inline(always)]
        pub(in crate::cpu) fn dispatch<Op: WithSimd>(self, op: Op) -> Op::Output {
            match self {
                // SAFETY: there is a `V3` where the CPU has what `with` is compiled for.
                Self::V3(simd) => unsafe { with(simd, op) },
                Self::Scalar => op.with_simd(Scalar),
            }
        }
    }

    /// Runs `op` by what a [`V3`] says that the CPU has.
    #[target_feature(enable = "fxsr,sse3,ssse3,sse4.1,sse4.2,popcnt,avx,avx2,bmi1,bmi2,fma,lzcnt")]
    fn with<Op: WithSimd>(simd: V3, op: Op) -> Op::Output {
        op.with_simd(simd)
    }
}

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
