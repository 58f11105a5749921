//! Assignment: values written into tensors in place.
//!
//! Before a backend writes a target, the targets are seen to lie apart. Where a single pass would overwrite elements that are
//! still to be read, the CPU computes values beside the targets, which are copied; a GPU's plan sees to that.

use std::sync::Arc;

use smallvec::SmallVec;

use super::eval::{device_of, mismatch};
use super::rebuilt;
use crate::base::dtype::integers;
use crate::base::storage::Storage;
use crate::expr::graph::{Graph, Place, Source, Step, Take};
use crate::expr::range::check_element;
use crate::expr::{assigned, assigned_before, joint};
use crate::{DType, Device, Error, Expr, Result, Scalar, Tensor};

/// Writes several values into several tensors at once, in place, as Python's tuple assignment: every right side
/// sees the old values.
///
/// ```
/// use hadamard::{Device, Tensor, assign};
/// let device = Device::cpu();
/// let a = Tensor::from_slice(&[1.0_f32, 2.0], [2], &device)?;
/// let b = Tensor::from_slice(&[3.0_f32, 4.0], [2], &device)?;
/// assign(&[(&a, &b + 0.0), (&b, &a + 0.0)])?;
/// assert_eq!((a.to_vec::<f32>()?, b.to_vec::<f32>()?), (vec![3.0, 4.0], vec![1.0, 2.0]));
/// # Ok::<(), hadamard::Error>(())
/// ```
///
/// Each value must broadcast to its tensor's shape and is converted to its dtype, rounding once.
///
/// Threads may assign to the same tensors. Assignments and evaluations of one device are as if done one after another,
/// each as a whole: no `x = x + 1` is lost, and nobody sees half of the targets written. There is one exception: where a right
/// side reads a target elsewhere than at the element being written (a flipped view of it, its sum), values are computed
/// first and copied then, and another thread's work may come between.
///
/// # Errors
///
/// [`Error::Broadcast`] if a value does not fit its tensor, [`Error::Overlap`] if two tensors share memory,
/// [`Error::Argument`] if one repeats its own elements (a broadcast view), and as [`Expr::eval`]. No tensor is
/// written unless everything was found to be in order.
pub fn assign(targets: &[(&Tensor, Expr)]) -> Result<()> {
    const OP: &str = "assign";
    if targets.is_empty() {
        return Ok(());
    }
    match assigned_before(targets) {
        Some((graph, false)) => {
            let into: SmallVec<[&Tensor; 4]> = targets.iter().map(|(target, _)| *target).collect();
            into[0].device().backend().run_again(OP, &graph, &into)
        }
        Some((graph, beside)) => Update::before(OP, targets, graph, beside).run(),
        None => match rebuilt::assign(OP, targets) {
            Some(done) => done,
            None => Update::kept(OP, targets)?.run(),
        },
    }
}

/// An assignment found to be in order and made flat, to be run as often as one likes.
pub(crate) struct Update {
    op: &'static str,
    device: Device,
    targets: SmallVec<[Tensor; 1]>,
    graph: Arc<Graph>,
    /// Whether values are computed beside the targets and copied, as a pass would overwrite elements that are still to be
    /// read.
    beside: bool,
}

impl Update {
    /// Of at least one target. As [`assign`].
    pub(crate) fn new(op: &'static str, targets: &[(&Tensor, Expr)]) -> Result<Self> {
        Self::with(op, targets, || graph_of(op, targets))
    }

    /// The same of values that keep their graph, and where they are assigned to.
    fn kept(op: &'static str, targets: &[(&Tensor, Expr)]) -> Result<Self> {
        let wanted: SmallVec<[_; 4]> = targets.iter().map(|(t, e)| (e, t.dtype(), t.shape())).collect();
        let update = Self::with(op, targets, || joint(&wanted, || graph_of(op, targets)))?;
        assigned(targets, &update.graph, update.beside);
        Ok(update)
    }

    /// The same of values that were assigned to these targets before: that all is in order depends on nothing that could have
    /// changed since.
    fn before(op: &'static str, targets: &[(&Tensor, Expr)], graph: Arc<Graph>, beside: bool) -> Self {
        let device = targets[0].0.device();
        let targets = targets.iter().map(|&(target, _)| target.clone()).collect();
        Self { op, device, targets, graph, beside }
    }

