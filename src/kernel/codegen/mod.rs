//! From a [`Spec`] to WGSL: a typed prelude, the `lib/` files it needs, and one kernel file, joined and otherwise
//! unchanged.
//!
//! The prelude holds aliases, constants, the bindings, and a few short functions: where an output's elements begin,
//! what is computed, how results combine, what is stored. They are straight-line code, one value a line, written to
//! be read in `explain`.

mod code;
mod contract;
mod cost;
mod load;
mod map;
mod operation;
mod place;
mod reduce;
mod scan;
mod segments;
mod sort;
mod store;

use std::sync::LazyLock;

use self::contract::contract_functions;
pub(super) use self::cost::{LOAD, costs};
use self::map::map_functions;
use self::place::{find_function, place_function};
use self::reduce::reduce_functions;
use self::scan::scan_functions;
use self::segments::segment_functions;
use self::sort::sort_functions;
use crate::DType;
use crate::base::shader::shader;
use crate::expr::{BinaryOp, UnaryOp};
use crate::kernel::spec::{Binding, Kernel, Mode, Reduce, Scan, Sort, SortPass, Spec, Strategy, Tiles};

const UNIFORMS: &str = shader!("lib/uniforms");
const INDEX: &str = shader!("lib/index");
const JOIN: &str = shader!("lib/join");
const TREE: &str = shader!("lib/tree");
const LANES_WORKGROUP: &str = shader!("lib/lanes_workgroup");
const LANES_SUBGROUP: &str = shader!("lib/lanes_subgroup");
const MAP: &str = shader!("map");
const REDUCE_OUTER: &str = shader!("reduce_outer");
const CONTRACT: &str = shader!("contract");
const CONTRACT_REGISTERS: &str = shader!("contract_registers");
const REDUCE_INNER: &str = shader!("reduce_inner");
const SORT_BLOCKS: &str = shader!("sort_blocks");
const SORT_MERGE: &str = shader!("sort_merge");
const SORT_COUNT: &str = shader!("sort_count");
const SORT_SCATTER: &str = shader!("sort_scatter");
const SEGMENTS: &str = shader!("segments");
const SCAN_OUTER: &str = shader!("scan_outer");
const SCAN_INNER: &str = shader!("scan_inner");
const REDUCE_ROWS: &str = shader!("reduce_rows");

/// A file of functions that a shader may call.
struct File {
    text: &'static str,
    /// The beginnings of calls of its functions: `exp_f(`.
    calls: Vec<String>,
    /// The only value of [`Spec::native_i64`] it is for. The other value has a file with the same functions.
    native_i64: Option<bool>,
}

impl File {
    fn new(text: &'static str, native_i64: Option<bool>) -> Self {
        Self { text, calls: functions(text).map(|name| format!("{name}(")).collect(), native_i64 }
    }
}

/// The functions that know how an i64 is held, and the value of [`Spec::native_i64`] each file is for.
const LONG: [(&str, bool); 4] = [
    (shader!("lib/long"), false),
    (shader!("lib/long_native"), true),
    (shader!("lib/long_bits"), false),
    (shader!("lib/long_bits_native"), true),
];

/// The files that rows of operations name, then those of conversions and of functions that files share.
static LIBRARY: LazyLock<Vec<File>> = LazyLock::new(|| {
    let unary = UnaryOp::ALL.iter().flat_map(|op| op.row().wgsl.files);
    let binary = BinaryOp::ALL.iter().flat_map(|op| op.row().wgsl.files);
    let shared = [
        shader!("lib/philox"),
        shader!("lib/double"),
        shader!("lib/double_bits"),
        shader!("lib/half"),
        shader!("lib/long_numeric"),
        shader!("lib/long_division"),
        shader!("lib/long_f32"),
        shader!("lib/long_f64"),
        shader!("lib/bounded"),
        shader!("lib/bounded_long"),
        shader!("lib/logaddexp"),
        shader!("lib/logaddexp_f64"),
        shader!("lib/keep"),
        shader!("lib/numeric"),
        shader!("lib/order"),
        shader!("lib/order_f64"),
        shader!("lib/pairs"),
    ];
    let mut files: Vec<File> = Vec::new();
    for &text in unary.chain(binary).chain(&shared) {
        if files.iter().all(|file| file.text != text) {
            files.push(File::new(text, None));
        }
    }
    files.extend(LONG.map(|(text, native)| File::new(text, Some(native))));
    files
});

