//! Testing the tests: shaders with one mistake each, every one of which the table of cases must notice.
//!
//! A mistake is a change of the text that codegen hands out, so one binary tries them all. Run by
//! `cargo test --lib mutants -- --ignored --nocapture`, on the adapter `HADAMARD_DEVICE` names or a software one.

use std::cell::Cell;

use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::adapter::adapters;
use crate::check::{Case, cases, run_cases};
use crate::{DEVICE_VARIABLE, Device, DeviceKind};

/// A mistake: what it is, the text it changes and to what, and the operation whose cases see it first.
struct Mutant(&'static str, &'static str, &'static str, &'static str);

const MUTANTS: [Mutant; 69] = [
    // Bounds.
    Mutant("map: no bounds check", "if i >= uniforms.n { return; }", "", "add"),
    Mutant("map: one element too few", "if i >= uniforms.n { return; }", "if i + 1u >= uniforms.n { return; }", "add"),
    Mutant(
        "map: the last workgroup missing",
        "if i >= uniforms.n { return; }",
        "if i + WG_SIZE * WIDTH > uniforms.n { return; }",
        "add",
    ),
    Mutant(
        "map: the grid's second axis ignored",
        "let i = ((workgroup.y * uniforms.grid_x + workgroup.x)",
        "let i = ((workgroup.x)",
        "large",
    ),
    Mutant(
        "reduce: the grid's second axis ignored",
        "let number = workgroup.y * uniforms.grid_x + workgroup.x;",
        "let number = workgroup.x;",
        "large",
    ),
    Mutant("reduce: the second column of blocks ignored", "(number - split * uniforms.blocks)", "(number)", "sum"),
    Mutant("reduce_outer: no bounds check", "if row == 0u && k < uniforms.n &&", "if row == 0u &&", "sum"),
    Mutant("reduce_rows: a component forgotten", "combine_of_group(z, w))", "z)", "sum"),
    Mutant("reduce_rows: a row too few", "if k < uniforms.n {", "if k + 1u < uniforms.n {", "sum"),
    Mutant("reduce_inner: no bounds check", "if column == 0u && k < uniforms.n &&", "if column == 0u &&", "sum"),
    Mutant("contract_registers: no bounds check", "if row < uniforms.dims[ROWS].size {", "if true {", "einsum"),
    Mutant(
        "contract_registers: terms past the end",
        "let whole = end - (end - start) % 4u;",
        "let whole = end;",
        "einsum",
    ),
    // Strides.
    Mutant(
        "the first stride off by one",
        "+ c0 * uniforms.stages[0][0].y",
        "+ c0 * (uniforms.stages[0][0].y + 1u)",
        "add",
    ),
    Mutant("the second stride is the first", "+ c1 * uniforms.stages[0][0].z", "+ c1 * uniforms.stages[0][0].y", "add"),
    Mutant("the offset forgotten", "= uniforms.stages[0][0].x + ", "= ", "add"),
    Mutant(
        "reduced elements one step off",
        "let p0 = place.p0 + c0 * place.s0;",
        "let p0 = place.p0 + (c0 + 1u) * place.s0;",
        "sum",
    ),
    Mutant(
        "division rounded down early",
        "(multiply_high(index, dim.multiplier) + index) >> dim.shift",
        "multiply_high(index, dim.multiplier) >> dim.shift",
        "add",
    ),
    // Partial results.
    Mutant(
        "a split one row short",
        "min(start + uniforms.chunk, uniforms.n_reduced)",
        "min(start + uniforms.chunk - 1u, uniforms.n_reduced)",
        "sum",
    ),
    Mutant("parts that take rows in turn, each from the first", "start + turn, end,", "start, end,", "sum"),
    Mutant("what was added before forgotten", "let total = combine(lane.total, terms);", "let total = terms;", "sum"),
    Mutant("the last steps forgotten", "LANES * AT_ONCE > 1u && first < end", "false", "sum"),
    Mutant("lanes go past the end", "(LANES - 1u) * apart;", "0u;", "sum"),
    Mutant("lanes go past the end in the last step", "if r < end {", "if true {", "sum"),
    Mutant("a step after the last", "if first + last >= end {", "if first + last > end {", "sum"),
    Mutant("the tail of a row forgotten", "if whole < end && column == 0u {", "if false {", "sum"),
    Mutant("the tail of a row added by every lane", "if whole < end && column == 0u {", "if whole < end {", "sum"),
    Mutant("lanes: the last halving forgotten", "half > 0u; half /= 2u", "half > 1u; half /= 2u", "sum"),
    Mutant("lanes: rows of others", "sh_terms[lane + half * COLUMNS]", "sh_terms[lane + half]", "sum"),
    Mutant("contract_registers: the last terms forgotten", "if k < end {\n", "if false {\n", "einsum"),
    Mutant("contract_registers: a term forgotten", "add(sums, a[6], a[7], b[6], b[7]);", "", "einsum"),
    Mutant(
        "contract_registers: a row too few",
        "store_row(place, split, row + 7u, column, (*sums)[14], (*sums)[15]);",
        "",
        "einsum",
    ),
    Mutant(
        "contract_registers: a neighbour's row",
        "subgroupBroadcast(v[0], 1u)",
        "subgroupBroadcast(v[0], 2u)",
        "einsum",
    ),
    // Accumulators.
    Mutant(
        "sums with the digits of f16",
        "return Terms(a.t0 + b.t0);",
        "return Terms(bitcast<F>(bitcast<U>(a.t0 + b.t0) & U(0xffffe000u)));",
        "sum",
    ),
    Mutant("sums begin at one", "return Terms(F(0));", "return Terms(F(1));", "sum"),
    Mutant(
        "the largest without NaN",
        "return select(max(a, b), a + b, isnan_f(a) | isnan_f(b));",
        "return max(a, b);",
        "maximum",
    ),
    Mutant("what sums leave out let go", "const ROUNDS: bool = true;", "const ROUNDS: bool = false;", "digits"),
    // Scans and sorts.
    Mutant(
        "scan: a row begins at the second element",
        "let start = split * uniforms.chunk;",
        "let start = split * uniforms.chunk + 1u;",
        "cumsum",
    ),
    Mutant("sort_blocks: the last halving forgotten", "apart > 0u; apart /= 2u", "apart > 1u; apart /= 2u", "sort"),
    Mutant("sort_blocks: equal elements exchanged", "&& place_a < place_b);", "&& place_a > place_b);", "argsort"),
    Mutant("sort_blocks: the largest kept", "slot >= skipped && slot - skipped < kept", "slot + kept >= BLOCK", "topk"),
    Mutant("sort_blocks: rank 0 on", "store(i, sh_keys[slot],", "store(i, sh_keys[slot - skipped],", "kthvalue"),
    Mutant("sort_merge: of equal elements the second", "before(key_b, key_a))", "!before(key_a, key_b))", "argsort"),
    Mutant("sort_merge: past the first run", "let is_b = a >= middle || ", "let is_b = ", "sort"),
    Mutant("sort_merge: halving by one too few", "low = half + 1u;", "low = half;", "sort"),
    Mutant("sort_count: past the end of a row", "if at < uniforms.n_reduced {", "if true {", "sort"),
    Mutant("sort_count: by row, not by group", "uniforms.dims[2].count + group;", "uniforms.dims[2].count;", "sort"),
    Mutant("sort_scatter: upper values from rank 0", "(sh_sums[WG_SIZE - 1u] << 16u)", "0u", "sort"),
    Mutant("sort_scatter: half a digit", "round < ROUNDS", "round < 1u", "sort"),
    Mutant(
        "sort_scatter: what the first group begins with",
        "uniforms.dims[2].count + group);",
        "uniforms.dims[2].count);",
        "sort",
    ),
    Mutant(
        "sort_scatter: the first digit forgotten",
        "(slot == 0u || previous != value)",
        "(previous != value)",
        "sort",
    ),
    Mutant("sort_scatter: past the end of a row", "select(DIGITS - 1u, digit", "select(0u, digit", "sort"),
    Mutant("sort: digits not turned round", " ^ uniforms.dims[1].count;", ";", "sort"),
    Mutant("sort: digits of NaN first", "select(order, 0x7fffffff, order ==", "select(order, order, order ==", "sort"),
    Mutant("sort: NaN before numbers", "-order_f(b) < -order_f(a)", "order_f(a) < order_f(b)", "sort"),
    // What drivers may simplify.
    Mutant("floats not hidden", "return bitcast<F>(bitcast<U>(x) + U(uniforms.zero));", "return x;", "pairs"),
    Mutant(
        "one value not told from another",
        "return bitcast<F>(bitcast<U>(x) + U(uniforms.minus_infinity - 0xff800000u));",
        "return x;",
        "pairs",
    ),
    // Operands and arithmetic.
    Mutant("sub: operands exchanged", "= v0 - v1;", "= v1 - v0;", "sub"),
    Mutant("div: operands exchanged", "= v0 / v1;", "= v1 / v0;", "div"),
    Mutant("lt: operands exchanged", "= v0 < v1;", "= v1 < v0;", "lt"),
    Mutant("select: branches exchanged", "select(v0, v1, v2)", "select(v1, v0, v2)", "where"),
    Mutant("u8: no wrap", " & U(0xffu);", ";", "add"),
    Mutant(
        "f16: ties away from even",
        "bounded + ((bounded >> U(13u)) & U(1u)) + U(0xc8000fffu)",
        "bounded + U(0xc8001000u)",
        "cast",
    ),
    Mutant("f16: NaN becomes infinity", "select(finite, U(0x7e00u), magnitude > U(0x7f800000u));", "finite;", "cast"),
    Mutant(
        "f16: subnormals flushed",
        "let finite = select(normal, subnormal, magnitude < U(0x38800000u));",
        "let finite = select(normal, U(0u), magnitude < U(0x38800000u));",
        "cast",
    ),
    Mutant("f16: no infinity", "let bounded = min(magnitude, U(0x47800000u));", "let bounded = magnitude;", "cast"),
    Mutant(
        "bf16: cut, not rounded",
        "(bits + U(0x7fffu) + ((bits >> U(16u)) & U(1u))) >> U(16u)",
        "bits >> U(16u)",
        "cast",
    ),
    Mutant(
        "relu: NaN becomes 0",
        "return select(select(F(0.0), x, x > F(0.0)), x, isnan_f(x));",
        "return select(F(0.0), x, x > F(0.0));",
        "relu",
    ),
    Mutant(
        "to i32: NaN is not 0",
        "return select(ranged, I(0), isnan_f(x));",
        "return select(ranged, I(7), isnan_f(x));",
        "cast",
    ),
    Mutant(
        "pow: negative exponents forgotten",
        "return select(result, negative, exponent < I(0));",
        "return result;",
        "pow",
    ),
];

