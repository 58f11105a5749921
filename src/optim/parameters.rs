//! The parameters that an optimizer changes.

use crate::Tensor;

/// The parameters of an optimizer, or of one of its groups: tensors, [`Params`](crate::Params), or a selection of them.
///
/// Made by `From`: `Adam::new(&[&w, &b])`, `Adam::new(&params)`.
#[derive(Clone, Debug)]
pub struct Parameters {
    pub(crate) blocks: Vec<Block>,
}

/// Parameters in one tensor, updated together.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// The only parameter, or the flat tensor that several are packed in.
    pub(crate) whole: Tensor,
    pub(crate) parts: Vec<Part>,
}

/// Start and length, in elements of their block, of consecutive parts.
pub(super) fn span(parts: &[Part]) -> (usize, usize) {
    let (first, last) = (&parts[0], &parts[parts.len() - 1]);
    (first.start, last.start + last.tensor.numel() - first.start)
}

/// A named parameter of a block.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Empty until an optimizer names the tensor by its number.
    pub(crate) name: String,
    pub(crate) tensor: Tensor,
    /// Index of its first element in the block.
    pub(crate) start: usize,
    /// Whether steps leave it unchanged.
    pub(crate) frozen: bool,
}

impl Block {
    fn single(tensor: &Tensor) -> Self {
        let part = Part { name: String::new(), tensor: tensor.clone(), start: 0, frozen: false };
        Self { whole: tensor.clone(), parts: vec![part] }
    }

    /// A block of some consecutive parts of this one.
    pub(crate) fn of(&self, parts: &[Part]) -> crate::Result<Self> {
        let (start, len) = span(parts);
        let whole = self.whole.narrow(0, start, len)?;
        let parts = parts.iter().map(|part| Part { start: part.start - start, ..part.clone() }).collect();
        Ok(Self { whole, parts })
    }

    /// The elements of `flat`, a tensor laid out as this block, that belong to consecutive parts. Those of a single
    /// part have the parameter's shape.
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
