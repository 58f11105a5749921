//! What a kernel is: everything that changes its text, and nothing else.
//!
//! Shapes, strides, offsets and numbers are passed in the uniforms, so a new shape or learning rate compiles nothing.

use crate::DType;
use crate::expr::graph::Fold;
pub(crate) use crate::kernel::code::{Code, Inst, Line};
pub(crate) use crate::kernel::tiles::{Contract, TILE, Tiles, depth, side};

/// The text of a kernel, before it is text. Two launches with equal specs share a pipeline.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Spec {
    pub(crate) kernel: Kernel,
    /// Neighbouring elements an invocation takes at a step: 1 or 4.
    pub(crate) width: u32,
    /// Invocations in a workgroup.
    pub(crate) workgroup: u32,
    /// The storage buffers, from binding 1 on.
    pub(crate) bindings: Vec<Binding>,
    pub(crate) operands: Vec<Operand>,
    /// Words of the scalars passed to it; an f64 takes two.
    pub(crate) n_scalars: usize,
    /// Whether drivers may simplify floats as if there were no NaN, infinity or rounding.
    pub(crate) fast_math: bool,
    /// Whether an i64 is the device's own: else it is two words. False where there is none.
    pub(crate) native_i64: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kernel {
    Map(Map),
    Reduce(Reduce),
    Scan(Scan),
    Sort(Sort),
    Segments(Segments),
    Contract(Contract),
}

/// Elementwise work: `shaders/map.wgsl`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Map {
    /// Collapsed dims of the domain.
    pub(crate) rank: usize,
    /// Loads, arithmetic, stores.
    pub(crate) body: Code,
    /// Whether the last `width` elements run over the end, so that stores must check. Masked stores are dear where a
    /// branch does not skip them, as on llvmpipe.
    pub(crate) tail: bool,
}

/// One or several reductions over one domain: `shaders/reduce_*.wgsl`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Reduce {
    pub(crate) strategy: Strategy,
    /// Invocations of a workgroup that share an output.
    pub(crate) lanes: u32,
    /// Groups of `width` neighbouring columns that an invocation of `Outer` owns; rows that one of `Rows` owns.
    pub(crate) groups: u32,
    /// Steps of a walk that are added to each other before they join the rest: 4, 2 or 1.
    pub(crate) at_once: u32,
    /// Collapsed dims that are kept.
    pub(crate) kept_rank: usize,
    /// Collapsed dims that are reduced.
    pub(crate) reduced_rank: usize,
    /// Loads and arithmetic; its results are what is reduced.
    pub(crate) body: Code,
    /// For each result of the body, how it is reduced and in which dtype.
    pub(crate) folds: Vec<(Fold, DType)>,
    /// What is computed from the reduced values, and stored.
    pub(crate) epilogue: Code,
    /// As in [`Map::tail`]: of outputs, or where rows lie in runs of memory, of what is stored of their elements.
    pub(crate) tail: bool,
    /// Whether rows are split over workgroups, each of which stores a partial result.
    pub(crate) split: bool,
    /// Whether the lanes of a row are in one subgroup, and exchange results there.
    pub(crate) subgroups: bool,
}

/// Which kernel reduces. They differ in what lies together in memory, and so in what an invocation owns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Strategy {
    /// Neighbouring outputs: an invocation owns columns and walks down the rows.
    Outer,
    /// Neighbouring reduced elements: invocations share a row and walk along it.
    Inner,
    /// The same where rows are a few vectors long: an invocation owns four rows.
    Rows,
}

/// A scan: `shaders/scan_*.wgsl`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Scan {
    /// Its walk, which is that of a reduction over one dim, by one fold. The epilogue is computed from the results at every
    /// element.
    pub(crate) walk: Reduce,
    /// Whether an element is left out of its own result.
    pub(crate) exclusive: bool,
    /// The operand that holds what each part of a row begins with, if rows are split.
    pub(crate) carry: Option<usize>,
}

