//! From a [`Spec`] to WGSL: a typed prelude, the `lib/` files it needs, and one kernel file, joined and otherwise
//! unchanged.
//!
//! The prelude holds aliases, constants, the bindings, and a few short functions: where an output's elements begin,
//! what is computed, how results combine, what is stored. They are straight-line code, one value a line, written to
//! be read in `explain`.

mod code;
mod contract;
mod operation;
mod place;
mod reduce;

use std::sync::LazyLock;

use self::code::code;
use self::contract::contract_functions;
use self::place::{coordinates, dot, find_function, place_function, stage_word};
use self::reduce::reduce_functions;
use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};
use crate::kernel::spec::{Binding, Kernel, Mode, Operand, Order, Spec};

const PARAMS: &str = include_str!("../../../shaders/lib/params.wgsl");
const INDEX: &str = include_str!("../../../shaders/lib/index.wgsl");
const TREE: &str = include_str!("../../../shaders/lib/tree.wgsl");
const LANES_WORKGROUP: &str = include_str!("../../../shaders/lib/lanes_workgroup.wgsl");
const LANES_SUBGROUP: &str = include_str!("../../../shaders/lib/lanes_subgroup.wgsl");
const MAP: &str = include_str!("../../../shaders/map.wgsl");
const REDUCE_OUTER: &str = include_str!("../../../shaders/reduce_outer.wgsl");
const CONTRACT: &str = include_str!("../../../shaders/contract.wgsl");
const REDUCE_INNER: &str = include_str!("../../../shaders/reduce_inner.wgsl");
const REDUCE_ROWS: &str = include_str!("../../../shaders/reduce_rows.wgsl");

/// What the lines of a body and of an epilogue are called.
const BODY: &str = "v";
const EPILOGUE: &str = "e";

/// A file of functions that a shader may call.
struct File {
    text: &'static str,
    /// The beginnings of calls of its functions: `exp_f(`.
    calls: Vec<String>,
}

/// The files that rows of operations name, then those of conversions and of functions that files share.
static LIBRARY: LazyLock<Vec<File>> = LazyLock::new(|| {
    let unary = UnaryOp::ALL.iter().flat_map(|op| op.row().wgsl.files);
    let binary = BinaryOp::ALL.iter().flat_map(|op| op.row().wgsl.files);
    let shared = [
        include_str!("../../../shaders/lib/philox.wgsl"),
        include_str!("../../../shaders/lib/double.wgsl"),
        include_str!("../../../shaders/lib/half.wgsl"),
        include_str!("../../../shaders/lib/numeric.wgsl"),
        include_str!("../../../shaders/lib/pairs.wgsl"),
    ];
    let mut files: Vec<File> = Vec::new();
    for &text in unary.chain(binary).chain(&shared) {
        if files.iter().all(|file| file.text != text) {
            files.push(File { text, calls: functions(text).map(|name| format!("{name}(")).collect() });
        }
    }
    files
});

