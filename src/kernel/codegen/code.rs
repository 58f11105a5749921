//! Straight-line code: loads, arithmetic and stores, one value a line.

use super::operation::{binary, convert, either_nan, round, round_source, unary};
use super::place::stage_word;
use super::{BODY, alias, line};
use crate::DType;
use crate::expr::{BinaryOp, UnaryOp};
use crate::kernel::spec::{Code, Inst, Kernel, Line, Mode, Operand, Order, Spec};

/// Loads, arithmetic and stores, as lines `{prefix}0`, `{prefix}1`, …; positions of operands are `p{i}`, or come from
/// their place functions. `inner` is one past the dim that neighbours lie along.
pub(super) fn code(out: &mut String, spec: &Spec, code: &Code, prefix: &str, inner: usize) {
    for (i, Line { inst, dtype }) in code.lines.iter().enumerate() {
        let arg = |j: usize| format!("{prefix}{j}");
        let from = |j: usize| code.lines[j].dtype;
        let value = match *inst {
            Inst::Load(operand) => load(spec, operand, inner),
            Inst::Index(operand) => format!("bitcast<I>(U({}))", neighbours(spec, operand, inner).join(", ")),
            Inst::Has(operand) => {
                let each = (0..spec.width).map(|c| format!("find_{operand}(i + {c}u) != NOWHERE"));
                format!("B({})", each.collect::<Vec<_>>().join(", "))
            }
            Inst::Scalar(_) if prefix == BODY && spec.kernel != Kernel::Map => {
                format!("place.n{i}")
            }
            Inst::Scalar(word) => scalar(word, *dtype),
            Inst::Term(fold) => format!("terms.t{fold}"),
            // GLSL compilers take `!(p < q)` for `p >= q`, which NaN makes false too.
            Inst::Unary(UnaryOp::Not, a) => match ordering(code, a) {
                Some((p, q)) => format!("!{} | {}", arg(a), either_nan(from(p), &arg(p), &arg(q))),
                None => unary(UnaryOp::Not, from(a), &arg(a)),
            },
            Inst::Unary(op, a) => unary(op, from(a), &arg(a)),
            Inst::Binary(op, a, b) => binary(op, from(a), &arg(a), &arg(b)),
            Inst::Select(c, a, b) => {
                let plain = format!("select({}, {}, {})", arg(b), arg(a), arg(c));
                // And they take `p < q ? p : q` for a minimum, which NaN passes by.
                match ordering(code, c) {
                    Some((p, q)) if [a, b].contains(&p) || [a, b].contains(&q) => {
                        format!("select({plain}, {}, {})", arg(b), either_nan(from(p), &arg(p), &arg(q)))
                    }
                    _ => plain,
                }
            }
            Inst::Random(word, args) => {
                let [counter, key0, key1] = args.map(|a| format!("bitcast<U>({})", arg(a)));
                format!("bitcast<I>(philox({counter}, {key0}, {key1}).x{word} >> U(8u))")
            }
            Inst::Convert(a) => convert(from(a), *dtype, &arg(a)),
            Inst::Round(to, a) => round(to, from(a), &arg(a)),
        };
        line(out, 1, &format!("let {prefix}{i} = {value};"));
    }
    for &(operand, value) in &code.stores {
        store(out, spec, operand, &format!("{prefix}{value}"), code.lines[value].dtype, inner);
    }
}

/// The arguments of a line that says which of two floats is less.
fn ordering(code: &Code, line: usize) -> Option<(usize, usize)> {
    match code.lines[line].inst {
        Inst::Binary(BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge, p, q)
            if code.lines[p].dtype.is_float() =>
        {
            Some((p, q))
        }
        _ => None,
    }
}