/// Mistakes in what kernels for software adapters have no use for, seen in those for discrete GPUs.
const DISCRETE: [Mutant; 10] = [
    Mutant(
        "lanes: no barrier",
        "sh_terms[lane] = terms;\n        workgroupBarrier();",
        "sh_terms[lane] = terms;",
        "sum",
    ),
    Mutant(
        "contract: no bounds check on rows",
        "if r < uniforms.dims[ROWS].size && c < uniforms.dims[COLUMNS].size {",
        "if c < uniforms.dims[COLUMNS].size {",
        "einsum",
    ),
    Mutant("contract: terms read past the end", "vec4u(select(0u, left, term))", "vec4u(left)", "einsum"),
    Mutant(
        "contract: a factor transposed",
        "sh_a[a.y * PITCH + a.x] = rows_of_a;",
        "sh_a[a.x * PITCH + a.y] = rows_of_a;",
        "einsum",
    ),
    Mutant(
        "contract: no barrier",
        "        workgroupBarrier();\n        // Ends: t counts to a constant.",
        "        // Ends: t counts to a constant.",
        "einsum",
    ),
    Mutant("contract: a term forgotten", "t < DEPTH; t++", "t < DEPTH - 1u; t++", "einsum"),
    Mutant("a step added twice", "combine(some, body(place, r + step))", "combine(some, body(place, r))", "sum"),
    Mutant("scan: the other lanes forgotten", "run = join(run, all);", "run = join(run, last(sums));", "cumsum"),
    Mutant("scan: the last doubling forgotten", "step < LANES; step *= 2u", "step < LANES / 2u; step *= 2u", "cumsum"),
    Mutant("the fourth step forgotten", "body(place, r + 3u * step)", "identity()", "sum"),
];

