//! The tool on files: what `eval` prints and writes, what it refuses, and the codes it exits with.
#![cfg(feature = "cli")]

use std::fs;
use std::process::{Command, Output, Stdio};

use hadamard::{
    DType, Device, Tensor, npz_names, read_npz, read_safetensors, safetensors_names, write_npz, write_safetensors,
};
use tempfile::{TempDir, tempdir};

/// Runs the tool in `folder`.
fn tool(folder: &TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hadamard"))
        .args(args)
        .current_dir(folder.path())
        .env("HADAMARD_DEVICE", "cpu")
        .env_remove("HADAMARD_LOG")
        .output()
        .unwrap()
}

/// Standard output of a run that must succeed.
fn told(folder: &TempDir, args: &[&str]) -> String {
    let output = tool(folder, args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    // `devices` opens every driver there is, and some of them talk; `eval` says what it has made.
    let talks = matches!(args[0], "devices" | "eval") || args.contains(&"eval");
    assert!(talks || output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Both outputs of a run that must succeed: the values, and what is said of them.
fn evaluated(folder: &TempDir, args: &[&str]) -> [String; 2] {
    let output = tool(folder, args);
    let [values, notes] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {notes}");
    [values, notes]
}

/// Standard error of a run that must fail, and print nothing else.
fn refused(folder: &TempDir, args: &[&str]) -> String {
    let output = tool(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with `a.npy` = [[1, 2], [3, 4]], `b.npy` = [10, 100] and `m.safetensors` of both and an integer tensor.
fn inputs() -> TempDir {
    let folder = tempdir().unwrap();
    let device = Device::cpu();
    let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0], [2, 2], &device).unwrap();
    let b = Tensor::from_slice(&[10.0_f32, 100.0], [2], &device).unwrap();
    let n = Tensor::from_slice(&[7_i32, 8], [2], &device).unwrap();
    a.write_npy(folder.path().join("a.npy")).unwrap();
    b.write_npy(folder.path().join("b.npy")).unwrap();
    write_safetensors(folder.path().join("m.safetensors"), &[("l.a", &a), ("l.b", &b), ("n", &n)]).unwrap();
    write_safetensors(folder.path().join("one.safetensors"), &[("only", &b)]).unwrap();
    write_npz(folder.path().join("m.npz"), &[("l.a", &a), ("l.b", &b), ("n", &n)]).unwrap();
    write_npz(folder.path().join("one.npz"), &[("only", &b)]).unwrap();
    folder
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn eval_prints_what_it_computes() {
    let folder = inputs();
    for (args, values, what) in [
        (&["a * b", "a=a.npy", "b=b.npy"][..], "[[ 10.0, 200.0],\n [ 30.0, 400.0]]\n", "f32 [2, 2] on cpu\n"),
        (&["sum(a * b, 0)", "a=m.safetensors:l.a", "b=one.safetensors"], "[ 40.0, 600.0]\n", "f32 [2] on cpu\n"),
        (&["sum(a * b, 0)", "a=m.npz:l.a", "b=one.npz"], "[ 40.0, 600.0]\n", "f32 [2] on cpu\n"),
        (&["-b * lr", "b=b.npy", "lr=0.5"], "[ -5.0, -50.0]\n", "f32 [2] on cpu\n"),
        (&["n * two", "n=m.safetensors:n", "two=2"], "[14, 16]\n", "i32 [2] on cpu\n"),
        (&["a.T > 2", "a=a.npy"], "[[False,  True],\n [False,  True]]\n", "bool [2, 2] on cpu\n"),
        (&["mean(a)", "a=a.npy"], "2.5\n", "f32 [] on cpu\n"),
        (&["1 + 2"], "3\n", "i64 [] on cpu\n"),
    ] {
        // Values and nothing else for whoever reads standard output.
        assert_eq!(evaluated(&folder, &[&["eval"], args].concat()), [values, what], "{args:?}");
    }
    // An expression may begin with '-' and options may stand anywhere.
    assert_eq!(told(&folder, &["--device", "cpu", "eval", "-b", "b=b.npy"]).lines().next(), Some("[ -10.0, -100.0]"));
    assert_eq!(told(&folder, &["eval", "-b", "--device=cpu", "b=b.npy"]).lines().next(), Some("[ -10.0, -100.0]"));
}

/// On a device that cannot compute in f64, too: what is cast first is computed, all else refused.
#[test]
fn f64s_that_are_cast_are_computed_on_every_device() {
    let folder = inputs();
    let d = Tensor::from_slice(&[0.1, 1e300, -2.5], [3], &Device::cpu()).unwrap();
    d.write_npy(folder.path().join("d.npy")).unwrap();
    let devices = std::env::var("HADAMARD_TEST_DEVICES").unwrap_or_default();
    for name in devices.split(',').filter(|name| !name.is_empty() && !name.ends_with("-small")).chain(["cpu"]) {
        for cast in ["cast(d, f32) * 2", "d.float() + d.to(torch.float32)", "cast(d[0:], f32) * 2"] {
            let values = told(&folder, &["--device", name, "eval", cast, "d=d.npy"]);
            assert_eq!(values, "[ 0.2,  inf, -5.0]\n", "{name}: {cast}");
        }
        // What the tool casts before it uploads needs no f64 of the kernel.
        let kernel = told(&folder, &["--device", name, "explain", "cast(d, f32) * 2", "d=d.npy"]);
        assert_eq!(kernel.contains("moves 24 B"), name != "cpu", "{kernel}");
        if Device::named(name).unwrap().info().f64 {
            assert!(told(&folder, &["--device", name, "eval", "d * 2", "d=d.npy"]).contains("2.0e+300"), "{name}");
        } else {
            let said = refused(&folder, &["--device", name, "eval", "d * 2", "d=d.npy"]);
            assert!(said.contains("does not support arithmetic in f64; cast first, as in cast(x, f32)"), "{said}");
        }
    }
}

#[test]
fn eval_writes_files() {
    let folder = inputs();
    let device = Device::cpu();
    let at = |name: &str| folder.path().join(name);
    let said = evaluated(&folder, &["eval", "cast(a, f16) * 2", "a=a.npy", "-o", "out.npy"]);
    assert_eq!(said, ["", "out.npy: f16 [2, 2]\n"]);
    let read = Tensor::read_npy(at("out.npy"), &device).unwrap();
    assert_eq!((read.dtype(), read.shape().dims()), (DType::F16, &[2, 2][..]));

    told(&folder, &["eval", "a.T * 1", "a=a.npy", "--out", "out.safetensors"]);
    told(&folder, &["eval", "cast(a, bf16)", "a=a.npy", "--out=named.safetensors:x.y"]);
    let read = read_safetensors(at("out.safetensors"), &device).unwrap();
    assert_eq!((read[0].0.as_str(), read[0].1.to_vec::<f32>().unwrap()), ("result", vec![1.0, 3.0, 2.0, 4.0]));
    assert_eq!(read_safetensors(at("named.safetensors"), &device).unwrap()[0].0, "x.y");

    // What is there is overwritten when it is said so, an input included: it has been read by then.
    told(&folder, &["eval", "a * 0", "a=a.npy", "-o", "out.npy", "--force"]);
    assert_eq!(Tensor::read_npy(at("out.npy"), &device).unwrap().to_vec::<f32>().unwrap(), [0.0; 4]);
    told(&folder, &["eval", "a + 1", "a=a.npy", "-o", "a.npy", "--force"]);
    assert_eq!(Tensor::read_npy(at("a.npy"), &device).unwrap().to_vec::<f32>().unwrap(), [2.0, 3.0, 4.0, 5.0]);
    told(&folder, &["eval", "a + 1", "a=a.npy", "--force", "-o", "m.safetensors"]);
    assert_eq!(safetensors_names(at("m.safetensors")).unwrap(), ["result"]);
}

/// A tensor that is named goes into the file beside what is there.
#[test]
fn eval_adds_a_tensor_to_a_file() {
    let folder = inputs();
    let path = folder.path().join("m.safetensors");
    let get = |name: &str| Tensor::read_safetensors(&path, name, &Device::cpu()).unwrap();
    for (expr, input, out) in [
        ("b * 2", "b=b.npy", "m.safetensors:l.c"),
        ("b * 3", "b=m.safetensors:l.b", "m.safetensors:l.d"),
        ("b + 1", "b=b.npy", "m.safetensors:l.b"),
        // Twice is once more, not a mistake.
        ("b + 1", "b=b.npy", "m.safetensors:l.b"),
    ] {
        told(&folder, &["eval", expr, input, "-o", out]);
    }
    assert_eq!(safetensors_names(&path).unwrap(), ["l.a", "l.b", "l.c", "l.d", "n"]);
    assert_eq!(get("l.b").to_vec::<f32>().unwrap(), [11.0, 101.0]);
    assert_eq!(get("l.c").to_vec::<f32>().unwrap(), [20.0, 200.0]);
    assert_eq!(get("l.d").to_vec::<f32>().unwrap(), [30.0, 300.0]);
    assert_eq!(get("n").to_vec::<i32>().unwrap(), [7, 8]);

    // A tensor that is read is not overwritten unless it is said so.
    let update = ["eval", "b * 2", "b=m.safetensors:l.b", "-o", "./m.safetensors:l.b"];
    assert!(refused(&folder, &update).contains("'b' is read from there"));
    told(&folder, &[&update[..], &["--force"]].concat());
    assert_eq!(get("l.b").to_vec::<f32>().unwrap(), [22.0, 202.0]);
    let only = ["eval", "b * 2", "b=one.safetensors", "-o", "one.safetensors:only"];
    assert!(refused(&folder, &only).contains("'b' is read from there"));
}

#[test]
fn eval_reads_and_writes_npz() {
    let folder = inputs();
    let device = Device::cpu();
    let path = folder.path().join("m.npz");
    told(&folder, &["eval", "b * 2", "b=m.npz:l.b", "-o", "m.npz:c"]);
    told(&folder, &["eval", "b + 1", "b=b.npy", "-o", "m.npz:l.b"]);
    assert_eq!(npz_names(&path).unwrap(), ["l.a", "l.b", "n", "c"]);
    assert_eq!(Tensor::read_npz(&path, "l.b", &device).unwrap().to_vec::<f32>().unwrap(), [11.0, 101.0]);
    assert_eq!(Tensor::read_npz(&path, "c", &device).unwrap().to_vec::<f32>().unwrap(), [20.0, 200.0]);
    told(&folder, &["eval", "b * 2", "b=one.npz", "-o", "new.npz"]);
    assert_eq!(read_npz(folder.path().join("new.npz"), &device).unwrap()[0].0, "result");
    for (args, words) in [
        (&["eval", "b * 2", "b=m.npz:l.b", "-o", "m.npz:l.b"][..], "'b' is read from there"),
        (&["eval", "b * 2", "b=one.npz", "-o", "one.npz:only"], "'b' is read from there"),
        (&["eval", "b", "b=b.npy", "-o", "one.npz"], "--force overwrites it; FILE:TENSOR adds a tensor"),
        (&["eval", "b", "b=m.npz"], "say which of its 4 tensors, as FILE:TENSOR (there are: l.a, l.b, n, c)"),
        (&["eval", "b", "b=m.npz:l.x"], "no array is called 'l.x', did you mean 'l.a'? (there are: l.a, l.b, n, c)"),
    ] {
        assert!(refused(&folder, args).contains(words), "{args:?}: {}", refused(&folder, args));
    }
}

#[test]
fn a_model_in_several_files_is_one() {
    let folder = inputs();
    let index = r#"{"metadata": {}, "weight_map": {"l.a": "m.safetensors", "only": "one.safetensors"}}"#;
    fs::write(folder.path().join("m.safetensors.index.json"), index).unwrap();
    let sum = ["eval", "a + b", "a=m.safetensors.index.json:l.a", "b=m.safetensors.index.json:only"];
    assert_eq!(told(&folder, &sum), "[[ 11.0, 102.0],\n [ 13.0, 104.0]]\n");
    let all = refused(&folder, &["eval", "a", "a=m.safetensors.index.json"]);
    assert!(all.contains("say which of its 2 tensors, as FILE:TENSOR (there are: l.a, only)"), "{all}");
    // What is read by way of an index is not overwritten, and nothing is written to an index.
    for (out, force, words) in [
        ("one.safetensors:only", None, "'b' is read from there"),
        ("m.safetensors.index.json", Some("--force"), "an index names the files"),
        ("m.safetensors.index.json:x", Some("--force"), "an index names the files"),
    ] {
        let args = ["eval", "b", "b=m.safetensors.index.json:only", "-o", out];
        let text = refused(&folder, &args.into_iter().chain(force).collect::<Vec<_>>());
        assert!(text.contains(words), "{text}");
    }
}

/// An input that the expression does not name is not read, so it need not even be there.
#[test]
fn inputs_that_are_not_named_are_not_read() {
    let folder = inputs();
    let [values, notes] = evaluated(&folder, &["eval", "sum(b)", "b=b.npy", "sum=nosuch.npy", "lr=2"]);
    assert_eq!(values, "110.0\n");
    assert_eq!(
        notes,
        "note: 'sum' is not in the expression, so nosuch.npy is not read\nnote: 'lr' is not in the expression\n\
         f32 [] on cpu\n"
    );
    assert!(
        refused(&folder, &["eval", "sum(lrr)", "b=nosuch.npy", "lr=2"]).contains("did you mean 'lr'? (known: b, lr)")
    );
}

/// A colon in the name of a folder, and an ending, are no reason to look elsewhere.
#[cfg(unix)]
#[test]
fn folders_may_have_colons_and_endings() {
    let folder = inputs();
    let inner = folder.path().join("dir.safetensors:x");
    fs::create_dir(&inner).unwrap();
    fs::copy(folder.path().join("m.safetensors"), inner.join("m.safetensors")).unwrap();
    assert_eq!(told(&folder, &["eval", "b", "b=dir.safetensors:x/m.safetensors:l.b"]), "[ 10.0, 100.0]\n");
    told(&folder, &["eval", "b", "b=b.npy", "-o", "dir.safetensors:x/new.safetensors:y"]);
    assert_eq!(safetensors_names(inner.join("new.safetensors")).unwrap(), ["y"]);
}

#[test]
fn files_of_other_kinds_are_named() {
    let folder = inputs();
    for (name, bytes, words) in [
        ("m.pt", &b"PK\x03\x04archive/data.pkl"[..], "error: m.pt: a PyTorch checkpoint"),
        ("m.pkl", b"\x80\x04\x95", "error: m.pkl: a Python pickle"),
        ("a.npy.gz", b"\x1f\x8b\x08", "error: a.npy.gz: a gzip file: unpack it with gunzip"),
        ("m.h5", b"\x89HDF\r\n\x1a\n", "error: m.h5: an HDF5 file"),
        ("lfs.npz", b"version https://git-lfs.github.com/spec/v1\n", "not an .npz file: it is a pointer of Git LFS"),
        ("pickle.npz", b"\x80\x04\x95", "not an .npz file: it is a Python pickle"),
        ("zip.npy", b"PK\x03\x04a.npy", "not a .npy file: it is an .npz file"),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
        let text = refused(&folder, &["eval", "a", &format!("a={name}")]);
        assert!(text.contains(words), "{text}");
        let text = refused(&folder, &["eval", "a", &format!("a={name}:w")]);
        assert!(text.contains(words) || name == "zip.npy", "{text}");
    }
    fs::write(folder.path().join("notes.txt"), "a text").unwrap();
    assert!(refused(&folder, &["eval", "a", "a=notes.txt"]).contains("expected a number, FILE.npy, FILE.npz[:ARRAY]"));
}

#[test]
fn mistakes_end_with_code_2_and_write_nothing() {
    let folder = inputs();
    fs::write(folder.path().join("broken.npy"), "no array").unwrap();
    fs::write(folder.path().join("broken.safetensors"), "no tensors, force or none").unwrap();
    let contents = || names(&folder).into_iter().map(|name| fs::read(folder.path().join(name)).unwrap());
    let kept: Vec<_> = contents().collect();
    let before = names(&folder);
    for (args, words) in [
        (&["eval", "a * c", "a=a.npy"][..], "error: column 5: unknown name 'c' (known: a)"),
        (&["eval", "a * (", "a=a.npy"], "column 6"),
        (&["eval", "sum(a, 2)", "a=a.npy"], "dim 2 is out of range"),
        (&["eval", "a", "a=nosuch.npy"], "error: nosuch.npy: no such file or folder"),
        (&["eval", "a", "a=broken.npy"], "error: broken.npy: not a .npy file"),
        (&["eval", "a", "a=m.safetensors"], "say which of its 3 tensors, as FILE:TENSOR (there are: l.a, l.b, n)"),
        (
            &["eval", "a", "a=m.safetensors:l.c"],
            "no tensor is called 'l.c', did you mean 'l.a'? (there are: l.a, l.b, n)",
        ),
        (&["eval", "a", "a.npy"], "found 'a.npy'"),
        (&["eval", "a", "a=a.txt"], "FILE.safetensors[:TENSOR]"),
        (&["eval", "a", "1a=a.npy"], "a name of letters, digits and _"),
        (&["eval", "a", "a=1", "a=2"], "'a' twice"),
        (&["eval", "a", "a=a.npy", "-o", "out.txt"], "error: out.txt: the output is FILE.npy, FILE.npz[:ARRAY] or"),
        (&["eval", "a", "a=a.npy", "-o", "nosuch/out.npy"], "there is no such folder"),
        (&["eval", "a * c", "a=a.npy", "-o", "out.npy"], "unknown name"),
        (&["eval", "a * 2", "a=a.npy", "-o", "a.npy"], "'a' is read from there, so it is not overwritten"),
        // Refused before any work: the expression would be refused, too.
        (
            &["eval", "a * c", "a=a.npy", "-o", "b.npy"],
            "error: b.npy: there is such a file already (--force overwrites",
        ),
        (&["eval", "a * c", "a=a.npy", "-o", "one.safetensors"], "--force overwrites it; FILE:TENSOR adds a tensor"),
        (&["eval", "a * c", "a=a.npy", "-o", "broken.safetensors:x"], "not a .safetensors file"),
        (&["eval", "a * c", "a=a.npy", "-o", "broken.safetensors:x", "--force"], "not a .safetensors file"),
        (&["eval", "a", "a=a.npy", "-o", "m.safetensors:__metadata__"], "a name that the format keeps"),
        (&["eval", "a", "a=a.npy", "--force"], "--out"),
        (&["eval", "a * 2", "a=a.npy", "-o", "../no/../a.npy"], "error"),
        (&["eval", "b", "a=a.npy", "b=m.safetensors:l.b", "-o", "./m.safetensors:l.b"], "'b' is read from there"),
        (&["eval", "b", "b=m.safetensors:l.b", "-o", "m.safetensors"], "'b' is read from there"),
        (&["eval", "1", "--device", "nosuch"], "error: no device matches 'nosuch'; there is: cpu"),
        (&["explain", "a *", "a=a.npy"], "column 4"),
        (&["eval"], "EXPR"),
        (&["nosuch"], "unrecognized subcommand"),
        (&["eval", "1", "--nosuch"], "--nosuch"),
    ] {
        let text = refused(&folder, args);
        assert!(text.contains(words), "{args:?}: {text}");
        assert_eq!(names(&folder), before, "{args:?}");
        assert!(contents().eq(kept.iter().cloned()), "{args:?}");
    }
    let a = Tensor::read_npy(folder.path().join("a.npy"), &Device::cpu()).unwrap();
    assert_eq!(a.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
}

#[cfg(unix)]
#[test]
fn an_input_is_known_through_links() {
    let folder = inputs();
    std::os::unix::fs::symlink("a.npy", folder.path().join("soft.npy")).unwrap();
    fs::hard_link(folder.path().join("a.npy"), folder.path().join("hard.npy")).unwrap();
    let before = fs::read(folder.path().join("a.npy")).unwrap();
    for out in ["soft.npy", "hard.npy", "./a.npy"] {
        assert!(refused(&folder, &["eval", "a * 2", "a=a.npy", "-o", out]).contains("not overwritten"), "{out}");
    }
    assert!(refused(&folder, &["eval", "a * 2", "a=soft.npy", "-o", "a.npy"]).contains("not overwritten"));
    assert_eq!(fs::read(folder.path().join("a.npy")).unwrap(), before);
}

#[test]
fn explain_prints_the_plan() {
    let folder = inputs();
    let text = told(&folder, &["explain", "sum(a * b, 0)", "a=a.npy", "b=b.npy"]);
    assert!(text.contains("fn body"), "{text}");
    assert!(refused(&folder, &["explain", "a * c", "a=a.npy"]).contains("unknown name 'c'"));
}

#[test]
fn devices_lists_the_cpu_and_marks_one() {
    let folder = tempdir().unwrap();
    let text = told(&folder, &["devices"]);
    assert!(text.contains("* cpu\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("* ")).count(), 2, "the mark and its meaning: {text}");
    assert!(told(&folder, &["devices", "--device", "cpu"]).contains("threads"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = inputs();
    let mut child = Command::new(env!("CARGO_BIN_EXE_hadamard"))
        .args(["eval", "broadcast_to(a, [200, 2, 2]) * 1", "a=a.npy"])
        .current_dir(folder.path())
        .env("HADAMARD_DEVICE", "cpu")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn help_and_version_are_no_errors() {
    let folder = tempdir().unwrap();
    for args in [&["--help"][..], &["--version"], &["eval", "--help"], &["help", "explain"]] {
        assert!(!told(&folder, args).is_empty());
    }
}
