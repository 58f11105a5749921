//! Text that finds elements: coordinates, positions, and the functions for views that need one.

use super::line;
use crate::kernel::spec::Spec;

pub(super) fn dim(i: usize) -> String {
    format!("uniforms.dims[{i}]")
}

/// Word `word` of a stage of the operand table: 0 is the offset, `1 + d` the stride of dim `d`.
pub(super) fn stage_word(stage: usize, word: usize) -> String {
    format!("uniforms.stages[{stage}][{}].{}", word / 4, component(word))
}

/// The component of a `vec4u` that word `word` of an array of them is.
pub(super) fn component(word: usize) -> &'static str {
    ["x", "y", "z", "w"][word % 4]
}

/// Lines that take the row-major number `index` over dims `first..first + rank` apart into `{prefix}0`, `{prefix}1`, …
pub(super) fn coordinates(out: &mut String, depth: usize, index: &str, prefix: &str, first: usize, rank: usize) {
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
pub(super) fn dot(stage: usize, word: usize, prefix: &str, rank: usize, offset: bool) -> String {
    let mut terms: Vec<String> = if offset { vec![stage_word(stage, 0)] } else { vec![] };
    terms.extend((0..rank).map(|d| format!("{prefix}{d} * {}", stage_word(stage, word + d))));
    if terms.is_empty() { "0u".to_owned() } else { terms.join(" + ") }
}

/// A function from an element's number in the domain to its position in the buffer, for operands that need one.
pub(super) fn place_function(out: &mut String, spec: &Spec, operand: usize) {
    let o = &spec.operands[operand];
    let stage = spec.first_stage(operand);
    line(out, 0, "");
    line(out, 0, &format!("fn place_{operand}(i: u32) -> u32 {{"));
    let rank = spec.kernel.rank();
    coordinates(out, 1, "min(i, uniforms.n - 1u)", "c", 0, rank);
    line(out, 1, &format!("let p0 = {};", dot(stage, 1, "c", rank, true)));
    let mut first = spec.first_stage_dim(operand);
    for (s, &rank) in o.stages.iter().enumerate() {
        let prefix = format!("d{s}_");
        coordinates(out, 1, &format!("p{s}"), &prefix, first, rank);
        line(out, 1, &format!("let p{} = {};", s + 1, dot(stage + 1 + s, 1, &prefix, rank, true)));
        first += rank;
    }
    line(out, 1, &format!("return p{};", o.stages.len()));
    line(out, 0, "}");
}

/// A function from a position in memory to the number of the view's element there, or `NOWHERE`. The view's dims are
/// sorted by stride, largest first, so that dividing by one stride after the other gives the coordinates.
pub(super) fn find_function(out: &mut String, spec: &Spec, operand: usize) {
    let rank = spec.operands[operand].stages[0] - 1;
    let stage = spec.first_stage(operand) + 1;
    let first = spec.first_stage_dim(operand);
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
