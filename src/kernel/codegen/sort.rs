//! The functions the kernels of a sort call: elements and their places, and which of two comes first.

use super::operation::{binary, unary};
use super::place::stage_word;
use super::{alias, line};
use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};
use crate::kernel::spec::{MERGED, Sort, SortPass, Spec};

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
    let merges = sort.pass == SortPass::Merge;
    if merges {
        line(out, 0, "");
        line(out, 0, "// The place in its row that element i had at first.");
        line(out, 0, "fn place(i: u32) -> u32 {");
        line(out, 1, &format!("return u32({});", of(1)));
        line(out, 0, "}");
    }
    let (a, b) = if sort.descending { ("b", "a") } else { ("a", "b") };
    let less = binary(BinaryOp::Lt, sort.dtype, a, b);
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
    let first_written = 1 + usize::from(merges);
    line(out, 0, "");
    line(out, 0, "fn store(i: u32, key: K, place: u32) {");
    if !sort.last {
        let value = if is_pair { "vec2u(low_l(key), high_l(key))" } else { "key" };
        line(out, 1, &format!("{} = {value};", of(first_written)));
    }
    line(out, 1, &format!("{} = i32(place);", of(first_written + usize::from(!sort.last))));
    line(out, 0, "}");
}
