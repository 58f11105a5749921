//! From a [`Spec`] to WGSL: a typed prelude, the `lib/` files it needs, and one kernel file, joined and otherwise
//! unchanged.
//!
//! The prelude holds aliases, constants, the bindings, and a few short functions: where an output's elements begin,
//! what is computed, how results combine, what is stored. They are straight-line code, one value a line, written to
//! be read in `explain`.

use super::spec::{Binding, Code, Inst, Kernel, Line, Mode, Operand, Spec};
use crate::DType;
use crate::expr::graph::Fold;
use crate::expr::{BinaryOp, UnaryOp};

const PARAMS: &str = include_str!("../../shaders/lib/params.wgsl");
const INDEX: &str = include_str!("../../shaders/lib/index.wgsl");
const TREE: &str = include_str!("../../shaders/lib/tree.wgsl");
const MAP: &str = include_str!("../../shaders/map.wgsl");
const REDUCE_OUTER: &str = include_str!("../../shaders/reduce_outer.wgsl");
const REDUCE_INNER: &str = include_str!("../../shaders/reduce_inner.wgsl");

/// What the lines of a body and of an epilogue are called.
const BODY: &str = "v";
const EPILOGUE: &str = "e";

/// Functions that a shader may call, a family a file. A file may call those below it.
const LIBRARY: [&str; 13] = [
    include_str!("../../shaders/lib/erf_f64.wgsl"),
    include_str!("../../shaders/lib/pow_f64.wgsl"),
    include_str!("../../shaders/lib/exp_f64.wgsl"),
    include_str!("../../shaders/lib/log_f64.wgsl"),
    include_str!("../../shaders/lib/trig_f64.wgsl"),
    include_str!("../../shaders/lib/double.wgsl"),
    include_str!("../../shaders/lib/erf.wgsl"),
    include_str!("../../shaders/lib/pow.wgsl"),
    include_str!("../../shaders/lib/exp.wgsl"),
    include_str!("../../shaders/lib/log.wgsl"),
    include_str!("../../shaders/lib/trig.wgsl"),
    include_str!("../../shaders/lib/half.wgsl"),
    include_str!("../../shaders/lib/numeric.wgsl"),
];

/// The whole shader.
pub(crate) fn source(spec: &Spec) -> String {
    let mut text = prelude(spec);
    let mut files = vec![PARAMS, INDEX];
    match spec.kernel {
        Kernel::Map => files.push(MAP),
        Kernel::ReduceOuter => files.extend([TREE, REDUCE_OUTER]),
        Kernel::ReduceInner => files.extend([TREE, REDUCE_INNER]),
    }
    for file in files {
        text.push('\n');
        text.push_str(file);
    }
    for file in LIBRARY {
        // Files are joined only where they are called: a driver compiles every function it is given.
        if functions(file).any(|name| text.contains(&format!("{name}("))) {
            text.push('\n');
            text.push_str(file);
        }
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
        Kernel::ReduceOuter | Kernel::ReduceInner => reduce_functions(&mut out, spec),
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
    match (binding.dtype, binding.wide) {
        (DType::F32, true) => "vec4f",
        (DType::F32, false) => "f32",
        (DType::I32, true) => "vec4i",
        (DType::I32, false) => "i32",
        (DType::F64, _) => "f64",
        (DType::F16 | DType::BF16, true) => "vec2u",
        _ => "u32",
    }
}

/// The alias for values of a compute dtype.
fn alias(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "B",
        DType::I32 | DType::U8 => "I",
        DType::F64 => "D",
        _ => "F",
    }
}

fn dim(i: usize) -> String {
    format!("params.dims[{i}]")
}

/// Word `word` of a stage of the operand table: 0 is the offset, `1 + d` the stride of dim `d`.
fn stage_word(stage: usize, word: usize) -> String {
    format!("params.stages[{stage}][{}].{}", word / 4, ["x", "y", "z", "w"][word % 4])
}

