//! Two words fetched as one of 64 bits, where a load costs alike for both.

use super::spec::{Inst, Kernel, Line, Spec};
use crate::DType;

impl Spec {
    /// Has the kernel fetch words in pairs where it can: what it fetches four at a time, and does not write in smaller
    /// parts.
    pub(super) fn fetch_pairs(&mut self) {
        let loaded = |binding: usize| {
            let loads = |line: &Line| matches!(line.inst, Inst::Load(o) if self.operands[o].binding == binding);
            matches!(self.kernel, Kernel::Contract(_)) || self.kernel.codes().flat_map(|code| &code.lines).any(loads)
        };
        let loaded: Vec<bool> = (0..self.bindings.len()).map(loaded).collect();
        let tail = self.kernel.tail();
        for (binding, loaded) in self.bindings.iter_mut().zip(loaded) {
            let in_fours = match binding.dtype {
                DType::F32 | DType::I32 | DType::U32 => !(binding.write && tail),
                DType::I16 | DType::U16 | DType::F16 | DType::BF16 => !binding.write,
                DType::I64 | DType::U64 | DType::F64 | DType::U8 | DType::I8 | DType::Bool => false,
            };
            binding.pairs = binding.wide && loaded && in_fours;
        }
    }
}