/// Positions of the `width` neighbours of an operand.
fn neighbours(spec: &Spec, operand: usize, inner: usize) -> Vec<String> {
    let o = &spec.operands[operand];
    let stride = || stage_word(spec.first_stage(operand), inner);
    (0..spec.width)
        .map(|c| match o.mode {
            // Past the end of any buffer where there is none: what is read there is not used.
            Mode::Found => format!("min(find_{operand}(i + {c}u), {})", stage_word(spec.first_stage(operand), 1)),
            _ if !o.stages.is_empty() || o.mode == Mode::Each => format!("place_{operand}(i + {c}u)"),
            Mode::Splat => format!("p{operand}"),
            _ if c == 0 => format!("p{operand}"),
            _ if o.order != Order::Strided => format!("p{operand} + {c}u"),
            _ => format!("p{operand} + {c}u * {}", stride()),
        })
        .collect()
}

/// The element at `position`, as it is stored: a number of the buffer's type, or the bits of a packed one.
fn raw(spec: &Spec, binding: usize, position: &str) -> String {
    match spec.bindings[binding].dtype {
        DType::F16 | DType::BF16 => {
            format!("(b{binding}[({position}) >> 1u] >> ((({position}) & 1u) * 16u)) & 0xffffu")
        }
        DType::U8 | DType::Bool => format!("(b{binding}[({position}) >> 2u] >> ((({position}) & 3u) * 8u)) & 0xffu"),
        _ => format!("b{binding}[{position}]"),
    }
}

fn load(spec: &Spec, operand: usize, inner: usize) -> String {
    let Operand { binding, dtype, mode, .. } = spec.operands[operand];
    if mode == Mode::Vec && spec.width > 1 && spec.bindings[binding].wide {
        let mut group = format!("b{binding}[p{operand} >> 2u]");
        if spec.bindings[binding].pairs {
            group = match dtype {
                DType::F16 | DType::BF16 => format!("words_of_one({group})"),
                _ => format!("bitcast<{}>(words_of({group}))", alias(dtype)),
            };
        }
        return match dtype {
            DType::F16 => format!("from_f16(unpack_f16({group}))"),
            DType::BF16 => format!("bitcast<F>(unpack_f16({group}) << U(16u))"),
            DType::U8 => format!("bitcast<I>((U({group}) >> vec4u(0u, 8u, 16u, 24u)) & U(0xffu))"),
            DType::Bool => format!("((U({group}) >> vec4u(0u, 8u, 16u, 24u)) & U(0xffu)) != U(0u)"),
            _ => group,
        };
    }
    let elements: Vec<String> = match (mode, spec.operands[operand].stages.is_empty()) {
        (Mode::Splat, true) => vec![raw(spec, binding, &format!("p{operand}"))],
        _ => neighbours(spec, operand, inner).iter().map(|p| raw(spec, binding, p)).collect(),
    };
    let elements = elements.join(", ");
    match dtype {
        DType::F16 => format!("from_f16(U({elements}))"),
        DType::BF16 => format!("bitcast<F>(U({elements}) << U(16u))"),
        DType::U8 => format!("bitcast<I>(U({elements}))"),
        DType::Bool => format!("U({elements}) != U(0u)"),
        _ => format!("{}({elements})", alias(dtype)),
    }
}

pub(super) fn scalar(word: usize, dtype: DType) -> String {
    let bits = |w: usize| format!("params.scalars[{}].{}", w / 4, ["x", "y", "z", "w"][w % 4]);
    match dtype {
        DType::Bool => format!("B({} != 0u)", bits(word)),
        DType::I32 => format!("I(bitcast<i32>({}))", bits(word)),
        DType::F64 => format!("D(f64_from_bits({}, {}))", bits(word), bits(word + 1)),
        _ => format!("F(bitcast<f32>({}))", bits(word)),
    }
}