/// Lines that take the row-major number `index` over dims `first..first + rank` apart into `{prefix}0`, `{prefix}1`, …
fn coordinates(out: &mut String, depth: usize, index: &str, prefix: &str, first: usize, rank: usize) {
    let mut rest = index.to_owned();
    for d in (1..rank).rev() {
        let quotient = format!("{prefix}q{d}");
        line(out, depth, &format!("let {quotient} = divide({rest}, {});", dim(first + d)));
        line(out, depth, &format!("let {prefix}{d} = {rest} - {quotient} * {}.size;", dim(first + d)));
        rest = quotient;
    }
    if rank > 0 {
        line(out, depth, &format!("let {prefix}0 = {rest};"));
    }
}

/// `offset + c0 * stride0 + …` of a stage, over coordinates `{prefix}0..rank`, whose strides begin at word `word`.
fn dot(stage: usize, word: usize, prefix: &str, rank: usize, offset: bool) -> String {
    let mut terms: Vec<String> = if offset { vec![stage_word(stage, 0)] } else { vec![] };
    terms.extend((0..rank).map(|d| format!("{prefix}{d} * {}", stage_word(stage, word + d))));
    if terms.is_empty() { "0u".to_owned() } else { terms.join(" + ") }
}

/// A function from an element's number in the domain to its position in the buffer, for operands that need one.
fn place_function(out: &mut String, spec: &Spec, operand: usize) {
    let o = &spec.operands[operand];
    let stage = spec.first_stage(operand);
    line(out, 0, "");
    line(out, 0, &format!("fn place_{operand}(i: u32) -> u32 {{"));
    coordinates(out, 1, "min(i, params.n - 1u)", "c", 0, spec.kept_rank);
    line(out, 1, &format!("let p0 = {};", dot(stage, 1, "c", spec.kept_rank, true)));
    let earlier: usize = spec.operands[..operand].iter().flat_map(|o| &o.stages).sum();
    let mut first = spec.kept_rank + spec.reduced_rank + earlier;
    for (s, &rank) in o.stages.iter().enumerate() {
        let prefix = ["d", "e", "f", "g", "h"].get(s).copied().unwrap_or("z");
        coordinates(out, 1, &format!("p{s}"), prefix, first, rank);
        line(out, 1, &format!("let p{} = {};", s + 1, dot(stage + 1 + s, 1, prefix, rank, true)));
        first += rank;
    }
    line(out, 1, &format!("return p{};", o.stages.len()));
    line(out, 0, "}");
}

/// A function from a position in memory to the number of the view's element there, or `NOWHERE`. The view's dims are
/// sorted by stride, largest first, so that dividing by one stride after the other gives the coordinates.
fn find_function(out: &mut String, spec: &Spec, operand: usize) {
    let rank = spec.operands[operand].stages[0] - 1;
    let stage = spec.first_stage(operand) + 1;
    let earlier: usize = spec.operands[..operand].iter().flat_map(|o| &o.stages).sum();
    let first = spec.kept_rank + spec.reduced_rank + earlier;
    line(out, 0, "");
    line(out, 0, "const NOWHERE: u32 = 0xffffffffu;");
    line(out, 0, "");
    line(out, 0, &format!("fn find_{operand}(i: u32) -> u32 {{"));
    line(out, 1, &format!("if i < {} {{ return NOWHERE; }}", stage_word(stage, 0)));
    line(out, 1, &format!("let r0 = i - {};", stage_word(stage, 0)));
    for d in 0..rank {
        line(out, 1, &format!("let c{d} = divide(r{d}, {});", dim(first + d)));
        line(out, 1, &format!("let r{} = r{d} - c{d} * {}.size;", d + 1, dim(first + d)));
        line(out, 1, &format!("if c{d} >= {}.count {{ return NOWHERE; }}", dim(first + d)));
    }
    line(out, 1, &format!("if r{rank} != 0u {{ return NOWHERE; }}"));
    let start = stage_word(stage, 1 + rank);
    line(out, 1, &format!("return {start} + {};", dot(stage, 1, "c", rank, false)));
    line(out, 0, "}");
}

