//! What a hardware GPU's compiler makes of kernels, without the GPU: Mesa's driver for AMD's opens a device that nothing
//! runs on, but that compiles, and shows its machine code. Run by `cargo test --test amd -- --ignored --nocapture`.
#![cfg(all(feature = "gpu", target_os = "linux"))]

#[path = "../benches/isa/compiler.rs"]
#[allow(dead_code, reason = "the bench uses the rest")]
mod compiler;
#[path = "../benches/isa/kernels.rs"]
#[allow(dead_code, reason = "the bench uses the rest")]
mod kernels;
#[path = "../benches/isa/listing.rs"]
#[allow(dead_code, reason = "the bench uses the rest")]
mod listing;

use std::fmt::Write;

use compiler::{Compiler, each_family, is_of_one_family};
use hadamard::{Device, Expr, Tensor};
use kernels::{Case as Kept, kernels};

/// An expression over `a` and `b`, and instructions that its machine code must have, for each of four elements: any of
/// the names that begin so, and how many.
type Case = (&'static str, &'static [(&'static [&'static str], usize)]);

const ADD: &[&str] = &["v_add_f32", "v_sub_f32", "v_subrev_f32"];
const MUL: &[&str] = &["v_mul_f32"];
const COMPARE: &[&str] = &["v_cmp_"];

const CASES: &[Case] = &[
    ("a + -a", &[(ADD, 1)]),
    ("(a + b) - b", &[(ADD, 2)]),
    ("a + (b - a)", &[(ADD, 2)]),
    ("a - ((a + b) - b)", &[(ADD, 3)]),
    ("(a + 12582912.0) - 12582912.0", &[(ADD, 2)]),
    ("square(sqrt(a))", &[(&["v_sqrt_f32"], 1), (MUL, 1)]),
    ("a * b - b * a", &[(MUL, 1), (ADD, 1)]),
    ("a * b + a * a", &[(MUL, 2), (ADD, 1)]),
    ("where((a > 0) & (b > 0), a, b)", &[(COMPARE, 2)]),
    ("where((a + b) == a, a, b)", &[(ADD, 1), (COMPARE, 1)]),
    ("1 / (1 / a)", &[(&["v_rcp_f32", "v_div_fixup_f32"], 2)]),
];

fn shader(text: &str) -> String {
    let device = Device::cpu();
    let [a, b] = [1.0_f32, 2.0].map(|x| Tensor::full([1 << 20], x, &device).unwrap());
    let expr = Expr::parse(text, &[("a", &a), ("b", &b)]).unwrap();
    let [pass] = &expr.explain().unwrap().passes[..] else { panic!("{text} is one pass") };
    pass.wgsl.clone()
}

/// The same without what hides floats from compilers.
fn unguarded(wgsl: &str) -> String {
    let hidden = "return bitcast<F>(bitcast<U>(x) + U(uniforms.zero));";
    assert!(wgsl.contains(hidden), "{wgsl}");
    wgsl.replace(hidden, "return x;")
        .replace("return (select(U(0u), U(1u), x) + U(uniforms.zero)) != U(0u);", "return x;")
        .replace("return bitcast<F>(bitcast<U>(x) + U(uniforms.minus_infinity - 0xff800000u));", "return x;")
}

/// What is missing in some machine code.
fn missing(code: &str, (text, wanted): &Case) -> Vec<String> {
    let count = |names: &[&str]| {
        let instructions = code.lines().filter_map(|line| line.split_whitespace().next());
        instructions.filter(|found| names.iter().any(|name| found.starts_with(name))).count()
    };
    let lacks = |&&(names, per_element): &&(&[&str], usize)| count(names) < 4 * per_element;
    let tell =
        |&(names, per_element): &(&[&str], usize)| format!("{text}: {} of {} {names:?}", count(names), 4 * per_element);
    wanted.iter().filter(lacks).map(tell).collect()
}

/// Runs a test of this file, which looks at one family, for each of them.
fn of_each_family(test: &str) {
    each_family(&[test, "--exact", "--ignored", "--nocapture"], |family, output| {
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{family}:\n{text}\n{}", String::from_utf8_lossy(&output.stdout));
        assert!(text.to_lowercase().contains(family), "{family} was compiled for:\n{text}");
    });
}