/// A pass of a sort along rows: `shaders/sort_*.wgsl`. Operands are the elements and their places, if these are read, for
/// `Scatter` the sums of all counts, then the elements and their places, if these are written; for `Count`, the counts. The
/// first dim is that of a row of results: `size` of them, of ranks from `count` on. The second, where digits are taken, says
/// which: from bit `size` of an element's order on, its bits turned round where `count` has some. The third is that of all
/// groups of tiles of a row: `size` of them, of which `count` come before those that are read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each says what a pass does, whatever the others say")]
pub(crate) struct Sort {
    pub(crate) pass: SortPass,
    /// i32, i64, f32 or f64.
    pub(crate) dtype: DType,
    pub(crate) descending: bool,
    /// Whether places are read. Else an element's place is where it lies.
    pub(crate) placed: bool,
    /// Whether elements are written, and whether places are.
    pub(crate) values: bool,
    pub(crate) places: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum SortPass {
    /// Each workgroup sorts a block.
    Blocks,
    /// Two sorted runs become one.
    Merge,
    /// How many elements of each tile have which digit.
    Count(Tile),
    /// Elements go to where those of their digit are.
    Scatter(Tile),
}

/// What a workgroup sorts by a digit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tile {
    /// Bits of a digit: 8 or 4.
    pub(crate) bits: u32,
    /// Elements of each invocation, of which the tile has 65,536 at most: 8 at least.
    pub(crate) items: u32,
}

/// Elements that an invocation of a merge writes.
pub(crate) const MERGED: u32 = 8;

/// A level of a reduction of segments: `shaders/segments.wgsl`. Operands are the destinations in their order; of the first
/// level the places they stood at; what is folded, the result, and unless it is the last what it leaves to the next. Dims are
/// those of a row, of the destinations, and the first and the number of those that the result shows.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Segments {
    pub(crate) fold: Fold,
    pub(crate) dtype: DType,
    /// Whether it is the first level.
    pub(crate) first: bool,
    pub(crate) last: bool,
}

/// Rows that an invocation of a reduction of segments folds.
pub(crate) const PIECE: u32 = 32;

