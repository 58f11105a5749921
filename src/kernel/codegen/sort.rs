//! The functions the kernels of a sort call: elements and their places, and which of two comes first.

use super::operation::{binary, unary};
use super::place::stage_word;
use super::{alias, line};
use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};
use crate::kernel::spec::{MERGED, Sort, Spec};

pub(super) fn sort_functions(out: &mut String, spec: &Spec, sort: &Sort) {
    let of = |operand: usize| {
        let place = format!("{} + i", stage_word(spec.first_stage(operand), 0));
        format!("b{}[{place}]", spec.operands[operand].binding)
    };
    let is_pair = sort.dtype == DType::I64 && !spec.native_i64;
    line(out, 0, "");
    line(out, 0, &format!("alias K = {};", alias(sort.dtype)));
    line(out, 0, &format!("const MERGED: u32 = {MERGED}u;"));
    line(out, 0, "");
    line(out, 0, "// Element i, in row-major order.");
    line(out, 0, "fn key(i: u32) -> K {");
    if is_pair {
        line(out, 1, &format!("let words = {};", of(0)));
        line(out, 1, "return l_of(words.x, words.y);");
    } else {
        line(out, 1, &format!("return {};", of(0)));
    }
    line(out, 0, "}");
    let (a, b) = if sort.descending { ("b", "a") } else { ("a", "b") };
    let less = match sort.dtype {
        // NaN has the smallest i32 as its order, which turned round is itself. A float turned round would be 0 where a
        // driver flushes subnormals.
        DType::F32 => format!("-order_f({b}) < -order_f({a})"),
        dtype => binary(BinaryOp::Lt, dtype, a, b),
    };
    line(out, 0, "");
    line(out, 0, "// Whether a comes before b, to which it is not equal.");
    line(out, 0, "fn before(a: K, b: K) -> bool {");
    if sort.dtype == DType::F64 {
        let [a, b] = [a, b].map(|x| unary(UnaryOp::IsNan, DType::F64, x));
        line(out, 1, &format!("return {less} || ({b} && !({a}));"));
    } else {
        line(out, 1, &format!("return {less};"));
    }
    line(out, 0, "}");
    let first_written = 1 + usize::from(sort.placed);
    line(out, 0, "");
    line(out, 0, "// Writes result i: element `element`, which is `key`.");
    line(out, 0, "fn store(i: u32, key: K, element: u32) {");
    if sort.values {
        let value = if is_pair { "vec2u(low_l(key), high_l(key))" } else { "key" };
        line(out, 1, &format!("{} = {value};", of(first_written)));
    }
    if sort.places {
        let from = format!("b{}[{} + element]", spec.operands[1].binding, stage_word(spec.first_stage(1), 0));
        let place = if sort.placed { from } else { "i32(element % uniforms.n_reduced)".to_owned() };
        line(out, 1, &format!("{} = {place};", of(first_written + usize::from(sort.values))));
    }
    line(out, 0, "}");
}