// ---- maps ----

fn map_body(out: &mut String, spec: &Spec) {
    line(out, 0, "");
    line(out, 0, "fn body(i: u32) {");
    let by_coordinates = |o: &Operand| !o.linear && !matches!(o.mode, Mode::Each | Mode::Found) && o.stages.is_empty();
    if spec.kept_rank > 1 && spec.operands.iter().any(by_coordinates) {
        coordinates(out, 1, "i", "c", 0, spec.kept_rank);
    } else {
        line(out, 1, "let c0 = i;");
    }
    for (i, o) in spec.operands.iter().enumerate() {
        let stage = spec.first_stage(i);
        if o.linear {
            line(out, 1, &format!("let p{i} = {} + i;", stage_word(stage, 0)));
        } else if by_coordinates(o) {
            line(out, 1, &format!("let p{i} = {};", dot(stage, 1, "c", spec.kept_rank, true)));
        }
    }
    code(out, spec, &spec.body, BODY, spec.kept_rank);
    line(out, 0, "}");
}

// ---- reductions ----

fn reduce_functions(out: &mut String, spec: &Spec) {
    let member = |j: usize| format!("t{j}: {}", alias(spec.folds[j].1));
    let members: Vec<String> = (0..spec.folds.len()).map(member).collect();
    line(out, 0, "");
    line(out, 0, &format!("struct Terms {{ {} }}", members.join(", ")));

    let loads = operands_of(&spec.body);
    // What stays the same along the walk is fetched once: a driver may fetch params again at every step.
    let one_stride = spec.reduced_rank == 1;
    let mut fields: Vec<(String, String)> = Vec::new();
    for &i in &loads {
        let stage = spec.first_stage(i);
        fields.push((format!("p{i}: u32"), dot(stage, 1, "c", spec.kept_rank, true)));
        if one_stride {
            fields.push((format!("s{i}: u32"), stage_word(stage, 1 + spec.kept_rank)));
        }
    }
    for (i, Line { inst, dtype }) in spec.body.lines.iter().enumerate() {
        if let Inst::Scalar(word) = *inst {
            fields.push((format!("n{i}: {}", alias(*dtype)), scalar(word, *dtype)));
        }
    }
    if fields.is_empty() {
        fields.push(("unused: u32".to_owned(), "0u".to_owned()));
    }
    let (names, values): (Vec<String>, Vec<String>) = fields.into_iter().unzip();
    line(out, 0, &format!("struct Place {{ {} }}", names.join(", ")));

    line(out, 0, "");
    line(out, 0, "// Where the elements reduced into output k begin, and what stays the same among them.");
    line(out, 0, "fn place(k: u32) -> Place {");
    coordinates(out, 1, "k", "c", 0, spec.kept_rank);
    line(out, 1, &format!("return Place({});", values.join(", ")));
    line(out, 0, "}");

    line(out, 0, "");
    line(out, 0, "fn body(place: Place, r: u32) -> Terms {");
    coordinates(out, 1, "r", "c", spec.kept_rank, spec.reduced_rank);
    for &i in &loads {
        let within = if one_stride {
            format!("c0 * place.s{i}")
        } else {
            dot(spec.first_stage(i), 1 + spec.kept_rank, "c", spec.reduced_rank, false)
        };
        line(out, 1, &format!("let p{i} = place.p{i} + {within};"));
    }
    let inner_dim = match spec.kernel {
        Kernel::ReduceInner => spec.kept_rank + spec.reduced_rank,
        _ => spec.kept_rank,
    };
    code(out, spec, &spec.body, BODY, inner_dim);
    let results: Vec<String> = spec.body.results.iter().map(|r| format!("v{r}")).collect();
    line(out, 1, &format!("return Terms({});", results.join(", ")));
    line(out, 0, "}");

    let each = |f: &dyn Fn(usize, Fold, DType) -> String| {
        let parts: Vec<String> = spec.folds.iter().enumerate().map(|(j, &(fold, dtype))| f(j, fold, dtype)).collect();
        format!("return Terms({});", parts.join(", "))
    };
    line(out, 0, "");
    line(out, 0, "fn identity() -> Terms {");
    line(out, 1, &each(&|_, fold, dtype| identity(fold, dtype)));
    line(out, 0, "}");
    line(out, 0, "");
    line(out, 0, "fn combine(a: Terms, b: Terms) -> Terms {");
    line(out, 1, &each(&|j, fold, dtype| combine(fold, dtype, &format!("a.t{j}"), &format!("b.t{j}"))));
    line(out, 0, "}");

    if spec.kernel == Kernel::ReduceInner {
        line(out, 0, "");
        line(out, 0, "// The elements from r on that lie below end.");
        line(out, 0, "fn masked(place: Place, r: u32, end: u32) -> Terms {");
        line(out, 1, "let terms = body(place, r);");
        line(out, 1, "let nothing = identity();");
        line(
            out,
            1,
            if spec.width == 1 {
                "let inside = r < end;"
            } else {
                "let inside = U(r) + vec4u(0u, 1u, 2u, 3u) < U(end);"
            },
        );
        line(out, 1, &each(&|j, _, _| format!("select(nothing.t{j}, terms.t{j}, inside)")));
        line(out, 0, "}");
        line(out, 0, "");
        line(out, 0, "// What a vector's components come to, in each of them.");
        line(out, 0, "fn across(terms: Terms) -> Terms {");
        if spec.width == 1 {
            line(out, 1, "return terms;");
        } else {
            let swizzle = |s: &'static str, from: &'static str| {
                each(&|j, _, _| format!("{from}.t{j}.{s}")).replace("return ", "").replace(';', "")
            };
            line(out, 1, &format!("let pairs = combine(terms, {});", swizzle("zwxy", "terms")));
            line(out, 1, &format!("return combine(pairs, {});", swizzle("yxwz", "pairs")));
        }
        line(out, 0, "}");
    }

    line(out, 0, "");
    line(out, 0, "fn finish(k: u32, split: u32, terms: Terms) {");
    coordinates(out, 1, "k", "c", 0, spec.kept_rank);
    for i in operands_of(&spec.epilogue) {
        let o = &spec.operands[i];
        let stage = spec.first_stage(i);
        let position = match (spec.split, o.linear) {
            (true, _) => format!("{} + split * params.n + k", stage_word(stage, 0)),
            (false, true) => format!("{} + k", stage_word(stage, 0)),
            (false, false) => dot(stage, 1, "c", spec.kept_rank, true),
        };
        line(out, 1, &format!("let p{i} = {position};"));
    }
    code(out, spec, &spec.epilogue, EPILOGUE, spec.kept_rank);
    line(out, 0, "}");
}

