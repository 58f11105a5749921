//! The functions the kernels of a sort call: elements and their places, and which of two comes first, or their digits.

use super::operation::{binary, unary};
use super::place::stage_word;
use super::{alias, line};
use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};
use crate::kernel::spec::{MERGED, Sort, SortPass, Spec, Tile};

pub(super) fn sort_functions(out: &mut String, spec: &Spec, sort: &Sort) {
    line(out, 0, "");
    line(out, 0, &format!("alias K = {};", alias(spec.operands[0].dtype)));
    line(out, 0, "");
    line(out, 0, "// Element i, in row-major order.");
    line(out, 0, "fn key(i: u32) -> K {");
    if is_pair(spec) {
        line(out, 1, &format!("let words = {};", of(spec, 0, "i")));
        line(out, 1, "return l_of(words.x, words.y);");
    } else {
        line(out, 1, &format!("return {};", of(spec, 0, "i")));
    }
    line(out, 0, "}");
    // After the elements, and the places where these are read.
    let next = 1 + usize::from(sort.placed);
    match sort.pass {
        SortPass::Blocks | SortPass::Merge => {
            line(out, 0, "");
            line(out, 0, &format!("const MERGED: u32 = {MERGED}u;"));
            before(out, sort);
            store(out, spec, sort, next);
        }
        SortPass::Count(tile) => {
            digit(out, sort, tile);
            line(out, 0, "");
            line(out, 0, "fn store_count(i: u32, count: u32) {");
            line(out, 1, &format!("{} = i32(count);", of(spec, next, "i")));
            line(out, 0, "}");
        }
        SortPass::Scatter(tile) => {
            digit(out, sort, tile);
            line(out, 0, "");
            line(out, 0, "// What is before count i, of all counts of a row.");
            line(out, 0, "fn offset(i: u32) -> u32 {");
            line(out, 1, &format!("return u32({});", of(spec, next, "i")));
            line(out, 0, "}");
            store(out, spec, sort, next + 1);
        }
    }
}

/// An element of an operand.
fn of(spec: &Spec, operand: usize, i: &str) -> String {
    format!("b{}[{} + {i}]", spec.operands[operand].binding, stage_word(spec.first_stage(operand), 0))
}

/// Whether elements are bound as pairs of words.
fn is_pair(spec: &Spec) -> bool {
    spec.operands[0].dtype == DType::I64 && !spec.native_i64
}

/// The function that compares.
fn before(out: &mut String, sort: &Sort) {
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
}

/// The function that takes a digit, and what it is part of.
fn digit(out: &mut String, sort: &Sort, tile: Tile) {
    line(out, 0, "");
    for (name, value) in [("ITEMS", tile.items), ("BITS", tile.bits), ("DIGITS", 1 << tile.bits)] {
        line(out, 0, &format!("const {name}: u32 = {value}u;"));
    }
    line(out, 0, "");
    line(out, 0, "// The digit of an element's order, which is an integer of the same order as all elements.");
    line(out, 0, "fn digit(key: K) -> u32 {");
    line(out, 1, "let first = uniforms.dims[1].size;");
    let of_long = |order: &str| format!("select(low_l({order}), high_l({order}), first >= 32u)");
    let word = match sort.dtype {
        DType::F32 => {
            line(out, 1, "let order = order_f(key);");
            // NaN, of which the order is the smallest, is last.
            "bitcast<u32>(select(order, 0x7fffffff, order == bitcast<i32>(0x80000000u)))".to_owned()
        }
        DType::F64 => {
            line(out, 1, "let order = order_f64(key);");
            of_long("order")
        }
        DType::I64 => of_long("key"),
        _ => "bitcast<u32>(key)".to_owned(),
    };
    line(out, 1, &format!("let word = {word};"));
    line(out, 1, "return ((word >> (first & 31u)) & (DIGITS - 1u)) ^ uniforms.dims[1].count;");
    line(out, 0, "}");
}

/// The function that writes elements and their places, to the operands from `first` on.
fn store(out: &mut String, spec: &Spec, sort: &Sort, first: usize) {
    line(out, 0, "");
    line(out, 0, "// Writes result i: element `element`, which is `key`.");
    line(out, 0, "fn store(i: u32, key: K, element: u32) {");
    if sort.values {
        let value = if is_pair(spec) { "vec2u(low_l(key), high_l(key))" } else { "key" };
        line(out, 1, &format!("{} = {value};", of(spec, first, "i")));
    }
    if sort.places {
        let place = if sort.placed {
            of(spec, 1, "element")
        } else {
            "i32(element % uniforms.n_reduced + uniforms.chunk)".to_owned()
        };
        line(out, 1, &format!("{} = {place};", of(spec, first + usize::from(sort.values), "i")));
    }
    line(out, 0, "}");
}
