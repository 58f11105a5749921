//! The functions a scan's kernel calls, beside those of the reduction that its walk is: what a part of a row begins with,
//! how the elements of a group are scanned, and what is stored at each.

use super::alias;
use super::code::Scope;
use super::line;
use super::operation::of_words;
use super::place::{coordinates, dot, stage_word};
use super::reduce::{combination, declaration, ends, operands_of, return_terms, rows};
use crate::DType;
use crate::kernel::spec::{Scan, Spec, Strategy};

pub(super) fn scan_functions(out: &mut String, spec: &Spec, scan: &Scan) {
    let walk = &scan.walk;
    line(out, 0, &format!("const EXCLUSIVE: bool = {};", scan.exclusive));
    declaration(out, walk);
    rows(out, spec, walk);
    combination(out, walk);
    if walk.strategy == Strategy::Inner {
        ends(out, spec.width, walk);
        in_group(out, spec.width, scan);
    }
    carry(out, spec, scan);
    targets(out, spec, scan);
}

/// The functions for the elements of a group, which lie along the row.
fn in_group(out: &mut String, width: u32, scan: &Scan) {
    // One component of each member after the other, `nothing` where there is none.
    let moved = |of: [&str; 4]| {
        return_terms(&scan.walk, |j, _, dtype| {
            let scalar = if dtype == DType::I64 { "U" } else { alias(dtype) };
            of_words(dtype, |word| {
                let component = |c: &&str| match *c {
                    "" => format!("{}.x", word(&format!("nothing.t{j}"))),
                    c => format!("{}.{c}", word(&format!("terms.t{j}"))),
                };
                format!("{scalar}({})", of.iter().map(component).collect::<Vec<_>>().join(", "))
            })
        })
    };
    let mut function = |head: &str, about: &str, nothing: bool, returned: &str| {
        line(out, 0, "");
        line(out, 0, &format!("// {about}"));
        line(out, 0, &format!("fn {head}(terms: Terms) -> Terms {{"));
        if nothing {
            line(out, 1, "let nothing = identity();");
        }
        line(out, 1, returned);
        line(out, 0, "}");
    };
    let one = width == 1;
    let pick = |of: [&str; 4], of_one: &str| if one { format!("return {of_one};") } else { moved(of) };
    function("shifted", "What the elements before each come to.", !one, &pick(["", "x", "y", "z"], "identity()"));
    function("last", "The last element, for all.", false, &pick(["w"; 4], "terms"));
    if !one {
        function("shifted_twice", "The same but one.", true, &moved(["", "", "x", "y"]));
    }
    line(out, 0, "");
    line(out, 0, "// What the elements up to each come to.");
    line(out, 0, "fn so_far(terms: Terms) -> Terms {");
    if one {
        line(out, 1, "return terms;");
    } else {
        line(out, 1, "let pairs = combine(shifted(terms), terms);");
        line(out, 1, "return combine(shifted_twice(pairs), pairs);");
    }
    line(out, 0, "}");
}

/// The function that gives what the parts of a row before one come to.
fn carry(out: &mut String, spec: &Spec, scan: &Scan) {
    line(out, 0, "");
    line(out, 0, "fn carry(k: u32, split: u32) -> Terms {");
    match scan.carry {
        Some(operand) => {
            let first = stage_word(spec.first_stage(operand), 0);
            line(out, 1, &format!("let p{operand} = {first} + split * uniforms.n + k;"));
            line(out, 1, &format!("return Terms({});", Scope::of_epilogue(spec, &scan.walk).load(operand)));
        }
        None => line(out, 1, "return identity();"),
    }
    line(out, 0, "}");
}

/// Where what is stored for a row begins, and the function that computes and stores it at each element.
fn targets(out: &mut String, spec: &Spec, scan: &Scan) {
    let walk = &scan.walk;
    let operands = operands_of(&walk.epilogue);
    let (mut fields, mut values) = (Vec::new(), Vec::new());
    for &i in &operands {
        let stage = spec.first_stage(i);
        fields.extend([format!("p{i}: u32"), format!("s{i}: u32")]);
        values.extend([dot(stage, 1, "c", walk.kept_rank, true), stage_word(stage, 1 + walk.kept_rank)]);
    }
    line(out, 0, "");
    line(out, 0, &format!("struct Target {{ {} }}", fields.join(", ")));
    line(out, 0, "");
    line(out, 0, "// Where row k lies in what is stored, and in what else that is computed from.");
    line(out, 0, "fn target_of(k: u32) -> Target {");
    coordinates(out, 1, "k", "c", 0, walk.kept_rank);
    line(out, 1, &format!("return Target({});", values.join(", ")));
    line(out, 0, "}");
    line(out, 0, "");
    line(out, 0, "fn finish(to: Target, k: u32, r: u32, terms: Terms) {");
    for &i in &operands {
        line(out, 1, &format!("let p{i} = to.p{i} + r * to.s{i};"));
    }
    Scope::of_scanned(spec, walk).code(out, &walk.epilogue);
    line(out, 0, "}");
}
