//! Evaluation: from expressions to new tensors on a device.

use std::sync::Arc;

use crate::expr::graph::Graph;
use crate::{Device, Error, Expr, Result, Tensor};

impl Expr {
    /// Evaluates the expression into a new tensor, in as few passes over memory as it needs.
    ///
    /// An expression without tensors is evaluated on the CPU. One with no elements gives a tensor with none.
    ///
    /// # Errors
    ///
    /// The mistake the expression carries, if any; [`Error::DeviceMismatch`] if it reads tensors of different
    /// devices; what the device reports.
    pub fn eval(&self) -> Result<Tensor> {
        self.check()?;
        let graph = self.graph()?;
        let device = device_of("eval", &graph)?.unwrap_or_else(Device::cpu);
        let out = Tensor::empty("eval", self.shape().clone(), self.dtype(), &device)?;
        device.backend().run("eval", &graph, std::slice::from_ref(&out))?;
        Ok(out)
    }

    /// What evaluating this expression alone needs, worked out at the first call and kept.
    pub(super) fn graph(&self) -> Result<Arc<Graph>> {
        if let Some(graph) = self.0.graph.get() {
            return Ok(graph.clone());
        }
        let graph = Arc::new(Graph::new(&[(self, self.dtype())])?);
        Ok(self.0.graph.get_or_init(|| graph).clone())
    }
}

/// Evaluates several expressions together: what they share is read and computed once.
///
/// ```
/// use hadamard::{Device, Tensor, eval_all};
/// let x = Tensor::from_slice(&[3.0_f32, 4.0], [2], &Device::cpu())?;
/// let results = eval_all(&[x.square(), x.square().sum(..)])?;
/// assert_eq!(results[0].to_vec::<f32>()?, [9.0, 16.0]);
/// assert_eq!(results[1].item::<f32>()?, 25.0);
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// As [`Expr::eval`]; nothing is returned unless everything succeeds.
pub fn eval_all<E: Clone + Into<Expr>>(exprs: &[E]) -> Result<Vec<Tensor>> {
    let exprs: Vec<Expr> = exprs.iter().map(|e| e.clone().into()).collect();
    let pairs: Vec<_> = exprs.iter().map(|e| (e, e.dtype())).collect();
    let graph = Graph::new(&pairs)?;
    let device = device_of("eval_all", &graph)?.unwrap_or_else(Device::cpu);
    let outs = exprs
        .iter()
        .map(|e| Tensor::empty("eval_all", e.shape().clone(), e.dtype(), &device))
        .collect::<Result<Vec<_>>>()?;
    device.backend().run("eval_all", &graph, &outs)?;
    Ok(outs)
}

/// The one device of every tensor read, or `None` if none is.
pub(super) fn device_of(op: &'static str, graph: &Graph) -> Result<Option<Device>> {
    let Some((first, rest)) = graph.buffers.split_first() else {
        return Ok(None);
    };
    let device = Device::of(&first.0);
    for (storage, _) in rest {
        if !device.backend().owns(storage) {
            return Err(mismatch(op, &device, &Device::of(storage)));
        }
    }
    Ok(Some(device))
}

pub(super) fn mismatch(op: &'static str, expected: &Device, found: &Device) -> Error {
    Error::DeviceMismatch { op, expected: expected.to_string(), found: found.to_string() }
}