/// The whole shader.
pub(crate) fn source(spec: &Spec) -> String {
    let mut text = prelude(spec);
    let mut files = vec![UNIFORMS, INDEX];
    match &spec.kernel {
        Kernel::Map(_) => files.push(MAP),
        Kernel::Reduce(Reduce { strategy, subgroups, .. }) => match strategy {
            Strategy::Outer => files.extend([JOIN, TREE, REDUCE_OUTER]),
            Strategy::Inner => {
                let lanes = if *subgroups { LANES_SUBGROUP } else { LANES_WORKGROUP };
                files.extend([JOIN, TREE, lanes, REDUCE_INNER]);
            }
            Strategy::Rows => files.push(REDUCE_ROWS),
        },
        Kernel::Scan(scan) if scan.walk.strategy == Strategy::Inner => files.extend([JOIN, SCAN_INNER]),
        Kernel::Scan(_) => files.extend([JOIN, SCAN_OUTER]),
        Kernel::Sort(Sort { pass: SortPass::Blocks, .. }) => files.push(SORT_BLOCKS),
        Kernel::Sort(Sort { pass: SortPass::Merge, .. }) => files.push(SORT_MERGE),
        Kernel::Sort(Sort { pass: SortPass::Count(_), .. }) => files.push(SORT_COUNT),
        Kernel::Sort(Sort { pass: SortPass::Scatter(_), .. }) => files.push(SORT_SCATTER),
        Kernel::Segments(_) => files.extend([JOIN, SEGMENTS]),
        Kernel::Contract(contract) => files.push(match contract.tiles {
            Tiles::Shared { .. } => CONTRACT,
            Tiles::Registers { .. } => CONTRACT_REGISTERS,
        }),
    }
    for file in files {
        text.push('\n');
        text.push_str(file);
    }
    // Files are joined only where they are called, if only by one another: a driver compiles every function it is given.
    let is_for = |file: &&File| file.native_i64.is_none_or(|native| native == spec.native_i64);
    let mut rest: Vec<&File> = LIBRARY.iter().filter(is_for).collect();
    while let Some(at) = rest.iter().position(|file| file.calls.iter().any(|call| text.contains(call))) {
        text.push('\n');
        text.push_str(rest.remove(at).text);
    }
    text
}

/// The names of a file's functions.
fn functions(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter_map(|line| line.strip_prefix("fn ")?.split('(').next())
}

/// What a function of a file does.
fn body_of<'a>(file: &'a str, name: &str) -> &'a str {
    let after = file.split(&format!("fn {name}(")).nth(1).unwrap_or_default();
    after.split_once("{\n").map_or("", |(_, body)| body.split("\n}").next().unwrap_or_default())
}

/// What is particular to this kernel.
pub(crate) fn prelude(spec: &Spec) -> String {
    let mut out = String::new();
    // Browsers ask for this line; naga, which compiles for everything else, refuses it and needs none.
    if spec.kernel.has_subgroups() && cfg!(target_family = "wasm") {
        line(&mut out, 0, "enable subgroups;");
        line(&mut out, 0, "");
    }
    aliases(&mut out, spec);
    constants(&mut out, spec);
    bindings(&mut out, spec);
    for (i, operand) in spec.operands.iter().enumerate() {
        match operand.mode {
            Mode::Found => find_function(&mut out, spec, i),
            Mode::Each => place_function(&mut out, spec, i),
            Mode::Vec | Mode::Splat | Mode::Step if !operand.stages.is_empty() => place_function(&mut out, spec, i),
            Mode::Vec | Mode::Splat | Mode::Step => {}
        }
    }
    match &spec.kernel {
        Kernel::Map(map) => map_functions(&mut out, spec, map),
        Kernel::Reduce(reduce) => reduce_functions(&mut out, spec, reduce),
        Kernel::Scan(scan) => scan_functions(&mut out, spec, scan),
        Kernel::Sort(sort) => sort_functions(&mut out, spec, sort),
        Kernel::Segments(segments) => segment_functions(&mut out, spec, segments),
        Kernel::Contract(contract) => contract_functions(&mut out, spec, contract),
    }
    out
}

