//! The functions the kernel of segments calls: keys and values in their order, what they are folded into, and how.

use super::line;
use super::place::stage_word;
use super::reduce::{combination, declaration};
use crate::DType;
use crate::kernel::spec::{Code, PIECE, Reduce, Segments, Spec, Strategy};

pub(super) fn segment_functions(out: &mut String, spec: &Spec, segments: &Segments) {
    let &Segments { fold, dtype, first, last } = segments;
    let of = |operand: usize, at: &str| {
        format!("b{}[{} + {at}]", spec.operands[operand].binding, stage_word(spec.first_stage(operand), 0))
    };
    let is_pair = dtype == DType::I64 && !spec.native_i64;
    let mut function = |head: &str, about: &str, lines: &[String]| {
        line(out, 0, "");
        line(out, 0, &format!("// {about}"));
        line(out, 0, &format!("fn {head} {{"));
        lines.iter().for_each(|text| line(out, 1, text));
        line(out, 0, "}");
    };
    let load = |place: String| {
        if is_pair {
            vec![format!("let words = {place};"), "return Terms(l_of(words.x, words.y));".to_owned()]
        } else {
            vec![format!("return Terms({place});")]
        }
    };
    let write = |place: String| {
        let value = if is_pair { "vec2u(low_l(terms.t0), high_l(terms.t0))" } else { "terms.t0" };
        vec![format!("{place} = {value};")]
    };
    // After the keys, and of the first level the places.
    let values = 1 + usize::from(first);
    function(
        "sorted_key(i: u32) -> u32",
        "The key of row i, in their order.",
        &[format!("return u32({});", of(0, "i"))],
    );
    let row = if first { format!("u32({})", of(1, "i")) } else { "i".to_owned() };
    function(
        "value(i: u32, column: u32) -> Terms",
        "A value of row i, in the order of their keys.",
        &load(of(values, &format!("{row} * uniforms.n + column"))),
    );
    function("stored(i: u32) -> Terms", "What is in the result.", &load(of(values + 1, "i")));
    function("store(i: u32, terms: Terms)", "Writes it.", &write(of(values + 1, "i")));
    let passed = if last { vec![] } else { write(of(values + 2, "row * uniforms.n + column")) };
    function("pass_on(row: u32, column: u32, terms: Terms)", "Leaves it to the next level.", &passed);
    line(out, 0, "");
    for (name, value) in [("FIRST", first), ("LAST", last)] {
        line(out, 0, &format!("const {name}: bool = {value};"));
    }
    line(out, 0, &format!("const PIECE: u32 = {PIECE}u;"));
    let walk = Reduce {
        strategy: Strategy::Outer,
        lanes: 1,
        groups: 1,
        at_once: 1,
        kept_rank: 0,
        reduced_rank: 0,
        body: Code::default(),
        folds: vec![(fold, dtype)],
        epilogue: Code::default(),
        tail: false,
        split: false,
        subgroups: false,
    };
    declaration(out, &walk);
    combination(out, &walk);
}
