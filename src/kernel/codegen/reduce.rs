//! The functions a reduction's kernel calls: where rows begin, what is reduced, how results combine, what is stored.

use super::code::{code, scalar};
use super::operation::binary;
use super::place::{coordinates, dot, stage_word};
use super::{BODY, EPILOGUE, alias, line};
use crate::DType;
use crate::expr::BinaryOp;
use crate::expr::graph::Fold;
use crate::kernel::spec::{Code, Inst, Kernel, Line, Spec};

pub(super) fn reduce_functions(out: &mut String, spec: &Spec) {
    let member = |j: usize| format!("t{j}: {}", alias(spec.folds[j].1));
    let members: Vec<String> = (0..spec.folds.len()).map(member).collect();
    line(out, 0, "");
    line(out, 0, &format!("struct {} {{ {} }}", Names::of(spec).terms, members.join(", ")));

    rows(out, spec);
    combination(out, spec);
    if spec.kernel == Kernel::ReduceInner {
        ends(out, spec);
    }
    if spec.subgroups {
        shuffle(out, spec);
    }
    finish(out, spec);
    if spec.groups > 1 {
        groups(out, spec);
    }
}

/// What the values, the place and the functions of one group of columns are called: an invocation may own several.
struct Names {
    terms: &'static str,
    place: &'static str,
    suffix: &'static str,
}

impl Names {
    fn of(spec: &Spec) -> Self {
        match spec.groups {
            1 => Self { terms: "Terms", place: "Place", suffix: "" },
            _ => Self { terms: "GroupTerms", place: "GroupPlace", suffix: "_of_group" },
        }
    }
}

/// The same for all groups of columns that an invocation owns, which lie side by side.
fn groups(out: &mut String, spec: &Spec) {
    let of_each = |f: &dyn Fn(u32) -> String| (0..spec.groups).map(f).collect::<Vec<_>>().join(", ");
    let (place, ends) = if spec.kernel == Kernel::ReduceRows {
        // What is read past the last row is not stored.
        ("place_of_group(k + #u)", vec!["finish_of_group(k, split, turned(terms));".to_owned()])
    } else {
        let finish = |g| format!("finish_of_group(k + {g}u * WIDTH, split, terms.g{g});");
        ("place_of_group(k + #u * WIDTH)", (0..spec.groups).map(finish).collect())
    };
    for (of_all, of_group) in [("Terms", "GroupTerms"), ("Place", "GroupPlace")] {
        line(out, 0, "");
        line(out, 0, &format!("struct {of_all} {{ {} }}", of_each(&|g| format!("g{g}: {of_group}"))));
    }
    for (head, result, each) in [
        ("place(k: u32)", "Place", place),
        ("body(place: Place, r: u32)", "Terms", "body_of_group(place.g#, r)"),
        ("identity()", "Terms", "identity_of_group()"),
        ("combine(a: Terms, b: Terms)", "Terms", "combine_of_group(a.g#, b.g#)"),
    ] {
        line(out, 0, "");
        line(out, 0, &format!("fn {head} -> {result} {{"));
        line(out, 1, &format!("return {result}({});", of_each(&|g| each.replace('#', &g.to_string()))));
        line(out, 0, "}");
    }
    if spec.kernel == Kernel::ReduceRows {
        turned(out, spec);
    }
    line(out, 0, "");
    line(out, 0, "fn finish(k: u32, split: u32, terms: Terms) {");
    ends.iter().for_each(|end| line(out, 1, end));
    line(out, 0, "}");
}

/// The results of `width` rows as one vector.
fn turned(out: &mut String, spec: &Spec) {
    line(out, 0, "");
    line(out, 0, "// What each row's components come to, as the components of one vector.");
    line(out, 0, "fn turned(rows: Terms) -> GroupTerms {");
    for c in ["x", "y", "z", "w"] {
        let of = |j: usize| (0..spec.groups).map(|g| format!("rows.g{g}.t{j}.{c}")).collect::<Vec<_>>().join(", ");
        let all = terms(spec, |j, _, dtype| format!("{}({})", alias(dtype), of(j)));
        line(out, 1, &format!("let {c} = {all};"));
    }
    line(out, 1, "return combine_of_group(combine_of_group(x, y), combine_of_group(z, w));");
    line(out, 0, "}");
}

