//! How much memory reading and writing files takes: that of the tensor, and hardly more.
//!
//! A binary of its own with one test, since what is measured is the peak of the whole process.
#![cfg(all(feature = "io", target_os = "linux"))]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use hadamard::{Device, Tensor};

const ELEMENTS: usize = 16 << 20;
/// Of the largest tensor here, of 4 bytes an element.
const BYTES: u64 = 4 * ELEMENTS as u64;

/// The most memory the process has had so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// A file of a header and this many zeros.
fn zeros(path: &Path, header: &[u8], len: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(header).unwrap();
    let block = [0; 1 << 12];
    (0..len >> 12).for_each(|_| file.write_all(&block).unwrap());
    file.into_inner().unwrap().sync_all().unwrap();
}

#[test]
fn a_file_is_never_in_memory_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let device = Device::cpu();
    let npy = |name: &str, descr: &str, fortran: &str| {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': (16, {})}}", ELEMENTS / 16);
        let length = (header.len() as u16).to_le_bytes();
        zeros(&at(name), &[b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat(), BYTES);
    };
    npy("plain.npy", "<f4", "False");
    npy("swapped.npy", ">f4", "False");
    npy("fortran.npy", "<f4", "True");
    let header = format!("{{\"x\":{{\"dtype\":\"F8_E5M2\",\"shape\":[{ELEMENTS}],\"data_offsets\":[0,{ELEMENTS}]}}}}");
    let header = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    zeros(&at("f8.safetensors"), &header, ELEMENTS as u64);

    let before = peak();
    let small = |what: &str| {
        let more = peak() - before;
        assert!(more <= BYTES + BYTES / 10, "{what}: {more} bytes for a tensor of {BYTES}");
    };
    for name in ["plain.npy", "swapped.npy", "fortran.npy"] {
        let x = Tensor::read_npy(at(name), &device).unwrap();
        assert_eq!(x.numel(), ELEMENTS);
        small(name);
    }
    let x = Tensor::read_safetensors(at("f8.safetensors"), "x", &device).unwrap();
    small("f8.safetensors");
    x.write_npy(at("out.npy")).unwrap();
    x.write_npz(at("out.npz"), "x").unwrap();
    x.write_safetensors(at("out.safetensors"), "x").unwrap();
    small("writing");
    drop(x);
    assert_eq!(Tensor::read_npz(at("out.npz"), "x", &device).unwrap().numel(), ELEMENTS);
    small("out.npz");
    // Seen to be able to fail: as much again, and it is noticed.
    let twice = [Tensor::read_npy(at("out.npy"), &device).unwrap(), Tensor::read_npy(at("out.npy"), &device).unwrap()];
    assert!(peak() - before > BYTES + BYTES / 10, "{} tensors are in memory", twice.len());
}
