//! The functions the kernel of a matrix product calls: where a product of the batch begins, its elements, its store.

use super::place::{coordinates, dot, stage_word};
use super::{alias, line};
use crate::kernel::spec::{Contract, Spec, side};

pub(super) fn contract_functions(out: &mut String, spec: &Spec, contract: &Contract) {
    let batch = contract.batch_rank;
    let (rows, columns, terms) = (batch, batch + 1, batch + 2);
    let step = |operand: usize, dim: usize| stage_word(operand, 1 + dim);
    line(out, 0, "");
    line(out, 0, &format!("alias T = {};", alias(contract.dtype)));
    line(out, 0, &format!("const SIDE: u32 = {}u;", side(spec.workgroup)));
    line(out, 0, &format!("const ROWS: u32 = {rows}u;"));
    line(out, 0, &format!("const COLUMNS: u32 = {columns}u;"));
    for (name, terms_first) in ["A", "B"].into_iter().zip(contract.terms_first) {
        line(out, 0, &format!("const TERMS_FIRST_{name}: bool = {terms_first};"));
    }
    line(out, 0, "");
    line(out, 0, "// Where a product of the batch begins, in the factors and in the result.");
    line(out, 0, "struct Place { a: u32, b: u32, out: u32 }");
    line(out, 0, "");
    line(out, 0, "fn place(batch: u32) -> Place {");
    coordinates(out, 1, "batch", "c", 0, batch);
    let begin: Vec<String> = (0..3).map(|operand| dot(operand, 1, "c", batch, true)).collect();
    line(out, 1, &format!("return Place({});", begin.join(", ")));
    line(out, 0, "}");
    let element = |operand: usize| format!("b{}[p]", spec.operands[operand].binding);
    for (name, operand, arguments, [first, second]) in [
        ("a", 0, "row: u32, k: u32", [("row", rows), ("k", terms)]),
        ("b", 1, "k: u32, column: u32", [("k", terms), ("column", columns)]),
    ] {
        line(out, 0, "");
        line(out, 0, &format!("fn at_{name}(place: Place, {arguments}) -> T {{"));
        let (x, y) = (step(operand, first.1), step(operand, second.1));
        line(out, 1, &format!("let p = place.{name} + {} * {x} + {} * {y};", first.0, second.0));
        line(out, 1, &format!("return {};", element(operand)));
        line(out, 0, "}");
    }
    line(out, 0, "");
    line(out, 0, "fn store(place: Place, split: u32, row: u32, column: u32, value: T) {");
    let (x, y) = (step(2, rows), step(2, columns));
    line(out, 1, &format!("let p = place.out + split * uniforms.n + row * {x} + column * {y};"));
    line(out, 1, &format!("{} = value;", element(2)));
    line(out, 0, "}");
}