/// The compiler for the family that this process was told, which it names; `None` if it was told none.
fn of_one_family() -> Option<Compiler> {
    let compiler = is_of_one_family().then(Compiler::open)?;
    eprintln!("{}", compiler.name);
    Some(compiler)
}

#[test]
#[ignore = "needs Mesa's driver for AMD's GPUs"]
fn no_operation_is_simplified_away() {
    of_each_family("simplified_of_one_family");
}

/// Run by the test above.
#[test]
#[ignore = "a part of another test"]
fn simplified_of_one_family() {
    let Some(compiler) = of_one_family() else { return };
    let machine_code = |wgsl: &str| compiler.compile(&compiler.shader(wgsl)).machine_code;
    let mut simplified = 0;
    for case in CASES {
        let wgsl = shader(case.0);
        let code = machine_code(&wgsl);
        assert_eq!(missing(&code, case), [""; 0], "{wgsl}\n{code}");
        simplified += usize::from(!missing(&machine_code(&unguarded(&wgsl)), case).is_empty());
    }
    // Otherwise the test sees nothing.
    assert!(simplified >= 5, "only {simplified} of {} are simplified where nothing is hidden", CASES.len());
}

/// The kernels are those of `cargo bench --bench isa`, which tells more of each.
#[test]
#[ignore = "needs Mesa's driver for AMD's GPUs"]
fn kernels_stay_in_registers_and_keep_their_wide_loads() {
    of_each_family("kept_of_one_family");
}

/// Run by the test above.
#[test]
#[ignore = "a part of another test"]
fn kept_of_one_family() {
    let Some(compiler) = of_one_family() else { return };
    let mut lost = Vec::new();
    for kernel in kernels() {
        let found = lost_by(&compiler, &kernel.pass.wgsl, if kernel.number == 0 { kernel.case } else { &NOTHING });
        lost.extend(found.into_iter().map(|what| format!("{}: {what}", kernel.name())));
    }
    assert_eq!(lost, [""; 0]);

    // Otherwise the test sees nothing.
    let wide = Kept { loads: 128, stores: 128, ..NOTHING };
    let every_other = shader("a.reshape(1024, 1024)[:, ::2] + 1");
    assert_eq!(lost_by(&compiler, &every_other, &wide), ["loads of 4×32"]);
    let spilled = lost_by(&compiler, &too_many_registers(), &NOTHING);
    assert!(spilled.len() == 1 && spilled[0].ends_with("registers spilled"), "{spilled:?}");
}

/// Of which no loads and stores are asked.
const NOTHING: Kept = Kept { texts: &[], loads: 0, stores: 0 };

/// What a kernel has lost: registers to memory, or the width of what its innermost loop loads or of what it stores.
fn lost_by(compiler: &Compiler, wgsl: &str, kept: &Kept) -> Vec<String> {
    let made = compiler.compile(&compiler.shader(wgsl));
    let (whole, hot) = listing::parts(&made.machine_code);
    let spilled = made.statistic("Spilled VGPRs") + made.statistic("Spilled SGPRs");
    let narrow = |widths: &listing::Widths, least: u32| widths.least().unwrap_or(0) < least;
    [
        (spilled > 0).then(|| format!("{spilled} registers spilled")),
        (made.statistic("Scratch size") > 0 && spilled == 0).then(|| "an array in memory".to_owned()),
        narrow(&hot.loads, kept.loads).then(|| format!("loads of {}", hot.loads)),
        narrow(&whole.stores, kept.stores).then(|| format!("stores of {}", whole.stores)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A shader whose invocations hold more than the 256 registers that they can have.
fn too_many_registers() -> String {
    let mut wgsl = "@group(0) @binding(0) var<storage, read_write> b: array<u32>;
        @compute @workgroup_size(64)
        fn main(@builtin(local_invocation_index) lane: u32) {"
        .to_owned();
    // Writing to a String cannot fail. Each store may be to what another load read.
    (0..300).for_each(|i| writeln!(wgsl, "let v{i} = b[lane * {}u];", 301 + i).unwrap_or_default());
    (0..300).for_each(|i| writeln!(wgsl, "b[lane + {i}u] = v{};", 299 - i).unwrap_or_default());
    wgsl + "}"
}