/// Where an output's elements begin, and what each step along them gives.
fn rows(out: &mut String, spec: &Spec) {
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
    let Names { terms, place, suffix } = Names::of(spec);
    let (fields, values): (Vec<String>, Vec<String>) = fields.into_iter().unzip();
    line(out, 0, &format!("struct {place} {{ {} }}", fields.join(", ")));

    line(out, 0, "");
    line(out, 0, "// Where the elements reduced into output k begin, and what stays the same among them.");
    line(out, 0, &format!("fn place{suffix}(k: u32) -> {place} {{"));
    coordinates(out, 1, "k", "c", 0, spec.kept_rank);
    line(out, 1, &format!("return {place}({});", values.join(", ")));
    line(out, 0, "}");

    line(out, 0, "");
    line(out, 0, &format!("fn body{suffix}(place: {place}, r: u32) -> {terms} {{"));
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
        Kernel::ReduceInner | Kernel::ReduceRows => spec.kept_rank + spec.reduced_rank,
        _ => spec.kept_rank,
    };
    code(out, spec, &spec.body, BODY, inner_dim);
    let results: Vec<String> = spec.body.results.iter().map(|r| format!("v{r}")).collect();
    line(out, 1, &format!("return {terms}({});", results.join(", ")));
    line(out, 0, "}");
}

/// `Terms(…)` of one value for each reduction.
fn terms(spec: &Spec, f: impl Fn(usize, Fold, DType) -> String) -> String {
    let name = Names::of(spec).terms;
    let parts: Vec<String> = spec.folds.iter().enumerate().map(|(j, &(fold, dtype))| f(j, fold, dtype)).collect();
    format!("{name}({})", parts.join(", "))
}

/// The same, returned.
fn return_terms(spec: &Spec, f: impl Fn(usize, Fold, DType) -> String) -> String {
    format!("return {};", terms(spec, f))
}

/// What a reduction starts from, and how two results become one.
fn combination(out: &mut String, spec: &Spec) {
    let Names { terms: of, suffix, .. } = Names::of(spec);
    line(out, 0, "");
    line(out, 0, &format!("fn identity{suffix}() -> {of} {{"));
    line(out, 1, &return_terms(spec, |_, fold, dtype| identity(fold, dtype)));
    line(out, 0, "}");
    line(out, 0, "");
    line(out, 0, &format!("fn combine{suffix}(a: {of}, b: {of}) -> {of} {{"));
    line(out, 1, &return_terms(spec, |j, fold, dtype| combine(fold, dtype, &format!("a.t{j}"), &format!("b.t{j}"))));
    line(out, 0, "}");
}

/// The values of another lane.
fn shuffle(out: &mut String, spec: &Spec) {
    line(out, 0, "");
    line(out, 0, "fn shuffle(terms: Terms, mask: u32) -> Terms {");
    line(out, 1, &return_terms(spec, |j, _, _| format!("subgroupShuffleXor(terms.t{j}, mask)")));
    line(out, 0, "}");
}

/// The end of a row that is no whole step, and a vector's components as one.
fn ends(out: &mut String, spec: &Spec) {
    line(out, 0, "");
    line(out, 0, "// The elements from r on that lie below end.");
    line(out, 0, "fn masked(place: Place, r: u32, end: u32) -> Terms {");
    line(out, 1, "let terms = body(place, r);");
    line(out, 1, "let nothing = identity();");
    line(
        out,
        1,
        if spec.width == 1 { "let inside = r < end;" } else { "let inside = U(r) + vec4u(0u, 1u, 2u, 3u) < U(end);" },
    );
    line(out, 1, &return_terms(spec, |j, _, _| format!("select(nothing.t{j}, terms.t{j}, inside)")));
    line(out, 0, "}");
    line(out, 0, "");
    line(out, 0, "// What a vector's components come to, in each of them.");
    line(out, 0, "fn across(terms: Terms) -> Terms {");
    if spec.width == 1 {
        line(out, 1, "return terms;");
    } else {
        let swizzle = |s: &'static str, from: &'static str| terms(spec, |j, _, _| format!("{from}.t{j}.{s}"));
        line(out, 1, &format!("let pairs = combine(terms, {});", swizzle("zwxy", "terms")));
        line(out, 1, &format!("return combine(pairs, {});", swizzle("yxwz", "pairs")));
    }
    line(out, 0, "}");
}

/// What is made of an output's results, and stored.
fn finish(out: &mut String, spec: &Spec) {
    let Names { terms, suffix, .. } = Names::of(spec);
    line(out, 0, "");
    line(out, 0, &format!("fn finish{suffix}(k: u32, split: u32, terms: {terms}) {{"));
    coordinates(out, 1, "k", "c", 0, spec.kept_rank);
    for i in operands_of(&spec.epilogue) {
        let stage = spec.first_stage(i);
        let position = if spec.split {
            format!("{} + split * params.n + k", stage_word(stage, 0))
        } else {
            dot(stage, 1, "c", spec.kept_rank, true)
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
        .filter_map(|l| if let Inst::Load(i) | Inst::Index(i) = l.inst { Some(i) } else { None })
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
