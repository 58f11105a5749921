//! What a driver takes to compile each value of a graph, told from its text in a shader: the operations and calls in it, and
//! those in the functions it calls, which drivers put in place of each call.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::operation::{binary, convert, round, select, suffix, unary};
use super::{LIBRARY, body_of, functions};
use crate::DType;
use crate::expr::graph::{Graph, Id, Step, Value};
use crate::kernel::plan::Caps;

/// The cost of a value that is read from memory.
pub(in crate::kernel) const LOAD: usize = 8;
/// Of one that is read where an index says: four elements one by one.
const TAKE: usize = 32;
/// Of a branch or a loop, beside what is in it.
const BRANCH: usize = 8;

/// The costs of the library's functions, by name: for adapters whose i64 is two words, and for others.
static FUNCTIONS: LazyLock<[FxHashMap<&'static str, usize>; 2]> = LazyLock::new(|| [false, true].map(functions_for));

fn functions_for(native_i64: bool) -> FxHashMap<&'static str, usize> {
    let files = LIBRARY.iter().filter(|file| file.native_i64.is_none_or(|native| native == native_i64));
    let bodies: FxHashMap<&str, &str> =
        files.flat_map(|file| functions(file.text).map(|name| (name, body_of(file.text, name)))).collect();
    let mut costs = FxHashMap::default();
    for (name, body) in &bodies {
        cost_of_function(name, body, &bodies, &mut costs);
    }
    costs
}

/// The cost of a function, which joins those known. No function of WGSL calls itself.
fn cost_of_function(
    name: &'static str,
    body: &'static str,
    bodies: &FxHashMap<&'static str, &'static str>,
    known: &mut FxHashMap<&'static str, usize>,
) -> usize {
    if let Some(&cost) = known.get(name) {
        return cost;
    }
    let cost = cost_of_text(body, |called| {
        let (&called, body) = bodies.get_key_value(called)?;
        Some(cost_of_function(called, body, bodies, known))
    });
    known.insert(name, cost);
    cost
}

/// Operations and calls in a text. `function` is the cost of a function of the library; any other is one operation.
fn cost_of_text(text: &str, mut function: impl FnMut(&str) -> Option<usize>) -> usize {
    let mut cost = 0;
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        let is_operator =
            |word: &&str| word.bytes().all(|b| b"+-*/%&|^<>=!".contains(&b)) && !matches!(*word, "=" | "->");
        cost += line.split_whitespace().filter(is_operator).count();
        let is_branch = |word: &&str| matches!(*word, "if" | "for" | "while" | "loop" | "switch");
        cost += BRANCH * line.split_whitespace().filter(is_branch).count();
        for (at, _) in line.match_indices('(') {
            let before = line[..at].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_');
            let name = &line[before.len()..at];
            // What is no call stands in parentheses; a number in them is a constant.
            let is_constant = || line[at + 1..].starts_with(|c: char| c.is_ascii_digit() || c == '-');
            let is_call = !name.is_empty() || before.ends_with('>');
            cost += function(name).unwrap_or_else(|| usize::from(is_call && !is_constant()));
        }
    }
    cost
}

/// For each value of a graph, what a driver takes to compile it.
pub(in crate::kernel) fn costs(graph: &Graph, caps: &Caps) -> Vec<usize> {
    let functions = &FUNCTIONS[usize::from(caps.i64)];
    let of_text = |text: &str| cost_of_text(text, |name| functions.get(name).copied());
    let cost = |value: &Value| {
        let kept = value.dtype.is_float() && !caps.fast_math && value.step.is_elementwise();
        let kept = if kept { of_text(&format!("keep_{}(x)", suffix(value.dtype))) } else { 0 };
        kept + match &value.step {
            Step::Load { .. } | Step::Read { .. } | Step::Index { .. } => LOAD,
            Step::Take(_) => TAKE,
            step => 1 + text(step, value.dtype, |id| graph.values[id].dtype).map_or(LOAD, |text| of_text(&text)),
        }
    };
    graph.values.iter().map(cost).collect()
}

/// The text of a value, of arguments that are names; `None` for what is no elementwise code.
fn text(step: &Step, dtype: DType, from: impl Fn(Id) -> DType) -> Option<String> {
    let x = "x";
    Some(match *step {
        Step::Unary(op, a) => unary(op, from(a), x),
        Step::Binary(op, a, _) => binary(op, from(a), x, x),
        Step::Select(..) => select(dtype, x, x, x),
        Step::Convert(a) => convert(from(a), dtype, x),
        Step::Round(to, a) => round(to, from(a), x),
        Step::Random(..) => "philox(x)".to_owned(),
        Step::Order(_) => "order_f(x)".to_owned(),
        Step::Words(_) => "l_of(x, x)".to_owned(),
        Step::Bounded(_, index) if from(index) == DType::I64 => "bounded(nearest_i(x))".to_owned(),
        Step::Bounded(..) => "bounded(x)".to_owned(),
        Step::Scalar { .. } if dtype == DType::F64 => "f64_from_bits(x)".to_owned(),
        Step::Scalar { .. } => "bitcast<F>(x)".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BinaryOp, UnaryOp};

    #[test]
    fn a_text_costs_its_operations_and_what_it_calls() {
        let known = |name: &str| (name == "f").then_some(10);
        for (text, cost) in [
            ("let x = (a + b) * -c; // d * e", 2),
            ("return max(f(a), F(1.5)) >> U(23u);", 12),
            ("bitcast<F>(a)", 1),
            ("if a < b {", 1 + BRANCH),
        ] {
            assert_eq!(cost_of_text(text, known), cost, "{text}");
        }
        for functions in &*FUNCTIONS {
            assert!(functions["sin_f"] > functions["sin_turned"] + functions["turned_f"]);
            assert!(functions["lgamma_f"] > 4 * functions["sin_f"]);
        }
    }

    #[test]
    fn the_function_of_every_operation_is_known() {
        for dtype in [DType::I32, DType::I64, DType::F32, DType::F64] {
            let unary = UnaryOp::ALL.into_iter().map(|op| (op.name(), unary(op, dtype, "x")));
            let binary = BinaryOp::ALL.into_iter().map(|op| (op.name(), binary(op, dtype, "x", "x")));
            for (name, text) in unary.chain(binary) {
                let call = format!("{name}_{}", suffix(dtype));
                // Not all are computed on integers.
                if dtype.is_float() && text.starts_with(&format!("{call}(")) {
                    assert!(FUNCTIONS.iter().all(|functions| functions[&*call] > 0), "{text}");
                }
            }
        }
    }
}
