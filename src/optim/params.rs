//! Named parameters packed into one buffer.

use super::parameters::{Block, Parameters, Part, share_memory};
use crate::run::assign::overlap;
use crate::{DType, Error, Result, Tensor};

const OP: &str = "Params::pack";

/// Named parameters in one flat buffer, each a view of it.
///
/// Whatever their shapes, an optimizer updates all of them in one pass over the buffer. Anything else that treats all
/// elements alike can do the same with `params.flat()`, a single tensor. Each parameter begins at a multiple of 16
/// bytes; the gaps are 0, and an optimizer leaves them so.
///
/// Packing changes no number: hooks, rules and norms mean each parameter in its own shape, and every step is, to the bit,
/// the step of the same parameters by themselves. What does the same to each element is done to the buffer at once;
/// what reduces, views or looks at a shape is done parameter by parameter. A hook may also read a tensor as long as
/// [`flat`](Self::flat): a mask packed as the parameters are, or `flat()` itself.
///
/// ```
/// use hadamard::{DType, Device, Params, Tensor, optim::SGD};
/// let device = Device::cpu();
/// let weight = Tensor::ones([2, 3], DType::F32, &device)?;
/// let bias = Tensor::zeros([3], DType::F32, &device)?;
/// let params = Params::pack(&[("weight", &weight), ("bias", &bias)])?;
/// let grads = params.zeros_like()?;
/// grads.get("bias")?.fill(1.0)?;
///
/// let mut sgd = SGD::new(&params).lr(0.5);
/// sgd.step(&[grads.flat()])?; // one launch
/// assert_eq!(params.get("bias")?.to_vec::<f32>()?, [-0.5; 3]);
/// assert_eq!(params.get("weight")?.to_vec::<f32>()?, [1.0; 6]);
/// # Ok::<(), hadamard::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Params {
    block: Block,
}

impl Params {
    /// Copies tensors, in this order, into one new buffer.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if there are none, if two have the same name or share memory, as tied weights do, which packing
    /// would untie (pack them once, and let the loss read them twice), or if they differ in dtype (pack each dtype by itself); [`Error::DeviceMismatch`] if they are on different devices; what the device reports if it has no room.
    pub fn pack(named: &[(&str, &Tensor)]) -> Result<Self> {
        let Some((_, first)) = named.first() else {
            return Err(Error::argument(OP, "at least one parameter", "none"));
        };
        let dtype = first.dtype();
        let mut names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::argument(OP, "a name for each parameter", format!("'{twice}' twice")));
        }
        if let Some((name, other)) = named.iter().find(|(_, tensor)| tensor.dtype() != dtype) {
            let expected = format!("parameters of one dtype, {dtype} as '{}' has", named[0].0);
            return Err(Error::argument(OP, expected, format!("{} of '{name}'", other.dtype())));
        }
        if let Some((first, second)) = overlap(named.iter().map(|(_, tensor)| *tensor)) {
            return Err(share_memory(OP, named[first].0, named[second].0));
        }
        let packed = Self::laid_out(named, dtype)?;
        for (part, (_, tensor)) in packed.block.parts.iter().zip(named) {
            part.tensor.assign(*tensor)?;
        }
        Ok(packed)
    }

    /// A buffer of zeros, with a view for each of `named`, of its shape.
    fn laid_out(named: &[(&str, &Tensor)], dtype: DType) -> Result<Self> {
        let align = 16 / dtype.size();
        let mut end = 0_usize;
        let starts: Vec<usize> = named
            .iter()
            .map(|(_, tensor)| {
                let start = end;
                end = (start + tensor.numel()).next_multiple_of(align);
                start
            })
            .collect();
        let whole = Tensor::zeros([end], dtype, &named[0].1.device())?;
        let parts = named
            .iter()
            .zip(starts)
            .map(|(&(name, tensor), start)| {
                let view = whole.narrow(0, start, tensor.numel())?.reshape(tensor.shape().clone())?;
                Ok(Part { name: name.to_owned(), tensor: view, start, frozen: false })
            })
            .collect::<Result<_>>()?;
        Ok(Self { block: Block { whole, parts } })
    }

    /// Zeros packed as these parameters are, under the same names: for gradients.
    ///
    /// # Errors
    ///
    /// What the device reports if it has no room.
    pub fn zeros_like(&self) -> Result<Self> {
        let named: Vec<(&str, &Tensor)> = self.iter().collect();
        Self::laid_out(&named, self.block.whole.dtype())
    }

    /// The parameter called `name`: a view.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if no parameter has this name.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        let found = self.iter().find(|(n, _)| *n == name).map(|(_, tensor)| tensor);
        found.ok_or_else(|| {
            let names: Vec<&str> = self.iter().take(20).map(|(name, _)| name).collect();
            Error::argument("Params::get", format!("a parameter's name ({}…)", names.join(", ")), format!("'{name}'"))
        })
    }

    /// The parameters with their names, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.block.parts.iter().map(|part| (part.name.as_str(), &part.tensor))
    }

    /// The whole buffer, of rank 1, gaps included: as long as the gradient of a whole block is, and a mask of all
    /// parameters that a hook reads.
    pub fn flat(&self) -> &Tensor {
        &self.block.whole
    }

    /// The parameters whose names `which` picks, for a group of an optimizer. Consecutive ones are updated together.
    ///
    /// ```
    /// use hadamard::{DType, Device, Params, Tensor, optim::AdamW};
    /// # let device = Device::cpu();
    /// # let (w, b) = (Tensor::ones([2, 2], DType::F32, &device)?, Tensor::ones([2], DType::F32, &device)?);
    /// let params = Params::pack(&[("weight", &w), ("bias", &b)])?;
    /// let adam = AdamW::new(params.select(|name| name.contains("weight"))?)
    ///     .weight_decay(0.1)
    ///     .group(params.select(|name| name.contains("bias"))?)
    ///     .weight_decay(0.0);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if it picks none.
    pub fn select(&self, which: impl Fn(&str) -> bool) -> Result<Parameters> {
        let picked: Vec<bool> = self.block.parts.iter().map(|part| which(&part.name)).collect();
        let mut end = 0;
        let runs = picked.chunk_by(|a, b| a == b).map(|run| {
            end += run.len();
            (run[0], end - run.len()..end)
        });
        let runs = runs.filter(|(picked, _)| *picked);
        let blocks = runs.map(|(_, run)| self.block.of(run)).collect::<Result<Vec<_>>>()?;
        if blocks.is_empty() {
            return Err(Error::argument("Params::select", "a name to be picked", "none that is"));
        }
        Ok(Parameters { blocks })
    }
}

/// Refuses `new` as a value of `own`, which is `what`, if it differs in dtype or shape.
pub(crate) fn require_alike(op: &'static str, what: &str, own: &Tensor, new: &Tensor) -> Result<()> {
    if (new.dtype(), new.shape()) == (own.dtype(), own.shape()) {
        return Ok(());
    }
    let expected = format!("{}{} for {what}", own.dtype(), own.shape());
    Err(Error::argument(op, expected, format!("{}{}", new.dtype(), new.shape())))
}

impl From<&Params> for Parameters {
    fn from(params: &Params) -> Self {
        Self { blocks: vec![params.block.clone()] }
    }
}
