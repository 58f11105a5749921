//! The functions a reduction's kernel calls: where rows begin, what is reduced, how results combine, what is stored.

use super::code::{Scope, below};
use super::load::scalar;
use super::operation::{binary, of_words, select, suffix as float_suffix};
use super::place::{coordinates, dot, stage_word};
use super::{alias, line};
use crate::DType;
use crate::expr::BinaryOp;
use crate::expr::graph::Fold;
use crate::kernel::spec::{Code, Inst, Line, Reduce, Spec, Strategy};

pub(super) fn reduce_functions(out: &mut String, spec: &Spec, reduce: &Reduce) {
    declaration(out, reduce);
    rows(out, spec, reduce);
    combination(out, reduce);
    if reduce.strategy == Strategy::Inner {
        ends(out, spec.width, reduce);
    }
    if reduce.subgroups {
        shuffle(out, reduce);
    }
    finish(out, spec, reduce);
    if reduce.groups > 1 {
        groups(out, reduce);
    }
}

/// The type of what is reduced.
pub(super) fn declaration(out: &mut String, reduce: &Reduce) {
    let member = |j: usize| format!("t{j}: {}", alias(reduce.folds[j].1));
    let members: Vec<String> = (0..reduce.folds.len()).map(member).collect();
    line(out, 0, "");
    line(out, 0, &format!("struct {} {{ {} }}", Names::of(reduce).terms, members.join(", ")));
}

/// The names of types and functions for one group of columns, of which an invocation may own several.
struct Names {
    terms: &'static str,
    place: &'static str,
    suffix: &'static str,
}

impl Names {
    fn of(reduce: &Reduce) -> Self {
        match reduce.groups {
            1 => Self { terms: "Terms", place: "Place", suffix: "" },
            _ => Self { terms: "GroupTerms", place: "GroupPlace", suffix: "_of_group" },
        }
    }
}

/// The types and functions for all groups of an invocation, which call those for one group. Groups lie side by side.
fn groups(out: &mut String, reduce: &Reduce) {
    let of_each = |f: &dyn Fn(u32) -> String| (0..reduce.groups).map(f).collect::<Vec<_>>().join(", ");
    let (place, ends) = if reduce.strategy == Strategy::Rows {
        // What is read past the last row is not stored.
        ("place_of_group(k + #u)", vec!["finish_of_group(k, split, turned(terms));".to_owned()])
    } else {
        let finish = |g| format!("finish_of_group(k + {g}u * WIDTH, split, terms.g{g});");
        ("place_of_group(k + #u * WIDTH)", (0..reduce.groups).map(finish).collect())
    };
    let walked = [
        ("left_out(a: Terms, b: Terms, sum: Terms)", "Terms", "left_out_of_group(a.g#, b.g#, sum.g#)"),
        ("corrected(sum: Terms, rest: Terms)", "Terms", "corrected_of_group(sum.g#, rest.g#)"),
    ];
    let walked = walked.into_iter().filter(|_| walks(reduce));
    for (of_all, of_group) in [("Terms", "GroupTerms"), ("Place", "GroupPlace")] {
        line(out, 0, "");
        line(out, 0, &format!("struct {of_all} {{ {} }}", of_each(&|g| format!("g{g}: {of_group}"))));
    }
    for (head, result, each) in [
        ("place(k: u32)", "Place", place),
        ("body(place: Place, r: u32)", "Terms", "body_of_group(place.g#, r)"),
        ("identity()", "Terms", "identity_of_group()"),
        ("combine(a: Terms, b: Terms)", "Terms", "combine_of_group(a.g#, b.g#)"),
    ]
    .into_iter()
    .chain(walked)
    {
        line(out, 0, "");
        line(out, 0, &format!("fn {head} -> {result} {{"));
        line(out, 1, &format!("return {result}({});", of_each(&|g| each.replace('#', &g.to_string()))));
        line(out, 0, "}");
    }
    if reduce.strategy == Strategy::Rows {
        turned(out, reduce);
    }
    line(out, 0, "");
    line(out, 0, "fn finish(k: u32, split: u32, terms: Terms) {");
    ends.iter().for_each(|end| line(out, 1, end));
    line(out, 0, "}");
}

