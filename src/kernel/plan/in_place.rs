//! Whether a plan reads all that it needs of its targets before it overwrites it.
//!
//! Gradient descent is such a plan: its reductions read the weights and leave partial results, and only its last launch, which
//! ends them, writes new weights in the place of the old.

use super::{Launch, Memory, Plan, Target};
use crate::kernel::spec::{Code, Inst, Kernel, Line, Reduce};

impl Plan {
    /// Whether each launch that writes a target's memory comes after all that read it, or reads of it no more than the
    /// elements that the same invocation then writes.
    pub(super) fn reads_before_it_writes(&self, targets: &[Target]) -> bool {
        targets.iter().filter(|target| matches!(target.memory, Memory::Buffer(_))).all(|target| {
            let memory = target.memory;
            let Some(first) = self.launches.iter().position(|launch| launch.writes(memory)) else { return true };
            let (now, later) = (&self.launches[first], &self.launches[first + 1..]);
            now.reads_where_it_writes(memory) && later.iter().all(|launch| launch.reads_of(memory).next().is_none())
        })
    }
}

impl Launch {
    fn writes(&self, memory: Memory) -> bool {
        self.windows.iter().zip(&self.spec.bindings).any(|(window, binding)| window.memory == memory && binding.write)
    }

    /// The operands that read some memory.
    fn reads_of(&self, memory: Memory) -> impl Iterator<Item = usize> {
        (0..self.n_loads).filter(move |&operand| self.lies_in(operand, memory) && !self.is_position(operand))
    }

    fn lies_in(&self, operand: usize, memory: Memory) -> bool {
        self.windows.get(self.spec.operands[operand].binding).is_some_and(|window| window.memory == memory)
    }

    /// Whether positions are all that is wanted of an operand: it has no binding.
    fn is_position(&self, operand: usize) -> bool {
        self.lines().any(|line| matches!(line.inst, Inst::Index(of) if of == operand))
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.spec.kernel.codes().flat_map(|code| &code.lines)
    }

    /// Whether an invocation reads of some memory only elements that it writes itself, after it has read them.
    fn reads_where_it_writes(&self, memory: Memory) -> bool {
        self.reads_of(memory).all(|read| {
            let taken = self.lines().any(|line| matches!(line.inst, Inst::Take(of, _) if of == read));
            !taken && self.written_with(read).iter().any(|&write| self.lie_alike(read, write))
        })
    }

    /// The operands that an invocation writes after it has read an element of operand `read`, and before any other has:
    /// those of a map; of a reduction what it writes as it walks, for what it walks over, else what its ending writes.
    fn written_with(&self, read: usize) -> Vec<usize> {
        let written = |code: &Code| code.stores.iter().map(|store| store.0).collect();
        match &self.spec.kernel {
            Kernel::Map(map) => written(&map.body),
            Kernel::Reduce(Reduce { body, epilogue, .. }) => {
                let loads =
                    |code: &Code| code.lines.iter().any(|line| matches!(line.inst, Inst::Load(of) if of == read));
                match (loads(body), loads(epilogue)) {
                    (true, false) => written(body),
                    (false, true) => written(epilogue),
                    _ => Vec::new(),
                }
            }
            Kernel::Scan(_) | Kernel::Sort(_) | Kernel::Segments(_) | Kernel::Contract(_) => Vec::new(),
        }
    }

    /// Whether two operands place every element alike.
    fn lie_alike(&self, a: usize, b: usize) -> bool {
        self.spec.operands[a] == self.spec.operands[b] && self.stages(a) == self.stages(b)
    }

    /// Offsets and strides of an operand, one stage after the other.
    fn stages(&self, operand: usize) -> &[u32] {
        let words = self.spec.operand_words();
        let first = self.spec.operands_at() + self.spec.first_stage(operand) * words;
        &self.uniforms[first..][..(1 + self.spec.operands[operand].stages.len()) * words]
    }
}
