//! The functions of `shaders/lib` under a compiler that reassociates and assumes that there is no NaN and no infinity.
//!
//! Metal's compiler does, unasked. It is not at hand, so the shaders are translated to GLSL by naga, which with a few
//! definitions is C++, and compiled by clang as it compiles for `-ffast-math`. Run by
//! `cargo test --lib fast_math -- --ignored --nocapture`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use naga::back::glsl;

use super::{Float, Function, functions, judge};
use crate::DType;
use crate::expr::op::Form;

/// What a shader's prelude would define, for one element at a time.
const PRELUDE: &str = "
alias F = f32; alias I = i32; alias U = u32; alias B = bool; alias D = f64;
struct Uniforms { minus_infinity: u32, zero: u32 }
@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f64>;
";

/// What GLSL has and C++ has not, and a program that calls a function for each line of its input.
const DEFINITIONS: &str = include_str!("glsl.hpp");

/// The functions that a file of `shaders/lib` defines in a dtype, by their names there.
fn ours(dtype: DType) -> Vec<(Function, String)> {
    let form = |function: Function| match function {
        Function::Unary(op) => Some(op.row().wgsl),
        Function::Binary(op) => Some(op.row().wgsl),
        Function::Composed(_) => None,
    };
    let suffix = if dtype == DType::F64 { "f64" } else { "f" };
    functions()
        .filter(|&function| {
            form(function)
                .is_some_and(|wgsl| matches!(if dtype == DType::F64 { wgsl.f64 } else { wgsl.f32 }, Form::Call))
        })
        .map(|function| (function, format!("{}_{suffix}", function.name())))
        .collect()
}

/// All of them as C++.
fn translated() -> String {
    let mut wgsl = PRELUDE.to_owned();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders/lib")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Those are about positions, lanes, words and integers.
        if ![
            "uniforms",
            "index",
            "lanes",
            "bounded",
            "long",
            "double_bits",
            "tree",
            "join",
            "order",
            "pairs",
            "half",
            "philox",
        ]
        .iter()
        .any(|other| name.starts_with(other))
        {
            wgsl += &std::fs::read_to_string(&path).unwrap();
        }
    }
    let call = |name: &str, of: &str, function: Function| match function {
        Function::Unary(_) | Function::Composed(_) => format!("    {of}[0] = {name}({of}[0]);\n"),
        Function::Binary(_) => format!("    {of}[0] = {name}({of}[0], {of}[1]);\n"),
    };
    let calls: String = [(DType::F32, "x"), (DType::F64, "y")]
        .into_iter()
        .flat_map(|(dtype, of)| ours(dtype).into_iter().map(move |(function, name)| call(&name, of, function)))
        .collect();
    wgsl.extend(["@compute @workgroup_size(1)\nfn main() {\n", &calls, "}\n"]);
    let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&wgsl)));
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::FLOAT64);
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&wgsl)));
    let mut glsl = String::new();
    let options = glsl::Options { version: glsl::Version::Desktop(450), ..glsl::Options::default() };
    let pipeline = glsl::PipelineOptions {
        shader_stage: naga::ShaderStage::Compute,
        entry_point: "main".to_owned(),
        multiview: None,
    };
    let bounds = naga::proc::BoundsCheckPolicies::default();
    glsl::Writer::new(&mut glsl, &module, &info, &options, &pipeline, bounds).unwrap().write().unwrap();
    let functions = glsl.split_once("struct Uniforms").expect("the uniforms").1;
    let (uniforms, functions) = functions.split_once("};").expect("their end");
    let functions = functions.rsplit_once("[]; };").expect("bindings before functions").1;
    let functions = functions.split_once("void main()").expect("an entry point").0;
    literals(&format!("struct Uniforms{uniforms}}};\nUniforms _group_0_binding_0_cs;\n{functions}"))
}