/// The results of `width` rows as one vector.
fn turned(out: &mut String, reduce: &Reduce) {
    line(out, 0, "");
    line(out, 0, "// What each row's components come to, as the components of one vector.");
    line(out, 0, "fn turned(rows: Terms) -> GroupTerms {");
    for c in ["x", "y", "z", "w"] {
        let all = terms(reduce, |j, _, dtype| {
            let of = if dtype == DType::I64 { "U" } else { alias(dtype) };
            of_words(dtype, |word| {
                let row = |g: u32| format!("{}.{c}", word(&format!("rows.g{g}.t{j}")));
                format!("{of}({})", (0..reduce.groups).map(row).collect::<Vec<_>>().join(", "))
            })
        });
        line(out, 1, &format!("let {c} = {all};"));
    }
    line(out, 1, "return combine_of_group(combine_of_group(x, y), combine_of_group(z, w));");
    line(out, 0, "}");
}

/// Where an output's elements begin, and the values at each step along them.
pub(super) fn rows(out: &mut String, spec: &Spec, reduce: &Reduce) {
    let Names { terms, place, suffix } = Names::of(reduce);
    let (fields, values): (Vec<String>, Vec<String>) = place_fields(spec, reduce).into_iter().unzip();
    line(out, 0, &format!("struct {place} {{ {} }}", fields.join(", ")));

    line(out, 0, "");
    line(out, 0, "// Where the elements reduced into output k begin, and what stays the same among them.");
    line(out, 0, &format!("fn place{suffix}(k: u32) -> {place} {{"));
    coordinates(out, 1, "k", "c", 0, reduce.kept_rank);
    line(out, 1, &format!("return {place}({});", values.join(", ")));
    line(out, 0, "}");

    line(out, 0, "");
    line(out, 0, &format!("fn body{suffix}(place: {place}, r: u32) -> {terms} {{"));
    coordinates(out, 1, "r", "c", reduce.kept_rank, reduce.reduced_rank);
    for i in operands_of(&reduce.body) {
        let within = if reduce.reduced_rank == 1 {
            format!("c0 * place.s{i}")
        } else {
            dot(spec.first_stage(i), 1 + reduce.kept_rank, "c", reduce.reduced_rank, false)
        };
        line(out, 1, &format!("let p{i} = place.p{i} + {within};"));
    }
    Scope::of_reduced(spec, reduce).code(out, &reduce.body);
    let results: Vec<String> = reduce.body.results.iter().map(|r| format!("v{r}")).collect();
    line(out, 1, &format!("return {terms}({});", results.join(", ")));
    line(out, 0, "}");
}

/// The fields of a place, and their values: for each operand, its position, and its stride if there is one reduced dim;
/// and all scalars. A driver may fetch the uniforms again at every step, so what stays the same is fetched once.
fn place_fields(spec: &Spec, reduce: &Reduce) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    for i in operands_of(&reduce.body) {
        let stage = spec.first_stage(i);
        fields.push((format!("p{i}: u32"), dot(stage, 1, "c", reduce.kept_rank, true)));
        if reduce.reduced_rank == 1 {
            fields.push((format!("s{i}: u32"), stage_word(stage, 1 + reduce.kept_rank)));
        }
    }
    for (i, Line { inst, dtype }) in reduce.body.lines.iter().enumerate() {
        if let Inst::Scalar(word) = *inst {
            fields.push((format!("n{i}: {}", alias(*dtype)), scalar(word, *dtype)));
        }
    }
    if spec.has_marks() {
        fields.push(("k: u32".to_owned(), "k".to_owned()));
    }
    if fields.is_empty() {
        fields.push(("unused: u32".to_owned(), "0u".to_owned()));
    }
    fields
}