/// Writes a line's value to the elements of an operand that lie inside the domain.
fn store(out: &mut String, spec: &Spec, operand: usize, value: &str, from: DType, inner: usize) {
    let Operand { binding, dtype, mode, .. } = spec.operands[operand];
    let value = match dtype {
        DType::F16 => format!("to_f16({})", round_source(from, value)),
        DType::BF16 => format!("to_bf16({})", round_source(from, value)),
        DType::U8 => format!("bitcast<U>({value}) & U(0xffu)"),
        DType::Bool => format!("select(U(0u), U(1u), {value})"),
        _ => value.to_owned(),
    };
    let stored = format!("s{operand}");
    line(out, 1, &format!("let {stored} = {value};"));
    if spec.kernel == Kernel::ReduceInner {
        // Every component holds the row's result.
        let one = if spec.width == 1 { stored } else { format!("{stored}.x") };
        line(out, 1, &format!("b{binding}[p{operand}] = {one};"));
        return;
    }
    let places = neighbours(spec, operand, inner);
    let component = |c: usize| if spec.width == 1 { stored.clone() } else { format!("{stored}[{c}]") };
    let packed_bits = match dtype {
        DType::F16 | DType::BF16 => 16,
        DType::U8 | DType::Bool => 8,
        _ => 32,
    };
    let index = if spec.kernel == Kernel::Map { "i" } else { "k" };
    if packed_bits < 32 {
        store_packed(out, spec, operand, &stored, packed_bits, index);
        return;
    }
    if mode == Mode::Vec && spec.width > 1 && spec.bindings[binding].wide {
        if spec.bindings[binding].pairs {
            line(out, 1, &format!("b{binding}[p{operand} >> 2u] = pairs_of(bitcast<vec4u>({stored}));"));
            return;
        }
        if !spec.tail {
            line(out, 1, &format!("b{binding}[p{operand} >> 2u] = {stored};"));
            return;
        }
        line(out, 1, &format!("if {index} + {}u <= params.n {{", spec.width));
        line(out, 2, &format!("b{binding}[p{operand} >> 2u] = {stored};"));
        line(out, 1, "} else {");
        for c in 0..spec.width as usize - 1 {
            let condition = format!("if {index} + {c}u < params.n");
            line(out, 2, &format!("{condition} {{ b{binding}[p{operand} >> 2u][{c}] = {}; }}", component(c)));
        }
        line(out, 1, "}");
        return;
    }
    for (c, place) in places.iter().enumerate() {
        if c == 0 || !spec.tail {
            line(out, 1, &format!("b{binding}[{place}] = {};", component(c)));
        } else {
            line(out, 1, &format!("if {index} + {c}u < params.n {{ b{binding}[{place}] = {}; }}", component(c)));
        }
    }
}

/// Four packed elements at an aligned place: whole words, which this invocation alone writes. Past the end, what was
/// there stays.
fn store_packed(out: &mut String, spec: &Spec, operand: usize, stored: &str, bits: u32, index: &str) {
    let binding = spec.operands[operand].binding;
    let words = if bits == 16 {
        vec![format!("{stored}.x | ({stored}.y << 16u)"), format!("{stored}.z | ({stored}.w << 16u)")]
    } else {
        vec![format!("{stored}.x | ({stored}.y << 8u) | ({stored}.z << 16u) | ({stored}.w << 24u)")]
    };
    let wide = spec.bindings[binding].wide && bits == 16;
    let per_word = 32 / bits;
    for (w, word) in words.iter().enumerate() {
        let place = match (wide, bits) {
            (true, _) => format!("b{binding}[p{operand} >> 2u][{w}]"),
            (false, 16) => format!("b{binding}[(p{operand} >> 1u) + {w}u]"),
            _ => format!("b{binding}[p{operand} >> 2u]"),
        };
        let first = w as u32 * per_word;
        let value = format!("w{operand}_{w}");
        line(out, 1, &format!("let {value} = {word};"));
        if !spec.tail {
            line(out, 1, &format!("{place} = {value};"));
            continue;
        }
        line(out, 1, &format!("if {index} + {}u <= params.n {{", first + per_word));
        line(out, 2, &format!("{place} = {value};"));
        line(out, 1, &format!("}} else if {index} + {first}u < params.n {{"));
        line(out, 2, &format!("let mask = (1u << ((params.n - {index} - {first}u) * {bits}u)) - 1u;"));
        line(out, 2, &format!("{place} = ({place} & ~mask) | ({value} & mask);"));
        line(out, 1, "}");
    }
}
