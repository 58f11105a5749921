//! The code of a kernel, line by line from the values of a graph.

use rustc_hash::FxHashMap;

use super::region::Region;
use super::take::memory_from;
use super::view::View;
use super::{Memory, Stored};
use crate::DType;
use crate::base::access::Access;
use crate::base::bounds::Bounds;
use crate::base::layout::Layout;
use crate::expr::graph::{Graph, Id, Step};
use crate::kernel::spec::{Code, Inst, Line};

/// Code, with the views it reads in the order in which it names them.
#[derive(Clone, Default)]
pub(super) struct Emitted {
    pub(super) code: Code,
    pub(super) reads: Vec<View>,
    /// What a reduction's body writes: its code's stores name these by number.
    pub(super) writes: Vec<View>,
}

/// Scalars passed to a kernel.
#[derive(Clone, Default)]
pub(super) struct Scalars {
    /// For each, its slot in the graph, its dtype, and its first word among those of all.
    pub(super) list: Vec<(usize, DType, usize)>,
    /// Bounds of indices, each with the word of its size; the word after that is for its mark.
    pub(super) bounds: Vec<(Bounds, usize)>,
    pub(super) words: usize,
}

impl Scalars {
    /// The word of a scalar, which joins the list unless it is there already.
    fn word(&mut self, slot: usize, dtype: DType) -> usize {
        if let Some(found) = self.list.iter().find(|scalar| scalar.0 == slot) {
            return found.2;
        }
        let word = self.words;
        self.words += if dtype.size() == 8 { 2 } else { 1 };
        self.list.push((slot, dtype, word));
        word
    }

    /// The first word of some bounds, which join the list unless they are there already.
    fn word_of_bounds(&mut self, bounds: Bounds) -> usize {
        if let Some(found) = self.bounds.iter().find(|found| found.0 == bounds) {
            return found.1;
        }
        self.words += 2;
        self.bounds.push((bounds, self.words - 2));
        self.words - 2
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
    scalars: &mut Scalars,
    first_read: usize,
) -> Emitted {
    let region = Region::of(graph, stored, terms, roots);
    let (lines, out) = (FxHashMap::default(), Emitted::default());
    let mut emitter = Emitter { graph, stored, terms, scalars, first_read, lines, out };
    for &id in &region.values {
        let inst = emitter.inst(id);
        emitter.lines.insert(id, emitter.out.code.lines.len());
        emitter.out.code.lines.push(Line { inst, dtype: graph.values[id].dtype });
    }
    emitter.out.code.results = roots.iter().map(|r| emitter.lines[r]).collect();
    emitter.out
}

struct Emitter<'a> {
    graph: &'a Graph,
    stored: &'a Stored,
    terms: &'a [Id],
    scalars: &'a mut Scalars,
    first_read: usize,
    /// The line of each value.
    lines: FxHashMap<Id, usize>,
    out: Emitted,
}

impl Emitter<'_> {
    fn inst(&mut self, id: Id) -> Inst {
        let value = &self.graph.values[id];
        if let Some(term) = self.term(id) {
            return Inst::Term(term);
        }
        if let Some(&(memory, dtype)) = self.stored.get(&id) {
            return Inst::Load(self.read(Some(memory), dtype, Layout::contiguous(value.shape.clone()).into()));
        }
        match &value.step {
            Step::Load { buffer, access } => {
                let dtype = self.graph.buffers[*buffer].1;
                Inst::Load(self.read(Some(Memory::Buffer(*buffer)), dtype, access.clone()))
            }
            Step::Index { access } => Inst::Index(self.read(None, value.dtype, access.clone())),
            Step::Read { of, access } => match (self.term(*of), self.stored.get(of)) {
                (Some(term), _) => Inst::Term(term),
                (None, Some(&(memory, dtype))) => Inst::Load(self.read(Some(memory), dtype, access.clone())),
                (None, None) => unreachable!("a reduction is stored before it is read"),
            },
            Step::Take(take) => {
                let Some((memory, dtype)) = memory_from(self.graph, self.stored, take.from) else {
                    unreachable!("a reduction is stored before it is read");
                };
                Inst::Take(self.read_view(View::of_take(memory, dtype, take)), self.lines[&take.at])
            }
            &Step::Bounded(bounds, index) => {
                let word = self.scalars.word_of_bounds(bounds);
                Inst::Bounded { index: self.lines[&index], word, from_end: bounds.from_end }
            }
            Step::Reduce { .. } | Step::Scan { .. } | Step::Sort { .. } | Step::Segments { .. } => {
                unreachable!("a reduction is stored before it is read")
            }
            &Step::Scalar { slot } => Inst::Scalar(self.scalars.word(slot, value.dtype)),
            &Step::Unary(op, a) => Inst::Unary(op, self.lines[&a]),
            &Step::Binary(op, a, b) => Inst::Binary(op, self.lines[&a], self.lines[&b]),
            &Step::Select(c, a, b) => Inst::Select(self.lines[&c], self.lines[&a], self.lines[&b]),
            &Step::Random(word, args) => Inst::Random(word, args.map(|arg| self.lines[&arg])),
            &Step::Convert(a) => Inst::Convert(self.lines[&a]),
            &Step::Order(a) => Inst::Order(self.lines[&a]),
            Step::Words(words) => Inst::Words(words.map(|word| self.lines[&word])),
            &Step::Round(to, a) => Inst::Round(to, self.lines[&a]),
        }
    }

    fn term(&self, id: Id) -> Option<usize> {
        self.terms.iter().position(|&term| term == id)
    }

    /// The operand of a view that is read; equal views are one operand.
    fn read(&mut self, memory: Option<Memory>, dtype: DType, access: Access) -> usize {
        self.read_view(View { memory, dtype, access, taken: None })
    }

    fn read_view(&mut self, read: View) -> usize {
        let reads = &mut self.out.reads;
        let found = reads.iter().position(|r| *r == read).unwrap_or_else(|| {
            reads.push(read);
            reads.len() - 1
        });
        self.first_read + found
    }
}
