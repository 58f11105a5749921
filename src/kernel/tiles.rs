//! What a kernel of a matrix product is: where it keeps what it has fetched, and how much of it.

use crate::DType;

/// A matrix product: `shaders/contract.wgsl`, or `contract_registers.wgsl`. Operands are both factors and the result; dims
/// are those of the batch, rows, columns, and the summed one; and of tiles in registers, those that lie side by side.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Contract {
    /// Collapsed dims of the batch.
    pub(crate) batch_rank: usize,
    pub(crate) dtype: DType,
    /// For each factor, whether neighbouring invocations fetch neighbouring terms, not neighbouring rows or columns; of tiles
    /// in registers, whether its vectors lie along the terms.
    pub(crate) terms_first: [bool; 2],
    pub(crate) tiles: Tiles,
}

/// Where a matrix product keeps what it has fetched of the factors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Tiles {
    /// In workgroup memory, a tile for all invocations, each of which owns `parts` by `parts` squares of 4 by 4 outputs.
    Shared { parts: u32 },
    /// In registers, a tile for each invocation. Whether those of a workgroup are one subgroup and have the same rows: then
    /// each fetches one row for all of them.
    Registers { broadcast: bool },
}

/// Rows and columns of a tile in registers.
pub(crate) const TILE: u32 = 8;

/// The side of the square of outputs that a workgroup of a matrix product owns, each invocation `parts` by `parts` squares
/// of 4 by 4 of them.
pub(crate) const fn side(workgroup: u32, parts: u32) -> u32 {
    4 * parts * workgroup.isqrt()
}

/// Terms that a tile in workgroup memory holds at a time: so many that two tiles, the larger of which are twice as high and
/// wide, are 9 KiB at most, whatever the dtype.
pub(crate) const fn depth(dtype: DType, parts: u32) -> u32 {
    16 * 4 / (parts * dtype.size() as u32)
}
