//! How much memory reading and writing files takes: that of the tensor, and hardly more.
//!
//! A binary of its own with one test, since what is measured is the peak of the whole process.
#![cfg(all(feature = "io", target_os = "linux"))]

mod devices;

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

/// Forgets the peak: from here on it is counted anew, from what the process has now.
fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// A file of a header and this many zeros.
fn zeros(path: &Path, header: &[u8], len: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    file.write_all(header).unwrap();
    let block = [0; 1 << 12];
    (0..len >> 12).for_each(|_| file.write_all(&block).unwrap());
    file.into_inner().unwrap().sync_all().unwrap();
}

fn npy(path: &Path, descr: &str, fortran: &str, elements: usize) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': (16, {})}}", elements / 16);
    let length = (header.len() as u16).to_le_bytes();
    zeros(path, &[b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat(), 4 * elements as u64);
}

#[test]
fn a_file_is_never_in_memory_twice() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let device = Device::cpu();
    npy(&at("plain.npy"), "<f4", "False", ELEMENTS);
    npy(&at("swapped.npy"), ">f4", "False", ELEMENTS);
    npy(&at("fortran.npy"), "<f4", "True", ELEMENTS);
    let header = format!("{{\"x\":{{\"dtype\":\"F8_E5M2\",\"shape\":[{ELEMENTS}],\"data_offsets\":[0,{ELEMENTS}]}}}}");
    let header = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    zeros(&at("f8.safetensors"), &header, ELEMENTS as u64);

    forget_peak();
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
    drop(twice);
    device.trim();

    // What goes to a GPU is uploaded in parts, each of which makes way for the next; a software adapter's memory is the
    // process's own.
    npy(&at("large.npy"), "<f4", "False", 4 * ELEMENTS);
    for device in devices::devices().into_iter().filter(Device::is_gpu) {
        Tensor::read_npy(at("swapped.npy"), &device).unwrap().to_vec::<f32>().unwrap();
        device.trim();
        forget_peak();
        let before = peak();
        let x = Tensor::read_npy(at("large.npy"), &device).unwrap();
        device.synchronize().unwrap();
        let more = peak().saturating_sub(before);
        assert!(more <= 6 * BYTES, "{device}: {more} bytes for a tensor of {}", 4 * BYTES);
        assert_eq!(x.numel(), 4 * ELEMENTS);
    }
}