/// The operands that code loads or stores, in order.
fn operands_of(code: &Code) -> Vec<usize> {
    let mut found: Vec<usize> = code
        .lines
        .iter()
        .filter_map(|l| if let Inst::Load(i) = l.inst { Some(i) } else { None })
        .chain(code.stores.iter().map(|s| s.0))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn identity(fold: Fold, dtype: DType) -> String {
    let of = alias(dtype);
    match (fold, dtype) {
        (Fold::Sum, _) => format!("{of}(0)"),
        (Fold::Prod, _) => format!("{of}(1)"),
        (Fold::Amax, DType::I32) => "I(bitcast<i32>(0x80000000u))".to_owned(),
        (Fold::Amin, DType::I32) => "I(2147483647)".to_owned(),
        (Fold::Amax, DType::F64) => "D(f64(bitcast<f32>(params.minus_infinity)))".to_owned(),
        (Fold::Amin, DType::F64) => "D(-f64(bitcast<f32>(params.minus_infinity)))".to_owned(),
        (Fold::Amax, _) => "F(bitcast<f32>(params.minus_infinity))".to_owned(),
        (Fold::Amin, _) => "F(-bitcast<f32>(params.minus_infinity))".to_owned(),
    }
}

fn combine(fold: Fold, dtype: DType, a: &str, b: &str) -> String {
    match fold {
        Fold::Sum => format!("{a} + {b}"),
        Fold::Prod => format!("{a} * {b}"),
        Fold::Amax => binary(BinaryOp::Maximum, dtype, a, b),
        Fold::Amin => binary(BinaryOp::Minimum, dtype, a, b),
    }
}

// ---- straight-line code ----

/// Loads, arithmetic and stores, as lines `{prefix}0`, `{prefix}1`, …; positions of operands are `p{i}`, or come from
/// their place functions. `inner` is one past the dim that neighbours lie along.
fn code(out: &mut String, spec: &Spec, code: &Code, prefix: &str, inner: usize) {
    for (i, Line { inst, dtype }) in code.lines.iter().enumerate() {
        let arg = |j: usize| format!("{prefix}{j}");
        let from = |j: usize| code.lines[j].dtype;
        let value = match *inst {
            Inst::Load(operand) => load(spec, operand, inner),
            Inst::Has(operand) => {
                let each = (0..spec.width).map(|c| format!("find_{operand}(i + {c}u) != NOWHERE"));
                format!("B({})", each.collect::<Vec<_>>().join(", "))
            }
            Inst::Scalar(_) if prefix == BODY && spec.kernel != Kernel::Map => {
                format!("place.n{i}")
            }
            Inst::Scalar(word) => scalar(word, *dtype),
            Inst::Term(fold) => format!("terms.t{fold}"),
            // GLSL compilers take `!(p < q)` for `p >= q`, which NaN makes false too.
            Inst::Unary(UnaryOp::Not, a) => match ordering(code, a) {
                Some((p, q)) => format!("!{} | {}", arg(a), either_nan(from(p), &arg(p), &arg(q))),
                None => unary(UnaryOp::Not, from(a), &arg(a)),
            },
            Inst::Unary(op, a) => unary(op, from(a), &arg(a)),
            Inst::Binary(op, a, b) => binary(op, from(a), &arg(a), &arg(b)),
            Inst::Select(c, a, b) => {
                let plain = format!("select({}, {}, {})", arg(b), arg(a), arg(c));
                // And they take `p < q ? p : q` for a minimum, which NaN passes by.
                match ordering(code, c) {
                    Some((p, q)) if [a, b].contains(&p) || [a, b].contains(&q) => {
                        format!("select({plain}, {}, {})", arg(b), either_nan(from(p), &arg(p), &arg(q)))
                    }
                    _ => plain,
                }
            }
            Inst::Convert(a) => convert(from(a), *dtype, &arg(a)),
            Inst::Round(to, a) => round(to, from(a), &arg(a)),
        };
        line(out, 1, &format!("let {prefix}{i} = {value};"));
    }
    for &(operand, value) in &code.stores {
        store(out, spec, operand, &format!("{prefix}{value}"), code.lines[value].dtype, inner);
    }
}

/// The arguments of a line that says which of two floats is less.
fn ordering(code: &Code, line: usize) -> Option<(usize, usize)> {
    match code.lines[line].inst {
        Inst::Binary(BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge, p, q)
            if code.lines[p].dtype.is_float() =>
        {
            Some((p, q))
        }
        _ => None,
    }
}

fn either_nan(dtype: DType, p: &str, q: &str) -> String {
    let isnan = if dtype == DType::F64 { "isnan_f64" } else { "isnan_f" };
    format!("({isnan}({p}) | {isnan}({q}))")
}

/// Positions of the `width` neighbours of an operand.
fn neighbours(spec: &Spec, operand: usize, inner: usize) -> Vec<String> {
    let o = &spec.operands[operand];
    let stride = || stage_word(spec.first_stage(operand), inner);
    (0..spec.width)
        .map(|c| match o.mode {
            // Past the end of any buffer where there is none: what is read there is not used.
            Mode::Found => format!("min(find_{operand}(i + {c}u), {})", stage_word(spec.first_stage(operand), 1)),
            _ if !o.stages.is_empty() || o.mode == Mode::Each => format!("place_{operand}(i + {c}u)"),
            Mode::Splat => format!("p{operand}"),
            _ if c == 0 => format!("p{operand}"),
            _ if o.linear => format!("p{operand} + {c}u"),
            _ => format!("p{operand} + {c}u * {}", stride()),
        })
        .collect()
}

/// The element at `position`, as it is stored: a number of the buffer's type, or the bits of a packed one.
fn raw(spec: &Spec, binding: usize, position: &str) -> String {
    match spec.bindings[binding].dtype {
        DType::F16 | DType::BF16 => {
            format!("(b{binding}[({position}) >> 1u] >> ((({position}) & 1u) * 16u)) & 0xffffu")
        }
        DType::U8 | DType::Bool => format!("(b{binding}[({position}) >> 2u] >> ((({position}) & 3u) * 8u)) & 0xffu"),
        _ => format!("b{binding}[{position}]"),
    }
}

fn load(spec: &Spec, operand: usize, inner: usize) -> String {
    let Operand { binding, dtype, mode, .. } = spec.operands[operand];
    if mode == Mode::Vec && spec.width > 1 && spec.bindings[binding].wide {
        let group = format!("b{binding}[p{operand} >> 2u]");
        return match dtype {
            DType::F16 => format!("from_f16(unpack_f16({group}))"),
            DType::BF16 => format!("bitcast<F>(unpack_f16({group}) << U(16u))"),
            DType::U8 => format!("bitcast<I>((U({group}) >> vec4u(0u, 8u, 16u, 24u)) & U(0xffu))"),
            DType::Bool => format!("((U({group}) >> vec4u(0u, 8u, 16u, 24u)) & U(0xffu)) != U(0u)"),
            _ => group,
        };
    }
    let elements: Vec<String> = match (mode, spec.operands[operand].stages.is_empty()) {
        (Mode::Splat, true) => vec![raw(spec, binding, &format!("p{operand}"))],
        _ => neighbours(spec, operand, inner).iter().map(|p| raw(spec, binding, p)).collect(),
    };
    let elements = elements.join(", ");
    match dtype {
        DType::F16 => format!("from_f16(U({elements}))"),
        DType::BF16 => format!("bitcast<F>(U({elements}) << U(16u))"),
        DType::U8 => format!("bitcast<I>(U({elements}))"),
        DType::Bool => format!("U({elements}) != U(0u)"),
        _ => format!("{}({elements})", alias(dtype)),
    }
}

fn scalar(word: usize, dtype: DType) -> String {
    let bits = |w: usize| format!("params.scalars[{}].{}", w / 4, ["x", "y", "z", "w"][w % 4]);
    match dtype {
        DType::Bool => format!("B({} != 0u)", bits(word)),
        DType::I32 => format!("I(bitcast<i32>({}))", bits(word)),
        DType::F64 => format!("D(f64_from_bits({}, {}))", bits(word), bits(word + 1)),
        _ => format!("F(bitcast<f32>({}))", bits(word)),
    }
}

/// Writes a line's value to the elements of an operand that lie inside the domain.
fn store(out: &mut String, spec: &Spec, operand: usize, value: &str, from: DType, inner: usize) {
    let Operand { binding, dtype, mode, .. } = spec.operands[operand];
    let value = match dtype {
        DType::F16 => format!("to_f16({})", round_source(from, value)),
        DType::BF16 => format!("to_bf16({})", round_source(from, value)),
        DType::U8 => format!("bitcast<U>({value}) & U(0xffu)"),
        DType::Bool => format!("select(U(0u), U(1u), {value})"),
        _ => value.to_owned(),
    };
    let stored = format!("s{operand}");
    line(out, 1, &format!("let {stored} = {value};"));
    if spec.kernel == Kernel::ReduceInner {
        // Every component holds the row's result.
        let one = if spec.width == 1 { stored } else { format!("{stored}.x") };
        line(out, 1, &format!("b{binding}[p{operand}] = {one};"));
        return;
    }
    let places = neighbours(spec, operand, inner);
    let component = |c: usize| if spec.width == 1 { stored.clone() } else { format!("{stored}[{c}]") };
    let packed_bits = match dtype {
        DType::F16 | DType::BF16 => 16,
        DType::U8 | DType::Bool => 8,
        _ => 32,
    };
    let index = if spec.kernel == Kernel::Map { "i" } else { "k" };
    if packed_bits < 32 {
        store_packed(out, spec, operand, &stored, packed_bits, index);
        return;
    }
    if mode == Mode::Vec && spec.width > 1 && spec.bindings[binding].wide {
        if !spec.tail {
            line(out, 1, &format!("b{binding}[p{operand} >> 2u] = {stored};"));
            return;
        }
        line(out, 1, &format!("if {index} + {}u <= params.n {{", spec.width));
        line(out, 2, &format!("b{binding}[p{operand} >> 2u] = {stored};"));
        line(out, 1, "} else {");
        for c in 0..spec.width as usize - 1 {
            let condition = format!("if {index} + {c}u < params.n");
            line(out, 2, &format!("{condition} {{ b{binding}[p{operand} >> 2u][{c}] = {}; }}", component(c)));
        }
        line(out, 1, "}");
        return;
    }
    for (c, place) in places.iter().enumerate() {
        if c == 0 || !spec.tail {
            line(out, 1, &format!("b{binding}[{place}] = {};", component(c)));
        } else {
            line(out, 1, &format!("if {index} + {c}u < params.n {{ b{binding}[{place}] = {}; }}", component(c)));
        }
    }
}

/// Four packed elements at an aligned place: whole words, which this invocation alone writes. Past the end, what was
/// there stays.
fn store_packed(out: &mut String, spec: &Spec, operand: usize, stored: &str, bits: u32, index: &str) {
    let binding = spec.operands[operand].binding;
    let words = if bits == 16 {
        vec![format!("{stored}.x | ({stored}.y << 16u)"), format!("{stored}.z | ({stored}.w << 16u)")]
    } else {
        vec![format!("{stored}.x | ({stored}.y << 8u) | ({stored}.z << 16u) | ({stored}.w << 24u)")]
    };
    let wide = spec.bindings[binding].wide && bits == 16;
    let per_word = 32 / bits;
    for (w, word) in words.iter().enumerate() {
        let place = match (wide, bits) {
            (true, _) => format!("b{binding}[p{operand} >> 2u][{w}]"),
            (false, 16) => format!("b{binding}[(p{operand} >> 1u) + {w}u]"),
            _ => format!("b{binding}[p{operand} >> 2u]"),
        };
        let first = w as u32 * per_word;
        let value = format!("w{operand}_{w}");
        line(out, 1, &format!("let {value} = {word};"));
        if !spec.tail {
            line(out, 1, &format!("{place} = {value};"));
            continue;
        }
        line(out, 1, &format!("if {index} + {}u <= params.n {{", first + per_word));
        line(out, 2, &format!("{place} = {value};"));
        line(out, 1, &format!("}} else if {index} + {first}u < params.n {{"));
        line(out, 2, &format!("let mask = (1u << ((params.n - {index} - {first}u) * {bits}u)) - 1u;"));
        line(out, 2, &format!("{place} = ({place} & ~mask) | ({value} & mask);"));
        line(out, 1, "}");
    }
}

// ---- operations ----

fn unary(op: UnaryOp, dtype: DType, a: &str) -> String {
    match (op, dtype) {
        (UnaryOp::Not, _) => format!("!{a}"),
        (UnaryOp::Neg, _) => format!("-{a}"),
        (UnaryOp::Abs, _) => format!("abs({a})"),
        (UnaryOp::Floor, _) => format!("floor({a})"),
        (UnaryOp::Ceil, _) => format!("ceil({a})"),
        (UnaryOp::Trunc, _) => format!("trunc({a})"),
        (UnaryOp::Sqrt, _) => format!("sqrt({a})"),
        (UnaryOp::Sign, DType::I32) => format!("sign({a})"),
        (UnaryOp::Relu, DType::I32) => format!("max({a}, I(0))"),
        (UnaryOp::IsNan, DType::I32) => format!("{a} != {a}"),
        (_, DType::F64) => format!("{}_f64({a})", op.name()),
        _ => format!("{}_f({a})", op.name()),
    }
}

/// An operation on a float and itself. A compiler would take `x - x` for 0, `x / x` for 1 and `x == x` for true.
fn with_itself(op: BinaryOp, dtype: DType, x: &str) -> Option<String> {
    let suffix = if dtype == DType::F64 { "f64" } else { "f" };
    Some(match op {
        BinaryOp::Sub => format!("minus_itself_{suffix}({x})"),
        BinaryOp::Div => format!("over_itself_{suffix}({x})"),
        BinaryOp::Eq | BinaryOp::Le | BinaryOp::Ge => format!("!isnan_{suffix}({x})"),
        BinaryOp::Ne => format!("isnan_{suffix}({x})"),
        _ => return None,
    })
}

fn binary(op: BinaryOp, dtype: DType, a: &str, b: &str) -> String {
    if let Some(same) = with_itself(op, dtype, a).filter(|_| a == b && dtype.is_float()) {
        return same;
    }
    let symbol = match op {
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Eq => "==",
        // WGSL's `!=` may take NaN for equal to itself.
        BinaryOp::Ne => return format!("!({a} == {b})"),
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::And => "&",
        BinaryOp::Or => "|",
        BinaryOp::Maximum if dtype == DType::I32 => return format!("max({a}, {b})"),
        BinaryOp::Minimum if dtype == DType::I32 => return format!("min({a}, {b})"),
        BinaryOp::Pow | BinaryOp::Maximum | BinaryOp::Minimum => {
            let suffix = match dtype {
                DType::I32 => "i",
                DType::F64 => "f64",
                _ => "f",
            };
            return format!("{}_{suffix}({a}, {b})", op.name());
        }
    };
    format!("{a} {symbol} {b}")
}

fn convert(from: DType, to: DType, a: &str) -> String {
    match (from, to) {
        (DType::F32, DType::I32) => format!("to_i32({a})"),
        (DType::F64, DType::I32) => format!("f64_to_i32({a})"),
        (DType::Bool, DType::F64) => format!("D(truth_f({a}))"),
        (DType::Bool, DType::F32) => format!("truth_f({a})"),
        (DType::Bool, _) => format!("select({0}(0), {0}(1), {a})", alias(to)),
        (_, DType::Bool) => format!("!({a} == {}(0))", alias(from)),
        _ => format!("{}({a})", alias(to)),
    }
}

/// A value as the f32 that a rounding to f16 or bf16 starts from.
fn round_source(from: DType, a: &str) -> String {
    if from == DType::F64 { format!("f64_to_odd_f32({a})") } else { a.to_owned() }
}

fn round(to: DType, from: DType, a: &str) -> String {
    match to {
        DType::F16 => format!("from_f16(to_f16({}))", round_source(from, a)),
        DType::BF16 => format!("bitcast<F>(to_bf16({}) << U(16u))", round_source(from, a)),
        _ => format!("{a} & I(0xff)"),
    }
}
