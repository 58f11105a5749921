//! Evaluation: from expressions to new tensors on a device.

use std::sync::Arc;

use crate::expr::graph::Graph;
use crate::{Device, Element, Error, Expr, Result, Tensor};

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
        self.eval_graph("eval", &graph, &device)
    }

    /// Evaluates the expression on a device: where an expression without tensors says nothing of one, or where it must
    /// be this one.
    ///
    /// ```
    /// use hadamard::{Device, Expr};
    /// let device = Device::cpu();
    /// assert_eq!(Expr::arange(3).eval_on(&device)?.to_vec::<i64>()?, [0, 1, 2]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval); [`Error::DeviceMismatch`] if it reads tensors of another device.
    pub fn eval_on(&self, device: &Device) -> Result<Tensor> {
        self.check()?;
        let graph = self.graph()?;
        require_on("eval_on", &graph, device)?;
        self.eval_graph("eval_on", &graph, device)
    }

    /// The elements of the result in row-major order: [`eval`](Self::eval), then [`Tensor::to_vec`].
    ///
    /// ```
    /// use hadamard::{Device, Tensor};
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0], [2], &Device::cpu())?;
    /// assert_eq!((&x * 2.0).to_vec::<f32>()?, [2.0, 4.0]);
    /// # Ok::<(), hadamard::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval) and [`Tensor::to_vec`].
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.eval()?.to_vec()
    }

    /// The one element of a result that has one, whatever its rank: [`eval`](Self::eval), then [`Tensor::item`].
    ///
    /// # Errors
    ///
    /// As [`eval`](Self::eval) and [`Tensor::item`].
    pub fn item<T: Element>(&self) -> Result<T> {
        self.eval()?.item()
    }

    fn eval_graph(&self, op: &'static str, graph: &Graph, device: &Device) -> Result<Tensor> {
        let out = Tensor::empty(op, self.shape().clone(), self.dtype(), device)?;
        device.backend().run(op, graph, std::slice::from_ref(&out))?;
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
    let Some(first) = graph.buffers.first() else {
        return Ok(None);
    };
    let device = Device::of(&first.0);
    require_on(op, graph, &device)?;
    Ok(Some(device))
}

/// An error unless every tensor read is on the device.
pub(super) fn require_on(op: &'static str, graph: &Graph, device: &Device) -> Result<()> {
    match graph.buffers.iter().find(|(storage, _)| !device.backend().owns(storage)) {
        None => Ok(()),
        Some((storage, _)) => Err(mismatch(op, device, &Device::of(storage))),
    }
}

pub(super) fn mismatch(op: &'static str, expected: &Device, found: &Device) -> Error {
    Error::DeviceMismatch { op, expected: expected.to_string(), found: found.to_string() }
}
