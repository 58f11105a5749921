//! The function a map's kernel calls: what is loaded, computed and stored for a group of elements.

use super::code::Scope;
use super::line;
use super::place::{coordinates, dot, stage_word};
use crate::kernel::spec::{Map, Mode, Operand, Order, Spec};

pub(super) fn map_functions(out: &mut String, spec: &Spec, map: &Map) {
    line(out, 0, "");
    line(out, 0, "fn body(i: u32) {");
    let by_coordinates =
        |o: &Operand| o.order == Order::Strided && !matches!(o.mode, Mode::Each | Mode::Found) && o.stages.is_empty();
    if map.rank > 1 && spec.operands.iter().any(by_coordinates) {
        coordinates(out, 1, "i", "c", 0, map.rank);
    } else {
        line(out, 1, "let c0 = i;");
    }
    for (i, o) in spec.operands.iter().enumerate() {
        let stage = spec.first_stage(i);
        match o.order {
            Order::Identity => line(out, 1, &format!("let p{i} = i;")),
            Order::Linear => line(out, 1, &format!("let p{i} = {} + i;", stage_word(stage, 0))),
            Order::Strided if by_coordinates(o) => {
                line(out, 1, &format!("let p{i} = {};", dot(stage, 1, "c", map.rank, true)));
            }
            Order::Strided => {}
        }
    }
    Scope::of_map(spec, map).code(out, &map.body);
    line(out, 0, "}");
}
