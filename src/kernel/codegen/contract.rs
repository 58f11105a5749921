//! The functions the kernel of a matrix product calls: where a product of the batch begins, its elements, its store.

use super::place::{coordinates, dot, stage_word};
use super::{alias, line};
use crate::kernel::spec::{Contract, Mode, Spec, Tiles, depth, side};

/// A factor, as it is read.
struct Factor<'a> {
    spec: &'a Spec,
    name: char,
    operand: usize,
    /// What its other dim is called, and its number.
    across: (&'static str, usize),
    terms: usize,
    /// Whether its vectors lie along the terms.
    terms_first: bool,
}

pub(super) fn contract_functions(out: &mut String, spec: &Spec, contract: &Contract) {
    let batch = contract.batch_rank;
    let (rows, columns, terms) = (batch, batch + 1, batch + 2);
    let [a, b] = contract.terms_first;
    let factors = [
        Factor { spec, name: 'a', operand: 0, across: ("row", rows), terms, terms_first: a },
        Factor { spec, name: 'b', operand: 1, across: ("column", columns), terms, terms_first: b },
    ];
    line(out, 0, "");
    line(out, 0, &format!("alias T = {};", alias(contract.dtype)));
    line(out, 0, &format!("const ROWS: u32 = {rows}u;"));
    line(out, 0, &format!("const COLUMNS: u32 = {columns}u;"));
    match contract.tiles {
        Tiles::Shared { parts } => {
            line(out, 0, &format!("const SIDE: u32 = {}u;", side(spec.workgroup, parts)));
            line(out, 0, &format!("const PARTS: u32 = {parts}u;"));
            line(out, 0, &format!("const DEPTH: u32 = {}u;", depth(contract.dtype, parts)));
            for factor in &factors {
                let name = factor.name.to_ascii_uppercase();
                line(out, 0, &format!("const TERMS_FIRST_{name}: bool = {};", factor.terms_first));
            }
        }
        Tiles::Registers { broadcast } => {
            line(out, 0, &format!("const BROADCAST: bool = {broadcast};"));
            line(out, 0, &format!("const ACROSS: u32 = {}u;", terms + 1));
            line(out, 0, "alias V = vec4<T>;");
            line(out, 0, "// Four terms of eight rows or columns: vectors 2t and 2t + 1 are those of term t.");
            line(out, 0, "alias Block = array<V, 8>;");
        }
    }
    place_function(out, contract);
    for factor in &factors {
        match contract.tiles {
            Tiles::Shared { .. } => factor.four(out),
            Tiles::Registers { broadcast } => {
                factor.at(out);
                factor.term(out);
                factor.block(out, broadcast && factor.name == 'a');
            }
        }
    }
    store(out, spec, contract);
}

/// Whether an operand lies in vectors of four.
fn is_wide(spec: &Spec, operand: usize) -> bool {
    spec.operands[operand].mode == Mode::Vec && spec.bindings[spec.operands[operand].binding].wide
}

/// The type and the function that say where a product of the batch begins; of tiles in workgroup memory also how far apart
/// neighbouring rows, columns and terms of the factors are, which a driver may else fetch at every step.
fn place_function(out: &mut String, contract: &Contract) {
    let batch = contract.batch_rank;
    let mut fields: Vec<(&str, String)> =
        ["a", "b", "out"].into_iter().zip((0..3).map(|i| dot(i, 1, "c", batch, true))).collect();
    if matches!(contract.tiles, Tiles::Shared { .. }) {
        let step = |operand: usize, dim: usize| stage_word(operand, 1 + batch + dim);
        let steps = [("a_row", step(0, 0)), ("a_term", step(0, 2)), ("b_column", step(1, 1)), ("b_term", step(1, 2))];
        fields.extend(steps);
    }
    let (names, values): (Vec<String>, Vec<String>) =
        fields.into_iter().map(|(name, value)| (format!("{name}: u32"), value)).unzip();
    line(out, 0, "");
    line(out, 0, "// Where a product of the batch begins, in the factors and in the result.");
    line(out, 0, &format!("struct Place {{ {} }}", names.join(", ")));
    line(out, 0, "");
    line(out, 0, "fn place(batch: u32) -> Place {");
    coordinates(out, 1, "batch", "c", 0, batch);
    line(out, 1, &format!("return Place({});", values.join(", ")));
    line(out, 0, "}");
}

