//! Evaluation: from expressions to new tensors on a device.

use std::fmt;
use std::sync::Arc;

use super::rebuilt;
use crate::expr::graph::Graph;
use crate::expr::joint;
use crate::{DType, Device, Element, Error, Expr, Result, Shape, Tensor};

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
        if let Some(done) = rebuilt::eval("eval", self) {
            return done;
        }
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
        let graph = Arc::new(eval_graph_of(self)?);
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
    Prepared::new("eval_all", exprs)?.run()
}

/// Works out once what evaluating several expressions together takes. [`Prepared::run`] evaluates them, as
/// [`eval_all`] does, with what their tensors hold then.
///
/// ```
/// use hadamard::{Device, Tensor, prepare};
/// let x = Tensor::from_slice(&[3.0_f32, 4.0], [2], &Device::cpu())?;
/// let both = prepare(&[x.square(), x.square().sum(..)])?;
/// assert_eq!(both.run()?[1].item::<f32>()?, 25.0);
/// x.fill(1.0)?;
/// assert_eq!(both.run()?[1].item::<f32>()?, 2.0);
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// # Errors
///
/// The mistake an expression carries, if any; [`Error::DeviceMismatch`] if they read tensors of different devices.
pub fn prepare<E: Clone + Into<Expr>>(exprs: &[E]) -> Result<Prepared> {
    Prepared::new("prepare", exprs)
}

/// Expressions made ready to be evaluated together, as often as one likes; see [`prepare`].
pub struct Prepared {
    op: &'static str,
    graph: Arc<Graph>,
    device: Device,
    /// The results' shapes and dtypes.
    results: Vec<(Shape, DType)>,
}

impl Prepared {
    fn new<E: Clone + Into<Expr>>(op: &'static str, exprs: &[E]) -> Result<Self> {
        let exprs: Vec<Expr> = exprs.iter().map(|e| e.clone().into()).collect();
        let wanted: Vec<_> = exprs.iter().map(|e| (e, e.dtype(), e.shape())).collect();
        let graph = joint(&wanted, || {
            let pairs: Vec<_> = exprs.iter().map(|e| (e, e.dtype())).collect();
            Graph::new(&pairs).map(Arc::new)
        })?;
        let device = device_of(op, &graph)?.unwrap_or_else(Device::cpu);
        let results = exprs.iter().map(|e| (e.shape().clone(), e.dtype())).collect();
        Ok(Self { op, graph, device, results })
    }

    /// Evaluates the expressions into new tensors, in their order.
    ///
    /// # Errors
    ///
    /// What the device reports; nothing is returned unless everything succeeds.
    pub fn run(&self) -> Result<Vec<Tensor>> {
        let new = |(shape, dtype): &(Shape, DType)| Tensor::empty(self.op, shape.clone(), *dtype, &self.device);
        let outs = self.results.iter().map(new).collect::<Result<Vec<_>>>()?;
        self.device.backend().run(self.op, &self.graph, &outs)?;
        Ok(outs)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("device", &self.device).field("results", &self.results).finish_non_exhaustive()
    }
}

/// What evaluating an expression alone needs.
pub(super) fn eval_graph_of(expr: &Expr) -> Result<Graph> {
    Graph::new(&[(expr, expr.dtype())])
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
