//! What calls of a function need, of operands of one form: a graph of stand-ins, to which operands are bound.

use smallvec::SmallVec;

use super::assign::{graph_of, writes_before_it_reads};
use super::forms::key;
use super::function::Operand;
use crate::base::storage::Storage;
use crate::expr::graph::Graph;
use crate::{DType, Device, Error, Expr, Result, Scalar, ScalarCell, Shape, Tensor};

/// What results need, of operands of one form.
pub(super) struct Compiled {
    device: Device,
    /// That of the form: see [`key`].
    pub(super) key: u64,
    places: SmallVec<[Place; 4]>,
    /// Shapes and dtypes of the targets; none for results in new tensors.
    targets: SmallVec<[(Shape, DType); 2]>,
    pub(super) results: SmallVec<[(Shape, DType); 2]>,
    graph: Graph,
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
        operands: &[Operand],
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
        Ok(Self {
            device: device.clone(),
            key: key(operands, targets),
            places,
            targets: targets.iter().map(|t| (t.shape().clone(), t.dtype())).collect(),
            results: exprs.iter().map(result).collect(),
            graph,
        })
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

/// The lowest element of its memory that a tensor has.
fn lowest(tensor: &Tensor) -> usize {
    tensor.layout().bounds().map_or(tensor.offset(), |(low, _)| low)
}