    fn with(op: &'static str, targets: &[(&Tensor, Expr)], graph: impl FnOnce() -> Result<Arc<Graph>>) -> Result<Self> {
        let device = targets[0].0.device();
        Self::check_targets(op, &targets.iter().map(|(target, _)| *target).collect::<SmallVec<[_; 4]>>(), &device)?;
        let graph = graph()?;
        let targets: SmallVec<[Tensor; 1]> = targets.iter().map(|&(t, _)| t.clone()).collect();
        if let Some(found) = device_of(op, &graph)?
            && found != device
        {
            return Err(mismatch(op, &device, &found));
        }
        let beside = goes_beside(&device, &graph, &targets);
        Ok(Self { op, device, targets, graph, beside })
    }

    /// An error unless tensors are on the device, may be written, and lie apart.
    pub(super) fn check_targets(op: &'static str, targets: &[&Tensor], device: &Device) -> Result<()> {
        for target in targets {
            if !device.backend().owns(target.storage()) {
                return Err(mismatch(op, device, &target.device()));
            }
            if target.storage().is_read_only() {
                let found = format!("borrowed memory {} that is to be read only", target.shape());
                return Err(Error::argument(op, "a target that may be written", found));
            }
            if target.layout().overlaps_itself() {
                return Err(Error::argument(
                    op,
                    "a target whose elements lie apart",
                    format!("a broadcast view {}", target.shape()),
                ));
            }
        }
        match overlap(targets.iter().copied()) {
            Some((first, second)) => Err(Error::Overlap { op, first, second }),
            None => Ok(()),
        }
    }

    /// Reads and writes what the tensors hold now.
    pub(crate) fn run(&self) -> Result<()> {
        let Self { op, device, targets, graph, beside } = self;
        if *beside {
            // Rare: a permuted or shifted view of a target on the right side.
            write_beside(op, device, targets, |parts| device.backend().run(op, graph, parts))
        } else {
            device.backend().run(op, graph, targets)
        }
    }

    /// As [`run`](Self::run), but writes the last value into a new tensor, which it returns.
    pub(crate) fn run_with_new_last(&self) -> Result<Tensor> {
        let mut targets = self.targets.clone();
        let last = targets.len() - 1;
        let old = &targets[last];
        let new = Tensor::empty(self.op, old.shape().clone(), old.dtype(), &self.device)?;
        targets[last] = new.clone();
        Self { op: self.op, device: self.device.clone(), targets, graph: self.graph.clone(), beside: self.beside }
            .run()?;
        Ok(new)
    }

    /// Whether its targets are written by the run that computes their values.
    pub(crate) fn is_in_place(&self) -> bool {
        !self.beside
    }

    pub(crate) fn targets(&self) -> &[Tensor] {
        &self.targets
    }

    /// Whether the right sides read memory of `tensor`.
    pub(crate) fn reads(&self, tensor: &Tensor) -> bool {
        self.graph.values.iter().any(|value| match &value.step {
            Step::Load { buffer, access } => {
                let storage = &self.graph.buffers[*buffer].0;
                let same = storage.id() == tensor.storage().id();
                same && access.footprint().may_overlap(tensor.layout()) || storage.crosses(tensor.storage())
            }
            Step::Take(Take { from: Source::Buffer(buffer), .. }) => {
                self.graph.buffers[*buffer].0.meets(tensor.storage())
            }
            _ => false,
        })
    }

    /// Takes over what a backend has prepared for an update of the same form, so that nothing is planned again.
    pub(crate) fn adopt(&mut self, other: &Self) {
        Arc::make_mut(&mut self.graph).adopt(&other.graph);
    }

    /// The buffers it reads.
    pub(crate) fn buffers(&self) -> impl Iterator<Item = &Storage> {
        self.graph.buffers.iter().map(|(storage, _)| storage)
    }

    /// Reads other memory of the same device and dtype, which is no target, in place of buffer `at`, from element `start` on.
    pub(crate) fn bind(&mut self, at: usize, storage: Storage, start: usize) {
        Arc::make_mut(&mut self.graph).bind(at, storage, start);
    }
}

/// Has `run` write tensors like the targets, then copies them there.
pub(super) fn write_beside(
    op: &'static str,
    device: &Device,
    targets: &[Tensor],
    run: impl FnOnce(&[Tensor]) -> Result<()>,
) -> Result<()> {
    let parts =
        targets.iter().map(|t| Tensor::empty(op, t.shape().clone(), t.dtype(), device)).collect::<Result<Vec<_>>>()?;
    run(&parts)?;
    // All copies in one run: it writes nothing unless everything it needs is there.
    let parts: Vec<Expr> = parts.into_iter().map(Expr::from).collect();
    let copies = parts.iter().zip(targets).map(|(part, target)| (part, target.dtype())).collect::<Vec<_>>();
    device.backend().run(op, &Graph::new(&copies)?, targets)
}

