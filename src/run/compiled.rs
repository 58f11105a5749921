//! What calls of a function need, of operands of one form: a graph of stand-ins, to which operands are bound.

use smallvec::SmallVec;

use super::assign::{graph_of, writes_before_it_reads};
use super::function::Operand;
use crate::base::layout::Layout;
use crate::base::storage::Storage;
use crate::expr::Asks;
use crate::expr::graph::{Graph, Sizes};
use crate::{DType, Device, Error, Expr, Result, Scalar, ScalarCell, Shape, Tensor};

/// What results need, of operands of one form.
pub(super) struct Compiled {
    device: Device,
    /// That of the form: see [`Forms::kind`](super::forms::Forms::kind).
    pub(super) key: u64,
    places: SmallVec<[Place; 4]>,
    /// Shapes and dtypes of the targets; none for results in new tensors.
    targets: SmallVec<[(Shape, DType); 2]>,
    pub(super) results: SmallVec<[(Shape, DType); 2]>,
    graph: Graph,
    /// What decides on it beside dtypes and ranks.
    asks: Asks,
}

/// The place of an operand.
pub(super) enum Place {
    Tensor {
        /// Without elements; its layout counts from the lowest element.
        stand_in: Tensor,
        /// Its buffer in the graph, if the results need it.
        buffer: Option<usize>,
        /// Whether it may be the only target: whether each of its elements is read, if at all, just before it is written.
        in_place: bool,
    },
    Number(Scalar),
    /// A float that may be another at each call.
    Cell(ScalarCell),
}

impl Place {
    /// What stands in it, if that is a tensor.
    pub(super) fn tensor(&self) -> Option<&Tensor> {
        match self {
            Self::Tensor { stand_in, .. } => Some(stand_in),
            Self::Number(_) | Self::Cell(_) => None,
        }
    }

    fn fits(&self, operand: &Operand) -> bool {
        match (self, operand) {
            (Self::Tensor { stand_in, .. }, Operand::Tensor(tensor)) => {
                stand_in.dtype() == tensor.dtype()
                    && stand_in.shape() == tensor.shape()
                    && stand_in.strides() == tensor.strides()
            }
            (Self::Cell(_), Operand::Number(Scalar::Float(_))) => true,
            (Self::Number(Scalar::Float(a)), Operand::Number(Scalar::Float(b))) => a.to_bits() == b.to_bits(),
            (Self::Number(a), Operand::Number(b)) => a == b,
            _ => false,
        }
    }
}

/// Places for operands of a form, and what stands in them.
pub(super) fn places(
    op: &'static str,
    operands: &[Operand],
    device: &Device,
    cells: bool,
) -> Result<(SmallVec<[Place; 4]>, Vec<Expr>)> {
    let place = |operand: &Operand| {
        Ok(match operand {
            Operand::Tensor(tensor) => {
                let none = Tensor::empty(op, [0].into(), tensor.dtype(), device)?;
                let stand_in = none.with_layout(tensor.layout().moved(lowest(tensor)));
                Place::Tensor { stand_in, buffer: None, in_place: false }
            }
            &Operand::Number(Scalar::Float(number)) if cells => Place::Cell(ScalarCell::new(number)),
            &Operand::Number(number) => Place::Number(number),
        })
    };
    let places = operands.iter().map(place).collect::<Result<SmallVec<[Place; 4]>>>()?;
    let expr = |place: &Place| match place {
        Place::Tensor { stand_in, .. } => stand_in.into(),
        Place::Number(number) => (*number).into(),
        Place::Cell(cell) => cell.into(),
    };
    let exprs = places.iter().map(expr).collect();
    Ok((places, exprs))
}

/// The shape and dtype of an expression's result.
pub(super) fn result(expr: &Expr) -> (Shape, DType) {
    (expr.shape().clone(), expr.dtype())
}

/// An error unless each target has the shape and dtype of its result.
pub(super) fn check_exact(op: &'static str, results: &[(Shape, DType)], targets: &[&Tensor]) -> Result<()> {
    for ((shape, dtype), target) in results.iter().zip(targets) {
        if shape != target.shape() || *dtype != target.dtype() {
            let found = format!("one of dtype {} and shape {}", target.dtype(), target.shape());
            return Err(Error::argument(op, format!("a target of dtype {dtype} and shape {shape}"), found));
        }
    }
    Ok(())
}

