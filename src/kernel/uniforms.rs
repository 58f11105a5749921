//! The uniforms of a launch: the numbers passed to its kernel, and the arithmetic behind them.

use crate::base::dtype::only_stored;
use crate::base::layout::Strides;
use crate::{DType, Scalar};

/// The head of the uniforms. The same fields in the same order stand in `shaders/lib/uniforms.wgsl`.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Head {
    /// Elements of a map; outputs of a reduction.
    pub(crate) n: u32,
    /// Elements reduced into each output.
    pub(crate) n_reduced: u32,
    /// Of those, how many one split takes.
    pub(crate) chunk: u32,
    /// Workgroups along x: they are numbered row by row over two axes.
    pub(crate) grid_x: u32,
    /// Workgroups that together cover the outputs once.
    pub(crate) blocks: u32,
    /// The bits of minus infinity, which WGSL cannot write down.
    pub(crate) minus_infinity: u32,
    /// Always 0; passed in so that no shader compiler can fold it.
    pub(crate) zero: u32,
    /// Splits that take the rows of a part in turn.
    pub(crate) turns: u32,
}

/// What an index below 2³¹ is divided by: a dim's size, with the constants that divide by it with a multiply and a
/// shift. Where a position is taken apart by strides instead, `size` is the stride and `count` the dim's size.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Dim {
    pub(crate) size: u32,
    pub(crate) multiplier: u32,
    pub(crate) shift: u32,
    pub(crate) count: u32,
}

impl Dim {
    /// Granlund and Montgomery, "Division by invariant integers using multiplication" (1994), figure 4.1.
    pub(crate) fn new(size: u32) -> Self {
        let divisor = u64::from(size.max(1));
        let shift = divisor.next_power_of_two().trailing_zeros();
        let multiplier = ((1_u64 << 32) * ((1_u64 << shift) - divisor) / divisor + 1) as u32;
        Self { size, multiplier, shift, count: size }
    }

    /// What `divide` of `lib/index.wgsl` computes.
    #[cfg(test)]
    fn divide(self, index: u32) -> u32 {
        let high = (u64::from(index) * u64::from(self.multiplier)) >> 32;
        (high as u32).wrapping_add(index) >> self.shift
    }
}

/// One entry of the operand table: offset, then strides. A negative stride wraps, and so does the sum, back to where
/// it should be.
pub(crate) fn stage_words(offset: usize, strides: &Strides, words: usize) -> Vec<u32> {
    let mut entry = vec![offset as u32];
    entry.extend(strides.iter().map(|&s| s as u32));
    entry.resize(words, 0);
    entry
}

/// Writes a number as the uniforms hold it: in one word, or for i64 and f64 in two, the lower one first.
pub(crate) fn write_scalar(value: Scalar, dtype: DType, words: &mut [u32]) {
    match dtype {
        DType::Bool => words[0] = u32::from(value.to_bool()),
        DType::I32 => words[0] = value.to_i64() as u32,
        DType::I64 => in_two(value.to_i64() as u64, words),
        DType::F64 => in_two(value.to_f64().to_bits(), words),
        DType::F32 => words[0] = (value.to_f64() as f32).to_bits(),
        only_stored!() => {
            unreachable!("numbers have a dtype that arithmetic is done in")
        }
    }
}

fn in_two(bits: u64, words: &mut [u32]) {
    (words[0], words[1]) = (bits as u32, (bits >> 32) as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplying_and_shifting_divides() {
        let edges = [0, 1, 2, 3, 5, 6, 7, 9, 64, 100, 641, 65_535, 65_536, 1_000_003, (1 << 30) + 1, (1 << 31) - 1];
        for &size in &edges[1..] {
            let dim = Dim::new(size);
            for &index in &edges {
                for index in [index, index.saturating_sub(1), (index / size) * size] {
                    assert_eq!(dim.divide(index), index / size, "{index} / {size}");
                }
            }
        }
    }
}