impl Factor<'_> {
    /// The function that fetches an element.
    fn at(&self, out: &mut String) {
        let Self { name, across: (across, _), .. } = self;
        let binding = self.spec.operands[self.operand].binding;
        let element = if self.is_wide() { format!("{}[p & 3u]", self.vector("p")) } else { format!("b{binding}[p]") };
        line(out, 0, "");
        line(out, 0, &format!("fn at_{name}(place: Place, {across}: u32, k: u32) -> T {{"));
        line(out, 1, &format!("let p = {};", self.position(across, "k")));
        line(out, 1, &format!("return {element};"));
        line(out, 0, "}");
    }

    /// The function that fetches a term of four rows or columns, of which `left` are left: beyond, the last is fetched again.
    fn four(&self, out: &mut String) {
        let Self { name, across: (across, _), .. } = self;
        let binding = self.spec.operands[self.operand].binding;
        let step = format!("place.{name}_{across}");
        line(out, 0, "");
        line(out, 0, &format!("fn four_{name}(place: Place, {across}: u32, left: u32, k: u32) -> vec4<T> {{"));
        line(out, 1, &format!("let p0 = place.{name} + {across} * {step} + k * place.{name}_term;"));
        for i in 1..4 {
            line(out, 1, &format!("let p{i} = p{} + select(0u, {step}, left > {i}u);", i - 1));
        }
        let each: Vec<String> = (0..4).map(|i| format!("b{binding}[p{i}]")).collect();
        line(out, 1, &format!("return vec4<T>({});", each.join(", ")));
        line(out, 0, "}");
    }

    /// The function that fetches a term of eight rows or columns, of which `last` is the last there is.
    fn term(&self, out: &mut String) {
        let Self { name, across: (across, _), .. } = self;
        line(out, 0, "");
        line(out, 0, &format!("fn term_{name}(place: Place, {across}: u32, last: u32, k: u32) -> array<V, 2> {{"));
        let at = |i: usize| format!("at_{name}(place, min({across} + {i}u, last), k)");
        let vector = |first: usize| format!("V({})", (first..first + 4).map(at).collect::<Vec<_>>().join(", "));
        line(out, 1, &format!("return array<V, 2>({}, {});", vector(0), vector(4)));
        line(out, 0, "}");
    }

    /// The function that fetches four terms of them, each invocation all or, to broadcast it, one row.
    fn block(&self, out: &mut String, broadcast: bool) {
        let Self { name, across: (across, _), .. } = self;
        line(out, 0, "");
        let lane = if *name == 'a' { ", lane: u32" } else { "" };
        line(out, 0, &format!("fn block_{name}(place: Place, {across}: u32, last: u32, k: u32{lane}) -> Block {{"));
        let vectors: Vec<String> = match (self.is_wide(), self.terms_first) {
            (wide, along_terms) if broadcast => {
                line(out, 1, &format!("let mine = min({across} + lane, last);"));
                let at = |t: usize| format!("at_{name}(place, mine, k + {t}u)");
                let row = if wide && along_terms {
                    self.vector(&self.position("mine", "k"))
                } else {
                    format!("V({})", (0..4).map(at).collect::<Vec<_>>().join(", "))
                };
                line(out, 1, &format!("let v = {row};"));
                turned(|i, t| format!("subgroupBroadcast(v[{t}], {i}u)"))
            }
            (false, _) => {
                (0..4).for_each(|t| line(out, 1, &format!("let t{t} = term_{name}(place, {across}, last, k + {t}u);")));
                (0..8).map(|i| format!("t{}[{}]", i / 2, i % 2)).collect()
            }
            (true, true) => {
                for i in 0..8 {
                    let p = self.position(&format!("min({across} + {i}u, last)"), "k");
                    line(out, 1, &format!("let r{i} = {};", self.vector(&p)));
                }
                turned(|i, t| format!("r{i}[{t}]"))
            }
            (true, false) => {
                // No further than the last vector that holds any of them.
                line(out, 1, &format!("let first = min({across}, last & ~3u);"));
                line(out, 1, &format!("let next = min({across} + 4u, last & ~3u);"));
                let at = |i: usize| self.position(["first", "next"][i % 2], &format!("(k + {}u)", i / 2));
                (0..8).map(|i| self.vector(&at(i))).collect()
            }
        };
        line(out, 1, "return Block(");
        vectors.iter().for_each(|vector| line(out, 2, &format!("{vector},")));
        line(out, 1, ");");
        line(out, 0, "}");
    }

    fn is_wide(&self) -> bool {
        is_wide(self.spec, self.operand)
    }

    /// Where an element lies.
    fn position(&self, across: &str, k: &str) -> String {
        let step = |dim: usize| stage_word(self.operand, 1 + dim);
        format!("place.{} + {across} * {} + {k} * {}", self.name, step(self.across.1), step(self.terms))
    }

    /// The vector that an element lies in.
    fn vector(&self, position: &str) -> String {
        let binding = self.spec.operands[self.operand].binding;
        let vector = format!("b{binding}[({position}) >> 2u]");
        if self.spec.bindings[binding].pairs { format!("bitcast<V>(words_of({vector}))") } else { vector }
    }
}

/// The vectors of a block, where term `t` of row or column `i` is known.
fn turned(element: impl Fn(usize, usize) -> String) -> Vec<String> {
    let four = |t: usize, first: usize| (first..first + 4).map(|i| element(i, t)).collect::<Vec<_>>().join(", ");
    (0..8).map(|i| format!("V({})", four(i / 2, 4 * (i % 2)))).collect()
}

/// The function that stores an element of the result; of a tile in registers four of a row, but for those beyond its end.
fn store(out: &mut String, spec: &Spec, contract: &Contract) {
    let binding = spec.operands[2].binding;
    let step = |dim: usize| stage_word(2, 1 + contract.batch_rank + dim);
    let four = matches!(contract.tiles, Tiles::Registers { .. });
    let (name, of) = if four { ("store_four", "V") } else { ("store", "T") };
    line(out, 0, "");
    line(out, 0, &format!("fn {name}(place: Place, split: u32, row: u32, column: u32, value: {of}) {{"));
    line(out, 1, &format!("let p = place.out + split * uniforms.n + row * {} + column * {};", step(0), step(1)));
    let columns = "uniforms.dims[COLUMNS].size";
    if is_wide(spec, 2) {
        // A row has whole vectors.
        let value = if spec.bindings[binding].pairs { "pairs_of(bitcast<vec4u>(value))" } else { "value" };
        line(out, 1, &format!("if column < {columns} {{ b{binding}[p >> 2u] = {value}; }}"));
    } else if four {
        for i in 0..4 {
            let at = format!("b{binding}[p + {i}u * {}]", step(1));
            line(out, 1, &format!("if column + {i}u < {columns} {{ {at} = value[{i}]; }}"));
        }
    } else {
        line(out, 1, &format!("b{binding}[p] = value;"));
    }
    line(out, 0, "}");
}
