//! The file of compiled pipelines: written, sealed, and harmless whatever is in it.
#![cfg(feature = "gpu")]

mod devices;

use std::fs;
use std::path::{Path, PathBuf};

use hadamard::{Device, Error, Tensor};

/// The same adapter, opened anew, with a file in `dir`.
fn reopened(device: &Device, dir: &Path) -> Device {
    let new = devices::limited(device, |_| {});
    assert!(new.cache_pipelines(dir).unwrap(), "{device}");
    new
}

fn is_right_on(device: &Device) {
    let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], [3], device).unwrap();
    assert_eq!((&x * &x).sum(..).eval().unwrap().item::<f32>().unwrap(), 14.0, "{device}");
    assert_eq!((&x + 1.0).eval().unwrap().to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0], "{device}");
}

fn file_in(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    file.clone()
}

#[test]
fn a_file_of_pipelines_is_written_and_broken_ones_do_no_harm() {
    for device in devices::devices() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("made/anew");
        if device.info().backend != "vulkan" {
            assert!(!device.cache_pipelines(&dir).unwrap(), "{device}");
            device.save_pipelines().unwrap();
            assert!(!dir.exists(), "{device}");
            continue;
        }
        let first = reopened(&device, &dir);
        is_right_on(&first);
        first.save_pipelines().unwrap();
        let file = file_in(&dir);
        let whole = fs::read(&file).unwrap();
        assert!(whole.starts_with(b"hadamard kernels"));

        let mut altered = whole.clone();
        altered[whole.len() / 2] ^= 1;
        let foreign = [&whole[..16], &[0xaa; 4096]].concat();
        let cases: [&[u8]; 6] = [&whole, &altered, &whole[..whole.len() - 1], &whole[..20], &foreign, &[]];
        for bytes in cases {
            fs::write(&file, bytes).unwrap();
            let again = reopened(&device, &dir);
            is_right_on(&again);
            again.save_pipelines().unwrap();
            assert!(fs::read(&file).unwrap().starts_with(b"hadamard kernels"));
            assert_eq!(file_in(&dir), file, "nothing is left beside it");
        }
    }
}

#[test]
fn folders_that_cannot_be_are_errors() {
    for device in devices::devices().into_iter().filter(|device| device.info().backend == "vulkan") {
        let temp = tempfile::tempdir().unwrap();
        let taken = temp.path().join("file");
        fs::write(&taken, "no folder").unwrap();
        let new = devices::limited(&device, |_| {});
        assert!(matches!(new.cache_pipelines(taken.join("in it")), Err(Error::File { .. })));
        assert!(new.cache_pipelines(temp.path()).unwrap() && new.cache_pipelines(temp.path()).unwrap());
        let error = new.cache_pipelines(temp.path().join("another")).unwrap_err();
        assert!(matches!(error, Error::Argument { op: "cache_pipelines", .. }), "{error}");
        is_right_on(&new);
    }
}
