#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hadamard_fuzz::run("npz", data));
