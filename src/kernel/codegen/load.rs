//! Loads: the positions of a group's elements, and their values in the dtype they are computed in.

use super::alias;
use super::code::Scope;
use super::place::{component, stage_word};
use crate::DType;
use crate::base::dtype::only_stored;
use crate::kernel::spec::{Mode, Operand, Order};

impl Scope<'_> {
    /// Positions of the `width` elements of a group in an operand.
    pub(super) fn neighbours(&self, operand: usize) -> Vec<String> {
        let o = &self.spec.operands[operand];
        let stage = self.spec.first_stage(operand);
        let position = |c: u32| match o.mode {
            // Past the end of any buffer where there is none: what is read there is not used.
            Mode::Found => format!("min(find_{operand}(i + {c}u), {})", stage_word(stage, 1)),
            Mode::Each => format!("place_{operand}(i + {c}u)"),
            Mode::Vec | Mode::Splat | Mode::Step if !o.stages.is_empty() => format!("place_{operand}(i + {c}u)"),
            Mode::Splat => format!("p{operand}"),
            Mode::Vec | Mode::Step if c == 0 => format!("p{operand}"),
            Mode::Vec | Mode::Step => match o.order {
                Order::Linear | Order::Identity => format!("p{operand} + {c}u"),
                Order::Strided => format!("p{operand} + {c}u * {}", stage_word(stage, self.stride_word)),
            },
        };
        (0..self.spec.width).map(position).collect()
    }

    /// The elements of a group, in the dtype they are computed in.
    pub(super) fn load(&self, operand: usize) -> String {
        let &Operand { binding, mode, ref stages, .. } = &self.spec.operands[operand];
        if mode == Mode::Vec && self.spec.width > 1 && self.spec.bindings[binding].wide {
            return self.load_wide(operand);
        }
        match (mode, stages.is_empty()) {
            (Mode::Splat, true) => self.load_from(operand, &[format!("p{operand}")]),
            _ => self.load_from(operand, &self.neighbours(operand)),
        }
    }

    /// The elements that lie so many places on from those of a group as `steps` says, whose words are of `dtype`.
    pub(super) fn take(&self, operand: usize, steps: &str, dtype: DType) -> String {
        self.load_from(operand, &self.on(operand, steps, dtype))
    }

    /// Whether those elements are bound: positions before the window wrap round to beyond it.
    pub(super) fn within(&self, operand: usize, steps: &str, dtype: DType) -> String {
        let &Operand { binding, dtype: of, .. } = &self.spec.operands[operand];
        let each = self.on(operand, steps, dtype).join(", ");
        let to_a_word = (size_of::<u32>() / of.size()).max(1);
        format!("U({each}) < U(arrayLength(&b{binding}) * {to_a_word}u)")
    }

    fn on(&self, operand: usize, steps: &str, dtype: DType) -> Vec<String> {
        // Of two words, the lower one: positions have 32 bits.
        let steps = if dtype == DType::I64 { format!("low_l({steps})") } else { steps.to_owned() };
        let step = |c: usize| if self.spec.width == 1 { steps.clone() } else { format!("{steps}[{c}]") };
        self.neighbours(operand).iter().enumerate().map(|(c, place)| format!("{place} + u32({})", step(c))).collect()
    }

    /// The elements at these positions; at a single one, for all of a group.
    fn load_from(&self, operand: usize, positions: &[String]) -> String {
        let &Operand { binding, dtype, .. } = &self.spec.operands[operand];
        let elements: Vec<String> = positions.iter().map(|p| self.raw(binding, p)).collect();
        if matches!(dtype, DType::I64 | DType::U64) && !self.spec.native_i64 {
            let word = |of: &str| elements.iter().map(|e| format!("{e}.{of}")).collect::<Vec<_>>().join(", ");
            return format!("l_of(U({}), U({}))", word("x"), word("y"));
        }
        let elements = elements.join(", ");
        match dtype {
            DType::F16 => format!("from_f16(U({elements}))"),
            DType::BF16 => format!("bitcast<F>(U({elements}) << U(16u))"),
            DType::U8 | DType::U16 => format!("bitcast<I>(U({elements}))"),
            DType::U32 => unsigned(&elements),
            DType::Bool => format!("U({elements}) != U(0u)"),
            DType::I8 => extended(&format!("U({elements})"), 24),
            DType::I16 => extended(&format!("U({elements})"), 16),
            DType::I32 | DType::I64 | DType::U64 | DType::F32 | DType::F64 => format!("{}({elements})", alias(dtype)),
        }
    }

    /// The same where four elements are one load.
    fn load_wide(&self, operand: usize) -> String {
        let &Operand { binding, dtype, .. } = &self.spec.operands[operand];
        let group = format!("b{binding}[p{operand} >> 2u]");
        let pairs = self.spec.bindings[binding].pairs;
        match dtype {
            DType::F16 if pairs => format!("from_f16(unpack_f16(words_of_one({group})))"),
            DType::F16 => format!("from_f16(unpack_f16({group}))"),
            DType::BF16 if pairs => format!("bitcast<F>(unpack_f16(words_of_one({group})) << U(16u))"),
            DType::BF16 => format!("bitcast<F>(unpack_f16({group}) << U(16u))"),
            DType::I16 if pairs => extended(&format!("unpack_f16(words_of_one({group}))"), 16),
            DType::I16 => extended(&format!("unpack_f16({group})"), 16),
            DType::U16 if pairs => format!("bitcast<I>(unpack_f16(words_of_one({group})))"),
            DType::U16 => format!("bitcast<I>(unpack_f16({group}))"),
            DType::U32 if pairs => unsigned(&format!("words_of({group})")),
            DType::U32 => unsigned(&group),
            DType::I8 => format!("bitcast<I>(U({group}) << vec4u(24u, 16u, 8u, 0u)) >> U(24u)"),
            DType::U8 => format!("bitcast<I>((U({group}) >> vec4u(0u, 8u, 16u, 24u)) & U(0xffu))"),
            DType::Bool => format!("((U({group}) >> vec4u(0u, 8u, 16u, 24u)) & U(0xffu)) != U(0u)"),
            DType::F32 | DType::I32 if pairs => format!("bitcast<{}>(words_of({group}))", alias(dtype)),
            DType::F32 | DType::I32 | DType::I64 | DType::U64 | DType::F64 => group,
        }
    }

    /// The element at `position`, as it is stored: a number of the buffer's type, or the bits of a packed one.
    fn raw(&self, binding: usize, position: &str) -> String {
        match self.spec.bindings[binding].dtype {
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => {
                format!("(b{binding}[({position}) >> 1u] >> ((({position}) & 1u) * 16u)) & 0xffffu")
            }
            DType::U8 | DType::I8 | DType::Bool => {
                format!("(b{binding}[({position}) >> 2u] >> ((({position}) & 3u) * 8u)) & 0xffu")
            }
            DType::I32 | DType::I64 | DType::U32 | DType::U64 | DType::F32 | DType::F64 => {
                format!("b{binding}[{position}]")
            }
        }
    }
}

/// A word of the scalars of the uniforms.
pub(super) fn scalar_word(word: usize) -> String {
    format!("uniforms.scalars[{}].{}", word / 4, component(word))
}

/// A scalar of the uniforms, whose first word is `word`.
pub(super) fn scalar(word: usize, dtype: DType) -> String {
    let bits = scalar_word;
    match dtype {
        DType::Bool => format!("B({} != 0u)", bits(word)),
        DType::I32 => format!("I(bitcast<i32>({}))", bits(word)),
        DType::F32 => format!("F(bitcast<f32>({}))", bits(word)),
        DType::I64 => format!("l_of(U({}), U({}))", bits(word), bits(word + 1)),
        DType::F64 => format!("D(f64_from_bits({}, {}))", bits(word), bits(word + 1)),
        only_stored!() => {
            unreachable!("scalars have a dtype that arithmetic is done in")
        }
    }
}

/// Integers whose upper `shift` bits are those of their sign.
fn extended(bits: &str, shift: u32) -> String {
    format!("(bitcast<I>({bits} << U({shift}u)) >> U({shift}u))")
}

/// Integers without a sign of 32 bits, as those of 64.
fn unsigned(words: &str) -> String {
    format!("l_of(U({words}), U(0u))")
}
