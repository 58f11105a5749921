//! An elementwise part of a graph, as a short list of loops over strips.

mod builder;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::loops::Loop;
use super::moments::Moments;
use crate::base::access::Access;
use crate::base::bounds::Bounds;
use crate::base::layout::Layout;
use crate::expr::graph::Id;
use crate::{DType, Shape};
pub(super) use builder::is_source;

/// Index of a value of a [`Region`]: the leaves first, then the constants, then the results of the code, in its order.
pub(super) type Index = usize;

/// What computes some outputs of one shape, elementwise, from what lies in memory.
#[derive(Clone)]
pub(super) struct Region {
    pub(super) shape: Shape,
    pub(super) leaves: Vec<Leaf>,
    /// Each with the dtype in which it is used.
    pub(super) constants: Vec<(Constant, DType)>,
    pub(super) code: Vec<Instruction>,
    pub(super) outputs: Vec<Index>,
    /// The dtype of each output.
    pub(super) dtypes: Vec<DType>,
    /// Strips of scratch memory that the code needs, and the bytes of the widest element in any of them.
    pub(super) registers: usize,
    pub(super) width: usize,
    /// Results that are one element for all strips.
    pub(super) singles: usize,
    /// For each index in [`Graph::buffers`], the last instruction that reads the buffer.
    last_reads: Vec<Option<usize>>,
}

/// A tensor that is read from memory, in its storage dtype, or whose elements are their own positions.
#[derive(Clone)]
pub(super) struct Leaf {
    /// The graph's value that it is, before conversions.
    pub(super) id: Id,
    pub(super) source: Source,
    pub(super) access: Access,
    pub(super) dtype: DType,
    pub(super) reading: Reading,
}

/// How a leaf is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    Plain,
    /// Each element so many places on from where the access puts it as this leaf says.
    By(usize),
    /// Not at all by itself: it says where another is read.
    Index,
    /// Its own positions: where those of a strip are even steps apart, the first two stand for all.
    Steps,
}

impl Leaf {
    /// The leaf that says where this one is read.
    pub(super) fn by(&self) -> Option<usize> {
        if let Reading::By(by) = self.reading { Some(by) } else { None }
    }

    /// Whether it is one element of memory, the same for all of `shape`.
    pub(super) fn is_one(&self, shape: &Shape) -> bool {
        let plain = self.reading == Reading::Plain && self.source != Source::Index;
        plain && (0..shape.rank()).all(|d| shape[d] == 1 || !self.varies(d))
    }

    /// Whether it reads other elements at other indices of a dim.
    fn varies(&self, dim: usize) -> bool {
        self.access.layout().is_none_or(|layout| layout.strides()[dim] != 0)
    }
}

/// Where the values of a graph are that were computed by an earlier pass.
pub(super) type Temps = FxHashMap<Id, Temp>;

/// A temporary, and how a value lies in it.
pub(super) struct Temp {
    pub(super) index: usize,
    pub(super) layout: Layout,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Source {
    /// Index in [`Graph::buffers`].
    Buffer(usize),
    /// The temporary of this index: the result of an earlier reduction.
    Temp(usize),
    /// No memory: each element is its own position, as an i32.
    Index,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Constant {
    /// Index in [`Graph::scalars`].
    Scalar(usize),
    One,
}

/// The loop that an instruction runs.
#[derive(Clone, Copy)]
pub(super) enum Call {
    One(Loop),
    /// Writes the results of this instruction and of the next two, which are the last.
    Moments(Moments),
    /// None: the `Moments` before it has already written this result.
    Placeholder,
    /// An index looked at, and counted from the start of its dim.
    Bounded(Bounds),
    /// The product of what lies in memory and a scale that is 1 unless numbers are very large or small: where it is, the
    /// product is what lies there.
    Scaled(Loop),
}

/// Where the result of an instruction goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The strip of scratch memory of this number.
    Register(usize),
    /// Beside the constants, by number: it is one element, and the same for all strips.
    Single(usize),
}

#[derive(Clone)]
pub(super) struct Instruction {
    pub(super) call: Call,
    pub(super) args: SmallVec<[Index; 3]>,
    /// Where the result goes, unless it is written straight to where output `output` belongs.
    pub(super) to: Place,
    pub(super) output: Option<usize>,
    /// Whether a later instruction reads the result.
    pub(super) is_read: bool,
    /// Bytes of an element of the result.
    pub(super) size: usize,
}

impl Region {
    /// The leaf that is the only output as it stands.
    pub(super) fn plain(&self) -> Option<&Leaf> {
        self.leaves
            .get(self.outputs[0])
            .filter(|leaf| self.outputs.len() == 1 && leaf.dtype == self.dtypes[0] && leaf.by().is_none())
    }

    /// The last instruction that reads buffer `buffer` of the graph, if one does.
    pub(super) fn last_read(&self, buffer: usize) -> Option<usize> {
        self.last_reads.get(buffer).copied().flatten()
    }

    /// Bytes of memory that it reads, counting each element once.
    pub(super) fn bytes_read(&self) -> usize {
        let mut views: SmallVec<[(Source, &Layout, DType); 8]> = SmallVec::new();
        for leaf in self.leaves.iter().filter(|leaf| leaf.source != Source::Index && leaf.by().is_none()) {
            let view = (leaf.source, leaf.access.footprint(), leaf.dtype);
            if !views.contains(&view) {
                views.push(view);
            }
        }
        let plain: usize = views.iter().map(|(_, layout, dtype)| layout.touched() * dtype.size()).sum();
        plain + self.leaves.iter().filter(|leaf| leaf.by().is_some()).map(|leaf| self.chosen(leaf)).sum::<usize>()
    }

    /// Bytes of the elements that an index chooses, each as often as it is chosen.
    fn chosen(&self, leaf: &Leaf) -> usize {
        let by = leaf.by().map(|by| &self.leaves[by]);
        let varies = |d: usize| leaf.varies(d) || by.is_some_and(|by| by.varies(d));
        let dims = self.shape.iter().enumerate().filter(|&(d, _)| varies(d));
        dims.map(|(_, &n)| n).product::<usize>() * leaf.dtype.size()
    }

    /// The dims along which it is the same everywhere.
    pub(super) fn constant_dims(&self) -> SmallVec<[usize; 4]> {
        // In a dim without elements there is no index 0.
        let is_constant = |&d: &usize| self.shape[d] > 0 && !self.leaves.iter().any(|leaf| leaf.varies(d));
        (0..self.shape.rank()).filter(is_constant).collect()
    }

    /// Bytes of all outputs.
    pub(super) fn bytes(&self) -> usize {
        self.dtypes.iter().map(|dtype| self.shape.numel() * dtype.size()).sum()
    }

    /// The same region at index 0 of `dims`.
    pub(super) fn narrowed(mut self, dims: &[usize]) -> Self {
        for leaf in &mut self.leaves {
            leaf.access = dims.iter().fold(leaf.access.clone(), |access, &d| access.narrow(d, 0, 1));
        }
        self.shape = self.shape.with_ones(dims);
        self
    }
}