/// `Terms(…)` of one value for each reduction.
fn terms(reduce: &Reduce, f: impl Fn(usize, Fold, DType) -> String) -> String {
    let name = Names::of(reduce).terms;
    let parts: Vec<String> = reduce.folds.iter().enumerate().map(|(j, &(fold, dtype))| f(j, fold, dtype)).collect();
    format!("{name}({})", parts.join(", "))
}

/// The same, returned.
pub(super) fn return_terms(reduce: &Reduce, f: impl Fn(usize, Fold, DType) -> String) -> String {
    format!("return {};", terms(reduce, f))
}

/// What a reduction starts from, and how two results become one.
pub(super) fn combination(out: &mut String, reduce: &Reduce) {
    let Names { terms: of, suffix, .. } = Names::of(reduce);
    line(out, 0, "");
    line(out, 0, &format!("fn identity{suffix}() -> {of} {{"));
    line(out, 1, &return_terms(reduce, |_, fold, dtype| identity(fold, dtype)));
    line(out, 0, "}");
    line(out, 0, "");
    line(out, 0, &format!("fn combine{suffix}(a: {of}, b: {of}) -> {of} {{"));
    line(out, 1, &return_terms(reduce, |j, fold, dtype| combine(fold, dtype, &format!("a.t{j}"), &format!("b.t{j}"))));
    line(out, 0, "}");
    if walks(reduce) {
        rounding(out, reduce);
    }
}

/// Whether it walks by `lib/tree.wgsl`, which puts back what rounding leaves out: rows that are owned whole are too short.
fn walks(reduce: &Reduce) -> bool {
    reduce.strategy != Strategy::Rows
}

/// Whether rounding leaves anything out where it is reduced.
fn rounds(fold: Fold, dtype: DType) -> bool {
    fold == Fold::Sum && dtype.is_float()
}

/// What rounding leaves out of results that become one, and results with that put back.
fn rounding(out: &mut String, reduce: &Reduce) {
    line(out, 0, &format!("const ROUNDS: bool = {};", reduce.folds.iter().any(|&(fold, dtype)| rounds(fold, dtype))));
    let Names { terms: of, suffix, .. } = Names::of(reduce);
    let left_out = |j, fold, dtype| {
        let suffix = float_suffix(dtype);
        if rounds(fold, dtype) { format!("left_out_{suffix}(a.t{j}, b.t{j}, sum.t{j})") } else { identity(fold, dtype) }
    };
    line(out, 0, "");
    line(out, 0, &format!("fn left_out{suffix}(a: {of}, b: {of}, sum: {of}) -> {of} {{"));
    line(out, 1, &return_terms(reduce, left_out));
    line(out, 0, "}");
    let corrected = |j, fold, dtype| {
        let suffix = float_suffix(dtype);
        if rounds(fold, dtype) { format!("corrected_{suffix}(sum.t{j}, rest.t{j})") } else { format!("sum.t{j}") }
    };
    line(out, 0, "");
    line(out, 0, &format!("fn corrected{suffix}(sum: {of}, rest: {of}) -> {of} {{"));
    line(out, 1, &return_terms(reduce, corrected));
    line(out, 0, "}");
}

/// The function that fetches the values of another lane.
fn shuffle(out: &mut String, reduce: &Reduce) {
    line(out, 0, "");
    line(out, 0, "fn shuffle(terms: Terms, mask: u32) -> Terms {");
    line(out, 1, &return_terms(reduce, |j, _, _| format!("subgroupShuffleXor(terms.t{j}, mask)")));
    line(out, 0, "}");
}