impl Compiled {
    pub(super) fn new(
        op: &'static str,
        mut places: SmallVec<[Place; 4]>,
        exprs: &[Expr],
        (key, asks): (u64, Asks),
        targets: &[&Tensor],
        device: &Device,
    ) -> Result<Self> {
        let graph = if targets.is_empty() {
            Graph::new(&exprs.iter().map(|e| (e, e.dtype())).collect::<Vec<_>>())?
        } else {
            let pairs: Vec<(&Tensor, Expr)> = targets.iter().copied().zip(exprs.iter().cloned()).collect();
            std::sync::Arc::unwrap_or_clone(graph_of(op, &pairs)?)
        };
        for place in &mut places {
            if let Place::Tensor { stand_in, buffer, in_place } = place {
                *buffer = graph.buffers.iter().position(|b| b.0.id() == stand_in.storage().id());
                *in_place = !writes_before_it_reads(&graph, std::slice::from_ref(stand_in));
            }
        }
        let targets: SmallVec<[(Shape, DType); 2]> = targets.iter().map(|t| (t.shape().clone(), t.dtype())).collect();
        let results = exprs.iter().map(result).collect();
        let mut compiled = Self { device: device.clone(), key, places, targets, results, graph, asks: Asks::Sizes };
        if let Some(sizes) = sizes(asks, compiled.shapes(), compiled.shapes()) {
            let layouts = layouts(&compiled.places);
            if compiled.graph.is_resizable(&layouts, &sizes) {
                compiled.asks = asks;
            }
        }
        Ok(compiled)
    }

    /// The sizes it has to be [resized](Self::resize) to for operands and targets, if it can be made what they need: if they
    /// differ in no more than sizes from those it is for, and in steps that are not 0, and the same dims have size 1.
    pub(super) fn sizes(&self, operands: &[Operand], targets: &[&Tensor], device: &Device) -> Option<Sizes> {
        let fits = |(place, operand): (&Place, &Operand)| match (place, operand) {
            (Place::Tensor { stand_in, .. }, Operand::Tensor(tensor)) => {
                let step = |tensor: &Tensor, d: usize| tensor.strides()[d] == 0;
                let same = |d: usize| tensor.shape()[d] == 1 || step(stand_in, d) == step(tensor, d);
                let dtype = stand_in.dtype() == tensor.dtype();
                dtype && are_alike(stand_in.shape(), tensor.shape()) && (0..tensor.rank()).all(same)
            }
            (place, operand) => place.fits(operand),
        };
        let alike = self.asks != Asks::Sizes
            && self.places.iter().zip(operands).all(fits)
            && self.targets.len() == targets.len()
            && self
                .targets
                .iter()
                .zip(targets)
                .all(|(known, t)| known.1 == t.dtype() && are_alike(&known.0, t.shape()))
            && self.device == *device;
        let shapes = operands.iter().filter_map(Operand::tensor).map(Tensor::shape);
        let shapes = shapes.chain(targets.iter().map(|target| target.shape()));
        if alike { sizes(self.asks, self.shapes(), shapes) } else { None }
    }