impl Kernel {
    /// The name of its file in `shaders/`.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Map(_) => "map",
            Self::Reduce(Reduce { strategy: Strategy::Outer, .. }) => "reduce_outer",
            Self::Reduce(Reduce { strategy: Strategy::Inner, .. }) => "reduce_inner",
            Self::Reduce(Reduce { strategy: Strategy::Rows, .. }) => "reduce_rows",
            Self::Scan(Scan { walk: Reduce { strategy: Strategy::Inner, .. }, .. }) => "scan_inner",
            Self::Scan(_) => "scan_outer",
            Self::Sort(Sort { pass: SortPass::Blocks, .. }) => "sort_blocks",
            Self::Sort(Sort { pass: SortPass::Merge, .. }) => "sort_merge",
            Self::Sort(Sort { pass: SortPass::Count(_), .. }) => "sort_count",
            Self::Sort(Sort { pass: SortPass::Scatter(_), .. }) => "sort_scatter",
            Self::Segments(_) => "segments",
            Self::Contract(Contract { tiles: Tiles::Shared { .. }, .. }) => "contract",
            Self::Contract(Contract { tiles: Tiles::Registers { .. }, .. }) => "contract_registers",
        }
    }

    /// Dims that the uniforms begin with: those of the domain.
    pub(crate) const fn rank(&self) -> usize {
        match self {
            Self::Map(map) => map.rank,
            Self::Reduce(reduce) | Self::Scan(Scan { walk: reduce, .. }) => reduce.kept_rank + reduce.reduced_rank,
            Self::Sort(Sort { pass: SortPass::Count(_) | SortPass::Scatter(_), .. }) => 3,
            Self::Sort(_) => 1,
            Self::Segments(_) => 4,
            Self::Contract(Contract { batch_rank, tiles: Tiles::Shared { .. }, .. }) => *batch_rank + 3,
            Self::Contract(Contract { batch_rank, tiles: Tiles::Registers { .. }, .. }) => *batch_rank + 4,
        }
    }

    /// The code it runs, if that is not fixed: a body, and for a reduction an epilogue.
    pub(crate) fn codes(&self) -> impl Iterator<Item = &Code> {
        let (body, epilogue) = match self {
            Self::Map(map) => (Some(&map.body), None),
            Self::Reduce(reduce) | Self::Scan(Scan { walk: reduce, .. }) => {
                (Some(&reduce.body), Some(&reduce.epilogue))
            }
            Self::Sort(_) | Self::Segments(_) | Self::Contract(_) => (None, None),
        };
        body.into_iter().chain(epilogue)
    }

    /// The same, to be altered.
    pub(crate) fn codes_mut(&mut self) -> impl Iterator<Item = &mut Code> {
        let (body, epilogue) = match self {
            Self::Map(map) => (Some(&mut map.body), None),
            Self::Reduce(reduce) | Self::Scan(Scan { walk: reduce, .. }) => {
                (Some(&mut reduce.body), Some(&mut reduce.epilogue))
            }
            Self::Sort(_) | Self::Segments(_) | Self::Contract(_) => (None, None),
        };
        body.into_iter().chain(epilogue)
    }

    /// The reductions it does.
    pub(crate) fn folds(&self) -> Vec<Fold> {
        match self {
            Self::Map(_) | Self::Sort(_) => vec![],
            Self::Reduce(reduce) | Self::Scan(Scan { walk: reduce, .. }) => {
                reduce.folds.iter().map(|fold| fold.0).collect()
            }
            Self::Segments(segments) => vec![segments.fold],
            Self::Contract(_) => vec![Fold::Sum],
        }
    }

    /// Whether invocations exchange values within subgroups.
    pub(crate) const fn has_subgroups(&self) -> bool {
        match self {
            Self::Reduce(reduce) => reduce.subgroups,
            Self::Contract(Contract { tiles: Tiles::Registers { broadcast }, .. }) => *broadcast,
            Self::Map(_) | Self::Scan(_) | Self::Sort(_) | Self::Segments(_) | Self::Contract(_) => false,
        }
    }

    /// Whether stores must check for the end.
    pub(crate) const fn tail(&self) -> bool {
        match self {
            Self::Map(map) => map.tail,
            Self::Reduce(reduce) | Self::Scan(Scan { walk: reduce, .. }) => reduce.tail,
            Self::Sort(_) | Self::Segments(_) | Self::Contract(_) => false,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Binding {
    pub(crate) dtype: DType,
    /// Whether every access takes four neighbours at an aligned place, so that they are one load.
    pub(crate) wide: bool,
    /// Whether four neighbours are two loads of 64 bits instead.
    pub(crate) pairs: bool,
    pub(crate) write: bool,
}

/// One view of a buffer that the kernel reads or writes.
///
/// An invocation takes a *group* of `width` neighbouring elements of the domain at a step, `i` to `i + 3`. `order` says
/// how the position `p` of the first one is computed, `mode` how the group is found from there. With `x` a contiguous
/// f32 tensor `[64, 48]`, `row` one of `[48]`, `column` one of `[64, 1]`, and a width of 4:
///
/// | expression | operand | order | mode | what is loaded |
/// | --- | --- | --- | --- | --- |
/// | `x * 2` | `x` | `Identity`: `p = i` | `Vec` | `b[i >> 2]`, a `vec4` |
/// | `x[1..] * 2` | `x` | `Linear`: `p = offset + i` | `Vec` | `b[p >> 2]` |
/// | `x * row` | `row` | `Strided`: `p = offset + c0 * stride0 + …` | `Vec` | `b[p >> 2]` |
/// | `x * column` | `column` | `Strided` | `Splat` | `b[p]`, once for all four |
/// | `x[:, 3..43] + 1` | `x` | `Strided` | `Step` | `b[p]`, `b[p + stride]`, … |
/// | `y[:, :47] * row[:47]`, in f16 | `row` | `Strided` | `Each` | `b[place(i)]`, `b[place(i + 1)]`, … |
/// | `bytes[1..51] = …`, patched in | the new bytes | `Strided` | `Found` | `b[find(i)]`, `b[find(i + 1)]`, … |
///
/// `Each` is for groups that run over the end of a row: packed results are always written four at a time. With a width
/// of 1 the mode is `Step`. An operand whose view has several stages is placed element by element, whatever its mode.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Operand {
    /// Of no meaning for an operand of [`Inst::Index`].
    pub(crate) binding: usize,
    pub(crate) dtype: DType,
    pub(crate) mode: Mode,
    pub(crate) order: Order,
    /// Ranks of the stages after the first, for a view that strides cannot express.
    pub(crate) stages: Vec<usize>,
}

/// How the position of an operand's first element is computed. Examples are at [`Operand`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Order {
    /// From coordinates and strides.
    Strided,
    /// From an offset and the index: elements lie in the order of the domain.
    Linear,
    /// It is the index.
    Identity,
}

