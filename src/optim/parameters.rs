//! What an optimizer changes.

use crate::Tensor;

/// The parameters of an optimizer, or of one of its groups: tensors, [`Params`](crate::Params), or a selection of them.
///
/// Made by `From`: `Adam::new(&[&w, &b])`, `Adam::new(&params)`.
#[derive(Clone, Debug)]
pub struct Parameters {
    pub(crate) blocks: Vec<Block>,
}

/// Parameters that lie in one tensor and are updated together.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The one parameter, or the memory several are packed in, of rank 1.
    pub(crate) whole: Tensor,
    pub(crate) parts: Vec<Part>,
}

/// Where some parts in a row begin in their block, and how many elements they reach over.
pub(super) fn span(parts: &[Part]) -> (usize, usize) {
    let (first, last) = (&parts[0], &parts[parts.len() - 1]);
    (first.start, last.start + last.tensor.numel() - first.start)
}

/// A named parameter of a block.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Empty for a tensor without a name, which gets its number.
    pub(crate) name: String,
    pub(crate) tensor: Tensor,
    /// Where in the block it begins.
    pub(crate) start: usize,
    /// Whether it is left as it is.
    pub(crate) frozen: bool,
}

impl Block {
    fn single(tensor: &Tensor) -> Self {
        let part = Part { name: String::new(), tensor: tensor.clone(), start: 0, frozen: false };
        Self { whole: tensor.clone(), parts: vec![part] }
    }

    /// A block of some of the parts, which lie in a row.
    pub(crate) fn of(&self, parts: &[Part]) -> crate::Result<Self> {
        let (start, len) = span(parts);
        let whole = self.whole.narrow(0, start, len)?;
        let parts = parts.iter().map(|part| Part { start: part.start - start, ..part.clone() }).collect();
        Ok(Self { whole, parts })
    }

    /// The part of `flat`, a tensor laid out as this block, that belongs to some parts in a row: with the parameter's
    /// shape if it is one.
    pub(crate) fn view(&self, flat: &Tensor, parts: &std::ops::Range<usize>) -> crate::Result<Tensor> {
        let parts = &self.parts[parts.clone()];
        let shape = parts[0].tensor.shape();
        if self.whole.shape() == shape {
            return Ok(flat.clone());
        }
        let (start, len) = span(parts);
        let range = flat.narrow(0, start, len)?;
        if parts.len() == 1 { range.reshape(shape.clone()) } else { Ok(range) }
    }
}

impl From<&Tensor> for Parameters {
    fn from(tensor: &Tensor) -> Self {
        Self { blocks: vec![Block::single(tensor)] }
    }
}

impl From<&[&Tensor]> for Parameters {
    fn from(tensors: &[&Tensor]) -> Self {
        Self { blocks: tensors.iter().map(|tensor| Block::single(tensor)).collect() }
    }
}

impl<const N: usize> From<&[&Tensor; N]> for Parameters {
    fn from(tensors: &[&Tensor; N]) -> Self {
        Self::from(&tensors[..])
    }
}

impl From<&[Tensor]> for Parameters {
    fn from(tensors: &[Tensor]) -> Self {
        Self { blocks: tensors.iter().map(Block::single).collect() }
    }
}