    /// Of operands and of targets.
    fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let operands = self.places.iter().filter_map(Place::tensor).map(Tensor::shape);
        operands.chain(self.targets.iter().map(|target| &target.0))
    }

    /// Makes it what operands and targets need that have these [sizes](Self::sizes).
    pub(super) fn resize(&mut self, sizes: &Sizes, operands: &[Operand], targets: &[&Tensor]) {
        for (place, operand) in self.places.iter_mut().zip(operands) {
            if let (Place::Tensor { stand_in, .. }, Operand::Tensor(tensor)) = (place, operand) {
                *stand_in = stand_in.with_layout(tensor.layout().moved(lowest(tensor)));
            }
        }
        let shapes = self.targets.iter_mut().chain(&mut self.results).map(|(shape, _)| shape);
        shapes.for_each(|shape| sizes.put(shape));
        let layouts = layouts(&self.places);
        self.graph.resize(sizes, &layouts);
        drop(layouts);
        self.device.backend().resize(&mut self.graph, sizes);
        // Asked for where there are targets alone.
        for place in &mut self.places {
            if let Place::Tensor { stand_in, in_place, .. } = place
                && !targets.is_empty()
            {
                *in_place = !writes_before_it_reads(&self.graph, std::slice::from_ref(stand_in));
            }
        }
    }

    /// The same, with cells of its own, for another thread may call meanwhile.
    pub(super) fn copy(&self) -> Self {
        let mut graph = self.graph.clone();
        let place = |place: &Place| match place {
            Place::Tensor { stand_in, buffer, in_place } => {
                Place::Tensor { stand_in: stand_in.clone(), buffer: *buffer, in_place: *in_place }
            }
            Place::Number(number) => Place::Number(*number),
            Place::Cell(old) => {
                let new = ScalarCell::new(old.get());
                graph.exchange(old, &new);
                Place::Cell(new)
            }
        };
        Self {
            device: self.device.clone(),
            key: self.key,
            places: self.places.iter().map(place).collect(),
            targets: self.targets.clone(),
            results: self.results.clone(),
            graph,
            asks: self.asks,
        }
    }

    /// Whether it is what operands and targets of this form need.
    pub(super) fn fits(&self, operands: &[Operand], targets: &[&Tensor], device: &Device) -> bool {
        self.places.iter().zip(operands).all(|(place, operand)| place.fits(operand))
            && self.targets.len() == targets.len()
            && self.targets.iter().zip(targets).all(|(known, t)| known.1 == t.dtype() && known.0 == *t.shape())
            && self.device == *device
    }

    /// Whether one pass may write targets where operands are read: if they lie apart, or the one target is one of them.
    pub(super) fn may_write(&self, operands: &[Operand], targets: &[&Tensor]) -> bool {
        let mut own = 0;
        for (place, operand) in self.places.iter().zip(operands) {
            let (Place::Tensor { buffer: Some(_), in_place, .. }, Some(tensor)) = (place, operand.tensor()) else {
                continue;
            };
            for target in targets {
                if tensor.storage().id() == target.storage().id() {
                    if targets.len() > 1 || !in_place || !tensor.is_same_view(target) {
                        return false;
                    }
                    own += 1;
                } else if tensor.storage().crosses(target.storage()) {
                    return false;
                }
            }
        }
        // A target is one buffer of the graph at most.
        own < 2
    }

    /// Reads operands of its form, and writes the results.
    pub(super) fn run(
        &mut self,
        op: &'static str,
        operands: &[Operand],
        results: &[Tensor],
        device: &Device,
    ) -> Result<()> {
        for (place, operand) in self.places.iter().zip(operands) {
            match (place, operand) {
                (&Place::Tensor { buffer: Some(buffer), .. }, Operand::Tensor(tensor)) => {
                    self.graph.bind(buffer, tensor.storage().clone(), lowest(tensor));
                }
                (Place::Cell(cell), Operand::Number(number)) => cell.set(number.to_f64()),
                _ => {}
            }
        }
        let done = device.backend().run(op, &self.graph, results);
        // What was read is its owner's again.
        for place in &self.places {
            if let &Place::Tensor { ref stand_in, buffer: Some(buffer), .. } = place {
                let nothing: Storage = stand_in.storage().clone();
                self.graph.bind(buffer, nothing, 0);
            }
        }
        done
    }
}

/// The sizes that shapes have in place of others, where these decide on what `asks` says.
fn sizes<'a>(asks: Asks, old: impl Iterator<Item = &'a Shape>, new: impl Iterator<Item = &'a Shape>) -> Option<Sizes> {
    match asks {
        Asks::Ones => Sizes::by_place(new),
        Asks::Same => Sizes::by_size(old.zip(new)),
        Asks::Sizes => None,
    }
}

/// How each buffer of a graph lies that what stands in some places is.
fn layouts(places: &[Place]) -> SmallVec<[&Layout; 4]> {
    let mut layouts: SmallVec<[&Layout; 4]> = SmallVec::new();
    for place in places {
        if let Place::Tensor { stand_in, buffer: Some(buffer), .. } = place {
            layouts.resize(layouts.len().max(buffer + 1), stand_in.layout());
            layouts[*buffer] = stand_in.layout();
        }
    }
    layouts
}

/// Whether two shapes have elements and size 1 in the same dims.
fn are_alike(a: &Shape, b: &Shape) -> bool {
    a.rank() == b.rank() && a.iter().zip(b.iter()).all(|(&a, &b)| (a == 1) == (b == 1) && a > 0 && b > 0)
}

/// The lowest element of its memory that a tensor has.
fn lowest(tensor: &Tensor) -> usize {
    tensor.layout().bounds().map_or(tensor.offset(), |(low, _)| low)
}
