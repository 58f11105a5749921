//! Stores: to the elements of a group that lie inside the domain.

use super::code::Scope;
use super::line;
use super::operation::round_source;
use crate::DType;
use crate::kernel::spec::{Mode, Operand};

impl Scope<'_> {
    /// Stores a value of dtype `from` in an operand.
    pub(super) fn store(&self, out: &mut String, operand: usize, value: &str, from: DType) {
        let &Operand { binding, dtype, mode, .. } = &self.spec.operands[operand];
        let (value, packed_bits) = match dtype {
            DType::F16 => (format!("to_f16({})", round_source(from, value)), Some(16)),
            DType::BF16 => (format!("to_bf16({})", round_source(from, value)), Some(16)),
            DType::U8 | DType::I8 => (format!("bitcast<U>({value}) & U(0xffu)"), Some(8)),
            DType::I16 | DType::U16 => (format!("bitcast<U>({value}) & U(0xffffu)"), Some(16)),
            DType::U32 => (format!("low_l({value})"), None),
            DType::Bool => (format!("select(U(0u), U(1u), {value})"), Some(8)),
            DType::I32 | DType::I64 | DType::U64 | DType::F32 | DType::F64 => (value.to_owned(), None),
        };
        let stored = format!("s{operand}");
        line(out, 1, &format!("let {stored} = {value};"));
        if self.one_output {
            let one = self.component(&stored, dtype, (self.spec.width > 1).then_some(0));
            line(out, 1, &format!("b{binding}[p{operand}] = {one};"));
        } else if let Some(bits) = packed_bits {
            self.store_packed(out, operand, &stored, bits);
        } else if mode == Mode::Vec && self.spec.width > 1 && self.spec.bindings[binding].wide {
            self.store_wide(out, operand, &stored);
        } else {
            self.store_each(out, operand, &stored);
        }
    }

    /// The elements one by one.
    fn store_each(&self, out: &mut String, operand: usize, stored: &str) {
        let (binding, index, end) = (self.spec.operands[operand].binding, self.index, self.end);
        for (c, place) in self.neighbours(operand).iter().enumerate() {
            let component =
                self.component(stored, self.spec.operands[operand].dtype, (self.spec.width > 1).then_some(c));
            if c == 0 || !self.tail {
                line(out, 1, &format!("b{binding}[{place}] = {component};"));
            } else {
                line(out, 1, &format!("if {index} + {c}u < {end} {{ b{binding}[{place}] = {component}; }}"));
            }
        }
    }

    /// Four elements at once, at an aligned place.
    fn store_wide(&self, out: &mut String, operand: usize, stored: &str) {
        let (binding, index, width) = (self.spec.operands[operand].binding, self.index, self.spec.width);
        let end = self.end;
        let place = format!("b{binding}[p{operand} >> 2u]");
        if self.spec.bindings[binding].pairs {
            line(out, 1, &format!("{place} = pairs_of(bitcast<vec4u>({stored}));"));
        } else if !self.tail {
            line(out, 1, &format!("{place} = {stored};"));
        } else {
            line(out, 1, &format!("if {index} + {width}u <= {end} {{"));
            line(out, 2, &format!("{place} = {stored};"));
            line(out, 1, "} else {");
            for c in 0..width - 1 {
                line(out, 2, &format!("if {index} + {c}u < {end} {{ {place}[{c}] = {stored}[{c}]; }}"));
            }
            line(out, 1, "}");
        }
    }

    /// Four packed elements at an aligned place: whole words, which this invocation alone writes. Past the end, what was
    /// there stays.
    fn store_packed(&self, out: &mut String, operand: usize, stored: &str, bits: u32) {
        let (binding, index, end) = (self.spec.operands[operand].binding, self.index, self.end);
        let words = if bits == 16 {
            vec![format!("{stored}.x | ({stored}.y << 16u)"), format!("{stored}.z | ({stored}.w << 16u)")]
        } else {
            vec![format!("{stored}.x | ({stored}.y << 8u) | ({stored}.z << 16u) | ({stored}.w << 24u)")]
        };
        let wide = self.spec.bindings[binding].wide && bits == 16;
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
            if !self.tail {
                line(out, 1, &format!("{place} = {value};"));
                continue;
            }
            line(out, 1, &format!("if {index} + {}u <= {end} {{", first + per_word));
            line(out, 2, &format!("{place} = {value};"));
            line(out, 1, &format!("}} else if {index} + {first}u < {end} {{"));
            line(out, 2, &format!("let mask = (1u << (({end} - {index} - {first}u) * {bits}u)) - 1u;"));
            line(out, 2, &format!("{place} = ({place} & ~mask) | ({value} & mask);"));
            line(out, 1, "}");
        }
    }

    /// A component of a value, or all of one that has none, as it is stored.
    fn component(&self, value: &str, dtype: DType, at: Option<usize>) -> String {
        let at = at.map(|at| format!("[{at}]")).unwrap_or_default();
        if matches!(dtype, DType::I64 | DType::U64) && !self.spec.native_i64 {
            format!("vec2u(low_l({value}){at}, high_l({value}){at})")
        } else {
            format!("{value}{at}")
        }
    }
}
