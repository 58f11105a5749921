//! The part of a graph that one kernel computes, and its code.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Slot, Stored};
use crate::DType;
use crate::expr::graph::{Graph, Id, Step};
use crate::kernel::spec::{Code, Inst, Line};
use crate::layout::{Access, Layout};

/// What computing some values takes, without their code.
pub(super) struct Region {
    /// The values a kernel computes, in order: down to loads, numbers, terms and what is stored.
    pub(super) values: Vec<Id>,
    pub(super) slots: FxHashSet<Slot>,
    /// Reductions, or values cut off, that are read from memory.
    pub(super) reads: FxHashSet<Id>,
    pub(super) lines: usize,
}

impl Region {
    /// The region of `roots`, where `terms` are at hand and `stored` values are read from memory.
    pub(super) fn of(graph: &Graph, stored: &Stored, terms: &[Id], roots: &[Id]) -> Self {
        Self::up_to(graph, stored, terms, roots, usize::MAX)
    }

    /// The same, given up after so many lines: enough to know that there are more.
    pub(super) fn up_to(graph: &Graph, stored: &Stored, terms: &[Id], roots: &[Id], most: usize) -> Self {
        let mut found: FxHashSet<Id> = FxHashSet::default();
        let (mut slots, mut reads) = (FxHashSet::default(), FxHashSet::default());
        let mut stack: Vec<Id> = roots.to_vec();
        while let Some(id) = stack.pop() {
            if found.len() == most {
                break;
            }
            if !found.insert(id) || terms.contains(&id) {
                continue;
            }
            if stored.contains_key(&id) {
                reads.insert(id);
                continue;
            }
            match &graph.values[id].step {
                Step::Load { buffer, .. } => drop(slots.insert(Slot::Buffer(*buffer))),
                Step::Reduce { .. } => drop(reads.insert(id)),
                Step::Read { of, .. } => drop(reads.insert(*of)),
                step => stack.extend(step.args()),
            }
        }
        let mut values: Vec<Id> = found.into_iter().collect();
        values.sort_unstable();
        Self { slots, reads, lines: values.len(), values }
    }
}

/// How a kernel reads memory, as the graph says it: over a value's whole domain.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Read {
    /// None where nothing is read: what is wanted is the position itself.
    pub(super) slot: Option<Slot>,
    pub(super) dtype: DType,
    pub(super) access: Access,
}

impl Read {
    /// The same over a part of the domain.
    pub(super) fn narrow(&self, dim: usize, start: usize, len: usize) -> Self {
        Self { access: self.access.narrow(dim, start, len), ..self.clone() }
    }
}

/// The code of a region, with its reads and numbers in the order the code names them.
#[derive(Clone, Default)]
pub(super) struct Emitted {
    pub(super) code: Code,
    pub(super) reads: Vec<Read>,
}

/// Numbers a kernel is given: the graph's slot, the dtype, the word.
#[derive(Clone, Default)]
pub(super) struct Numbers {
    pub(super) list: Vec<(usize, DType, usize)>,
    pub(super) words: usize,
}

impl Numbers {
    fn word(&mut self, slot: usize, dtype: DType) -> usize {
        if let Some(found) = self.list.iter().find(|n| n.0 == slot) {
            return found.2;
        }
        let word = self.words;
        self.words += if dtype == DType::F64 { 2 } else { 1 };
        self.list.push((slot, dtype, word));
        word
    }
}

/// Writes the code that computes `roots`; their lines are the code's results.
///
/// `Inst::Load(i)` names read `first_read + i`. `terms` are the reductions of this very kernel, for an epilogue.
pub(super) fn emit(
    graph: &Graph,
    stored: &Stored,
    terms: &[Id],
    roots: &[Id],
    numbers: &mut Numbers,
    first_read: usize,
) -> Emitted {
    let region = Region::of(graph, stored, terms, roots);
    let mut out = Emitted::default();
    let mut at: FxHashMap<Id, usize> = FxHashMap::default();
    for &id in &region.values {
        let value = &graph.values[id];
        let mut read = |slot: Option<Slot>, dtype: DType, access: Access| {
            let read = Read { slot, dtype, access };
            let found = out.reads.iter().position(|r| *r == read).unwrap_or_else(|| {
                out.reads.push(read);
                out.reads.len() - 1
            });
            first_read + found
        };
        let memory = |of: &Id| stored.get(of).copied();
        let inst = if let Some(term) = terms.iter().position(|t| *t == id) {
            Inst::Term(term)
        } else if let Some((slot, dtype)) = memory(&id) {
            Inst::Load(read(Some(slot), dtype, Layout::contiguous(value.shape.clone()).into()))
        } else {
            match &value.step {
                Step::Load { buffer, access } => {
                    Inst::Load(read(Some(Slot::Buffer(*buffer)), graph.buffers[*buffer].1, access.clone()))
                }
                Step::Index { access } => Inst::Index(read(None, value.dtype, access.clone())),
                Step::Read { of, access } => match (terms.iter().position(|t| t == of), memory(of)) {
                    (Some(term), _) => Inst::Term(term),
                    (None, Some((slot, dtype))) => Inst::Load(read(Some(slot), dtype, access.clone())),
                    (None, None) => unreachable!("a reduction is stored before it is read"),
                },
                Step::Reduce { .. } => unreachable!("a reduction is stored before it is read"),
                &Step::Scalar { slot } => Inst::Scalar(numbers.word(slot, value.dtype)),
                &Step::Unary(op, a) => Inst::Unary(op, at[&a]),
                &Step::Binary(op, a, b) => Inst::Binary(op, at[&a], at[&b]),
                &Step::Select(c, a, b) => Inst::Select(at[&c], at[&a], at[&b]),
                &Step::Random(word, args) => Inst::Random(word, args.map(|arg| at[&arg])),
                &Step::Convert(a) => Inst::Convert(at[&a]),
                &Step::Round(to, a) => Inst::Round(to, at[&a]),
            }
        };
        at.insert(id, out.code.lines.len());
        out.code.lines.push(Line { inst, dtype: value.dtype });
    }
    out.code.results = roots.iter().map(|r| at[r]).collect();
    out
}