thread_local! {
    /// The change to make on this thread.
    static CURRENT: Cell<Option<(&'static str, &'static str)>> = const { Cell::new(None) };
    /// Shaders it was made in.
    static CHANGED: Cell<usize> = const { Cell::new(0) };
}

/// A shader with the change of this thread made in it, if there is one to make and the outcome is valid.
pub(super) fn mutated(source: String) -> String {
    let Some((from, to)) = CURRENT.get().filter(|mutant| source.contains(mutant.0)) else { return source };
    let mutant = source.replace(from, to);
    if !is_valid(&mutant) {
        return source;
    }
    CHANGED.set(CHANGED.get() + 1);
    mutant
}

fn is_valid(source: &str) -> bool {
    let Ok(module) = naga::front::wgsl::parse_str(source) else { return false };
    Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module).is_ok()
}

/// A fresh device; or a software adapter taken for a discrete GPU.
fn device(discrete: bool) -> Device {
    if discrete {
        let adapter = adapters().into_iter().find(|a| a.kind() == DeviceKind::Software).expect("a software adapter");
        return Device::on_gpu(adapter.taken_for(wgpu::DeviceType::DiscreteGpu).open().expect("a device"));
    }
    let name = std::env::var(DEVICE_VARIABLE).unwrap_or_else(|_| "software".to_owned());
    Device::named(&name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The first failure of the table, and the cases run up to there.
fn first_failure(cases: &[Case], discrete: bool) -> (usize, Option<String>) {
    let device = device(discrete);
    for (done, case) in cases.iter().enumerate() {
        let report = run_cases(&device, std::slice::from_ref(case), |_, _, _| ());
        if let Some(failure) = report.failures.first() {
            return (done + 1, Some(failure.to_string()));
        }
    }
    (cases.len(), None)
}

#[test]
#[ignore = "takes minutes on a software adapter"]
fn mutants_are_killed() {
    // In an order that mixes operations, always the same, the slowest last.
    let mut cases = cases();
    let mut survivors = Vec::new();
    let mut mistaken = Vec::new();
    let all = MUTANTS.iter().map(|mutant| (mutant, false)).chain(DISCRETE.iter().map(|mutant| (mutant, true)));
    let n = all.clone().count();
    for (&Mutant(name, from, to, operation), discrete) in all {
        cases.sort_by_key(|case| (case.operation() != operation, case.operation() == "large", case.seed()));
        CURRENT.set(Some((from, to)));
        CHANGED.set(0);
        let (run, failure) = first_failure(&cases, discrete);
        CURRENT.set(None);
        let changed = CHANGED.get();
        println!("{name}: {run} cases, {changed} shaders changed: {}", failure.as_deref().unwrap_or("SURVIVED"));
        match failure {
            _ if changed == 0 => mistaken.push(format!("{name}: no shader has the text")),
            Some(message) if message.contains("error: ") => mistaken.push(format!("{name} is no shader: {message}")),
            Some(_) => {}
            None => survivors.push(name),
        }
    }
    assert!(mistaken.is_empty(), "{}", mistaken.join("\n"));
    println!("{} of {n} killed", n - survivors.len());
    assert!(survivors.is_empty(), "survivors: {survivors:?}");
}