/// The whole shader.
pub(crate) fn source(spec: &Spec) -> String {
    let mut text = prelude(spec);
    let mut files = vec![PARAMS, INDEX];
    match spec.kernel {
        Kernel::Map => files.push(MAP),
        Kernel::ReduceOuter => files.extend([TREE, REDUCE_OUTER]),
        Kernel::ReduceInner => {
            files.extend([TREE, if spec.subgroups { LANES_SUBGROUP } else { LANES_WORKGROUP }, REDUCE_INNER]);
        }
        Kernel::ReduceRows => files.push(REDUCE_ROWS),
        Kernel::Contract => files.push(CONTRACT),
    }
    for file in files {
        text.push('\n');
        text.push_str(file);
    }
    // Files are joined only where they are called, if only by one another: a driver compiles every function it is given.
    let mut rest: Vec<&File> = LIBRARY.iter().collect();
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

/// What is particular to this kernel.
pub(crate) fn prelude(spec: &Spec) -> String {
    let mut out = String::new();
    // Browsers ask for this line; naga, which compiles for everything else, refuses it and needs none.
    if spec.subgroups && cfg!(target_family = "wasm") {
        line(&mut out, 0, "enable subgroups;");
        line(&mut out, 0, "");
    }
    let vector =
        |scalar: &str| if spec.width == 1 { scalar.to_owned() } else { format!("vec{}<{scalar}>", spec.width) };
    for (alias, scalar) in [("F", "f32"), ("I", "i32"), ("U", "u32"), ("B", "bool")] {
        line(&mut out, 0, &format!("alias {alias} = {};", vector(scalar)));
    }
    if uses_f64(spec) {
        line(&mut out, 0, &format!("alias D = {};", vector("f64")));
    }
    let constants = [
        ("WIDTH", spec.width as usize),
        ("WG_SIZE", spec.workgroup as usize),
        ("LANES", spec.lanes as usize),
        ("GROUPS", spec.groups as usize),
        ("AT_ONCE", spec.at_once as usize),
        ("N_DIMS", spec.n_dims().max(1)),
        ("N_STAGES", spec.n_stages().max(1)),
        ("STAGE_VECS", spec.operand_words() / 4),
        ("N_SCALARS", spec.n_scalars.div_ceil(4).max(1)),
    ];
    for (name, value) in constants {
        line(&mut out, 0, &format!("const {name}: u32 = {value}u;"));
    }
    line(&mut out, 0, "");
    line(&mut out, 0, "@group(0) @binding(0) var<uniform> params: Params;");
    for (i, binding) in spec.bindings.iter().enumerate() {
        let access = if binding.write { "read_write" } else { "read" };
        let element = element_type(binding);
        line(&mut out, 0, &format!("@group(0) @binding({}) var<storage, {access}> b{i}: array<{element}>;", i + 1));
    }
    for (i, operand) in spec.operands.iter().enumerate() {
        match operand.mode {
            Mode::Found => find_function(&mut out, spec, i),
            Mode::Each => place_function(&mut out, spec, i),
            _ if !operand.stages.is_empty() => place_function(&mut out, spec, i),
            _ => {}
        }
    }
    match spec.kernel {
        Kernel::Map => map_body(&mut out, spec),
        Kernel::ReduceOuter | Kernel::ReduceInner | Kernel::ReduceRows => reduce_functions(&mut out, spec),
        Kernel::Contract => contract_functions(&mut out, spec),
    }
    out
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

fn uses_f64(spec: &Spec) -> bool {
    spec.operands.iter().any(|o| o.dtype == DType::F64)
        || spec.body.lines.iter().chain(&spec.epilogue.lines).any(|l| l.dtype == DType::F64)
}

fn element_type(binding: &Binding) -> &'static str {
    if binding.pairs {
        return if binding.dtype.size() == 2 { "u64" } else { "vec2<u64>" };
    }
    match (binding.dtype, binding.wide) {
        (DType::F32, true) => "vec4f",
        (DType::F32, false) => "f32",
        (DType::I32, true) => "vec4i",
        (DType::I32, false) => "i32",
        (DType::F64, _) => "f64",
        (DType::F16 | DType::BF16, true) => "vec2u",
        (DType::F16 | DType::BF16, false) | (DType::Bool | DType::U8, _) => "u32",
    }
}

/// The alias for values of a compute dtype.
fn alias(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "B",
        DType::I32 | DType::U8 => "I",
        DType::F64 => "D",
        DType::F16 | DType::BF16 | DType::F32 => "F",
    }
}

fn map_body(out: &mut String, spec: &Spec) {
    line(out, 0, "");
    line(out, 0, "fn body(i: u32) {");
    let by_coordinates =
        |o: &Operand| o.order == Order::Strided && !matches!(o.mode, Mode::Each | Mode::Found) && o.stages.is_empty();
    if spec.kept_rank > 1 && spec.operands.iter().any(by_coordinates) {
        coordinates(out, 1, "i", "c", 0, spec.kept_rank);
    } else {
        line(out, 1, "let c0 = i;");
    }
    for (i, o) in spec.operands.iter().enumerate() {
        let stage = spec.first_stage(i);
        if o.order == Order::Identity {
            line(out, 1, &format!("let p{i} = i;"));
        } else if o.order == Order::Linear {
            line(out, 1, &format!("let p{i} = {} + i;", stage_word(stage, 0)));
        } else if by_coordinates(o) {
            line(out, 1, &format!("let p{i} = {};", dot(stage, 1, "c", spec.kept_rank, true)));
        }
    }
    code(out, spec, &spec.body, BODY, spec.kept_rank);
    line(out, 0, "}");
}