/// Floating-point literals as C++ has them: `1.5` is an f32 in GLSL, and `1.5LF` an f64.
fn literals(glsl: &str) -> String {
    let mut out = String::new();
    let mut rest = glsl;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        out += before;
        let word = before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let mut end = 0;
        for (i, c) in number.char_indices() {
            let in_exponent = |sign| sign == '-' && number[..i].ends_with('e');
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || in_exponent(c)) {
                end = i;
                break;
            }
        }
        let (literal, after) = number.split_at(end);
        rest = after;
        out += literal.trim_end_matches("LF");
        let float = literal.contains('.') || literal.contains('e') && !literal.starts_with("0x");
        if !word && float && !literal.ends_with("LF") {
            out.push('f');
        }
    }
    out + rest
}

/// A case of the program's switch for each function.
fn cases() -> String {
    let case = |(number, (function, name)): (usize, (Function, String)), t: &str| {
        // naga puts an underscore after a digit.
        let name = if name.ends_with('4') { format!("{name}_") } else { name };
        let arguments = if matches!(function, Function::Binary(_)) { "a, b" } else { "a" };
        format!("CASE({number}, {t}, {name}({arguments}))\n")
    };
    let f32 = ours(DType::F32);
    let n = f32.len();
    let f64 = ours(DType::F64).into_iter().enumerate().map(|(i, f)| case((n + i, f), "double"));
    f32.into_iter().enumerate().map(|(i, f)| case((i, f), "float")).chain(f64).collect()
}

/// What a function of the program makes of some arguments.
fn run<T: Float + bytemuck::Pod>(program: &Path, number: usize, pairs: &[(T, T)]) -> Vec<T> {
    let mut child = Command::new(program)
        .args([number.to_string(), "0".to_owned(), f32::NEG_INFINITY.to_bits().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let flat: Vec<T> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(bytemuck::cast_slice(&flat)).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    bytemuck::pod_collect_to_vec(&output.stdout)
}

/// The errors of all functions of a dtype, the first of which has this number in the program.
fn measured<T: Float + bytemuck::Pod>(program: &Path, first: usize) -> Vec<super::Accuracy> {
    let measure = |(i, (function, _)): (usize, (Function, String))| {
        let pairs = function.arguments::<T>();
        judge(function, &pairs, &run(program, first + i, &pairs))
    };
    ours(T::DTYPE).into_iter().enumerate().map(measure).collect()
}

#[test]
#[ignore = "needs clang++"]
fn every_function_keeps_its_bound_under_fast_math() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("functions.cpp");
    std::fs::write(&source, DEFINITIONS.replace("FUNCTIONS", &translated()).replace("CASES", &cases())).unwrap();
    let mut failures = Vec::new();
    for flags in [
        &["-O0", "-ffp-contract=off"][..],
        &["-O2", "-ffast-math", "-ffp-contract=off"],
        &["-O2", "-ffast-math"],
        &["-O2", "-ffast-math", "-mfma"],
        &["-O3", "-ffast-math", "-mfma", "-mavx2"],
    ] {
        let program = folder.path().join("functions");
        let compiled = Command::new("clang++")
            // Division and roots are the hardware's: of fast math, not of the estimates that x86 has instructions for.
            .args(["-std=c++17", "-w", "-mrecip=none"])
            .args(flags)
            .arg(&source)
            .arg("-o")
            .arg(&program)
            .output()
            .expect("clang++ is installed");
        assert!(
            compiled.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&compiled.stderr),
            std::fs::read_to_string(&source).unwrap()
        );
        let n = ours(DType::F32).len();
        for found in measured::<f32>(&program, 0).into_iter().chain(measured::<f64>(&program, n)) {
            eprintln!("{flags:?}: {} {}: {:.2} ULP", found.function, found.dtype, found.worst);
            if !found.passed() {
                failures.push(format!("{flags:?}: {found:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn literals_are_those_of_cpp() {
    assert_eq!(literals("x1.y = 2.5 * 1e-5 + 3.0LF - 7u + v_4;"), "x1.y = 2.5f * 1e-5f + 3.0 - 7u + v_4;");
}