/// The functions for the end of a row that is no whole step, and for combining the components of a vector.
pub(super) fn ends(out: &mut String, width: u32, reduce: &Reduce) {
    line(out, 0, "");
    line(out, 0, "// The elements from r on that lie below end.");
    line(out, 0, "fn masked(place: Place, r: u32, end: u32) -> Terms {");
    line(out, 1, "let terms = body(place, r);");
    line(out, 1, "let nothing = identity();");
    line(out, 1, &format!("let inside = {};", below(width, "r", "end")));
    let chosen = |j, _, dtype| select(dtype, "inside", &format!("terms.t{j}"), &format!("nothing.t{j}"));
    line(out, 1, &return_terms(reduce, chosen));
    line(out, 0, "}");
    line(out, 0, "");
    line(out, 0, "// What a vector's components come to, in each of them.");
    line(out, 0, "fn across(terms: Terms) -> Terms {");
    if width == 1 {
        line(out, 1, "return terms;");
    } else {
        let swizzle = |s: &'static str, from: &'static str| {
            terms(reduce, |j, _, dtype| of_words(dtype, |word| format!("{}.{s}", word(&format!("{from}.t{j}")))))
        };
        line(out, 1, &format!("let pairs = combine(terms, {});", swizzle("zwxy", "terms")));
        line(out, 1, &format!("return combine(pairs, {});", swizzle("yxwz", "pairs")));
    }
    line(out, 0, "}");
}

/// The function that computes and stores outputs from what was reduced.
fn finish(out: &mut String, spec: &Spec, reduce: &Reduce) {
    let Names { terms, suffix, .. } = Names::of(reduce);
    line(out, 0, "");
    line(out, 0, &format!("fn finish{suffix}(k: u32, split: u32, terms: {terms}) {{"));
    coordinates(out, 1, "k", "c", 0, reduce.kept_rank);
    for i in operands_of(&reduce.epilogue) {
        let stage = spec.first_stage(i);
        let position = if reduce.split {
            format!("{} + split * uniforms.n + k", stage_word(stage, 0))
        } else {
            dot(stage, 1, "c", reduce.kept_rank, true)
        };
        line(out, 1, &format!("let p{i} = {position};"));
    }
    Scope::of_epilogue(spec, reduce).code(out, &reduce.epilogue);
    line(out, 0, "}");
}

/// The operands that code loads or stores, in order.
pub(super) fn operands_of(code: &Code) -> Vec<usize> {
    let mut found: Vec<usize> = code
        .lines
        .iter()
        .filter_map(|l| {
            if let Inst::Load(i) | Inst::Take(i, _) | Inst::Within(i, _) | Inst::Index(i) = l.inst {
                Some(i)
            } else {
                None
            }
        })
        .chain(code.stores.iter().map(|s| s.0))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn identity(fold: Fold, dtype: DType) -> String {
    if dtype == DType::I64 {
        let (low, high) = match fold {
            Fold::Sum | Fold::Last => (0, 0),
            Fold::Prod => (1, 0),
            Fold::Amax => (0, 1 << 31),
            Fold::Amin => (u32::MAX, u32::MAX >> 1),
            Fold::Logaddexp => unreachable!("it is of floats alone"),
        };
        return format!("l_of(U({low}u), U({high}u))");
    }
    let of = alias(dtype);
    let (smallest, largest) = match dtype {
        DType::I32 => ("bitcast<i32>(0x80000000u)", "2147483647"),
        DType::F32 => ("bitcast<f32>(uniforms.minus_infinity)", "-bitcast<f32>(uniforms.minus_infinity)"),
        DType::F64 => ("f64(bitcast<f32>(uniforms.minus_infinity))", "-f64(bitcast<f32>(uniforms.minus_infinity))"),
        _ => unreachable!("reductions are done in i32, i64, f32 or f64"),
    };
    match fold {
        Fold::Sum | Fold::Last => format!("{of}(0)"),
        Fold::Prod => format!("{of}(1)"),
        Fold::Amax | Fold::Logaddexp => format!("{of}({smallest})"),
        Fold::Amin => format!("{of}({largest})"),
    }
}

fn combine(fold: Fold, dtype: DType, a: &str, b: &str) -> String {
    match fold {
        Fold::Sum => binary(BinaryOp::Add, dtype, a, b),
        Fold::Prod => binary(BinaryOp::Mul, dtype, a, b),
        Fold::Amax => binary(BinaryOp::Maximum, dtype, a, b),
        Fold::Amin => binary(BinaryOp::Minimum, dtype, a, b),
        Fold::Logaddexp => format!("logaddexp_{}({a}, {b})", float_suffix(dtype)),
        Fold::Last => b.to_owned(),
    }
}