fn aliases(out: &mut String, spec: &Spec) {
    let vector =
        |scalar: &str| if spec.width == 1 { scalar.to_owned() } else { format!("vec{}<{scalar}>", spec.width) };
    for (alias, scalar) in [("F", "f32"), ("I", "i32"), ("U", "u32"), ("B", "bool")] {
        line(out, 0, &format!("alias {alias} = {};", vector(scalar)));
    }
    if spec.has(DType::F64) {
        line(out, 0, &format!("alias D = {};", vector("f64")));
    }
    if spec.native_i64 {
        line(out, 0, &format!("alias L = {};", vector("i64")));
        line(out, 0, &format!("alias W = {};", vector("u64")));
    } else if spec.has(DType::I64) {
        line(out, 0, "struct L { low: U, high: U }");
    }
}

fn constants(out: &mut String, spec: &Spec) {
    let mut constants = vec![("WIDTH", spec.width as usize), ("WG_SIZE", spec.workgroup as usize)];
    if let Kernel::Scan(Scan { walk: Reduce { lanes, .. }, .. }) = spec.kernel {
        constants.push(("LANES", lanes as usize));
    }
    if let Kernel::Reduce(Reduce { lanes, groups, at_once, .. }) = spec.kernel {
        constants.extend([("LANES", lanes as usize), ("GROUPS", groups as usize), ("AT_ONCE", at_once as usize)]);
    }
    constants.extend([
        ("N_DIMS", spec.n_dims().max(1)),
        ("N_STAGES", spec.n_stages().max(1)),
        ("STAGE_VECS", spec.operand_words() / 4),
        ("N_SCALARS", spec.n_scalars.div_ceil(4).max(1)),
    ]);
    for (name, value) in constants {
        line(out, 0, &format!("const {name}: u32 = {value}u;"));
    }
    if let Kernel::Reduce(Reduce { split, .. }) = spec.kernel {
        line(out, 0, &format!("const SPLIT: bool = {split};"));
    }
    line(out, 0, "");
}

fn bindings(out: &mut String, spec: &Spec) {
    line(out, 0, "@group(0) @binding(0) var<uniform> uniforms: Uniforms;");
    for (i, binding) in spec.bindings.iter().enumerate() {
        let access = if binding.write { "read_write" } else { "read" };
        let element = element_type(binding, spec.native_i64);
        line(out, 0, &format!("@group(0) @binding({}) var<storage, {access}> b{i}: array<{element}>;", i + 1));
    }
    if spec.has_marks() {
        let binding = spec.bindings.len() + 1;
        line(out, 0, &format!("@group(0) @binding({binding}) var<storage, read_write> marks: array<atomic<u32>>;"));
        let (some, most) = match spec.width {
            1 => ("x", "x"),
            _ => ("any(x)", "max(max(x.x, x.y), max(x.z, x.w))"),
        };
        line(out, 0, "");
        line(out, 0, &format!("fn some(x: B) -> bool {{ return {some}; }}"));
        line(out, 0, &format!("fn most(x: U) -> u32 {{ return {most}; }}"));
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    if !text.is_empty() {
        for _ in 0..depth {
            out.push_str("    ");
        }
        out.push_str(text);
    }
    out.push('\n');
}

fn element_type(binding: &Binding, native_i64: bool) -> &'static str {
    let &Binding { dtype, wide, pairs, .. } = binding;
    match dtype {
        DType::F32 | DType::I32 | DType::U32 if pairs => "vec2<u64>",
        DType::I16 | DType::U16 | DType::F16 | DType::BF16 if pairs => "u64",
        DType::F32 if wide => "vec4f",
        DType::F32 => "f32",
        DType::I32 if wide => "vec4i",
        DType::I32 => "i32",
        DType::U32 if wide => "vec4u",
        DType::I64 | DType::U64 if native_i64 => "i64",
        DType::I64 | DType::U64 => "vec2u",
        DType::F64 => "f64",
        DType::I16 | DType::U16 | DType::F16 | DType::BF16 if wide => "vec2u",
        DType::I16 | DType::U16 | DType::U32 | DType::F16 | DType::BF16 | DType::U8 | DType::I8 | DType::Bool => "u32",
    }
}

/// The alias for values of a compute dtype.
fn alias(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "B",
        DType::I32 | DType::U8 | DType::I8 | DType::I16 | DType::U16 => "I",
        DType::I64 | DType::U32 | DType::U64 => "L",
        DType::F64 => "D",
        DType::F16 | DType::BF16 | DType::F32 => "F",
    }
}
