//! The parameters that an optimizer changes.

use std::ops::Range;

use crate::{Error, Tensor};

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

    /// A block for each part.
    pub(super) fn apart(self) -> Vec<Self> {
        let alone = |part: Part| Self { whole: part.tensor.clone(), parts: vec![Part { start: 0, ..part }] };
        self.parts.into_iter().map(alone).collect()
    }

    /// A block of some consecutive parts of this one, with the gaps after them.
    pub(crate) fn of(&self, parts: Range<usize>) -> crate::Result<Self> {
        let (start, len) = self.span(&parts);
        let whole = self.whole.narrow(0, start, len)?;
        let parts = self.parts[parts].iter().map(|part| Part { start: part.start - start, ..part.clone() }).collect();
        Ok(Self { whole, parts })
    }

    /// Start and length, in elements, of consecutive parts and the gaps after them.
    pub(super) fn span(&self, parts: &Range<usize>) -> (usize, usize) {
        let start = self.parts[parts.start].start;
        let end = self.parts.get(parts.end).map_or(self.whole.numel(), |next| next.start);
        (start, end - start)
    }

    /// The elements of `flat`, a tensor laid out as this block, that belong to consecutive parts. Those of a single
    /// part have the parameter's shape; those of several are in a row, with the gaps between and after them.
    pub(crate) fn view(&self, flat: &Tensor, parts: &Range<usize>) -> crate::Result<Tensor> {
        if self.is_single() {
            return Ok(flat.clone());
        }
        let (start, len) = self.span(parts);
        match &self.parts[parts.clone()] {
            [part] => flat.narrow(0, start, part.tensor.numel())?.reshape(part.tensor.shape().clone()),
            _ => flat.narrow(0, start, len),
        }
    }

    /// Whether this is a parameter by itself, and not a buffer that parameters are packed in.
    pub(super) fn is_single(&self) -> bool {
        self.whole.shape() == self.parts[0].tensor.shape() && self.parts.len() == 1
    }

    /// Which elements belong to a parameter; `None` if all do.
    pub(super) fn elements(&self) -> crate::Result<Option<Tensor>> {
        let n = self.whole.numel();
        if self.parts.iter().map(|part| part.tensor.numel()).sum::<usize>() == n {
            return Ok(None);
        }
        let mut all = vec![false; n];
        for part in &self.parts {
            all[part.start..part.start + part.tensor.numel()].fill(true);
        }
        Tensor::from_slice(&all, [n], &self.whole.device()).map(Some)
    }
}

/// Two parameters, by their names, that share memory: tied weights, or one listed twice.
pub(super) fn share_memory(op: &'static str, first: &str, second: &str) -> Error {
    let found = format!("'{first}' and '{second}' that share it (tied weights are one parameter: list it once)");
    Error::argument(op, "parameters with memory of their own", found)
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

impl<const N: usize> From<&[Tensor; N]> for Parameters {
    fn from(tensors: &[Tensor; N]) -> Self {
        Self::from(&tensors[..])
    }
}

impl From<&Vec<Tensor>> for Parameters {
    fn from(tensors: &Vec<Tensor>) -> Self {
        Self::from(&tensors[..])
    }
}

impl From<&Vec<&Tensor>> for Parameters {
    fn from(tensors: &Vec<&Tensor>) -> Self {
        Self::from(&tensors[..])
    }
}

impl From<&[Tensor]> for Parameters {
    fn from(tensors: &[Tensor]) -> Self {
        Self { blocks: tensors.iter().map(Block::single).collect() }
    }
}
