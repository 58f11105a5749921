//! What a file is that is not what it was taken for, known by its first bytes.

/// How many bytes at the start of a file tell.
pub(super) const HEAD: u64 = 512;

/// First bytes, what such a file is, and what to do with it. The first that fits counts.
const KINDS: [(&[u8], &str); 18] = [
    (b"\x93NUMPY", "a .npy file: name it so"),
    (b"\x1f\x8b", "a gzip file: unpack it with gunzip"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file: read it with h5py and save arrays with numpy.save"),
    (
        b"version https://git-lfs.github.com/",
        "a pointer of Git LFS, not the file itself: fetch that with `git lfs pull`",
    ),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"GGUF", "a GGUF file, a model for llama.cpp"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file: unpack it with unzstd"),
    (b"\xfd7zXZ\0", "an xz file: unpack it with unxz"),
    (b"BZh", "a bzip2 file: unpack it with bunzip2"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"MATLAB 5.0", "a MATLAB file: read it with scipy.io.loadmat and save arrays with numpy.save"),
    (b"<!DOCTYPE", "a web page, not what it links to"),
    (b"<html", "a web page, not what it links to"),
    (b"PAR1", "a Parquet file"),
];

const PICKLE: &str =
    "a Python pickle, which runs code when it is loaded: save arrays with numpy.save or safetensors.torch.save_file";

fn holds(head: &[u8], words: &[u8]) -> bool {
    head.windows(words.len()).any(|window| window == words)
}

pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// What a file is that begins with these bytes, and what to do with it.
pub(super) fn of(head: &[u8]) -> Option<&'static str> {
    if is_zip(head) {
        // The first member's name stands in its header.
        return Some(if holds(head, b"data.pkl") {
            "a PyTorch checkpoint, a zip archive of a Python pickle: save its tensors with \
             safetensors.torch.save_file"
        } else if holds(head, b".npy") {
            "an .npz file, a zip archive of arrays: name it so, and the array, as FILE.npz:NAME"
        } else {
            "a zip archive: unpack it"
        });
    }
    let known = KINDS.iter().find(|(first, _)| head.starts_with(first)).map(|(_, kind)| *kind);
    // The length of a header, then the header.
    let safetensors =
        || (head.get(8) == Some(&b'{') && head[5..8] == [0; 3]).then_some("a .safetensors file: name it so");
    known.or_else(safetensors)
}

/// What is said of a file that is not what was expected.
pub(super) fn not_a(expected: &str, head: &[u8]) -> String {
    of(head).map_or_else(|| format!("not {expected}"), |kind| format!("not {expected}: it is {kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        for (head, words) in [
            (&b"PK\x03\x04\x00\x00archive/data.pkl"[..], "PyTorch checkpoint"),
            (b"PK\x03\x04\x00\x00a.npy\x93NUMPY", ".npz file"),
            (b"PK\x03\x04\x00\x00readme.txt", "zip archive: unpack"),
            (b"PK\x05\x06", "zip archive: unpack"),
            (b"\x80\x02\x8a\x0al\xfc", "Python pickle"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
            (b"\x10\0\0\0\0\0\0\0{\"a\"", ".safetensors file"),
        ] {
            assert!(of(head).unwrap().contains(words), "{head:?}");
        }
        for head in [&b""[..], b"PK", b"no array", b"{}", b"\x80", b"\xff\0\0\0\0\0\0\x01{"] {
            assert_eq!(of(head), None, "{head:?}");
        }
    }
}