/// What values need, each as its target takes it.
pub(super) fn graph_of(op: &'static str, targets: &[(&Tensor, Expr)]) -> Result<Arc<Graph>> {
    let values = targets.iter().map(|(t, e)| e.fit(op, t)).collect::<Result<SmallVec<[Expr; 1]>>>()?;
    match (&values[..], targets) {
        ([value], [(target, _)]) if value.dtype() == target.dtype() => value.graph(),
        _ => {
            let pairs: SmallVec<[_; 4]> = values.iter().zip(targets).map(|(e, (t, _))| (e, t.dtype())).collect();
            Graph::new(&pairs).map(Arc::new)
        }
    }
}

/// Two tensors that share memory, if any do. Only those whose bounds meet are looked at: there may be thousands.
pub(crate) fn overlap<'a>(tensors: impl ExactSizeIterator<Item = &'a Tensor>) -> Option<(usize, usize)> {
    if tensors.len() < 2 {
        return None;
    }
    let tensors: SmallVec<[&Tensor; 8]> = tensors.collect();
    let borrowed: SmallVec<[usize; 8]> =
        (0..tensors.len()).filter(|&i| tensors[i].storage().borrowed().is_some()).collect();
    for (k, &i) in borrowed.iter().enumerate() {
        let crosses = |&&j: &&usize| tensors[i].storage().crosses(tensors[j].storage());
        if let Some(&j) = borrowed[k + 1..].iter().find(crosses) {
            return Some((i, j));
        }
    }
    let place = |(i, t): (usize, &&Tensor)| t.layout().bounds().map(|b| (t.storage().id(), b.0, b.1, i));
    let mut places: Vec<(usize, usize, usize, usize)> = tensors.iter().enumerate().filter_map(place).collect();
    places.sort_unstable();
    places.iter().enumerate().find_map(|(k, &(id, _, high, i))| {
        let near = places[k + 1..].iter().take_while(|other| other.0 == id && other.1 <= high);
        let shares = |other: &&(usize, usize, usize, usize)| tensors[i].layout().may_overlap(tensors[other.3].layout());
        near.filter(shares).map(|other| (i.min(other.3), i.max(other.3))).next()
    })
}

/// A number as an element of `dtype`, which must hold it.
fn number_of(op: &'static str, number: Scalar, dtype: DType) -> Result<Expr> {
    check_element(op, number, dtype)?;
    Ok(match dtype {
        DType::Bool => number.to_bool().into(),
        integers!() => number.to_i64().into(),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => number.to_f64().into(),
    })
}

impl Expr {
    /// This expression broadcast to a target's shape.
    fn fit(&self, op: &'static str, target: &Tensor) -> Result<Self> {
        self.check()?;
        let value = match self.as_scalar() {
            Some(number) => number_of(op, number, target.dtype())?,
            // A store converts as backends do, who know no u64.
            None if [self.dtype(), target.dtype()].contains(&DType::U64) => self.cast(target.dtype()),
            None => self.clone(),
        };
        if value.shape() == target.shape() {
            return Ok(value);
        }
        let value = value.broadcast_to(target.shape());
        match value.error() {
            None => Ok(value),
            Some(_) => Err(Error::Broadcast { op, lhs: self.shape().clone(), rhs: target.shape().clone() }),
        }
    }
}

/// Whether values are computed beside targets and copied: where memory that was borrowed twice is written and read, and where
/// a pass would overwrite elements that are still to be read. A GPU's plan sees to the latter by itself.
fn goes_beside(device: &Device, graph: &Graph, targets: &[Tensor]) -> bool {
    if device.backend().is_gpu() { crosses(graph, targets) } else { writes_before_it_reads(graph, targets) }
}

/// Whether a single pass would overwrite elements that are still to be read.
pub(super) fn writes_before_it_reads(graph: &Graph, targets: &[Tensor]) -> bool {
    let buffer_of = |target: &Tensor| graph.buffers.iter().position(|(s, _)| s.id() == target.storage().id());
    let places: SmallVec<[Place<'_>; 4]> = targets
        .iter()
        .map(|target| Place { buffer: buffer_of(target), layout: target.layout(), dtype: target.dtype() })
        .collect();
    crosses(graph, targets) || graph.writes_before_it_reads(&places)
}

/// Whether targets share memory with what is read that is another buffer's, too.
fn crosses(graph: &Graph, targets: &[Tensor]) -> bool {
    graph.buffers.iter().any(|(storage, _)| targets.iter().any(|target| storage.crosses(target.storage())))
}