/// How the elements of a group are found. Examples are at [`Operand`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Mode {
    /// In a row at an aligned place: one load.
    Vec,
    /// All are the same element.
    Splat,
    /// A fixed step apart.
    Step,
    /// Each by its own coordinates.
    Each,
    /// Each by searching another view for its position, which may not be in that view. The domain is memory that the
    /// other view is part of; elements are read by their number in that view, which the second stage describes.
    Found,
}

/// Words of the uniforms before the dims.
pub(crate) const HEAD_WORDS: usize = 8;
/// Words of a dim: size, the two constants that divide by it, and a count.
pub(crate) const DIM_WORDS: usize = 4;

impl Spec {
    /// Whether there are values of `dtype` in the kernel, or in what it binds.
    pub(crate) fn has(&self, dtype: DType) -> bool {
        let computed = || self.kernel.codes().flat_map(|code| &code.lines).any(|line| line.dtype == dtype);
        self.operands.iter().any(|operand| operand.dtype == dtype) || computed()
    }

    /// Whether it looks at indices, and binds the marks of those out of bounds after everything else.
    pub(crate) fn has_marks(&self) -> bool {
        self.kernel.codes().flat_map(|code| &code.lines).any(|line| matches!(line.inst, Inst::Bounded { .. }))
    }

    /// Words an operand's offset and strides take, rounded up to whole `vec4u`s.
    pub(crate) fn operand_words(&self) -> usize {
        let deepest = self.operands.iter().flat_map(|o| &o.stages).copied().max().unwrap_or(0);
        (1 + deepest.max(self.kernel.rank())).next_multiple_of(4)
    }

    /// Entries of the operand table: one for each stage of each operand.
    pub(crate) fn n_stages(&self) -> usize {
        self.operands.iter().map(|o| 1 + o.stages.len()).sum()
    }

    /// Position in the operand table of an operand's first stage.
    pub(crate) fn first_stage(&self, operand: usize) -> usize {
        self.operands[..operand].iter().map(|o| 1 + o.stages.len()).sum()
    }

    /// Dims in the uniforms: those of the domain, then those of later stages.
    pub(crate) fn n_dims(&self) -> usize {
        self.first_stage_dim(self.operands.len())
    }

    /// Position in the dims of the uniforms of an operand's second stage.
    pub(crate) fn first_stage_dim(&self, operand: usize) -> usize {
        self.kernel.rank() + self.operands[..operand].iter().flat_map(|o| &o.stages).sum::<usize>()
    }

    /// Word of the uniforms where the operand table begins.
    pub(crate) fn operands_at(&self) -> usize {
        HEAD_WORDS + self.n_dims().max(1) * DIM_WORDS
    }

    /// Word of the uniforms where the scalars begin.
    pub(crate) fn scalars_at(&self) -> usize {
        self.operands_at() + self.n_stages().max(1) * self.operand_words()
    }

    /// Size of the uniforms, in words.
    pub(crate) fn uniform_words(&self) -> usize {
        self.scalars_at() + self.n_scalars.max(1).next_multiple_of(4)
    }
}
